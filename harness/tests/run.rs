//! The binary against real nodes: a run from its command line to its files, and Ctrl-C.

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::tempdir;

fn quarrel(store: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    command.args(words).arg("--results").arg(store).stdin(Stdio::null());
    command.env_remove("CI").env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
    command
}

fn json(output: &Output) -> Value {
    let error = || String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}", error()))
}

/// Waits for a condition, not for a time; a run that never gets there is stopped by the bound.
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

/// The folder of the only run of `smoke`.
fn folder(store: &Path) -> Option<PathBuf> {
    Some(fs::read_dir(store.join("smoke")).ok()?.next()?.ok()?.path())
}

#[test]
fn a_run_can_be_judged_again_from_its_folder() {
    let store = tempdir().unwrap();
    let ran = quarrel(store.path(), &["run", "smoke", "--seed", "5", "--output", "json"]).output().unwrap();
    let run = &json(&ran)["runs"][0];
    assert_eq!((&run["seed"], &run["scenario"]), (&5.into(), &"smoke".into()));
    let checked = quarrel(store.path(), &["check", "latest", "--output", "json"]).output().unwrap();
    assert_eq!(checked.status.code(), ran.status.code());
    let checked = json(&checked);
    assert_eq!(checked["verdict"], run["verdict"]);
    assert_eq!(checked["run"]["fates"], run["fates"]);
    assert!(checked["operations"].as_u64() > Some(0));
}

#[test]
fn ctrl_c_heals_and_keeps_what_was_recorded() {
    let store = tempdir().unwrap();
    let mut command = quarrel(store.path(), &["run", "smoke", "--duration", "600s"]);
    // As a terminal does it: to the whole group, nodes included.
    command.process_group(0);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the first fault", || {
        let nemesis = fs::read_to_string(folder(store.path())?.join("nemesis.jsonl")).ok()?;
        nemesis.contains("cut").then_some(())
    });
    kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{text}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(text.contains("interrupted"), "{text}");
    // What had not arrived yet is not lost.
    assert!(!text.starts_with("FAIL"), "{text}");
    let folder = folder(store.path()).unwrap();
    assert!(!folder.to_string_lossy().ends_with(".partial"), "{}", folder.display());
    assert!(folder.join("verdict.json").exists());
}

#[test]
fn ctrl_c_leaves_a_search_and_no_folder_of_it() {
    let store = tempdir().unwrap();
    let words = ["model", "smoke", "--writes", "5", "--unreduced", "--time", "10m", "--states", "1000000000"];
    let mut command = quarrel(store.path(), &words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn().unwrap();
    let begun =
        wait_for("the folder", || folder(store.path()).filter(|folder| folder.join("run.json").exists()));
    assert!(begun.to_string_lossy().ends_with("-model.partial"), "{}", begun.display());
    kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{error}");
    assert_eq!(error, "interrupted: of the search under way nothing is kept\n");
    assert_eq!(folder(store.path()), None);
    assert!(ended.stdout.is_empty());
}

#[test]
fn too_few_file_descriptors_are_told_before_the_run() {
    let store = tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_quarrel");
    let line = format!("ulimit -n 64; exec {program} run smoke --results {}", store.path().display());
    let ended = Command::new("sh").args(["-c", &line]).output().unwrap();
    let error = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(5), "{error}");
    assert!(error.contains("the limit is 64") && error.contains("ulimit -n 128"), "{error}");
}

#[test]
fn a_killed_run_can_still_be_judged_and_is_unknown() {
    let store = tempdir().unwrap();
    let mut command = quarrel(store.path(), &["run", "smoke", "--duration", "600s"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the first operations", || {
        let history = fs::read_to_string(folder(store.path())?.join("history.jsonl")).ok()?;
        (history.lines().count() > 100).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let list = quarrel(store.path(), &["runs", "list", "--output", "json"]).output().unwrap();
    assert_eq!(json(&list)["runs"][0]["status"], "incomplete");
    let checked = quarrel(store.path(), &["check", "latest", "--output", "json"]).output().unwrap();
    assert_eq!(json(&checked)["verdict"], "unknown");
    assert_eq!(checked.status.code(), Some(3));
}
