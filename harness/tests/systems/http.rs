//! Servers of anyone's over HTTP: a small store in Python, whose registers and counters lose writes, and whose sets
//! lose none.

use super::{count, ended_by, quarrel, run, text};
use rustix::process::Signal;
use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
};
use tempfile::{TempDir, tempdir};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http");

/// The interpreter itself, not a script that looks for it; `None`, aloud, if there is none.
fn python() -> Option<String> {
    let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    if let Ok(output) = asked
        && output.status.success()
    {
        return Some(String::from_utf8(output.stdout).unwrap().trim().to_owned());
    }
    assert!(std::env::var_os("QUARREL_REQUIRE_SYSTEMS").is_none(), "python3 is required");
    eprintln!("skipped: there is no python3");
    None
}

/// A scenario of the documents with this text changed, in a folder of its own.
fn changed(name: &str, changes: &[(&str, &str)]) -> (TempDir, String) {
    let mut scenario = fs::read_to_string(format!("{DOCS}/{name}.toml")).unwrap();
    for (from, to) in changes {
        assert!(scenario.contains(from), "{from}");
        scenario = scenario.replace(from, to);
    }
    let folder = tempdir().unwrap();
    fs::copy(format!("{DOCS}/store.py"), folder.path().join("store.py")).unwrap();
    let file = folder.path().join("scenario.toml");
    fs::write(&file, scenario).unwrap();
    (folder, file.display().to_string())
}

#[test]
fn counters_that_hold_sums_lose_additions_although_all_servers_agree() {
    if python().is_none() {
        return;
    }
    let store = tempdir().unwrap();
    let (found, code) = run(store.path(), &["run", &format!("{DOCS}/counter.toml")]);
    assert_eq!((found["verdict"].as_str(), code), (Some("pass"), Some(0)), "it was demanded: {found}");
    assert!(count(&found, "counter-drift") > 0, "{found}");
    assert_eq!(count(&found, "divergence"), 0, "{found}");
}

#[test]
fn registers_that_keep_the_latest_value_lose_newer_ones_to_a_clock_that_is_ahead() {
    let Some(python) = python() else { return };
    let (_folder, scenario) = changed("lww", &[("\"python3\"", &format!("{python:?}"))]);
    let store = tempdir().unwrap();
    let (found, code) = run(store.path(), &["run", &scenario]);
    assert_eq!((found["verdict"].as_str(), code), (Some("pass"), Some(0)), "it was demanded: {found}");
    assert!(count(&found, "real-time-inversion") > 0, "{found}");
}

#[test]
fn sets_that_keep_every_element_pass() {
    if python().is_none() {
        return;
    }
    let store = tempdir().unwrap();
    let (kept, code) = run(store.path(), &["run", &format!("{DOCS}/union.toml")]);
    assert_eq!((kept["verdict"].as_str(), code), (Some("pass"), Some(0)), "{kept}");
    assert!(kept["fates"]["merged"].as_u64() > Some(100), "{kept}");
}

/// Servers that somebody else started.
struct Servers(Vec<Child>);

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &mut self.0 {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

#[test]
fn servers_that_run_already_are_asked_and_what_they_held_before_is_left_alone() {
    let Some(python) = python() else { return };
    let held: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = held.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
    drop(held);
    let start = |at: usize| {
        let others = (0..3).filter(|&other| other != at);
        let peers: Vec<String> = others.map(|other| format!("{other}=127.0.0.1:{}", ports[other])).collect();
        let words = [format!("{DOCS}/store.py"), at.to_string(), ports[at].to_string(), peers.join(",")];
        Command::new(&python).args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let _servers = Servers((0..3).map(start).collect());
    let at: Vec<String> = ports.iter().map(|port| format!("\"http://127.0.0.1:{port}/\"")).collect();
    let (_folder, scenario) = changed(
        "union",
        &[
            (
                "command = [\"python3\", \"store.py\", \"{node}\", \"{port}\", \"{peers}\"]",
                &format!("endpoints = [{}]", at.join(", ")),
            ),
            (
                "[nemesis.partition]\nshape = \"isolate\"\nreplica = \"B\"\nat = [\"500ms\"]\nfor = \"1s\"",
                "[nemesis.relocate]\nevery = \"300ms\"",
            ),
            ("link = { latency_us = 2000, jitter_us = 1000 }\n", ""),
            ("[\"partition\", \"all-faults-healed\"]", "[\"relocated\"]"),
        ],
    );
    let store = tempdir().unwrap();
    for _ in 0..2 {
        let (kept, code) = run(store.path(), &["run", &scenario]);
        assert_eq!((kept["verdict"].as_str(), code), (Some("pass"), Some(0)), "{kept}");
    }
}

#[test]
fn what_cannot_be_asked_or_is_answered_strangely_is_named() {
    if python().is_none() {
        return;
    }
    let command = "command = [\"python3\", \"store.py\", \"{node}\", \"{port}\", \"{peers}\"]";
    for (from, to, code, expected) in [
        (command, "command = [\"sh\", \"-c\", \"echo broken {port} >&2; exit 3\"]", 5, "broken"),
        (command, "command = [\"./no-such-server\", \"{port}\"]", 5, "no program `./no-such-server`"),
        (
            "path = \"/records\"\nvalue = \"/records\"",
            "path = \"/records\"\nvalue = \"/all\"",
            5,
            "nothing at `/all`",
        ),
        (command, "", 2, "either started by a `command`"),
        (command, "command = [\"python3\"]", 2, "no `{port}`"),
        (command, "endpoints = [\"http://127.0.0.1:1\"]", 2, "1 endpoints for 3 leaders"),
        ("[cluster.http.insert]", "[cluster.http.write]", 2, "needs a request `insert`"),
        ("path = \"/elements\"", "path = \"elements\"", 2, "`elements` is no path"),
    ] {
        let (_folder, scenario) = changed("union", &[(from, to)]);
        let store = tempdir().unwrap();
        let output = quarrel(store.path(), &["run", &scenario]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{to}: {}", text(&output));
        assert!(text(&output).contains(expected), "{expected}: {}", text(&output));
    }
}

#[test]
fn nothing_outlives_ctrl_c_or_a_killed_harness() {
    if python().is_none() {
        return;
    }
    let scenario = format!("{DOCS}/union.toml");
    assert_eq!(ended_by(Signal::INT, &scenario, "http-union"), Some(130));
    assert_eq!(ended_by(Signal::KILL, &scenario, "http-union"), None);
}
