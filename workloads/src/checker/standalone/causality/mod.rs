//! Reads and writes of registers, who read from whom, and the causal order that follows.

mod conflict;
mod index;
mod order;

pub(super) use conflict::{Conflict, cycle};
pub(super) use index::WritesByKey;
pub(super) use order::{CausalOrder, Visitor};

use super::Unfit;
use crate::history::recorded::{Datum, DatumMap, Function, Operation, Outcome, Recorded, View};

/// The number of a write in [`Accesses::writes`].
pub(super) type WriteNumber = u32;

/// A read of the initial value.
pub(super) const INITIAL: WriteNumber = u32::MAX;
/// A read of a value that nobody wrote.
pub(super) const THIN_AIR: WriteNumber = u32::MAX - 1;

/// One access to a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    /// The operation, as a place in the history.
    pub(super) operation: u32,
    /// The register.
    pub(super) key: u32,
    /// The write that it is, or that it read from.
    pub(super) write: WriteNumber,
    /// Whether it writes.
    pub(super) is_write: bool,
}

/// One write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Write {
    /// The operation, as a place in the history.
    pub(super) operation: u32,
    /// The register.
    pub(super) key: u32,
    /// The session in whose order it stands. A write of unknown outcome that was read has one of its own: what came
    /// after it in its client did not know of it.
    pub(super) session: u32,
    /// How many writes of that session stand before it, and itself: from 1.
    pub(super) position: u32,
}

/// The accesses of a history, by session and in the order of the session.
#[derive(Debug, Default)]
pub(super) struct Accesses {
    /// The keys of the registers.
    pub(super) keys: Vec<Datum>,
    /// All writes that happened: acknowledged, or read by somebody.
    pub(super) writes: Vec<Write>,
    /// The accesses of every process.
    pub(super) sessions: Vec<Vec<Access>>,
    /// Sessions that were given to single writes of unknown outcome, numbered after those of processes.
    pub(super) lone_writes: u32,
}

/// What an operation does to one register.
#[derive(Debug, Clone, Copy)]
enum Step {
    Read,
    Write,
}

struct Extraction<'a> {
    history: &'a Recorded,
    keys: DatumMap<Datum, u32>,
    written: DatumMap<(u32, Datum), WriteNumber>,
    observed: Vec<bool>,
    accesses: Accesses,
}

/// The registers of a history.
///
/// # Errors
/// [`Unfit`] if it has other operations than reads, writes and cas of registers, or if two writes of one register
/// have the same value: then nobody can tell which of them was read.
pub(super) fn accesses(history: &Recorded) -> Result<Accesses, Unfit> {
    let mut extraction = Extraction {
        history,
        keys: DatumMap::default(),
        written: DatumMap::default(),
        observed: Vec::new(),
        accesses: Accesses::default(),
    };
    extraction.writes()?;
    extraction.reads()?;
    extraction.sessions()?;
    Ok(extraction.accesses)
}

/// Calls `visit` for every access of an operation that may have happened. What an operation of unknown outcome read
/// is unknown.
fn steps(
    history: &Recorded,
    operation: &Operation,
    visit: &mut dyn FnMut(Step, Datum, Datum) -> Result<(), Unfit>,
) -> Result<(), Unfit> {
    let is_ok = operation.outcome == Outcome::Ok;
    match operation.function {
        _ if operation.outcome == Outcome::Fail => Ok(()),
        Function::READ | Function::GET | Function::R => {
            if is_ok && !is_list(history, operation.output) {
                return visit(Step::Read, operation.key, operation.output);
            }
            if is_ok { transaction(history, operation, visit) } else { Ok(()) }
        }
        Function::WRITE | Function::PUT | Function::W => {
            if is_list(history, operation.input) {
                return transaction(history, operation, visit);
            }
            visit(Step::Write, operation.key, operation.input)
        }
        Function::CAS => match history.values.as_items(operation.input) {
            Some(&[old, new]) => {
                if is_ok {
                    visit(Step::Read, operation.key, old)?;
                }
                visit(Step::Write, operation.key, new)
            }
            _ => Err(unfit(operation, "a cas of something else than [old new]")),
        },
        Function::TXN | Function::NONE => transaction(history, operation, visit),
        _ => {
            let what = format!("the operation `{}`", history.function_name(operation.function));
            Err(unfit(operation, &what))
        }
    }
}

fn is_list(history: &Recorded, value: Datum) -> bool {
    matches!(history.values.view(value), View::List(items) if items.iter().all(|&item| history.values.as_items(item).is_some()))
}

/// A transaction is taken apart into its accesses. That finds no fault where there is none; it does not find
/// transactions that become visible in part.
fn transaction(
    history: &Recorded,
    operation: &Operation,
    visit: &mut dyn FnMut(Step, Datum, Datum) -> Result<(), Unfit>,
) -> Result<(), Unfit> {
    let is_ok = operation.outcome == Outcome::Ok;
    let value = if is_ok && !operation.output.is_nil() { operation.output } else { operation.input };
    for &micro in history.values.as_items(value).unwrap_or_default() {
        let Some(&[f, key, value]) = history.values.as_items(micro) else {
            return Err(unfit(operation, "a micro-operation that is no [f key value]"));
        };
        match history.values.as_text(f) {
            Some("r" | "read") if is_ok && history.values.as_items(value).is_some() => {
                return Err(unfit(operation, "a read of a list"));
            }
            Some("r" | "read") if is_ok => visit(Step::Read, key, value)?,
            Some("r" | "read") => {}
            Some("w" | "write") => visit(Step::Write, key, value)?,
            _ => return Err(unfit(operation, &format!("a micro-operation `{}`", history.values.show(f)))),
        }
    }
    Ok(())
}

fn unfit(operation: &Operation, what: &str) -> Unfit {
    Unfit {
        event: Some(operation.invoked),
        what: format!("there is {what}"),
        expected: "reads, writes and cas of registers are expected, or transactions of [:r key value] and [:w key value]"
            .to_owned(),
    }
}

impl Extraction<'_> {
    fn key(&mut self, key: Datum) -> u32 {
        let next = u32::try_from(self.accesses.keys.len()).unwrap_or(u32::MAX);
        let Self { keys, accesses, .. } = self;
        *keys.entry(key).or_insert_with(|| {
            accesses.keys.push(key);
            next
        })
    }

    /// All writes that may have happened, by key and value.
    fn writes(&mut self) -> Result<(), Unfit> {
        let history = self.history;
        for (operation, op) in (0..).zip(&history.operations) {
            steps(history, op, &mut |step, key, value| {
                let Step::Write = step else { return Ok(()) };
                let key_number = self.key(key);
                let number = u32::try_from(self.accesses.writes.len()).unwrap_or(THIN_AIR);
                if let Some(before) = self.written.insert((key_number, value), number) {
                    return Err(self.ambiguous(before, op, key, value));
                }
                self.accesses.writes.push(Write { operation, key: key_number, session: 0, position: 0 });
                self.observed.push(op.is_ok());
                Ok(())
            })?;
        }
        Ok(())
    }

    fn ambiguous(&self, before: WriteNumber, op: &Operation, key: Datum, value: Datum) -> Unfit {
        let values = &self.history.values;
        let first = &self.history.operations[self.accesses.writes[before as usize].operation as usize];
        let of = if key.is_nil() { String::new() } else { format!(" to {}", values.show(key)) };
        Unfit {
            event: Some(op.invoked),
            what: format!("the value {} is written{of} a second time, first by event {}", values.show(value), first.invoked),
            expected: "every write is expected to have a value of its own, or else nobody can tell which one was read".to_owned(),
        }
    }

    /// The write that a read read from.
    fn source(&mut self, key: Datum, value: Datum) -> WriteNumber {
        let number = self.key(key);
        if let Some(&write) = self.written.get(&(number, value)) {
            return write;
        }
        // Registers begin with nothing; some systems' nothing is 0 or an empty text.
        let is_initial = matches!(self.history.values.view(value), View::Nil | View::Int(0) | View::Text(""));
        if is_initial { INITIAL } else { THIN_AIR }
    }

    /// Which writes of unknown outcome were read, and so happened.
    fn reads(&mut self) -> Result<(), Unfit> {
        let history = self.history;
        for op in &history.operations {
            steps(history, op, &mut |step, key, value| {
                if let Step::Read = step {
                    let source = self.source(key, value);
                    if let Some(observed) = self.observed.get_mut(source as usize) {
                        *observed = true;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn sessions(&mut self) -> Result<(), Unfit> {
        let history = self.history;
        let mut sessions: DatumMap<u32, u32> = DatumMap::default();
        for op in &history.operations {
            let next = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
            sessions.entry(op.process).or_insert(next);
        }
        let processes = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
        self.accesses.sessions.resize_with(sessions.len(), Vec::new);
        let mut positions = vec![0_u32; sessions.len()];
        let mut next_write = 0;
        for (operation, op) in (0..).zip(&history.operations) {
            let session = sessions[&op.process];
            steps(history, op, &mut |step, key, value| {
                let is_write = matches!(step, Step::Write);
                let (key, write) = if is_write {
                    next_write += 1;
                    (self.key(key), next_write - 1)
                } else {
                    (self.key(key), self.source(key, value))
                };
                if is_write {
                    if !self.observed[write as usize] {
                        return Ok(());
                    }
                    let record = &mut self.accesses.writes[write as usize];
                    if op.is_ok() {
                        positions[session as usize] += 1;
                        (record.session, record.position) = (session, positions[session as usize]);
                    } else {
                        (record.session, record.position) = (processes + self.accesses.lone_writes, 1);
                        self.accesses.lone_writes += 1;
                    }
                }
                self.accesses.sessions[session as usize].push(Access { operation, key, write, is_write });
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl Accesses {
    /// How many sessions there are, those of single writes included.
    pub(super) fn session_count(&self) -> usize {
        self.sessions.len() + self.lone_writes as usize
    }

    /// Whether the write stands alone, without a session that goes on.
    pub(super) fn is_lone(&self, write: &Write) -> bool {
        write.session as usize >= self.sessions.len()
    }
}
