//! Jepsen's `set`: what was acknowledged is in the last read.

use super::{Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness, keys};
use crate::history::recorded::{Datum, Function, Operation, Outcome, Recorded};
use std::collections::{BTreeMap, BTreeSet};

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
            let operations = || places.iter().map(|&at| (at, &history.operations[at]));
            let reads = operations().filter(|(_, op)| elements(history, op).is_some());
            let Some((read_at, read)) = reads.max_by_key(|(_, op)| op.completed) else {
                findings.unknown(format!(
                    "{}no read was answered: nothing can be lost to sight",
                    keys::within(history, key)
                ));
                continue;
            };
            let seen: BTreeSet<Datum> = elements(history, read).unwrap_or_default().iter().copied().collect();
            let mut attempts: BTreeMap<Datum, usize> = BTreeMap::new();
            let mut added = BTreeSet::new();
            for (at, op) in operations().filter(|(_, op)| is_add(op)) {
                attempts.entry(op.input).or_insert(at);
                if op.is_ok() && added.insert(op.input) && !seen.contains(&op.input) {
                    lost.add(|| Witness {
                        why: format!(
                            "{}{} was acknowledged, and the last read lacks it",
                            keys::within(history, key),
                            history.values.show(op.input)
                        ),
                        operations: vec![at, read_at],
                    });
                }
            }
            for &element in seen.iter().filter(|element| !attempts.contains_key(element)) {
                unexpected.add(|| Witness {
                    why: format!(
                        "{}{} is in the last read, and nobody tried to add it",
                        keys::within(history, key),
                        history.values.show(element)
                    ),
                    operations: vec![read_at],
                });
            }
            counts.attempts += attempts.len();
            counts.acknowledged += added.len();
            counts.ok += added.intersection(&seen).count();
            counts.recovered +=
                seen.iter().filter(|e| attempts.contains_key(e) && !added.contains(e)).count();
        }
        counts.tell(&mut findings);
        findings.fail(lost);
        findings.fail(unexpected);
        Ok(findings)
    }
}

#[derive(Debug, Default)]
struct Counts {
    attempts: usize,
    acknowledged: usize,
    ok: usize,
    recovered: usize,
}

impl Counts {
    fn tell(&self, findings: &mut Findings) {
        if self.attempts == 0 {
            findings.unknown("no element was added: is `f` of the operations `add`?");
        }
        findings.figure("attempted", self.attempts);
        findings.figure("acknowledged", self.acknowledged);
        findings.figure("acknowledged and read", self.ok);
        findings.figure("recovered", self.recovered);
    }
}
