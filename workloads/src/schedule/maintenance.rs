//! What operators and background jobs do to replicas, and when.

use super::{Cause, Plan, shapes::some_leader};
use crate::scenario::{
    Workload,
    nemesis::{Chore, Maintenance},
};
use quarrel_models::{id::ReplicaId, random::Stream, sim::Errand, value::Key};
use std::time::Duration;

/// One piece of maintenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedErrand {
    /// When, from the start of the storm.
    pub at: Duration,
    /// To whom.
    pub replica: ReplicaId,
    /// What.
    pub errand: Errand,
}

pub(super) fn plan(plan: &Plan<'_>) -> Vec<PlannedErrand> {
    let mut planned = Vec::new();
    for (index, maintenance) in plan.scenario.nemesis.maintenance.0.iter().enumerate() {
        let cause = Cause { table: "maintenance", index };
        for mut occasion in plan.occasions().of(cause, &maintenance.at, maintenance.every) {
            let choices = &mut occasion.choices;
            let replica = maintenance.replica.unwrap_or_else(|| some_leader(plan.graph, choices));
            let errand = match maintenance.what {
                Chore::Collect => Errand::Collect,
                Chore::Forget => Errand::Forget,
                Chore::TakeHome => Errand::TakeHome(key(maintenance, &plan.scenario.workload, choices)),
            };
            planned.push(PlannedErrand { at: occasion.at, replica, errand });
        }
    }
    planned.sort_by_key(|entry| entry.at);
    planned
}

/// The record that is named, or one of those that clients use.
fn key(maintenance: &Maintenance, workload: &Workload, choices: &mut Stream) -> Key {
    if let Some(key) = &maintenance.key {
        return key.clone();
    }
    match workload {
        Workload::Register(keys) => format!("k{}", choices.below(u64::from(keys.keys.max(1)))).into(),
        Workload::Counter(keys) => format!("n{}", choices.below(u64::from(keys.keys.max(1)))).into(),
        // Their records come and go: scenarios must name one.
        Workload::Set(_) | Workload::Calendar(_) => Key::default(),
    }
}
