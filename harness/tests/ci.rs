//! `quarrel ci` on real processes: what fits is run, what does not is unknown and named, and a baseline is held.

use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::tempdir;

fn ci(store: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    command.arg("ci").args(words).args(["--output", "json", "--results"]).arg(store).stdin(Stdio::null());
    command.env_remove("CI").env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
    command
}

fn json(output: &Output) -> Value {
    let error = || String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}", error()))
}

#[test]
fn one_command_checks_in_the_model_and_live_and_tells_the_pipeline() {
    let store = tempdir().unwrap();
    let (junit, summary) = (store.path().join("junit.xml"), store.path().join("summary.md"));
    let words = ["smoke", "--budget", "12s", "--seed", "5", "--junit", junit.to_str().unwrap()];
    let output = ci(store.path(), &words).env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
    let report = json(&output);
    assert_eq!(report["model"][0]["scenario"], "smoke");
    assert_eq!((&report["runs"][0]["scenario"], &report["runs"][0]["seed"]), (&"smoke".into(), &5.into()));
    // How the run went depends on the machine; that the exit code is of the verdict does not.
    let code = match report["verdict"].as_str().unwrap() {
        "pass" => 0,
        "fail" => 1,
        _ => 3,
    };
    assert_eq!(output.status.code(), Some(code), "{report:#}");
    let junit = fs::read_to_string(junit).unwrap();
    assert!(junit.contains("name=\"smoke (model)\"") && junit.contains("name=\"smoke\""), "{junit}");
    let summary = fs::read_to_string(summary).unwrap();
    assert!(summary.starts_with("## quarrel ci: ") && summary.len() <= 200_000, "{summary}");

    // Against itself nothing is worse; against a baseline that was a thousand times faster everything is.
    let baseline = report["results"].as_str().unwrap();
    let words = ["smoke", "--budget", "6s", "--baseline", baseline];
    let again = json(&ci(store.path(), &words).output().unwrap());
    assert_eq!(again["regressions"].as_array().map(Vec::len), Some(0), "{again:#}");
    let verdict = Path::new(baseline).join("verdict.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&verdict).unwrap()).unwrap();
    for range in kept["baseline"]["smoke"]["latencies"].as_object_mut().unwrap().values_mut() {
        *range = serde_json::json!({ "least": 1e-9, "most": 1e-9, "runs": 2 });
    }
    fs::write(&verdict, kept.to_string()).unwrap();
    let words = ["smoke", "--budget", "6s", "--baseline", baseline];
    let slower = json(&ci(store.path(), &words).output().unwrap());
    if slower["runs"].as_array().is_some_and(Vec::is_empty) {
        // A machine that is busy elsewhere: there was no time for a run, and that is said.
        assert!(slower["left_out"].to_string().contains("smoke live"), "{slower:#}");
    } else {
        assert_eq!(slower["regressions"][0]["is_latency"], true, "{slower:#}");
        assert_eq!(slower["verdict"], "fail");
    }
}

#[test]
fn what_does_not_fit_is_unknown_and_named() {
    let store = tempdir().unwrap();
    let output = ci(store.path(), &["smoke", "lww-skew", "--budget", "1s"]).output().unwrap();
    let report = json(&output);
    assert_eq!((output.status.code(), report["verdict"].as_str()), (Some(3), Some("unknown")), "{report:#}");
    let left_out = report["left_out"].to_string();
    assert!(left_out.contains("smoke live") && left_out.contains("lww-skew live"), "{left_out}");
}
