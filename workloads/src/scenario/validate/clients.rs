//! Clients and phases.

use super::Problems;
use crate::scenario::Scenario;
use std::time::Duration;

/// Checks who the clients are and how long they work.
pub(super) fn check(scenario: &Scenario, problems: &mut Problems) {
    let clients = &scenario.clients;
    problems.positive("clients.count".to_owned(), clients.count.into(), "write `count = 9`");
    if !clients.rate.is_finite() || clients.rate < 0.0 {
        problems.add(
            "clients.rate",
            format!("`rate` is a number of operations per second, not {}", clients.rate),
            "not a rate",
            "write `rate = 300`, or `rate = 0` for a closed loop",
        );
    }
    if clients.timeout.duration().is_zero() {
        problems.add(
            "clients.timeout",
            "clients that do not wait for an answer never get one",
            "no time to answer",
            "write `timeout = \"2s\"`",
        );
    }
    check_follower_reads(scenario, problems);
    check_phases(scenario, problems);
}

fn check_follower_reads(scenario: &Scenario, problems: &mut Problems) {
    let share = scenario.clients.follower_reads;
    problems.share("clients.follower_reads".to_owned(), share);
    if share > 0.0 && !scenario.cluster.followers.iter().any(|follower| follower.readable) {
        problems.add(
            "clients.follower_reads",
            "no follower of this cluster can be read",
            "nobody to read from",
            "add `followers = [{ of = [\"A\"], readable = true }]` to `[cluster]`",
        );
    }
}

fn check_phases(scenario: &Scenario, problems: &mut Problems) {
    let phases = &scenario.phases;
    if phases.load() == Duration::ZERO {
        problems.add(
            "phases",
            "no phase has any load: the clients would do nothing",
            "all zero",
            "write `storm = \"8s\"`",
        );
    }
    if phases.quiesce.duration().is_zero() {
        problems.add(
            "phases.quiesce",
            "replication needs time to come to rest before replicas can be compared",
            "no time at all",
            "write `quiesce = \"20s\"`",
        );
    }
}
