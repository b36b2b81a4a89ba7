//! What a client asks of a record, and what that does to its value.
//!
//! A leader executes an operation on the value that it holds, as a database executes `SET n = n + 1`. Where the
//! versions of a record live side by side, the client's session executes the same function on the value that it
//! resolved. There is no third place.

use crate::value::{Key, Value};
use alloc::{collections::BTreeMap, collections::BTreeSet, vec::Vec};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// An operation on one record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Read the record.
    Read,
    /// Replace the record.
    Put(Value),
    /// Delete the record, leaving a tombstone.
    Delete,
    /// Add to an integer; a missing record counts as 0.
    Add(i64),
    /// Insert into a set; a missing record counts as empty.
    Insert(Value),
    /// Remove from a set; removing what is not there changes nothing.
    Remove(Value),
    /// Append to a list; a missing record counts as empty.
    Append(Value),
    /// Take a free field of a map for a value: refused with [`ExecuteError::Taken`] if another value holds it.
    Claim {
        /// The field to take, such as a time slot.
        field: SmolStr,
        /// Who takes it, such as a meeting.
        value: Value,
    },
    /// Give up a field of a map, or the place beside it to which a merge moved this value (see [`places`]), if it holds
    /// one; otherwise nothing changes.
    Release {
        /// The field to free.
        field: SmolStr,
        /// Who gives it up.
        value: Value,
    },
    /// Give up one field and take another, both or neither.
    Move {
        /// The field to free.
        from: SmolStr,
        /// The field to take.
        to: SmolStr,
        /// Who moves.
        value: Value,
    },
}

/// An operation that cannot be executed. It has no effect, and the client is told so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum ExecuteError {
    /// The record holds a value of another kind.
    #[error("the record holds {found}, and the operation needs {needed}")]
    WrongKind {
        /// The kind that the operation works on.
        needed: SmolStr,
        /// The kind that the record holds.
        found: SmolStr,
    },
    /// The field is held by another value.
    #[error("the field `{field}` is taken")]
    Taken {
        /// The field that was asked for.
        field: SmolStr,
    },
    /// The sum does not fit in 64 bits.
    #[error("the sum does not fit in 64 bits")]
    Overflow,
    /// The records are of a data type that has no such operation.
    #[error("the record is replicated as `{data_type}`, which has no such operation")]
    Unsupported {
        /// The data type.
        data_type: SmolStr,
    },
}

/// The holders of a map's fields are sets, so that a merge can keep two of them side by side.
type Fields = BTreeMap<SmolStr, Value>;

impl Operation {
    /// Whether the operation may change the record.
    #[must_use]
    pub const fn is_write(&self) -> bool {
        !matches!(self, Self::Read)
    }

    /// Whether the operation adds its effect to the record's value rather than replacing the record: then a later
    /// write is no excuse for the absence of this one.
    #[must_use]
    pub const fn accumulates(&self) -> bool {
        !matches!(self, Self::Read | Self::Put(_) | Self::Delete)
    }

    /// The record's value after the operation, given the value before; `None` is "no record".
    ///
    /// # Errors
    /// [`ExecuteError`] if the value is of another kind, the field is taken, or the sum overflows.
    pub fn execute(&self, current: Option<&Value>) -> Result<Option<Value>, ExecuteError> {
        Ok(match self {
            Self::Read => current.cloned(),
            Self::Put(value) => Some(value.clone()),
            Self::Delete => None,
            Self::Add(delta) => {
                let sum = integer(current)?.checked_add(*delta).ok_or(ExecuteError::Overflow)?;
                Some(Value::Int(sum))
            }
            Self::Insert(element) => {
                let mut elements = set(current)?;
                elements.insert(element.clone());
                Some(Value::Set(elements))
            }
            Self::Remove(element) => {
                let mut elements = set(current)?;
                elements.remove(element);
                Some(Value::Set(elements))
            }
            Self::Append(item) => {
                let mut items = list(current)?;
                items.push(item.clone());
                Some(Value::List(items))
            }
            Self::Claim { field, value } => {
                let mut fields = map(current)?;
                claim(&mut fields, field, value)?;
                Some(Value::Map(fields))
            }
            Self::Release { field, value } => {
                let mut fields = map(current)?;
                release(&mut fields, field, value);
                Some(Value::Map(fields))
            }
            Self::Move { from, to, value } => {
                let mut fields = map(current)?;
                claim(&mut fields, to, value)?;
                release(&mut fields, from, value);
                Some(Value::Map(fields))
            }
        })
    }
}

/// What a client asks, of which record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyedOperation {
    /// The record.
    pub key: Key,
    /// The operation.
    pub operation: Operation,
}

/// Who holds a field of a map: one value, or several after a merge that kept both sides of a conflict.
#[must_use]
pub fn holders(field: Option<&Value>) -> BTreeSet<Value> {
    match field {
        None => BTreeSet::new(),
        Some(Value::Set(holders)) => holders.clone(),
        Some(value) => BTreeSet::from([value.clone()]),
    }
}

/// The field for these holders: absent for none, the bare value for one, a set for several.
#[must_use]
pub fn field_of(mut holders: BTreeSet<Value>) -> Option<Value> {
    match holders.len() {
        0 => None,
        1 => holders.pop_first(),
        _ => Some(Value::Set(holders)),
    }
}

/// A field, and the places beside it: `9h`, then `9h+1`, `9h+2` and so on, as far as they are held. A merge that finds
/// two claims of one field moves one of them to a place beside it, where its owner finds it: it is still held by whoever
/// claimed it, and given up like the field itself.
pub fn places<'a>(
    fields: &'a BTreeMap<SmolStr, Value>,
    field: &'a str,
) -> impl Iterator<Item = (&'a SmolStr, &'a Value)> {
    use core::ops::Bound::{Excluded, Unbounded};
    let beside = fields
        .range::<str, _>((Excluded(field), Unbounded))
        .take_while(move |(name, _)| name.starts_with(field))
        .filter(move |(name, _)| name.as_bytes().get(field.len()) == Some(&b'+'));
    fields.get_key_value(field).into_iter().chain(beside)
}

/// Whether this value holds a field, or a place beside it.
#[must_use]
pub fn is_held(fields: &BTreeMap<SmolStr, Value>, field: &str, value: &Value) -> bool {
    places(fields, field).any(|(_, holder)| match holder {
        Value::Set(holders) => holders.contains(value),
        holder => holder == value,
    })
}

fn claim(fields: &mut Fields, field: &SmolStr, value: &Value) -> Result<(), ExecuteError> {
    let held = holders(fields.get(field));
    if held.iter().any(|holder| holder != value) {
        return Err(ExecuteError::Taken { field: field.clone() });
    }
    fields.insert(field.clone(), value.clone());
    Ok(())
}

fn release(fields: &mut Fields, field: &SmolStr, value: &Value) {
    let holding = |(_, holder): &(&SmolStr, &Value)| holders(Some(holder)).contains(value);
    let Some(field) = places(fields, field).find(holding).map(|(place, _)| place.clone()) else { return };
    let mut held = holders(fields.get(&field));
    held.remove(value);
    match field_of(held) {
        Some(rest) => fields.insert(field, rest),
        None => fields.remove(&field),
    };
}

fn wrong_kind(needed: &'static str, found: &Value) -> ExecuteError {
    ExecuteError::WrongKind { needed: SmolStr::new_static(needed), found: SmolStr::new_static(found.kind()) }
}

fn integer(current: Option<&Value>) -> Result<i64, ExecuteError> {
    match current {
        None => Ok(0),
        Some(Value::Int(number)) => Ok(*number),
        Some(other) => Err(wrong_kind("an integer", other)),
    }
}

fn set(current: Option<&Value>) -> Result<BTreeSet<Value>, ExecuteError> {
    match current {
        None => Ok(BTreeSet::new()),
        Some(Value::Set(elements)) => Ok(elements.clone()),
        Some(other) => Err(wrong_kind("a set", other)),
    }
}

fn list(current: Option<&Value>) -> Result<Vec<Value>, ExecuteError> {
    match current {
        None => Ok(Vec::new()),
        Some(Value::List(items)) => Ok(items.clone()),
        Some(other) => Err(wrong_kind("a list", other)),
    }
}

fn map(current: Option<&Value>) -> Result<Fields, ExecuteError> {
    match current {
        None => Ok(Fields::new()),
        Some(Value::Map(fields)) => Ok(fields.clone()),
        Some(other) => Err(wrong_kind("a map", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(operations: &[Operation]) -> Result<Option<Value>, ExecuteError> {
        operations.iter().try_fold(None, |value: Option<Value>, operation| operation.execute(value.as_ref()))
    }

    fn claim_of(field: &str, value: &str) -> Operation {
        Operation::Claim { field: field.into(), value: value.into() }
    }

    #[test]
    fn a_missing_record_counts_as_empty() {
        assert_eq!(after(&[Operation::Add(2), Operation::Add(-5)]), Ok(Some(Value::Int(-3))));
        assert_eq!(
            after(&[Operation::Insert(1.into()), Operation::Remove(1.into())]),
            Ok(Some(Value::Set(BTreeSet::new())))
        );
    }

    #[test]
    fn a_taken_field_is_refused_and_a_freed_one_is_not() {
        assert_eq!(
            after(&[claim_of("9:00", "m1"), claim_of("9:00", "m2")]),
            Err(ExecuteError::Taken { field: "9:00".into() })
        );
        let release = Operation::Release { field: "9:00".into(), value: "m1".into() };
        assert!(after(&[claim_of("9:00", "m1"), release, claim_of("9:00", "m2")]).is_ok());
    }

    #[test]
    fn a_move_takes_and_frees_or_does_neither() {
        let to_ten = Operation::Move { from: "9:00".into(), to: "10:00".into(), value: "m1".into() };
        let moved = after(&[claim_of("9:00", "m1"), to_ten.clone()]).unwrap().unwrap();
        assert_eq!(moved.as_map().unwrap().keys().map(SmolStr::as_str).collect::<Vec<_>>(), ["10:00"]);
        assert!(after(&[claim_of("9:00", "m1"), claim_of("10:00", "m2"), to_ten]).is_err());
    }

    #[test]
    fn an_operation_on_another_kind_of_value_is_refused() {
        let error = after(&[Operation::Put("x".into()), Operation::Add(1)]).unwrap_err();
        assert_eq!(alloc::format!("{error}"), "the record holds text, and the operation needs an integer");
    }
}
