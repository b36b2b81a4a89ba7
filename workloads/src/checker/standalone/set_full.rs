//! Jepsen's `set-full`: the life of every element over all reads.

use super::{
    Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness, keys,
    set::{elements, is_add},
};
use crate::{
    history::recorded::{Datum, Function, Operation, Recorded},
    verdict::Verdict,
};
use std::collections::BTreeMap;

/// An element is known from its acknowledgement, or from the first read that saw it. It is *stable* if the latest
/// read that lacks it was begun before the latest that has it; *lost* if it is the other way round and it was known
/// when that read was begun; *never read* otherwise. A stable element that was missing for a while after it was known
/// is *stale*: a breach under the model `linearizable` only.
#[derive(Debug)]
pub(super) struct SetFull;

/// One read: which operation, its invocation, and how many reads were begun after it.
#[derive(Debug, Clone, Copy)]
struct Read {
    at: usize,
    invoked: u32,
    completed: u32,
}

#[derive(Debug)]
struct Element {
    add: usize,
    /// The first event that shows that it is in: its index and time.
    known: Option<(u32, i64)>,
    /// The latest read, by invocation, that has it.
    present: Option<usize>,
    /// How many of the latest reads have it without a gap.
    run: usize,
}

enum Fate {
    Stable { latency_ns: i64 },
    Lost { absent: usize, latency_ns: i64 },
    NeverRead,
}

impl StandaloneChecker for SetFull {
    fn name(&self) -> &'static str {
        "set-full"
    }

    fn about(&self) -> &'static str {
        "elements stay once they were seen or acknowledged; staleness with its latencies (Jepsen's rules)"
    }

    fn models(&self) -> &'static [&'static str] {
        &["eventual", "linearizable"]
    }

    fn check(&self, history: &Recorded, options: &Options<'_>) -> Result<Findings, Unfit> {
        let mut tally = Tally::default();
        for (key, places) in keys::by_key(history, |op| is_add(op) || op.function == Function::READ) {
            Life::new(history, key, &places).judge(&mut tally);
        }
        Ok(tally.into_findings(options.model == Some("linearizable")))
    }
}

/// The life of one set.
struct Life<'a> {
    history: &'a Recorded,
    key: Datum,
    /// The latest first.
    reads: Vec<Read>,
    /// The latest completion among a read and all that were begun before it.
    latest_end: Vec<u32>,
    elements: BTreeMap<Datum, Element>,
}

impl<'a> Life<'a> {
    fn new(history: &'a Recorded, key: Datum, places: &[usize]) -> Self {
        let mut life =
            Self { history, key, reads: Vec::new(), latest_end: Vec::new(), elements: BTreeMap::new() };
        for &at in places {
            let op = &history.operations[at];
            if is_add(op) {
                let element = life.elements.entry(op.input).or_insert(Element {
                    add: at,
                    known: None,
                    present: None,
                    run: 0,
                });
                if op.is_ok() {
                    element.know(op);
                }
            } else if elements(history, op).is_some() {
                life.reads.push(Read { at, invoked: op.invoked, completed: op.completed });
            }
        }
        life.reads.reverse();
        let mut latest = 0;
        life.latest_end = vec![0; life.reads.len()];
        for (rank, read) in life.reads.iter().enumerate().rev() {
            latest = latest.max(read.completed);
            life.latest_end[rank] = latest;
        }
        life
    }

    /// Whether the read, when it was answered, could know of the element: its addition had begun.
    fn is_after(&self, read: &Read, element: &Element) -> bool {
        read.completed > self.history.operations[element.add].invoked
    }

    /// The latest read that lacks the element.
    fn absent(&self, value: Datum, element: &Element) -> Option<usize> {
        let begun = self.history.operations[element.add].invoked;
        for (rank, read) in self.reads.iter().enumerate().skip(element.run) {
            if self.latest_end[rank] <= begun {
                return None;
            }
            let has = |read: &Read| {
                let op = &self.history.operations[read.at];
                elements(self.history, op).unwrap_or_default().contains(&value)
            };
            // The first of them lacks it, or else the run would go on.
            if self.is_after(read, element) && (rank == element.run || !has(read)) {
                return Some(rank);
            }
        }
        None
    }

    fn judge(mut self, tally: &mut Tally) {
        for (rank, read) in self.reads.iter().enumerate() {
            let op = &self.history.operations[read.at];
            let mut seen: Vec<Datum> = elements(self.history, op).unwrap_or_default().to_vec();
            seen.sort_unstable();
            for pair in seen.windows(2).filter(|pair| pair[0] == pair[1]) {
                tally.duplicate(self.history, self.key, pair[0], read.at);
            }
            seen.dedup();
            for value in seen {
                let Some(element) = self.elements.get_mut(&value) else {
                    tally.unexpected += 1;
                    continue;
                };
                if read.completed <= self.history.operations[element.add].invoked {
                    continue;
                }
                element.present.get_or_insert(rank);
                element.run += usize::from(element.run == rank);
                element.know(op);
            }
        }
        for (&value, element) in &self.elements {
            let fate = self.fate(value, element);
            tally.element(&self, value, element, &fate);
        }
        tally.reads += self.reads.len();
    }

    fn fate(&self, value: Datum, element: &Element) -> Fate {
        let absent = self.absent(value, element);
        let time = |rank: usize| self.history.operations[self.reads[rank].at].invoke_time;
        let since_known = |rank: Option<usize>, known: i64| match rank {
            Some(rank) if known != Operation::NO_TIME && time(rank) != Operation::NO_TIME => {
                time(rank).saturating_add(1).saturating_sub(known).max(0)
            }
            _ => 0,
        };
        match (element.known, element.present, absent) {
            // Ranks count from the latest: a smaller one is later.
            (Some((_, known)), Some(present), absent) if absent.is_none_or(|absent| present < absent) => {
                Fate::Stable { latency_ns: since_known(absent, known) }
            }
            (Some((index, known)), present, Some(absent)) if index < self.reads[absent].invoked => {
                Fate::Lost { absent, latency_ns: since_known(present, known) }
            }
            _ => Fate::NeverRead,
        }
    }
}

impl Element {
    /// Known by this completion, if it is the first.
    fn know(&mut self, op: &Operation) {
        if self.known.is_none_or(|(index, _)| op.completed < index) {
            self.known = Some((op.completed, op.complete_time));
        }
    }
}

#[derive(Debug)]
struct Tally {
    lost: FoundAnomaly,
    duplicated: FoundAnomaly,
    stale: FoundAnomaly,
    stable: Vec<i64>,
    lost_after: Vec<i64>,
    never_read: u64,
    unexpected: u64,
    elements: u64,
    reads: usize,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            lost: FoundAnomaly::new("lost-element"),
            duplicated: FoundAnomaly::new("duplicated-element"),
            stale: FoundAnomaly::new("stale-element"),
            stable: Vec::new(),
            lost_after: Vec::new(),
            never_read: 0,
            unexpected: 0,
            elements: 0,
            reads: 0,
        }
    }
}

impl Tally {
    fn duplicate(&mut self, history: &Recorded, key: Datum, value: Datum, read: usize) {
        self.duplicated.add(|| Witness {
            why: format!(
                "{}{} stands in a read more than once",
                keys::within(history, key),
                history.values.show(value)
            ),
            operations: vec![read],
        });
    }

    fn element(&mut self, life: &Life<'_>, value: Datum, element: &Element, fate: &Fate) {
        self.elements += 1;
        let shown = || format!("{}{}", keys::within(life.history, life.key), life.history.values.show(value));
        let read = |rank: usize| life.reads[rank].at;
        match *fate {
            Fate::NeverRead => self.never_read += 1,
            Fate::Stable { latency_ns } => {
                self.stable.push(latency_ns);
                let Some(absent) = life.absent(value, element).filter(|_| latency_ns > 0) else { return };
                self.stale.add(|| Witness {
                    why: format!(
                        "{} was still missing {:.3} ms after it was known",
                        shown(),
                        latency_ns as f64 / 1e6
                    ),
                    operations: vec![element.add, read(absent)],
                });
            }
            Fate::Lost { absent, latency_ns } => {
                self.lost_after.push(latency_ns);
                self.lost.add(|| Witness {
                    why: format!("{} was known, and all later reads lack it", shown()),
                    operations: std::iter::once(element.add)
                        .chain(element.present.map(read))
                        .chain([read(absent)])
                        .collect(),
                });
            }
        }
    }

    fn into_findings(mut self, linearizable: bool) -> Findings {
        let mut findings = Findings::default();
        if self.stable.is_empty() && self.lost.count == 0 {
            findings.unknown(if self.reads == 0 {
                "no read was answered"
            } else {
                "no element was read after it was known"
            });
        }
        for (name, value) in
            [("elements", self.elements), ("never read", self.never_read), ("stale", self.stale.count)]
        {
            findings.figure(name, value);
        }
        findings.figure("stable", self.stable.len());
        if self.unexpected > 0 {
            findings.notes.push(
                "reads show elements that nobody tried to add; the checker `set` judges them".to_owned(),
            );
        }
        self.stable.sort_unstable();
        self.lost_after.sort_unstable();
        let names = [
            [
                "stable latency p0 ns",
                "stable latency p50 ns",
                "stable latency p95 ns",
                "stable latency p99 ns",
                "stable latency max ns",
            ],
            [
                "lost latency p0 ns",
                "lost latency p50 ns",
                "lost latency p95 ns",
                "lost latency p99 ns",
                "lost latency max ns",
            ],
        ];
        for (names, latencies) in names.into_iter().zip([&self.stable, &self.lost_after]) {
            for (name, per_mille) in names.into_iter().zip([0, 500, 950, 990, 1000]) {
                if let Some(last) = latencies.len().checked_sub(1) {
                    findings.figure(name, latencies[last.min(latencies.len() * per_mille / 1000)]);
                }
            }
        }
        findings.fail(self.lost);
        findings.fail(self.duplicated);
        if linearizable {
            findings.fail(self.stale);
        }
        debug_assert!(findings.anomalies.is_empty() || findings.verdict == Verdict::Fail);
        findings
    }
}
