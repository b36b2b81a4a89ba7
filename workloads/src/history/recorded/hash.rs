//! Maps from values to whatever a checker keeps of them. Values are numbers already: a short hash does.

use super::intern::{finish, mix};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A map whose keys are [`super::Datum`]s, numbers, or tuples of them. Its order means nothing: look up, never iterate.
pub type DatumMap<K, V> = HashMap<K, V, BuildHasherDefault<WordHasher>>;

/// Hashes words by multiplication. Not for keys that an adversary chooses.
#[derive(Debug, Clone, Copy, Default)]
pub struct WordHasher(u64);

impl Hasher for WordHasher {
    fn finish(&self) -> u64 {
        finish(self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = mix(self.0, u64::from(byte));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.0 = mix(self.0, u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = mix(self.0, word);
    }
}
