//! What servers need that are spoken to over HTTP: who they are, and a request for each operation of the workload.

use super::Problems;
use crate::scenario::{Http, Scenario, Workload};

pub(super) fn check(scenario: &Scenario, problems: &mut Problems) {
    let Some(http) = &scenario.cluster.http else {
        problems.add(
            "cluster.system",
            "`http` needs to know the servers and their requests",
            "which servers?",
            "add `[cluster.http]` with a `command` or `endpoints`, and a request for each operation",
        );
        return;
    };
    check_servers(scenario, http, problems);
    check_requests(scenario, http, problems);
}

/// They are started, or they run already.
fn check_servers(scenario: &Scenario, http: &Http, problems: &mut Problems) {
    if http.command.is_empty() == http.endpoints.is_empty() {
        problems.add(
            "cluster.http",
            "servers are either started by a `command`, or are there at `endpoints`",
            "one of the two",
            "write `command = [\"./server\", \"--port\", \"{port}\"]`, or `endpoints = [\"http://127.0.0.1:8001\"]`",
        );
    }
    if !http.command.is_empty() && !http.command.iter().any(|word| word.contains("{port}")) {
        problems.add(
            "cluster.http.command",
            "the command does not say where a server is to listen",
            "no `{port}`",
            "hand `{port}` to it, such as `\"--port\", \"{port}\"`",
        );
    }
    if http.pulls() && http.command.iter().any(|word| word.contains("{peers}")) {
        problems.add(
            "cluster.http.command",
            "a link is opened by the one that sends, or by the one that pulls",
            "`{peers}` and `{sources}`",
            "hand over one of the two",
        );
    }
    if http.endpoints.is_empty() {
        return;
    }
    if http.endpoints.len() != scenario.cluster.leaders {
        let (there, leaders) = (http.endpoints.len(), scenario.cluster.leaders);
        problems.add(
            "cluster.http.endpoints",
            format!("{there} endpoints for {leaders} leaders"),
            "one for each leader",
            format!("write `leaders = {there}`, or name {leaders} endpoints"),
        );
    }
    for endpoint in &http.endpoints {
        let host = endpoint.strip_prefix("http://").unwrap_or_default();
        if host.is_empty() || host.starts_with('/') {
            problems.add(
                "cluster.http.endpoints",
                format!("`{endpoint}` is no address of a server"),
                "not `http://`",
                "write it as `http://127.0.0.1:8001`; a server with TLS needs a plain address for the test",
            );
        }
    }
    check_faults(scenario, problems);
}

/// Nothing can be done to servers that somebody else started, or to the links between them.
fn check_faults(scenario: &Scenario, problems: &mut Problems) {
    let nemesis = &scenario.nemesis;
    let faults = [
        ("partition", !nemesis.partition.is_empty()),
        ("link", !nemesis.link.is_empty()),
        ("clock", !nemesis.clock.is_empty()),
        ("kill", !nemesis.kill.is_empty()),
        ("pause", !nemesis.pause.is_empty()),
        ("offline", !nemesis.offline.is_empty()),
    ];
    for (fault, _) in faults.into_iter().filter(|(_, is_asked)| *is_asked) {
        problems.add(
            format!("nemesis.{fault}"),
            "nothing can be done to servers that run already, nor to their links",
            "not with `endpoints`",
            "let a `command` start the servers, or leave the table out; `[nemesis.relocate]` works",
        );
    }
}

/// Every operation of the workload has a request, and every request a path.
fn check_requests(scenario: &Scenario, http: &Http, problems: &mut Problems) {
    let workload = scenario.workload.name();
    let needed: &[(&str, bool)] = match &scenario.workload {
        Workload::Register(keys) => &[("write", true), ("delete", keys.delete_share > 0.0)],
        Workload::Set(keys) => &[("insert", true), ("remove", keys.delete_share > 0.0)],
        Workload::Counter(_) => &[("add", true)],
        Workload::Calendar(_) => &[],
    };
    for (name, _) in needed.iter().filter(|(_, is_needed)| *is_needed) {
        if !http.requests().any(|(there, _)| there == *name) {
            problems.add(
                "cluster.http",
                format!("the workload `{workload}` needs a request `{name}`"),
                format!("no `[cluster.http.{name}]`"),
                format!("add `[cluster.http.{name}]` with `method`, `path` and `body`"),
            );
        }
    }
    for (name, request) in http.requests() {
        if !request.path.starts_with('/') {
            problems.add(
                format!("cluster.http.{name}.path"),
                format!("`{}` is no path", request.path),
                "begins without `/`",
                format!("write `path = \"/{}\"`", request.path),
            );
        }
        if !request.value.is_empty() && !request.value.starts_with('/') {
            problems.add(
                format!("cluster.http.{name}.value"),
                format!("`{}` is no JSON pointer", request.value),
                "begins without `/`",
                format!("write `value = \"/{}\"`", request.value),
            );
        }
    }
}
