//! MariaDB, unmodified: what its documentation does not promise, and does lose.

use super::{count, ended_by, is_here, run};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::tempdir;

/// A run in which the scenario's contract held. What it demands is a race on real servers: a busy machine may win it
/// once, not three times.
fn shown(scenario: &str) -> Option<Value> {
    if !is_here("mariadb") {
        return None;
    }
    let mut failed = Vec::new();
    for _ in 0..3 {
        let store = tempdir().unwrap();
        let (run, code) = run(store.path(), &["run", scenario]);
        if (run["verdict"].as_str(), code) == (Some("pass"), Some(0)) {
            return Some(run);
        }
        failed.push(run);
    }
    panic!("{failed:?}");
}

#[test]
fn concurrent_updates_on_a_ring_stay_different_for_ever() {
    let Some(run) = shown("mariadb-ring-concurrent-update") else { return };
    assert!(count(&run, "divergence") > 0, "{run}");
}

#[test]
fn increments_are_lost_although_they_were_acknowledged() {
    let Some(run) = shown("mariadb-lost-increments") else { return };
    assert!(count(&run, "counter-drift") > 0, "{run}");
}

#[test]
fn a_trigger_that_keeps_the_later_row_loses_newer_writes_to_older_clocks() {
    let Some(run) = shown("mariadb-lww-skew") else { return };
    assert!(count(&run, "real-time-inversion") > 0, "{run}");
}

#[test]
fn nothing_outlives_ctrl_c_or_a_killed_harness() {
    if is_here("mariadb") {
        assert_eq!(ended_by(Signal::INT, "mariadb-lww-skew", "mariadb-lww-skew"), Some(130));
        assert_eq!(ended_by(Signal::KILL, "mariadb-lww-skew", "mariadb-lww-skew"), None);
    }
}
