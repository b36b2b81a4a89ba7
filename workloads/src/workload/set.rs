//! Sets to which unique elements are added, and from which they are removed.
//!
//! | | |
//! |---|---|
//! | records | `s3/g2`: the third generation of set 3 |
//! | values | sets of integers: the number of the client times 2^32, plus its counter from 1; each is added once in a run |
//! | operations | read, insert, remove (of an element that the client added or saw, never twice by one client) |
//! | checkers | the ledger of fates, divergence, quiescence, lost and unexpected elements, resurrected deletes |
//!
//! # Generations
//! Values stay small because a set is given up after about 32 insertions, and a fresh record takes its place. Clients
//! agree on when, without talking: a client that has made `w` insertions in all takes it that every other one has too,
//! so that a set which gets the share `p` of them has had `w * clients * p` insertions, and stands in the generation
//! of that number divided by 32. Clients that are slower than others write to older generations, which does no harm.

use super::{
    Answer, Generate, Unique, Who,
    keys::{Choice, Chooser, Wish},
};
use crate::scenario::Keys;
use quarrel_models::{
    operation::{KeyedOperation, Operation},
    random::Stream,
    value::{Key, Value},
};
use std::collections::{BTreeMap, BTreeSet};

/// The insertions after which a set is given up are 2^5; shares are in units of 2^-32.
const GENERATION_SHIFT: u32 = 32 + 5;

/// The sets that one client reads and changes.
#[derive(Debug)]
pub(super) struct Set {
    chooser: Chooser,
    values: Unique,
    victims: Stream,
    /// For each set: the record of its current generation, and the elements that the client knows to be in it.
    known: BTreeMap<u32, (Key, BTreeSet<Value>)>,
    /// For each set: the elements of its current generation that the client has removed.
    removed: BTreeMap<u32, BTreeSet<Value>>,
}

impl Set {
    pub(super) fn new(keys: &Keys, who: Who) -> Self {
        Self {
            chooser: Chooser::new(keys, who),
            values: Unique::new(who.client),
            victims: who.stream("victims"),
            known: BTreeMap::new(),
            removed: BTreeMap::new(),
        }
    }

    /// The record in which the set now lives. A new one is empty as far as the client knows.
    fn record(&mut self, choice: Choice) -> Key {
        let insertions = u128::from(self.values.used) * u128::from(choice.writers) * u128::from(choice.share);
        let key = Key::from(format!("s{}/g{}", choice.number, insertions >> GENERATION_SHIFT));
        let known = self.known.entry(choice.number).or_insert_with(|| (key.clone(), BTreeSet::new()));
        if known.0 != key {
            *known = (key.clone(), BTreeSet::new());
            self.removed.remove(&choice.number);
        }
        key
    }

    fn victim(&mut self, set: u32) -> Option<Value> {
        let (_, known) = self.known.get_mut(&set)?;
        let count = u64::try_from(known.len()).unwrap_or(0);
        if count == 0 {
            return None;
        }
        let index = usize::try_from(self.victims.below(count)).unwrap_or(0);
        let victim = known.iter().nth(index).cloned()?;
        known.remove(&victim);
        self.removed.entry(set).or_default().insert(victim.clone());
        Some(victim)
    }
}

impl Generate for Set {
    fn next(&mut self) -> KeyedOperation {
        let (choice, wish) = self.chooser.choose();
        let key = self.record(choice);
        let victim = if wish == Wish::Delete { self.victim(choice.number) } else { None };
        let operation = match (wish, victim) {
            (Wish::Read, _) => Operation::Read,
            (_, Some(victim)) => Operation::Remove(victim),
            (_, None) => Operation::Insert(self.values.next()),
        };
        KeyedOperation { key, operation }
    }

    fn observe(&mut self, operation: &KeyedOperation, answer: Answer<'_>) {
        let Some(set) = number_of(&operation.key) else { return };
        // An answer from a generation that was given up meanwhile is of no use.
        let Some((_, known)) = self.known.get_mut(&set).filter(|(key, _)| *key == operation.key) else {
            return;
        };
        match (&operation.operation, answer) {
            (Operation::Insert(element), Answer::Done) => {
                known.insert(element.clone());
            }
            (Operation::Read, Answer::Read(value)) => {
                let seen = value.and_then(Value::as_set).cloned().unwrap_or_default();
                let removed = self.removed.get(&set);
                let gone = |element: &Value| removed.is_some_and(|removed| removed.contains(element));
                *known = seen.into_iter().filter(|element| !gone(element)).collect();
            }
            _ => {}
        }
    }
}

/// The number of the set in a record's key.
fn number_of(key: &Key) -> Option<u32> {
    key.strip_prefix('s')?.split_once('/')?.0.parse().ok()
}
