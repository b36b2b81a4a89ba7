//! Custom logic on write: the replica that detects a conflict calls a handler.
//!
//! Conflicts are detected by version vectors. The versions that know nothing of each other are kept with their values,
//! and the merged value is a function of them alone: replicas that hold equal versions show equal values, whatever the
//! order in which the versions came.

use super::{Decision, Incoming, Outcome, Resolve, Shipment, Site, in_place};
use crate::{
    fate::Fate,
    handler::{Conflict, Handler, Resolution, accumulate},
    operation::{ExecuteError, Operation},
    value::Value,
    version::{Cell, Version},
};
use alloc::boxed::Box;
use core::fmt;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A handler merges concurrent versions where they meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OnWrite {
    /// The handler.
    pub handler: Handler,
}

impl Resolve for OnWrite {
    fn install(&self, cell: &mut Cell, incoming: Incoming, _site: Site) -> Outcome {
        if self.handler == Handler::Delta {
            return add_change(cell, incoming);
        }
        if self.handler.is_in_place() {
            return in_place::install(self.handler, cell, incoming);
        }
        if self.handler.wants_base() {
            remember(cell, &incoming.version);
        }
        let key = incoming.key.clone();
        let outcome = keep_unknown(cell, incoming, Decision::Merged);
        (cell.merged, cell.refused) = (None, None);
        if cell.versions.len() < 2 {
            return outcome;
        }
        let conflict = Conflict { key: &key, versions: &cell.versions, past: cell.past.as_deref() };
        match self.handler.resolve(&conflict) {
            Resolution::Value(value) => cell.merged = Some(Some(value)),
            Resolution::Delete => cell.merged = Some(None),
            Resolution::Refused(refused) => {
                cell.refused = Some(Box::new(refused));
                return outcome.beside_if_merged();
            }
        }
        outcome
    }

    fn ship(
        &self,
        cell: Option<&Cell>,
        _operation: &Operation,
        value: Option<Value>,
    ) -> Result<Shipment, ExecuteError> {
        if self.handler != Handler::Delta {
            return Ok(Shipment::of(value));
        }
        if let Some(found) = value.as_ref().filter(|value| value.as_int().is_none()) {
            let needed = SmolStr::new_static("an integer");
            return Err(ExecuteError::WrongKind { needed, found: SmolStr::new_static(found.kind()) });
        }
        Ok(Shipment { before: cell.and_then(Cell::value).cloned(), ..Shipment::of(value) })
    }

    fn counts_effects(&self) -> bool {
        self.handler == Handler::Delta
    }

    fn permits(&self) -> &'static [Fate] {
        self.handler.permits()
    }

    fn variant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.handler.name())
    }
}

/// Keeps what the version replaces, or the version itself where it was overtaken: later conflicts may be between
/// versions that were made from it.
fn remember(cell: &mut Cell, version: &Version) {
    let overtaken = cell.versions.iter().any(|held| held.knew(version));
    let replaced = cell.versions.iter().filter(|held| version.knew(held));
    let past = cell.past.get_or_insert_default();
    if overtaken {
        past.record(version.clone());
    } else {
        replaced.cloned().for_each(|held| past.record(held));
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

/// Changes are added whether or not there is a conflict, so the running sum is kept as the merged value. A record whose
/// versions are all deleted is gone, unless something is left of its sum.
pub(super) fn add_change(cell: &mut Cell, incoming: Incoming) -> Outcome {
    let Incoming { version, before, counted, .. } = &incoming;
    // The second copy of a write adds nothing; but it is held and overtaken like the first, so that all replicas hold
    // the same, whichever copy came first.
    let after = if *counted { before.as_ref() } else { version.value.as_ref() };
    let sum = accumulate(cell.value(), before.as_ref(), after);
    let outcome = keep_unknown(cell, incoming, Decision::Merged);
    let deleted = sum == 0 && cell.versions.iter().all(|held| held.value.is_none());
    cell.merged = Some((!deleted).then_some(Value::Int(sum)));
    outcome.merged_if_overtaken()
}
