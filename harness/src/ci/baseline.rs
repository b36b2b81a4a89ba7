//! What was known before, and what is new or worse.

use crate::report::Summary;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The least and the greatest that a figure was, seconds, and in how many runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The least.
    pub least: f64,
    /// The greatest.
    pub most: f64,
    /// In so many runs.
    pub runs: usize,
}

/// What is known of a scenario.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Known {
    /// The kinds of what was found.
    pub found: BTreeSet<String>,
    /// Latencies, by name.
    pub latencies: BTreeMap<String, Range>,
}

/// What is known of each scenario, by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Baseline(pub BTreeMap<String, Known>);

/// Something that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Regression {
    /// The scenario.
    pub scenario: String,
    /// Whether an answer took longer; else something was found that was not there before.
    pub is_latency: bool,
    /// What, in a sentence.
    pub what: String,
}

impl Baseline {
    /// What these runs show.
    #[must_use]
    pub fn of<'a>(runs: impl IntoIterator<Item = &'a Summary>) -> Self {
        let mut all: BTreeMap<String, Known> = BTreeMap::new();
        for run in runs {
            let known = all.entry(run.scenario.clone()).or_default();
            known
                .found
                .extend(run.anomalies.iter().filter(|found| found.count > 0).map(|found| found.kind.clone()));
            let Some(of) = run.latency else { continue };
            for (name, seconds) in [
                ("write p50", of.write_p50),
                ("write p99", of.write_p99),
                ("read p50", of.read_p50),
                ("read p99", of.read_p99),
            ] {
                let fresh = Range { least: seconds, most: seconds, runs: 0 };
                let range = known.latencies.entry(name.to_owned()).or_insert(fresh);
                range.least = range.least.min(seconds);
                range.most = range.most.max(seconds);
                range.runs += 1;
            }
        }
        Self(all)
    }

    /// What is new or worse in these, and the figures that nobody can judge since only one run of either side has
    /// them.
    #[must_use]
    pub fn regressions(&self, now: &Self) -> (Vec<Regression>, Vec<String>) {
        let (mut worse, mut open) = (Vec::new(), Vec::new());
        for (scenario, known) in &now.0 {
            let Some(before) = self.0.get(scenario) else {
                open.push(format!("{scenario}: the baseline does not have it"));
                continue;
            };
            for found in known.found.difference(&before.found) {
                let what = format!("{found} was not found before");
                worse.push(Regression { scenario: scenario.clone(), is_latency: false, what });
            }
            for (name, now) in &known.latencies {
                let Some(before) = before.latencies.get(name) else { continue };
                if now.runs < 2 && before.runs < 2 {
                    open.push(format!(
                        "{scenario}: {name} is of one run each, so that its spread is not known"
                    ));
                } else if is_worse(before, now) {
                    let what = format!(
                        "{name} was {:.1} to {:.1} ms and is {:.1} to {:.1} ms",
                        before.least * 1e3,
                        before.most * 1e3,
                        now.least * 1e3,
                        now.most * 1e3
                    );
                    worse.push(Regression { scenario: scenario.clone(), is_latency: true, what });
                }
            }
        }
        (worse, open)
    }
}

/// Even the fastest run now is slower than the slowest then, by more than the runs of either side are apart.
fn is_worse(before: &Range, now: &Range) -> bool {
    let spread = (before.most - before.least).max(now.most - now.least);
    now.least - before.most > spread
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(found: &[&str], least: f64, most: f64, runs: usize) -> Baseline {
        let latencies = BTreeMap::from([("write p99".to_owned(), Range { least, most, runs })]);
        let found = found.iter().map(|kind| (*kind).to_owned()).collect();
        Baseline(BTreeMap::from([("smoke".to_owned(), Known { found, latencies })]))
    }

    #[test]
    fn what_was_not_found_before_is_new_and_what_is_gone_is_no_matter() {
        let before = known(&["divergence"], 0.001, 0.002, 2);
        let (worse, open) = before.regressions(&known(&["lost-element"], 0.001, 0.002, 2));
        assert_eq!(worse.len(), 1);
        assert_eq!((worse[0].what.as_str(), open.len()), ("lost-element was not found before", 0));
        assert_eq!(before.regressions(&before).0, []);
    }

    #[test]
    fn a_latency_is_worse_only_beyond_its_spread() {
        let before = known(&[], 0.001, 0.002, 2);
        let worse = |now: &Baseline| before.regressions(now).0.len();
        assert_eq!(worse(&known(&[], 0.0025, 0.003, 2)), 0, "within the spread");
        assert_eq!(worse(&known(&[], 0.0035, 0.004, 2)), 1);
        assert_eq!(worse(&known(&[], 0.0035, 0.009, 2)), 0, "the new runs are too far apart");
    }

    #[test]
    fn one_run_each_shows_nothing_and_a_stranger_is_named() {
        let (worse, open) = known(&[], 0.001, 0.001, 1).regressions(&known(&[], 0.9, 0.9, 1));
        assert_eq!((worse.len(), open.len()), (0, 1));
        let (_, open) = Baseline::default().regressions(&known(&[], 0.9, 0.9, 1));
        assert!(open[0].contains("does not have it"), "{open:?}");
    }
}
