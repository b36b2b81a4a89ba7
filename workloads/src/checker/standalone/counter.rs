//! Jepsen's `counter`: a read lies between what must have been added and what may have been.

use super::{Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness, keys};
use crate::history::recorded::{Datum, Function, Operation, Outcome, Recorded};
use std::collections::BTreeMap;

/// At least the additions that were acknowledged when the read began, at most all that had begun when it ended. With
/// negative additions, as a counter that goes both ways has them, the widest bounds during the read count.
#[derive(Debug)]
pub(super) struct Counter;

/// What is possible now.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    least: i128,
    most: i128,
}

/// An event of an operation, in the order of time.
#[derive(Debug, Clone, Copy)]
struct Moment {
    index: u32,
    at: usize,
    ends: bool,
}

impl StandaloneChecker for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn about(&self) -> &'static str {
        "reads lie between the acknowledged and the attempted additions (Jepsen's rules)"
    }

    fn check(&self, history: &Recorded, _: &Options<'_>) -> Result<Findings, Unfit> {
        let mut findings = Findings::default();
        let mut drift = FoundAnomaly::new("counter-drift");
        let mut reads = 0;
        let concerns = |op: &Operation| {
            op.outcome != Outcome::Fail && matches!(op.function, Function::ADD | Function::READ)
        };
        let adds = history.operations.iter().filter(|op| op.function == Function::ADD).count();
        findings.figure("additions", adds);
        if adds == 0 {
            findings.unknown("nothing was added: is `f` of the operations `add` and `read`?");
            return Ok(findings);
        }
        for (key, places) in keys::by_key(history, concerns) {
            reads += judge(history, key, &places, &mut drift)?;
        }
        findings.figure("reads", reads);
        if reads == 0 {
            // Jepsen calls this valid; whoever compares verdicts wants the same, and should know how little it says.
            findings.notes.push("no read was answered: nothing could be out of bounds".to_owned());
        }
        findings.fail(drift);
        Ok(findings)
    }
}

fn moments(history: &Recorded, places: &[u32]) -> Vec<Moment> {
    let mut moments = Vec::with_capacity(places.len() * 2);
    for at in places.iter().map(|&at| at as usize) {
        let op = &history.operations[at];
        moments.push(Moment { index: op.invoked, at, ends: false });
        if op.is_ok() {
            moments.push(Moment { index: op.completed, at, ends: true });
        }
    }
    moments.sort_by_key(|moment| (moment.index, moment.ends));
    moments
}

fn number(history: &Recorded, at: usize, value: Datum) -> Result<i128, Unfit> {
    // A counter that is not there counts as 0.
    let number = if value.is_nil() { Some(0) } else { history.values.as_int(value) };
    number.map(i128::from).ok_or_else(|| Unfit {
        event: Some(history.operations[at].invoked),
        what: format!("`{}` is no whole number", history.values.show(value)),
        expected: "the checker `counter` expects additions and reads of whole numbers".to_owned(),
    })
}

/// The number of reads that were answered.
fn judge(history: &Recorded, key: Datum, places: &[u32], drift: &mut FoundAnomaly) -> Result<u64, Unfit> {
    let mut now = Bounds::default();
    let mut open: BTreeMap<usize, Bounds> = BTreeMap::new();
    let mut reads = 0;
    for moment in moments(history, places) {
        let op = &history.operations[moment.at];
        if op.function == Function::READ {
            if !moment.ends {
                open.extend(op.is_ok().then_some((moment.at, now)));
                continue;
            }
            reads += 1;
            let Bounds { least, most } = open.remove(&moment.at).unwrap_or(now);
            let value = number(history, moment.at, op.output)?;
            if !(least..=most).contains(&value) {
                drift.add(|| Witness {
                    why: format!(
                        "{}a read shows {value}, and from {least} to {most} was possible",
                        keys::within(history, key)
                    ),
                    operations: vec![moment.at],
                });
            }
            continue;
        }
        let delta = number(history, moment.at, op.input)?;
        // What is added may count from its beginning on, and must count from its end on.
        if (delta > 0) == moment.ends {
            now.least += delta;
        } else {
            now.most += delta;
        }
        for bounds in open.values_mut() {
            bounds.least = bounds.least.min(now.least);
            bounds.most = bounds.most.max(now.most);
        }
    }
    Ok(reads)
}
