//! What a state consists of: nodes, wires, clients, the writes begun, the entries made, budgets.
//!
//! All of them are small values that are kept once, in [`Tables`](super::tables::Tables). They hold no order of
//! discovery: what is equal here is equal in every run.

use super::{
    scope::{Faults, Scope},
    table::Id,
};
use crate::{
    id::{Dot, ReplicaId},
    message::{Entry, Input, Parents, Record, RequestId, Written},
    replica::Replica,
    session::{Outcome, Session},
};
use alloc::sync::Arc;
use smallvec::SmallVec;

/// Whether a replica runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// It runs.
    Live,
    /// It is dead, and will restart.
    Down,
    /// It is dead for good.
    Gone,
}

/// A replica, its clock and its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) replica: Id<Arc<Replica>>,
    pub(super) phase: Phase,
    pub(super) offset_ms: i8,
    /// What it persisted; kept only where a restart may need it.
    pub(super) disk: Option<Id<Disk>>,
}

/// A log on disk: its last record, and the log before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Disk {
    pub(super) before: Option<Id<Self>>,
    pub(super) last: Record,
}

/// What is under way on one link, the oldest first: what the receiver will be told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Wire {
    /// In the link's direction: entries and routed messages.
    pub(super) forth: SmallVec<[Id<Input>; 4]>,
    /// Against it: acknowledgements, where they travel.
    pub(super) back: SmallVec<[Id<Input>; 2]>,
}

/// A request on its way to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub(super) at: ReplicaId,
    pub(super) input: Id<Input>,
}

/// A client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Client {
    pub(super) session: Id<Session>,
    pub(super) at: ReplicaId,
    /// The write that it is at.
    pub(super) slot: Option<u8>,
    pub(super) requests: u32,
    /// The request whose answer it waits for.
    pub(super) pending: Option<(ReplicaId, RequestId)>,
    /// Its requests that have not arrived; strays among them, after it moved.
    pub(super) calls: SmallVec<[Call; 2]>,
    /// The record that it is reading.
    pub(super) reading: Option<u8>,
    pub(super) witnessed: Witnessed,
}

/// What a session has been told by its reads: a ghost, which decides nothing but verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Witnessed {
    /// The writes whose versions it has read, one bit a slot.
    pub(super) seen: u16,
    /// The guarantees that a read of it could have broken, one bit each.
    pub(super) asked: u8,
    /// Those that one did break.
    pub(super) broken: u8,
}

/// How far a write has come, as its client knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IssuedState {
    /// It is under way.
    Open,
    /// It was acknowledged.
    Acknowledged(Written),
    /// It did not happen.
    Failed,
    /// It may or may not have happened.
    Unknown,
    /// It is no write of the workload: a session resolved siblings that it read, and wrote the result.
    Resolution {
        /// The versions that the result replaces.
        over: Parents,
        /// Where the result entered the cluster; absent if it was not acknowledged.
        dot: Option<Dot>,
    },
}

impl IssuedState {
    /// What the end of its operation makes of it.
    pub(super) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Written(written) => Self::Acknowledged(written.clone()),
            Outcome::Failed(_) | Outcome::Unsent => Self::Failed,
            Outcome::Unknown(_) | Outcome::Read { .. } => Self::Unknown,
        }
    }
}

/// A write that a client has begun: a ghost, which decides nothing but verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issued {
    /// How far it has come.
    pub state: IssuedState,
    /// The writes that were acknowledged before it began, one bit a slot: all there is to real time.
    pub after: u16,
    /// Whether its client moved while it was under way: then two leaders may have taken it.
    pub moved: bool,
    /// The number of its record.
    pub key: u8,
    /// The slot of the write whose effect it takes back; its own if it deletes the record. Absent if it takes nothing.
    pub erases: Option<u8>,
    /// The writes whose versions its session had read before it began, one bit a slot.
    pub read: u16,
}

impl Issued {
    /// Its acknowledgement, if there was one.
    #[must_use]
    pub const fn written(&self) -> Option<&Written> {
        if let IssuedState::Acknowledged(written) = &self.state { Some(written) } else { None }
    }
}

/// The writes, by slot; those begun have an id.
pub(super) type Issues = SmallVec<[Option<Id<Issued>>; 12]>;

/// Entries in the order of their making. Their number is the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Made {
    pub(super) count: u8,
    /// The newest, and those before; nothing at the beginning.
    pub(super) last: Option<(Id<Self>, Id<Arc<Entry>>)>,
}

/// What is left to writers and to the nemesis, and which links it has cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Budgets {
    pub(super) writes: u8,
    pub(super) reads: u8,
    pub(super) clock_changes: u8,
    pub(super) relocations: u8,
    pub(super) crashes: u8,
    pub(super) restarts: u8,
    pub(super) duplicates: u8,
    pub(super) cuts: u8,
    pub(super) hand_overs: u8,
    pub(super) tail_losses: u8,
    pub(super) collections: u8,
    pub(super) forgettings: u8,
    /// The links that are cut, one bit a link.
    pub(super) cut: u32,
}

impl Budgets {
    pub(super) const fn new(scope: &Scope) -> Self {
        let &Scope { writes, reads, ref faults, .. } = scope;
        let Faults { clock_changes, relocations, crashes, restarts, duplicates, cuts, .. } = *faults;
        let Faults { hand_overs, tail_losses, collections, forgettings, .. } = *faults;
        Self {
            writes,
            reads,
            clock_changes,
            relocations,
            crashes,
            restarts,
            duplicates,
            cuts,
            hand_overs,
            tail_losses,
            collections,
            forgettings,
            cut: 0,
        }
    }
}
