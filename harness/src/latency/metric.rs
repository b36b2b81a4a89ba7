//! The metrics: their names, and what is kept of each.
//!
//! | name | from | to |
//! |---|---|---|
//! | `write.ack`, `read.ack` | when the operation was due | its answer |
//! | `visibility.each` | when the write was due | applied at another replica |
//! | `visibility.hops-N` | the same | at one N links away from the leader that took it |
//! | `visibility.all` | the same | at the last of them |
//! | `lag.each`, `lag.hops-N`, `lag.all` | applied by the leader that took it | as above |
//! | `converge.heal` | the heal of a partition | everything taken before it is everywhere |
//!
//! With `.actual`, a latency counts from when the client really began; with `@partition` or `@recovery`, it is of
//! operations that were due then. The scalars: `throughput` in operations per second, `messages-per-write` and
//! `bytes-per-write` on the replication links, both ways.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// Latencies are kept from a microsecond to ten minutes, to three digits.
const RANGE_NS: (u64, u64) = (1_000, 600_000_000_000);

/// What can be measured as a latency, without phase and number of hops.
const LATENCIES: [&str; 9] = [
    "write.ack",
    "read.ack",
    "visibility.each",
    "visibility.hops-N",
    "visibility.all",
    "lag.each",
    "lag.hops-N",
    "lag.all",
    "converge.heal",
];
/// What is a number of its own.
pub(super) const SCALARS: [&str; 3] = ["throughput", "messages-per-write", "bytes-per-write"];

/// A distribution, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, serde::Deserialize, Default)]
pub struct Figures {
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The 99.9th percentile.
    pub p999: f64,
    /// The greatest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// How many there are.
    pub count: u64,
}

/// A metric over all repetitions.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// All values together, nanoseconds.
    pub(super) merged: Histogram<u64>,
    /// Each repetition by itself.
    pub(super) repetitions: Vec<Figures>,
}

/// All latencies of a setup, by name.
pub(super) type Latencies = BTreeMap<String, Series>;

/// A histogram for latencies in nanoseconds.
#[must_use]
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(RANGE_NS.0, RANGE_NS.1, 3).expect("the bounds are constants that fit")
}

/// Counts values, in nanoseconds.
#[must_use]
pub(super) fn histogram_of(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
    let mut histogram = histogram();
    values.into_iter().for_each(|value| histogram.saturating_record(value.max(RANGE_NS.0)));
    histogram
}

impl Figures {
    /// Those of a histogram of nanoseconds.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| seconds(histogram.value_at_quantile(quantile));
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: seconds(histogram.max()),
            mean: histogram.mean() / 1e9,
            count: histogram.len(),
        }
    }
}

fn seconds(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64()
}

impl Series {
    /// A series without repetitions.
    #[must_use]
    pub(super) fn new() -> Self {
        Self { merged: histogram(), repetitions: Vec::new() }
    }

    /// Adds a repetition's values, in nanoseconds.
    pub(super) fn add(&mut self, values: impl IntoIterator<Item = u64>) {
        let histogram = histogram_of(values);
        self.repetitions.push(Figures::of(&histogram));
        self.merged.add(&histogram).expect("all histograms here have the same bounds");
    }

    /// The least and the greatest that a figure was in any repetition.
    #[must_use]
    pub(super) fn spread(&self, figure: fn(&Figures) -> f64) -> (f64, f64) {
        let all = self.repetitions.iter().filter(|of| of.count > 0).map(figure);
        all.fold((f64::INFINITY, 0.0), |(least, most), at| (least.min(at), most.max(at)))
    }
}

impl Default for Series {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether there can be a latency of this name, in a cluster whatever its size.
#[must_use]
pub(super) fn is_latency(name: &str) -> bool {
    let name = name.strip_suffix("@partition").or_else(|| name.strip_suffix("@recovery")).unwrap_or(name);
    let bare =
        name.strip_suffix(".actual").filter(|bare| !bare.starts_with("lag") && *bare != "converge.heal");
    let name = bare.unwrap_or(name);
    let hops = |known: &str| {
        let number = known.strip_suffix('N').and_then(|stem| name.strip_prefix(stem));
        number.is_some_and(|number| number.parse().is_ok_and(|hops: u32| hops > 0))
    };
    LATENCIES.iter().any(|known| name == *known && !known.ends_with('N') || hops(known))
}

/// Whether there is a scalar of this name.
#[must_use]
pub(super) fn is_scalar(name: &str) -> bool {
    SCALARS.contains(&name)
}

/// The names that there can be, for people.
#[must_use]
pub fn known() -> String {
    let (answers, rest) = LATENCIES.split_at(5);
    format!(
        "{},\n  {}\n  each may end in .actual (from the actual start), then in @partition or \
         @recovery;\n  and without a percentile: {}",
        answers.join(", "),
        rest.join(", "),
        SCALARS.join(", ")
    )
}

/// The place of a metric in a list for people: answers, visibility, lag, convergence; steady before faults.
#[must_use]
pub fn rank(name: &str) -> (usize, bool, usize, String) {
    let (bare, phase) = name.split_once('@').unwrap_or((name, ""));
    let actual = bare.ends_with(".actual");
    let stem = bare.strip_suffix(".actual").unwrap_or(bare);
    let kind = LATENCIES.iter().position(|known| {
        stem == *known || known.strip_suffix('N').is_some_and(|known| stem.starts_with(known))
    });
    let phase = ["", "partition", "recovery"].iter().position(|known| *known == phase);
    (phase.unwrap_or(usize::MAX), actual, kind.unwrap_or(usize::MAX), stem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_measured_has_a_name() {
        for name in [
            "write.ack",
            "read.ack.actual@partition",
            "visibility.hops-12",
            "visibility.all.actual",
            "lag.hops-1@recovery",
            "converge.heal",
        ] {
            assert!(is_latency(name), "{name}");
        }
        for name in [
            "write.akc",
            "write",
            "visibility.hops-N",
            "visibility.hops-0",
            "lag.all.actual",
            "converge.heal.actual",
            "write.ack@warm-up",
            "throughput",
        ] {
            assert!(!is_latency(name), "{name}");
        }
    }

    #[test]
    fn a_series_knows_how_far_its_repetitions_are_apart() {
        let mut series = Series::new();
        series.add([1_000_000, 2_000_000, 3_000_000]);
        series.add([4_000_000; 3]);
        series.add([]);
        let (least, most) = series.spread(|of| of.p50);
        assert!((least - 0.002).abs() < 1e-5 && (most - 0.004).abs() < 1e-5, "{least} {most}");
        assert_eq!((series.merged.len(), series.repetitions.len()), (6, 3));
    }
}
