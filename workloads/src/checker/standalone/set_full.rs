//! Jepsen's `set-full`: the life of every element over all reads.

use super::{
    Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness, keys,
    set::{additions, by_element, elements, is_add, sorted},
};
use crate::{
    history::recorded::{Datum, Function, Operation, Recorded},
    verdict::Verdict,
};

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

/// What is known of an element. Sixteen bytes: sets grow large.
#[derive(Debug)]
struct Element {
    /// Its first addition.
    add: u32,
    /// The operation whose completion is the first that shows that it is in, or [`NONE`].
    known: u32,
    /// The latest read, by invocation, that has it, or [`NONE`].
    present: u32,
    /// How many of the latest reads have it without a gap.
    run: u32,
}

/// No operation, no read.
const NONE: u32 = u32::MAX;

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
            let life = Life::new(history, key, &places);
            // Sets grow large: what is not needed any more makes room.
            drop(places);
            life.judge(&mut tally);
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
    /// By their values.
    elements: Vec<Element>,
}

impl<'a> Life<'a> {
    fn new(history: &'a Recorded, key: Datum, places: &[u32]) -> Self {
        let mut life = Self { history, key, reads: Vec::new(), latest_end: Vec::new(), elements: Vec::new() };
        let additions = additions(history, places);
        life.elements.reserve_exact(by_element(history, &additions).count());
        for (_, of_element) in by_element(history, &additions) {
            let mut element = Element { add: of_element[0], known: NONE, present: NONE, run: 0 };
            for &at in of_element.iter().filter(|&&at| history.operations[at as usize].is_ok()) {
                element.know(history, at);
            }
            life.elements.push(element);
        }
        for (at, op) in places.iter().map(|&at| (at as usize, &history.operations[at as usize])) {
            if !is_add(op) && elements(history, op).is_some() {
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

    fn added(&self, element: &Element) -> &'a Operation {
        &self.history.operations[element.add as usize]
    }

    /// The latest read that lacks the element.
    fn absent(&self, element: &Element) -> Option<usize> {
        let Operation { invoked: begun, input: value, .. } = *self.added(element);
        let run = element.run as usize;
        for (rank, read) in self.reads.iter().enumerate().skip(run) {
            if self.latest_end[rank] <= begun {
                return None;
            }
            let has = |read: &Read| {
                let op = &self.history.operations[read.at];
                elements(self.history, op).unwrap_or_default().contains(&value)
            };
            // The first of them lacks it, or else the run would go on. And a read tells nothing of an element whose
            // addition began after it.
            if read.completed > begun && (rank == run || !has(read)) {
                return Some(rank);
            }
        }
        None
    }

    /// The place of the first element from `from` on that is not less. What reads show is near what they showed last.
    fn seek(&self, from: usize, value: Datum) -> usize {
        let is_less = |element: &Element| self.added(element).input < value;
        let mut width = 1;
        let mut low = from;
        while self.elements.get(low + width - 1).is_some_and(is_less) {
            low += width;
            width *= 2;
        }
        let high = (low + width).min(self.elements.len());
        low + self.elements[low..high].partition_point(is_less)
    }

    /// Takes up one read; those begun later were before it.
    fn read(&mut self, rank: usize, tally: &mut Tally) {
        let read = self.reads[rank];
        let op = &self.history.operations[read.at];
        let seen = sorted(elements(self.history, op).unwrap_or_default());
        for pair in seen.windows(2).filter(|pair| pair[0] == pair[1]) {
            tally.duplicate(self.history, self.key, pair[0], read.at);
        }
        let mut place = 0;
        let [at, number] = [read.at, rank].map(|n| u32::try_from(n).expect("places have 32 bits"));
        for value in seen.chunk_by(PartialEq::eq).map(|same| same[0]) {
            place = self.seek(place, value);
            let added = self.elements.get(place).map(|element| self.added(element));
            match added {
                Some(added) if added.input == value && read.completed <= added.invoked => {}
                Some(added) if added.input == value => {
                    let element = &mut self.elements[place];
                    element.present = element.present.min(number);
                    element.run += u32::from(element.run == number);
                    element.know(self.history, at);
                }
                _ => tally.unexpected += 1,
            }
        }
    }

    fn judge(mut self, tally: &mut Tally) {
        for rank in 0..self.reads.len() {
            self.read(rank, tally);
        }
        for element in &self.elements {
            let fate = self.fate(element);
            tally.element(&self, element, &fate);
        }
        tally.reads += self.reads.len();
    }

    fn fate(&self, element: &Element) -> Fate {
        let absent = self.absent(element);
        let known = self.history.operations.get(element.known as usize);
        let known = known.map(|op| (op.completed, op.complete_time));
        let present = (element.present != NONE).then_some(element.present as usize);
        let time = |rank: usize| self.history.operations[self.reads[rank].at].invoke_time;
        let since_known = |rank: Option<usize>, known: i64| match rank {
            Some(rank) if known != Operation::NO_TIME && time(rank) != Operation::NO_TIME => {
                time(rank).saturating_add(1).saturating_sub(known).max(0)
            }
            _ => 0,
        };
        match (known, present, absent) {
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
    /// Known by the completion of this operation, if it is the first.
    fn know(&mut self, history: &Recorded, at: u32) {
        let completed = |at: u32| history.operations.get(at as usize).map(|op| op.completed);
        if completed(self.known).is_none_or(|index| completed(at) < Some(index)) {
            self.known = at;
        }
    }
}

/// Latencies, of which most are zero.
#[derive(Debug, Default)]
struct Latencies {
    zeros: usize,
    others: Vec<i64>,
}

impl Latencies {
    fn push(&mut self, latency_ns: i64) {
        if latency_ns == 0 {
            self.zeros += 1;
        } else {
            self.others.push(latency_ns);
        }
    }

    const fn len(&self) -> usize {
        self.zeros + self.others.len()
    }

    /// None is negative: the zeros come first.
    fn sort(&mut self) {
        self.others.sort_unstable();
    }

    /// By its rank, once they are sorted.
    fn nth(&self, rank: usize) -> i64 {
        rank.checked_sub(self.zeros).map_or(0, |rank| self.others[rank])
    }
}

#[derive(Debug)]
struct Tally {
    lost: FoundAnomaly,
    duplicated: FoundAnomaly,
    stale: FoundAnomaly,
    stable: Latencies,
    lost_after: Latencies,
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
            stable: Latencies::default(),
            lost_after: Latencies::default(),
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

    fn element(&mut self, life: &Life<'_>, element: &Element, fate: &Fate) {
        self.elements += 1;
        let value = life.added(element).input;
        let shown = || format!("{}{}", keys::within(life.history, life.key), life.history.values.show(value));
        let read = |rank: usize| life.reads[rank].at;
        match *fate {
            Fate::NeverRead => self.never_read += 1,
            Fate::Stable { latency_ns } => {
                self.stable.push(latency_ns);
                let Some(absent) = life.absent(element).filter(|_| latency_ns > 0) else { return };
                self.stale.add(|| Witness {
                    why: format!(
                        "{} was still missing {:.3} ms after it was known",
                        shown(),
                        latency_ns as f64 / 1e6
                    ),
                    operations: vec![element.add as usize, read(absent)],
                });
            }
            Fate::Lost { absent, latency_ns } => {
                self.lost_after.push(latency_ns);
                self.lost.add(|| Witness {
                    why: format!("{} was known, and all later reads lack it", shown()),
                    operations: std::iter::once(element.add as usize)
                        .chain((element.present != NONE).then(|| read(element.present as usize)))
                        .chain([read(absent)])
                        .collect(),
                });
            }
        }
    }

    fn into_findings(mut self, linearizable: bool) -> Findings {
        let mut findings = Findings::default();
        if self.stable.len() == 0 && self.lost.count == 0 {
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
        self.stable.sort();
        self.lost_after.sort();
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
                    findings.figure(name, latencies.nth(last.min(latencies.len() * per_mille / 1000)));
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
