//! From a judgement to what reports say of it.

use super::{Found, Latencies, Mark, Operations, Property, Summary};
use quarrel_models::{fate::Fate, strategy::Strategy};
use quarrel_workloads::{
    judge::{Judgement, Reason},
    mark::Mark as KnownMark,
    scenario::Scenario,
    verdict::{Anomaly, Finding, Verdict},
};

/// What the judge puts before the first case of a kind.
const FIRST_CASE: &str = "; the first: ";
/// Before the name of a mark that was not hit; marks are reported apart.
const MARK: &str = "mark ";
/// Before the name of what the contract demands to be found.
const FIND: &str = "find ";
/// The property that says what evidence was lacking.
const EVIDENCE: &str = "evidence";

/// What is known of a run beside its judgement.
#[derive(Debug, Clone, PartialEq)]
pub struct Circumstances {
    /// The seed.
    pub seed: u64,
    /// How long the run, or the check, took.
    pub seconds: f64,
    /// Whether the user ended the run before its time.
    pub interrupted: bool,
    /// Latencies, if they were measured.
    pub latency: Option<Latencies>,
    /// The run's folder.
    pub results: Option<String>,
    /// The command that shows it again.
    pub again: String,
}

impl Summary {
    /// Sums up a judged run of this scenario.
    #[must_use]
    pub fn new(scenario: &Scenario, judgement: &Judgement, circumstances: Circumstances) -> Self {
        let Circumstances { seed, seconds, interrupted, latency, results, again } = circumstances;
        let count = |fate| judgement.fates.get(&fate).copied().unwrap_or(0);
        let operations = judgement.operations;
        Self {
            scenario: scenario.name.clone(),
            system: scenario.cluster.system.clone(),
            strategy: scenario.strategy.name().to_owned(),
            variant: variant(&scenario.strategy),
            topology: scenario.cluster.topology.name().to_owned(),
            leaders: scenario.cluster.leaders,
            seed,
            verdict: judgement.verdict,
            interrupted,
            seconds,
            fates: Fate::ALL.into_iter().map(|fate| (fate, count(fate))).collect(),
            anomalies: found(judgement),
            properties: properties(scenario, judgement),
            marks: marks(judgement),
            operations: Operations { ok: operations.ok, fail: operations.fail, info: operations.info },
            latency,
            results,
            again,
        }
    }
}

/// The parameters of the strategy, without its name.
fn variant(strategy: &Strategy) -> String {
    let whole = strategy.to_string();
    let parameters = whole.strip_prefix(strategy.name()).unwrap_or_default().trim();
    parameters.trim_start_matches('(').trim_end_matches(')').to_owned()
}

/// Losing fates and anomalies: what the contract does not allow first, then the worst.
fn found(judgement: &Judgement) -> Vec<Found> {
    // What a dead replica alone has is reported apart: it comes last.
    let fates = Fate::ALL.into_iter().rev().filter(|&fate| fate.is_loss() && fate != Fate::Stranded);
    let fates = fates.chain([Fate::Stranded]).filter_map(|fate| {
        let count = judgement.fates.get(&fate).copied().filter(|&count| count > 0)?;
        let witness = cases(judgement, fate.name()).into_iter().next().unwrap_or_default();
        Some(Found { kind: fate.name().to_owned(), count, witness })
    });
    let anomalies = judgement.anomalies.iter().map(|anomaly| Found {
        kind: anomaly.kind.name().to_owned(),
        count: anomaly.count,
        witness: anomaly.examples.first().cloned().unwrap_or_default(),
    });
    let mut all: Vec<Found> = fates.chain(anomalies).collect();
    let verdict_of = |kind: &str| {
        let reason = judgement.reasons.iter().find(|reason| reason.property == kind);
        reason.map_or(Verdict::Pass, |reason| reason.verdict)
    };
    all.sort_by_key(|found| std::cmp::Reverse(verdict_of(&found.kind)));
    all
}

/// The cases of a fate or an anomaly that the judgement kept, a sentence each.
fn cases(judgement: &Judgement, kind: &str) -> Vec<String> {
    let losses = judgement.worst.iter().filter(|entry| entry.fate.name() == kind);
    let examples = judgement.anomalies.iter().filter(|anomaly| anomaly.kind.name() == kind);
    let examples = examples.flat_map(|anomaly| anomaly.examples.iter().cloned());
    let mut cases: Vec<String> = losses.map(|entry| entry.why.clone()).chain(examples).collect();
    if cases.is_empty() {
        let first = judgement.reasons.iter().filter(|reason| reason.property == kind);
        cases.extend(
            first
                .filter_map(|reason| reason.evidence.split_once(FIRST_CASE))
                .map(|(_, case)| case.to_owned()),
        );
    }
    cases
}

/// What the judge gave reasons for, and the rest of what can be found: it was looked for and is not there.
fn properties(scenario: &Scenario, judgement: &Judgement) -> Vec<Property> {
    let mut properties: Vec<Property> = judgement
        .reasons
        .iter()
        .filter(|reason| !reason.property.starts_with(MARK))
        .map(|reason| of_reason(judgement, reason))
        .collect();
    let judged = !judgement.reasons.iter().any(|reason| reason.property == EVIDENCE);
    let is_told = |name: &str| judgement.reasons.iter().any(|reason| reason.property == name);
    for finding in Finding::all().filter(|finding| !is_told(finding.name())) {
        properties.push(absent(finding, judged));
    }
    for finding in scenario.contract.find.iter().filter(|finding| !judgement.missing.contains(finding)) {
        properties.push(Property {
            name: format!("{FIND}{finding}"),
            verdict: Verdict::Pass,
            detail: "found, as the contract demands".to_owned(),
            notable: false,
            evidence: Vec::new(),
        });
    }
    properties
}

fn of_reason(judgement: &Judgement, reason: &Reason) -> Property {
    let detail = reason.evidence.split_once(FIRST_CASE).map_or(&*reason.evidence, |(detail, _)| detail);
    Property {
        name: reason.property.clone(),
        verdict: reason.verdict,
        detail: detail.to_owned(),
        notable: true,
        // What is permitted needs no proof.
        evidence: if reason.verdict == Verdict::Pass {
            Vec::new()
        } else {
            cases(judgement, &reason.property)
        },
    }
}

fn absent(finding: Finding, judged: bool) -> Property {
    let (verdict, detail) = if judged {
        (Verdict::Pass, "none")
    } else {
        (Verdict::Unknown, "none seen, but evidence was lacking")
    };
    let converged = finding == Finding::Anomaly(Anomaly::Divergence) && judged;
    Property {
        name: finding.name().to_owned(),
        verdict,
        detail: if converged { "none: all live replicas show the same" } else { detail }.to_owned(),
        notable: converged,
        evidence: Vec::new(),
    }
}

fn marks(judgement: &Judgement) -> Vec<Mark> {
    let of_report = |mark: &quarrel_workloads::judge::MarkReport| Mark {
        name: mark.name.to_owned(),
        about: mark.name.parse::<KnownMark>().map_or("", KnownMark::meaning).to_owned(),
        count: mark.hits,
        required: mark.required,
    };
    judgement.marks.iter().map(of_report).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarrel_workloads::{
        checker::AnomalyReport,
        judge::{MarkReport, Operations},
    };
    use serde_json::json;
    use std::collections::BTreeMap;

    fn scenario() -> Scenario {
        let text = json!({
            "name": "smoke", "strategy": { "lww": {} }, "workload": { "set": {} },
            "contract": { "find": ["lost-element"], "marks": ["partition"] },
        });
        serde_json::from_value(text).unwrap()
    }

    fn reason(property: &str, verdict: Verdict, evidence: &str) -> Reason {
        Reason { property: property.to_owned(), verdict, evidence: evidence.to_owned() }
    }

    fn judgement(reasons: Vec<Reason>) -> Judgement {
        Judgement {
            verdict: reasons.iter().map(|reason| reason.verdict).fold(Verdict::Pass, Verdict::merge),
            reasons,
            fates: BTreeMap::from([(Fate::Visible, 9), (Fate::ConcurrentDiscard, 2), (Fate::Stranded, 1)]),
            silent_losses: 3,
            recorded_losses: 0,
            anomalies: Vec::new(),
            marks: vec![MarkReport { name: "partition", hits: 0, required: true }],
            worst: Vec::new(),
            operations: Operations { ok: 12, ..Operations::default() },
            missing: Vec::new(),
            figures: BTreeMap::new(),
        }
    }

    fn summary(judgement: &Judgement) -> Summary {
        let circumstances = Circumstances {
            seed: 1,
            seconds: 1.0,
            interrupted: false,
            latency: None,
            results: None,
            again: "quarrel run smoke --seed 1".to_owned(),
        };
        Summary::new(&scenario(), judgement, circumstances)
    }

    fn property<'a>(summary: &'a Summary, name: &str) -> &'a Property {
        summary.properties.iter().find(|property| property.name == name).unwrap()
    }

    #[test]
    fn what_was_looked_for_and_is_not_there_passes_only_with_evidence() {
        let told = summary(&judgement(vec![reason("ledger", Verdict::Pass, "9 kept")]));
        assert_eq!(property(&told, "vanished").verdict, Verdict::Pass);
        let lacking = reason("evidence", Verdict::Unknown, "the run was cut short");
        let untold = summary(&judgement(vec![lacking]));
        assert_eq!(property(&untold, "vanished").verdict, Verdict::Unknown);
        assert_eq!(property(&untold, "divergence").verdict, Verdict::Unknown);
    }

    #[test]
    fn every_finding_is_one_property_and_marks_are_told_apart() {
        let reasons = vec![
            reason("mark partition", Verdict::Unknown, "it never came to this"),
            reason("stranded", Verdict::Pass, "1 acknowledged write, which is reported apart"),
        ];
        let summary = summary(&judgement(reasons));
        for finding in Finding::all() {
            let named = summary.properties.iter().filter(|property| property.name == finding.name());
            assert_eq!(named.count(), 1, "{finding}");
        }
        assert!(!summary.properties.iter().any(|property| property.name.starts_with("mark ")));
        assert_eq!(summary.marks_hit(), (0, 1));
        assert!(!summary.marks[0].about.is_empty());
        assert_eq!(property(&summary, "find lost-element").verdict, Verdict::Pass);
    }

    #[test]
    fn what_fails_comes_first_and_what_a_dead_replica_alone_has_comes_last() {
        let mut judgement = judgement(vec![
            reason("lost-element", Verdict::Fail, "2 times; the first: s1 lacks 7"),
            reason("concurrent-discard", Verdict::Pass, "2 acknowledged writes"),
        ]);
        let mut lost = AnomalyReport::new(Anomaly::LostElement);
        lost.add(|| "s1 lacks 7".to_owned());
        judgement.anomalies.push(lost);
        let summary = summary(&judgement);
        let kinds: Vec<&str> = summary.anomalies.iter().map(|found| &*found.kind).collect();
        assert_eq!(kinds, ["lost-element", "concurrent-discard", "stranded"]);
        assert_eq!(property(&summary, "lost-element").detail, "2 times");
        assert_eq!(property(&summary, "lost-element").evidence, ["s1 lacks 7"]);
    }
}
