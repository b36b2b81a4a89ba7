//! Values and operations of a foreign history, as the models know them.

use super::finals::Finally;
use crate::history::recorded::{Datum, Function, Recorded, Values, View};
use quarrel_models::{
    operation::Operation,
    value::{Key, Value},
};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// The record's name.
pub(super) fn name(history: &Recorded, key: Datum) -> Key {
    if key.is_nil() { Key::new_static("the record") } else { history.values.show(key).to_string().into() }
}

/// The value; `None` for nothing.
pub(super) fn value(values: &Values, datum: Datum) -> Option<Value> {
    let list = |items: &[Datum]| {
        items.iter().map(|&item| value(values, item).unwrap_or_else(|| "nil".into())).collect::<Vec<_>>()
    };
    Some(match values.view(datum) {
        View::Nil => return None,
        View::Bool(value) => Value::from(if value { "true" } else { "false" }),
        View::Int(number) => Value::Int(number),
        View::Text(text) => Value::from(text),
        View::List(items) => Value::List(list(items)),
        View::Set(items) => Value::Set(list(items).into_iter().collect()),
        View::Map(_) => Value::Map(
            values
                .entries(datum)
                .filter_map(|(key, datum)| {
                    Some((SmolStr::from(values.show(key).to_string()), value(values, datum)?))
                })
                .collect(),
        ),
    })
}

/// Which records are sets. An addition is of an element there, and of a number elsewhere.
#[derive(Debug)]
pub(super) struct Kinds {
    sets: BTreeSet<Datum>,
}

impl Kinds {
    pub(super) fn of(history: &Recorded, finally: &Finally) -> Self {
        let values = &history.values;
        let added = |f| matches!(f, Function::ADD | Function::BROADCAST | Function::REMOVE);
        let mut touched = BTreeSet::new();
        let mut sets = BTreeSet::new();
        for op in &history.operations {
            if added(op.function) {
                touched.insert(op.key);
                if values.as_int(op.input).is_none() || op.function != Function::ADD {
                    sets.insert(op.key);
                }
            } else if op.is_ok() && values.as_items(op.output).is_some() {
                sets.insert(op.key);
            }
        }
        sets.extend(
            finally.reads().filter(|read| values.as_items(read.value).is_some()).map(|read| read.key),
        );
        sets.retain(|key| touched.contains(key));
        Self { sets }
    }

    /// A final value: what a set's read lists is a set.
    pub(super) fn shown(&self, values: &Values, key: Datum, datum: Datum) -> Option<Value> {
        match value(values, datum) {
            Some(Value::List(items)) if self.sets.contains(&key) => {
                Some(Value::Set(items.into_iter().collect()))
            }
            other => other,
        }
    }

    #[expect(clippy::unused_self, reason = "all operations are made here")]
    pub(super) fn put(&self, values: &Values, datum: Datum) -> Operation {
        value(values, datum).map_or(Operation::Delete, Operation::Put)
    }

    /// The write of this name; `None` if the ledger knows none such.
    pub(super) fn write(&self, values: &Values, name: &str, key: Datum, datum: Datum) -> Option<Operation> {
        let is_set = self.sets.contains(&key);
        Some(match name {
            "write" | "put" | "w" => self.put(values, datum),
            "delete" => Operation::Delete,
            "add" | "broadcast" if is_set => Operation::Insert(value(values, datum)?),
            "add" => Operation::Add(values.as_int(datum)?),
            "remove" => Operation::Remove(value(values, datum)?),
            "append" => Operation::Append(value(values, datum)?),
            _ => return None,
        })
    }

    /// The step of a transaction.
    pub(super) fn micro(&self, values: &Values, name: &str, key: Datum, datum: Datum) -> Option<Operation> {
        match name {
            "r" | "read" => Some(Operation::Read),
            other => self.write(values, other, key, datum),
        }
    }
}
