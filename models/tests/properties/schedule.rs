//! Schedules of writes, deliveries and faults, and the graphs that they run on.

use proptest::prelude::*;
use quarrel_models::{
    id::ReplicaId,
    topology::{Follower, Graph, Propagation, Topology},
};

pub(crate) const CLIENTS: u32 = 4;
pub(crate) const LEADERS: usize = 3;

/// One step of a schedule. Indices are taken modulo what there is.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Begin {
        client: u32,
        key: u8,
        choice: u8,
        number: i64,
    },
    GiveUp {
        client: u32,
    },
    Move {
        client: u32,
        to: usize,
        token: bool,
    },
    Deliver {
        link: usize,
        forth: bool,
        frames: usize,
    },
    Drop {
        link: usize,
        forth: bool,
    },
    Double {
        link: usize,
    },
    Swap {
        link: usize,
    },
    Cut {
        link: usize,
    },
    Heal {
        link: usize,
    },
    Crash {
        replica: usize,
    },
    CrashOnPersist {
        replica: usize,
    },
    Restart {
        replica: usize,
    },
    /// A machine dies, and the newest records with it. Only where the run allows it.
    Lose {
        replica: usize,
        records: usize,
    },
    Clock {
        replica: usize,
        offset_ms: i64,
    },
    Wait {
        ms: u64,
    },
    /// A purge job forgets all tombstones. Only where the run allows it.
    Collect {
        replica: usize,
    },
    /// Conflict metadata are lost. Only where the run allows it.
    Forget {
        replica: usize,
    },
}

pub(crate) fn any_action() -> impl Strategy<Value = Action> {
    let link = 0..12_usize;
    let replica = 0..4_usize;
    prop_oneof![
        8 => (0..CLIENTS, 0..2_u8, any::<u8>(), 0..9_i64)
            .prop_map(|(client, key, choice, number)| Action::Begin { client, key, choice, number }),
        1 => (0..CLIENTS).prop_map(|client| Action::GiveUp { client }),
        3 => (0..CLIENTS, 0..LEADERS, any::<bool>())
            .prop_map(|(client, to, token)| Action::Move { client, to, token }),
        12 => (link.clone(), any::<bool>(), 1..4_usize)
            .prop_map(|(link, forth, frames)| Action::Deliver { link, forth, frames }),
        1 => (link.clone(), any::<bool>()).prop_map(|(link, forth)| Action::Drop { link, forth }),
        1 => link.clone().prop_map(|link| Action::Double { link }),
        1 => link.clone().prop_map(|link| Action::Swap { link }),
        1 => link.clone().prop_map(|link| Action::Cut { link }),
        1 => link.prop_map(|link| Action::Heal { link }),
        1 => replica.clone().prop_map(|replica| Action::Crash { replica }),
        1 => replica.clone().prop_map(|replica| Action::CrashOnPersist { replica }),
        2 => replica.clone().prop_map(|replica| Action::Restart { replica }),
        1 => (replica.clone(), 1..4_usize).prop_map(|(replica, records)| Action::Lose { replica, records }),
        1 => (replica.clone(), -50..50_i64).prop_map(|(replica, offset_ms)| Action::Clock { replica, offset_ms }),
        1 => replica.clone().prop_map(|replica| Action::Collect { replica }),
        1 => replica.prop_map(|replica| Action::Forget { replica }),
        3 => (0..150_u64).prop_map(|ms| Action::Wait { ms }),
    ]
}

/// A schedule, shown one step a line.
#[derive(Clone)]
pub(crate) struct Schedule(pub(crate) Vec<Action>);

impl std::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|action| write!(f, "\n  {action:?}"))
    }
}

/// One record and no faults but the order of deliveries: what comes before what it was made on is found only here.
pub(crate) fn any_calm_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        1 => (0..CLIENTS, any::<u8>(), 0..9_i64)
            .prop_map(|(client, choice, number)| Action::Begin { client, key: 0, choice, number }),
        1 => (0..12_usize).prop_map(|link| Action::Deliver { link, forth: true, frames: 1 }),
    ]
}

pub(crate) fn any_calm_schedule() -> impl Strategy<Value = Schedule> {
    prop::collection::vec(any_calm_action(), 1..30).prop_map(Schedule)
}

/// Writes of which a quarter are deletions, and nothing but the order of deliveries.
pub(crate) fn any_deleting_schedule() -> impl Strategy<Value = Schedule> {
    let write = (0..CLIENTS, any::<bool>(), any::<bool>()).prop_map(|(client, one, other)| Action::Begin {
        client,
        key: 0,
        choice: if one && other { 255 } else { 0 },
        number: 0,
    });
    let deliver = (0..12_usize).prop_map(|link| Action::Deliver { link, forth: true, frames: 1 });
    let action = prop_oneof![2 => write, 3 => deliver, 1 => (1..9_u64).prop_map(|ms| Action::Wait { ms })];
    prop::collection::vec(action, 1..30).prop_map(Schedule)
}

pub(crate) fn any_forgetful_schedule() -> impl Strategy<Value = Schedule> {
    let forgetting = (0..3_usize, any::<bool>()).prop_map(|(replica, collects)| {
        if collects { Action::Collect { replica } } else { Action::Forget { replica } }
    });
    let action = prop_oneof![5 => any_calm_action(), 1 => forgetting];
    prop::collection::vec(action, 1..30).prop_map(Schedule)
}

pub(crate) fn any_schedule() -> impl Strategy<Value = Schedule> {
    prop::collection::vec(any_action(), 1..80).prop_map(Schedule)
}

/// The graphs that the laws are tried on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Ring,
    Star,
    Mesh,
    RelayedMesh,
    /// A ring with a chord.
    Custom,
    RingWithFollower,
}

impl Shape {
    const ALL: [Self; 6] =
        [Self::Ring, Self::Star, Self::Mesh, Self::RelayedMesh, Self::Custom, Self::RingWithFollower];

    pub(crate) fn graph(self) -> Graph {
        let custom = ["A>B", "B>C", "C>A", "B>A"].iter().map(|link| link.parse().unwrap()).collect();
        let (topology, propagation) = match self {
            Self::Ring | Self::RingWithFollower => (Topology::Ring, Propagation::Relay),
            Self::Star => (Topology::Star, Propagation::Relay),
            Self::Mesh => (Topology::AllToAll, Propagation::Direct),
            Self::RelayedMesh => (Topology::AllToAll, Propagation::Relay),
            Self::Custom => (Topology::Custom(custom), Propagation::Relay),
        };
        let follower = Follower { of: vec![ReplicaId(1)], readable: true };
        let followers = if matches!(self, Self::RingWithFollower) { vec![follower] } else { vec![] };
        Graph::new(&topology, LEADERS, followers, propagation).unwrap()
    }
}

pub(crate) fn any_shape() -> impl Strategy<Value = Shape> {
    prop::sample::select(&Shape::ALL[..])
}
