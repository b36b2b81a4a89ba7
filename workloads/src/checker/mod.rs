//! Checkers: pure functions of a history, one a file.
//!
//! All of them watch the same single pass over the events. A new one is a file that implements [`Checker`] and a line
//! in [`for_workload`]. What only one operation can tell (its fate) is the [`ledger`]'s affair.

pub mod calendar;
pub mod convergence;
pub mod counter;
pub mod deletes;
pub mod finals;
pub mod ledger;
pub mod linearizable;
mod open;
pub mod set;
pub mod standalone;
mod table;
pub mod transactions;

pub use open::{Invocation, OpenOperations};

use crate::{
    history::{Event, FinalVersion, Quiescence},
    scenario::Workload,
    verdict::{Anomaly, Finding},
};
use finals::{Finals, View};
use ledger::Writes;
use quarrel_models::{
    handler::{Conflict, Resolution, side_by_side},
    strategy::Strategy,
    value::Value,
    version::{Version, VersionVector},
};
use serde::Serialize;
use std::{borrow::Cow, collections::BTreeMap};

/// The most examples that a report keeps of one kind.
pub const MAX_EXAMPLES: usize = 5;

/// What a checker finds in a history.
pub trait Checker {
    /// The checker's name, as reports spell it.
    fn name(&self) -> &'static str;

    /// Sees the next event. `invocation` is the operation that it begins or completes, for `invoke`, `ok`, `fail` and
    /// `info`.
    fn observe(&mut self, event: &Event, invocation: Option<&Invocation>);

    /// Judges, after the last event.
    fn finish(self: Box<Self>, evidence: &Evidence<'_>) -> Report;
}

/// What is known when the last event was seen.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What the replicas held in the end.
    pub finals: &'a Finals,
    /// All writes.
    pub writes: &'a Writes,
    /// How conflicts were to be resolved.
    pub strategy: &'a Strategy,
}

impl Evidence<'_> {
    /// Whether a view shows versions side by side. Where a handler runs on write, it has made one value of them: none,
    /// if it took the side of a deletion.
    #[must_use]
    pub fn has_siblings(&self, view: &View<'_>) -> bool {
        let merged = self.strategy.handler().is_some() && self.strategy.read_handler().is_none();
        // A handler that refused left them with their values; those of a merge are not kept.
        view.has_siblings() && (!merged || view.versions.iter().any(|held| held.value.is_some()))
    }

    /// The one value that a reader gets: of siblings, what the strategy's handler makes of them.
    #[must_use]
    pub fn resolved<'v>(&self, key: &str, view: &View<'v>) -> Option<Cow<'v, Value>> {
        let version = |held: &FinalVersion| Version {
            write: held.write,
            dot: held.dot,
            stamp: held.stamp,
            context: VersionVector::new(),
            value: held.value.clone(),
            updates: 0,
        };
        match self.strategy.read_handler() {
            Some(handler) if view.has_siblings() => {
                let versions: Vec<Version> = view.versions.iter().map(version).collect();
                match handler.resolve(&Conflict { key: &key.into(), versions: &versions, past: None }) {
                    Resolution::Value(value) => Some(Cow::Owned(value)),
                    Resolution::Delete => None,
                    Resolution::Refused(_) => Some(Cow::Owned(side_by_side(&versions))),
                }
            }
            _ => view.value.map(Cow::Borrowed),
        }
    }
}

/// What a checker found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Breaches, by kind.
    pub anomalies: Vec<AnomalyReport>,
    /// Counts and durations that are no breach.
    pub figures: BTreeMap<String, u64>,
}

/// One kind of breach, and how often it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnomalyReport {
    /// The kind.
    pub kind: Finding,
    /// How often.
    pub count: u64,
    /// The first few, a sentence each.
    pub examples: Vec<String>,
}

impl AnomalyReport {
    /// None seen yet.
    #[must_use]
    pub const fn new(kind: Anomaly) -> Self {
        Self { kind: Finding::Anomaly(kind), count: 0, examples: Vec::new() }
    }

    /// Counts one, and keeps its sentence if it is among the first.
    pub fn add(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(example());
        }
    }
}

impl Report {
    /// Takes up a kind of anomaly, if it was seen at all.
    pub fn push(&mut self, anomaly: AnomalyReport) {
        if anomaly.count > 0 {
            self.anomalies.push(anomaly);
        }
    }

    /// Notes a figure.
    pub fn figure(&mut self, name: &str, value: u64) {
        self.figures.insert(name.to_owned(), value);
    }
}

/// Whether replication came to rest.
#[must_use]
pub const fn is_rest(quiescence: &Quiescence) -> bool {
    matches!(quiescence, Quiescence::Positions { .. } | Quiescence::EqualDigests { .. })
}

/// The checkers that a workload needs, beside the ledger.
#[must_use]
pub fn for_workload(workload: &Workload) -> Vec<Box<dyn Checker>> {
    let mut checkers: Vec<Box<dyn Checker>> =
        vec![Box::new(convergence::Convergence), Box::new(deletes::Deletes)];
    match workload.name() {
        "set" => checkers.push(Box::<set::SetChecker>::default()),
        "counter" => checkers.push(Box::<counter::CounterChecker>::default()),
        "calendar" => checkers.push(Box::<calendar::CalendarChecker>::default()),
        _ => {}
    }
    checkers
}
