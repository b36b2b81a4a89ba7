//! Marks are hit by the situations that they name, and by nothing less.

use crate::script::{LWW, header, hits, judge};
use quarrel_workloads::judge::Judge;

fn hit(script: &str, mark: &str) -> u64 {
    hits(&judge(LWW, script).0, mark)
}

#[test]
fn concurrent_writes_are_those_of_two_leaders_that_know_nothing_of_each_other() {
    let apart = "10-20 c1.1@A k put x => A:1 s1 knew A:1
        30-40 c2.1@B k put y => B:1 s2 knew B:1";
    assert_eq!(hit(apart, "concurrent-writes"), 1);
    let known = "10-20 c1.1@A k put x => A:1 s1 knew A:1
        30-40 c2.1@B k put y => B:1 s2 knew A:1 B:1";
    assert_eq!(hit(known, "concurrent-writes"), 0);
}

#[test]
fn a_partition_counts_when_both_sides_acknowledged_something() {
    let one_side = r#"fault 5 {"cut":["A>B"]}
        10-20 c1.1@A k put x => A:1 s1 knew A:1"#;
    assert_eq!(hit(one_side, "partition"), 0);
    let both = format!("{one_side}\n30-40 c2@B k read");
    assert_eq!(hit(&both, "partition"), 1);
    let healed = format!("{one_side}\nfault 25 {{\"heal\":[\"A>B\"]}}\n30-40 c2@B k read");
    assert_eq!(hit(&healed, "partition"), 0);
}

#[test]
fn skew_counts_when_it_turns_two_stamps_round() {
    let writes = "10-20 c1.1@A k put x => A:1 s100 knew A:1
        30-40 c2.1@B k put y => B:1 s50 knew B:1";
    assert_eq!(hit(writes, "skew-exceeded-edit-gap"), 0);
    let skewed = format!("fault 5 {{\"clock\":[\"A\",{{\"offset\":{{\"us\":100}}}}]}}\n{writes}");
    assert_eq!(hit(&skewed, "skew-exceeded-edit-gap"), 1);
}

#[test]
fn a_client_that_moves_with_an_operation_open_is_seen_when_it_is_acknowledged() {
    let script = r#"10-30 c1.1@A k put x => B:1 s1 knew B:1
        fault 20 {"relocate":{"client":"c1","to":"B","token":false}}
        40-50 c1.2@B k put y => B:2 s2 knew B:2"#;
    assert_eq!((hit(script, "relocated-in-flight"), hit(script, "relocated")), (1, 1));
}

#[test]
fn a_kill_counts_its_writes_in_flight_and_its_restart() {
    let script = r#"10-? c1.1@A k put x
        20-30 c2.1@B k put y
        fault 25 {"kill":"B"}
        fault 40 {"restart":"B"}
        phase 50 quiesce"#;
    for mark in ["killed", "killed-with-writes-in-flight", "restarted", "all-faults-healed"] {
        assert_eq!(hit(script, mark), 1, "{mark}");
    }
}

#[test]
fn a_leader_without_any_link_writes_offline() {
    let cut = r#"fault 5 {"cut":["A>B","B>A","A>C","C>A"]}
        10-20 c1.1@A k put x => A:1 s1 knew A:1
        30-40 c2.1@B k put y => B:1 s2 knew B:1"#;
    assert_eq!(hit(cut, "offline-writes"), 1);
}

#[test]
fn an_unknown_mark_in_a_contract_is_an_error_that_lists_the_known_ones() {
    let error = Judge::new(&header(&format!("{LWW}[contract]\nmarks = ['moved']\n"))).unwrap_err();
    assert!(error.to_string().contains("relocated-in-flight"), "{error}");
}
