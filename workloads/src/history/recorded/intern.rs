//! An index from hash to number: what finds equal texts and equal collections again. It holds numbers only, four bytes
//! each; what they stand for lies in its owner's arena.

/// Open addressing with linear probing. A slot is 0 for "free", or a number plus one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    slots: Vec<u32>,
    used: usize,
}

impl Index {
    /// The number under this hash for which `is` holds.
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut slot = self.first(hash)?;
        loop {
            let number = self.slots[slot].checked_sub(1)?;
            if is(number) {
                return Some(number);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    /// Puts in a number that is not there. `hash_of` tells the hashes of those that are, when the index grows.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        // At most three quarters full: probes stay short.
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            self.grow(hash_of);
        }
        self.place(hash, number);
        self.used += 1;
    }

    fn grow(&mut self, hash_of: impl Fn(u32) -> u64) {
        let size = (self.slots.len() * 2).max(64);
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        for number in old.into_iter().filter_map(|slot| slot.checked_sub(1)) {
            self.place(hash_of(number), number);
        }
    }

    fn place(&mut self, hash: u64, number: u32) {
        let Some(mut slot) = self.first(hash) else { return };
        while self.slots[slot] != 0 {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = number.checked_add(1).expect("a history has fewer than 2^32 - 1 different values");
    }

    fn first(&self, hash: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        // The low bits choose the slot; a multiplicative hash has its best bits on top.
        Some((hash >> 32) as usize & mask)
    }
}

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes one word into a hash.
pub(crate) const fn mix(hash: u64, word: u64) -> u64 {
    let z = (hash.rotate_left(23) ^ word).wrapping_mul(MULTIPLIER);
    z ^ (z >> 29)
}

/// The hash of a text: eight bytes at a time. Who writes a history to slow its check down slows nobody but himself.
pub(super) fn hash_bytes(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(bytes.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    finish(mix(hash, u64::from_le_bytes(last)))
}

/// Spreads the bits a last time.
pub(crate) const fn finish(hash: u64) -> u64 {
    let z = (hash ^ (hash >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_among_numbers_of_the_same_hash() {
        let mut index = Index::default();
        // Only four hashes for 300 numbers: probes run over each other.
        let hash_of = |number: u32| u64::from(number % 4) << 40;
        for number in 0..300 {
            assert_eq!(index.find(hash_of(number), |other| other == number), None);
            index.insert(hash_of(number), number, hash_of);
        }
        for number in 0..300 {
            assert_eq!(index.find(hash_of(number), |other| other == number), Some(number));
        }
    }

    #[test]
    fn texts_that_differ_in_length_or_one_byte_differ_in_hash() {
        let texts = ["", "a", "a\0", "12345678", "12345678\0", "123456789", "12345679"];
        let mut hashes: Vec<u64> = texts.iter().map(|text| hash_bytes(text.as_bytes())).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), texts.len());
    }
}
