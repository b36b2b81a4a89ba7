//! Values kept once, and named by narrow ids: equal values have equal ids, so that states are compared without a look
//! at what they consist of.
//!
//! Ids follow the order in which values were met. Nothing but equality may be read from them.

use alloc::vec::Vec;
use core::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    marker::PhantomData,
    mem::size_of,
    num::NonZeroU32,
    ops::Index,
};
use hashbrown::HashTable;

/// The name of a value in the [`Interner`] of its type.
pub(super) struct Id<T>(NonZeroU32, PhantomData<fn() -> T>);

impl<T> Id<T> {
    /// The word that stands for it in a row. Never 0.
    pub(super) const fn word(self) -> u32 {
        self.0.get()
    }

    /// The id that a word stands for.
    pub(super) fn of_word(word: u32) -> Self {
        match NonZeroU32::new(word) {
            Some(word) => Self(word, PhantomData),
            None => panic!("no id is 0"),
        }
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Id<T> {}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u32(self.word());
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Values of one type, each once.
#[derive(Debug)]
pub(super) struct Interner<T> {
    values: Vec<T>,
    /// Their hashes, so that a table that grows asks no value again.
    hashes: Vec<u64>,
    ids: HashTable<u32>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { values: Vec::new(), hashes: Vec::new(), ids: HashTable::new() }
    }
}

impl<T: Eq + Hash> Interner<T> {
    /// The id of a value, which is kept if it is new.
    ///
    /// # Panics
    /// If there are more than four billion values.
    pub(super) fn id(&mut self, value: T) -> Id<T> {
        let hash = Mixing.hash_one(&value);
        let (values, hashes) = (&self.values, &mut self.hashes);
        let same = |&id: &u32| hashes[id as usize - 1] == hash && values[id as usize - 1] == value;
        if let Some(&known) = self.ids.find(hash, same) {
            return Id::of_word(known);
        }
        self.values.push(value);
        hashes.push(hash);
        let Ok(id) = u32::try_from(hashes.len()) else { panic!("a table is full: narrow the scope") };
        self.ids.insert_unique(hash, id, |&id| hashes[id as usize - 1]);
        Id::of_word(id)
    }

    /// The bytes that the table itself takes, without what its values point to.
    pub(super) fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<T>()
            + self.hashes.capacity() * size_of::<u64>()
            + self.ids.allocation_size()
    }

    /// The values.
    pub(super) fn values(&self) -> &[T] {
        &self.values
    }
}

impl<T> Index<Id<T>> for Interner<T> {
    type Output = T;
    fn index(&self, id: Id<T>) -> &T {
        &self.values[id.index()]
    }
}

/// Makes [`Mixer`]s. No seed: two runs hash alike.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mixing;

impl BuildHasher for Mixing {
    type Hasher = Mixer;
    fn build_hasher(&self) -> Mixer {
        Mixer(SEED)
    }
}

/// A 64-bit hash: each word is mixed in by a multiplication to 128 bits, whose halves are folded into one (the step of
/// wyhash, by Wang Yi). Frozen and the same on every machine of one byte order; not meant to withstand an adversary.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mixer(u64);

const SEED: u64 = 0x2d35_8dcc_aa6c_78a5;
const FACTOR: u64 = 0x8bb8_4b93_962e_acc9;

impl Mixer {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "both halves of the product are used")]
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(FACTOR);
        // The word is added once more: a factor of 0 would else make the hash forget all that came before.
        self.0 = (product as u64 ^ (product >> 64) as u64).wrapping_add(word.rotate_left(32));
    }
}

impl Hasher for Mixer {
    #[inline]
    fn finish(&self) -> u64 {
        let mut last = *self;
        last.mix(SEED.rotate_left(17));
        last.0
    }
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|&word| self.mix(u64::from_le_bytes(word)));
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.mix(u64::from_le_bytes(last) ^ (rest.len() as u64) << 56);
        }
    }
    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.mix(u64::from(number));
    }
    #[inline]
    fn write_u16(&mut self, number: u16) {
        self.mix(u64::from(number));
    }
    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number));
    }
    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }
    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }
}

/// The fingerprint of a row of words.
#[inline]
pub(super) fn fingerprint(words: &[u32]) -> u64 {
    let mut mixer = Mixing.build_hasher();
    let (pairs, rest) = words.as_chunks::<2>();
    pairs.iter().for_each(|&[low, high]| mixer.mix(u64::from(high) << 32 | u64::from(low)));
    rest.iter().for_each(|&word| mixer.mix(u64::from(word) | 1 << 63));
    mixer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String, vec};
    use std::collections::BTreeSet;

    #[test]
    fn equal_values_have_one_id_and_others_have_others() {
        let mut table = Interner::<String>::default();
        let names: Vec<String> = (0..2000).map(|n| format!("value {n}")).collect();
        let ids: Vec<_> = names.iter().map(|name| table.id(name.clone())).collect();
        for (name, &id) in names.iter().zip(&ids) {
            assert_eq!(table.id(name.clone()), id);
            assert_eq!(&table[id], name);
        }
        assert_eq!(ids.iter().map(|id| id.word()).collect::<BTreeSet<_>>().len(), 2000);
    }

    /// Rows of small numbers that differ in little: half of each fingerprint must still be as good as drawn by lot.
    #[test]
    fn half_a_fingerprint_collides_no_more_often_than_chance() {
        let (mut low, mut high, mut whole) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for n in 0..100_000_u32 {
            let row = vec![1 + n % 10, 7, 1 + n / 10 % 10, 1 + n / 100 % 10, 3, 1 + n / 1000, 2];
            let print = fingerprint(&row);
            low.insert(print as u32);
            high.insert((print >> 32) as u32);
            whole.insert(print);
        }
        // 100,000^2 / 2^33 is 1.2 pairs by chance; more than 8 has odds below one in 50,000.
        assert!(100_000 - low.len() <= 8 && 100_000 - high.len() <= 8);
        assert_eq!(whole.len(), 100_000);
    }
}
