//! Last write wins: the version with the latest stamp, by the clocks of the leaders that took the writes.

use super::{Decision, Incoming, Outcome, Resolve, Rows, Site, arrival::overwrite};
use crate::{
    clock::ClockKind,
    fate::Fate,
    version::{Cell, Version},
};
use core::{cmp::Ordering, fmt};
use serde::{Deserialize, Serialize};

/// The version with the latest stamp wins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LastWriteWins {
    /// The clock that stamps writes.
    #[cfg_attr(feature = "schema", schemars(with = "ClockName"))]
    pub clock: ClockKind,
    /// What wins when stamps are equal.
    pub tie: TieRule,
    /// How a leader treats a write of its own clients.
    pub local_write: LocalWrite,
    /// Whether replicas log the versions that they discard, so that an operator can find them.
    pub record: bool,
    /// How rows are deleted and missed.
    pub rows: Rows,
}

#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
enum ClockName {
    Wall,
    Hybrid,
}

/// What wins when stamps are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TieRule {
    /// The greater leader: the order is total.
    #[default]
    NodeId,
    /// Nothing: each replica ignores the incoming version, as several products do.
    None,
}

/// How a leader treats a write of its own clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LocalWrite {
    /// As any other version: it loses to a later stamp, although it is acknowledged. Cassandra and CouchDB do so.
    #[default]
    Merge,
    /// It replaces what is held whatever the stamps say. The PostgreSQL family does so.
    Unconditional,
}

impl LastWriteWins {
    fn compare(&self, incoming: &Version, held: &Version) -> Ordering {
        let stamps = incoming.stamp.cmp(&held.stamp);
        match self.tie {
            // The dot is the last word of the order: one leader may give two of its writes the same stamp.
            TieRule::NodeId => stamps.then(incoming.dot.cmp(&held.dot)),
            TieRule::None => stamps,
        }
    }
}

impl Resolve for LastWriteWins {
    fn install(&self, cell: &mut Cell, incoming: Incoming, site: Site) -> Outcome {
        if site == Site::Local && self.local_write == LocalWrite::Unconditional {
            return Outcome { recorded: self.record, ..overwrite(cell, incoming) };
        }
        match cell.versions.first() {
            Some(held) if self.compare(&incoming.version, held) != Ordering::Greater => {
                Outcome::against(Decision::Discarded, held.write, self.record)
            }
            _ => Outcome { recorded: self.record, ..overwrite(cell, incoming) },
        }
    }

    fn clock(&self) -> ClockKind {
        self.clock
    }

    fn rows(&self) -> Rows {
        self.rows
    }

    fn permits(&self) -> &'static [Fate] {
        &[Fate::ConcurrentDiscard]
    }

    fn variant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.clock {
            ClockKind::Wall => "wall clock",
            ClockKind::Hybrid => "hybrid clock",
        })?;
        if self.local_write == LocalWrite::Unconditional {
            f.write_str(", local writes unconditional")?;
        }
        if self.tie == TieRule::None {
            f.write_str(", no tie rule")?;
        }
        Ok(())
    }
}
