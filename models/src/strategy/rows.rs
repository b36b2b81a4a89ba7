//! Rows: what a deletion leaves behind, and what becomes of an update whose row is not there. Both are the affair of
//! every strategy that keeps one version, whatever its comparator.

use super::{Decision, Incoming, Outcome, Resolve, Site, arrival::overwrite};
use crate::version::Cell;
use core::fmt;
use serde::{Deserialize, Serialize};

/// How rows are deleted and missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rows {
    /// What a deletion leaves behind, and what it wins over.
    pub deletes: DeletePolicy,
    /// What a replica does with an update of a row that it does not have.
    pub missing: MissingRow,
}

/// What a deletion leaves behind, and what it wins over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DeletePolicy {
    /// It is a version like any other: it leaves a tombstone that later arrivals are compared with.
    #[default]
    Tombstone,
    /// The row and its metadata are gone at once: an older write that comes later finds nothing to lose to, and brings
    /// the row back.
    Hard,
    /// As a tombstone; but of a deletion and a write that knew nothing of each other the deletion wins, whatever the
    /// comparator says.
    DeleteWins,
}

/// What a replica does with an update of a row that it does not have. An update is a change or deletion that was made
/// on a row; a write that its leader made where there was no row is an insertion, and never misses one. A row with a
/// tombstone is not missing: the versions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MissingRow {
    /// It inserts the row.
    #[default]
    Upsert,
    /// It discards the update, for good. PostgreSQL does so.
    Skip,
    /// It applies nothing more of that leader's log until the row is there, not even what concerns other rows. What it
    /// has not applied it neither acknowledges nor passes on. MySQL does so, until an operator helps: two leaders that
    /// delete one row at the same time stop each other for ever.
    Stall,
}

impl Rows {
    /// Whether entries must say if their leader made them on a row.
    pub(crate) fn looks_for_rows(self) -> bool {
        self.missing != MissingRow::Upsert
    }

    fn skips(self, cell: &Cell, incoming: &Incoming, site: Site) -> bool {
        self.missing == MissingRow::Skip
            && site == Site::Remote
            && incoming.update
            && cell.versions.is_empty()
    }

    /// Puts a version into the cell by the rules for rows, and else by those of the strategy.
    pub(super) fn install(
        self,
        strategy: &dyn Resolve,
        cell: &mut Cell,
        incoming: Incoming,
        site: Site,
    ) -> Outcome {
        if self.skips(cell, &incoming, site) {
            return Outcome { decision: Decision::Skipped, against: None, recorded: false };
        }
        let outcome = match self.deletes {
            DeletePolicy::DeleteWins if one_deletes(cell, &incoming) => keep_deletion(cell, incoming),
            _ => strategy.install(cell, incoming, site),
        };
        if self.deletes == DeletePolicy::Hard && cell.is_deleted() {
            *cell = Cell::default();
        }
        outcome
    }

    /// The parameters in a few words, for tables; nothing for the plain form.
    pub(super) fn words(self) -> impl Iterator<Item = &'static str> {
        let deletes = match self.deletes {
            DeletePolicy::Tombstone => None,
            DeletePolicy::Hard => Some("hard deletes"),
            DeletePolicy::DeleteWins => Some("deletes win"),
        };
        let missing = match self.missing {
            MissingRow::Upsert => None,
            MissingRow::Skip => Some("missing rows skipped"),
            MissingRow::Stall => Some("missing rows stall"),
        };
        deletes.into_iter().chain(missing)
    }
}

/// Whether a deletion and a write meet that knew nothing of each other.
fn one_deletes(cell: &Cell, incoming: &Incoming) -> bool {
    cell.versions.first().is_some_and(|held| {
        held.value.is_none() != incoming.version.value.is_none() && held.is_concurrent_with(&incoming.version)
    })
}

fn keep_deletion(cell: &mut Cell, incoming: Incoming) -> Outcome {
    match cell.versions.first() {
        Some(held) if held.value.is_none() => Outcome::against(Decision::Discarded, held.write, false),
        _ => overwrite(cell, incoming),
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words().enumerate() {
            write!(f, "{}{word}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
