//! The fingerprints of the states met.
//!
//! Nearly all that a large search waits for is memory, so this table is made for it: a fingerprint lies where its bits
//! say, or soon after, so that one look is one line of the cache; and what will be asked soon can be fetched before.

use alloc::{vec, vec::Vec};
use core::mem::size_of;

/// A set of fingerprints: open addressing, at most three quarters full, so 11 to 21 bytes each.
#[derive(Debug)]
pub(super) struct Met {
    /// A power of two of slots; 0 is an empty one.
    slots: Vec<u64>,
    count: usize,
    /// The most slots that were held at once: the old ones and the new while it grew.
    peak: usize,
}

const FIRST_SLOTS: usize = 1 << 10;

impl Default for Met {
    fn default() -> Self {
        Self { slots: vec![0; FIRST_SLOTS], count: 0, peak: FIRST_SLOTS }
    }
}

/// The fingerprint 0 stands for an empty slot, so it shares the name of another.
const fn name(fingerprint: u64) -> u64 {
    if fingerprint == 0 { 1 } else { fingerprint }
}

impl Met {
    /// Where the search for a name begins.
    #[expect(clippy::cast_possible_truncation, reason = "only as many bits as there are slots are used")]
    fn home(&self, name: u64) -> usize {
        name as usize & (self.slots.len() - 1)
    }

    /// The slot that holds the name, or the empty one where it belongs.
    fn slot(&self, name: u64) -> usize {
        let mut at = self.home(name);
        while self.slots[at] != name && self.slots[at] != 0 {
            at = (at + 1) & (self.slots.len() - 1);
        }
        at
    }

    /// Brings the slot of a fingerprint near, and says nothing about it. What it returns is to be kept from being
    /// optimised away.
    #[inline]
    pub(super) fn fetch(&self, fingerprint: u64) -> u64 {
        self.slots[self.home(fingerprint)]
    }

    pub(super) fn contains(&self, fingerprint: u64) -> bool {
        self.slots[self.slot(name(fingerprint))] != 0
    }

    /// Notes a fingerprint. Whether it is new.
    #[inline]
    pub(super) fn insert(&mut self, fingerprint: u64) -> bool {
        let name = name(fingerprint);
        let slot = self.slot(name);
        if self.slots[slot] != 0 {
            return false;
        }
        self.slots[slot] = name;
        self.count += 1;
        if self.count * 4 > self.slots.len() * 3 {
            self.grow();
        }
        true
    }

    fn grow(&mut self) {
        let more = vec![0; self.slots.len() * 2];
        self.peak = self.slots.len() + more.len();
        for name in core::mem::replace(&mut self.slots, more) {
            if name != 0 {
                let slot = self.slot(name);
                self.slots[slot] = name;
            }
        }
    }

    /// The most bytes that it ever took.
    pub(super) const fn peak_bytes(&self) -> usize {
        self.peak * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::fnv1a;
    use std::collections::BTreeSet;

    /// Beside an ordered set: a third drawn from a small range, so that many come again, 0 and neighbours among them.
    #[test]
    fn it_knows_what_it_was_told_and_nothing_else() {
        let (mut met, mut known) = (Met::default(), BTreeSet::new());
        for n in 0..40_000_u32 {
            let drawn = fnv1a(&n.to_le_bytes());
            let fingerprint = if n % 3 == 0 { drawn % 5000 } else { drawn };
            // 0 and 1 have one name.
            let new = known.insert(fingerprint.max(1));
            assert_eq!(met.contains(fingerprint), !new);
            assert_eq!(met.insert(fingerprint), new);
            assert!(met.contains(fingerprint));
        }
        assert_eq!(met.count, known.len());
        assert!(known.len() > 20_000 && !met.contains(5001));
        assert!(met.peak_bytes() <= known.len() * 32);
    }
}
