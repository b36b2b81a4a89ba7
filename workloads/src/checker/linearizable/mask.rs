//! A set of slots of fixed width. The width is chosen by the greatest number of operations that are open at once, so
//! that a wide history never wraps silently.

/// A set of slot numbers below `64 * N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Mask<const N: usize>([u64; N]);

impl<const N: usize> Mask<N> {
    pub(super) const EMPTY: Self = Self([0; N]);

    pub(super) const fn insert(&mut self, slot: usize) {
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    pub(super) const fn remove(&mut self, slot: usize) {
        self.0[slot / 64] &= !(1 << (slot % 64));
    }

    pub(super) const fn has(&self, slot: usize) -> bool {
        self.0[slot / 64] & (1 << (slot % 64)) != 0
    }

    pub(super) fn and(self, other: Self) -> Self {
        self.zip(other, |mine, theirs| mine & theirs)
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.zip(other, |mine, theirs| mine | theirs)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.zip(other, |mine, theirs| mine & !theirs)
    }

    pub(super) fn differs(self, other: Self) -> Self {
        self.zip(other, |mine, theirs| mine ^ theirs)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    fn zip(mut self, other: Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = combine(*mine, theirs);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_beyond_the_first_word_do_not_wrap() {
        let mut mask = Mask::<2>::EMPTY;
        for slot in [0, 63, 64, 127] {
            mask.insert(slot);
        }
        assert!(!mask.has(1) && !mask.has(65));
        mask.remove(64);
        assert!(!mask.has(64) && mask.has(0), "slot 64 is not slot 0");
    }
}
