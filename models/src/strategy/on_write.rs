//! Custom logic on write: the replica that detects a conflict calls a handler.
//!
//! Conflicts are detected by version vectors. The versions that know nothing of each other are kept with their values,
//! and the merged value is a function of them alone: replicas that hold equal versions show equal values, whatever the
//! order in which the versions came.

use super::{Decision, Incoming, Outcome, Resolve, Site};
use crate::{
    fate::Fate,
    handler::{Handler, accumulate},
    version::Cell,
};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A handler merges concurrent versions where they meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OnWrite {
    /// The handler.
    pub handler: Handler,
}

impl Resolve for OnWrite {
    fn install(&self, cell: &mut Cell, incoming: Incoming, site: Site) -> Outcome {
        if self.handler == Handler::Delta {
            return add_change(cell, incoming, site);
        }
        let outcome = keep_unknown(cell, incoming, Decision::Merged);
        cell.merged = (cell.versions.len() > 1).then(|| self.handler.merge(&cell.versions));
        outcome
    }

    fn ships_before_image(&self) -> bool {
        self.handler == Handler::Delta
    }

    fn counts_effects(&self) -> bool {
        self.handler == Handler::Delta
    }

    fn permits(&self) -> &'static [Fate] {
        if self.handler.discards() { &[Fate::ConcurrentDiscard] } else { &[] }
    }

    fn variant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.handler.name())
    }
}

/// Puts a version among those that are held: it replaces what it knew of, gives way to what knew of it, and stands
/// beside the rest.
pub(super) fn keep_unknown(cell: &mut Cell, incoming: Incoming, beside: Decision) -> Outcome {
    let version = incoming.version;
    if let Some(newer) = cell.versions.iter().find(|held| held.knew(&version)) {
        // It was overtaken: a later version came by a shorter way.
        return Outcome::against(Decision::Discarded, newer.write, false);
    }
    cell.versions.retain(|held| !version.knew(held));
    let against = cell.versions.first().map(|held| held.write);
    cell.insert(version);
    match against {
        None => Outcome::applied(),
        Some(write) => Outcome::against(beside, write, true),
    }
}

/// Changes are added whether or not there is a conflict, so the running value is kept as the merged one.
fn add_change(cell: &mut Cell, incoming: Incoming, site: Site) -> Outcome {
    let value = match site {
        Site::Local => incoming.version.value.clone(),
        Site::Remote => {
            let after = incoming.version.value.as_ref();
            accumulate(cell.value(), incoming.before.as_ref(), after)
                .or_else(|| incoming.version.value.clone())
        }
    };
    let outcome = keep_unknown(cell, incoming, Decision::Merged);
    cell.merged = Some(value);
    match outcome.decision {
        // A change that was overtaken still counts.
        Decision::Discarded => Outcome { decision: Decision::Merged, ..outcome },
        _ => outcome,
    }
}
