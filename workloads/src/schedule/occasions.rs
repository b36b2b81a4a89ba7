//! When a fault happens: at fixed times, or about every so often, at times drawn from the seed.

use super::Cause;
use crate::scenario::Span;
use quarrel_models::random::Stream;
use std::time::Duration;

/// The least time between two drawn occasions.
const LEAST_GAP: Duration = Duration::from_millis(1);

/// Draws occasions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occasions {
    pub(super) seed: u64,
    pub(super) storm: Duration,
}

/// One occasion, with randomness of its own: leaving one out changes no other.
#[derive(Debug)]
pub(super) struct Occasion {
    pub(super) at: Duration,
    pub(super) choices: Stream,
}

impl Occasions {
    /// All occasions within the storm, in order.
    pub(super) fn of(self, cause: Cause, at: &[Span], every: Option<Span>) -> Vec<Occasion> {
        let mut times: Vec<Duration> = match every {
            Some(every) => self.drawn(cause, every.duration()),
            None => at.iter().map(|span| span.duration()).collect(),
        };
        times.retain(|time| *time < self.storm);
        times.sort_unstable();
        let occasion = |(number, at)| Occasion { at, choices: self.stream(cause, number) };
        (1_u64..).zip(times).map(occasion).collect()
    }

    /// Times that are from half to one and a half of `every` apart, uniformly.
    fn drawn(self, cause: Cause, every: Duration) -> Vec<Duration> {
        let mut stream = self.stream(cause, 0);
        let every_us = u64::try_from(every.as_micros()).unwrap_or(u64::MAX / 2).max(1);
        let mut gap = || Duration::from_micros(every_us / 2 + stream.below(every_us)).max(LEAST_GAP);
        let mut times = Vec::new();
        let mut at = gap();
        while at < self.storm {
            times.push(at);
            at += gap();
        }
        times
    }

    fn stream(self, cause: Cause, number: u64) -> Stream {
        Stream::new(self.seed, cause.table, ((cause.index as u64) << 32) | number)
    }
}
