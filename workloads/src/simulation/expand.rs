//! From a scenario and a seed to a schedule.
//!
//! Generators choose operations as in a live run, but before it: none of them sees an answer, each is told that all its
//! writes succeeded. So that a schedule is the same on every machine, times are drawn with integers only.

use crate::{
    scenario::{Durability as Promise, Scenario, Span},
    schedule::{Action, Planned, errands, schedule},
    workload::{Answer, Generator},
};
use quarrel_models::{
    fault::{Fault, LinkQuality},
    id::{ClientId, ReplicaId},
    operation::KeyedOperation,
    random::Stream,
    sim::{
        Clients, Cluster, Durability, FORMAT_VERSION, Jitter, Phases, Schedule, TimedErrand, TimedFault,
        TimedOperation,
    },
    topology::TopologyError,
};
use std::time::Duration;

/// How a link carries data on one machine, where a scenario says nothing of it.
pub(super) const LOOPBACK: LinkQuality = LinkQuality {
    latency_us: 200,
    jitter_us: 400,
    bandwidth_bytes_per_second: 0,
    loss_ppm: 0,
    duplicate_ppm: 0,
    reorder_ppm: 0,
};
/// How requests and answers travel: a client is beside its replica.
const BESIDE: LinkQuality = LinkQuality { latency_us: 100, jitter_us: 100, ..LOOPBACK };
/// About what an operation takes, from the request to the answer.
const ROUND_TRIP_US: u64 = 400;
/// About what a log write takes, with and without the disk.
const FSYNC_US: u64 = 500;
const WRITE_US: u64 = 10;
/// After how long at most a node writes out what need not be durable.
const LAZY_FLUSH_US: u64 = 100_000;

/// The schedule of a scenario under a seed.
///
/// # Errors
/// [`TopologyError`] if the scenario's cluster cannot be laid out.
pub fn expand(scenario: &Scenario, seed: u64) -> Result<Schedule, TopologyError> {
    let graph = scenario.cluster.graph()?;
    let followers: Vec<ReplicaId> =
        graph.replicas().filter(|&replica| !graph.is_leader(replica) && graph.is_readable(replica)).collect();
    let phases = phases(scenario);
    let mut operations = Vec::new();
    for client in scenario.clients.ids() {
        operate(scenario, client, seed, phases.load_us, &followers, &mut operations);
    }
    operations.sort_by_key(|operation| (operation.at_us, operation.client));
    let warm_up_us = us(scenario.phases.warm_up);
    let fault = |planned: Planned| TimedFault {
        at_us: warm_up_us + micros(planned.at),
        in_flight: matches!(planned.action, Action::Relocate { in_flight: true, .. }),
        backup_us: backup_us(scenario, &planned, warm_up_us),
        fault: planned.action.fault(),
    };
    let errand = |planned: crate::schedule::PlannedErrand| TimedErrand {
        at_us: warm_up_us + micros(planned.at),
        replica: planned.replica,
        errand: planned.errand,
    };
    Ok(Schedule {
        v: FORMAT_VERSION,
        seed,
        cluster: cluster(scenario),
        clients: Clients {
            at: scenario.clients.ids().map(|client| scenario.cluster.first_leader(client)).collect(),
            link: BESIDE,
            timeout_us: us(scenario.clients.timeout),
            token: scenario.clients.token,
        },
        operations,
        faults: schedule(scenario, seed)?.into_iter().map(fault).collect(),
        errands: errands(scenario, seed)?.into_iter().map(errand).collect(),
        phases,
    })
}

/// The time of the backup that a replica starts on, if it starts on one: 0 for an empty disk.
fn backup_us(scenario: &Scenario, planned: &Planned, warm_up_us: u64) -> Option<u64> {
    if planned.cause.table != "restore" || !matches!(planned.action, Action::Fault(Fault::Restart(_))) {
        return None;
    }
    let restore = scenario.nemesis.restore.0.get(planned.cause.index)?;
    let killed_us = (warm_up_us + micros(planned.at)).saturating_sub(us(restore.down));
    Some(restore.age.map_or(0, |age| killed_us.saturating_sub(us(age))))
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX / 4)
}

fn us(span: Span) -> u64 {
    micros(span.duration())
}

fn phases(scenario: &Scenario) -> Phases {
    let phases = &scenario.phases;
    Phases {
        heal_us: micros(phases.warm_up.duration() + phases.storm.duration()),
        load_us: micros(phases.load()),
        converge_us: us(phases.quiesce),
    }
}

fn cluster(scenario: &Scenario) -> Cluster {
    let cluster = &scenario.cluster;
    Cluster {
        strategy: scenario.strategy.clone(),
        leaders: cluster.leaders,
        followers: cluster.followers.clone(),
        topology: cluster.topology.clone(),
        propagation: cluster.propagation(),
        link: if cluster.link == LinkQuality::default() { LOOPBACK } else { cluster.link },
        durability: match cluster.durability {
            Promise::Fsync => Durability::Sync { sync_us: FSYNC_US },
            // What the operating system has outlives a process; machines do not die here.
            Promise::Os => Durability::Sync { sync_us: WRITE_US },
            Promise::None => Durability::Lazy { flush_us: LAZY_FLUSH_US },
        },
        wait_us: us(cluster.token_wait),
        clock_tick_us: 0,
        jitter: Jitter::Uniform,
    }
}

/// The operations of one client.
fn operate(
    scenario: &Scenario,
    client: ClientId,
    seed: u64,
    load_us: u64,
    followers: &[ReplicaId],
    operations: &mut Vec<TimedOperation>,
) {
    let mut generator = Generator::new(scenario, client, seed);
    let mut pace = Pace::new(scenario, client, seed);
    let mut elsewhere = Stream::new(seed, "follower-reads", client.0.into());
    let mut at_us = 0;
    let count = u64::from(scenario.clients.count.max(1));
    let most = match scenario.phases.operations {
        0 => u64::MAX,
        all => all.div_ceil(count),
    };
    for _ in 0..most {
        at_us += pace.next_us();
        if at_us >= load_us {
            break;
        }
        let keyed = generator.next();
        generator.observe(&keyed, Answer::Done);
        let KeyedOperation { key, operation } = keyed;
        let reads_follower = !operation.is_write()
            && !followers.is_empty()
            && elsewhere.chance_ppm(crate::workload::ppm(scenario.clients.follower_reads));
        let replica = reads_follower.then(|| followers[choose(&mut elsewhere, followers.len())]);
        operations.push(TimedOperation { at_us, client, key, operation, replica });
    }
}

fn choose(stream: &mut Stream, count: usize) -> usize {
    usize::try_from(stream.below(count as u64)).unwrap_or(0)
}

/// The pauses of a client between its operations.
struct Pace {
    pauses: Stream,
    /// The mean, microseconds.
    mean_us: u64,
    /// Whether operations are due at random; else a client pauses after each.
    open: bool,
}

impl Pace {
    fn new(scenario: &Scenario, client: ClientId, seed: u64) -> Self {
        let clients = &scenario.clients;
        let open = clients.rate > 0.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive time")]
        let mean_us =
            if open { (f64::from(clients.count) / clients.rate * 1e6) as u64 } else { us(clients.think) };
        Self { pauses: Stream::new(seed, "pauses", client.0.into()), mean_us, open }
    }

    fn next_us(&mut self) -> u64 {
        if self.open {
            exponential(&mut self.pauses, self.mean_us)
        } else {
            ROUND_TRIP_US + self.pauses.below(2 * self.mean_us + 1)
        }
    }
}

/// A pause of a Poisson process, by comparisons alone (von Neumann, "Various techniques used in connection with random
/// digits", 1951): logarithms differ from machine to machine.
fn exponential(stream: &mut Stream, mean_us: u64) -> u64 {
    for whole in 0..64 {
        let first = stream.next_u64();
        let (mut last, mut descents) = (first, 0_u32);
        loop {
            let next = stream.next_u64();
            if next >= last {
                break;
            }
            last = next;
            descents += 1;
        }
        if descents % 2 == 0 {
            let part = ((u128::from(first) * u128::from(mean_us)) >> 64) as u64;
            return mean_us.saturating_mul(whole).saturating_add(part);
        }
    }
    mean_us.saturating_mul(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_of_a_poisson_process_have_its_mean_and_its_tail() {
        let mut stream = Stream::new(5, "test", 0);
        let drawn: Vec<u64> = (0..100_000).map(|_| exponential(&mut stream, 1000)).collect();
        let mean = drawn.iter().sum::<u64>() / 100_000;
        assert!((985..1015).contains(&mean), "{mean}");
        // e^-1 is 0.368, e^-3 is 0.0498.
        let beyond = |bound| drawn.iter().filter(|&&pause| pause > bound).count();
        assert!((36_000..37_600).contains(&beyond(1000)), "{}", beyond(1000));
        assert!((4_600..5_400).contains(&beyond(3000)), "{}", beyond(3000));
    }
}
