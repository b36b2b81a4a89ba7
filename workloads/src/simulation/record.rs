//! From what the simulator tells to the events of a history.

use crate::history::{Event, Phase, Quiescence, recorded_conflict};
use quarrel_models::{
    fault::Fault,
    id::{ClientId, ReplicaId, WriteId},
    message::TraceEvent,
    operation::KeyedOperation,
    session::{Outcome as Answered, Resolution},
    sim::{Errand, Observer, Outcome, Rest},
    value::Key,
};
use std::collections::BTreeSet;

/// Makes events and hands them on.
#[derive(Debug)]
pub struct Recorder<F> {
    told: F,
    /// The conflicts that replicas recorded, each loser once.
    recorded: Vec<(ReplicaId, Key, WriteId, WriteId)>,
    losers: BTreeSet<WriteId>,
}

/// The times of a history are nanoseconds.
const fn ns(at_us: u64) -> u64 {
    at_us.saturating_mul(1000)
}

impl<F: FnMut(Event)> Recorder<F> {
    /// Begins a history.
    pub fn new(mut told: F) -> Self {
        told(Event::Phase { t: 0, phase: Phase::Storm });
        Self { told, recorded: Vec::new(), losers: BTreeSet::new() }
    }

    /// What every replica holds, and the end.
    pub fn finish(&mut self, outcome: &Outcome) {
        let t = ns(outcome.ended_us);
        (self.told)(Event::Phase { t, phase: Phase::ReadAll });
        for (index, replica) in outcome.replicas.iter().enumerate() {
            let id = ReplicaId::from_index(index);
            let Some(replica) = replica else {
                (self.told)(Event::Unread { replica: id, why: "dead".to_owned() });
                continue;
            };
            let mut records = 0;
            for (key, cell) in replica.cells() {
                records += 1;
                (self.told)(Event::holding(id, key.clone(), cell.clone()));
            }
            (self.told)(Event::FinalEnd { replica: id, records, applied: replica.applied().clone() });
        }
        for (replica, key, loser, winner) in std::mem::take(&mut self.recorded) {
            (self.told)(Event::Recorded { replica, key, loser, winner });
        }
        let quiescence = match &outcome.rest {
            Rest::Reached { after_us } => Quiescence::Positions { after_ns: ns(*after_us) },
            Rest::NotReached { why } => Quiescence::NotReached { why: why.clone() },
        };
        (self.told)(Event::End { t, quiescence });
    }
}

impl<F: FnMut(Event)> Observer for Recorder<F> {
    fn invoked(
        &mut self,
        at_us: u64,
        client: ClientId,
        replica: ReplicaId,
        operation: &KeyedOperation,
        write: Option<WriteId>,
    ) {
        let KeyedOperation { key, operation } = operation.clone();
        (self.told)(Event::Invoke { t: ns(at_us), client, at: replica, key, op: operation, write });
    }

    fn completed(&mut self, at_us: u64, client: ClientId, writes: bool, outcome: Answered) {
        (self.told)(Event::completion(ns(at_us), client, writes, outcome));
    }

    fn resolved(&mut self, at_us: u64, client: ClientId, resolution: Resolution) {
        (self.told)(Event::resolution(ns(at_us), client, resolution));
    }

    fn fault(&mut self, at_us: u64, fault: &Fault, backup_us: Option<u64>) {
        let effect = backup_us.map_or_else(String::new, |before_us| {
            format!("on a backup of {} ms before", at_us.saturating_sub(before_us) / 1000)
        });
        (self.told)(Event::Nemesis { t: ns(at_us), fault: fault.clone(), effect });
    }

    fn errand(&mut self, at_us: u64, replica: ReplicaId, errand: &Errand) {
        (self.told)(Event::Maintenance { t: ns(at_us), replica, errand: errand.clone() });
    }

    fn trace(&mut self, _at_us: u64, replica: ReplicaId, event: TraceEvent) {
        if !matches!(event, TraceEvent::Apply { recorded: true, .. }) {
            return;
        }
        if let Some((key, loser, winner)) = recorded_conflict(event)
            && self.losers.insert(loser)
        {
            self.recorded.push((replica, key, loser, winner));
        }
    }

    fn healed(&mut self, at_us: u64) {
        (self.told)(Event::Phase { t: ns(at_us), phase: Phase::Heal });
    }

    fn load_ended(&mut self, at_us: u64) {
        (self.told)(Event::Phase { t: ns(at_us), phase: Phase::Quiesce });
    }
}
