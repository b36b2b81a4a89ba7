//! Making what remains simpler. Each change is kept only if the schedule still shows what is looked for.

use super::Search;
use crate::{
    fault::{ClockChange, Fault, LinkQuality},
    id::{ClientId, LinkId, ReplicaId},
    operation::Operation,
    sim::schedule::{Durability, Errand, Jitter, Schedule},
    value::{Key, Value},
};
use alloc::{collections::BTreeSet, vec::Vec};

/// How far apart the events of a simple schedule are, microseconds, the roundest first.
const PACES_US: [u64; 3] = [1_000_000, 100_000, 10_000];

impl<F: FnMut(&Schedule) -> bool> Search<F> {
    pub(super) fn simplify(&mut self) {
        self.calm_surroundings();
        self.drop_strangers();
        self.name_anew();
        for index in 0..self.best.faults.len() {
            self.simplify_fault(index);
        }
        self.pace();
        self.end_early();
    }

    /// A quiet network, a quick disk, fine clocks.
    fn calm_surroundings(&mut self) {
        let calm =
            |quality: LinkQuality| LinkQuality { latency_us: quality.latency_us, ..LinkQuality::default() };
        self.try_change(|schedule| schedule.cluster.link = calm(schedule.cluster.link));
        self.try_change(|schedule| schedule.clients.link = calm(schedule.clients.link));
        self.try_change(|schedule| schedule.cluster.link.latency_us = 1000);
        self.try_change(|schedule| schedule.cluster.jitter = Jitter::default());
        self.try_change(|schedule| schedule.cluster.durability = Durability::default());
        self.try_change(|schedule| schedule.cluster.clock_tick_us = 0);
        self.try_change(|schedule| schedule.clients.token = false);
    }

    /// Replicas and clients that nothing is said of.
    fn drop_strangers(&mut self) {
        while !self.best.cluster.followers.is_empty()
            && self.try_change(|schedule| drop(schedule.cluster.followers.pop()))
        {}
        while self.best.cluster.leaders > 2 && self.try_change(|schedule| schedule.cluster.leaders -= 1) {}
        let used: BTreeSet<ClientId> = clients(&self.best).collect();
        self.try_change(|schedule| keep_clients(schedule, &used));
        // Without clients at the last leader there may be no need of it.
        while self.best.cluster.leaders > 2 && self.try_change(|schedule| schedule.cluster.leaders -= 1) {}
    }

    /// One record, small values in the order of their writing, reads at one's own leader.
    fn name_anew(&mut self) {
        self.try_change(|schedule| {
            let key = Key::new_static("k");
            schedule.operations.iter_mut().for_each(|operation| operation.key = key.clone());
            for timed in &mut schedule.errands {
                if let Errand::TakeHome(home) = &mut timed.errand {
                    *home = key.clone();
                }
            }
        });
        self.try_change(|schedule| {
            for (operation, number) in schedule.operations.iter_mut().zip(1..) {
                if let Operation::Put(value) | Operation::Insert(value) | Operation::Append(value) =
                    &mut operation.operation
                {
                    *value = Value::Int(number);
                }
            }
        });
        self.try_change(|schedule| {
            schedule.operations.iter_mut().for_each(|operation| operation.replica = None);
        });
    }

    fn simplify_fault(&mut self, index: usize) {
        for fault in simpler(&self.best.faults[index].fault) {
            if self.try_change(|schedule| schedule.faults[index].fault = fault) {
                break;
            }
        }
        self.try_change(|schedule| schedule.faults[index].in_flight = false);
        self.try_change(|schedule| schedule.faults[index].backup_us = None);
    }

    /// Events at round times, one after the other.
    fn pace(&mut self) {
        for pace_us in PACES_US {
            if self.try_change(|schedule| spread(schedule, pace_us)) {
                return;
            }
        }
        for pace_us in PACES_US {
            self.try_change(|schedule| {
                times(schedule).into_iter().for_each(|at_us| *at_us -= *at_us % pace_us);
            });
        }
    }

    /// The run ends soon after the last event.
    fn end_early(&mut self) {
        self.try_change(|schedule| {
            let last_us = times(schedule).into_iter().map(|at_us| *at_us).max().unwrap_or(0);
            schedule.phases.heal_us = last_us + PACES_US[0];
            schedule.phases.load_us = last_us + PACES_US[0];
        });
    }
}

/// The times of all events: faults first.
fn times(schedule: &mut Schedule) -> Vec<&mut u64> {
    let faults = schedule.faults.iter_mut().map(|fault| &mut fault.at_us);
    let faults = faults.chain(schedule.errands.iter_mut().map(|errand| &mut errand.at_us));
    faults.chain(schedule.operations.iter_mut().map(|operation| &mut operation.at_us)).collect()
}

/// Puts the events at multiples of a pace, in their order.
fn spread(schedule: &mut Schedule, pace_us: u64) {
    let mut order = times(schedule);
    order.sort_by_key(|at_us| **at_us);
    for (at_us, number) in order.into_iter().zip(1..) {
        *at_us = number * pace_us;
    }
    schedule.operations.sort_by_key(|operation| operation.at_us);
    schedule.faults.sort_by_key(|fault| fault.at_us);
    schedule.errands.sort_by_key(|errand| errand.at_us);
}

/// Simpler faults of the same kind, the simplest first.
fn simpler(fault: &Fault) -> Vec<Fault> {
    let single = |links: &[LinkId], make: fn(Vec<LinkId>) -> Fault| -> Vec<Fault> {
        let several = links.len() > 1;
        let singles = links.iter().filter(|_| several).map(|&link| make(Vec::from([link])));
        let without = (0..links.len()).filter(|_| several).map(|gone| {
            let rest = links.iter().enumerate().filter(|&(index, _)| index != gone);
            make(rest.map(|(_, &link)| link).collect())
        });
        singles.chain(without).collect()
    };
    match fault {
        Fault::Cut(links) => single(links, Fault::Cut),
        Fault::Stall(links) => single(links, Fault::Stall),
        Fault::Heal(links) => single(links, Fault::Heal),
        Fault::Degrade(links, quality) => {
            let slow = LinkQuality { latency_us: quality.latency_us, ..LinkQuality::default() };
            Vec::from([Fault::Degrade(links.clone(), slow)])
        }
        Fault::Clock(replica, ClockChange::Step { us } | ClockChange::Offset { us }) => {
            let simple = |size: i64| Fault::Clock(*replica, ClockChange::Offset { us: size * us.signum() });
            [1_000_000, 10_000_000, 60_000_000]
                .map(simple)
                .into_iter()
                .take_while(|simple| simple != fault)
                .collect()
        }
        Fault::Relocate { client, to, token: false } => {
            Vec::from([Fault::Relocate { client: *client, to: *to, token: true }])
        }
        _ => Vec::new(),
    }
}

fn clients(schedule: &Schedule) -> impl Iterator<Item = ClientId> + '_ {
    let moved = schedule.faults.iter().filter_map(|timed| match timed.fault {
        Fault::Relocate { client, .. } => Some(client),
        _ => None,
    });
    schedule.operations.iter().map(|operation| operation.client).chain(moved)
}

/// Keeps these clients, numbered from 0.
fn keep_clients(schedule: &mut Schedule, used: &BTreeSet<ClientId>) {
    let number = |client: ClientId| {
        let place = used.iter().position(|&other| other == client).unwrap_or(0);
        ClientId(u32::try_from(place).unwrap_or(0))
    };
    let at = |client: &ClientId| schedule.clients.at.get(client.0 as usize).copied().unwrap_or(ReplicaId(0));
    schedule.clients.at = used.iter().map(at).collect();
    schedule.operations.iter_mut().for_each(|operation| operation.client = number(operation.client));
    for timed in &mut schedule.faults {
        if let Fault::Relocate { client, .. } = &mut timed.fault {
            *client = number(*client);
        }
    }
}
