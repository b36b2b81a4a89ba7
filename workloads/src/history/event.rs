//! The events of a history, one per line of `history.jsonl`.
//!
//! A history speaks of operations on records, not of requests: what one operation costs in requests is the client's
//! affair. Every client has at most one operation open, so a completion belongs to its client's last invocation.
//! Times are nanoseconds since the start of the run on the harness's monotonic clock: the *real time* of the fates.

use crate::scenario::Scenario;
use quarrel_models::{
    clock::Stamp,
    fault::Fault,
    id::{ClientId, Dot, ReplicaId, WriteId},
    operation::Operation,
    sim::Errand,
    value::{Key, Value},
    version::VersionVector,
};
use serde::{Deserialize, Serialize};

/// The version of the format that this build writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The first line of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Always `"history"`: tells the file apart from other line formats.
    pub quarrel: String,
    /// The format's version.
    pub v: u32,
    /// The seed of the run.
    pub seed: u64,
    /// Wall time at which `t` is 0, RFC 3339, UTC.
    pub started: String,
    /// The system under test, such as `reference`.
    pub system: String,
    /// The scenario as it was resolved, contract included: a history can be judged by itself.
    pub scenario: Scenario,
}

/// An event of a history. Read by hand, in [`super::wire`]: the derived reader of tagged and flattened types copies
/// every line into a tree first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// A client begins an operation.
    Invoke {
        /// When.
        t: u64,
        /// Who.
        client: ClientId,
        /// The replica that the client is bound to.
        at: ReplicaId,
        /// The record.
        key: Key,
        /// What it asks.
        op: Operation,
        /// The write's identity; absent for reads.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        write: Option<WriteId>,
    },
    /// The operation happened.
    Ok {
        /// When.
        t: u64,
        /// Who.
        client: ClientId,
        /// What the replica answered.
        #[serde(flatten)]
        result: OperationResult,
    },
    /// The operation did not happen, and never will.
    Fail {
        /// When.
        t: u64,
        /// Who.
        client: ClientId,
        /// Why.
        error: String,
    },
    /// The operation may or may not have happened, or may still happen.
    Info {
        /// When.
        t: u64,
        /// Who.
        client: ClientId,
        /// Why nobody knows.
        error: String,
    },
    /// The nemesis acted.
    Nemesis {
        /// When the fault took effect.
        t: u64,
        /// What it did.
        fault: Fault,
        /// What that did, in words, if anything can be said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        effect: String,
    },
    /// An operator or a background job saw to a replica.
    Maintenance {
        /// When.
        t: u64,
        /// Which replica.
        replica: ReplicaId,
        /// What was done.
        errand: Errand,
    },
    /// A phase of the run begins.
    Phase {
        /// When.
        t: u64,
        /// Which.
        phase: Phase,
    },
    /// A session resolved siblings that it read, as custom logic on read does: the versions `over` were told to a
    /// reader, and `write` replaced them.
    Resolve {
        /// When the resolution was acknowledged (or given up, then `result` is absent).
        t: u64,
        /// Who.
        client: ClientId,
        /// The record.
        key: Key,
        /// The write that carries the resolved value.
        write: WriteId,
        /// The versions that it replaces.
        over: Vec<WriteId>,
        /// The resolved value.
        value: Option<Value>,
        /// Where the resolution entered the cluster, if it was acknowledged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dot: Option<Dot>,
    },
    /// After quiescence: what one replica holds of one record.
    Final {
        /// The replica.
        replica: ReplicaId,
        /// The record.
        key: Key,
        /// The one value that it shows; absent for a tombstone and for unresolved siblings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Value>,
        /// The versions held: one, or siblings, or those that were merged. Empty if the system does not tell.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        versions: Vec<FinalVersion>,
    },
    /// After quiescence: one replica was read whole. Records without a `final` line do not exist there.
    FinalEnd {
        /// The replica.
        replica: ReplicaId,
        /// The number of its `final` lines.
        records: u64,
        /// How much of each leader's log it has applied, if the system tells.
        applied: VersionVector,
    },
    /// After quiescence: one replica could not be read.
    Unread {
        /// The replica.
        replica: ReplicaId,
        /// Why, such as `dead`.
        why: String,
    },
    /// The system's own conflict log says that a version lost. A loss with such a record is *recorded*, another
    /// *silent*.
    Recorded {
        /// The replica whose log says so.
        replica: ReplicaId,
        /// The record.
        key: Key,
        /// The version that lost.
        loser: WriteId,
        /// The version that won.
        winner: WriteId,
    },
    /// The last line: the run came to its end. A history without it was cut short.
    End {
        /// When.
        t: u64,
        /// Whether replication came to rest, and how that is known.
        quiescence: Quiescence,
    },
}

/// What a successful operation returned.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OperationResult {
    /// The leader that took the write, if it is not the one that the client is bound to, and its log position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dot: Option<Dot>,
    /// The write's stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// What the replica had applied when it took the write or answered the read. Absent if the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knew: Option<VersionVector>,
    /// For a write: the versions that it was executed on. For a read: those that it returned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<WriteId>,
    /// For a read: the value, resolved if there were siblings; absent if there is no record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The leader knew the write already: it was a retry.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub duplicate: bool,
}

/// One version of a record in a final read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinalVersion {
    /// The write that made it.
    pub write: WriteId,
    /// Where it entered the cluster.
    pub dot: Dot,
    /// Its stamp.
    pub stamp: Stamp,
    /// Its own value; absent for a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// The phases of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Load without faults.
    WarmUp,
    /// Load and faults.
    Storm,
    /// Faults are undone, clients stop.
    Heal,
    /// Waiting until replication comes to rest.
    Quiesce,
    /// Every replica is read.
    ReadAll,
}

/// Whether replication came to rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quiescence {
    /// Every live link has delivered all that it had to.
    Positions {
        /// From the end of the load to rest, nanoseconds.
        after_ns: u64,
    },
    /// The states of all replicas were equal this many times in a row, over the stated window.
    EqualDigests {
        /// From the end of the load to the first of the equal digests, nanoseconds.
        after_ns: u64,
        /// How many in a row.
        times: u32,
    },
    /// It did not, within the budget.
    NotReached {
        /// What was still under way.
        why: String,
    },
    /// The run was interrupted before.
    Interrupted,
}
