//! Avoidance: every record has a home leader, which alone takes its writes. Conflicts arise only where the avoidance
//! fails: when a user moves, and with them the home of their records.
//!
//! Who is home is the replica's affair ([`crate::replica`]); this file says what happens when two homes wrote.

use super::{Decision, Incoming, Outcome, Resolve, Rows, Site, arrival::overwrite};
use crate::{fate::Fate, version::Cell};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Every record has a home leader that takes all its writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HomeLeader {
    /// What a leader does with a write to a record whose home is elsewhere.
    pub reroute: Reroute,
    /// How the home moves, if it follows the client.
    pub hand_over: HandOver,
    /// What happens when a version meets one that it did not know of after all.
    pub fallback: Fallback,
    /// How rows are deleted and missed.
    pub rows: Rows,
}

/// What a leader does with a write to a record whose home is elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Reroute {
    /// It passes the write on to the home. The home never moves.
    Forward,
    /// It becomes the home: the home follows the client.
    #[default]
    Follow,
}

/// How the home of a record moves to the leader where its writer now is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HandOver {
    /// At once: the new home takes writes before it has those of the old one.
    #[default]
    Immediate,
    /// The new home waits until it has applied what the old one had when asked; the old one goes on taking writes
    /// that still reach it.
    Drained,
    /// The old home stops taking writes before it answers, and the new one waits until it has applied them all.
    /// There is at most one home at any time; without the old home there is none.
    Fenced,
}

/// What happens when a version meets one that it did not know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Fallback {
    /// The last to arrive wins.
    #[default]
    Arrival,
    /// The later stamp wins.
    Lww,
}

impl Resolve for HomeLeader {
    fn install(&self, cell: &mut Cell, incoming: Incoming, site: Site) -> Outcome {
        let later = |held: &crate::version::Version| {
            (held.stamp, held.dot) > (incoming.version.stamp, incoming.version.dot)
                && !incoming.version.knew(held)
        };
        match cell.versions.first() {
            // It was overtaken: the home moved, and the new home's write came by a shorter way. That is no conflict.
            Some(held) if held.knew(&incoming.version) => {
                Outcome::against(Decision::Discarded, held.write, false)
            }
            Some(held) if self.fallback == Fallback::Lww && site == Site::Remote && later(held) => {
                Outcome::against(Decision::Discarded, held.write, false)
            }
            _ => overwrite(cell, incoming),
        }
    }

    fn rows(&self) -> Rows {
        self.rows
    }

    fn permits(&self) -> &'static [Fate] {
        &[]
    }

    fn variant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.reroute, self.hand_over) {
            (Reroute::Forward, _) => "forward",
            (Reroute::Follow, HandOver::Immediate) => "follow, immediate",
            (Reroute::Follow, HandOver::Drained) => "follow, drained",
            (Reroute::Follow, HandOver::Fenced) => "follow, fenced",
        })?;
        if self.fallback == Fallback::Lww { f.write_str(", lww") } else { Ok(()) }
    }
}
