//! Jepsen's `set`: what was acknowledged is in the last read.

use super::{Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness, keys};
use crate::history::recorded::{Datum, Function, Operation, Outcome, Recorded};
use std::borrow::Cow;

/// Lost: an addition was acknowledged, and the last read lacks its element. Unexpected: the last read has an element
/// that nobody tried to add. Recovered: it has one whose addition was not acknowledged, which is fine.
#[derive(Debug)]
pub(super) struct Set;

/// Whether the operation adds an element. A broadcast adds to what every node has seen.
pub(super) const fn is_add(op: &Operation) -> bool {
    matches!(op.function, Function::ADD | Function::BROADCAST)
}

/// The elements that a read saw, if it is one and was answered.
pub(super) fn elements<'a>(history: &'a Recorded, op: &Operation) -> Option<&'a [Datum]> {
    let is_read = op.function == Function::READ && op.outcome == Outcome::Ok;
    if !is_read {
        return None;
    }
    if op.output.is_nil() { Some(&[]) } else { history.values.as_items(op.output) }
}

impl StandaloneChecker for Set {
    fn name(&self) -> &'static str {
        "set"
    }

    fn about(&self) -> &'static str {
        "acknowledged elements are in the last read, and nothing else is (Jepsen's rules)"
    }

    fn check(&self, history: &Recorded, _: &Options<'_>) -> Result<Findings, Unfit> {
        let mut findings = Findings::default();
        let (mut lost, mut unexpected) =
            (FoundAnomaly::new("lost-element"), FoundAnomaly::new("unexpected-element"));
        let mut counts = Counts::default();
        for (key, places) in keys::by_key(history, |op| is_add(op) || op.function == Function::READ) {
            let reads = places.iter().map(|&at| (at as usize, &history.operations[at as usize]));
            let reads = reads.filter(|(_, op)| elements(history, op).is_some());
            let Some((read, _)) = reads.max_by_key(|(_, op)| op.completed) else {
                counts.unread += 1;
                continue;
            };
            let last = Last::new(history, read, &places);
            for &at in &last.lost {
                lost.add(|| Witness {
                    why: format!(
                        "{}{} was acknowledged, and the last read lacks it",
                        keys::within(history, key),
                        history.values.show(history.operations[at as usize].input)
                    ),
                    operations: vec![at as usize, read],
                });
            }
            for &element in &last.unexpected {
                unexpected.add(|| Witness {
                    why: format!(
                        "{}{} is in the last read, and nobody tried to add it",
                        keys::within(history, key),
                        history.values.show(element)
                    ),
                    operations: vec![read],
                });
            }
            counts.add(&last);
        }
        counts.tell(&mut findings);
        findings.fail(lost);
        findings.fail(unexpected);
        Ok(findings)
    }
}

/// Elements in the order of [`Datum`]: as they stand, if that is how they do.
pub(super) fn sorted(elements: &[Datum]) -> Cow<'_, [Datum]> {
    if elements.is_sorted() {
        return Cow::Borrowed(elements);
    }
    let mut elements = elements.to_vec();
    elements.sort_unstable();
    Cow::Owned(elements)
}

/// Additions that may have taken effect or not, by element and then in the order of the history. Four bytes each: sets
/// grow large.
pub(super) fn additions(history: &Recorded, places: &[u32]) -> Vec<u32> {
    let op = |at: &u32| &history.operations[*at as usize];
    let mut additions: Vec<u32> = places.iter().copied().filter(|at| is_add(op(at))).collect();
    additions.sort_unstable_by_key(|at| (op(at).input, *at));
    additions
}

/// Additions of one element each, of what [`additions`] has sorted.
pub(super) fn by_element<'a>(
    history: &'a Recorded,
    additions: &'a [u32],
) -> impl Iterator<Item = (Datum, &'a [u32])> {
    let input = |at: &u32| history.operations[*at as usize].input;
    additions.chunk_by(move |a, b| input(a) == input(b)).map(move |chunk| (input(&chunk[0]), chunk))
}

/// One set and its last read.
#[derive(Debug, Default)]
struct Last {
    attempts: usize,
    acknowledged: usize,
    ok: usize,
    recovered: usize,
    /// The first acknowledged additions of the elements that it lacks, in the order of the history.
    lost: Vec<u32>,
    /// What it shows and nobody tried to add.
    unexpected: Vec<Datum>,
}

impl Last {
    fn new(history: &Recorded, read: usize, places: &[u32]) -> Self {
        let mut last = Self::default();
        let mut seen = sorted(elements(history, &history.operations[read]).unwrap_or_default());
        if !seen.is_sorted_by(|one, other| one < other) {
            seen.to_mut().dedup();
        }
        let mut rest = &*seen;
        let additions = additions(history, places);
        for (element, additions) in by_element(history, &additions) {
            let before = rest.iter().take_while(|&&other| other < element).count();
            last.unexpected.extend_from_slice(&rest[..before]);
            let is_seen = rest.get(before) == Some(&element);
            rest = &rest[before + usize::from(is_seen)..];
            let acknowledged = additions.iter().find(|&&at| history.operations[at as usize].is_ok());
            last.attempts += 1;
            last.acknowledged += usize::from(acknowledged.is_some());
            last.ok += usize::from(acknowledged.is_some() && is_seen);
            last.recovered += usize::from(acknowledged.is_none() && is_seen);
            last.lost.extend(acknowledged.filter(|_| !is_seen));
        }
        last.unexpected.extend_from_slice(rest);
        last.lost.sort_unstable();
        last
    }
}

#[derive(Debug, Default)]
struct Counts {
    attempts: usize,
    acknowledged: usize,
    ok: usize,
    recovered: usize,
    /// Records of which no read was answered.
    unread: usize,
}

impl Counts {
    const fn add(&mut self, last: &Last) {
        self.attempts += last.attempts;
        self.acknowledged += last.acknowledged;
        self.ok += last.ok;
        self.recovered += last.recovered;
    }

    fn tell(&self, findings: &mut Findings) {
        if self.unread > 0 {
            findings.unknown(format!(
                "of {} sets no read was answered: nothing can be lost to sight",
                self.unread
            ));
        }
        if self.attempts == 0 {
            findings.unknown("no element was added: is `f` of the operations `add`?");
        }
        findings.figure("attempted", self.attempts);
        findings.figure("acknowledged", self.acknowledged);
        findings.figure("acknowledged and read", self.ok);
        findings.figure("recovered", self.recovered);
    }
}
