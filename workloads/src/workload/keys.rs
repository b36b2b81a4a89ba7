//! Which record, and whether to read, write or delete: common to the workloads with plain records.

use super::{Who, ppm, zipf::Zipf};
use crate::scenario::Keys;
use quarrel_models::random::Stream;

/// What to do with the record that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Read,
    Write,
    Delete,
}

/// A record that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    /// The number of the record.
    pub(super) number: u32,
    /// How many clients write it.
    pub(super) writers: u32,
    /// The part of its writers' operations that goes to it, in units of 2^-32.
    pub(super) share: u64,
}

/// Draws records and wishes for one client.
///
/// With a single writer, record k belongs to the client whose number is k modulo the number of clients, and clients
/// neither write nor read what is not theirs.
#[derive(Debug, Clone)]
pub(super) struct Chooser {
    numbers: Vec<u32>,
    writers: u32,
    zipf: Zipf,
    read_ppm: u32,
    delete_ppm: u32,
    records: Stream,
    wishes: Stream,
}

impl Chooser {
    pub(super) fn new(keys: &Keys, who: Who) -> Self {
        let owned = |number: &u32| !keys.single_writer || number % who.clients == who.client.0 % who.clients;
        let mut numbers: Vec<u32> = (0..keys.keys).filter(owned).collect();
        if numbers.is_empty() {
            // Validation refuses this; a record too many is better than none.
            numbers.push(who.client.0 % keys.keys.max(1));
        }
        Self {
            zipf: Zipf::over(numbers.iter().copied(), keys.zipf),
            numbers,
            writers: if keys.single_writer { 1 } else { who.clients },
            read_ppm: ppm(keys.read_share),
            delete_ppm: ppm(keys.delete_share),
            records: who.stream("records"),
            wishes: who.stream("wishes"),
        }
    }

    pub(super) fn choose(&mut self) -> (Choice, Wish) {
        let index = self.zipf.draw(&mut self.records);
        let share = self.zipf.share(index);
        let wish = if self.wishes.chance_ppm(self.read_ppm) {
            Wish::Read
        } else if self.wishes.chance_ppm(self.delete_ppm) {
            Wish::Delete
        } else {
            Wish::Write
        };
        (Choice { number: self.numbers[index], writers: self.writers, share }, wish)
    }
}
