//! The random decisions of a link, each addressed by a counter.
//!
//! The streams are those of [`quarrel_models::random`], whose algorithm is frozen; how their keys are made of a link's
//! name is frozen here. The n-th decision of a stream depends on its key and on n only, so that a frame more or less on
//! one connection shifts nothing elsewhere.

use quarrel_models::random;

/// What a stream decides. The names are part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Whether a frame is lost.
    Loss,
    /// Whether a frame is delivered twice.
    Duplicate,
    /// Whether a frame lets its successor overtake.
    Reorder,
    /// Which share of the jitter is added.
    Jitter,
}

/// One stream of random draws, addressed by a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream(random::Stream);

impl Stream {
    /// The stream of one use in one direction (`back`: target to connecting side) of one connection, numbered
    /// in the order of acceptance, of the link with this name.
    #[must_use]
    pub fn new(seed: u64, link: &str, connection: u64, back: bool, purpose: Use) -> Self {
        let way = if back { "back" } else { "forward" };
        Self(random::Stream::new(seed, &format!("{link} {way} {purpose:?}"), connection))
    }

    /// Whether a chance of `ppm` parts per million comes true at this number.
    #[must_use]
    pub fn happens(&self, counter: u64, ppm: u32) -> bool {
        (u64::from(self.share(counter)) * 1_000_000) >> 32 < u64::from(ppm)
    }

    /// A uniform share in units of 2^-32, that is in `[0, 1)`.
    #[must_use]
    pub fn share(&self, counter: u64) -> u32 {
        (self.0.nth(counter) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_frozen_and_every_part_matters() {
        let share = |seed, link, connection, back, purpose| {
            Stream::new(seed, link, connection, back, purpose).share(0)
        };
        let base = share(7, "a->b", 0, false, Use::Loss);
        assert_eq!(base, 814_704_280);
        let others = [
            share(8, "a->b", 0, false, Use::Loss),
            share(7, "b->a", 0, false, Use::Loss),
            share(7, "a->b", 1, false, Use::Loss),
            share(7, "a->b", 0, true, Use::Loss),
            share(7, "a->b", 0, false, Use::Jitter),
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
