//! The idempotency keys of all writes that a replica knows: one bit a write.
//!
//! They are kept for ever. A retry may come after any time, from a device that was offline or as a copy that another
//! leader took, and one that is not recognised is an effect counted twice. The bits are small beside the versions of
//! the same writes in the write-ahead log, from which they are rebuilt.

use crate::{
    clock::Stamp,
    id::{ClientId, Dot, WriteId},
    version::VersionVector,
};
use alloc::{boxed::Box, collections::BTreeMap};

/// What is remembered of a write for the answer to its retry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Remembered {
    pub(super) dot: Dot,
    pub(super) stamp: Stamp,
    /// What the write knew of: without it, whoever judges a retried write takes it for ignorant.
    pub(super) knew: VersionVector,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct ClientWrites {
    /// Bit `n % 64` of word `n / 64` stands for write number `n`: the last word that is not empty, and its number.
    word: (u32, u64),
    /// The words before it. Sparse, since the numbers are the clients' choice.
    words: BTreeMap<u32, u64>,
    /// The newest write: a client retries only its last one.
    last: Option<(u32, Remembered)>,
}

impl ClientWrites {
    fn set(&mut self, sequence: u32) {
        let (number, bit) = (sequence / 64, 1 << (sequence % 64));
        if number > self.word.0 {
            let (before, bits) = core::mem::replace(&mut self.word, (number, 0));
            if bits > 0 {
                self.words.insert(before, bits);
            }
        }
        if number == self.word.0 {
            self.word.1 |= bit;
        } else {
            *self.words.entry(number).or_default() |= bit;
        }
    }

    fn has(&self, sequence: u32) -> bool {
        let number = sequence / 64;
        let bits = if number == self.word.0 { Some(&self.word.1) } else { self.words.get(&number) };
        bits.is_some_and(|bits| bits >> (sequence % 64) & 1 == 1)
    }
}

/// The writes known, by client.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Seen(BTreeMap<ClientId, Box<ClientWrites>>);

impl Seen {
    /// Remembers a write.
    pub(super) fn insert(&mut self, write: WriteId, remembered: Remembered) {
        let writes = self.0.entry(write.client).or_default();
        writes.set(write.sequence);
        if writes.last.as_ref().is_none_or(|(newest, _)| write.sequence > *newest) {
            writes.last = Some((write.sequence, remembered));
        }
    }

    /// Whether the write is known.
    pub(super) fn contains(&self, write: WriteId) -> bool {
        self.0.get(&write.client).is_some_and(|writes| writes.has(write.sequence))
    }

    /// Where the write entered, if it is known and the newest of its client.
    pub(super) fn recall(&self, write: WriteId) -> Option<&Remembered> {
        self.0
            .get(&write.client)
            .and_then(|writes| writes.last.as_ref())
            .filter(|(sequence, _)| *sequence == write.sequence)
            .map(|(_, remembered)| remembered)
    }

    /// The bytes that they take beside themselves, by and large.
    #[cfg(feature = "check")]
    pub(super) fn bytes(&self) -> usize {
        use super::canonical::ROOM_OF_A_NODE;
        let nodes = |len: usize| len.div_ceil(ROOM_OF_A_NODE) * ROOM_OF_A_NODE;
        let writes = |writes: &ClientWrites| {
            size_of::<ClientWrites>() + nodes(writes.words.len()) * size_of::<(u32, u64)>()
        };
        nodes(self.0.len()) * size_of::<(ClientId, Box<ClientWrites>)>()
            + self.0.values().map(|client| writes(client)).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn it_holds_what_was_put_in_whatever_the_order(sequences in vec(prop_oneof![0..200_u32, any::<u32>()], 0..20)) {
            let mut forwards = ClientWrites::default();
            sequences.iter().for_each(|&sequence| forwards.set(sequence));
            let mut backwards = ClientWrites::default();
            sequences.iter().rev().for_each(|&sequence| backwards.set(sequence));
            prop_assert_eq!(&forwards, &backwards);
            for near in sequences.iter().flat_map(|&s| [s.saturating_sub(1), s, s.saturating_add(64)]) {
                prop_assert_eq!(forwards.has(near), sequences.contains(&near), "{}", near);
            }
        }
    }
}
