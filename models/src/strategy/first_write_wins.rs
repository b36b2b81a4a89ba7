//! First write wins: of versions in conflict the one with the earliest stamp stays, as with pglogical's
//! `first_update_wins`.

use super::{Detection, Incoming, Outcome, Resolve, Rows, Site};
use crate::{
    fate::Fate,
    version::{Cell, Version},
};
use core::{cmp::Ordering, fmt};
use serde::{Deserialize, Serialize};

/// Of versions in conflict the one with the earliest stamp wins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FirstWriteWins {
    /// What counts as a conflict. Without detection a record can never be changed but by a clock that is behind.
    pub detection: Detection,
    /// How rows are deleted and missed.
    pub rows: Rows,
}

/// The earlier stamp wins; of equal ones the lesser leader, then the earlier position: [`Version::dot`].
fn order(version: &Version, other: &Version) -> Ordering {
    (other.stamp, other.dot).cmp(&(version.stamp, version.dot))
}

impl Resolve for FirstWriteWins {
    fn install(&self, cell: &mut Cell, incoming: Incoming, _site: Site) -> Outcome {
        self.detection.keep_one(cell, incoming, order)
    }

    fn rows(&self) -> Rows {
        self.rows
    }

    fn permits(&self) -> &'static [Fate] {
        // That the older of two writes wins is what it is for, unless the newer one was made in its knowledge.
        &[Fate::ConcurrentDiscard, Fate::RealTimeInversion, Fate::SessionInversion]
    }

    fn variant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.detection.variant(f)
    }
}
