//! Small values of a workload, the smallest first: what laws are tried on. They are few enough to try all of them, so
//! the first inputs that break a law are the smallest.

use quarrel_models::{handler::Schema, operation::Operation, value::Value};
use std::collections::BTreeMap;

/// Two or three sides, and what all were made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// What all sides were made from; `None` is no record.
    pub base: Option<Value>,
    /// The sides; `None` is a deletion.
    pub sides: Vec<Option<Value>>,
}

/// How many leaves and bytes of text a value has.
#[must_use]
pub fn size(value: Option<&Value>) -> usize {
    match value {
        None => 0,
        Some(Value::Int(_)) => 1,
        Some(Value::Text(text)) => 1 + text.len(),
        Some(Value::List(items)) => 1 + items.iter().map(|item| size(Some(item))).sum::<usize>(),
        Some(Value::Set(items)) => 1 + items.iter().map(|item| size(Some(item))).sum::<usize>(),
        Some(Value::Map(fields)) => 1 + fields.values().map(|field| size(Some(field))).sum::<usize>(),
    }
}

fn int(number: i64) -> Value {
    Value::Int(number)
}

fn claim(slot: &str, meeting: &str) -> Operation {
    Operation::Claim { field: slot.into(), value: meeting.into() }
}

fn release(slot: &str, meeting: &str) -> Operation {
    Operation::Release { field: slot.into(), value: meeting.into() }
}

fn balances(entries: &[(&str, i64)]) -> Value {
    Value::Map(entries.iter().map(|&(name, sum)| (name.into(), int(sum))).collect::<BTreeMap<_, _>>())
}

/// What clients do to a record, a few of each kind.
fn operations(schema: Schema) -> Vec<Operation> {
    match schema {
        Schema::Register => [1, 2, 3].map(|n| Operation::Put(int(n))).to_vec(),
        Schema::Document => vec![Operation::Put(int(1)), Operation::Put(int(2)), Operation::Delete],
        Schema::Set => [1, 2, 3].map(|n| Operation::Insert(int(n))).to_vec(),
        Schema::Cart => vec![
            Operation::Insert(int(1)),
            Operation::Insert(int(2)),
            Operation::Insert(int(3)),
            Operation::Remove(int(1)),
            Operation::Remove(int(2)),
        ],
        Schema::Counter => [1, 2, -1].map(Operation::Add).to_vec(),
        Schema::Calendar => vec![
            claim("9h", "m1"),
            claim("9h", "m2"),
            claim("10h", "m3"),
            release("9h", "m1"),
            Operation::Move { from: "9h".into(), to: "10h".into(), value: "m1".into() },
            Operation::Move { from: "9h".into(), to: "11h".into(), value: "m1".into() },
        ],
        Schema::Text => [2, 1, 3].map(|n| Operation::Append(int(n))).to_vec(),
        Schema::Bank => vec![
            Operation::Put(balances(&[("a", 1)])),
            Operation::Put(balances(&[("a", 2), ("b", -2)])),
            Operation::Put(balances(&[("b", 3)])),
        ],
    }
}

/// What up to so many operations make of a value, each once, the nearest first.
fn reachable(schema: Schema, from: Option<&Value>, most: usize) -> Vec<Option<Value>> {
    let operations = operations(schema);
    let mut all = vec![from.cloned()];
    let mut edge = all.clone();
    for _ in 0..most {
        let mut next = Vec::new();
        for value in &edge {
            for operation in &operations {
                if let Ok(value) = operation.execute(value.as_ref())
                    && !all.contains(&value)
                {
                    all.push(value.clone());
                    next.push(value);
                }
            }
        }
        edge = next;
    }
    all
}

/// The most sides that are tried on one base.
const MOST_SIDES: usize = 8;
/// The most bases.
const MOST_BASES: usize = 6;

/// All small triples: of any values, or, for a handler that asks for the base, of what clients make of one.
#[must_use]
pub(super) fn triples(schema: Schema, with_base: bool) -> Vec<Inputs> {
    let mut bases = if with_base { reachable(schema, None, 2) } else { vec![None] };
    bases.sort_by_key(|value| size(value.as_ref()));
    bases.truncate(MOST_BASES);
    let mut all = Vec::new();
    for base in bases {
        let mut sides = reachable(schema, base.as_ref(), if with_base { 2 } else { 3 });
        sides.truncate(MOST_SIDES);
        for first in &sides {
            for second in &sides {
                for third in &sides {
                    let sides = vec![first.clone(), second.clone(), third.clone()];
                    all.push(Inputs { base: base.clone(), sides });
                }
            }
        }
    }
    let weight = |inputs: &Inputs| {
        size(inputs.base.as_ref()) + inputs.sides.iter().map(|side| size(side.as_ref())).sum::<usize>()
    };
    all.sort_by_key(weight);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_has_values_that_differ_and_the_smallest_come_first() {
        for schema in Schema::ALL {
            for with_base in [false, true] {
                let all = triples(schema, with_base);
                assert!(all.len() > 20, "{schema:?} has {}", all.len());
                assert!(all.iter().any(|inputs| {
                    inputs.sides[0] != inputs.sides[1] && inputs.sides[1] != inputs.sides[2]
                }));
            }
        }
    }
}
