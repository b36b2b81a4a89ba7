//! The zipf distribution: few records get most of the attention, as in life.

use quarrel_models::random::Stream;
use std::sync::Arc;

/// A distribution over ranks 0 to n-1, where rank r has a weight of 1 / (r + 1)^s.
///
/// The table holds, for each rank, the probability of it or a smaller one in units of 2^-32. A number below 2^32 is
/// drawn, and the first rank whose entry is greater is found by bisection. The weights are computed once, in floating
/// point; drawing uses integers only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zipf {
    cumulative: Arc<[u64]>,
}

const ONE: u64 = 1 << 32;

impl Zipf {
    /// The distribution over the given ranks only, renormalised: `Zipf::over(0..n, s)` is the common one.
    ///
    /// # Panics
    /// If there are no ranks.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "shares of 2^32 fit in 53 bits"
    )]
    pub fn over(ranks: impl IntoIterator<Item = u32>, exponent: f64) -> Self {
        let weights: Vec<f64> =
            ranks.into_iter().map(|rank| (f64::from(rank) + 1.0).powf(exponent).recip()).collect();
        assert!(!weights.is_empty(), "a distribution over nothing");
        let total: f64 = weights.iter().sum();
        let mut below = 0.0;
        let mut cumulative: Vec<u64> = weights
            .iter()
            .map(|weight| {
                below += weight;
                (below / total * ONE as f64).round() as u64
            })
            .collect();
        // Rounding must not leave a gap at the end.
        if let Some(last) = cumulative.last_mut() {
            *last = ONE;
        }
        Self { cumulative: cumulative.into() }
    }

    /// Draws the index of a rank.
    pub fn draw(&self, stream: &mut Stream) -> usize {
        let drawn = stream.below(ONE);
        self.cumulative.partition_point(|&bound| bound <= drawn)
    }

    /// The probability of the index, in units of 2^-32.
    #[must_use]
    pub fn share(&self, index: usize) -> u64 {
        let below = if index == 0 { 0 } else { self.cumulative[index - 1] };
        self.cumulative[index] - below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(exponent: f64, draws: u32) -> Vec<u32> {
        let zipf = Zipf::over(0..10, exponent);
        let mut stream = Stream::new(3, "zipf", 0);
        let mut counts = vec![0; 10];
        (0..draws).for_each(|_| counts[zipf.draw(&mut stream)] += 1);
        counts
    }

    #[test]
    fn an_exponent_of_0_is_uniform() {
        let counts = counts(0.0, 100_000);
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }

    #[test]
    fn with_an_exponent_of_1_the_second_record_has_half_the_attention_of_the_first() {
        let counts = counts(1.0, 100_000);
        // 1 / H(10) is 0.3414.
        assert!((33_500..34_800).contains(&counts[0]), "{counts:?}");
        assert!((16_600..17_600).contains(&counts[1]), "{counts:?}");
        assert!((3_100..3_750).contains(&counts[9]), "{counts:?}");
    }

    #[test]
    fn the_shares_of_all_ranks_are_one() {
        let zipf = Zipf::over([4, 9, 14], 0.8);
        assert_eq!((0..3).map(|index| zipf.share(index)).sum::<u64>(), ONE);
        assert!(zipf.share(0) > zipf.share(1) && zipf.share(1) > zipf.share(2));
    }
}
