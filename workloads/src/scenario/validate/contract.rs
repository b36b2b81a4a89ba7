//! The contract: can it be kept at all?

use super::Problems;
use crate::{
    scenario::{Scenario, Workload, problem::did_you_mean},
    verdict::{Anomaly, Finding},
};

/// Checks that the contract does not contradict itself and names known marks.
pub(super) fn check(scenario: &Scenario, marks: &[&str], problems: &mut Problems) {
    let contract = &scenario.contract;
    for (index, &finding) in contract.find.iter().enumerate() {
        let path = format!("contract.find[{index}]");
        if contract.forbid.contains(&finding) {
            problems.add(
                path,
                format!("`{finding}` is both demanded and forbidden"),
                "in `forbid` too",
                format!("remove `{finding}` from `find` or from `forbid`"),
            );
        } else if let Some(reason) = never_looked_for(&scenario.workload, finding) {
            problems.add(
                path,
                format!("`{finding}` cannot be found by the workload `{}`", scenario.workload.name()),
                reason,
                format!("remove `{finding}`, or choose another workload"),
            );
        }
    }
    for (index, finding) in contract.allow.iter().enumerate() {
        if contract.forbid.contains(finding) {
            problems.add(
                format!("contract.allow[{index}]"),
                format!("`{finding}` is both allowed and forbidden"),
                "in `forbid` too",
                format!("remove `{finding}` from `allow` or from `forbid`"),
            );
        }
    }
    for (index, mark) in contract.marks.iter().enumerate() {
        if !marks.contains(&mark.as_str()) {
            let help = match did_you_mean(mark, marks.iter().copied()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("the marks are `{}`", marks.join("`, `")),
            };
            problems.add(
                format!("contract.marks[{index}]"),
                format!("unknown mark `{mark}`"),
                "not a mark",
                help,
            );
        }
    }
}

/// Why the workload's checkers never report the finding, if so.
fn never_looked_for(workload: &Workload, finding: Finding) -> Option<&'static str> {
    let Finding::Anomaly(anomaly) = finding else { return None };
    match (anomaly, workload) {
        (Anomaly::LostElement | Anomaly::UnexpectedElement, Workload::Set(_))
        | (Anomaly::CounterDrift, Workload::Counter(_))
        | (Anomaly::DoubleBooking, Workload::Calendar(_))
        | (Anomaly::Divergence | Anomaly::NotQuiescent, _)
        | (Anomaly::ResurrectedDelete, Workload::Register(_) | Workload::Set(_) | Workload::Calendar(_)) => {
            None
        }
        (Anomaly::LostElement | Anomaly::UnexpectedElement, _) => Some("only sets have elements"),
        (Anomaly::CounterDrift, _) => Some("only counters drift"),
        (Anomaly::DoubleBooking, _) => Some("only calendars have slots"),
        (Anomaly::ResurrectedDelete, _) => Some("nothing is ever deleted"),
    }
}
