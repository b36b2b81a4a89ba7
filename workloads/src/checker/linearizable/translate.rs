//! From a recorded history to objects: which operations are of one object, and what each did.

use super::{
    Model,
    budget::Budget,
    object::{self, Judged, Timed},
    objects::{Mutex, RegisterClass, RegisterStep},
    registers,
    text::TextClass,
};
use crate::{
    checker::{standalone::Unfit, table::Table},
    history::recorded::{Datum, Function, Operation, Outcome, Recorded, View},
};
use std::collections::BTreeMap;

/// The operations of one object.
#[derive(Debug)]
struct Object<C> {
    /// The record, or nil.
    key: Datum,
    /// Places in the history's operations.
    operations: Vec<u32>,
    /// What each did.
    timed: Vec<Timed<C>>,
}

/// The verdict on one object.
#[derive(Debug)]
pub(super) struct Verdict {
    /// The record, or nil.
    pub(super) key: Datum,
    /// What was found. Operations are places in the history.
    pub(super) judged: Judged,
}

/// The model that was asked for, or the one that the history's functions suggest.
pub(super) fn model(history: &Recorded, name: Option<&str>) -> Result<Model, Unfit> {
    Ok(match name {
        Some("cas-register" | "register") => Model::CasRegister,
        Some("cas-register-from-0") => Model::CasRegisterFromZero,
        Some("multi-register") => Model::MultiRegister,
        Some("mutex") => Model::Mutex,
        Some("kv") => Model::Text,
        None | Some("auto") => guess(history),
        Some(other) => {
            return Err(Unfit {
                event: None,
                what: format!("the model `{other}` is unknown"),
                expected: format!("one of {}", super::MODELS.join(", ")),
            });
        }
    })
}

fn guess(history: &Recorded) -> Model {
    let has = |wanted: &[Function]| history.operations.iter().any(|op| wanted.contains(&op.function));
    if has(&[Function::ACQUIRE, Function::RELEASE]) {
        Model::Mutex
    } else if has(&[Function::APPEND]) {
        Model::Text
    } else if has(&[Function::TXN]) {
        Model::MultiRegister
    } else {
        Model::CasRegister
    }
}

const fn is_read(function: Function) -> bool {
    matches!(function, Function::READ | Function::R | Function::GET)
}

/// What an operation read or wrote, for sentences.
pub(super) fn value(operation: &Operation) -> Datum {
    if is_read(operation.function) { operation.output } else { operation.input }
}

/// Judges the objects of a history one by one, in the order of their first operations.
pub(super) fn judge(
    history: &Recorded,
    model: Model,
    budget: &mut Budget<'_>,
    mut tell: impl FnMut(Verdict),
) -> Result<(), Unfit> {
    let translator = Translator { history };
    match model {
        Model::CasRegister => {
            registers::judge(history, |op| translator.register(op, Datum::NIL), budget, &mut tell)?;
        }
        Model::CasRegisterFromZero => {
            registers::judge(history, |op| translator.register(op, Datum::small(0)), budget, &mut tell)?;
        }
        Model::Text => {
            let objects = split(history, |op| translator.text(op))?;
            each(&objects, |timed| object::text(timed, budget), &mut tell);
        }
        Model::Mutex => {
            let objects = split(history, |op| translator.mutex(op))?;
            each(&objects, |timed| object::mutex(timed, budget), &mut tell);
        }
        Model::MultiRegister => {
            let mut numbers = Numbers::default();
            let objects = split(history, |op| translator.registers(op, &mut numbers))?;
            let initial = numbers.initial();
            each(&objects, |timed| object::registers(timed, initial.clone(), budget), &mut tell);
        }
    }
    Ok(())
}

/// What failed did not happen, and a read that did not return tells nothing.
pub(super) const fn concerns(operation: &Operation) -> bool {
    !matches!(operation.outcome, Outcome::Fail) && (operation.is_ok() || !is_read(operation.function))
}

/// Splits a history into its objects in one pass: histories are much larger than caches.
fn split<C>(
    history: &Recorded,
    mut class: impl FnMut(&Operation) -> Result<C, Unfit>,
) -> Result<Vec<Object<C>>, Unfit> {
    let mut objects: Vec<Object<C>> = Vec::new();
    let mut places: Table<Datum, usize> = Table::default();
    let mut last: Option<(Datum, usize)> = None;
    for (at, operation) in (0..).zip(&history.operations) {
        if !concerns(operation) {
            continue;
        }
        let place = match last {
            Some((key, place)) if key == operation.key => place,
            _ => *places.entry(operation.key).or_insert_with(|| {
                objects.push(Object { key: operation.key, operations: Vec::new(), timed: Vec::new() });
                objects.len() - 1
            }),
        };
        last = Some((operation.key, place));
        objects[place].operations.push(at);
        let ret = object::ret(operation);
        objects[place].timed.push(Timed { class: class(operation)?, call: operation.invoked, ret });
    }
    Ok(objects)
}

fn each<C>(
    objects: &[Object<C>],
    mut judge: impl FnMut(&[Timed<C>]) -> Judged,
    tell: &mut impl FnMut(Verdict),
) {
    for object in objects {
        let judged = judge(&object.timed).renumbered(|at| object.operations[at] as usize);
        tell(Verdict { key: object.key, judged });
    }
}

/// Reads what an operation did.
#[derive(Debug, Clone, Copy)]
struct Translator<'a> {
    history: &'a Recorded,
}

impl<'a> Translator<'a> {
    fn register(&self, op: &Operation, initial: Datum) -> Result<RegisterClass, Unfit> {
        // The initial value is zero, and no other value is: nil and what stands for it change places.
        let bits = |value: Datum| match value {
            value if value == initial => 0,
            value if value.is_nil() => initial.bits(),
            value => value.bits(),
        };
        match op.function {
            Function::READ | Function::R | Function::GET => Ok(RegisterClass::Read(bits(op.output))),
            Function::WRITE | Function::W | Function::PUT => Ok(RegisterClass::Write(bits(op.input))),
            Function::CAS => {
                let Some(&[old, new]) = self.history.values.as_items(op.input) else {
                    return Err(self.unfit(op, "`[old new]` as the value of `cas`"));
                };
                if op.is_ok() && op.output == Datum::bool(false) {
                    return Ok(RegisterClass::Mismatch(bits(old)));
                }
                Ok(RegisterClass::CompareAndSet(bits(old), bits(new)))
            }
            _ => Err(self.unfit(op, "`read`, `write` or `cas`; another model is chosen by --model")),
        }
    }

    fn text(&self, op: &Operation) -> Result<TextClass<'a>, Unfit> {
        let history: &'a Recorded = self.history;
        let text = |value: Datum| match history.values.view(value) {
            View::Nil => Ok(""),
            View::Text(text) => Ok(text),
            _ => Err(self.unfit(op, "a text as the value")),
        };
        match op.function {
            Function::READ | Function::R | Function::GET => Ok(TextClass::Get(text(op.output)?)),
            Function::WRITE | Function::W | Function::PUT => Ok(TextClass::Put(text(op.input)?)),
            Function::APPEND => Ok(TextClass::Append(text(op.input)?)),
            _ => Err(self.unfit(op, "`get`, `put` or `append`; another model is chosen by --model")),
        }
    }

    fn mutex(&self, op: &Operation) -> Result<u32, Unfit> {
        match op.function {
            Function::ACQUIRE => Ok(Mutex::ACQUIRE),
            Function::RELEASE => Ok(Mutex::RELEASE),
            _ => Err(self.unfit(op, "`acquire` or `release`; another model is chosen by --model")),
        }
    }

    /// The steps of one operation: `[[:read x 1] [:write y 2]]`, or a map of registers and values.
    fn registers(&self, op: &Operation, numbers: &mut Numbers) -> Result<Vec<RegisterStep>, Unfit> {
        let values = &self.history.values;
        let wrong = || self.unfit(op, "steps such as `[[:read x 1] [:write y 2]]`");
        let told = if op.is_ok() { op.output } else { op.input };
        let mut steps = Vec::new();
        for &step in values.as_items(told).ok_or_else(wrong)? {
            let Some(&[function, register, value]) = values.as_items(step) else { return Err(wrong()) };
            let register = numbers.register(register);
            match values.as_text(function) {
                // What it read is not known: it tells nothing.
                Some("read" | "r") if !op.is_ok() => {}
                Some("read" | "r") => {
                    numbers.reads_nil |= value.is_nil();
                    steps.push(RegisterStep::Read(register, numbers.value(value)));
                }
                Some("write" | "w") => steps.push(RegisterStep::Write(register, numbers.value(value))),
                _ => return Err(wrong()),
            }
        }
        Ok(steps)
    }

    fn unfit(&self, op: &Operation, expected: &str) -> Unfit {
        let name = self.history.function_name(op.function);
        Unfit {
            event: Some(op.invoked),
            what: format!("`{name}` with the value {}", self.history.values.show(op.input)),
            expected: format!("expected {expected}"),
        }
    }
}

/// Numbers for registers and for their values.
#[derive(Debug, Default)]
struct Numbers {
    registers: BTreeMap<Datum, u32>,
    values: BTreeMap<Datum, u32>,
    reads_nil: bool,
}

impl Numbers {
    fn register(&mut self, name: Datum) -> u32 {
        number(&mut self.registers, name)
    }

    fn value(&mut self, value: Datum) -> u32 {
        number(&mut self.values, value)
    }

    /// What each register holds at first: nil if nil is ever read, else 0.
    fn initial(&mut self) -> Vec<u32> {
        let initial = if self.reads_nil { Datum::NIL } else { Datum::small(0) };
        vec![self.value(initial); self.registers.len()]
    }
}

fn number(numbers: &mut BTreeMap<Datum, u32>, of: Datum) -> u32 {
    let next = u32::try_from(numbers.len()).expect("there are fewer than 2^32 steps");
    *numbers.entry(of).or_insert(next)
}
