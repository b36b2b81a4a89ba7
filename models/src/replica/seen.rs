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
use alloc::collections::BTreeMap;

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
    /// Bit `n % 64` of word `n / 64` stands for write number `n`. Sparse, since the numbers are the clients' choice.
    words: BTreeMap<u32, u64>,
    /// The newest write: a client retries only its last one.
    last: Option<(u32, Remembered)>,
}

/// The writes known, by client.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Seen(BTreeMap<ClientId, ClientWrites>);

impl Seen {
    /// Remembers a write.
    pub(super) fn insert(&mut self, write: WriteId, remembered: Remembered) {
        let writes = self.0.entry(write.client).or_default();
        *writes.words.entry(write.sequence / 64).or_default() |= 1 << (write.sequence % 64);
        if writes.last.as_ref().is_none_or(|(newest, _)| write.sequence > *newest) {
            writes.last = Some((write.sequence, remembered));
        }
    }

    /// Whether the write is known.
    pub(super) fn contains(&self, write: WriteId) -> bool {
        self.0
            .get(&write.client)
            .and_then(|writes| writes.words.get(&(write.sequence / 64)))
            .is_some_and(|word| word >> (write.sequence % 64) & 1 == 1)
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
        let words = ROOM_OF_A_NODE * size_of::<(u32, u64)>();
        let clients = self.0.len().div_ceil(ROOM_OF_A_NODE) * ROOM_OF_A_NODE;
        clients * size_of::<(ClientId, ClientWrites)>() + self.0.len() * words
    }
}
