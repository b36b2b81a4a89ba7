//! What the replicas of a foreign history held in the end, and its operations as the ledger knows them.
//!
//! The ledger's rules stand in one place. A foreign history is told to it event by event, as if it were a run of our
//! own: operations by process, reads with the write that they saw, one final read a node and record.

mod finals;
mod values;

pub(super) use finals::Finally;

use super::{FinalReads, Unfit};
use crate::{
    checker::{
        finals::Finals,
        ledger::{Ledger, Writes},
    },
    history::{
        Event, OperationResult, Quiescence,
        recorded::{Datum, DatumMap, Function, Operation as Op, Outcome, Recorded},
    },
};
use quarrel_models::{
    id::{ClientId, ReplicaId, WriteId},
    operation::Operation,
};
use values::Kinds;

/// A foreign history as the ledger knows it.
pub(super) struct Translated {
    pub(super) finals: Finals,
    pub(super) writes: Writes,
    pub(super) finally: Finally,
    /// Of every write, the operation that it was.
    operations: Vec<usize>,
    /// Acknowledged writes of records that are judged.
    pub(super) acknowledged: u64,
    /// Whether times are those of the history, or else the numbers of events as milliseconds.
    pub(super) is_timed: bool,
}

impl Translated {
    /// The operation of a write.
    pub(super) fn operation(&self, write: WriteId) -> Option<usize> {
        self.operations.get(write.sequence as usize).copied()
    }
}

/// Tells the history to the ledger.
///
/// # Errors
/// [`Unfit`] if it has too many nodes, or writes whose values do not tell them apart.
pub(super) fn translate(history: &Recorded, which: FinalReads) -> Result<Translated, Unfit> {
    let finally = Finally::of(history, which)?;
    let mut teller = Teller {
        history,
        kinds: Kinds::of(history, &finally),
        finals: Finals::default(),
        ledger: Ledger::new(finally.nodes.len().max(1)),
        ids: DatumMap::default(),
        operations: vec![0],
        acknowledged: 0,
        is_timed: is_timed(history),
        finally,
    };
    teller.number()?;
    teller.tell();
    teller.finals();
    let Teller { finals, ledger, finally, operations, acknowledged, is_timed, .. } = teller;
    Ok(Translated { finals, writes: ledger.into_writes(), finally, operations, acknowledged, is_timed })
}

/// Whether all events have times, and these go the way of their indices.
fn is_timed(history: &Recorded) -> bool {
    let mut moments: Vec<(u32, i64)> = Vec::with_capacity(history.operations.len() * 2);
    for op in &history.operations {
        moments.push((op.invoked, op.invoke_time));
        if op.completed != Op::NEVER {
            moments.push((op.completed, op.complete_time));
        }
    }
    moments.sort_unstable();
    moments.iter().all(|&(_, time)| time >= 0) && moments.windows(2).all(|pair| pair[0].1 <= pair[1].1)
}

/// A step of an operation: what it asks of which record. A transaction has several.
struct Step {
    key: Datum,
    operation: Operation,
    /// The value written or read.
    value: Datum,
}

struct Teller<'a> {
    history: &'a Recorded,
    kinds: Kinds,
    finals: Finals,
    ledger: Ledger,
    /// The writes by record and value.
    ids: DatumMap<(Datum, Datum), WriteId>,
    operations: Vec<usize>,
    acknowledged: u64,
    is_timed: bool,
    finally: Finally,
}

impl Teller<'_> {
    /// What an operation asks, as far as the ledger knows such operations.
    fn steps(&self, op: &Op) -> Vec<Step> {
        let values = &self.history.values;
        let step = |key, value, operation| Step { key, operation, value };
        let micro = || {
            let value = if op.is_ok() && !op.output.is_nil() { op.output } else { op.input };
            let items = values.as_items(value).unwrap_or_default();
            let parts = items.iter().filter_map(|&item| <[Datum; 3]>::try_from(values.as_items(item)?).ok());
            parts.filter_map(|[f, key, value]| {
                Some(step(key, value, self.kinds.micro(values, values.as_text(f)?, key, value)?))
            })
        };
        match op.function {
            Function::TXN | Function::NONE => micro().collect(),
            Function::READ | Function::GET => vec![step(op.key, op.output, Operation::Read)],
            Function::CAS => {
                let new = values.as_items(op.input).and_then(|items| items.get(1).copied());
                new.into_iter().map(|new| step(op.key, new, self.kinds.put(values, new))).collect()
            }
            function => {
                let name = self.history.function_name(function);
                let operation = self.kinds.write(values, name, op.key, op.input);
                operation.into_iter().map(|operation| step(op.key, op.input, operation)).collect()
            }
        }
    }

    /// Gives every write its number.
    fn number(&mut self) -> Result<(), Unfit> {
        for (at, op) in self.history.operations.iter().enumerate().filter(|(_, op)| op.may_have_happened()) {
            for step in self.steps(op).into_iter().filter(|step| step.operation.is_write()) {
                let sequence = u32::try_from(self.operations.len()).unwrap_or(u32::MAX);
                self.operations.push(at);
                self.acknowledged += u64::from(op.is_ok() && self.finally.judges(step.key));
                let id = WriteId { client: ClientId(op.process), sequence };
                let before = self.ids.insert((step.key, step.value), id);
                let is_ambiguous = matches!(step.operation, Operation::Put(_) | Operation::Append(_));
                if let Some(before) = before.filter(|_| is_ambiguous) {
                    let first = self.operations[before.sequence as usize];
                    return Err(Unfit {
                        event: Some(op.invoked),
                        what: format!(
                            "the value {} is written a second time, first by event {}",
                            self.history.values.show(step.value),
                            self.history.operations[first].invoked
                        ),
                        expected: "every write is expected to have a value of its own, or else nobody can tell what became of it"
                            .to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    fn time(&self, index: u32, time: i64) -> u64 {
        if self.is_timed { u64::try_from(time).unwrap_or(0) } else { u64::from(index) * 1_000_000 }
    }

    /// All operations, in the order of their events. A transaction is told when it is complete, step by step, with
    /// the times of the whole.
    fn tell(&mut self) {
        let mut moments: Vec<(u32, bool, usize)> = Vec::with_capacity(self.history.operations.len() * 2);
        for (at, op) in self.history.operations.iter().enumerate().filter(|(_, op)| op.may_have_happened()) {
            moments.push((op.invoked, false, at));
            if op.completed != Op::NEVER {
                moments.push((op.completed, true, at));
            }
        }
        moments.sort_unstable();
        let mut next = 1;
        let mut firsts: DatumMap<u32, u32> = DatumMap::default();
        // Numbers were given in the order of invocations.
        for (at, op) in (0_u32..).zip(&self.history.operations).filter(|(_, op)| op.may_have_happened()) {
            firsts.insert(at, next);
            next += self.steps(op).iter().filter(|step| step.operation.is_write()).count() as u32;
        }
        for (_, ends, at) in moments {
            let op = self.history.operations[at];
            let first = u32::try_from(at).ok().and_then(|at| firsts.get(&at)).copied().unwrap_or(0);
            let steps = self.steps(&op);
            let is_transaction = steps.len() != 1;
            let mut sequence = first;
            for step in steps {
                let number = step.operation.is_write().then(|| {
                    sequence += 1;
                    WriteId { client: ClientId(op.process), sequence: sequence - 1 }
                });
                if !ends || is_transaction {
                    let replica = self.finally.replica_of(self.history, at).unwrap_or(ReplicaId(0));
                    self.invoke(&op, replica, &step, number, ends || !is_transaction);
                }
                if ends {
                    self.complete(&op, &step);
                }
            }
        }
    }

    /// `now` is false for the begin of a transaction: it is told later.
    fn invoke(&mut self, op: &Op, at: ReplicaId, step: &Step, write: Option<WriteId>, now: bool) {
        let is_open = op.completed == Op::NEVER;
        if !now && !is_open || !self.finally.judges(step.key) {
            return;
        }
        let event = Event::Invoke {
            t: self.time(op.invoked, op.invoke_time),
            client: ClientId(op.process),
            at,
            key: values::name(self.history, step.key),
            op: step.operation.clone(),
            write,
        };
        self.ledger.observe(&event);
    }

    fn complete(&mut self, op: &Op, step: &Step) {
        if !self.finally.judges(step.key) {
            return;
        }
        let (t, client) = (self.time(op.completed, op.complete_time), ClientId(op.process));
        if op.outcome == Outcome::Info {
            return self.ledger.observe(&Event::Info { t, client, error: String::new() });
        }
        let mut result = OperationResult::default();
        if step.operation == Operation::Read {
            result.versions = self.seen(step.key, step.value);
        }
        self.ledger.observe(&Event::Ok { t, client, result });
    }

    /// The writes that a read saw: the one whose value it is, or those whose elements are in it.
    fn seen(&self, key: Datum, value: Datum) -> Vec<WriteId> {
        if let Some(&write) = self.ids.get(&(key, value)) {
            return vec![write];
        }
        let items = self.history.values.as_items(value).unwrap_or_default();
        items.iter().filter_map(|&item| self.ids.get(&(key, item)).copied()).collect()
    }

    fn finals(&mut self) {
        let reads =
            self.finally.events(self.history, &self.kinds, |key, value| self.ids.get(&(key, value)).copied());
        for event in reads {
            self.ledger.observe(&event);
            self.finals.observe(&event);
        }
        // Who made the final reads says that the system was at rest.
        self.finals
            .observe(&Event::End { t: 0, quiescence: Quiescence::EqualDigests { after_ns: 0, times: 1 } });
    }
}
