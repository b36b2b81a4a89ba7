//! Titles of wiki pages: each write replaces the record.
//!
//! | | |
//! |---|---|
//! | records | `k0`, `k1` and so on |
//! | values | integers: the number of the client times 2^32, plus its counter from 1; each is written once in a run |
//! | operations | read, put, delete |
//! | checkers | the ledger of fates, divergence, quiescence, resurrected deletes |

use super::{
    Generate, Unique, Who,
    keys::{Chooser, Wish},
};
use crate::scenario::Keys;
use quarrel_models::{
    operation::{KeyedOperation, Operation},
    value::Key,
};

/// The titles that one client reads and writes.
#[derive(Debug)]
pub(super) struct Register {
    chooser: Chooser,
    values: Unique,
}

impl Register {
    pub(super) fn new(keys: &Keys, who: Who) -> Self {
        Self { chooser: Chooser::new(keys, who), values: Unique::new(who.client) }
    }
}

impl Generate for Register {
    fn next(&mut self) -> KeyedOperation {
        let (choice, wish) = self.chooser.choose();
        let operation = match wish {
            Wish::Read => Operation::Read,
            Wish::Write => Operation::Put(self.values.next()),
            Wish::Delete => Operation::Delete,
        };
        KeyedOperation { key: Key::from(format!("k{}", choice.number)), operation }
    }
}
