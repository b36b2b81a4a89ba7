//! Replicated data types that need no conflict resolution: concurrent operations commute by construction (Shapiro et
//! al., "A comprehensive study of Convergent and Commutative Replicated Data Types", 2011).
//!
//! - The counter is operation-based: every leader's log brings each of its changes exactly once, and the sum of all
//!   changes is the value. It is only added to: a deletion or a new value means nothing to the other changes.
//! - The observed-remove set is that of [`crate::tags`].
//! - The multi-value register keeps every value that no later one replaced, and shows them all.
//!
//! Beside its state each cell holds the versions that know nothing of each other, as merges on write do: what a write
//! was made on is told by them.

use super::{
    Decision, Incoming, Outcome, Resolve, Shipment, Site,
    on_write::{add_change, keep_unknown},
};
use crate::{
    fate::Fate,
    handler::Effect,
    operation::{ExecuteError, Operation},
    tags::{Tag, Tags},
    value::Value,
    version::Cell,
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A data type whose concurrent operations commute.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Crdt {
    /// The type of all records.
    #[serde(rename = "type")]
    pub data_type: DataType,
}

/// The type of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DataType {
    /// A counter: the sum of all changes.
    Counter,
    /// An observed-remove set: a removal removes what its leader had seen; a concurrent addition survives it.
    OrSet,
    /// A multi-value register: concurrent values are kept, and every reader sees all of them.
    MvRegister,
}

impl DataType {
    /// The name, as scenarios spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::OrSet => "or-set",
            Self::MvRegister => "mv-register",
        }
    }

    /// Whether an effect of this kind survives every conflict.
    #[must_use]
    pub const fn keeps(self, effect: Effect) -> bool {
        matches!((self, effect), (Self::Counter, Effect::Add) | (Self::OrSet, Effect::Insert))
    }

    /// Whether concurrent versions are shown as one value.
    #[must_use]
    pub const fn merges(self) -> bool {
        matches!(self, Self::Counter | Self::OrSet)
    }
}

impl Resolve for Crdt {
    fn install(&self, cell: &mut Cell, incoming: Incoming, _site: Site) -> Outcome {
        match self.data_type {
            DataType::Counter => add_change(cell, incoming),
            DataType::OrSet => change_set(cell, incoming),
            DataType::MvRegister => keep_unknown(cell, incoming, Decision::Sibling),
        }
    }

    fn ship(
        &self,
        cell: Option<&Cell>,
        operation: &Operation,
        value: Option<Value>,
    ) -> Result<Shipment, ExecuteError> {
        match (self.data_type, operation) {
            (DataType::Counter, Operation::Add(_)) => {
                let before = cell.and_then(Cell::value).cloned();
                Ok(Shipment { before, ..Shipment::of(value) })
            }
            (DataType::OrSet, operation) => ship_set(cell.and_then(|cell| cell.tags.as_deref()), operation),
            (DataType::MvRegister, Operation::Put(_) | Operation::Delete) => Ok(Shipment::of(value)),
            (DataType::Counter | DataType::MvRegister, _) => Err(self.unsupported()),
        }
    }

    fn counts_effects(&self) -> bool {
        self.data_type == DataType::Counter
    }

    fn permits(&self) -> &'static [Fate] {
        &[]
    }

    fn variant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.data_type.name())
    }
}

impl Crdt {
    fn unsupported(&self) -> ExecuteError {
        ExecuteError::Unsupported { data_type: SmolStr::new_static(self.data_type.name()) }
    }
}

/// A write to a set ships what it adds, and the additions that it takes back: those that its leader had seen.
fn ship_set(held: Option<&Tags>, operation: &Operation) -> Result<Shipment, ExecuteError> {
    let all = || held.map(Tags::all).unwrap_or_default();
    let (adds, removes) = match operation {
        Operation::Insert(element) => (Some(BTreeSet::from([element.clone()])), Vec::new()),
        Operation::Remove(element) => {
            (Some(BTreeSet::new()), held.iter().flat_map(|tags| tags.of(element)).cloned().collect())
        }
        Operation::Put(Value::Set(elements)) => (Some(elements.clone()), all()),
        Operation::Delete => (None, all()),
        _ => {
            return Err(ExecuteError::Unsupported { data_type: SmolStr::new_static(DataType::OrSet.name()) });
        }
    };
    Ok(Shipment { removes, ..Shipment::of(adds.map(Value::Set)) })
}

/// Additions and removals take effect whether or not the version itself was overtaken. A set whose versions are all
/// deleted is gone, unless an element is left.
fn change_set(cell: &mut Cell, incoming: Incoming) -> Outcome {
    let Incoming { version, removes, .. } = &incoming;
    let mut tags = cell.tags.take().unwrap_or_default();
    // The elements are the merged value; only what changes is looked at, since sets grow long.
    let mut elements = match cell.merged.take() {
        Some(Some(Value::Set(elements))) => elements,
        _ => tags.elements(),
    };
    for tag in removes {
        tags.remove(tag.clone());
        if !tags.contains(&tag.element) {
            elements.remove(&tag.element);
        }
    }
    for element in version.value.iter().filter_map(Value::as_set).flatten() {
        tags.add(Tag { element: element.clone(), write: version.write });
        if tags.contains(element) {
            elements.insert(element.clone());
        }
    }
    cell.tags = Some(tags);
    let outcome = keep_unknown(cell, incoming, Decision::Merged);
    let deleted = elements.is_empty() && cell.versions.iter().all(|held| held.value.is_none());
    cell.merged = Some((!deleted).then_some(Value::Set(elements)));
    outcome.merged_if_overtaken()
}
