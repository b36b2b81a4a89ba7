//! Nodes of anyone's: one of ours in Python that keeps all, and one in Rust that loses what a partition swallows.

use super::{count, ended_by, quarrel, run, text};
use rustix::process::Signal;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::{TempDir, tempdir};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/maelstrom");

/// The scenario of the documents whose node is in Python; `None`, aloud, if there is no Python.
fn gossip() -> Option<String> {
    if Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Some(format!("{DOCS}/g-set.toml"));
    }
    assert!(std::env::var_os("QUARREL_REQUIRE_SYSTEMS").is_none(), "python3 is required");
    eprintln!("skipped: there is no python3");
    None
}

/// The folder of the examples that this build made.
fn examples() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples")
}

/// The scenario of the documents whose node is in Rust, with this text changed, in a folder of its own.
fn once(changes: &[(&str, &str)]) -> (TempDir, String) {
    let mut scenario = fs::read_to_string(format!("{DOCS}/pn-counter.toml")).unwrap();
    let directory = examples().display().to_string();
    for (from, to) in [("../../../target/debug/examples", directory.as_str())].iter().chain(changes) {
        assert!(scenario.contains(from), "{from}");
        scenario = scenario.replace(from, to);
    }
    let folder = tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    fs::write(&file, scenario).unwrap();
    (folder, file.display().to_string())
}

#[test]
fn a_node_that_gossips_loses_nothing_under_loss_doubles_overtaking_and_a_partition() {
    let Some(scenario) = gossip() else { return };
    let store = tempdir().unwrap();
    let (run, code) = run(store.path(), &["run", &scenario]);
    assert_eq!((run["verdict"].as_str(), code), (Some("pass"), Some(0)), "{run}");
    assert!(run["fates"]["merged"].as_u64() > Some(100), "{run}");
    let nemesis =
        fs::read_to_string(super::folder(store.path(), "gossip-g-set").unwrap().join("nemesis.jsonl"));
    let nemesis = nemesis.unwrap();
    assert!(nemesis.contains("frames lost") && nemesis.contains("frames doubled"), "{nemesis}");
}

#[test]
fn a_node_that_tells_of_each_change_once_diverges_under_a_partition() {
    let (_folder, scenario) = once(&[]);
    let store = tempdir().unwrap();
    let (found, code) = run(store.path(), &["run", &scenario]);
    assert_eq!((found["verdict"].as_str(), code), (Some("pass"), Some(0)), "it was demanded: {found}");
    assert!(count(&found, "divergence") > 0 && count(&found, "counter-drift") > 0, "{found}");

    let (_folder, scenario) = once(&[("find = [\"divergence\", \"counter-drift\"]", "")]);
    let (failed, code) = run(store.path(), &["run", &scenario]);
    assert_eq!((failed["verdict"].as_str(), code), (Some("fail"), Some(1)), "{failed}");

    // The same without the partition: its losses are the partition's.
    let calm = [
        ("find = [\"divergence\", \"counter-drift\"]", ""),
        ("marks = [\"partition\", \"all-faults-healed\"]", ""),
        (
            "[nemesis.partition]\nshape = \"isolate\"\nreplica = \"B\"\nat = [\"300ms\"]\nfor = \"800ms\"\n",
            "",
        ),
    ];
    let (_folder, scenario) = once(&calm);
    let (calm, code) = run(store.path(), &["run", &scenario]);
    assert_eq!((calm["verdict"].as_str(), code), (Some("pass"), Some(0)), "{calm}");
}

#[test]
fn a_program_that_is_missing_or_speaks_no_protocol_is_named() {
    for (command, expected) in [
        ("[\"./no-such-node\"]", "no program `./no-such-node`"),
        ("[\"sh\", \"-c\", \"echo hello; cat\"]", "no message of Maelstrom's protocol"),
        ("[\"sh\", \"-c\", \"echo broken >&2; exit 3\"]", "broken"),
    ] {
        let (_folder, scenario) = once(&[("[\"./once_counter\"]", command)]);
        let store = tempdir().unwrap();
        let output = quarrel(store.path(), &["run", &scenario]).output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{}", text(&output));
        assert!(text(&output).contains(expected), "{expected}: {}", text(&output));
    }
}

#[test]
fn nothing_outlives_ctrl_c_or_a_killed_harness() {
    let (_folder, scenario) = once(&[]);
    assert_eq!(ended_by(Signal::INT, &scenario, "once-pn-counter"), Some(130));
    assert_eq!(ended_by(Signal::KILL, &scenario, "once-pn-counter"), None);
}
