//! What each system under test can do: a scenario that asks for more is refused with what there is.

use super::Problems;
use crate::scenario::{Scenario, Workload};
use quarrel_models::{
    clock::ClockKind,
    strategy::{LocalWrite, Strategy, TieRule},
};

/// A system that is not the reference cluster, which can do all.
struct Foreign {
    name: &'static str,
    strategies: &'static [&'static str],
    workloads: &'static [&'static str],
}

const FOREIGN: &[Foreign] =
    &[Foreign { name: "mariadb", strategies: &["arrival", "lww"], workloads: &["register", "counter"] }];

/// The names of all systems under test.
#[must_use]
pub fn systems() -> Vec<&'static str> {
    std::iter::once("reference").chain(FOREIGN.iter().map(|system| system.name)).collect()
}

/// Checks that the system exists and can do what the scenario asks.
pub(super) fn check(scenario: &Scenario, problems: &mut Problems) {
    let name = scenario.cluster.system.as_str();
    if name == "reference" {
        return;
    }
    let Some(system) = FOREIGN.iter().find(|system| system.name == name) else {
        problems.add(
            "cluster.system",
            format!("there is no system under test called `{name}`"),
            "unknown system",
            format!("there are {}: write `system = \"reference\"` or leave the line out", list(&systems())),
        );
        return;
    };
    let strategy = scenario.strategy.name();
    if !system.strategies.contains(&strategy) {
        problems.add(
            format!("strategy.{strategy}"),
            format!("`{name}` cannot do the strategy `{strategy}`"),
            "not with this system",
            format!("it can do {}", list(system.strategies)),
        );
    }
    let workload = scenario.workload.name();
    if !system.workloads.contains(&workload) {
        problems.add(
            format!("workload.{workload}"),
            format!("`{name}` has no client for the workload `{workload}`"),
            "not with this system",
            format!("it has clients for {}", list(system.workloads)),
        );
    }
    check_parts(scenario, problems);
}

/// What no foreign system can do yet, or not in the way that the reference cluster does.
fn check_parts(scenario: &Scenario, problems: &mut Problems) {
    let name = &scenario.cluster.system;
    let mut cannot = |applies: bool, path: &str, what: &str, help: &str| {
        if applies {
            problems.add(path, format!("`{name}` {what}"), "not with this system", help);
        }
    };
    cannot(
        !scenario.cluster.followers.is_empty(),
        "cluster.followers",
        "has no followers here",
        "leave the line out: all replicas are leaders",
    );
    let link = &scenario.cluster.link;
    cannot(
        link.loss_ppm > 0 || link.duplicate_ppm > 0 || link.reorder_ppm > 0,
        "cluster.link",
        "replicates in a stream of bytes, whose loss would be corruption",
        "leave `loss_ppm`, `duplicate_ppm` and `reorder_ppm` out; latency, jitter and bandwidth can be had",
    );
    cannot(
        scenario.nemesis.link.0.iter().any(|link| {
            let quality = &link.quality;
            quality.loss_ppm > 0 || quality.duplicate_ppm > 0 || quality.reorder_ppm > 0
        }),
        "nemesis.link",
        "replicates in a stream of bytes, whose loss would be corruption",
        "leave `loss_ppm`, `duplicate_ppm` and `reorder_ppm` out; latency, jitter and bandwidth can be had",
    );
    cannot(
        scenario.clients.token,
        "clients.token",
        "knows no session tokens",
        "write `token = false` or leave the line out",
    );
    cannot(
        scenario.nemesis.relocate.0.iter().any(|moves| moves.in_flight),
        "nemesis.relocate.in_flight",
        "knows no idempotency keys: a write that is sent again is another write",
        "write `in_flight = false`, or leave the line out",
    );
    if let Workload::Register(keys) | Workload::Counter(keys) = &scenario.workload {
        let path = format!("workload.{}.delete_share", scenario.workload.name());
        cannot(
            keys.delete_share > 0.0 && matches!(scenario.workload, Workload::Register(_)),
            &path,
            "has no deletions here: every row is there from the start",
            "leave the line out",
        );
    }
    if let Strategy::Lww(lww) = &scenario.strategy {
        cannot(
            lww.clock != ClockKind::Wall
                || lww.tie != TieRule::NodeId
                || lww.local_write != LocalWrite::Merge
                || lww.record,
            "strategy.lww",
            "keeps the later row by a trigger: wall clock, ties by node, local writes through the merge, no record",
            "write `[strategy.lww]` with its defaults",
        );
    }
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}
