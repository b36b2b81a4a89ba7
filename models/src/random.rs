//! Random streams, keyed and counted.
//!
//! The n-th number of a stream is a hash of (seed, entity, use, n): taking one operation away shifts nobody else's
//! numbers, so that schedules can shrink. The algorithm is SplitMix64's finaliser over a keyed counter (Steele, Lea
//! and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014). It is frozen: a seed means the same run
//! for ever.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64: a bijection that spreads every bit over the whole word.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a over bytes: a small hash that is the same on every machine and in every version.
#[must_use]
pub const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = FNV_OFFSET;
    let mut at = 0;
    while at < bytes.len() {
        hash = fnv1a_step(hash, bytes[at]);
        at += 1;
    }
    hash
}

pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

pub(crate) const fn fnv1a_step(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3)
}

/// A digest of bytes, eight at a time: far quicker than FNV-1a, and as frozen. It depends on the bytes alone, not on the
/// pieces in which they come. No protection against anybody who wants a collision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hash64 {
    state: u64,
    length: u64,
    /// The bytes that do not yet make a word, the first one lowest.
    rest: u64,
}

impl Hash64 {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let filled = (self.length % 8) as usize;
        self.length += bytes.len() as u64;
        let (first, bytes) = bytes.split_at(bytes.len().min((8 - filled) % 8));
        for (&byte, place) in first.iter().zip(filled..) {
            self.rest |= u64::from(byte) << (8 * place);
        }
        if filled + first.len() == 8 {
            self.word(self.rest);
            self.rest = 0;
        }
        let (words, last) = bytes.as_chunks::<8>();
        for &word in words {
            self.word(u64::from_le_bytes(word));
        }
        for (&byte, place) in last.iter().zip(0_u32..) {
            self.rest |= u64::from(byte) << (8 * place);
        }
    }

    /// Takes a number.
    pub fn number(&mut self, number: u64) {
        self.update(&number.to_le_bytes());
    }

    /// The digest of all that was taken.
    #[must_use]
    pub const fn finish(&self) -> u64 {
        mix(self.state ^ self.rest ^ self.length.wrapping_mul(GOLDEN))
    }

    const fn word(&mut self, word: u64) {
        self.state = (self.state ^ word).wrapping_mul(GOLDEN).rotate_left(29).wrapping_add(GOLDEN);
    }
}

/// One stream of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    key: u64,
    used: u64,
}

impl Stream {
    /// The stream of one entity (a client, a link) for one use (keys, delays) under a seed.
    ///
    /// `usage` is hashed byte by byte (FNV-1a), so that streams have readable names.
    #[must_use]
    pub const fn new(seed: u64, usage: &str, entity: u64) -> Self {
        let name = fnv1a(usage.as_bytes());
        let key = mix(mix(mix(seed.wrapping_add(GOLDEN)) ^ name).wrapping_add(entity.wrapping_mul(GOLDEN)));
        Self { key, used: 0 }
    }

    /// The next 64 random bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.used = self.used.wrapping_add(1);
        self.nth(self.used)
    }

    /// The 64 random bits with this number, counted from 1 where [`Stream::next_u64`] begins.
    #[must_use]
    pub const fn nth(&self, number: u64) -> u64 {
        mix(self.key.wrapping_add(number.wrapping_mul(GOLDEN)))
    }

    /// A number below `bound`, uniformly (Lemire's multiplication; the bias is below 2^-64 times the bound).
    ///
    /// # Panics
    /// If `bound` is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing is below 0");
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }

    /// True in `ppm` of a million cases.
    pub const fn chance_ppm(&mut self, ppm: u32) -> bool {
        self.below(1_000_000) < ppm as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_are_frozen() {
        let mut stream = Stream::new(1, "keys", 0);
        let first = [stream.next_u64(), stream.next_u64(), stream.next_u64()];
        assert_eq!(
            first,
            [9_170_908_273_529_471_162, 11_190_984_407_017_925_364, 14_853_738_847_381_452_216]
        );
    }

    #[test]
    fn a_digest_depends_on_the_bytes_and_not_on_their_pieces() {
        let bytes: alloc::vec::Vec<u8> = (0..200_u8).collect();
        let whole = |bytes: &[u8]| {
            let mut hash = Hash64::default();
            hash.update(bytes);
            hash.finish()
        };
        for piece in 1..20 {
            let mut hash = Hash64::default();
            bytes.chunks(piece).for_each(|bytes| hash.update(bytes));
            assert_eq!(hash.finish(), whole(&bytes), "in pieces of {piece}");
        }
        let mut digests = alloc::collections::BTreeSet::new();
        for length in 0..bytes.len() {
            assert!(digests.insert(whole(&bytes[..length])), "the first {length} bytes");
            assert!(digests.insert(whole(&bytes[length..])), "without the first {length} bytes");
        }
        assert_eq!(whole(b"quarrel: a digest"), 9_379_691_934_021_001_377, "it is frozen");
    }

    #[test]
    fn streams_of_different_names_entities_and_seeds_differ() {
        let first = |seed, usage, entity| Stream::new(seed, usage, entity).next_u64();
        let base = first(1, "keys", 0);
        assert!(base != first(2, "keys", 0) && base != first(1, "delays", 0) && base != first(1, "keys", 1));
    }

    #[test]
    fn numbers_below_a_bound_fill_it_evenly() {
        let mut stream = Stream::new(7, "test", 0);
        let mut counts = [0_u32; 10];
        for _ in 0..100_000 {
            counts[usize::try_from(stream.below(10)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|&count| (9_600..10_400).contains(&count)), "{counts:?}");
    }
}
