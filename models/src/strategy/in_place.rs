//! Merging in place, as triggers, stored procedures and replication scripts do it: the value that a handler makes of
//! what is held and what comes takes the place of both, and nobody else is told of it.
//!
//! What a replica holds then knows all that was merged into it. A version that knew only a part of that is merged again;
//! so what its writer had taken away may come back here, and stay away where the versions came in another order.

use super::{Decision, Incoming, Outcome};
use crate::{
    handler::{Conflict, Handler, Resolution},
    version::{Cell, Version, VersionVector},
};
use alloc::boxed::Box;

pub(super) fn install(handler: Handler, cell: &mut Cell, incoming: Incoming) -> Outcome {
    let Incoming { key, version, .. } = incoming;
    if let Some(newer) = cell.versions.iter().find(|held| held.knew(&version)) {
        return Outcome::against(Decision::Discarded, newer.write, false);
    }
    let replaces = |held: &Version| version.knew(held) && version.context.includes(&held.context);
    if cell.versions.iter().all(replaces) {
        *cell = Cell::of(version);
        return Outcome::applied();
    }
    // Of versions that a handler left side by side, those that it knew give way.
    cell.versions.retain(|held| !replaces(held));
    let against = cell.versions[0].write;
    // What a merge made stands for all that went into it.
    if let Some(merged) = cell.merged.take() {
        cell.versions[0].value = merged;
    }
    cell.insert(version);
    let conflict = Conflict { key: &key, versions: &cell.versions, past: None };
    match handler.resolve(&conflict) {
        Resolution::Refused(refused) => {
            cell.refused = Some(Box::new(refused));
            return Outcome::against(Decision::Sibling, against, true);
        }
        Resolution::Value(value) => cell.merged = Some(Some(value)),
        Resolution::Delete => cell.merged = Some(None),
    }
    cell.refused = None;
    let mut known = VersionVector::new();
    for held in &cell.versions {
        known.join(&held.context);
        known.advance(held.dot.origin, held.dot.position);
    }
    if let Some(mut latest) = cell.versions.drain(..).max_by_key(|held| (held.stamp, held.dot)) {
        latest.context = known;
        cell.versions.push(latest);
    }
    Outcome::against(Decision::Merged, against, true)
}
