//! Counters: likes, or a stock that is filled and taken from.
//!
//! | | |
//! |---|---|
//! | records | `n0`, `n1` and so on |
//! | values | integers, the sums of all changes; a change is from 1 to 9, and negative one time in four |
//! | operations | read, add |
//! | checkers | the ledger of fates, divergence, quiescence, counter drift: the final value must be the sum of the acknowledged changes, give or take the unanswered ones |

use super::{
    Generate, Who,
    keys::{Chooser, Wish},
};
use crate::scenario::Keys;
use quarrel_models::{
    operation::{KeyedOperation, Operation},
    random::Stream,
    value::Key,
};

/// The counters that one client reads and changes.
#[derive(Debug)]
pub(super) struct Counter {
    chooser: Chooser,
    changes: Stream,
}

impl Counter {
    pub(super) fn new(keys: &Keys, who: Who) -> Self {
        Self { chooser: Chooser::new(keys, who), changes: who.stream("changes") }
    }

    fn change(&mut self) -> i64 {
        let size = i64::try_from(1 + self.changes.below(9)).unwrap_or(1);
        if self.changes.below(4) == 0 { -size } else { size }
    }
}

impl Generate for Counter {
    fn next(&mut self) -> KeyedOperation {
        let (choice, wish) = self.chooser.choose();
        let operation = match wish {
            Wish::Read => Operation::Read,
            Wish::Write | Wish::Delete => Operation::Add(self.change()),
        };
        KeyedOperation { key: Key::from(format!("n{}", choice.number)), operation }
    }
}
