//! Registers that are written as a whole: a read shows one version, and little of the order of versions.
//!
//! Every key begins with nil, so that nil comes before all versions. And a transaction that read one version and wrote
//! another one wrote it on top: were it otherwise, the two would depend on each other both ways (G1c), so that nothing
//! is assumed that a model from read-committed on does not promise.

use super::{
    anomaly::Direct,
    dependencies::Dependencies,
    graph::{Edge, Relation},
    transaction::{Step, Transactions},
};
use crate::{
    checker::{
        standalone::{Unfit, Witness},
        table::Table,
    },
    history::recorded::{Datum, Outcome},
};
use std::collections::BTreeSet;

/// What the order of versions is inferred from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inference {
    /// What a transaction writes comes after what it read of the same key.
    pub(super) writes_follow_reads: bool,
}

/// Who wrote a value.
#[derive(Debug, Clone, Copy)]
struct Writer {
    transaction: u32,
    /// Whether the transaction wrote the key again afterwards.
    is_intermediate: bool,
}

/// A transaction's first read of a key, before any write of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Read {
    key: u32,
    value: Datum,
    transaction: u32,
}

struct Registers<'a> {
    transactions: &'a Transactions<'a>,
    writers: Table<(u32, Datum), Writer>,
    /// By key, then by value.
    reads: Vec<Read>,
    found: Dependencies,
}

/// Infers dependencies between transactions that read and write registers.
pub(super) fn infer(transactions: &Transactions<'_>, inference: Inference) -> Result<Dependencies, Unfit> {
    let mut registers = Registers {
        transactions,
        writers: Table::default(),
        reads: Vec::new(),
        found: Dependencies::new(transactions.all.len()),
    };
    registers.index_writers()?;
    for at in transactions.with(Outcome::Ok) {
        registers.transaction(at);
    }
    registers.reads.sort_unstable();
    let reads = std::mem::take(&mut registers.reads);
    let later = registers.later_versions(&reads, inference);
    let mut writes = registers.writes_by_key();
    for of_value in reads.chunk_by(|a, b| (a.key, a.value) == (b.key, b.value)) {
        let Read { key, value, .. } = of_value[0];
        registers.readers(of_value);
        let readers: Vec<u32> = of_value.iter().map(|read| read.transaction).collect();
        if value.is_nil() {
            registers.found.everyone_before(key, value, &readers, &mut writes[key as usize]);
        } else if let Some(later) = later.get(&(key, value)) {
            registers.found.everyone_before(key, value, &readers, &mut later.clone());
        }
    }
    Ok(registers.found)
}

impl Registers<'_> {
    fn index_writers(&mut self) -> Result<(), Unfit> {
        for (at, transaction) in (0..).zip(&self.transactions.all) {
            let steps = self.transactions.steps(at as usize);
            for (place, step) in steps.iter().enumerate() {
                let &Step::Write(key, value) = step else { continue };
                let again = |later: &Step| matches!(later, Step::Write(other, _) if *other == key);
                let writer =
                    Writer { transaction: at, is_intermediate: steps[place + 1..].iter().any(again) };
                let Some(other) = self.writers.insert((key, value), writer) else { continue };
                let other_failed = self.transactions.all[other.transaction as usize].outcome == Outcome::Fail;
                if transaction.outcome == Outcome::Fail {
                    self.writers.insert((key, value), other);
                } else if !other_failed || value.is_nil() {
                    let (values, key) =
                        (&self.transactions.history.values, self.transactions.keys[key as usize]);
                    return Err(Unfit {
                        event: Some(transaction.invoked),
                        what: format!(
                            "{} is written to key {} a second time",
                            values.show(value),
                            values.show(key)
                        ),
                        expected: "every value is written to a key once, so that a read tells who wrote it"
                            .to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    fn operation(&self, transaction: u32) -> usize {
        self.transactions.all[transaction as usize].operation as usize
    }

    fn show(&self, datum: Datum) -> String {
        self.transactions.history.values.show(datum).to_string()
    }

    fn show_key(&self, key: u32) -> String {
        format!("key {}", self.show(self.transactions.keys[key as usize]))
    }

    /// What a transaction shows by itself; its external reads are noted.
    fn transaction(&mut self, at: usize) {
        let steps = self.transactions.steps(at);
        let transaction = u32::try_from(at).expect("transactions are numbered in 32 bits");
        for (place, step) in steps.iter().enumerate() {
            let &Step::Read(key, value) = step else { continue };
            let known = steps[..place].iter().rev().find_map(|step| match *step {
                Step::Read(of, value) | Step::Write(of, value) if of == key => Some(value),
                _ => None,
            });
            let operations = || vec![self.operation(transaction)];
            if steps[place + 1..].contains(&Step::Write(key, value)) {
                let why = format!(
                    "it read {} of {}, and writes that only afterwards",
                    self.show(value),
                    self.show_key(key)
                );
                let operations = operations();
                self.found.note(Direct::FutureRead, || Witness { why, operations });
                continue;
            }
            match known {
                None => self.reads.push(Read { key, value, transaction }),
                Some(known) if known != value => {
                    let why = format!(
                        "it read {} of {}, and by its own steps before it is {}",
                        self.show(value),
                        self.show_key(key),
                        self.show(known)
                    );
                    let operations = operations();
                    self.found.note(Direct::Internal, || Witness { why, operations });
                }
                Some(_) => {}
            }
        }
    }

    /// By key, the last values that transactions which may have happened wrote.
    fn writes_by_key(&self) -> Vec<Vec<(u32, Datum)>> {
        let mut writes = vec![Vec::new(); self.transactions.keys.len()];
        for (at, transaction) in (0..).zip(&self.transactions.all) {
            if transaction.outcome == Outcome::Fail {
                continue;
            }
            for step in self.transactions.steps(at as usize) {
                if let &Step::Write(key, value) = step
                    && self.writers.get(&(key, value)).is_some_and(|writer| !writer.is_intermediate)
                {
                    writes[key as usize].push((at, value));
                }
            }
        }
        writes
    }

    /// For each version, the transactions that wrote another one on top of it. Also draws the dependencies between the
    /// writers.
    fn later_versions(
        &mut self,
        reads: &[Read],
        inference: Inference,
    ) -> Table<(u32, Datum), Vec<(u32, Datum)>> {
        let mut later: Table<(u32, Datum), Vec<(u32, Datum)>> = Table::default();
        if !inference.writes_follow_reads {
            return later;
        }
        let mut pairs: Vec<(u32, Datum, Datum, u32)> = Vec::new();
        for read in reads.iter().filter(|read| !read.value.is_nil()) {
            let last =
                self.transactions.steps(read.transaction as usize).iter().rev().find_map(
                    |step| match *step {
                        Step::Write(key, value) if key == read.key => Some(value),
                        _ => None,
                    },
                );
            if let Some(after) = last.filter(|&after| after != read.value) {
                pairs.push((read.key, read.value, after, read.transaction));
            }
        }
        for (key, before, after) in self.without_cycles(&pairs) {
            let to = self.writers[&(key, after)].transaction;
            later.entry((key, before)).or_default().push((to, after));
            let Some(writer) = self.writers.get(&(key, before)) else { continue };
            if self.transactions.all[writer.transaction as usize].outcome != Outcome::Fail {
                let from = writer.transaction;
                self.found.push(Edge { from, to, relation: Relation::WriteWrite, key, before, after });
            }
        }
        later
    }

    /// The pairs of versions of the keys whose versions can be ordered. Each version stands on one other one, so that a
    /// cycle is found by walking down.
    fn without_cycles(&mut self, pairs: &[(u32, Datum, Datum, u32)]) -> Vec<(u32, Datum, Datum)> {
        let below: Table<(u32, Datum), (Datum, u32)> =
            pairs.iter().map(|&(key, before, after, by)| ((key, after), (before, by))).collect();
        let mut walked: Table<(u32, Datum), usize> = Table::default();
        let mut cyclic: BTreeSet<u32> = BTreeSet::new();
        for (walk, &(key, _, after, _)) in pairs.iter().enumerate() {
            let mut version = after;
            let mut path: Vec<u32> = Vec::new();
            while let Some(&(before, by)) = below.get(&(key, version)) {
                match walked.insert((key, version), walk) {
                    None => path.push(by),
                    Some(other) if other == walk => {
                        let why = format!(
                            "the versions of {} go round: {} was written on top of a later version of itself",
                            self.show_key(key),
                            self.show(version)
                        );
                        let operations = path.iter().map(|&by| self.operation(by)).collect();
                        self.found.note(Direct::CyclicVersions, || Witness { why, operations });
                        cyclic.insert(key);
                        break;
                    }
                    Some(_) => break,
                }
                version = before;
            }
        }
        let kept = pairs.iter().filter(|(key, ..)| !cyclic.contains(key));
        kept.map(|&(key, before, after, _)| (key, before, after)).collect()
    }

    /// What follows for those that read one value.
    fn readers(&mut self, of_value: &[Read]) {
        let Read { key, value, .. } = of_value[0];
        self.lost_update(of_value);
        if value.is_nil() {
            return;
        }
        let Some(&writer) = self.writers.get(&(key, value)) else {
            for read in of_value {
                let why =
                    format!("it read {} of {}, and nobody wrote that", self.show(value), self.show_key(key));
                let operations = vec![self.operation(read.transaction)];
                self.found.note(Direct::UnwrittenRead, || Witness { why, operations });
            }
            return;
        };
        let from = writer.transaction;
        let failed = self.transactions.all[from as usize].outcome == Outcome::Fail;
        for read in of_value.iter().filter(|read| read.transaction != from) {
            if failed || writer.is_intermediate {
                let (shown, of) = (self.show(value), self.show_key(key));
                let (kind, what) = if failed {
                    (Direct::G1a, "and that write failed")
                } else {
                    (Direct::G1b, "which its writer overwrote itself")
                };
                let why = format!("it read {shown} of {of}, {what}");
                let operations = vec![self.operation(from), self.operation(read.transaction)];
                self.found.note(kind, || Witness { why, operations });
            }
            if !failed {
                let to = read.transaction;
                let relation = Relation::WriteRead;
                self.found.push(Edge { from, to, relation, key, before: value, after: value });
            }
        }
    }

    fn lost_update(&mut self, of_value: &[Read]) {
        let Read { key, value, .. } = of_value[0];
        let updates = |read: &&Read| {
            let steps = self.transactions.steps(read.transaction as usize);
            steps.iter().any(|step| matches!(step, Step::Write(of, _) if *of == key))
        };
        let updaters: Vec<u32> = of_value.iter().filter(updates).map(|read| read.transaction).collect();
        if updaters.len() > 1 {
            let why = format!(
                "{} transactions read {} of {}, and each replaced it",
                updaters.len(),
                self.show(value),
                self.show_key(key)
            );
            let operations = updaters.iter().map(|&updater| self.operation(updater)).collect();
            self.found.note(Direct::LostUpdate, || Witness { why, operations });
        }
    }
}
