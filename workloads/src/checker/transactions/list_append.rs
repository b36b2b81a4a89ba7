//! Lists that are appended to: a read shows all versions before it, and with them the order of all writes.

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
use std::cmp::Ordering;

/// Who appended an element.
#[derive(Debug, Clone, Copy)]
struct Writer {
    transaction: u32,
    /// Whether the transaction appended to the key again afterwards.
    is_intermediate: bool,
}

/// A list that somebody read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Read {
    key: u32,
    list: Datum,
    /// Whether the transaction had neither read nor written the key before: it then saw what others had committed.
    is_external: bool,
    transaction: u32,
}

struct ListAppend<'a> {
    transactions: &'a Transactions<'a>,
    writers: Table<(u32, Datum), Writer>,
    /// By key, then by list.
    reads: Vec<Read>,
    found: Dependencies,
}

/// Infers dependencies between transactions that append and read.
pub(super) fn infer(transactions: &Transactions<'_>) -> Result<Dependencies, Unfit> {
    let mut inference = ListAppend {
        transactions,
        writers: Table::default(),
        reads: Vec::new(),
        found: Dependencies::new(transactions.all.len()),
    };
    inference.index_writers()?;
    inference.index_reads();
    let reads = std::mem::take(&mut inference.reads);
    let mut unobserved = inference.appends_by_key();
    for of_key in reads.chunk_by(|a, b| a.key == b.key) {
        inference.key(of_key, std::mem::take(&mut unobserved[of_key[0].key as usize]));
    }
    Ok(inference.found)
}

impl<'a> ListAppend<'a> {
    fn index_writers(&mut self) -> Result<(), Unfit> {
        for at in 0..self.transactions.all.len() {
            let steps = self.transactions.steps(at);
            for (place, step) in steps.iter().enumerate() {
                let &Step::Write(key, element) = step else { continue };
                let again = |later: &Step| matches!(later, Step::Write(other, _) if *other == key);
                let writer = Writer {
                    transaction: u32::try_from(at).expect("transactions are numbered in 32 bits"),
                    is_intermediate: steps[place + 1..].iter().any(again),
                };
                let Some(other) = self.writers.insert((key, element), writer) else { continue };
                let outcome = |writer: Writer| self.transactions.all[writer.transaction as usize].outcome;
                match (outcome(other), outcome(writer)) {
                    // What failed may be tried again.
                    (Outcome::Fail, _) => {}
                    (_, Outcome::Fail) => {
                        self.writers.insert((key, element), other);
                    }
                    _ => return Err(self.appended_twice(at, key, element)),
                }
            }
        }
        Ok(())
    }

    fn appended_twice(&self, at: usize, key: u32, element: Datum) -> Unfit {
        let values = &self.transactions.history.values;
        let key = self.transactions.keys[key as usize];
        Unfit {
            event: Some(self.transactions.all[at].invoked),
            what: format!("{} is appended to key {} a second time", values.show(element), values.show(key)),
            expected: "every element is appended to a key once, so that a read tells who wrote what"
                .to_owned(),
        }
    }

    fn index_reads(&mut self) {
        for at in self.transactions.with(Outcome::Ok) {
            let steps = self.transactions.steps(at);
            for (place, step) in steps.iter().enumerate() {
                let &Step::Read(key, list) = step else { continue };
                let is_external = !steps[..place].iter().any(|&earlier| key_of(earlier) == key);
                let transaction = u32::try_from(at).expect("transactions are numbered in 32 bits");
                self.reads.push(Read { key, list, is_external, transaction });
            }
            self.internal(at);
        }
        self.reads.sort_unstable();
    }

    /// By key, all elements whose transaction was acknowledged.
    fn appends_by_key(&self) -> Vec<Vec<(u32, Datum)>> {
        let mut appends = vec![Vec::new(); self.transactions.keys.len()];
        for at in self.transactions.with(Outcome::Ok) {
            for step in self.transactions.steps(at) {
                if let &Step::Write(key, element) = step {
                    let transaction = u32::try_from(at).expect("transactions are numbered in 32 bits");
                    appends[key as usize].push((transaction, element));
                }
            }
        }
        appends
    }

    fn items(&self, list: Datum) -> &'a [Datum] {
        self.transactions.history.values.as_items(list).unwrap_or_default()
    }

    fn operation(&self, transaction: u32) -> usize {
        self.transactions.all[transaction as usize].operation as usize
    }

    fn is_aborted(&self, transaction: u32) -> bool {
        self.transactions.all[transaction as usize].outcome == Outcome::Fail
    }

    fn show(&self, datum: Datum) -> String {
        self.transactions.history.values.show(datum).to_string()
    }

    fn show_key(&self, key: u32) -> String {
        format!("key {}", self.show(self.transactions.keys[key as usize]))
    }

    /// Whether a transaction sees its own reads and appends.
    fn internal(&mut self, at: usize) {
        let steps = self.transactions.steps(at);
        for (place, step) in steps.iter().enumerate() {
            let &Step::Read(key, list) = step else { continue };
            let shown = self.items(list);
            let later = steps[place + 1..].iter().find_map(|step| match step {
                Step::Write(of, element) if *of == key && shown.contains(element) => Some(*element),
                _ => None,
            });
            if let Some(element) = later {
                self.found.note(Direct::FutureRead, || {
                    let values = &self.transactions.history.values;
                    let (list, element) = (values.show(list), values.show(element));
                    let key = values.show(self.transactions.keys[key as usize]);
                    let why = format!("it read {list} of key {key}, and appends {element} only afterwards");
                    Witness { why, operations: vec![self.transactions.all[at].operation as usize] }
                });
                continue;
            }
            let (known, expected) = self.expected(&steps[..place], key);
            let fits = if known { shown == expected } else { shown.ends_with(&expected) };
            if !fits {
                let expected: Vec<String> = expected.iter().map(|&element| self.show(element)).collect();
                let what = if known { "" } else { "something that ends in " };
                let why = format!(
                    "it read {} of {}, and its own steps before ask for {what}[{}]",
                    self.show(list),
                    self.show_key(key),
                    expected.join(" ")
                );
                let operations = vec![self.transactions.all[at].operation as usize];
                self.found.note(Direct::Internal, || Witness { why, operations });
            }
        }
    }

    /// What a transaction's own steps say of a key: the whole list, if one of them read it, else its end.
    fn expected(&self, before: &[Step], key: u32) -> (bool, Vec<Datum>) {
        let mut known = false;
        let mut expected = Vec::new();
        for step in before {
            match *step {
                Step::Read(of, list) if of == key => {
                    known = true;
                    expected = self.items(list).to_vec();
                }
                Step::Write(of, element) if of == key => expected.push(element),
                Step::Read(..) | Step::Write(..) => {}
            }
        }
        (known, expected)
    }

    /// Everything that the reads of one key tell. `appends` are its acknowledged elements.
    fn key(&mut self, reads: &[Read], mut appends: Vec<(u32, Datum)>) {
        let key = reads[0].key;
        let mut longest: Option<Read> = None;
        let mut lists: Vec<&[Read]> = reads.chunk_by(|a, b| a.list == b.list).collect();
        lists.sort_by_key(|of_list| self.items(of_list[0].list).len());
        for (place, of_list) in lists.iter().enumerate() {
            let first = of_list[0];
            let items = self.items(first.list);
            self.intermediate(first, of_list);
            // What the beginning of a longer list shows, the longer list shows too.
            let next = lists.get(place + 1).map_or(&[][..], |next| self.items(next[0].list));
            if !next.starts_with(items) {
                self.duplicates(first);
                self.aborted(first);
            }
            let known = longest.map_or(&[][..], |read| self.items(read.list));
            if let Some(longest) = longest.filter(|_| !items.starts_with(known)) {
                self.incompatible(longest, first);
            }
            if longest.is_none() || items.len() > known.len() {
                longest = Some(first);
            }
        }
        let mut order = self.longest(&lists).to_vec();
        // What was aborted, or written by nobody, is no version.
        order.retain(|&element| {
            self.writers.get(&(key, element)).is_some_and(|writer| !self.is_aborted(writer.transaction))
        });
        let mut places: Table<Datum, usize> = Table::default();
        places.extend(order.iter().enumerate().map(|(place, &element)| (element, place + 1)));
        appends.retain(|(_, element)| !places.contains_key(element));
        for of_list in lists {
            self.readers(of_list, &order, &places, &mut appends);
        }
        self.versions(key, &order, &appends);
    }

    /// The order of versions: the longest read. Where reads contradict each other that is a guess, and what is not in
    /// it counts as written later. Of several longest ones it is that with the greater elements, which mostly are
    /// the later ones, so that the guess does
    /// not hang on the order of events.
    fn longest(&self, lists: &[&[Read]]) -> &[Datum] {
        let compare = |one: &[Datum], other: &[Datum]| {
            let elements = one.iter().zip(other).map(|(&one, &other)| self.compare(one, other));
            elements.fold(Ordering::Equal, Ordering::then)
        };
        let longest = lists.last().map_or(&[][..], |of_list| self.items(of_list[0].list));
        let lists = lists.iter().rev().map(|of_list| self.items(of_list[0].list));
        let of_one_length = lists.take_while(|items| items.len() == longest.len());
        of_one_length.max_by(|one, other| compare(one, other)).unwrap_or(longest)
    }

    /// Numbers by their size, then all else by how it is written.
    fn compare(&self, one: Datum, other: Datum) -> Ordering {
        let values = &self.transactions.history.values;
        match (values.as_int(one), values.as_int(other)) {
            _ if one == other => Ordering::Equal,
            (Some(one), Some(other)) => one.cmp(&other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.show(one).cmp(&self.show(other)).then_with(|| one.cmp(&other)),
        }
    }

    fn duplicates(&mut self, read: Read) {
        let mut sorted = self.items(read.list).to_vec();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            let (list, twice) = (self.show(read.list), self.show(pair[0]));
            let why = format!("{list} of {} shows {twice} twice", self.show_key(read.key));
            let operations = vec![self.operation(read.transaction)];
            self.found.note(Direct::DuplicateElements, || Witness { why, operations });
        }
    }

    /// Elements of a list that were never committed, and what was committed on top of them.
    fn aborted(&mut self, read: Read) {
        let mut below: Option<(Datum, u32)> = None;
        for &element in self.items(read.list) {
            let Some(&Writer { transaction, .. }) = self.writers.get(&(read.key, element)) else {
                let (element, key) = (self.show(element), self.show_key(read.key));
                let why = format!("it read {element} in {key}, and nobody appended that");
                let operations = vec![self.operation(read.transaction)];
                self.found.note(Direct::UnwrittenRead, || Witness { why, operations });
                continue;
            };
            if self.is_aborted(transaction) {
                let (shown, key) = (self.show(element), self.show_key(read.key));
                let why = format!("it read {shown} in {key}, and that append failed");
                let operations = vec![self.operation(transaction), self.operation(read.transaction)];
                self.found.note(Direct::G1a, || Witness { why, operations });
                below = Some((element, transaction));
            } else if let Some((failed, by)) = below.take() {
                let [element, failed] = [element, failed].map(|element| self.show(element));
                let key = self.show_key(read.key);
                let why =
                    format!("{element} was committed to {key} on top of {failed}, and that append failed");
                let operations = vec![self.operation(by), self.operation(transaction)];
                self.found.note(Direct::DirtyUpdate, || Witness { why, operations });
            }
        }
    }

    /// Readers of a list that ends in what its writer did not leave there.
    fn intermediate(&mut self, read: Read, readers: &[Read]) {
        let Some(&last) = self.items(read.list).last() else { return };
        let Some(&writer) = self.writers.get(&(read.key, last)).filter(|writer| writer.is_intermediate)
        else {
            return;
        };
        for reader in readers.iter().filter(|reader| reader.transaction != writer.transaction) {
            let (list, last) = (self.show(read.list), self.show(last));
            let key = self.show_key(read.key);
            let why = format!("{list} of {key} ends in {last}, after which its writer appended more");
            let operations = vec![self.operation(writer.transaction), self.operation(reader.transaction)];
            self.found.note(Direct::G1b, || Witness { why, operations });
        }
    }

    fn incompatible(&mut self, one: Read, other: Read) {
        let why = format!(
            "{} was read as {} and as {}: neither is the beginning of the other",
            self.show_key(one.key),
            self.show(one.list),
            self.show(other.list)
        );
        let operations = vec![self.operation(one.transaction), self.operation(other.transaction)];
        self.found.note(Direct::IncompatibleOrder, || Witness { why, operations });
    }

    /// What follows for those that read one list: after whom they come, before whom, and who updated it twice.
    fn readers(
        &mut self,
        of_list: &[Read],
        order: &[Datum],
        places: &Table<Datum, usize>,
        appends: &mut Vec<(u32, Datum)>,
    ) {
        let Read { key, list, .. } = of_list[0];
        let mut readers: Vec<u32> =
            of_list.iter().filter(|read| read.is_external).map(|read| read.transaction).collect();
        readers.dedup();
        self.lost_update(key, list, &readers);
        let committed = |element: &&Datum| {
            self.writers.get(&(key, **element)).is_some_and(|writer| !self.is_aborted(writer.transaction))
        };
        let last = self.items(list).iter().rfind(committed).copied();
        if let Some(before) = last {
            let from = self.writers[&(key, before)].transaction;
            let edge = |to| Edge { from, to, relation: Relation::WriteRead, key, before, after: before };
            self.found.extend(readers.iter().map(|&to| edge(to)));
        }
        // What is not in the order has no next version.
        let before = last.unwrap_or(Datum::NIL);
        let Some(place) = last.map_or(Some(0), |last| places.get(&last).copied()) else { return };
        match order.get(place) {
            Some(&after) => {
                let to = self.writers[&(key, after)].transaction;
                let edge = |from| Edge { from, to, relation: Relation::ReadWrite, key, before, after };
                self.found.extend(readers.iter().map(|&from| edge(from)));
            }
            // Whoever appended what nobody saw did so after the last version that somebody saw.
            None => self.found.everyone_before(key, before, &readers, appends),
        }
    }

    fn lost_update(&mut self, key: u32, list: Datum, readers: &[u32]) {
        let appends = |&reader: &u32| {
            let steps = self.transactions.steps(reader as usize);
            steps.iter().any(|step| matches!(step, Step::Write(of, _) if *of == key))
        };
        let updaters: Vec<u32> = readers.iter().copied().filter(appends).collect();
        if updaters.len() > 1 {
            let why = format!(
                "{} transactions read {} of {}, and each appended to that",
                updaters.len(),
                self.show(list),
                self.show_key(key)
            );
            let operations = updaters.iter().map(|&updater| self.operation(updater)).collect();
            self.found.note(Direct::LostUpdate, || Witness { why, operations });
        }
    }

    /// The order of the versions: each was written on top of the one before.
    fn versions(&mut self, key: u32, order: &[Datum], appends: &[(u32, Datum)]) {
        for pair in order.windows(2) {
            let [from, to] = [pair[0], pair[1]].map(|element| self.writers[&(key, element)].transaction);
            let (before, after) = (pair[0], pair[1]);
            self.found.push(Edge { from, to, relation: Relation::WriteWrite, key, before, after });
        }
        let Some(&before) = order.last() else { return };
        let from = self.writers[&(key, before)].transaction;
        for &(to, after) in appends {
            self.found.push(Edge { from, to, relation: Relation::WriteWrite, key, before, after });
        }
    }
}

const fn key_of(step: Step) -> u32 {
    match step {
        Step::Read(key, _) | Step::Write(key, _) => key,
    }
}
