//! Counter-based random streams for the decisions of a link.
//!
//! **The algorithm is frozen.** A seed stored with a run must make the same decisions years later, so no
//! library generator is used. A stream is a 64-bit key; its n-th draw depends on the key and on n only, so
//! that a frame more or less on one connection shifts nothing elsewhere.
//!
//! - `mix` is the finaliser of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
//!   generators", 2014; constants of Stafford's variant 13).
//! - The key is folded from its parts: start with `mix(seed)`, then for FNV-1a-64 of the link's name, the
//!   connection's number, the way (0 forward, 1 back) and the use's number: `key = mix(key ^ mix(part + GAMMA))`.
//! - Draw n is `mix(key + (n + 1) * GAMMA)`, that is the n-th output of splitmix64 started at the key.
//! - A chance of p parts per million comes true when `((draw >> 32) * 1_000_000) >> 32 < p`.

/// What a stream decides. The numbers are part of the frozen algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Use {
    /// Whether a frame is lost.
    Loss = 1,
    /// Whether a frame is delivered twice.
    Duplicate = 2,
    /// Whether a frame lets its successor overtake.
    Reorder = 3,
    /// Which share of the jitter is added.
    Jitter = 4,
}

/// One stream of random draws, addressed by a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    key: u64,
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Stream {
    /// The stream of one use in one direction (`back`: target to connecting side) of one connection, numbered
    /// in the order of acceptance, of the link with this name.
    #[must_use]
    pub fn new(seed: u64, link: &str, connection: u64, back: bool, purpose: Use) -> Self {
        let parts = [fnv1a(link.as_bytes()), connection, u64::from(back), purpose as u64];
        let key = parts.iter().fold(mix(seed), |key, part| mix(key ^ mix(part.wrapping_add(GAMMA))));
        Self { key }
    }

    /// The draw with this number.
    #[must_use]
    pub fn draw(self, counter: u64) -> u64 {
        mix(self.key.wrapping_add(counter.wrapping_add(1).wrapping_mul(GAMMA)))
    }

    /// Whether a chance of `ppm` parts per million comes true at this number.
    #[must_use]
    pub fn happens(self, counter: u64, ppm: u32) -> bool {
        (u64::from(self.share(counter)) * 1_000_000) >> 32 < u64::from(ppm)
    }

    /// A uniform share in units of 2^-32, that is in `[0, 1)`.
    #[must_use]
    pub fn share(self, counter: u64) -> u32 {
        (self.draw(counter) >> 32) as u32
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixer_is_splitmix64_with_its_published_outputs() {
        let stream = Stream { key: 1_234_567 };
        let published = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([0, 1, 2].map(|n| stream.draw(n)), published);
    }

    #[test]
    fn keys_are_frozen_and_every_part_matters() {
        let key =
            |seed, link, connection, back, purpose| Stream::new(seed, link, connection, back, purpose).key;
        let base = key(7, "a->b", 0, false, Use::Loss);
        assert_eq!(base, 7_759_345_605_878_455_937);
        let others = [
            key(8, "a->b", 0, false, Use::Loss),
            key(7, "b->a", 0, false, Use::Loss),
            key(7, "a->b", 1, false, Use::Loss),
            key(7, "a->b", 0, true, Use::Loss),
            key(7, "a->b", 0, false, Use::Jitter),
        ];
        assert!(others.iter().all(|other| *other != base), "{others:?}");
    }

    #[test]
    fn a_chance_comes_true_as_often_as_it_says() {
        let stream = Stream::new(1, "a->b", 0, false, Use::Loss);
        let count = |ppm| (0..100_000).filter(|n| stream.happens(*n, ppm)).count();
        assert_eq!((count(0), count(1_000_000)), (0, 100_000));
        assert!((24_500..25_500).contains(&count(250_000)), "{}", count(250_000));
    }
}
