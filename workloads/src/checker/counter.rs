//! Counters: the final value is the sum of what was added.

use super::{AnomalyReport, Checker, Evidence, Invocation, Report, ledger::sums::Possible};
use crate::{history::Event, verdict::Anomaly};
use quarrel_models::{
    operation::Operation,
    value::{Key, Value},
};
use std::collections::BTreeMap;

/// Sums up. The final value must be the sum of all acknowledged additions and of some of the unanswered ones.
///
/// Reads during the run are compared with the least and the greatest value that was possible so far, over all
/// replicas: what falls outside is counted, not failed, since a read may lag behind.
#[derive(Debug, Default)]
pub struct CounterChecker {
    records: BTreeMap<Key, Counter>,
    reads_outside: u64,
}

#[derive(Debug, Default)]
struct Counter {
    acknowledged: i128,
    unanswered: Vec<i64>,
    /// Additions under way or done: the most that a read may show, upwards and downwards.
    upwards: i128,
    downwards: i128,
    /// Something else was done to the record: its value is anything.
    replaced: bool,
}

impl CounterChecker {
    fn counter(&mut self, key: &Key) -> &mut Counter {
        if !self.records.contains_key(key) {
            self.records.insert(key.clone(), Counter::default());
        }
        self.records.get_mut(key).expect("it was just put there")
    }
}

impl Checker for CounterChecker {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn observe(&mut self, event: &Event, invocation: Option<&Invocation>) {
        let Some(invocation) = invocation else { return };
        let key = &invocation.key;
        match (event, &invocation.op) {
            (Event::Invoke { .. }, Operation::Add(delta)) => {
                let counter = self.counter(key);
                counter.upwards += i128::from((*delta).max(0));
                counter.downwards += i128::from((*delta).min(0));
                counter.unanswered.push(*delta);
            }
            (Event::Invoke { .. }, Operation::Put(_) | Operation::Delete) => {
                self.counter(key).replaced = true
            }
            (Event::Ok { .. } | Event::Fail { .. }, Operation::Add(delta)) => {
                let counter = self.counter(key);
                // What is open stands near the end.
                if let Some(at) = counter.unanswered.iter().rposition(|open| open == delta) {
                    counter.unanswered.swap_remove(at);
                }
                if matches!(event, Event::Ok { .. }) {
                    counter.acknowledged += i128::from(*delta);
                }
            }
            (Event::Ok { result, .. }, Operation::Read) => {
                let value = result.value.as_ref().map_or(Some(0), Value::as_int).map(i128::from);
                let counter = self.counter(key);
                let (least, most) = (counter.downwards, counter.upwards);
                let outside = value.is_none_or(|value| !(least..=most).contains(&value)) && !counter.replaced;
                self.reads_outside += u64::from(outside);
            }
            _ => {}
        }
    }

    fn finish(self: Box<Self>, evidence: &Evidence<'_>) -> Report {
        let mut report = Report::default();
        if !evidence.finals.at_rest() {
            return report;
        }
        let mut drift = AnomalyReport::new(Anomaly::CounterDrift);
        for (key, counter) in self.records.iter().filter(|(_, counter)| !counter.replaced) {
            let possible = Possible::new(counter.acknowledged, counter.unanswered.iter().copied());
            for view in evidence.finals.live_views(key) {
                let shown = view.shown();
                let explained = |value: &Option<&Value>| {
                    value.map_or(Some(0), Value::as_int).is_some_and(|value| possible.contains(value))
                };
                if !view.has_siblings() && !shown.iter().all(explained) {
                    drift.add(|| example(key, &view, &possible));
                    break;
                }
            }
        }
        report.push(drift);
        report.figure("counter reads out of bounds", self.reads_outside);
        report
    }
}

fn example(key: &str, view: &super::finals::View<'_>, possible: &Possible) -> String {
    let (least, most) = possible.range();
    let expected = if least == most { least.to_string() } else { format!("from {least} to {most}") };
    let verb = if view.replicas.len() == 1 { "shows" } else { "show" };
    format!("{key}: {} {verb} {}, and the additions make {expected}", view.replicas.names(), view.describe())
}
