//! One object's operations are judged: by zones where values are unique, else by the general search.

use super::{
    budget::Budget,
    objects::{Mutex, Register, RegisterClass, RegisterStep, Registers},
    search::{Found, events, search},
    specification::{Specification, Step},
    text::{Text, TextClass},
    witness,
    zones::{self, Access, Contradiction},
};
use crate::history::recorded::Operation;
use std::collections::BTreeMap;

/// An operation on one object: what it did, and the events of its call and return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timed<C> {
    pub(super) class: C,
    pub(super) call: u32,
    /// None if it never returned: it may have taken effect or not.
    pub(super) ret: Option<u32>,
}

/// What the operations of one object allow to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judged {
    /// There is an order.
    Linearizable,
    /// There is none.
    Contradiction {
        /// The operations that contradict each other, by index.
        operations: Vec<usize>,
        why: Why,
    },
    /// The budget was used up.
    Unknown,
}

/// What cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// A read returned what nobody wrote.
    NeverWritten,
    /// A read returned before the write of its value was called.
    BeforeItsWrite,
    /// Two values would have to be held at the same time.
    Interleaved,
    /// No order was found.
    NoOrder,
}

impl Judged {
    /// The same, with other numbers for the operations.
    pub(super) fn renumbered(self, to: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Contradiction { operations, why } => {
                Self::Contradiction { operations: operations.into_iter().map(to).collect(), why }
            }
            other => other,
        }
    }
}

/// The event after which an operation can no longer take effect.
pub(super) fn ret(operation: &Operation) -> Option<u32> {
    Some(operation.returned()).filter(|&ret| ret != Operation::NEVER)
}

/// By the general search, whatever the values.
pub(super) fn register_by_search(operations: &[Timed<RegisterClass>], budget: &mut Budget<'_>) -> Judged {
    let mut numbers = BTreeMap::from([(0, 0)]);
    let numbered: Vec<Timed<RegisterClass<u32>>> = operations
        .iter()
        .map(|timed| {
            let class = timed.class.map(|value| {
                let next = u32::try_from(numbers.len()).expect("values are at most two per operation");
                *numbers.entry(value).or_insert(next)
            });
            Timed { class, call: timed.call, ret: timed.ret }
        })
        .collect();
    let (classes, steps) = classes(&numbered);
    decide(&mut Register(classes), &steps, budget)
}

pub(super) fn text(operations: &[Timed<TextClass<'_>>], budget: &mut Budget<'_>) -> Judged {
    let (classes, steps) = classes(operations);
    decide(&mut Text::new(classes), &steps, budget)
}

pub(super) fn registers(
    operations: &[Timed<Vec<RegisterStep>>],
    initial: Vec<u32>,
    budget: &mut Budget<'_>,
) -> Judged {
    let (classes, steps) = classes(operations);
    decide(&mut Registers::new(classes, initial), &steps, budget)
}

pub(super) fn mutex(operations: &[Timed<u32>], budget: &mut Budget<'_>) -> Judged {
    let step = |timed: &Timed<u32>| Step { class: timed.class, call: timed.call, ret: timed.ret };
    decide(&mut Mutex, &operations.iter().map(step).collect::<Vec<_>>(), budget)
}

/// Numbers the classes, in their order.
fn classes<C: Ord + Clone>(operations: &[Timed<C>]) -> (Vec<C>, Vec<Step>) {
    let mut numbers: BTreeMap<&C, u32> = operations.iter().map(|timed| (&timed.class, 0)).collect();
    for (number, (_, slot)) in (0..).zip(&mut numbers) {
        *slot = number;
    }
    let step = |timed: &Timed<C>| Step { class: numbers[&timed.class], call: timed.call, ret: timed.ret };
    let steps = operations.iter().map(step).collect();
    (numbers.into_keys().cloned().collect(), steps)
}

fn decide(specification: &mut impl Specification, steps: &[Step], budget: &mut Budget<'_>) -> Judged {
    let mut search_budget = budget.part(u64::MAX);
    let events = events(specification, steps);
    match search(specification, steps, &events, &mut search_budget) {
        Found::Order => Judged::Linearizable,
        Found::Exhausted => Judged::Unknown,
        Found::None { until } => {
            let operations = witness::smallest(specification, steps, &events, until, &search_budget);
            Judged::Contradiction { operations, why: Why::NoOrder }
        }
    }
}

/// The verdict by zones, if only unique values were written. Operations are numbered as in the accesses, whose order
/// changes.
pub(super) fn by_zones(accesses: &mut [Access]) -> Option<Judged> {
    if !zones::are_unique(accesses) {
        return None;
    }
    Some(match zones::contradiction(accesses) {
        None => Judged::Linearizable,
        Some(Contradiction::NeverWritten(read)) => {
            Judged::Contradiction { operations: vec![read as usize], why: Why::NeverWritten }
        }
        Some(Contradiction::BeforeItsWrite { read, write }) => Judged::Contradiction {
            operations: vec![read as usize, write as usize],
            why: Why::BeforeItsWrite,
        },
        Some(Contradiction::Interleaved(four)) => {
            let mut operations = four.map(|index| index as usize).to_vec();
            operations.sort_unstable();
            operations.dedup();
            Judged::Contradiction { operations, why: Why::Interleaved }
        }
    })
}
