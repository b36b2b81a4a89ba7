//! The strategy's own parameters.

use super::Problems;
use crate::scenario::{Scenario, Workload};
use quarrel_models::{
    id::ReplicaId,
    strategy::{DataType, DeletePolicy, Detection, LeaderPriority, Strategy},
};

/// The data type whose operations are those of the workload, if there is one.
#[must_use]
pub fn data_type_for(workload: &Workload) -> Option<DataType> {
    match workload {
        Workload::Register(_) => Some(DataType::MvRegister),
        Workload::Set(_) => Some(DataType::OrSet),
        Workload::Counter(_) => Some(DataType::Counter),
        Workload::Calendar(_) => None,
    }
}

/// Checks what a strategy says of the cluster.
pub(super) fn check(scenario: &Scenario, problems: &mut Problems) {
    match &scenario.strategy {
        Strategy::LeaderPriority(LeaderPriority { order, .. }) => {
            check_order(order, scenario.cluster.leaders, problems);
        }
        Strategy::Crdt(crdt) => check_data_type(crdt.data_type, &scenario.workload, problems),
        _ => {}
    }
    check_deletes(&scenario.strategy, problems);
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

fn check_data_type(data_type: DataType, workload: &Workload, problems: &mut Problems) {
    let fitting = data_type_for(workload);
    if fitting == Some(data_type) {
        return;
    }
    let help = match fitting {
        Some(fitting) => format!("write `type = \"{}\"`", fitting.name()),
        None => format!("no data type fits `{}`: write `[strategy.on-write]` instead", workload.name()),
    };
    problems.add(
        "strategy.crdt.type",
        format!("`{}` has no operations like those of the workload `{}`", data_type.name(), workload.name()),
        "does not fit",
        help,
    );
}

/// A deletion that wins over concurrent writes must be told from one that they knew of.
fn check_deletes(strategy: &Strategy, problems: &mut Problems) {
    let detects = match strategy {
        Strategy::Arrival(_) => false,
        Strategy::FirstWriteWins(winner) => winner.detection != Detection::None,
        Strategy::LeaderPriority(winner) => winner.detection != Detection::None,
        Strategy::MostUpdates(winner) => winner.detection != Detection::None,
        _ => true,
    };
    if detects || strategy.resolver().rows().deletes != DeletePolicy::DeleteWins {
        return;
    }
    problems.add(
        format!("strategy.{}.rows.deletes", strategy.name()),
        format!("`{}` detects no conflicts here, so no deletion can win one", strategy.name()),
        "needs detection",
        match strategy {
            Strategy::Arrival(_) => "write `deletes = \"tombstone\"`, or use `[strategy.lww]`",
            _ => "write `detection = \"version-vectors\"`, or `deletes = \"tombstone\"`",
        },
    );
}
