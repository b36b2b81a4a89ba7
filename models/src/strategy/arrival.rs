//! No detection: whatever is applied last wins, as in a MySQL ring or with PostgreSQL's `origin = none`.

use super::{Decision, Incoming, Outcome, Resolve, Rows, Site};
use crate::{fate::Fate, version::Cell};
use core::fmt;
use serde::{Deserialize, Serialize};

/// The last version to arrive wins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Arrival {
    /// How rows are deleted and missed.
    pub rows: Rows,
}

/// What arrival permits, and a home leader whose fallback is arrival does not.
const ANYTHING_BUT_VANISHED: &[Fate] = &[
    Fate::ConcurrentDiscard,
    Fate::RealTimeInversion,
    Fate::CausalInversion,
    Fate::SessionInversion,
    Fate::Partial,
];

impl Resolve for Arrival {
    fn install(&self, cell: &mut Cell, incoming: Incoming, _site: Site) -> Outcome {
        overwrite(cell, incoming)
    }

    fn rows(&self) -> Rows {
        self.rows
    }

    fn permits(&self) -> &'static [Fate] {
        ANYTHING_BUT_VANISHED
    }

    fn converges(&self) -> bool {
        false
    }

    fn variant(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Replaces whatever is held, and says what that was if the incoming version did not know of it.
pub(super) fn overwrite(cell: &mut Cell, incoming: Incoming) -> Outcome {
    let unknown = cell.versions.iter().find(|held| !incoming.version.knew(held)).map(|held| held.write);
    *cell = Cell::of(incoming.version);
    Outcome { decision: Decision::Applied, against: unknown, recorded: false }
}
