//! The judge: one pass over a history, all checkers at once, and the verdict that the contract makes of it.

use crate::{
    checker::{
        self, AnomalyReport, Checker, Evidence, OpenOperations, Report,
        finals::Finals,
        ledger::{self, Ledger, LedgerEntry, LedgerSink, Summary},
    },
    contract::Contract,
    history::{Ending, Event, Header, Quiescence, ReadError, Reader},
    mark::{Mark, Marks, UnknownMark},
    scenario::Scenario,
    verdict::{Finding, Verdict},
};
use quarrel_models::{fate::Fate, id::MAX_REPLICAS, strategy::Strategy};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{self, BufRead},
};

/// A history that cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The history cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The contract demands a mark that does not exist.
    #[error("`contract.marks`: {0}")]
    Mark(#[from] UnknownMark),
    /// The ledger cannot be written.
    #[error("the ledger could not be written: {0}")]
    Ledger(#[from] io::Error),
}

/// The judgement of a history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// The verdict of the contract.
    pub verdict: Verdict,
    /// Why, property by property: what failed first.
    pub reasons: Vec<Reason>,
    /// How many acknowledged writes met each fate.
    pub fates: BTreeMap<Fate, u64>,
    /// Lost writes that nobody was told of.
    pub silent_losses: u64,
    /// Lost writes that a reader or an operator was told of.
    pub recorded_losses: u64,
    /// What was found beside the fates.
    pub anomalies: Vec<AnomalyReport>,
    /// All marks, and how often they were hit.
    pub marks: Vec<MarkReport>,
    /// The worst losses, the worst first.
    pub worst: Vec<LedgerEntry>,
    /// How many operations there were.
    pub operations: Operations,
    /// What the contract demands to be found, and was not.
    pub missing: Vec<Finding>,
    /// Counts and durations that are no breach.
    pub figures: BTreeMap<String, u64>,
}

/// A property that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Its name: a fate, an anomaly, a mark, or what evidence was lacking.
    pub property: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// A sentence.
    pub evidence: String,
}

/// A mark, and how often it was hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MarkReport {
    /// Its name.
    pub name: &'static str,
    /// How often.
    pub hits: u64,
    /// Whether the contract demands it.
    pub required: bool,
}

/// Operations by outcome and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Operations {
    /// Those that happened.
    pub ok: u64,
    /// Those that did not.
    pub fail: u64,
    /// Those that may have happened, unanswered ones included.
    pub info: u64,
    /// Reads that were begun.
    pub reads: u64,
    /// Writes that were begun.
    pub writes: u64,
    /// Writes that were acknowledged.
    pub acknowledged_writes: u64,
}

/// Judges a history, event by event.
pub struct Judge {
    strategy: Strategy,
    contract: Contract,
    required: Vec<Mark>,
    replicas: usize,
    finals: Finals,
    ledger: Ledger,
    open: OpenOperations,
    checkers: Vec<Box<dyn Checker>>,
    marks: Marks,
    operations: Operations,
    truncated: Option<u64>,
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge").field("operations", &self.operations).finish_non_exhaustive()
    }
}

/// Judges a whole history.
///
/// # Errors
/// [`JudgeError`] if it cannot be read, its contract demands an unknown mark, or the ledger cannot be written.
pub fn judge<R: BufRead>(mut history: Reader<R>, sink: &mut dyn LedgerSink) -> Result<Judgement, JudgeError> {
    let mut judge = Judge::new(history.header())?;
    for event in &mut history {
        judge.observe(&event?);
    }
    if let Some(Ending::Truncated { line }) = history.ending() {
        judge.truncated = Some(line);
    }
    Ok(judge.finish(sink)?)
}

impl Judge {
    /// A judge of the run that the header describes.
    ///
    /// # Errors
    /// [`UnknownMark`] if the contract demands a mark that does not exist; the error lists those that do.
    pub fn new(header: &Header) -> Result<Self, UnknownMark> {
        let Scenario { cluster, strategy, workload, contract, .. } = &header.scenario;
        let leaders = cluster.leaders.clamp(1, MAX_REPLICAS);
        Ok(Self {
            strategy: strategy.clone(),
            contract: contract.clone(),
            required: contract.marks.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
            replicas: (leaders + cluster.followers.len()).min(MAX_REPLICAS),
            finals: Finals::default(),
            ledger: Ledger::new(leaders),
            open: OpenOperations::default(),
            checkers: checker::for_workload(workload),
            marks: Marks::new(leaders, cluster.graph().ok()),
            operations: Operations::default(),
            truncated: None,
        })
    }

    /// Sees the next event.
    pub fn observe(&mut self, event: &Event) {
        self.ledger.observe(event);
        self.finals.observe(event);
        self.open.observe(event);
        let invocation = self.open.concerned(event);
        let is_write = invocation.is_some_and(|invocation| invocation.op.is_write());
        self.operations.count(event, is_write);
        self.marks.observe(event, invocation, &self.open);
        for checker in &mut self.checkers {
            checker.observe(event, invocation);
        }
    }

    /// Judges. Every entry of the ledger goes to the sink.
    ///
    /// # Errors
    /// What the sink reports.
    pub fn finish(mut self, sink: &mut dyn LedgerSink) -> io::Result<Judgement> {
        self.operations.info += self.open.len() as u64;
        let writes = std::mem::replace(&mut self.ledger, Ledger::new(1)).into_writes();
        let evidence = Evidence { finals: &self.finals, writes: &writes, strategy: &self.strategy };
        let mut found = Report::default();
        for checker in self.checkers.drain(..) {
            let report = checker.finish(&evidence);
            found.anomalies.extend(report.anomalies);
            found.figures.extend(report.figures);
        }
        let ledger = ledger::judge(&evidence, sink)?;
        Ok(self.conclude(found, ledger))
    }

    fn conclude(self, found: Report, ledger: Summary) -> Judgement {
        let mut reasons = Vec::new();
        self.judge_fates(&ledger, &mut reasons);
        self.judge_anomalies(&found.anomalies, &mut reasons);
        let missing = self.missing(&found.anomalies, &ledger);
        for finding in &missing {
            reasons.push(Reason {
                property: format!("find {finding}"),
                verdict: if ledger.judged { Verdict::Fail } else { Verdict::Unknown },
                evidence: format!(
                    "the contract demands that `{finding}` be found, and it was not: the faults were too weak, or \
                     the checker is blind"
                ),
            });
        }
        self.judge_evidence(&mut reasons);
        self.judge_marks(&mut reasons);
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict));
        Judgement {
            verdict: reasons.iter().map(|reason| reason.verdict).fold(Verdict::Pass, Verdict::merge),
            reasons,
            fates: ledger.fates,
            silent_losses: ledger.silent,
            recorded_losses: ledger.recorded,
            anomalies: found.anomalies,
            marks: Mark::ALL
                .into_iter()
                .map(|mark| MarkReport {
                    name: mark.name(),
                    hits: self.marks.hits(mark),
                    required: self.required.contains(&mark),
                })
                .collect(),
            worst: ledger.worst,
            operations: self.operations,
            missing,
            figures: found.figures,
        }
    }

    /// Who says that a finding is fine, if anybody does.
    fn permitted(&self, finding: Finding) -> Option<&'static str> {
        self.contract.permits(&self.strategy, finding)
    }

    fn judge_fates(&self, ledger: &Summary, reasons: &mut Vec<Reason>) {
        // The worst first.
        for fate in Fate::ALL.into_iter().rev().filter(|fate| fate.is_loss()) {
            let Some(&count) = ledger.fates.get(&fate) else { continue };
            let uncertain = ledger.uncertain.get(&fate).copied().unwrap_or(0);
            let (verdict, evidence) = match (self.permitted(Finding::Fate(fate)), ledger.first.get(&fate)) {
                (Some(who), _) => (Verdict::Pass, format!("{}, {who}", writes(count))),
                (None, Some(first)) => {
                    (Verdict::Fail, format!("{}; the first: {}", writes(count - uncertain), first.why))
                }
                (None, None) => {
                    let first = ledger.first_uncertain.get(&fate).map_or("", |entry| &entry.why);
                    (
                        Verdict::Unknown,
                        format!("{} that hang on unanswered operations: {first}", writes(count)),
                    )
                }
            };
            reasons.push(Reason { property: fate.name().to_owned(), verdict, evidence });
        }
        let kept = ledger.fates.iter().filter(|(fate, _)| !fate.is_loss()).map(|(_, count)| count).sum();
        if ledger.judged {
            let evidence = format!("{} kept or rightly replaced", writes(kept));
            reasons.push(Reason { property: "ledger".to_owned(), verdict: Verdict::Pass, evidence });
        }
    }

    fn judge_anomalies(&self, anomalies: &[AnomalyReport], reasons: &mut Vec<Reason>) {
        for anomaly in anomalies {
            let example = anomaly.examples.first().map_or("", String::as_str);
            let (verdict, evidence) = match self.permitted(anomaly.kind) {
                Some(who) => (Verdict::Pass, format!("{} times, {who}; the first: {example}", anomaly.count)),
                None => (Verdict::Fail, format!("{} times; the first: {example}", anomaly.count)),
            };
            reasons.push(Reason { property: anomaly.kind.name().to_owned(), verdict, evidence });
        }
    }

    fn missing(&self, anomalies: &[AnomalyReport], ledger: &Summary) -> Vec<Finding> {
        let found = |finding: &Finding| match finding {
            Finding::Fate(fate) => ledger.fates.contains_key(fate),
            Finding::Anomaly(_) => anomalies.iter().any(|anomaly| anomaly.kind == *finding),
        };
        self.contract.find.iter().copied().filter(|finding| !found(finding)).collect()
    }

    fn judge_evidence(&self, reasons: &mut Vec<Reason>) {
        let mut lacking = |evidence: String| {
            let property = "evidence".to_owned();
            reasons.push(Reason { property, verdict: Verdict::Unknown, evidence });
        };
        if let Some(line) = self.truncated {
            lacking(format!("line {line} is broken off: the run was killed while writing it"));
        }
        match self.finals.quiescence() {
            None => lacking("the history has no `end`: the run was cut short".to_owned()),
            Some(Quiescence::Interrupted) => lacking("the run was interrupted".to_owned()),
            Some(_) => {}
        }
        if self.operations.acknowledged_writes == 0 {
            lacking("no write was acknowledged: there is nothing to lose".to_owned());
        }
        let live = self.finals.live();
        let unread = self.finals.unread();
        let missing: Vec<String> = (0..self.replicas)
            .map(quarrel_models::id::ReplicaId::from_index)
            .filter(|replica| !live.contains(*replica) && !unread.contains_key(replica))
            .map(|replica| replica.to_string())
            .collect();
        if !missing.is_empty() {
            lacking(format!("not read in the end: {}", missing.join(", ")));
        } else if live.is_empty() {
            lacking("no live replica is left to be read".to_owned());
        }
        for (replica, lines, records) in self.finals.incomplete() {
            lacking(format!("{replica} holds {records} records, and the history has {lines} of them"));
        }
    }

    fn judge_marks(&self, reasons: &mut Vec<Reason>) {
        for mark in self.required.iter().filter(|mark| self.marks.hits(**mark) == 0) {
            reasons.push(Reason {
                property: format!("mark {mark}"),
                verdict: Verdict::Unknown,
                evidence: format!("it never came to this: {}", mark.meaning()),
            });
        }
    }
}

fn writes(count: u64) -> String {
    format!("{count} acknowledged {}", if count == 1 { "write" } else { "writes" })
}

impl Operations {
    fn count(&mut self, event: &Event, is_write: bool) {
        match event {
            Event::Invoke { .. } if is_write => self.writes += 1,
            Event::Invoke { .. } => self.reads += 1,
            Event::Ok { .. } => {
                self.ok += 1;
                self.acknowledged_writes += u64::from(is_write);
            }
            Event::Fail { .. } => self.fail += 1,
            Event::Info { .. } => self.info += 1,
            _ => {}
        }
    }
}
