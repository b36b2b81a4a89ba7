//! MariaDB, unmodified: what its documentation does not promise, and does lose.

use super::{count, ended_by, is_here, run};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::tempdir;

fn shown(scenario: &str) -> Option<Value> {
    if !is_here("mariadb") {
        return None;
    }
    let store = tempdir().unwrap();
    let (run, code) = run(store.path(), &["run", scenario]);
    assert_eq!((run["verdict"].as_str(), code), (Some("pass"), Some(0)), "{run}");
    Some(run)
}

#[test]
fn concurrent_updates_on_a_ring_stay_different_for_ever() {
    let Some(run) = shown("mariadb-ring-concurrent-update") else { return };
    assert!(count(&run, "divergence") > 0, "{run}");
}

#[test]
fn increments_in_a_partition_are_lost_although_all_servers_agree() {
    let Some(run) = shown("mariadb-lost-increments") else { return };
    assert!(count(&run, "counter-drift") > 0, "{run}");
    assert_eq!(count(&run, "divergence"), 0, "{run}");
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
