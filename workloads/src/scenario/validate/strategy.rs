//! The strategy's own parameters.

use super::Problems;
use crate::scenario::Scenario;
use quarrel_models::{
    id::ReplicaId,
    strategy::{LeaderPriority, Strategy},
};

/// Checks what a strategy says of the cluster.
pub(super) fn check(scenario: &Scenario, problems: &mut Problems) {
    if let Strategy::LeaderPriority(LeaderPriority { order, .. }) = &scenario.strategy {
        check_order(order, scenario.cluster.leaders, problems);
    }
}

/// A priority names leaders of the cluster, each once.
fn check_order(order: &[ReplicaId], leaders: usize, problems: &mut Problems) {
    for (index, leader) in order.iter().enumerate() {
        let (what, label) = if leader.index() >= leaders {
            (format!("`{leader}` is none of the {leaders} leaders"), "no such leader")
        } else if order[..index].contains(leader) {
            (format!("`{leader}` has two places in the order"), "named twice")
        } else {
            continue;
        };
        problems.add(
            format!("strategy.leader-priority.order[{index}]"),
            what,
            label,
            "name each leader at most once, such as `order = [\"B\", \"A\"]`: the rest come after them",
        );
    }
}
