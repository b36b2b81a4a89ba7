//! The common witness: one schedule, step by step, in a form that every arena reads.
//!
//! The model writes witnesses, a simulator shrinks into them, people write them by hand, and whoever replays one does
//! exactly what its steps say: frames wait until a step delivers them, clocks stand where a step puts them, processes
//! die when a step says so. After a step the digests of the replicas that it changed are known, and at the end what
//! each replica holds and what became of every acknowledged write.
//!
//! The rooms: this one the format, `strict` the faults and operations read without tolerance, `player` a witness
//! played by the replicas and sessions themselves, `happening` what was seen on the way, `narrate` the same for
//! people, `layout` the JSON on lines of a bearable length. No file is opened here, and nothing is decided about data.

mod happening;
mod layout;
mod narrate;
mod player;
mod problem;
mod read;
mod strict;

pub use happening::{Applied, Happening};
pub use layout::lay_out;
pub use narrate::{Narration, Sentence, narrate, tell};
pub(crate) use narrate::{effect_words, length, stamp, standing};
pub use player::{Played, PlayedStep, Player, play};
pub use problem::{Problem, WitnessError};

use crate::{
    clock::Stamp,
    fate::Fate,
    fault::Fault,
    id::{ClientId, Dot, LinkId, ReplicaId, WriteId},
    message::{Message, RoutedBody},
    operation::Operation,
    replica::Config,
    strategy::Strategy,
    topology::{Follower, Graph, Propagation, Topology, TopologyError},
    value::{Key, Value},
};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::{fmt, str::FromStr};
use serde::{Deserialize, Serialize};

/// A schedule, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// What sort of file this is.
    pub quarrel: Kind,
    /// The version of the format.
    pub v: Version1,
    /// How it was found, and what it shows.
    pub found: Found,
    /// The cluster.
    pub cluster: Cluster,
    /// The clients, and where they begin.
    pub clients: BTreeMap<ClientId, ClientStart>,
    /// The workload, by its name.
    pub workload: String,
    /// What happens, in order.
    #[serde(with = "read::steps")]
    pub steps: Vec<Step>,
    /// How it must end; absent from what a person wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// The mark of a witness among other files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The one value.
    #[default]
    Witness,
}

/// The version of the format that this build writes and reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Version1;

/// How a witness was found, and what it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Who found it.
    pub by: Finder,
    /// The property that it violates or the finding that it shows, such as `causal-inversion`.
    pub shows: String,
    /// Where, in words: a cell of the matrix, a scenario and a seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

/// Who found a witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finder {
    /// The model checker: no shorter way leads there.
    Model,
    /// The simulator, from a seed.
    Simulation,
    /// A person.
    Hand,
}

/// The cluster that a witness speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The conflict strategy with its parameters.
    pub strategy: Strategy,
    /// The shape.
    pub topology: Topology,
    /// What leaders pass on.
    pub propagation: Propagation,
    /// The number of leaders.
    pub leaders: usize,
    /// The followers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub followers: Vec<Follower>,
    /// What becomes of acknowledgements between replicas.
    #[serde(default)]
    pub acknowledgements: Acknowledgements,
    /// All wall clocks tell time in steps of so many microseconds, so that writes may get equal stamps; 0 and 1 are as
    /// fine as time itself.
    #[serde(default, skip_serializing_if = "is_none")]
    pub coarse_us: u32,
    /// How many log positions a leader reserves at a time; 0 where the log's tail is never lost.
    #[serde(default, skip_serializing_if = "is_none")]
    pub reserve: u32,
}

impl Cluster {
    /// What all replicas of the cluster have in common.
    ///
    /// # Errors
    /// [`TopologyError`] if some write could never reach some replica.
    pub fn config(&self) -> Result<Config, TopologyError> {
        let graph = Graph::new(&self.topology, self.leaders, self.followers.clone(), self.propagation)?;
        Ok(Config { reserve: self.reserve, ..Config::new(graph, self.strategy.clone()) })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_none(number: &u32) -> bool {
    *number == 0
}

/// What becomes of acknowledgements between replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledgements {
    /// They never arrive. They only spare traffic.
    #[default]
    Dropped,
    /// Each waits for the step that delivers it.
    Delivered,
}

/// A client at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientStart {
    /// The replica that it talks to.
    pub at: ReplicaId,
    /// Whether its session carries a token.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub tokens: bool,
}

/// The true time at the beginning, microseconds: a clock that is set back still shows a time that people can read.
pub const BEGINNING_US: i64 = 1_000_000;

/// What the taking of one write takes, microseconds, where a witness does not say the time.
pub const TICK_US: i64 = 1000;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its number, from 1. It may be left out, but it may not be wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// What happens.
    #[serde(rename = "do")]
    pub act: Act,
    /// The true time, microseconds. Left out, it is that of the step before, and [`TICK_US`] more for each write that a
    /// leader took in that step; the first step is at [`BEGINNING_US`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_us: Option<i64>,
    /// What the replicas that it changed then are. Those that are not named need not have stayed the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digests: BTreeMap<ReplicaId, Digest>,
}

/// What happens in a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// A client begins an operation: its request is under way.
    Begin {
        /// Who.
        client: ClientId,
        /// The record.
        key: Key,
        /// What is asked of it.
        #[serde(with = "strict::operation")]
        operation: Operation,
        /// The identity of a write. It may be left out, but it may not be wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        write: Option<WriteId>,
        /// Whether the requests of this operation arrive as soon as they are sent: then it needs no `arrive`.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        at_once: bool,
    },
    /// The oldest request of a client that is under way to a replica arrives there.
    Arrive {
        /// Whose.
        client: ClientId,
        /// Where.
        at: ReplicaId,
    },
    /// A message of a link arrives.
    Deliver {
        /// The link.
        link: LinkId,
        /// Which message; the oldest if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Frame>,
        /// Whether a copy arrives, and the message itself stays under way.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        copy: bool,
    },
    /// The oldest acknowledgement against a link arrives.
    Acknowledge {
        /// The link.
        link: LinkId,
    },
    /// The nemesis acts, or undoes what it did.
    Fault(#[serde(with = "strict::fault")] Fault),
    /// A leader is asked to become the home of a record.
    TakeHome {
        /// Which.
        replica: ReplicaId,
        /// The record.
        key: Key,
    },
    /// A replica dies for good.
    Lose {
        /// Which.
        replica: ReplicaId,
    },
    /// A replica dies, and the last records of its log with it: they were acknowledged before they were durable.
    LoseTail {
        /// Which.
        replica: ReplicaId,
        /// How many records are lost, from 1; reservations are none.
        records: u32,
    },
    /// The connection of a link breaks and is made anew: what is under way is lost, and what the receiver lacks is sent
    /// again.
    Reconnect {
        /// The link.
        link: LinkId,
    },
    /// A client waits no longer for the answer to what it asked.
    GiveUp {
        /// Who.
        client: ClientId,
    },
    /// A replica looks at the time.
    Tick {
        /// Which.
        replica: ReplicaId,
    },
    /// A replica forgets its tombstones.
    Collect {
        /// Which.
        replica: ReplicaId,
    },
    /// A replica forgets what its versions knew and when they were written.
    Forget {
        /// Which.
        replica: ReplicaId,
    },
}

/// What a message is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Frame {
    /// These entries of logs.
    Entries(Vec<Dot>),
    /// A message between two leaders, which need not be neighbours.
    Routed {
        /// Who sent it.
        from: ReplicaId,
        /// Whom it is for.
        to: ReplicaId,
        /// What it says.
        says: Saying,
    },
    /// The receiver of the link is there.
    Hello,
    /// The receiver of the link has applied this much.
    Ack,
}

/// What leaders say to each other about homes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Saying {
    /// Carry this write out.
    Forward,
    /// The answer to that.
    ForwardReply,
    /// Hand me this record.
    HomeRequest,
    /// The record is yours.
    HomeGrant,
    /// The record is not mine.
    HomeMoved,
}

impl Frame {
    /// The name of a message.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        match message {
            Message::Hello { .. } => Self::Hello,
            Message::Ack { .. } => Self::Ack,
            Message::Entries { entries, .. } => {
                Self::Entries(entries.iter().map(|entry| entry.version.dot).collect())
            }
            Message::Routed(routed) => {
                let says = match &routed.body {
                    RoutedBody::Forward { .. } => Saying::Forward,
                    RoutedBody::ForwardReply { .. } => Saying::ForwardReply,
                    RoutedBody::HomeRequest { .. } => Saying::HomeRequest,
                    RoutedBody::HomeGrant { .. } => Saying::HomeGrant,
                    RoutedBody::HomeMoved { .. } => Saying::HomeMoved,
                };
                Self::Routed { from: routed.from, to: routed.to, says }
            }
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entries(dots) => {
                f.write_str("entries")?;
                dots.iter().try_for_each(|dot| write!(f, " {dot}"))
            }
            Self::Routed { from, to, says } => {
                let says = match says {
                    Saying::Forward => "a write passed on",
                    Saying::ForwardReply => "the answer to a write passed on",
                    Saying::HomeRequest => "a request for a record's home",
                    Saying::HomeGrant => "a record's home",
                    Saying::HomeMoved => "word of a record's home",
                };
                write!(f, "{says} from {from} to {to}")
            }
            Self::Hello => f.write_str("a hello"),
            Self::Ack => f.write_str("an acknowledgement"),
        }
    }
}

/// What clients can see at a replica, in short: [`Replica::digest`](crate::replica::Replica::digest), as 16
/// hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub u64);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Digest {
    type Err = core::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// How a witness ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Every replica.
    pub replicas: BTreeMap<ReplicaId, ReplicaEnd>,
    /// The fate of every acknowledged write.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fates: BTreeMap<WriteId, WriteEnd>,
}

/// A replica at the end; as it was when it died, if it is dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaEnd {
    /// Whether it runs.
    pub phase: Phase,
    /// How far its wall clock stands from the truth, microseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset_us: i64,
    /// All that clients can see, in short.
    pub digest: Digest,
    /// What it holds.
    pub records: BTreeMap<Key, RecordEnd>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Whether a replica runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It runs.
    Live,
    /// It is dead, and may restart.
    Down,
    /// It is dead for good.
    Gone,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Down => "down",
            Self::Gone => "gone",
        })
    }
}

/// A record at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordEnd {
    /// The one value; absent if it was deleted, and where versions stand side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The versions held.
    pub versions: Vec<VersionEnd>,
}

/// A version at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionEnd {
    /// The write that made it.
    pub write: WriteId,
    /// Where that write entered the cluster.
    pub dot: Dot,
    /// The stamp of the leader that took it.
    #[serde(with = "strict::stamp")]
    pub stamp: Stamp,
    /// Its value; absent for a tombstone, and where a merged value stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// What became of an acknowledged write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteEnd {
    /// Its fate.
    pub fate: Fate,
    /// The write that won over it, or rightly replaced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<WriteId>,
}
