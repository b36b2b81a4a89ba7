//! Most updates: of versions in conflict the one wins whose record was updated most often, as with Couchbase's revision
//! number and CouchDB's longest path.
//!
//! The number counts up from that of the version on which a write was made, and travels with the version
//! ([`Version::updates`]). So whatever knew of a version has the greater number, and detection changes nothing, as
//! long as nobody forgets numbers: with a row that is gone at once, or with its metadata, the count begins anew.

use super::{Detection, Incoming, Outcome, Resolve, Rows, Site};
use crate::{
    fate::Fate,
    version::{Cell, Version},
};
use core::{cmp::Ordering, fmt};
use serde::{Deserialize, Serialize};

/// Of versions in conflict the one with the most updates wins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MostUpdates {
    /// What counts as a conflict.
    pub detection: Detection,
    /// How rows are deleted and missed.
    pub rows: Rows,
}

/// The greater number wins; of equal ones the later stamp, then the greater leader, then the later position.
fn order(version: &Version, other: &Version) -> Ordering {
    let rank = |version: &Version| (version.updates, version.stamp, version.dot);
    rank(version).cmp(&rank(other))
}

impl Resolve for MostUpdates {
    fn install(&self, cell: &mut Cell, incoming: Incoming, _site: Site) -> Outcome {
        self.detection.keep_one(cell, incoming, order)
    }

    fn counts_updates(&self) -> bool {
        true
    }

    fn rows(&self) -> Rows {
        self.rows
    }

    fn permits(&self) -> &'static [Fate] {
        // Two quick updates on one side beat a later one elsewhere.
        &[Fate::ConcurrentDiscard, Fate::RealTimeInversion, Fate::SessionInversion]
    }

    fn variant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.detection.variant(f)
    }
}
