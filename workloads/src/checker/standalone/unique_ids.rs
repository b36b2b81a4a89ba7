//! Jepsen's `unique-ids`: no identifier is given out twice.

use super::{Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness};
use crate::history::recorded::{Datum, Function, Recorded};
use std::collections::HashMap;

/// Every acknowledged `generate` has a value of its own.
#[derive(Debug)]
pub(super) struct UniqueIds;

impl StandaloneChecker for UniqueIds {
    fn name(&self) -> &'static str {
        "unique-ids"
    }

    fn about(&self) -> &'static str {
        "no generated identifier is given out twice (Jepsen's rules)"
    }

    fn check(&self, history: &Recorded, _: &Options<'_>) -> Result<Findings, Unfit> {
        let mut findings = Findings::default();
        let mut duplicated = FoundAnomaly::new("duplicated-id");
        let mut first: HashMap<Datum, usize> = HashMap::new();
        let mut attempted = 0;
        for (at, op) in
            history.operations.iter().enumerate().filter(|(_, op)| op.function == Function::GENERATE)
        {
            attempted += 1;
            if !op.is_ok() {
                continue;
            }
            if let Some(&before) = first.get(&op.output) {
                duplicated.add(|| Witness {
                    why: format!("{} was given out twice", history.values.show(op.output)),
                    operations: vec![before, at],
                });
            } else {
                first.insert(op.output, at);
            }
        }
        if first.is_empty() {
            findings.unknown("no identifier was given out: is `f` of the operations `generate`?");
        }
        findings.figure("attempted", attempted);
        findings.figure("different ids", first.len());
        findings.fail(duplicated);
        Ok(findings)
    }
}
