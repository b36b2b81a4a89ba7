//! Conflict strategies: what a replica does when a version meets what it holds.
//!
//! One file each. A new strategy is a file that implements [`Resolve`], a variant of [`Strategy`] and a line in
//! [`Strategy::resolver`]; scenarios, the schema and the model take it from there.

mod arrival;
mod crdt;
mod detection;
mod first_write_wins;
mod home_leader;
mod in_place;
mod last_write_wins;
mod leader_priority;
mod most_updates;
mod on_read;
mod on_write;
mod rows;

pub use arrival::Arrival;
pub use crdt::{Crdt, DataType};
pub use detection::Detection;
pub use first_write_wins::FirstWriteWins;
pub use home_leader::{Fallback, HandOver, HomeLeader, Reroute};
pub use last_write_wins::{LastWriteWins, LocalWrite, TieRule};
pub use leader_priority::LeaderPriority;
pub use most_updates::MostUpdates;
pub use on_read::OnRead;
pub use on_write::OnWrite;
pub use rows::{DeletePolicy, MissingRow, Rows};

use crate::{
    clock::ClockKind,
    fate::Fate,
    handler::{Effect, Handler},
    id::{ReplicaId, WriteId},
    message::Entry,
    operation::{ExecuteError, Operation},
    tags::Tag,
    value::{Key, Value},
    version::{Cell, Version},
};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A strategy with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Strategy {
    /// No detection: the last version to arrive wins.
    Arrival(Arrival),
    /// Every record has a home leader that takes all its writes.
    HomeLeader(HomeLeader),
    /// The version with the latest stamp wins.
    Lww(LastWriteWins),
    /// A handler merges concurrent versions where they meet.
    OnWrite(OnWrite),
    /// Concurrent versions are kept side by side until a reader resolves them.
    OnRead(OnRead),
    /// Of versions in conflict the one with the earliest stamp wins.
    FirstWriteWins(FirstWriteWins),
    /// Of versions in conflict the one of the most important leader wins.
    LeaderPriority(LeaderPriority),
    /// Of versions in conflict the one with the most updates wins.
    MostUpdates(MostUpdates),
    /// Data types whose concurrent operations commute.
    Crdt(Crdt),
}

/// Where a version meets the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Site {
    /// At the leader that takes the write.
    Local,
    /// At a replica that applies it.
    Remote,
}

/// A version on its way into a cell.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The record.
    pub key: Key,
    /// The version.
    pub version: Version,
    /// The value that the write was made from, where the strategy ships it: see [`Resolve::ship`].
    pub before: Option<Value>,
    /// The additions to a set that the write takes back, where the strategy ships them.
    pub removes: Vec<Tag>,
    /// Whether its leader made it on a row, where the strategy asks for that: see [`MissingRow`].
    pub update: bool,
    /// Whether another copy of the write is counted here already: a retry that two leaders took. Only where
    /// [`Resolve::counts_effects`].
    pub counted: bool,
}

impl Incoming {
    pub(crate) fn of(entry: &Entry, counted: bool) -> Self {
        let Entry { key, version, before, removes, update } = entry;
        let (key, version) = (key.clone(), version.clone());
        Self { key, version, before: before.clone(), removes: removes.clone(), update: *update, counted }
    }
}

/// What a leader ships of a write beside its identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shipment {
    /// The value of the version; `None` is a tombstone.
    pub value: Option<Value>,
    /// The value that the write was made from, where those who apply it need that.
    pub before: Option<Value>,
    /// The additions to a set that the write takes back.
    pub removes: Vec<Tag>,
}

impl Shipment {
    /// The value alone.
    #[must_use]
    pub const fn of(value: Option<Value>) -> Self {
        Self { value, before: None, removes: Vec::new() }
    }
}

/// What became of a version at one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It replaced what was held.
    Applied,
    /// It lost to what was held.
    Discarded,
    /// A handler made one value of it and what was held.
    Merged,
    /// It is kept beside what was held.
    Sibling,
    /// It updates a row that is not there, and was dropped.
    Skipped,
}

/// The decision, and the version that it was made against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// What became of the version.
    pub decision: Decision,
    /// The version that it met and that did not simply come before it.
    pub against: Option<WriteId>,
    /// Whether the system leaves a record of the conflict that an operator can read.
    pub recorded: bool,
}

impl Outcome {
    pub(crate) const fn applied() -> Self {
        Self { decision: Decision::Applied, against: None, recorded: false }
    }

    pub(crate) const fn against(decision: Decision, write: WriteId, recorded: bool) -> Self {
        Self { decision, against: Some(write), recorded }
    }

    /// Where a handler refused, what would have been merged stands beside the rest.
    pub(crate) fn beside_if_merged(self) -> Self {
        match self.decision {
            Decision::Merged => Self { decision: Decision::Sibling, recorded: true, ..self },
            _ => self,
        }
    }

    /// Where effects are added up, an overtaken version still counts.
    pub(crate) fn merged_if_overtaken(self) -> Self {
        match self.decision {
            Decision::Discarded => Self { decision: Decision::Merged, ..self },
            _ => self,
        }
    }
}

/// What every strategy answers.
pub trait Resolve {
    /// Puts a version into the cell, or not, by the strategy's own rules: see [`Strategy::install`]. Total and
    /// deterministic.
    fn install(&self, cell: &mut Cell, incoming: Incoming, site: Site) -> Outcome;

    /// How rows are deleted and missed.
    fn rows(&self) -> Rows {
        Rows::default()
    }

    /// The clock that stamps writes.
    fn clock(&self) -> ClockKind {
        ClockKind::Wall
    }

    /// What a leader ships of a write that it has just executed on this cell, with this result.
    ///
    /// # Errors
    /// [`ExecuteError`] if the strategy could not merge such a write with others: then it is refused.
    fn ship(
        &self,
        _cell: Option<&Cell>,
        _operation: &Operation,
        value: Option<Value>,
    ) -> Result<Shipment, ExecuteError> {
        Ok(Shipment::of(value))
    }

    /// Whether applying the same write twice changes the result, so that replicas must tell a retry that two leaders
    /// took by its idempotency key.
    fn counts_effects(&self) -> bool {
        false
    }

    /// Whether versions carry the number of updates of their record.
    fn counts_updates(&self) -> bool {
        false
    }

    /// The losing fates that the strategy's contract permits.
    fn permits(&self) -> &'static [Fate];

    /// Whether the strategy promises that replicas become equal.
    fn converges(&self) -> bool {
        true
    }

    /// The parameters in a few words, for tables, such as `hybrid clock`; empty for the plain form.
    fn variant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl Strategy {
    /// The names of all strategies, as scenarios spell them.
    pub const NAMES: [&'static str; 9] = [
        "arrival",
        "home-leader",
        "lww",
        "on-write",
        "on-read",
        "first-write-wins",
        "leader-priority",
        "most-updates",
        "crdt",
    ];

    /// The implementation.
    #[must_use]
    pub fn resolver(&self) -> &dyn Resolve {
        match self {
            Self::Arrival(strategy) => strategy,
            Self::HomeLeader(strategy) => strategy,
            Self::Lww(strategy) => strategy,
            Self::OnWrite(strategy) => strategy,
            Self::OnRead(strategy) => strategy,
            Self::FirstWriteWins(strategy) => strategy,
            Self::LeaderPriority(strategy) => strategy,
            Self::MostUpdates(strategy) => strategy,
            Self::Crdt(strategy) => strategy,
        }
    }

    /// Puts a version into the cell, or not. An empty cell afterwards is no record. Total and deterministic.
    pub fn install(&self, cell: &mut Cell, incoming: Incoming, site: Site) -> Outcome {
        let strategy = self.resolver();
        strategy.rows().install(strategy, cell, incoming, site)
    }

    /// The strategy's name, as scenarios spell it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Arrival(_) => "arrival",
            Self::HomeLeader(_) => "home-leader",
            Self::Lww(_) => "lww",
            Self::OnWrite(_) => "on-write",
            Self::OnRead(_) => "on-read",
            Self::FirstWriteWins(_) => "first-write-wins",
            Self::LeaderPriority(_) => "leader-priority",
            Self::MostUpdates(_) => "most-updates",
            Self::Crdt(_) => "crdt",
        }
    }

    /// The handler with which a client's session resolves siblings, if the strategy leaves them to readers.
    #[must_use]
    pub const fn read_handler(&self) -> Option<Handler> {
        if let Self::OnRead(on_read) = self { Some(on_read.handler) } else { None }
    }

    /// The handler that makes one value of concurrent versions, wherever it runs; none where one version wins, and
    /// where the data type itself knows how.
    #[must_use]
    pub const fn handler(&self) -> Option<Handler> {
        match self {
            Self::OnWrite(on_write) => Some(on_write.handler),
            Self::OnRead(on_read) => Some(on_read.handler),
            Self::Arrival(_)
            | Self::HomeLeader(_)
            | Self::Lww(_)
            | Self::FirstWriteWins(_)
            | Self::LeaderPriority(_)
            | Self::MostUpdates(_)
            | Self::Crdt(_) => None,
        }
    }

    /// Whether an effect of this kind survives every conflict.
    #[must_use]
    pub const fn keeps(&self, effect: Effect) -> bool {
        match (self, self.handler()) {
            (Self::Crdt(crdt), _) => crdt.data_type.keeps(effect),
            (_, Some(handler)) => handler.keeps(effect),
            (_, None) => false,
        }
    }

    /// Whether a replica applies a version only after all that it knew of: a handler that asks for what versions were
    /// made from would else miss it. What waits for the writes of a leader that died for good waits for ever.
    #[must_use]
    pub const fn waits_for_causes(&self) -> bool {
        matches!(self, Self::OnWrite(on_write) if on_write.handler.wants_base())
    }

    /// What this replica runs instead, if it has an older version of the handler.
    #[must_use]
    pub fn at(&self, replica: ReplicaId) -> Option<Self> {
        let Self::OnWrite(on_write) = self else { return None };
        on_write.handler.at(replica).map(|handler| Self::OnWrite(OnWrite { handler }))
    }

    /// Whether one value is made of concurrent versions, wherever that happens: then no version beats another one.
    #[must_use]
    pub const fn merges(&self) -> bool {
        match self {
            Self::Crdt(crdt) => crdt.data_type.merges(),
            _ => self.handler().is_some(),
        }
    }

    /// The home-leader parameters, if records have homes.
    #[must_use]
    pub const fn home_leader(&self) -> Option<&HomeLeader> {
        if let Self::HomeLeader(home_leader) = self { Some(home_leader) } else { None }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Variant<'a>(&'a dyn Resolve);
        impl fmt::Display for Variant<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.variant(f)
            }
        }
        let variant = alloc::format!("{}", Variant(self.resolver()));
        let rows = alloc::format!("{}", self.resolver().rows());
        f.write_str(self.name())?;
        match (variant.as_str(), rows.as_str()) {
            ("", "") => Ok(()),
            ("", words) | (words, "") => write!(f, " ({words})"),
            (variant, rows) => write!(f, " ({variant}, {rows})"),
        }
    }
}
