//! `quarrel latency` against real nodes: figures that cannot be otherwise, files that plotters open, thresholds, and a
//! cluster that is reached by its URLs alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::tempdir;

fn quarrel(store: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarrel"));
    command.args(words).arg("--results").arg(store).stdin(Stdio::null());
    command.env_remove("CI").env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
    command
}

const BRIEFLY: [&str; 10] =
    ["--rate", "100", "--warm-up", "200ms", "--duration", "800ms", "--cut", "300ms", "--output", "json"];

fn json(output: &Output) -> Value {
    let error = || String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}", error()))
}

fn seconds(measured: &Value, metric: &str, figure: &str) -> f64 {
    let value = &measured["metrics"][metric][figure];
    value.as_f64().unwrap_or_else(|| panic!("{metric} has no {figure}: {measured:#}"))
}

#[test]
fn topologies_are_compared_by_what_their_links_let_arrive() {
    let store = tempdir().unwrap();
    let words = ["latency", "--topology", "ring,all-to-all", "--link-delay", "5ms", "--ramp", "200ms"];
    let rules = ["--threshold", "p99(write.ack) < 2us", "--threshold", "p50(visibility.hops-1) >= 5ms"];
    let output = quarrel(store.path(), &[&words[..], &BRIEFLY, &rules].concat()).output().unwrap();
    let report = json(&output);
    assert_eq!(output.status.code(), Some(4), "{report:#}");
    let [ring, mesh] = [0, 1].map(|at| &report["topologies"][at]);
    assert_eq!((&ring["topology"], &mesh["topology"]), (&"ring".into(), &"all-to-all".into()));
    for measured in [ring, mesh] {
        let count = |metric: &str| measured["metrics"][metric]["count"].as_u64().unwrap_or(0);
        assert!(count("write.ack") > 20 && count("read.ack") > 20, "{measured:#}");
        // Every acknowledged write was seen at both other leaders.
        assert_eq!(count("visibility.each"), 2 * count("write.ack"));
        assert_eq!(count("visibility.all"), count("write.ack"));
        assert_eq!(count("converge.heal"), 2);
        // What counts from when an operation was due is never less than what counts from when it began.
        let [due, actual] = ["write.ack", "write.ack.actual"].map(|name| seconds(measured, name, "p50"));
        assert!(due >= actual, "{due} {actual}");
        // While the last leader is cut off, some writes wait for the heal.
        assert!(seconds(measured, "visibility.all@partition", "max") > 0.1);
        assert!(measured["scalars"]["messages-per-write"]["median"].as_f64() > Some(1.0));
        assert!(measured["scalars"]["bytes-per-write"]["median"].as_f64() > Some(50.0));
        assert!(measured["saturation"].as_array().is_some_and(|steps| !steps.is_empty()));
    }
    // No message is faster than its links. (The histogram keeps three digits.)
    assert!(seconds(ring, "lag.hops-1", "p50") >= 0.00499);
    assert!(seconds(ring, "lag.hops-2", "p50") >= 0.00998);
    assert!((seconds(ring, "lag.hops-2", "predicted") - 0.01).abs() < 1e-9);
    assert!(mesh["metrics"]["lag.hops-2"].is_null());
    let held: Vec<&Value> =
        report["thresholds"].as_array().unwrap().iter().map(|held| &held["verdict"]).collect();
    assert_eq!(held, ["fail", "fail", "pass", "pass"]);
    let folder = PathBuf::from(report["results"].as_str().unwrap());
    let log = fs::read_to_string(folder.join("latency.hlog")).unwrap();
    assert!(
        log.contains("Tag=ring-x3.write.ack,") && log.contains("Tag=all-to-all-x3.visibility.all,"),
        "{log}"
    );
    let table = fs::read_to_string(folder.join("percentiles/ring-x3.write.ack.hgrm")).unwrap();
    assert!(table.contains("1/(1-Percentile)") && table.contains("#[Max     ="), "{table}");
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("series-1 curve") && page.contains("series-2 curve") && page.contains("saturated"));
    assert!(!folder.join("clusters").exists(), "the clusters' files are gone");
    let listed = json(&quarrel(store.path(), &["runs", "list", "--output", "json"]).output().unwrap());
    assert_eq!(
        (&listed["runs"][0]["arena"], &listed["runs"][0]["verdict"]),
        (&"latency".into(), &"fail".into())
    );
}

/// A cluster that somebody else has started. Dropping it ends it, and its nodes with it.
struct Foreign(Child);

impl Drop for Foreign {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.0);
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

fn foreign(store: &Path) -> (Foreign, Vec<String>) {
    let mut command = quarrel(store, &["run", "smoke", "--clients", "1", "--warm-up", "600s"]);
    let started = command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap();
    let foreign = Foreign(started);
    let began = Instant::now();
    loop {
        let runs = fs::read_dir(store.join("smoke")).ok().and_then(|mut runs| runs.next()?.ok());
        let text = runs.and_then(|run| fs::read_to_string(run.path().join("nodes/addresses.json")).ok());
        let addresses: Option<Value> = text.and_then(|text| serde_json::from_str(&text).ok());
        let url = |name: &str| Some(format!("http://{}", addresses.as_ref()?.get(name)?.as_str()?));
        if let (Some(a), Some(b), Some(c)) = (url("A"), url("B"), url("C")) {
            return (foreign, vec![a, b, c]);
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the cluster did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_cluster_that_is_not_ours_is_measured_by_its_urls() {
    let store = tempdir().unwrap();
    let (_cluster, urls) = foreign(&store.path().join("theirs"));
    let urls = urls.join(",");
    let words = ["latency", "smoke", "--target", urls.as_str(), "--repetitions", "1"];
    let output = quarrel(store.path(), &[&words[..], &BRIEFLY].concat()).output().unwrap();
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let measured = &report["topologies"][0];
    assert_eq!((&measured["topology"], &measured["leaders"]), (&"target".into(), &3.into()));
    let count = |metric: &str| measured["metrics"][metric]["count"].as_u64().unwrap_or(0);
    assert!(count("write.ack") > 10);
    assert_eq!(count("visibility.each"), 2 * count("visibility.all"));
    assert!(count("visibility.all") > 5, "{measured:#}");
    assert!(measured["metrics"]["visibility.hops-1"].is_null(), "its links are not known");
    assert!(seconds(measured, "visibility.all", "p50") >= seconds(measured, "visibility.each", "p50"));
}

#[test]
fn a_target_that_nobody_answers_at_is_the_environments_fault() {
    let store = tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let output = quarrel(store.path(), &["latency", "--target", url.as_str()]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{error}");
    assert!(error.contains(&url) && error.contains("http-api.md"), "{error}");
}
