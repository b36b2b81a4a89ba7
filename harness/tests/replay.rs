//! `quarrel replay` against real processes: what the model finds is shown by them, and nothing of them stays behind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rustix::process::{Pid, Signal, kill_process, test_kill_process_group};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::{TempDir, tempdir};

fn quarrel(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    command.args(words).stdin(Stdio::null()).env("NO_COLOR", "1");
    command.env_remove("CI").env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn out(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn what_the_model_finds_is_lost_by_the_core_and_by_real_processes_step_by_step() {
    let folder = tempdir().unwrap();
    let store = folder.path().to_str().unwrap();
    let found = out(&quarrel(&["model", "lww-skew", "--results", store]).output().unwrap());
    let last = found.lines().last().unwrap().trim_start().strip_prefix("replay ").unwrap();
    let words: Vec<&str> = last.split(' ').collect();
    assert_eq!((&words[..2], &words[3..]), (&["quarrel", "replay"][..], &["--on", "live"][..]), "{last}");
    let replay = |on| out(&quarrel(&["replay", words[2], "--on", on]).output().unwrap());
    let (by_the_core, live) = (replay("sim"), replay("live"));
    assert!(live.contains("the real processes were the same after each step"), "{live}");
    assert!(live.starts_with("SHOWN causal-inversion"), "{live}");
    let told = |text: &str| {
        let from = text.find(" 1. ").unwrap();
        text[from..].split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(told(&by_the_core).replace("--on sim", "--on live"), told(&live));
    // The story is the one that the model told.
    let ending =
        told(&live).split(" In the end ").nth(1).unwrap().split(" fates ").next().unwrap().to_owned();
    assert!(told(&found).contains(&ending), "{ending}\n{found}");
}

/// A witness that takes some seconds.
fn long(folder: &Path) -> PathBuf {
    let step =
        json!({"do": {"begin": {"client": "c0", "key": "k", "operation": {"put": 1}, "at_once": true}}});
    let witness = json!({
        "quarrel": "witness", "v": 1, "found": {"by": "hand", "shows": "nothing"},
        "cluster": {"strategy": {"lww": {}}, "topology": "ring", "propagation": "relay", "leaders": 3},
        "clients": {"c0": {"at": "A"}}, "workload": "register", "steps": vec![step; 1000],
    });
    let path = folder.join("long.json");
    fs::write(&path, witness.to_string()).unwrap();
    path
}

/// Waits for a condition, not for a time.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{what} took too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A replay with all its processes in one group, and where it keeps its files.
fn begun() -> (TempDir, Child) {
    let folder = tempdir().unwrap();
    let witness = long(folder.path());
    let mut command = quarrel(&["replay", witness.to_str().unwrap(), "--on", "live"]);
    command.process_group(0).env("TMPDIR", folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    wait_for("the first write", || {
        let nodes = scratch(folder.path())?.join("nodes");
        (fs::metadata(nodes.join("A.wal")).ok()?.len() > 100).then_some(())
    });
    (folder, child)
}

fn scratch(folder: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("quarrel-replay-"))
}

fn is_gone(group: Pid) -> Option<()> {
    test_kill_process_group(group).is_err().then_some(())
}

#[test]
fn ctrl_c_ends_all_processes_and_leaves_no_file() {
    let (folder, mut child) = begun();
    let group = Pid::from_child(&child);
    kill_process(group, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_for("the end of the nodes", || is_gone(group));
    assert_eq!(scratch(folder.path()), None);
}

#[test]
fn nodes_do_not_outlive_a_replay_that_is_killed_and_the_next_one_tidies_up() {
    let (folder, mut child) = begun();
    let group = Pid::from_child(&child);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("the end of the nodes", || is_gone(group));
    assert!(scratch(folder.path()).is_some());
    let hand = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/replay.in/by-hand.json");
    out(&quarrel(&["replay", hand, "--on", "live"]).env("TMPDIR", folder.path()).output().unwrap());
    assert_eq!(scratch(folder.path()), None);
}

/// What a person may write by hand of each fault: all of it is played on real processes, or refused by its name.
#[test]
fn every_fault_of_the_format_is_shown_live_or_refused_by_name() {
    let folder = tempdir().unwrap();
    let played = |steps: Value| {
        let put =
            json!({"do": {"begin": {"client": "c0", "key": "k", "operation": {"put": 1}, "at_once": true}}});
        let mut all = vec![put];
        all.extend(steps.as_array().unwrap().iter().map(|act| json!({"do": act})));
        let witness = json!({
            "quarrel": "witness", "v": 1, "found": {"by": "hand", "shows": "nothing"},
            "cluster": {"strategy": {"lww": {}}, "topology": "all-to-all", "propagation": "direct", "leaders": 3,
                "acknowledgements": "delivered"},
            "clients": {"c0": {"at": "A"}, "c1": {"at": "B"}}, "workload": "register", "steps": all,
        });
        let path = folder.path().join("fault.json");
        fs::write(&path, witness.to_string()).unwrap();
        let words = ["replay", path.to_str().unwrap(), "--on", "live", "--output", "json"];
        let ended = quarrel(&words).output().unwrap();
        (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
    };
    let deliver = json!({"deliver": {"link": "A>B"}});
    let delete = json!({"begin": {"client": "c1", "key": "k", "operation": "delete", "at_once": true}});
    let shown = [
        json!([deliver, {"acknowledge": {"link": "A>B"}}]),
        json!([{"deliver": {"link": "A>B", "copy": true}}, deliver]),
        json!([{"fault": {"cut": ["A>B"]}}, {"fault": {"heal": ["A>B"]}}, deliver]),
        json!([{"fault": {"stall": ["A>B"]}}, {"fault": {"heal": ["A>B"]}}, deliver]),
        json!([{"reconnect": {"link": "A>B"}}, deliver]),
        json!([{"fault": {"kill": "B"}}, {"fault": {"restart": "B"}}, deliver]),
        json!([deliver, {"lose-tail": {"replica": "B", "records": 1}}, {"fault": {"restart": "B"}}, deliver]),
        json!([{"lose": {"replica": "A"}}, delete]),
        json!([{"fault": {"pause": "B"}}, {"deliver": {"link": "A>C"}}, {"fault": {"resume": "B"}}, deliver]),
        json!([{"fault": {"clock": ["B", {"step": {"us": -2_000_000}}]}}, delete, deliver]),
        json!([{"fault": {"clock": ["B", "freeze"]}}, delete, {"fault": {"clock": ["B", "reset"]}}]),
        json!([{"fault": {"clock": ["B", {"drift": {"ppm": 5000}}]}}, delete]),
        json!([{"fault": {"relocate": {"client": "c0", "to": "C", "token": true}}}, {"deliver": {"link": "A>C"}}]),
        json!([deliver, delete, {"collect": {"replica": "B"}}, {"forget": {"replica": "A"}}]),
        json!([{"tick": {"replica": "A"}}, deliver, {"tick": {"replica": "B"}}]),
    ];
    for steps in shown {
        let (code, out, err) = played(steps.clone());
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{steps}: {err}"));
        assert_eq!((code, &report["difference"]), (Some(3), &Value::Null), "{steps}: {out}");
    }
    let refused = json!([{"fault": {"pause": "B"}}, {"fault": {"cut": ["B>C"]}}]);
    let (code, _, err) = played(refused);
    assert_eq!(code, Some(2));
    assert!(err.contains("step 3: it breaks B>C, and one of its ends is paused"), "{err}");
}
