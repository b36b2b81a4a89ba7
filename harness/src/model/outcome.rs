//! A scenario's contract held against what the model checker found in its small worlds.

use super::Answer;
use quarrel_models::{
    check::{Bound, Property, Verdict as Found},
    fate::Fate,
    handler::Effect,
};
use quarrel_workloads::{
    scenario::{Scenario, Workload},
    verdict::{Anomaly, Finding, Verdict},
};
use serde::Serialize;

/// The outcome of a scenario in the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Fail, then unknown, then pass.
    pub verdict: Verdict,
    /// One for each finding that is made, cannot be excluded, or is demanded.
    pub reasons: Vec<Reason>,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The finding.
    pub finding: Finding,
    /// What follows.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
    /// The world with the shortest witness, by its number, and the property there.
    #[serde(skip)]
    pub witness: Option<(usize, Property)>,
}

/// What a violation of a property is called in contracts. Some properties are no findings of their own.
#[must_use]
pub fn finding_of(property: Property) -> Option<Finding> {
    match property {
        Property::Converged => Some(Finding::Anomaly(Anomaly::Divergence)),
        Property::NoCounterDrift => Some(Finding::Anomaly(Anomaly::CounterDrift)),
        Property::NoResurrection => Some(Finding::Anomaly(Anomaly::ResurrectedDelete)),
        Property::NoDoubleBooking => Some(Finding::Anomaly(Anomaly::DoubleBooking)),
        Property::No(fate) => Some(Finding::Fate(fate)),
        // Replicas that did not apply the same and show the same are no finding; nothing lost is the sum of the fates; a
        // double effect drifts; and what sessions are promised is not in the contracts of scenarios.
        Property::Delivered | Property::NothingLost | Property::NoDoubleEffect | Property::Keeps(_) => None,
    }
}

/// Whether a violation of the property is such a finding, in this scenario.
fn shows(property: Property, finding: Finding, scenario: &Scenario) -> bool {
    finding_of(property) == Some(finding)
        || finding == Finding::Anomaly(Anomaly::LostElement)
            && matches!(property, Property::No(fate) if loses_element(fate, scenario))
}

/// Whether a fate says that a set lacks an acknowledged element. Where elements are also removed, a removal may have met
/// it; but a strategy that keeps every insertion loses none to another write, so of that it says nothing.
fn loses_element(fate: Fate, scenario: &Scenario) -> bool {
    let Workload::Set(keys) = &scenario.workload else { return false };
    let kept = keys.delete_share > 0.0 && scenario.strategy.keeps(Effect::Insert);
    match fate {
        Fate::Partial | Fate::Stranded => false,
        Fate::Vanished => true,
        _ => fate.is_loss() && !kept,
    }
}

/// Holds the contract against the answers; `lacks` says what of the scenario the model does not have.
#[must_use]
pub fn judge(scenario: &Scenario, lacks: &[String], answers: &[Answer]) -> Outcome {
    let reasons: Vec<Reason> =
        Finding::all().filter_map(|finding| weigh(scenario, lacks, answers, finding)).collect();
    let verdict = reasons.iter().fold(Verdict::Pass, |verdict, reason| verdict.merge(reason.verdict));
    Outcome { verdict, reasons }
}

fn weigh(scenario: &Scenario, lacks: &[String], answers: &[Answer], finding: Finding) -> Option<Reason> {
    let reason = |verdict, why: String, witness| Some(Reason { finding, verdict, why, witness });
    let verdicts: Vec<(usize, Property, &Found)> = answers
        .iter()
        .enumerate()
        .flat_map(|(number, answer)| answer.iter().map(move |(property, found)| (number, property, found)))
        .filter(|&(_, property, _)| shows(property, finding, scenario))
        .collect();
    let shortest = verdicts
        .iter()
        .filter_map(|&(number, property, found)| Some((found.witness_steps()?, number, property)))
        .min_by_key(|&(steps, number, _)| (steps, number));
    if let Some((steps, number, property)) = shortest {
        let witness = Some((number, property));
        return match scenario.contract.permits(&scenario.strategy, finding) {
            Some(who) => reason(Verdict::Pass, format!("found in {steps} steps, {who}"), witness),
            None => reason(Verdict::Fail, format!("found in {steps} steps, and nobody permits it"), witness),
        };
    }
    let bound = verdicts.iter().find_map(|(_, _, found)| match found {
        Found::Bounded { why, states, .. } if *why != Bound::Vacuous => Some((*why, *states)),
        _ => None,
    });
    let demanded = scenario.contract.find.contains(&finding);
    match (bound, demanded) {
        (Some((why, states)), _) => {
            reason(Verdict::Unknown, format!("not found in {states} states, but {why}"), None)
        }
        (None, false) => None,
        (None, true) if verdicts.is_empty() => {
            reason(Verdict::Unknown, "demanded, and the model has no property for it".to_owned(), None)
        }
        (None, true) if !lacks.is_empty() => {
            let why = format!("demanded, and not found; but the model lacks {}", lacks.join(", "));
            reason(Verdict::Unknown, why, None)
        }
        (None, true) => reason(Verdict::Fail, "demanded, and not found in any interleaving".to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Question, ask, small},
        *,
    };
    use quarrel_models::{
        check::Limits,
        strategy::{LastWriteWins, Strategy},
    };
    use quarrel_workloads::scenario::{Overrides, Resolved};

    fn scenario(contract: &str) -> Scenario {
        let text = format!(
            "name = \"x\"\n[strategy.arrival]\n[workload.register]\n[nemesis.relocate]\nat = [\"1s\"]\n[contract]\n{contract}"
        );
        let plain = Overrides::default();
        Resolved::resolve("x.toml", &text, &plain, &plain, &[]).unwrap().scenario
    }

    fn judged(contract: &str, limits: Limits) -> Outcome {
        let scenario = scenario(contract);
        let small = small(&scenario, Some(2), Some(2)).unwrap();
        let mut answers = Vec::new();
        ask(small.questions, limits, 2, |answer| answers.push(answer));
        judge(&scenario, &small.lacks, &answers)
    }

    fn of(outcome: &Outcome, finding: &str) -> Option<(Verdict, String)> {
        let reason = outcome.reasons.iter().find(|reason| reason.finding.name() == finding)?;
        Some((reason.verdict, reason.why.clone()))
    }

    #[test]
    fn what_the_strategy_permits_is_found_and_passes() {
        let outcome = judged("", Limits::default());
        assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:?}");
        let found = of(&outcome, "divergence");
        assert_eq!(found, Some((Verdict::Pass, "found in 4 steps, which the strategy permits".to_owned())));
    }

    #[test]
    fn what_the_contract_forbids_fails_when_it_is_found() {
        let outcome = judged("forbid = [\"divergence\"]", Limits::default());
        assert_eq!(outcome.verdict, Verdict::Fail);
        let found = of(&outcome, "divergence");
        assert_eq!(found, Some((Verdict::Fail, "found in 4 steps, and nobody permits it".to_owned())));
        assert!(outcome.reasons.iter().any(|reason| reason.witness.is_some()));
    }

    #[test]
    fn what_is_demanded_and_cannot_happen_fails() {
        let outcome = judged("find = [\"causal-inversion\"]", Limits::default());
        let found = of(&outcome, "causal-inversion");
        assert_eq!(found, Some((Verdict::Fail, "demanded, and not found in any interleaving".to_owned())));
    }

    #[test]
    fn what_is_demanded_and_not_modelled_is_unknown() {
        let outcome = judged("find = [\"not-quiescent\"]", Limits::default());
        let found = of(&outcome, "not-quiescent").map(|(verdict, _)| verdict);
        assert_eq!(found, Some(Verdict::Unknown));
    }

    #[test]
    fn a_bound_that_was_reached_is_unknown() {
        let outcome = judged("", Limits { states: 3, ..Limits::default() });
        assert_eq!(outcome.verdict, Verdict::Unknown);
        let found = of(&outcome, "vanished").unwrap();
        assert!(found.1.contains("the bound on states was reached"), "{found:?}");
    }

    fn shipped(name: &str) -> Scenario {
        let plain = Overrides::default();
        let marks = quarrel_workloads::mark::Mark::ALL.map(quarrel_workloads::mark::Mark::name);
        let text = quarrel_workloads::scenario::shipped_text(name).unwrap();
        Resolved::resolve(name, text, &plain, &plain, &marks).unwrap().scenario
    }

    /// Two writes show all that their contracts demand, but for one of them; a release build allows them all three.
    #[test]
    fn every_shipped_scenario_passes_in_the_model() {
        for &(name, _) in quarrel_workloads::scenario::shipped() {
            let scenario = shipped(name);
            if !scenario.is_of_our_core() {
                continue;
            }
            let few = cfg!(debug_assertions) && name != "first-write-wins";
            let small = small(&scenario, None, few.then_some(2)).unwrap();
            let mut answers = Vec::new();
            ask(small.questions, Limits::default(), 2, |answer| answers.push(answer));
            let outcome = judge(&scenario, &small.lacks, &answers);
            assert_eq!(outcome.verdict, Verdict::Pass, "{name}: {:#?}", outcome.reasons);
        }
    }

    #[test]
    fn what_a_union_loses_in_the_model_are_removals_and_no_elements() {
        let scenario = shipped("on-write-union");
        let small = small(&scenario, None, Some(2)).unwrap();
        let mut answers = Vec::new();
        ask(small.questions, Limits::default(), 2, |answer| answers.push(answer));
        let outcome = judge(&scenario, &small.lacks, &answers);
        assert!(of(&outcome, "resurrected-delete").is_some(), "{outcome:?}");
        assert!(of(&outcome, "concurrent-discard").is_some(), "{outcome:?}");
        assert_eq!(of(&outcome, "lost-element"), None);
        let by_stamp = Scenario { strategy: Strategy::Lww(LastWriteWins::default()), ..scenario };
        let lost = of(&judge(&by_stamp, &small.lacks, &answers), "lost-element");
        assert_eq!(lost.map(|(verdict, _)| verdict), Some(Verdict::Fail), "nothing promises to keep them");
    }

    #[test]
    fn the_answers_do_not_depend_on_the_number_of_threads() {
        let answers = |threads| {
            let questions: Vec<Question> = small(&scenario(""), Some(2), Some(2)).unwrap().questions;
            let mut answers = Vec::new();
            ask(questions, Limits::default(), threads, |answer| {
                answers.push(format!("{:?}", answer.exploration))
            });
            answers
        };
        assert_eq!(answers(1), answers(3));
    }
}
