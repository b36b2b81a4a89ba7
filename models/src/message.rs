//! What goes into a replica and what comes out: requests and replies, replication messages, log records, trace events.

use crate::{
    clock::Stamp,
    handler::Refused,
    id::{Dot, LinkId, LogPosition, ReplicaId, WriteId},
    operation::{ExecuteError, Operation},
    strategy::{Decision, Site},
    tags::Tag,
    value::{Key, Value},
    version::{Version, VersionVector},
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use smol_str::SmolStr;

/// The shell's handle for a request, so that the reply finds its way back. Meaningless outside the replica that got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// A request of a client.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Request {
    /// The record.
    pub key: Key,
    /// What is asked of it.
    pub operation: Operation,
    /// The identity of a write, and its idempotency key.
    #[serde(default)]
    pub write: Option<WriteId>,
    /// What the client has read of this record, where versions live side by side: the write replaces just that.
    #[serde(default)]
    pub context: Option<VersionVector>,
    /// What the client's session has seen: the replica waits until it has applied as much.
    #[serde(default)]
    pub token: Option<VersionVector>,
}

/// The writes that a write was executed on; nearly always one.
pub type Parents = SmallVec<[WriteId; 1]>;

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The write is accepted, and as durable as the node promises.
    Written(Written),
    /// What the replica holds of the record.
    Read(ReadView),
    /// The request was not carried out, or it is not known whether it was: see [`Refusal::is_definite`].
    Refused(Refusal),
}

/// An accepted write.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Written {
    /// Where it entered the cluster.
    pub dot: Dot,
    /// Its stamp.
    pub stamp: Stamp,
    /// What its leader had applied before. In the answer to a retry, what the version says that it knew of.
    pub knew: VersionVector,
    /// The writes whose versions the leader held of the record: those that it was executed on.
    pub on: Parents,
    /// The leader knew the write already: this is the answer to a retry.
    pub duplicate: bool,
}

/// What a replica holds of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReadView {
    /// The one value, unless there are siblings.
    pub value: Option<Value>,
    /// The versions held.
    pub versions: Vec<Version>,
    /// Whether one value stands for all versions: false for siblings.
    pub resolved: bool,
    /// What a write on top of this read knows of the record.
    pub context: VersionVector,
    /// What the replica has applied.
    pub applied: VersionVector,
}

/// Why a request was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// Followers take no writes.
    #[error("this replica is a follower and takes no writes")]
    NotALeader,
    /// The follower only replicates.
    #[error("this follower only replicates and answers no reads")]
    NotReadable,
    /// A write without an identity could not be told from its retry.
    #[error("a write needs an idempotency key: a client and a number, such as `c3.17`")]
    NoIdempotencyKey,
    /// The replica did not catch up with the session's token in time.
    #[error("this replica has not yet applied what the session token names")]
    BehindToken,
    /// The operation does not fit the record.
    #[error("{0}")]
    Execute(ExecuteError),
    /// The record has siblings; only a whole value with the context of a read can replace them.
    #[error(
        "the record has siblings: read it, resolve them, and write the result with the context of the read"
    )]
    Siblings,
    /// The home of the record could not be had in time; nothing was written.
    #[error("the record's home leader could not be reached in time to hand the record over")]
    HomeUnavailable,
    /// The write was passed on to the record's home, which did not answer in time: it may still happen.
    #[error("the record's home leader did not answer in time; the write may still happen")]
    HomeSilent,
    /// A system that is not ours refused it, and it never happens. In the system's words.
    #[error("{0}")]
    BySystem(SmolStr),
}

impl Refusal {
    /// Whether the request surely had no effect and never will.
    #[must_use]
    pub const fn is_definite(&self) -> bool {
        !matches!(self, Self::HomeSilent)
    }
}

/// An entry of a leader's log: a write as it is replicated.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The record.
    pub key: Key,
    /// The version that the write made.
    pub version: Version,
    /// The value that it was made from, where the strategy ships it.
    pub before: Option<Value>,
    /// The additions to a set that it takes back, where the strategy ships them.
    #[serde(default)]
    pub removes: Vec<Tag>,
    /// Whether it changes or deletes a row that its leader held, where the strategy asks for that; else it passes for
    /// an insertion.
    #[serde(default)]
    pub update: bool,
}

/// A message along a replication link.
///
/// `Entries` and `Routed` travel with the link's direction, `Hello` and `Ack` against it, on the same connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// The receiver is there, and has applied this much: resume from here.
    Hello {
        /// What the receiver has applied.
        applied: VersionVector,
    },
    /// Entries of one origin's log, in order and without a gap.
    Entries {
        /// The leader that took the writes.
        origin: ReplicaId,
        /// The position of the entry before the first one here; 0 if there is none.
        after: LogPosition,
        /// The entries.
        entries: Vec<Arc<Entry>>,
    },
    /// The receiver has applied, and made as durable as it promises, this much.
    Ack {
        /// What the receiver has applied.
        applied: VersionVector,
    },
    /// A message between two leaders that need not be neighbours. It may be lost.
    Routed(Box<Routed>),
}

/// A message that is passed on from neighbour to neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Routed {
    /// Who sent it.
    pub from: ReplicaId,
    /// Whom it is for.
    pub to: ReplicaId,
    /// What it says.
    pub body: RoutedBody,
}

/// What leaders say to each other about homes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RoutedBody {
    /// Carry this write out for my client: you are home.
    Forward {
        /// The sender's handle.
        id: RequestId,
        /// The write.
        request: Request,
    },
    /// The answer to a `Forward`.
    ForwardReply {
        /// The handle of the `Forward`.
        id: RequestId,
        /// The write that it carried: handles begin anew when a node restarts.
        write: Option<WriteId>,
        /// The answer.
        reply: Reply,
    },
    /// Hand me this record.
    HomeRequest {
        /// The record.
        key: Key,
    },
    /// The record is yours, once you have applied this much.
    HomeGrant {
        /// The record.
        key: Key,
        /// The number of the hand-over: a grant with an older one is void.
        epoch: u32,
        /// What the old home had applied.
        applied: VersionVector,
    },
    /// The record is not mine; ask there.
    HomeMoved {
        /// The record.
        key: Key,
        /// The home, as far as the sender knows.
        leader: ReplicaId,
        /// The number of the hand-over that made it the home.
        epoch: u32,
    },
}

impl RoutedBody {
    /// The write that it carries or speaks of, if it does.
    #[must_use]
    pub const fn write(&self) -> Option<WriteId> {
        match self {
            Self::Forward { request, .. } => request.write,
            Self::ForwardReply { write, .. } => *write,
            Self::HomeRequest { .. } | Self::HomeGrant { .. } | Self::HomeMoved { .. } => None,
        }
    }
}

/// A record of a replica's own write-ahead log. Replaying all of them rebuilds the replica.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Record {
    /// A write, taken here or applied from elsewhere.
    Entry(Arc<Entry>),
    /// The home of a record is now there.
    Home {
        /// The record.
        key: Key,
        /// Its home.
        leader: ReplicaId,
        /// The number of the hand-over.
        epoch: u32,
        /// Whether this replica gave it away, rather than took it or heard of it.
        given: bool,
    },
    /// No position up to this one is free after a restart: a leader that may lose the tail of its log must not give a
    /// position away twice. The shell makes this record durable at once, whatever it does with the others.
    Reserve(LogPosition),
    /// All tombstones were forgotten.
    Collect,
    /// The conflict metadata of all versions were forgotten.
    Forget,
}

/// What a replica is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// A client asks something.
    Request {
        /// The handle for the reply.
        id: RequestId,
        /// The request.
        request: Request,
    },
    /// The connection of the link from `from` is up; this replica receives on it.
    Connected {
        /// The sender.
        from: ReplicaId,
    },
    /// The connection of the link to `to` is gone; this replica sent on it.
    Disconnected {
        /// The receiver.
        to: ReplicaId,
    },
    /// A message came over a link: with its direction if `link.to` is this replica, else against it.
    Peer {
        /// The link.
        link: LinkId,
        /// The message.
        message: Message,
    },
    /// Send what is pending. The shell asks after each batch of inputs: batches of inputs make batches of entries.
    Flush,
    /// Time has passed.
    Tick,
    /// Forget all tombstones, as a purge job does, whatever the peers have seen: records of which nothing but deleted
    /// versions is held. An older write that arrives later finds no record, and nothing to lose to.
    Collect,
    /// Forget the conflict metadata of all versions held, as when rows are reloaded or their history is purged: they
    /// are older than any other and knew of nothing. Values, identities and positions stay.
    Forget,
    /// An operator, or whoever balances the load, asks this leader to become the home of a record. Only where homes
    /// follow their writers can a home move.
    TakeHome {
        /// The record.
        key: Key,
    },
}

/// What a replica wants done. The order matters: what a `Persist` holds must be as durable as the node promises before
/// anything that follows it leaves the node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Output {
    /// Answer a client.
    Reply {
        /// The handle of the request.
        id: RequestId,
        /// The answer.
        reply: Reply,
    },
    /// Send over a link: with its direction if `link.from` is this replica, else against it.
    Send {
        /// The link.
        link: LinkId,
        /// The message.
        message: Message,
    },
    /// Append to the write-ahead log.
    Persist(Record),
    /// Tell whoever watches.
    Trace(TraceEvent),
}

/// What a replica did, for the apply log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum TraceEvent {
    /// A version met the store.
    Apply {
        /// The record.
        key: Key,
        /// The write.
        write: WriteId,
        /// Where it entered the cluster.
        dot: Dot,
        /// Its stamp.
        stamp: Stamp,
        /// Whether it was taken here or applied from elsewhere.
        site: Site,
        /// What became of it.
        decision: Decision,
        /// The version that it met and that it did not know of, or that did not give way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        against: Option<WriteId>,
        /// Whether this line is the system's own record of a conflict.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        recorded: bool,
    },
    /// A retry that two leaders took was recognised by its idempotency key and not applied again.
    Duplicate {
        /// The write.
        write: WriteId,
        /// The dot of the copy that was not applied.
        dot: Dot,
    },
    /// The home of a record moved here.
    Home {
        /// The record.
        key: Key,
        /// The number of the hand-over.
        epoch: u32,
    },
    /// A receiver needs entries that are no longer kept: it can only be rebuilt.
    Truncated {
        /// The link.
        link: LinkId,
        /// The origin of the missing entries.
        origin: ReplicaId,
        /// The receiver needs everything after this position.
        after: LogPosition,
        /// Entries up to this position are gone.
        kept_after: LogPosition,
    },
    /// A tombstone was forgotten.
    Collected {
        /// The record.
        key: Key,
        /// The deletion.
        write: WriteId,
        /// Where it entered the cluster.
        dot: Dot,
    },
    /// An update misses its row: nothing more of that leader's log is applied until the row is there.
    Stalled {
        /// The record.
        key: Key,
        /// The update.
        write: WriteId,
        /// Where it entered the cluster.
        dot: Dot,
    },
    /// A handler made nothing of a conflict: the versions stand side by side until somebody resolves them. The feed of
    /// these lines is what an operator looks into.
    Unresolved {
        /// The record.
        key: Key,
        /// The version that was applied when that came about.
        dot: Dot,
        /// Why.
        refused: Box<Refused>,
    },
    /// The conflict metadata of the versions held were forgotten.
    Forgot {
        /// The number of records whose metadata are gone.
        records: u64,
    },
}
