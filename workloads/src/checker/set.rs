//! Sets of unique elements: what was added and never removed is there.

use super::{AnomalyReport, Checker, Evidence, Invocation, Report, finals::Replicas};
use crate::{history::Event, verdict::Anomaly};
use quarrel_models::{
    id::WriteId,
    operation::Operation,
    value::{Key, Value},
};
use std::collections::{BTreeMap, BTreeSet};

/// The rules of Jepsen's `set` and `set-full`, in one pass.
///
/// Lost: acknowledged, never removed (not even perhaps), and absent from a live replica at rest. Unexpected: there,
/// but nobody tried to add it. Recovered: there, although the addition was not acknowledged. Stale: absent from a read
/// that began after the acknowledgement, and seen by a later one or in the end. Never read: acknowledged, and in no
/// read but the final one.
#[derive(Debug, Default)]
pub struct SetChecker {
    records: BTreeMap<Key, BTreeMap<Value, Element>>,
    /// Records that were written as a whole: there, what is expected cannot be told.
    replaced: BTreeSet<Key>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Element {
    /// When the addition was acknowledged.
    added: Option<u64>,
    tried: bool,
    /// The addition that was said to have failed.
    failed: Option<WriteId>,
    removed: bool,
    seen: bool,
    missed: bool,
    stale: bool,
}

impl SetChecker {
    fn element(&mut self, key: &Key, element: &Value) -> &mut Element {
        if !self.records.contains_key(key) {
            self.records.insert(key.clone(), BTreeMap::new());
        }
        let elements = self.records.get_mut(key).expect("it was just put there");
        elements.entry(element.clone()).or_default()
    }

    fn begin(&mut self, invocation: &Invocation) {
        match &invocation.op {
            Operation::Insert(element) => self.element(&invocation.key, element).tried = true,
            Operation::Remove(element) => self.element(&invocation.key, element).removed = true,
            Operation::Put(_) | Operation::Delete => {
                self.replaced.insert(invocation.key.clone());
            }
            _ => {}
        }
    }

    fn read(&mut self, invocation: &Invocation, value: Option<&Value>) {
        let Some(elements) = self.records.get_mut(&invocation.key) else { return };
        let nothing = BTreeSet::new();
        let mut there = value.and_then(Value::as_set).unwrap_or(&nothing).iter().peekable();
        // Both are in order: one walk along the two of them.
        for (element, state) in elements {
            while there.next_if(|&other| other < element).is_some() {}
            if there.next_if_eq(&element).is_some() {
                state.seen = true;
                state.stale |= state.missed;
            } else if state.added.is_some_and(|added| added < invocation.t) {
                state.missed = true;
            }
        }
    }
}

impl Checker for SetChecker {
    fn name(&self) -> &'static str {
        "set"
    }

    fn observe(&mut self, event: &Event, invocation: Option<&Invocation>) {
        let Some(invocation) = invocation else { return };
        match event {
            Event::Invoke { .. } => self.begin(invocation),
            Event::Ok { t, result, .. } => match &invocation.op {
                Operation::Insert(element) => {
                    self.element(&invocation.key, element).added.get_or_insert(*t);
                }
                Operation::Read => self.read(invocation, result.value.as_ref()),
                _ => {}
            },
            Event::Fail { .. } => match &invocation.op {
                Operation::Insert(element) => {
                    let state = self.element(&invocation.key, element);
                    (state.tried, state.failed) = (false, invocation.write);
                }
                Operation::Remove(element) => self.element(&invocation.key, element).removed = false,
                _ => {}
            },
            _ => {}
        }
    }

    fn finish(self: Box<Self>, evidence: &Evidence<'_>) -> Report {
        let mut count = Count::default();
        if evidence.finals.live().is_empty() || evidence.finals.quiescence().is_none() {
            return Report::default();
        }
        for (key, elements) in &self.records {
            count.record(key, elements, evidence, self.replaced.contains(key));
        }
        let mut report = Report::default();
        // Before replication is at rest, what is missing may be on its way.
        if evidence.finals.at_rest() {
            report.push(count.lost);
        }
        report.push(count.unexpected);
        for (name, figure) in [
            ("set elements recovered", count.recovered),
            ("set elements stale", count.stale),
            ("set elements never read", count.never_read),
        ] {
            report.figure(name, figure);
        }
        report
    }
}

/// What some replicas show of a set; of siblings, each.
struct Side<'a> {
    replicas: Replicas,
    held: Vec<&'a BTreeSet<Value>>,
}

impl Side<'_> {
    fn has(&self, element: &Value) -> bool {
        self.held.iter().any(|held| held.contains(element))
    }
}

#[derive(Debug)]
struct Count {
    lost: AnomalyReport,
    unexpected: AnomalyReport,
    recovered: u64,
    stale: u64,
    never_read: u64,
}

impl Default for Count {
    fn default() -> Self {
        Self {
            lost: AnomalyReport::new(Anomaly::LostElement),
            unexpected: AnomalyReport::new(Anomaly::UnexpectedElement),
            recovered: 0,
            stale: 0,
            never_read: 0,
        }
    }
}

impl Count {
    fn record(
        &mut self,
        key: &Key,
        elements: &BTreeMap<Value, Element>,
        evidence: &Evidence<'_>,
        replaced: bool,
    ) {
        let views = evidence.finals.live_views(key);
        let sides: Vec<Side<'_>> = views
            .iter()
            .map(|view| Side {
                replicas: view.replicas,
                held: view.shown().into_iter().flatten().filter_map(Value::as_set).collect(),
            })
            .collect();
        for (element, state) in elements {
            let shown_by = sides.iter().filter(|side| side.has(element)).count();
            if state.added.is_some() {
                self.never_read += u64::from(!state.seen);
                self.stale += u64::from(state.stale || state.missed && shown_by > 0);
            }
            self.recovered += u64::from(state.added.is_none() && state.tried && shown_by > 0);
            let lost = state.added.is_some() && !state.removed && !replaced && shown_by < sides.len();
            if let Some(side) = sides.iter().find(|side| lost && !side.has(element)) {
                self.lost.add(|| {
                    format!("{key}: {element} was acknowledged, and is missing at {}", side.replicas.names())
                });
            }
        }
        if replaced {
            return;
        }
        let everything = sides.iter().flat_map(|side| side.held.iter().copied().flatten());
        let mut unexpected = BTreeSet::new();
        for element in everything {
            let state = elements.get(element);
            if !state.is_some_and(|state| state.tried) && unexpected.insert(element) {
                self.unexpected.add(|| match state.and_then(|state| state.failed) {
                    Some(write) => {
                        format!("{key}: {element} is there, although {write}, which adds it, failed")
                    }
                    None => format!("{key}: {element} is there, and nobody tried to add it"),
                });
            }
        }
    }
}
