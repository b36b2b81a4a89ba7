//! Leader priority: of versions in conflict the one of the more important leader wins, as with Bucardo's list of
//! databases ("C A B").

use super::{Detection, Incoming, Outcome, Resolve, Rows, Site};
use crate::{
    fate::Fate,
    id::ReplicaId,
    version::{Cell, Version},
};
use alloc::vec::Vec;
use core::{cmp::Ordering, fmt};
use serde::{Deserialize, Serialize};

/// Of versions in conflict the one of the leader with the highest priority wins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeaderPriority {
    /// What counts as a conflict. Without detection a leader cannot change what a more important one wrote.
    pub detection: Detection,
    /// The leaders, the most important first. Those that are not named come after those that are, A before B.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<alloc::string::String>"))]
    pub order: Vec<ReplicaId>,
    /// How rows are deleted and missed.
    pub rows: Rows,
}

impl LeaderPriority {
    /// The place of a leader, the most important first.
    fn rank(&self, leader: ReplicaId) -> (usize, ReplicaId) {
        let named = self.order.iter().position(|&other| other == leader);
        (named.unwrap_or(self.order.len()), leader)
    }

    /// The more important leader wins; of two versions of one leader the later position.
    fn compare(&self, version: &Version, other: &Version) -> Ordering {
        self.rank(other.dot.origin)
            .cmp(&self.rank(version.dot.origin))
            .then(version.dot.position.cmp(&other.dot.position))
    }
}

impl Resolve for LeaderPriority {
    fn install(&self, cell: &mut Cell, incoming: Incoming, _site: Site) -> Outcome {
        self.detection.keep_one(cell, incoming, |version, other| self.compare(version, other))
    }

    fn rows(&self) -> Rows {
        self.rows
    }

    fn permits(&self) -> &'static [Fate] {
        // The leader decides, whichever write was first and whoever made it, unless the loser knew of the winner.
        &[Fate::ConcurrentDiscard, Fate::RealTimeInversion, Fate::SessionInversion]
    }

    fn variant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for leader in &self.order {
            write!(f, "{leader} ")?;
        }
        if !self.order.is_empty() {
            f.write_str("first, ")?;
        }
        self.detection.variant(f)
    }
}
