//! What reports say of a run: everything that a reader is shown, and nothing that must be computed again.
//!
//! It is also what `verdict.json` keeps, so that old runs can be shown without judging them again.

use quarrel_models::fate::Fate;
use quarrel_workloads::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One judged run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// The system under test.
    pub system: String,
    /// The strategy's name, such as `lww`.
    pub strategy: String,
    /// Its parameters in a few words; empty for the plain form.
    #[serde(default)]
    pub variant: String,
    /// The topology's name.
    pub topology: String,
    /// The number of leaders.
    pub leaders: usize,
    /// The seed.
    pub seed: u64,
    /// The verdict of the whole run.
    pub verdict: Verdict,
    /// Whether the user ended the run before its time: then the verdict is of what there is.
    #[serde(default)]
    pub interrupted: bool,
    /// How long the run, or the check, took.
    pub seconds: f64,
    /// How many acknowledged writes met each fate; all fates are named.
    pub fates: BTreeMap<Fate, u64>,
    /// What was found: losing fates and anomalies, worst first.
    pub anomalies: Vec<Found>,
    /// What the contract says of each thing that can be found.
    pub properties: Vec<Property>,
    /// The situations that had to arise.
    pub marks: Vec<Mark>,
    /// How operations ended.
    pub operations: Operations,
    /// Latencies in seconds; absent for a recorded history.
    #[serde(default)]
    pub latency: Option<Latencies>,
    /// The run's folder; absent for a history on its own.
    #[serde(default)]
    pub results: Option<String>,
    /// The command that shows it again.
    pub again: String,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its name, such as `causal-inversion`.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// The first or worst case in a sentence; may be empty.
    pub witness: String,
}

/// One thing that the contract speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// Its name, such as `causal-inversion`.
    pub name: String,
    /// Whether it is as the contract wants it.
    pub verdict: Verdict,
    /// Why, in a few words, such as `2 found, none allowed`.
    pub detail: String,
    /// Whether there is something to see although it passes.
    #[serde(default)]
    pub notable: bool,
    /// The cases that show it, a sentence each.
    #[serde(default)]
    pub evidence: Vec<String>,
}

/// A situation that had to arise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Its name.
    pub name: String,
    /// What it means.
    pub about: String,
    /// How often it arose.
    pub count: u64,
    /// Whether the verdict hangs on it.
    pub required: bool,
}

/// How operations ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Operations {
    /// They happened.
    pub ok: u64,
    /// They did not happen.
    pub fail: u64,
    /// Nobody knows.
    pub info: u64,
}

/// Latencies in seconds, corrected for coordinated omission where the load is an open loop.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Latencies {
    /// Half of the writes were faster.
    pub write_p50: f64,
    /// 99 of 100 writes were faster.
    pub write_p99: f64,
    /// Half of the reads were faster.
    pub read_p50: f64,
    /// 99 of 100 reads were faster.
    pub read_p99: f64,
}

impl Operations {
    /// All of them.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.ok + self.fail + self.info
    }
}

impl Summary {
    /// The properties of this verdict.
    pub fn of(&self, verdict: Verdict) -> impl Iterator<Item = &Property> {
        self.properties.iter().filter(move |property| property.verdict == verdict)
    }

    /// How many of the required marks were hit, and how many there are.
    #[must_use]
    pub fn marks_hit(&self) -> (usize, usize) {
        let required = || self.marks.iter().filter(|mark| mark.required);
        (required().filter(|mark| mark.count > 0).count(), required().count())
    }

    /// The worst thing that was found, and its witness.
    #[must_use]
    pub fn worst(&self) -> Option<&Found> {
        self.anomalies.first()
    }

    /// How many acknowledged writes met this fate.
    #[must_use]
    pub fn fate(&self, fate: Fate) -> u64 {
        self.fates.get(&fate).copied().unwrap_or(0)
    }

    /// How often this was found.
    #[must_use]
    pub fn found(&self, kind: &str) -> u64 {
        self.anomalies.iter().find(|found| found.kind == kind).map_or(0, |found| found.count)
    }
}
