//! One object's operations are judged: by zones where values are unique, else by the general search.

use super::{
    objects::{Mutex, Register, RegisterClass, RegisterStep, Registers},
    search::{Found, search},
    specification::{Specification, Step},
    text::{Text, TextClass},
    witness,
    zones::{self, Access, Contradiction},
};
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
    /// There is none: these operations, by index, ascending, contradict each other.
    Contradiction(Vec<usize>),
    /// The budget was used up.
    Unknown,
}

pub(super) fn register(operations: &[Timed<RegisterClass>], budget: &mut u64) -> Judged {
    if let Some(judged) = by_zones(operations) {
        return judged;
    }
    register_by_search(operations, budget)
}

pub(super) fn register_by_search(operations: &[Timed<RegisterClass>], budget: &mut u64) -> Judged {
    let (classes, steps) = classes(operations);
    decide(&mut Register(classes), &steps, budget)
}

pub(super) fn text(operations: &[Timed<TextClass<'_>>], budget: &mut u64) -> Judged {
    let (classes, steps) = classes(operations);
    decide(&mut Text::new(classes), &steps, budget)
}

pub(super) fn registers(
    operations: &[Timed<Vec<RegisterStep>>],
    initial: Vec<u32>,
    budget: &mut u64,
) -> Judged {
    let (classes, steps) = classes(operations);
    decide(&mut Registers::new(classes, initial), &steps, budget)
}

pub(super) fn mutex(operations: &[Timed<u32>], budget: &mut u64) -> Judged {
    let step = |timed: &Timed<u32>| Step { class: timed.class, call: timed.call, ret: timed.ret };
    decide(&mut Mutex, &operations.iter().map(step).collect::<Vec<_>>(), budget)
}

/// Numbers the classes, in their order.
fn classes<C: Ord + Clone>(operations: &[Timed<C>]) -> (Vec<C>, Vec<Step>) {
    let mut numbers: BTreeMap<&C, u32> = operations.iter().map(|timed| (&timed.class, 0)).collect();
    for (number, (_, slot)) in (0..).zip(&mut numbers) {
        *slot = number;
    }
    let step =
        |timed: &Timed<C>| Step { class: numbers[&timed.class], call: timed.call, ret: timed.ret };
    let steps = operations.iter().map(step).collect();
    (numbers.into_keys().cloned().collect(), steps)
}

fn decide(specification: &mut impl Specification, steps: &[Step], budget: &mut u64) -> Judged {
    let before = *budget;
    match search(specification, steps, budget) {
        Found::Order => Judged::Linearizable,
        Found::Exhausted => Judged::Unknown,
        Found::None { until } => {
            Judged::Contradiction(witness::smallest(specification, steps, until, before - *budget))
        }
    }
}

/// The verdict by zones, if only unique values were written and nothing depends on another value.
fn by_zones(operations: &[Timed<RegisterClass>]) -> Option<Judged> {
    let mut accesses = Vec::with_capacity(operations.len());
    for (index, timed) in (0..).zip(operations) {
        let (value, is_write) = match timed.class {
            RegisterClass::Read(value) => (value, false),
            RegisterClass::Write(value) => (value, true),
            RegisterClass::CompareAndSet(..) | RegisterClass::Mismatch(_) => return None,
        };
        // A read that never returned tells nothing.
        if is_write || timed.ret.is_some() {
            let ret = timed.ret.unwrap_or(u32::MAX);
            accesses.push(Access { index, value, is_write, call: timed.call, ret });
        }
    }
    if !zones::are_unique(&mut accesses) {
        return None;
    }
    Some(match zones::contradiction(&accesses) {
        None => Judged::Linearizable,
        Some(contradiction) => {
            let mut witness: Vec<usize> = match contradiction {
                Contradiction::NeverWritten(read) => vec![read as usize],
                Contradiction::BeforeItsWrite { read, write } => vec![read as usize, write as usize],
                Contradiction::Interleaved(four) => four.map(|index| index as usize).to_vec(),
            };
            witness.sort_unstable();
            witness.dedup();
            Judged::Contradiction(witness)
        }
    })
}
