//! Reads and writes of registers, who read from whom, and the causal order that follows.

mod conflict;
mod index;
mod order;

pub(super) use conflict::{Conflict, cycle};
pub(super) use index::WritesByKey;
pub(super) use order::{CausalOrder, Visitor};

use super::Unfit;
use crate::history::recorded::{
    Datum, DatumMap, Function, Index, Operation, Outcome, Recorded, View, finish, mix,
};

/// The number of a write in [`Accesses::writes`].
pub(super) type WriteNumber = u32;

/// A read of the initial value.
pub(super) const INITIAL: WriteNumber = u32::MAX;
/// A read of a value that nobody wrote.
pub(super) const THIN_AIR: WriteNumber = u32::MAX - 1;

/// One access to a register. Twelve bytes: there may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    /// The operation, as a place in the history.
    pub(super) operation: u32,
    /// The write that it is, or that it read from.
    pub(super) write: WriteNumber,
    /// The register, and [`Access::WRITES`].
    key: u32,
}

impl Access {
    const WRITES: u32 = 1 << 31;

    /// The register.
    pub(super) const fn key(&self) -> u32 {
        self.key & !Self::WRITES
    }

    /// Whether it writes.
    pub(super) const fn is_write(&self) -> bool {
        self.key & Self::WRITES != 0
    }
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
    pub(super) sessions: Sessions,
    /// Sessions that were given to single writes of unknown outcome, numbered after those of processes.
    pub(super) lone_writes: u32,
}

/// What an operation does to one register.
#[derive(Debug, Clone, Copy)]
enum Step {
    Read,
    Write,
}

/// The accesses of all processes in one table.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    accesses: Vec<Access>,
    /// Where those of each begin, and how many there are.
    spans: Vec<(usize, usize)>,
}

impl Sessions {
    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.spans.len()
    }

    /// The accesses of one, in its order.
    pub(super) fn of(&self, session: usize) -> &[Access] {
        let (start, len) = self.spans[session];
        &self.accesses[start..start + len]
    }

    /// All, one after the other.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[Access]> {
        (0..self.len()).map(|session| self.of(session))
    }
}

struct Extraction<'a> {
    history: &'a Recorded,
    keys: DatumMap<Datum, u32>,
    /// The numbers of processes as sessions.
    numbers: DatumMap<u32, u32>,
    /// Of every session, how many accesses it may have.
    counts: Vec<usize>,
    /// Of every write, its value; and the writes by register and value.
    values: Vec<Datum>,
    written: Index,
    /// Whether a write happened: it was acknowledged, or read.
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
        numbers: DatumMap::default(),
        counts: Vec::new(),
        values: Vec::new(),
        written: Index::default(),
        observed: Vec::new(),
        accesses: Accesses::default(),
    };
    extraction.writes()?;
    extraction.observe()?;
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
        assert!(next < Access::WRITES, "there are fewer than 2^31 registers");
        let Self { keys, accesses, .. } = self;
        *keys.entry(key).or_insert_with(|| {
            accesses.keys.push(key);
            next
        })
    }

    fn session(&mut self, process: u32) -> usize {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let session = *self.numbers.entry(process).or_insert(next) as usize;
        if session == self.counts.len() {
            self.counts.push(0);
        }
        session
    }

    /// All writes that may have happened, by key and value.
    fn writes(&mut self) -> Result<(), Unfit> {
        let history = self.history;
        // Half of the operations write, mostly; a table that has to grow is held twice for a moment.
        let likely = history.operations.iter().filter(|op| op.function != Function::READ).count();
        self.accesses.writes.reserve_exact(likely);
        self.values.reserve_exact(likely);
        for (operation, op) in (0..).zip(&history.operations) {
            let session = self.session(op.process);
            steps(history, op, &mut |step, key, value| {
                let key_number = self.key(key);
                self.counts[session] += 1;
                if matches!(step, Step::Read) {
                    return Ok(());
                }
                if let Some(before) = self.find(key_number, value) {
                    return Err(self.ambiguous(before, op, key, value));
                }
                let number = u32::try_from(self.values.len()).unwrap_or(THIN_AIR);
                assert!(number < THIN_AIR, "there are fewer than 2^32 - 2 writes");
                self.values.push(value);
                self.accesses.writes.push(Write { operation, key: key_number, session: 0, position: 0 });
                self.observed.push(op.is_ok());
                let Self { written, accesses, values, .. } = self;
                written.insert(hash(key_number, value), number, |number| {
                    hash(accesses.writes[number as usize].key, values[number as usize])
                });
                Ok(())
            })?;
        }
        Ok(())
    }

    fn find(&self, key: u32, value: Datum) -> Option<WriteNumber> {
        self.written.find(hash(key, value), |number| {
            self.values[number as usize] == value && self.accesses.writes[number as usize].key == key
        })
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
    fn source(&self, key: u32, value: Datum) -> WriteNumber {
        if let Some(write) = self.find(key, value) {
            return write;
        }
        // Registers begin with nothing; some systems' nothing is 0 or an empty text.
        let is_initial = matches!(self.history.values.view(value), View::Nil | View::Int(0) | View::Text(""));
        if is_initial { INITIAL } else { THIN_AIR }
    }

    /// Writes of unknown outcome that were read, and so happened.
    fn observe(&mut self) -> Result<(), Unfit> {
        if self.observed.iter().all(|&observed| observed) {
            return Ok(());
        }
        for op in &self.history.operations {
            steps(self.history, op, &mut |step, key, value| {
                if matches!(step, Step::Read) {
                    let source = self.source(self.keys[&key], value);
                    if let Some(observed) = self.observed.get_mut(source as usize) {
                        *observed = true;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Puts the accesses in their sessions, and the writes with them.
    fn sessions(&mut self) -> Result<(), Unfit> {
        let nothing = Access { operation: 0, write: INITIAL, key: 0 };
        let mut start = 0;
        let spans = self.counts.iter().map(|&count| {
            start += count;
            (start - count, 0)
        });
        let spans: Vec<(usize, usize)> = spans.collect();
        let mut sessions = Sessions { accesses: vec![nothing; start], spans };
        let processes = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
        let mut positions = vec![0_u32; sessions.len()];
        let mut next_write = 0;
        for (operation, op) in (0..).zip(&self.history.operations) {
            let session = self.numbers[&op.process];
            steps(self.history, op, &mut |step, key, value| {
                let mut access = Access { operation, write: next_write, key: self.keys[&key] };
                if matches!(step, Step::Read) {
                    access.write = self.source(access.key, value);
                } else {
                    access.key |= Access::WRITES;
                    next_write += 1;
                    if !self.observed[access.write as usize] {
                        return Ok(());
                    }
                    let write = &mut self.accesses.writes[access.write as usize];
                    if op.is_ok() {
                        positions[session as usize] += 1;
                        (write.session, write.position) = (session, positions[session as usize]);
                    } else {
                        (write.session, write.position) = (processes + self.accesses.lone_writes, 1);
                        self.accesses.lone_writes += 1;
                    }
                }
                let (start, len) = &mut sessions.spans[session as usize];
                sessions.accesses[*start + *len] = access;
                *len += 1;
                Ok(())
            })?;
        }
        self.accesses.sessions = sessions;
        Ok(())
    }
}

/// The hash of a register's value.
fn hash(key: u32, value: Datum) -> u64 {
    finish(mix(u64::from(key), value.bits()))
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
