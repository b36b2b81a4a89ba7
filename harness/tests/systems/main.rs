//! Systems that are not ours, from the command line to the verdict: what they are known to lose is found, what they
//! keep passes, and nothing outlives the harness.
//!
//! A system that is not installed is skipped aloud; `QUARREL_REQUIRE_SYSTEMS=1` makes that a failure.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "what is skipped is said")]

mod http;
mod maelstrom;
mod mariadb;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

fn quarrel(store: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    command.args(words).arg("--results").arg(store).stdin(Stdio::null());
    command.env_remove("CI").env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The only run of a command with `--output json`, and its exit code.
fn run(store: &Path, words: &[&str]) -> (Value, Option<i32>) {
    let output = quarrel(store, words).args(["--output", "json"]).output().unwrap();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}", text(&output)));
    (report["runs"][0].clone(), output.status.code())
}

/// How often an anomaly was found, permitted or not.
fn count(run: &Value, kind: &str) -> u64 {
    let anomalies = run["anomalies"].as_array().unwrap_or_else(|| panic!("no anomalies: {run}"));
    let of = anomalies.iter().find(|anomaly| anomaly["kind"] == kind);
    of.and_then(|anomaly| anomaly["count"].as_u64()).unwrap_or(0)
}

/// Whether a system can be tested here. Says so if it cannot.
fn is_here(system: &str) -> bool {
    let output = quarrel_systems();
    let listed =
        output["systems"].as_array().unwrap().iter().find(|listed| listed["name"] == system).unwrap();
    if listed["ready"] == true {
        return true;
    }
    assert!(
        std::env::var_os("QUARREL_REQUIRE_SYSTEMS").is_none(),
        "{system} is required: {}",
        listed["install"]
    );
    eprintln!("skipped: {}; install it with {}", listed["missing"], listed["install"]);
    false
}

fn quarrel_systems() -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    let output = command.args(["systems", "--output", "json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Waits for a condition, not for a time.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{what} took too long");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// All processes below this one, by the parents that `/proc` tells of.
fn descendants(root: u32) -> Vec<i32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let parent = rest.split(' ').nth(1).and_then(|word| word.parse::<i32>().ok());
        parents.extend(parent.map(|parent| (parent, id)));
    }
    let mut found = vec![i32::try_from(root).unwrap()];
    let mut at = 0;
    while at < found.len() {
        let children = parents.iter().filter(|(parent, _)| *parent == found[at]).map(|(_, id)| *id);
        let children: Vec<i32> = children.collect();
        found.extend(children);
        at += 1;
    }
    found.split_off(1)
}

/// The folder of the only run of a scenario, made or under way.
fn folder(store: &Path, scenario: &str) -> Option<PathBuf> {
    Some(fs::read_dir(store.join(scenario)).ok()?.next()?.ok()?.path())
}

/// Starts a run, waits until clients have written, ends the harness by a signal, and sees that every process which it
/// started ends too. Gives back the harness's exit code, if it had one.
fn ended_by(signal: Signal, scenario: &str, name: &str) -> Option<i32> {
    let store = tempfile::tempdir().unwrap();
    let words = ["run", scenario, "--duration", "600s"];
    let mut harness: Child =
        quarrel(store.path(), &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the first writes", || {
        if let Some(status) = harness.try_wait().unwrap() {
            panic!("the harness ended by itself: {status}");
        }
        let history = fs::read_to_string(folder(store.path(), name)?.join("history.jsonl")).ok()?;
        history.contains("\"type\":\"ok\"").then_some(())
    });
    let started = descendants(harness.id());
    assert!(started.len() >= 3, "keepers and nodes: {started:?}");
    kill_process(Pid::from_child(&harness), signal).unwrap();
    let status = harness.wait().unwrap();
    wait_for("the end of every process", || {
        let runs = |&&id: &&i32| {
            let is_zombie =
                fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| stat.contains(") Z "));
            test_kill_process(Pid::from_raw(id).unwrap()).is_ok() && !is_zombie
        };
        started.iter().find(runs).is_none().then_some(())
    });
    status.code()
}
