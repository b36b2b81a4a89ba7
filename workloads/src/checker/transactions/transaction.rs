//! Transactions as the checkers see them: small numbers, read from a recorded history once.

use crate::{
    checker::{standalone::Unfit, table::Table},
    history::recorded::{Datum, Function, Operation, Outcome, Recorded},
};

/// One step of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It read this value of this key. Only acknowledged transactions tell what they read.
    Read(u32, Datum),
    /// It wrote this value to this key, or appended this element.
    Write(u32, Datum),
}

/// A transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transaction {
    /// Its place in the history's operations.
    pub(super) operation: u32,
    /// Who ran it.
    pub(super) process: u32,
    /// The event of its call.
    pub(super) invoked: u32,
    /// The event of its return; [`Operation::NEVER`] if its outcome is unknown.
    pub(super) returned: u32,
    /// What came of it.
    pub(super) outcome: Outcome,
    from: u32,
    to: u32,
}

/// All transactions of a history, in the order of their calls.
#[derive(Debug)]
pub(super) struct Transactions<'a> {
    /// Where they come from.
    pub(super) history: &'a Recorded,
    /// The transactions.
    pub(super) all: Vec<Transaction>,
    /// The keys; a step names one by its place.
    pub(super) keys: Vec<Datum>,
    steps: Vec<Step>,
}

/// What the steps of a history write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    /// Elements at the end of lists.
    Append,
    /// Whole values.
    Register,
}

impl<'a> Transactions<'a> {
    /// Reads the transactions of a history.
    pub(super) fn read(history: &'a Recorded, writes: Writes) -> Result<Self, Unfit> {
        let all = Vec::with_capacity(history.operations.len());
        let mut reader = Reader {
            writes,
            numbers: Table::default(),
            transactions: Self { history, all, keys: Vec::new(), steps: Vec::new() },
        };
        for (place, operation) in (0..).zip(&history.operations) {
            reader.operation(place, operation)?;
        }
        Ok(reader.transactions)
    }

    /// The steps of a transaction, in its order.
    pub(super) fn steps(&self, transaction: usize) -> &[Step] {
        let Transaction { from, to, .. } = self.all[transaction];
        &self.steps[from as usize..to as usize]
    }

    /// The transactions of this outcome.
    pub(super) fn with(&self, outcome: Outcome) -> impl Iterator<Item = usize> {
        (0..self.all.len()).filter(move |&at| self.all[at].outcome == outcome)
    }
}

struct Reader<'a> {
    writes: Writes,
    /// Numbers for keys.
    numbers: Table<Datum, u32>,
    transactions: Transactions<'a>,
}

impl Reader<'_> {
    fn operation(&mut self, place: u32, operation: &Operation) -> Result<(), Unfit> {
        let from = self.transactions.steps.len();
        if matches!(operation.function, Function::TXN | Function::NONE) {
            self.steps(operation)?;
        } else {
            // A single step, written without the brackets of a transaction.
            let name = self.transactions.history.function_name(operation.function);
            let value = if operation.is_ok() { operation.output } else { operation.input };
            self.step(operation, name, operation.key, value)?;
        }
        let narrow = |size: usize| u32::try_from(size).expect("there are fewer than 2^32 steps");
        let (from, to) = (narrow(from), narrow(self.transactions.steps.len()));
        self.transactions.all.push(Transaction {
            operation: place,
            process: operation.process,
            invoked: operation.invoked,
            returned: operation.returned(),
            outcome: operation.outcome,
            from,
            to,
        });
        Ok(())
    }

    fn steps(&mut self, operation: &Operation) -> Result<(), Unfit> {
        let values = &self.transactions.history.values;
        let told = if operation.is_ok() { operation.output } else { operation.input };
        // A transaction that died before it told what it wanted.
        let steps =
            if told.is_nil() { &[] } else { values.as_items(told).ok_or_else(|| self.unfit(operation))? };
        for &step in steps {
            let Some(&[function, key, value]) = values.as_items(step) else {
                return Err(self.unfit(operation));
            };
            let name = values.as_text(function).ok_or_else(|| self.unfit(operation))?;
            self.step(operation, name, key, value)?;
        }
        Ok(())
    }

    fn step(&mut self, operation: &Operation, name: &str, key: Datum, value: Datum) -> Result<(), Unfit> {
        let key = self.number(key);
        let step = match (name, self.writes) {
            ("r" | "read", _) if !operation.is_ok() => return Ok(()),
            ("r" | "read", Writes::Register) => Step::Read(key, value),
            ("r" | "read", Writes::Append) => {
                if !value.is_nil() && self.transactions.history.values.as_items(value).is_none() {
                    return Err(self.unfit(operation));
                }
                Step::Read(key, value)
            }
            ("append", Writes::Append) | ("w" | "write", Writes::Register) => Step::Write(key, value),
            _ => return Err(self.unfit(operation)),
        };
        self.transactions.steps.push(step);
        Ok(())
    }

    fn number(&mut self, key: Datum) -> u32 {
        let keys = &mut self.transactions.keys;
        let next = u32::try_from(keys.len()).expect("there are fewer than 2^32 steps");
        *self.numbers.entry(key).or_insert_with(|| {
            keys.push(key);
            next
        })
    }

    fn unfit(&self, operation: &Operation) -> Unfit {
        let history = self.transactions.history;
        let told = if operation.is_ok() { operation.output } else { operation.input };
        let example = match self.writes {
            Writes::Append => "a transaction such as `[[:append x 1] [:r x [1]]]`",
            Writes::Register => "a transaction such as `[[:w x 1] [:r x 1]]`",
        };
        Unfit {
            event: Some(operation.invoked),
            what: format!(
                "`{}` with the value {}",
                history.function_name(operation.function),
                history.values.show(told)
            ),
            expected: format!("expected {example}"),
        }
    }
}
