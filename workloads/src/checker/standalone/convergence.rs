//! Convergence: in the end all nodes show the same.

use super::{Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness, replicas::translate};
use crate::{
    checker::{convergence, finals::View},
    history::recorded::Recorded,
};

/// Compares the final reads of all nodes, record by record.
#[derive(Debug)]
pub(super) struct Convergence;

impl StandaloneChecker for Convergence {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn about(&self) -> &'static str {
        "final reads of all nodes show the same"
    }

    fn check(&self, history: &Recorded, options: &Options<'_>) -> Result<Findings, Unfit> {
        let translated = translate(history, options.final_reads)?;
        let (finals, finally) = (&translated.finals, &translated.finally);
        let mut findings = Findings::default();
        let mut divergence = FoundAnomaly::new("divergence");
        let mut records = 0;
        for key in finals.keys() {
            records += 1;
            let views: Vec<View<'_>> = finals.live_views(key);
            if convergence::diverges(&views) {
                divergence.add(|| Witness {
                    why: convergence::example(key, &views),
                    operations: finally.operations_of(history, key),
                });
            }
        }
        findings.figure("nodes", finally.nodes.len());
        findings.figure("records", records);
        if finally.nodes.len() < 2 {
            findings.unknown(NO_FINALS);
        } else {
            findings.notes.push(finally.legend());
        }
        if finally.passed_over > 0 {
            findings.unknown(format!(
                "{} records were not read at all nodes in the end: nobody knows of them",
                finally.passed_over
            ));
        }
        if records == 0 {
            findings.unknown("no node showed a record in the end");
        }
        findings.fail(divergence);
        Ok(findings)
    }
}

/// What to do where a history tells no final reads.
const NO_FINALS: &str = "final reads of at least two nodes are needed: mark them in the history (`:final? true`, with a `:node`), or \
                         take the last read of every node with --final-reads last";
