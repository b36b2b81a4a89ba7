//! What a measurement has shown, as it is reported and kept.

use super::{
    metric::{Figures, Latencies, Series},
    observe::Tally,
    plan::{Plan, Setup},
    saturation::Step,
    threshold::{Held, Threshold},
};
use quarrel_workloads::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The metrics of which curves are kept, and by which setups are compared.
pub const COMPARED: [&str; 4] = ["write.ack", "read.ack", "visibility.all", "lag.all"];
/// The points of a curve: so many for every nine.
const POINTS_PER_NINE: u32 = 12;

/// A latency of a setup over all repetitions, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Metric {
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
    /// The least and the greatest median of any repetition.
    pub p50_spread: (f64, f64),
    /// The same of the 99th percentile.
    pub p99_spread: (f64, f64),
    /// What links and hops let expect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<f64>,
    /// Points of the curve of percentiles: the share that is not greater, in nines, and the latency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(f64, f64)>,
}

/// A number of a setup over all repetitions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scalar {
    /// The median of the repetitions.
    pub median: f64,
    /// The least of them.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

/// What was measured of one setup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// `ring`, `star`, `all-to-all`, `custom` or `target`.
    pub topology: String,
    /// The number of leaders.
    pub leaders: usize,
    /// The conflict strategy, with its variant.
    pub strategy: String,
    /// How long a link takes, seconds; nothing where it is not ours.
    pub link_delay: Option<f64>,
    /// Completed repetitions.
    pub repetitions: usize,
    /// The latencies, by name.
    pub metrics: BTreeMap<String, Metric>,
    /// The numbers, by name.
    pub scalars: BTreeMap<String, Scalar>,
    /// Throughput against offered rate.
    pub saturation: Vec<Step>,
    /// What did not go as it should.
    pub tally: Tally,
}

/// How far a setup is from the first one, in one figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The metric.
    pub metric: String,
    /// `p50` or `p99`.
    pub figure: String,
    /// The setup that the other is measured against.
    pub first: String,
    /// The other one.
    pub other: String,
    /// By how much the other is slower, seconds; negative if it is faster.
    pub seconds: f64,
    /// How far the repetitions of one of them are apart, seconds; the greater of both.
    pub spread: f64,
    /// What to think of it.
    pub judgement: Weight,
}

/// What a difference is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Greater than the repetitions are apart.
    Real,
    /// Not greater.
    Noise,
    /// There was one repetition only: nobody knows.
    Unknown,
}

/// A measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether all writes arrived, the cluster came to rest, and something was measured of each setup. What is missed
    /// of thresholds is told apart.
    pub verdict: Verdict,
    /// Why the verdict is not a pass, in sentences.
    pub reasons: Vec<String>,
    /// The setups, in the order in which they were asked for.
    pub topologies: Vec<Measured>,
    /// Each against the first one.
    pub differences: Vec<Difference>,
    /// The thresholds, each held against every setup.
    pub thresholds: Vec<Held>,
    /// Operations per second that were offered, all leaders together.
    pub rate: f64,
    /// Whether it was stopped early.
    pub interrupted: bool,
}

impl Metric {
    fn new(series: &Series, predicted: Option<f64>, with_curve: bool) -> Self {
        let Figures { p50, p90, p99, p999, max, mean, count } = Figures::of(&series.merged);
        let curve = if with_curve { curve(series) } else { Vec::new() };
        let (p50_spread, p99_spread) = (series.spread(|of| of.p50), series.spread(|of| of.p99));
        Self { p50, p90, p99, p999, max, mean, count, p50_spread, p99_spread, predicted, curve }
    }

    /// The same without what only a drawing needs.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let Self { p50, p90, p99, p999, max, mean, count, .. } = *self;
        Figures { p50, p90, p99, p999, max, mean, count }
    }
}

/// As many nines as there are operations for.
fn curve(series: &Series) -> Vec<(f64, f64)> {
    let count = series.merged.len();
    if count < 2 {
        return Vec::new();
    }
    let nines = (count as f64).log10().min(6.0);
    let points = (0..).map(|n| f64::from(n) / f64::from(POINTS_PER_NINE)).take_while(|at| *at < nines);
    let value = |at: f64| series.merged.value_at_quantile(1.0 - 10_f64.powf(-at)) as f64 / 1e9;
    points.chain([nines]).map(|at| (at, value(at))).collect()
}

impl Scalar {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Self { median: values[values.len() / 2], least, most })
    }
}

impl Measured {
    /// What was measured of a setup.
    pub(super) fn new(
        setup: &Setup,
        is_target: bool,
        latencies: &Latencies,
        scalars: BTreeMap<&'static str, Vec<f64>>,
        saturation: Vec<Step>,
        tally: Tally,
    ) -> Self {
        let delay = setup.link_delay().as_secs_f64();
        let metric = |(name, series): (&String, &Series)| {
            let hops = name.split_once(".hops-").and_then(|(_, hops)| hops.parse::<u32>().ok());
            let predicted = hops.filter(|_| !is_target).map(|hops| f64::from(hops) * delay);
            (name.clone(), Metric::new(series, predicted, COMPARED.contains(&name.as_str())))
        };
        let topology = if is_target { "target" } else { setup.scenario.cluster.topology.name() };
        Self {
            topology: topology.to_owned(),
            leaders: setup.scenario.cluster.leaders,
            strategy: setup.scenario.strategy.to_string(),
            link_delay: (!is_target).then_some(delay),
            repetitions: latencies.values().map(|series| series.repetitions.len()).max().unwrap_or(0),
            metrics: latencies.iter().map(metric).collect(),
            scalars: scalars
                .into_iter()
                .filter_map(|(name, values)| Some((name.to_owned(), Scalar::of(values)?)))
                .collect(),
            saturation,
            tally,
        }
    }

    /// The name, such as `ring x3`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} x{}", self.topology, self.leaders)
    }

    /// The most that it did per second.
    #[must_use]
    pub fn peak(&self) -> Option<&Step> {
        self.saturation.iter().max_by(|a, b| a.achieved.total_cmp(&b.achieved))
    }
}

/// How far the others are from the first, in what is compared.
#[must_use]
pub(super) fn differences(measured: &[Measured]) -> Vec<Difference> {
    let Some((first, others)) = measured.split_first() else { return Vec::new() };
    let mut all = Vec::new();
    for metric in COMPARED {
        for other in others {
            let (Some(ours), Some(theirs)) = (first.metrics.get(metric), other.metrics.get(metric)) else {
                continue;
            };
            let single = first.repetitions < 2 || other.repetitions < 2;
            let figures = [
                ("p50", ours.p50, theirs.p50, ours.p50_spread, theirs.p50_spread),
                ("p99", ours.p99, theirs.p99, ours.p99_spread, theirs.p99_spread),
            ];
            for (figure, ours, theirs, our_spread, their_spread) in figures {
                let spread = (our_spread.1 - our_spread.0).max(their_spread.1 - their_spread.0);
                let seconds = theirs - ours;
                let judgement = match (single, seconds.abs() > spread) {
                    (true, _) => Weight::Unknown,
                    (false, true) => Weight::Real,
                    (false, false) => Weight::Noise,
                };
                let (metric, figure) = (metric.to_owned(), figure.to_owned());
                let (first, other) = (first.name(), other.name());
                all.push(Difference { metric, figure, first, other, seconds, spread, judgement });
            }
        }
    }
    all
}

impl Outcome {
    /// Judges what was measured.
    pub(super) fn new(
        topologies: Vec<Measured>,
        thresholds: &[Threshold],
        plan: &Plan,
        interrupted: bool,
    ) -> Self {
        let (verdict, reasons) = judge(&topologies, plan);
        let hold = |threshold: &Threshold| -> Vec<Held> {
            let held = |of: &Measured| {
                let latency = |name: &str| of.metrics.get(name).map(Metric::figures);
                let scalar = |name: &str| of.scalars.get(name).map(|scalar| scalar.median);
                threshold.hold(&of.name(), latency, scalar)
            };
            topologies.iter().map(held).collect()
        };
        let thresholds = thresholds.iter().flat_map(hold).collect();
        let differences = differences(&topologies);
        Self { verdict, reasons, topologies, differences, thresholds, rate: plan.rate, interrupted }
    }

    /// The verdicts of all thresholds together: whatever is missed, whatever could not be measured.
    #[must_use]
    pub fn threshold_verdict(&self) -> Verdict {
        self.thresholds.iter().map(|held| held.verdict).fold(Verdict::Pass, Verdict::merge)
    }
}

fn judge(topologies: &[Measured], plan: &Plan) -> (Verdict, Vec<String>) {
    let (mut verdict, mut reasons) = (Verdict::Pass, Vec::new());
    let mut say = |worse: Verdict, reason: String| {
        verdict = verdict.merge(worse);
        reasons.push(reason);
    };
    for measured in topologies {
        let (name, tally) = (measured.name(), &measured.tally);
        if tally.unseen > 0 {
            let unseen = tally.unseen;
            say(
                Verdict::Fail,
                format!("{name}: {unseen} acknowledged writes never became visible everywhere"),
            );
        }
        if let Some(why) = tally.restless.first() {
            say(Verdict::Unknown, format!("{name}: replication did not come to rest: {why}"));
        }
        if tally.unserved > 0 {
            let unserved = tally.unserved;
            let why = format!(
                "{name}: {unserved} operations were due and never begun: {} a second are more than it can take",
                plan.rate
            );
            say(Verdict::Unknown, why);
        }
        let answered = ["write.ack", "read.ack"].iter().any(|name| measured.metrics.contains_key(*name));
        if !answered {
            say(Verdict::Unknown, format!("{name}: nothing was acknowledged while it was measured"));
        }
    }
    (verdict, reasons)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(topology: &str, medians: &[u64]) -> Measured {
        let mut series = Series::new();
        for &median in medians {
            series.add([median; 10]);
        }
        Measured {
            topology: topology.to_owned(),
            leaders: 3,
            strategy: String::new(),
            link_delay: None,
            repetitions: medians.len(),
            metrics: BTreeMap::from([("write.ack".to_owned(), Metric::new(&series, None, true))]),
            scalars: BTreeMap::new(),
            saturation: Vec::new(),
            tally: Tally::default(),
        }
    }

    fn weights(first: &[u64], other: &[u64]) -> Vec<Weight> {
        let all = differences(&[measured("ring", first), measured("star", other)]);
        all.iter().map(|difference| difference.judgement).collect()
    }

    #[test]
    fn a_difference_smaller_than_the_spread_is_noise() {
        assert_eq!(weights(&[1_000_000, 1_400_000], &[1_300_000, 1_500_000])[0], Weight::Noise);
        assert_eq!(weights(&[1_000_000, 1_100_000], &[2_000_000, 2_050_000])[0], Weight::Real);
        assert_eq!(weights(&[1_000_000], &[9_000_000])[0], Weight::Unknown);
    }

    #[test]
    fn a_write_that_is_not_everywhere_fails_and_silence_is_no_pass() {
        let plan = super::super::tests::plan();
        assert_eq!(judge(&[measured("ring", &[1_000_000])], &plan).0, Verdict::Pass);
        let mut lost = measured("ring", &[1_000_000]);
        lost.tally.unseen = 1;
        assert_eq!(judge(&[lost], &plan).0, Verdict::Fail);
        let mut silent = measured("ring", &[]);
        silent.metrics.clear();
        assert_eq!(judge(&[silent], &plan).0, Verdict::Unknown);
        let mut late = measured("ring", &[1_000_000]);
        late.tally.unserved = 3;
        assert_eq!(judge(&[late], &plan).0, Verdict::Unknown);
    }

    #[test]
    fn a_curve_goes_no_further_than_its_operations() {
        let mut series = Series::new();
        series.add((1..=1000).map(|n| n * 10_000));
        let curve = curve(&series);
        assert!(curve.iter().all(|(nines, _)| *nines <= 3.0));
        assert!(curve.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{curve:?}");
    }
}
