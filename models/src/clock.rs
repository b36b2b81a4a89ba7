//! Clocks: the instant handed to each step, stamps of writes, hybrid logical clocks, and how a wall clock goes wrong.

use core::fmt;
use serde::{Deserialize, Serialize};

/// What a replica is told about time at each step. The two never mix: stamps use `wall_us`, timeouts `monotonic_us`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Now {
    /// The replica's own wall clock, in microseconds since the Unix epoch. It may be wrong, jump and stand still.
    pub wall_us: i64,
    /// Microseconds since an arbitrary start. It never goes back.
    pub monotonic_us: u64,
}

/// When a write was taken, by the clock of the leader that took it.
///
/// The derived order is the comparator of last write wins: time, then the logical counter, then the replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// Microseconds since the Unix epoch, by the leader's clock.
    #[serde(rename = "us")]
    pub time_us: i64,
    /// The logical counter of a hybrid clock; 0 for a wall clock.
    #[serde(rename = "n")]
    pub logical: u32,
}

impl Stamp {
    /// The stamp of a version whose time was forgotten: it is older than any other.
    pub const UNKNOWN: Self = Self { time_us: i64::MIN, logical: 0 };
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} us", self.time_us)?;
        if self.logical > 0 {
            write!(f, "+{}", self.logical)?;
        }
        Ok(())
    }
}

/// Which clock stamps the writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockKind {
    /// The leader's wall clock, as it is.
    #[default]
    Wall,
    /// A hybrid logical clock: the wall clock, but never behind any stamp that the leader has seen.
    /// Kulkarni et al., "Logical Physical Clocks", OPODIS 2014.
    Hybrid,
}

/// The stamping clock of one leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StampClock {
    kind: ClockKind,
    last: Stamp,
}

impl StampClock {
    /// A clock that has seen nothing.
    #[must_use]
    pub const fn new(kind: ClockKind) -> Self {
        Self { kind, last: Stamp { time_us: i64::MIN, logical: 0 } }
    }

    /// The stamp of a write taken now.
    pub fn stamp(&mut self, now: Now) -> Stamp {
        let wall = Stamp { time_us: now.wall_us, logical: 0 };
        match self.kind {
            ClockKind::Wall => wall,
            ClockKind::Hybrid => {
                let next = if wall > self.last {
                    wall
                } else {
                    Stamp { time_us: self.last.time_us, logical: self.last.logical.saturating_add(1) }
                };
                self.last = next;
                next
            }
        }
    }

    /// Learns a stamp that came from elsewhere or from the log. A wall clock learns nothing.
    pub fn observe(&mut self, seen: Stamp) {
        if self.kind == ClockKind::Hybrid {
            self.last = self.last.max(seen);
        }
    }
}

/// How a replica's wall clock differs from the harness's, as the clock file holds it.
///
/// `wall = real + offset + (monotonic - base) * drift / 10^9`, in nanoseconds; when frozen, `wall = frozen_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ClockSetting {
    /// Added to the real time, nanoseconds.
    pub offset_ns: i64,
    /// The monotonic time from which drift counts, nanoseconds.
    pub base_monotonic_ns: i64,
    /// Parts per billion that the clock gains (or loses, when negative).
    pub drift_ppb: i64,
    /// If not 0, the wall clock stands still at this time, nanoseconds since the Unix epoch.
    pub frozen_at_ns: i64,
}

impl ClockSetting {
    /// Both clocks stand at this instant, where no time passes but what is said.
    #[must_use]
    pub const fn standing(now: Now) -> Self {
        let monotonic_ns = now.monotonic_us.saturating_mul(1000).cast_signed();
        let frozen_at_ns = now.wall_us.saturating_mul(1000);
        Self { offset_ns: 0, base_monotonic_ns: monotonic_ns, drift_ppb: 0, frozen_at_ns }
    }

    /// The wall clock in nanoseconds, given the real one and the monotonic one.
    #[must_use]
    pub const fn wall_ns(&self, real_ns: i64, monotonic_ns: i64) -> i64 {
        if self.frozen_at_ns != 0 {
            return self.frozen_at_ns;
        }
        // 128 bits in between: a day in nanoseconds times a drift in parts per billion does not fit in 64.
        let elapsed = monotonic_ns as i128 - self.base_monotonic_ns as i128;
        let drifted = elapsed * self.drift_ppb as i128 / 1_000_000_000;
        let wall = real_ns as i128 + self.offset_ns as i128 + drifted;
        if wall > i64::MAX as i128 {
            i64::MAX
        } else if wall < i64::MIN as i128 {
            i64::MIN
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "clamped above")]
            {
                wall as i64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall_us: i64) -> Now {
        Now { wall_us, monotonic_us: 0 }
    }

    #[test]
    fn a_wall_clock_goes_back_with_the_wall() {
        let mut clock = StampClock::new(ClockKind::Wall);
        assert!(clock.stamp(at(10)) > clock.stamp(at(5)));
    }

    #[test]
    fn a_hybrid_clock_never_goes_back_and_never_repeats() {
        let mut clock = StampClock::new(ClockKind::Hybrid);
        let first = clock.stamp(at(10));
        let second = clock.stamp(at(5));
        assert!(second > first);
        clock.observe(Stamp { time_us: 100, logical: 3 });
        assert_eq!(clock.stamp(at(50)), Stamp { time_us: 100, logical: 4 });
        assert_eq!(clock.stamp(at(200)), Stamp { time_us: 200, logical: 0 });
    }

    #[test]
    fn drift_counts_from_its_base_and_a_frozen_clock_stands() {
        let hour_ns = 3_600_000_000_000;
        let drifting =
            ClockSetting { offset_ns: 5, base_monotonic_ns: 0, drift_ppb: 1_000_000, frozen_at_ns: 0 };
        assert_eq!(drifting.wall_ns(hour_ns, hour_ns), hour_ns + 5 + 3_600_000_000);
        let frozen = ClockSetting { frozen_at_ns: 42, ..drifting };
        assert_eq!(frozen.wall_ns(hour_ns, hour_ns), 42);
    }
}
