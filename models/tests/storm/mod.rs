//! Schedules for tests: quiet ones, and storms drawn from a seed.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "a module of several test binaries")]

use quarrel_models::{
    fault::{ClockChange, Fault, LinkQuality},
    id::{ClientId, LinkId, ReplicaId},
    operation::Operation,
    random::Stream,
    replica::Replica,
    sim::{
        Clients, Cluster, Durability, FORMAT_VERSION, Jitter, Outcome, Phases, Schedule, TimedFault,
        TimedOperation,
    },
    strategy::{LastWriteWins, Strategy},
    topology::{Follower, Propagation, Topology},
    value::{Key, Value},
};

pub const A: ReplicaId = ReplicaId(0);
pub const B: ReplicaId = ReplicaId(1);
pub const C: ReplicaId = ReplicaId(2);
pub const MS: u64 = 1000;
pub const SECOND: u64 = 1_000_000;

/// Three leaders that all send to each other, 2 ms apart, and a client at each; nothing to do, nothing goes wrong.
pub fn quiet(strategy: Strategy) -> Schedule {
    let link = LinkQuality { latency_us: 2 * MS, ..LinkQuality::default() };
    Schedule {
        v: FORMAT_VERSION,
        seed: 1,
        cluster: Cluster {
            strategy,
            leaders: 3,
            followers: Vec::new(),
            topology: Topology::AllToAll,
            propagation: Propagation::Direct,
            link,
            durability: Durability::default(),
            wait_us: SECOND,
            clock_tick_us: 0,
            jitter: Jitter::default(),
        },
        clients: Clients {
            at: vec![A, B, C],
            link: LinkQuality { latency_us: 300, ..LinkQuality::default() },
            timeout_us: 2 * SECOND,
            token: false,
        },
        operations: Vec::new(),
        faults: Vec::new(),
        errands: Vec::new(),
        phases: Phases { heal_us: 9 * SECOND, load_us: 10 * SECOND, converge_us: 60 * SECOND },
    }
}

pub fn lww() -> Strategy {
    Strategy::Lww(LastWriteWins::default())
}

pub fn put(at_us: u64, client: u32, value: i64) -> TimedOperation {
    let operation = Operation::Put(Value::Int(value));
    TimedOperation { at_us, client: ClientId(client), key: Key::from("k"), operation, replica: None }
}

pub fn fault(at_us: u64, fault: Fault) -> TimedFault {
    TimedFault { at_us, fault, in_flight: false, backup_us: None }
}

pub fn links(names: &str) -> Vec<LinkId> {
    names.split(' ').map(|name| name.parse().unwrap()).collect()
}

/// What each replica shows of the one record; a dead one shows nothing.
pub fn shown(outcome: &Outcome) -> Vec<Option<Value>> {
    let value = |replica: &Replica| replica.cells().next().and_then(|(_, cell)| cell.value().cloned());
    outcome.replicas.iter().map(|replica| replica.as_ref().and_then(value)).collect()
}

/// Operations and faults of every kind, drawn from a seed.
pub fn stormy(strategy: Strategy, seed: u64) -> Schedule {
    let mut schedule = quiet(strategy);
    let mut draw = Stream::new(seed, "test storm", 0);
    let mut below = |bound: u64| draw.below(bound);
    let cluster = &mut schedule.cluster;
    (cluster.topology, cluster.propagation) = match below(3) {
        0 => (Topology::AllToAll, Propagation::Direct),
        1 => (Topology::Ring, Propagation::Relay),
        _ => (Topology::Star, Propagation::Relay),
    };
    cluster.link.jitter_us = below(10 * MS);
    cluster.durability = Durability::Sync { sync_us: below(3 * MS) };
    cluster.followers = vec![Follower { of: vec![B], readable: true }];
    let graph = schedule.graph().unwrap();
    for _ in 0..100 {
        let value = Value::Int(below(1 << 40) as i64);
        let operation = match below(3) {
            0 => Operation::Read,
            _ => Operation::Insert(value),
        };
        let replica = (below(4) == 0).then_some(ReplicaId(3));
        let key = Key::from(format!("k{}", below(4)));
        let client = ClientId(below(3) as u32);
        schedule.operations.push(TimedOperation {
            at_us: below(8 * SECOND),
            client,
            key,
            operation,
            replica,
        });
    }
    for _ in 0..20 {
        let link = vec![graph.links()[below(graph.links().len() as u64) as usize]];
        let (replica, leader) = (ReplicaId(below(4) as u8), ReplicaId(below(3) as u8));
        let quality = LinkQuality {
            latency_us: below(50 * MS),
            jitter_us: below(50 * MS),
            bandwidth_bytes_per_second: below(2) * 20_000,
            loss_ppm: below(300_000) as u32,
            duplicate_ppm: below(300_000) as u32,
            reorder_ppm: below(300_000) as u32,
        };
        let us = below(4 * SECOND) as i64 - 2_000_000;
        let client = ClientId(below(3) as u32);
        let (begin, undo) = match below(7) {
            0 => (Fault::Cut(link.clone()), Some(Fault::Heal(link))),
            1 => (Fault::Stall(link.clone()), Some(Fault::Heal(link))),
            2 => (Fault::Degrade(link.clone(), quality), None),
            3 => (Fault::Clock(leader, ClockChange::Step { us }), None),
            4 => (Fault::Kill(replica), Some(Fault::Restart(replica))),
            5 => (Fault::Pause(replica), Some(Fault::Resume(replica))),
            _ => (Fault::Relocate { client, to: leader, token: below(2) == 0 }, None),
        };
        let (at_us, in_flight) = (below(7 * SECOND), below(2) == 0);
        schedule.faults.push(TimedFault { in_flight, ..fault(at_us, begin) });
        schedule.faults.extend(undo.map(|undo| fault(at_us + below(SECOND), undo)));
    }
    schedule
}
