//! Planted defects: what replicas would do if they had one of the bugs that real systems have had.
//!
//! A checker that finds nothing is worth nothing until it has found something. A mutant is a sound replica with one
//! defect; each property is shown to find one. They can be planted only in this crate's own tests and under the
//! feature `mutants`, which no product enables: everywhere else [`Config::mutant`](crate::replica::Config::mutant) is a
//! constant `None`, and nothing of this file is left.
//!
//! A new one is a variant, its line in each table here, and a question to `Config::suffers` where the defect bites;
//! those of strategies bite in [`install`]. Its catch stands in the tests of `check::mutants`.

use crate::{
    id::ReplicaId,
    message::{Output, TraceEvent},
    operation::{ExecuteError, Operation, field_of, holders},
    strategy::{Decision, Incoming, Outcome, Site, Strategy},
    value::Value,
    version::{Cell, Version},
};
use alloc::string::ToString;

/// A planted defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutant {
    /// Of two versions with equal stamps, each replica keeps the one that it has.
    EqualStampsIgnored,
    /// Of two versions with equal stamps, each replica takes the one that comes later.
    NoTieRule,
    /// Stamps are compared as texts: "9" is later than "10".
    StampsAsText,
    /// A version counts as written when it is applied.
    StampOfApplication,
    /// A deletion wins whatever the stamps say.
    DeletesIgnoreStamps,
    /// A deletion leaves nothing behind that an older write could lose to.
    HardDelete,
    /// Of versions that should stand side by side, only the last to come is kept.
    SiblingsOverwritten,
    /// A handler forgets one of the sides that it merges.
    MergeDropsASide,
    /// The second copy of a write that two leaders took is counted as well.
    CopiesCounted,
    /// A relay passes on only what it has not discarded itself.
    RelayDropsDiscarded,
    /// One high-water mark for all origins: what has a lower position in another log counts as known.
    SharedHighWaterMark,
    /// A message that comes twice is applied twice.
    PositionIgnored,
    /// A replica answers without having seen what the session has seen.
    TokenIgnored,
    /// A retry is executed as if it were new.
    IdempotencyKeyIgnored,
    /// The old home goes on taking writes after it has handed the record over.
    FenceIgnored,
    /// A slot is given away although it is taken.
    ClaimsUnchecked,
    /// What a leader wrote itself counts as written at the beginning of time when something comes from elsewhere.
    LocalStampForgotten,
    /// A version from elsewhere loses to the latest version of any record, not of its own.
    WinnerPerTable,
    /// An update of a record that is not here is skipped.
    MissingRowSkipped,
    /// Counters that conflict are merged by adding their values, not their changes.
    SumOfAbsolutes,
    /// A relay takes what comes from elsewhere for a write of its own and sends it on under its own name.
    OriginFilterMissing,
    /// What another leader took back from a set comes back.
    UnionResurrects,
    /// A conflict takes the rest of its message along.
    BatchDropped,
    /// A handler looks at the name of the node that it runs on.
    HandlerReadsNode,
    /// Of three leaders each wins over the next one.
    WinnerNotTransitive,
    /// Now and then a stamp lies an hour ahead.
    PoisonedStamp,
    /// A leader that restarts gives away the last positions of its log once more.
    IdReused,
    /// A write is acknowledged before it is on the disk.
    AckBeforePersist,
}

impl Mutant {
    /// All mutants.
    pub const ALL: [Self; 28] = [
        Self::EqualStampsIgnored,
        Self::NoTieRule,
        Self::StampsAsText,
        Self::StampOfApplication,
        Self::DeletesIgnoreStamps,
        Self::HardDelete,
        Self::SiblingsOverwritten,
        Self::MergeDropsASide,
        Self::CopiesCounted,
        Self::RelayDropsDiscarded,
        Self::SharedHighWaterMark,
        Self::PositionIgnored,
        Self::TokenIgnored,
        Self::IdempotencyKeyIgnored,
        Self::FenceIgnored,
        Self::ClaimsUnchecked,
        Self::LocalStampForgotten,
        Self::WinnerPerTable,
        Self::MissingRowSkipped,
        Self::SumOfAbsolutes,
        Self::OriginFilterMissing,
        Self::UnionResurrects,
        Self::BatchDropped,
        Self::HandlerReadsNode,
        Self::WinnerNotTransitive,
        Self::PoisonedStamp,
        Self::IdReused,
        Self::AckBeforePersist,
    ];

    /// The name, as reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EqualStampsIgnored => "equal-stamps-ignored",
            Self::NoTieRule => "no-tie-rule",
            Self::StampsAsText => "stamps-as-text",
            Self::StampOfApplication => "stamp-of-application",
            Self::DeletesIgnoreStamps => "deletes-ignore-stamps",
            Self::HardDelete => "hard-delete",
            Self::SiblingsOverwritten => "siblings-overwritten",
            Self::MergeDropsASide => "merge-drops-a-side",
            Self::CopiesCounted => "copies-counted",
            Self::RelayDropsDiscarded => "relay-drops-discarded",
            Self::SharedHighWaterMark => "shared-high-water-mark",
            Self::PositionIgnored => "position-ignored",
            Self::TokenIgnored => "token-ignored",
            Self::IdempotencyKeyIgnored => "idempotency-key-ignored",
            Self::FenceIgnored => "fence-ignored",
            Self::ClaimsUnchecked => "claims-unchecked",
            Self::LocalStampForgotten => "local-stamp-forgotten",
            Self::WinnerPerTable => "winner-per-table",
            Self::MissingRowSkipped => "missing-row-skipped",
            Self::SumOfAbsolutes => "sum-of-absolutes",
            Self::OriginFilterMissing => "origin-filter-missing",
            Self::UnionResurrects => "union-resurrects",
            Self::BatchDropped => "batch-dropped",
            Self::HandlerReadsNode => "handler-reads-node",
            Self::WinnerNotTransitive => "winner-not-transitive",
            Self::PoisonedStamp => "poisoned-stamp",
            Self::IdReused => "id-reused",
            Self::AckBeforePersist => "ack-before-persist",
        }
    }

    /// Where the like was seen; empty where nobody told.
    #[must_use]
    pub const fn seen_in(self) -> &'static str {
        match self {
            Self::EqualStampsIgnored => "GoldenGate USEMAX, GridGain",
            Self::StampsAsText => "TouchDB",
            Self::DeletesIgnoreStamps => "SymmetricDS, Cosmos DB, SQL Server",
            Self::SharedHighWaterMark => "OpenLDAP, CSN too old",
            Self::MergeDropsASide => "y-crdt#268",
            Self::LocalStampForgotten => "Spock, #608",
            Self::WinnerPerTable => "Bucardo",
            Self::MissingRowSkipped => "PostgreSQL 18, Spock",
            Self::SumOfAbsolutes => "SQL Server",
            Self::OriginFilterMissing => "Percona",
            Self::UnionResurrects => "shopping carts",
            Self::BatchDropped => "SymmetricDS",
            Self::IdReused => "USN rollback",
            _ => "",
        }
    }
}

/// How far ahead a poisoned stamp lies, microseconds.
pub(crate) const POISON_US: i64 = 3_600_000_000;

/// Whether the last version that was applied met another one.
pub(crate) fn met_conflict(outputs: &[Output]) -> bool {
    let applied = outputs.iter().rev().find_map(|output| match output {
        Output::Trace(TraceEvent::Apply { against, .. }) => Some(against.is_some()),
        _ => None,
    });
    applied.unwrap_or(false)
}

/// Puts a version into a cell as a strategy with this defect does.
pub(crate) fn install(
    mutant: Mutant,
    sound: &Strategy,
    cell: &mut Cell,
    mut incoming: Incoming,
    site: Site,
    me: ReplicaId,
) -> Outcome {
    let version = &incoming.version;
    let held = cell.versions.first();
    let equal = held.is_some_and(|held| held.stamp == version.stamp && held.dot != version.dot);
    match (mutant, held) {
        (Mutant::EqualStampsIgnored, Some(held)) if equal => keep(held.write),
        (Mutant::NoTieRule, Some(_)) if equal => overwrite(cell, incoming),
        (Mutant::StampsAsText, Some(held)) => {
            let text = |time_us: i64| time_us.to_string();
            if text(version.stamp.time_us) > text(held.stamp.time_us) {
                overwrite(cell, incoming)
            } else {
                keep(held.write)
            }
        }
        (Mutant::StampOfApplication, _) => overwrite(cell, incoming),
        (Mutant::DeletesIgnoreStamps, _) if version.value.is_none() => overwrite(cell, incoming),
        (Mutant::DeletesIgnoreStamps, Some(held)) if held.value.is_none() => keep(held.write),
        (Mutant::HardDelete, _) if version.value.is_none() => {
            *cell = Cell::default();
            Outcome::applied()
        }
        (Mutant::SiblingsOverwritten, _) => overwrite(cell, incoming),
        (Mutant::MergeDropsASide | Mutant::SumOfAbsolutes | Mutant::HandlerReadsNode, _) => {
            let outcome = sound.install(cell, incoming, site);
            if cell.merged.is_some() && cell.versions.len() > 1 {
                cell.merged = Some(merged(mutant, cell, me));
            }
            outcome
        }
        (Mutant::LocalStampForgotten, Some(held)) if site == Site::Remote && held.dot.origin == me => {
            overwrite(cell, incoming)
        }
        (Mutant::MissingRowSkipped, None) if site == Site::Remote && version.context.total() > 0 => {
            Outcome::against(Decision::Discarded, version.write, false)
        }
        (Mutant::WinnerNotTransitive, Some(held)) => {
            let next = |origin: ReplicaId| (origin.index() + 1) % 3;
            let (one, other) = (version.dot.origin, held.dot.origin);
            let beats = one == other || version.knew(held) || next(one) == other.index();
            if beats && !held.knew(version) { overwrite(cell, incoming) } else { keep(held.write) }
        }
        _ => {
            if mutant == Mutant::UnionResurrects && site == Site::Remote {
                incoming.removes.clear();
            }
            incoming.counted &= mutant != Mutant::CopiesCounted;
            sound.install(cell, incoming, site)
        }
    }
}

/// What a handler with this defect makes of versions that stand side by side.
fn merged(mutant: Mutant, cell: &Cell, me: ReplicaId) -> Option<Value> {
    let of = |version: Option<&Version>| version.and_then(|version| version.value.clone());
    match mutant {
        Mutant::SumOfAbsolutes => {
            let values = cell.versions.iter().filter_map(|version| version.value.as_ref()?.as_int());
            Some(Value::Int(values.fold(0, i64::wrapping_add)))
        }
        Mutant::HandlerReadsNode if me.index() % 2 == 1 => of(cell.versions.last()),
        _ => of(cell.versions.first()),
    }
}

const fn keep(write: crate::id::WriteId) -> Outcome {
    Outcome::against(Decision::Discarded, write, false)
}

fn overwrite(cell: &mut Cell, incoming: Incoming) -> Outcome {
    *cell = Cell::of(incoming.version);
    Outcome::applied()
}

/// Executes an operation where nobody looks whether a slot is taken: it is given to both.
pub(crate) fn execute_unchecked(
    operation: &Operation,
    current: Option<&Value>,
) -> Result<Option<Value>, ExecuteError> {
    let sound = operation.execute(current);
    match (operation, current.and_then(Value::as_map), &sound) {
        (Operation::Claim { field, value }, Some(fields), Err(ExecuteError::Taken { .. })) => {
            let mut fields = fields.clone();
            let mut both = holders(fields.get(field));
            both.insert(value.clone());
            if let Some(both) = field_of(both) {
                fields.insert(field.clone(), both);
            }
            Ok(Some(Value::Map(fields)))
        }
        _ => sound,
    }
}
