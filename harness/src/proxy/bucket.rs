//! The token bucket of a link with a bandwidth.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// How much an idle link may save up, and half of it the least that is worth a wake-up.
const BURST: Duration = Duration::from_millis(10);

/// A token bucket as one instant: the time at which all that was spent had been paid for at this rate (the
/// "generic cell rate algorithm" of ATM). It begins empty.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: NonZeroU64,
    paid: Instant,
}

impl Bucket {
    pub(super) fn new(rate: NonZeroU64, now: Instant) -> Self {
        Self { rate, paid: now }
    }

    /// The bucket with another rate, and with what was saved, as time.
    pub(super) fn at_rate(self, rate: NonZeroU64) -> Self {
        Self { rate, ..self }
    }

    /// How many of `wanted` bytes (more than 0) may leave now, else when it is worth asking again.
    pub(super) fn allowed(&mut self, wanted: usize, now: Instant) -> Result<usize, Instant> {
        let burst = BURST.max(self.time_of(2));
        if let Some(earliest) = now.checked_sub(burst) {
            self.paid = self.paid.max(earliest);
        }
        let saved =
            now.saturating_duration_since(self.paid).as_nanos() * u128::from(self.rate.get()) / 1_000_000_000;
        let saved = usize::try_from(saved).unwrap_or(usize::MAX);
        let worthwhile = wanted.min(self.bytes_in(burst / 2));
        if saved >= worthwhile { Ok(wanted.min(saved)) } else { Err(self.paid + self.time_of(worthwhile)) }
    }

    /// Pays for bytes that have left.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.paid += self.time_of(bytes);
    }

    fn bytes_in(&self, time: Duration) -> usize {
        let bytes = time.as_nanos() * u128::from(self.rate.get()) / 1_000_000_000;
        usize::try_from(bytes).unwrap_or(usize::MAX).max(1)
    }

    /// The time that so many bytes take, rounded up.
    fn time_of(&self, bytes: usize) -> Duration {
        let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(self.rate.get()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delivers `total` bytes as fast as the bucket lets it; returns the time that took.
    fn drain(bucket: &mut Bucket, start: Instant, mut total: usize) -> Duration {
        let mut now = start;
        while total > 0 {
            match bucket.allowed(total, now) {
                Ok(bytes) => {
                    bucket.spend(bytes);
                    total -= bytes;
                }
                Err(at) => {
                    assert!(at > now, "a wait that does not end");
                    now = at;
                }
            }
        }
        now - start
    }

    #[test]
    fn bytes_take_their_time_at_any_rate() {
        for (rate, bytes) in
            [(1, 3), (10, 25), (1_000, 2_000), (1_000_000, 500_000), (3_000_000_000, 3_000_000)]
        {
            let start = Instant::now();
            let mut bucket = Bucket::new(NonZeroU64::new(rate).unwrap(), start);
            let ideal = Duration::from_secs_f64(bytes as f64 / rate as f64);
            let taken = drain(&mut bucket, start, bytes);
            assert!(taken + Duration::from_micros(1) >= ideal, "{rate} B/s: {taken:?} < {ideal:?}");
            assert!(taken <= ideal + Duration::from_millis(1), "{rate} B/s: {taken:?} > {ideal:?}");
        }
    }

    #[test]
    fn an_idle_link_saves_up_no_more_than_a_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(NonZeroU64::new(1_000_000).unwrap(), start);
        assert_eq!(bucket.allowed(usize::MAX, start + Duration::from_secs(60)), Ok(10_000));
    }
}
