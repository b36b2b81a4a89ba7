//! Jepsen's `total-queue`: what was enqueued comes out, and nothing else does.

use super::{Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness};
use crate::history::recorded::{Datum, Function, Outcome, Recorded};
use std::collections::BTreeMap;

/// Counts, for every element, attempts to enqueue it, acknowledgements, and how often it came out. Lost: acknowledged
/// more often than it came out. Unexpected: it came out, and nobody tried to enqueue it. Duplicated: it came out more
/// often than it was tried, which a queue with at-least-once delivery may do. Recovered: it came out, although it was
/// not acknowledged. A drain is as many dequeues.
#[derive(Debug)]
pub(super) struct TotalQueue;

#[derive(Debug, Default)]
struct Element {
    attempts: u64,
    enqueued: u64,
    dequeued: u64,
    /// The last operations that put it in and took it out.
    put: Option<usize>,
    taken: Option<usize>,
}

impl StandaloneChecker for TotalQueue {
    fn name(&self) -> &'static str {
        "total-queue"
    }

    fn about(&self) -> &'static str {
        "everything that was enqueued is dequeued, and nothing else is (Jepsen's rules)"
    }

    fn check(&self, history: &Recorded, _: &Options<'_>) -> Result<Findings, Unfit> {
        let mut elements: BTreeMap<(Datum, Datum), Element> = BTreeMap::new();
        let taken = |key: Datum, value: Datum, at: usize, elements: &mut BTreeMap<_, Element>| {
            let element = elements.entry((key, value)).or_default();
            element.dequeued += 1;
            element.taken = Some(at);
        };
        for (at, op) in history.operations.iter().enumerate() {
            match op.function {
                Function::ENQUEUE => {
                    let element = elements.entry((op.key, op.input)).or_default();
                    element.attempts += 1;
                    element.enqueued += u64::from(op.is_ok());
                    element.put = Some(at);
                }
                Function::DEQUEUE if op.is_ok() => taken(op.key, op.output, at, &mut elements),
                Function::DRAIN if op.is_ok() => {
                    for &value in history.values.as_items(op.output).unwrap_or_default() {
                        taken(op.key, value, at, &mut elements);
                    }
                }
                Function::DRAIN if op.outcome == Outcome::Info => {
                    return Err(Unfit {
                        event: Some(op.invoked),
                        what: "a drain has an unknown outcome".to_owned(),
                        expected: "the checker `total-queue` expects that every drain says what it took out; what it took is \
                                   unknown here, so nothing can be called lost"
                            .to_owned(),
                    });
                }
                _ => {}
            }
        }
        Ok(judge(history, &elements))
    }
}

fn judge(history: &Recorded, elements: &BTreeMap<(Datum, Datum), Element>) -> Findings {
    let mut findings = Findings::default();
    let (mut lost, mut unexpected) =
        (FoundAnomaly::new("lost-element"), FoundAnomaly::new("unexpected-element"));
    let [mut attempts, mut enqueued, mut dequeued, mut duplicated, mut recovered] = [0; 5];
    for (&(_, value), element) in elements {
        attempts += element.attempts;
        enqueued += element.enqueued;
        dequeued += element.dequeued;
        recovered += element.dequeued.min(element.attempts).saturating_sub(element.enqueued);
        let witness = |why: &str| Witness {
            why: format!("{} {why}", history.values.show(value)),
            operations: element.put.into_iter().chain(element.taken).collect(),
        };
        if element.attempts == 0 {
            unexpected.add(|| witness("came out, and nobody tried to enqueue it"));
        } else {
            duplicated += element.dequeued.saturating_sub(element.attempts);
        }
        for _ in element.dequeued..element.enqueued {
            lost.add(|| witness("was acknowledged, and never came out"));
        }
    }
    if enqueued + dequeued == 0 {
        findings.unknown(
            "nothing was enqueued and nothing came out: is `f` of the operations `enqueue` and `dequeue`?",
        );
    }
    for (name, value) in [
        ("attempted", attempts),
        ("acknowledged", enqueued),
        ("dequeued", dequeued),
        ("duplicated", duplicated),
        ("recovered", recovered),
    ] {
        findings.figure(name, value);
    }
    findings.fail(lost);
    findings.fail(unexpected);
    findings
}
