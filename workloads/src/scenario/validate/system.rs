//! What each system under test can do: a scenario that asks for more is refused with what there is.

use super::Problems;
use crate::scenario::{Keys, Scenario, Workload};
use quarrel_models::{
    clock::ClockKind,
    fault::LinkQuality,
    strategy::{LocalWrite, Strategy, TieRule},
    topology::Topology,
};

/// A system that is not the reference cluster, which can do all.
struct Foreign {
    name: &'static str,
    strategies: &'static [&'static str],
    workloads: &'static [&'static str],
    /// Whether its links carry messages, which can be lost, doubled and overtaken one by one.
    has_frames: bool,
}

/// What nodes of the user's may promise: the harness sees a black box.
const PROMISES: &[&str] = &["arrival", "home-leader", "lww", "on-write", "crdt"];

const FOREIGN: &[Foreign] = &[
    Foreign {
        name: "http",
        strategies: PROMISES,
        workloads: &["register", "set", "counter"],
        has_frames: false,
    },
    Foreign {
        name: "maelstrom",
        strategies: PROMISES,
        workloads: &["set", "counter", "register"],
        has_frames: true,
    },
    Foreign {
        name: "mariadb",
        strategies: &["arrival", "lww"],
        workloads: &["register", "counter"],
        has_frames: false,
    },
];

/// The names of all systems under test.
#[must_use]
pub fn systems() -> Vec<&'static str> {
    std::iter::once("reference").chain(FOREIGN.iter().map(|system| system.name)).collect()
}

/// Checks that the system exists and can do what the scenario asks.
pub(super) fn check(scenario: &Scenario, problems: &mut Problems) {
    let name = scenario.cluster.system.as_str();
    let tables =
        [("maelstrom", scenario.cluster.maelstrom.is_some()), ("http", scenario.cluster.http.is_some())];
    for (table, _) in tables.into_iter().filter(|&(table, is_there)| is_there && table != name) {
        problems.add(
            format!("cluster.{table}"),
            format!("`{name}` is no program of yours"),
            format!("only with `system = \"{table}\"`"),
            format!("write `system = \"{table}\"`, or leave the table out"),
        );
    }
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
    match name {
        "maelstrom" => check_maelstrom(scenario, problems),
        "http" => super::http::check(scenario, problems),
        _ => {}
    }
    if !system.has_frames {
        check_links(scenario, problems);
    }
    check_parts(scenario, problems);
}

/// What nodes that speak Maelstrom's protocol need.
fn check_maelstrom(scenario: &Scenario, problems: &mut Problems) {
    let Some(described) = &scenario.cluster.maelstrom else {
        problems.add(
            "cluster.system",
            "`maelstrom` needs to know the nodes' program",
            "which program?",
            "add `[cluster.maelstrom]` with `command = [\"python3\", \"node.py\"]` and `workload = \"g-set\"`",
        );
        return;
    };
    if described.command.is_empty() {
        problems.add(
            "cluster.maelstrom.command",
            "there is no program in `command`",
            "empty",
            "write the program and its arguments, such as `command = [\"python3\", \"node.py\"]`",
        );
    }
    let (protocol, workload) = (described.workload, scenario.workload.name());
    if workload != protocol.driven_by() {
        problems.add(
            format!("workload.{workload}"),
            format!("Maelstrom's `{}` is not driven by the workload `{workload}`", protocol.name()),
            "another workload",
            format!("write `[workload.{}]`", protocol.driven_by()),
        );
    }
    if scenario.cluster.topology != Topology::AllToAll {
        problems.add(
            "cluster.topology",
            "every Maelstrom node may write to every other one",
            "not with this system",
            "write `topology = \"all-to-all\"`",
        );
    }
    if let Workload::Counter(keys) = &scenario.workload
        && keys.keys != 1
    {
        problems.add(
            "workload.counter.keys",
            "Maelstrom's nodes hold one counter",
            "more than one",
            "write `keys = 1`",
        );
    }
    if let Workload::Set(keys) | Workload::Register(keys) = &scenario.workload
        && keys.delete_share > 0.0
    {
        problems.add(
            format!("workload.{workload}.delete_share"),
            format!("Maelstrom's `{}` has no deletions", protocol.name()),
            "not with this system",
            "leave the line out, or write `delete_share = 0.0`",
        );
    }
}

/// What links of bytes cannot do.
fn check_links(scenario: &Scenario, problems: &mut Problems) {
    let name = &scenario.cluster.system;
    let tears = |link: &LinkQuality| link.loss_ppm > 0 || link.duplicate_ppm > 0 || link.reorder_ppm > 0;
    let mut cannot = |applies: bool, path: &str| {
        if applies {
            problems.add(
                path,
                format!("`{name}` replicates in a stream of bytes, whose loss would be corruption"),
                "not with this system",
                "leave `loss_ppm`, `duplicate_ppm` and `reorder_ppm` out; latency, jitter and bandwidth can be had",
            );
        }
    };
    cannot(tears(&scenario.cluster.link), "cluster.link");
    cannot(scenario.nemesis.link.0.iter().any(|link| tears(&link.quality)), "nemesis.link");
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
    if name == "mariadb" {
        let deletes = |keys: &Keys| keys.delete_share > 0.0;
        cannot(
            matches!(&scenario.workload, Workload::Register(keys) if deletes(keys)),
            "workload.register.delete_share",
            "has no deletions here: every row is there from the start",
            "leave the line out",
        );
    }
    if let (Strategy::Lww(lww), "mariadb") = (&scenario.strategy, name.as_str()) {
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
