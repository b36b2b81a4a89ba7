//! The ledger of a foreign history: what became of every acknowledged write, by the final reads of the nodes.

use super::{Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness, replicas::translate};
use crate::{
    checker::{
        Evidence,
        ledger::{LedgerEntry, NoSink, judge},
    },
    history::recorded::Recorded,
};
use quarrel_models::{
    fate::Fate,
    strategy::{Arrival, Strategy},
};

/// The fates are those of a run of our own, by the same rules. What a write knew is told by session order and by what
/// its session had read, since a foreign system tells no versions. Every loss is a breach; under the model
/// `discards-allowed` a write may lose to one that overlapped it.
#[derive(Debug)]
pub(super) struct Ledger;

impl StandaloneChecker for Ledger {
    fn name(&self) -> &'static str {
        "ledger"
    }

    fn about(&self) -> &'static str {
        "the fate of every acknowledged write, by the final reads of all nodes"
    }

    fn models(&self) -> &'static [&'static str] {
        &["strict", "discards-allowed"]
    }

    fn check(&self, history: &Recorded, options: &Options<'_>) -> Result<Findings, Unfit> {
        let translated = translate(history, options.final_reads)?;
        let mut findings = Findings::default();
        let strategy = Strategy::Arrival(Arrival::default());
        let evidence =
            Evidence { finals: &translated.finals, writes: &translated.writes, strategy: &strategy };
        let summary = judge(&evidence, &mut NoSink).unwrap_or_default();
        findings.figure("nodes", translated.finally.nodes.len());
        findings.figure("acknowledged", translated.acknowledged);
        if !summary.judged {
            findings.unknown(
                "final reads are needed: mark them in the history (`:final? true`, with a `:node`), or take the last read of every \
                 node with --final-reads last",
            );
            return Ok(findings);
        }
        if translated.acknowledged == 0 {
            findings.unknown("no write was acknowledged: there is nothing to lose");
        }
        if translated.finally.passed_over > 0 {
            let count = translated.finally.passed_over;
            findings.unknown(format!(
                "{count} records were not read at all nodes in the end: their writes have no fate"
            ));
        }
        findings.notes.extend(translated.finally.legend());
        if !translated.is_timed {
            findings
                .notes
                .push("the history tells no times: those in sentences are numbers of events".to_owned());
        }
        let operations = |entry: &LedgerEntry| {
            let winner = entry.winner.as_ref().map(|winner| winner.write);
            [Some(entry.write), winner]
                .into_iter()
                .flatten()
                .filter_map(|write| translated.operation(write))
                .collect()
        };
        for fate in Fate::ALL.into_iter().rev() {
            let Some(&count) = summary.fates.get(&fate) else { continue };
            findings.figure(fate.name(), count);
            let uncertain = summary.uncertain.get(&fate).copied().unwrap_or(0);
            let is_allowed = fate == Fate::ConcurrentDiscard && options.model == Some("discards-allowed");
            if !fate.is_loss() || is_allowed {
                continue;
            }
            if let Some(entry) = summary.first_uncertain.get(&fate) {
                findings.unknown(format!("{uncertain} hang on operations of unknown outcome: {}", entry.why));
            }
            let certain = count - uncertain;
            let witness =
                |entry: &LedgerEntry| Witness { why: entry.why.clone(), operations: operations(entry) };
            let witnesses = summary.first.get(&fate).map(witness).into_iter().collect();
            findings.fail(FoundAnomaly { count: certain, witnesses, ..FoundAnomaly::new(fate.name()) });
        }
        Ok(findings)
    }
}
