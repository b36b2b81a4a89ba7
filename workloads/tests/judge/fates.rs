//! One small history for every fate.

use crate::script::{ARRIVAL, COUNTER, LWW, ON_READ, SET, UNION, count, entry, fate, judge};
use quarrel_workloads::verdict::Verdict;

const EVERYWHERE: &str =
    "final A k x by c1.1 A:1 s10\nfinal B k x by c1.1 A:1 s10\nfinal C k x by c1.1 A:1 s10";

fn everywhere(line: &str) -> String {
    ["A", "B", "C"].map(|replica| format!("final {replica} {line}\n")).concat()
}

#[test]
fn a_write_in_the_final_state_of_all_is_visible() {
    let (judgement, entries) = judge(LWW, &format!("10-20 c1.1@A k put x => A:1 s10 knew A:1\n{EVERYWHERE}"));
    assert_eq!(fate(&entries, "c1.1"), "visible");
    assert_eq!(judgement.verdict, Verdict::Pass, "{:#?}", judgement.reasons);
}

#[test]
fn a_write_whose_winner_knew_of_it_is_superseded() {
    let script = format!(
        "10-30 c2.1@B k put y => B:1 s5 knew B:1
         25-40 c1.1@A k put x => A:1 s10 knew A:1 B:1
         {EVERYWHERE}"
    );
    let (judgement, entries) = judge(LWW, &script);
    assert_eq!(fate(&entries, "c2.1"), "superseded");
    assert_eq!(judgement.verdict, Verdict::Pass);
}

#[test]
fn overlapping_writes_that_know_nothing_of_each_other_leave_one_discarded() {
    let script = format!(
        "10-30 c2.1@B k put y => B:1 s5 knew B:1
         20-40 c1.1@A k put x => A:1 s10 knew A:1
         {EVERYWHERE}"
    );
    let (judgement, entries) = judge(LWW, &script);
    assert_eq!(fate(&entries, "c2.1"), "concurrent-discard");
    assert_eq!((judgement.verdict, judgement.silent_losses), (Verdict::Pass, 1));
    let strict = format!("{LWW}[contract]\nforbid = ['concurrent-discard']\n");
    assert_eq!(judge(&strict, &script).0.verdict, Verdict::Fail);
}

#[test]
fn an_older_write_that_wins_unknown_to_the_newer_one_is_a_real_time_inversion() {
    let script = format!(
        "10-20 c1.1@A k put x => A:1 s10 knew A:1
         30-40 c2.1@B k put y => B:1 s5 knew B:1
         {EVERYWHERE}"
    );
    let (judgement, entries) = judge(LWW, &script);
    assert_eq!(fate(&entries, "c2.1"), "real-time-inversion");
    assert_eq!(judgement.verdict, Verdict::Fail);
}

#[test]
fn a_write_beaten_by_what_its_leader_had_applied_is_a_causal_inversion_and_is_explained() {
    let script = format!(
        "3100-3110 c1.1@A k put x => A:1 s4000000 knew A:1
         3140-3150 c2.1@B k put y => B:1 s3188000 knew A:1 B:1
         {}",
        EVERYWHERE.replace("s10", "s4000000")
    );
    let (judgement, entries) = judge(LWW, &script);
    assert_eq!(fate(&entries, "c2.1"), "causal-inversion");
    assert_eq!(
        entry(&entries, "c2.1").why,
        "c2.1 (put on k), acknowledged by B at 3.150 s, lost to c1.1 of A: B had applied c1.1 (causal-inversion); \
         A's stamp is 812 ms later, although it was written 40 ms earlier"
    );
    assert_eq!(entry(&entries, "c2.1").winner.as_ref().unwrap().skew_us, Some(852_000));
    assert_eq!(judgement.verdict, Verdict::Fail);
}

/// B has y, which was made on x at A, and x itself is still on its way from C.
#[test]
fn what_a_version_was_made_on_is_known_wherever_the_version_is() {
    let made_on = |x: &str, z: &str| {
        format!(
            "{x} c3.1@C k put x => C:1 s10
             20-21 c1.1@A k put y => A:1 s20 knew C:1 on c3.1
             25-40 c2.1@B k put z => B:1 {z} knew A:1 on c1.1"
        )
    };
    let all_hold = |held: &str| format!("applied A A:1 B:1 C:1\n{}", everywhere(held));
    let won = format!("{}\n{}", made_on("10-30", "s30"), all_hold("k z by c2.1 B:1 s30"));
    let (judgement, entries) = judge(LWW, &won);
    assert_eq!(["c3.1", "c1.1"].map(|write| fate(&entries, write)), ["superseded", "superseded"]);
    assert_eq!(judgement.verdict, Verdict::Pass);
    // The same without the line of ancestors: nothing tells that the one knew of the other.
    let unknown = won.replace(" on c1.1", "");
    assert_eq!(fate(&judge(LWW, &unknown).1, "c3.1"), "concurrent-discard");

    let lost = format!("{}\n{}", made_on("10-30", "s5"), all_hold("k x by c3.1 C:1 s10"));
    let (_, entries) = judge(LWW, &lost);
    assert_eq!(fate(&entries, "c2.1"), "causal-inversion");
    let winner = entry(&entries, "c2.1").winner.as_ref().unwrap();
    assert_eq!(winner.known_to, Some("ancestor"));
    let why = &entry(&entries, "c2.1").why;
    assert!(why.contains("lost to c3.1 of C: B had applied what was made on c3.1"), "{why}");
    assert_eq!(entry(&entries, "c1.1").winner.as_ref().unwrap().known_to, Some("leader"));
}

/// The copy of y that its answer tells of was made on x; the one that z was made on may be the other one.
#[test]
fn what_a_moved_write_was_made_on_is_not_handed_on() {
    let script = "10-30 c3.1@C k put x => C:1 s10
        15-21 c1.1@A k put y => A:1 s20 knew C:1 on c3.1
        fault 16 {\"relocate\":{\"client\":\"c1\",\"to\":\"A\",\"token\":false}}
        25-40 c2.1@B k put z => B:1 s30 knew A:1 on c1.1
        applied A A:1 B:1 C:1";
    let script = format!("{script}\n{}", everywhere("k z by c2.1 B:1 s30"));
    assert_eq!(fate(&judge(LWW, &script).1, "c3.1"), "concurrent-discard");
    let still = script.lines().filter(|line| !line.contains("relocate")).collect::<Vec<_>>().join("\n");
    assert_eq!(fate(&judge(LWW, &still).1, "c3.1"), "superseded");
}

#[test]
fn a_session_that_loses_to_its_own_earlier_write_is_inverted() {
    let script = format!(
        "10-20 c1.1@A k put x => A:1 s10 knew A:1
         30-40 c1.2@B k put y => B:1 s5 knew B:1
         {EVERYWHERE}"
    );
    assert_eq!(fate(&judge(LWW, &script).1, "c1.2"), "session-inversion");
}

#[test]
fn a_session_knows_what_it_has_read_but_not_what_it_reads_later() {
    let read = |times: &str| {
        format!(
            "10-20 c1.1@A k put x => A:1 s10 knew A:1
             {times} c2@A k read => x of c1.1
             30-40 c2.1@B k put y => B:1 s5 knew B:1
             {EVERYWHERE}"
        )
    };
    assert_eq!(fate(&judge(LWW, &read("22-25")).1, "c2.1"), "session-inversion");
    assert_eq!(fate(&judge(LWW, &read("42-45")).1, "c2.1"), "real-time-inversion");
}

#[test]
fn a_write_that_no_leader_has_any_more_has_vanished() {
    let script = format!(
        "10-20 c1.1@A k put x => A:1 s10 knew A:1
         15-25 c2.1@B k put y => B:1 s50 knew B:1
         applied A A:1
         applied B A:1
         {EVERYWHERE}"
    );
    let (judgement, entries) = judge(LWW, &script);
    assert_eq!(fate(&entries, "c2.1"), "vanished");
    assert_eq!(judgement.verdict, Verdict::Fail);
}

#[test]
fn what_only_a_dead_leader_has_is_stranded_and_reported_apart() {
    let script = "10-20 c1.1@A k put x => A:1 s10 knew A:1
        15-25 c3.1@C k put z => C:1 s50 knew C:1
        final A k x by c1.1 A:1 s10
        final B k x by c1.1 A:1 s10
        applied A A:1
        dead C";
    let (judgement, entries) = judge(LWW, script);
    assert_eq!(fate(&entries, "c3.1"), "stranded");
    assert_eq!(judgement.verdict, Verdict::Pass, "{:#?}", judgement.reasons);
    let strict = format!("{LWW}[contract]\nforbid = ['stranded']\n");
    assert_eq!(judge(&strict, script).0.verdict, Verdict::Fail);
}

#[test]
fn replicas_that_disagree_make_a_write_partial_and_diverge() {
    let script = "10-20 c1.1@A k put x => A:1 s10 knew A:1
        15-25 c2.1@B k put y => B:1 s5 knew B:1
        final A k x by c1.1 A:1 s10
        final B k y by c2.1 B:1 s5
        final C k x by c1.1 A:1 s10";
    let (judgement, entries) = judge(LWW, script);
    assert_eq!((fate(&entries, "c1.1"), fate(&entries, "c2.1")), ("partial".into(), "partial".into()));
    assert_eq!(
        entry(&entries, "c2.1").why,
        "c2.1 (put on k), acknowledged by B at 0.025 s, is shown by B and missing at A, C (partial)"
    );
    assert_eq!((count(&judgement, "divergence"), judgement.verdict), (1, Verdict::Fail));
    assert_eq!(judge(ARRIVAL, script).0.verdict, Verdict::Pass);
    let (unrest, entries) = judge(LWW, &format!("{script}\nunrest links are full"));
    assert_eq!((count(&unrest, "divergence"), count(&unrest, "not-quiescent")), (0, 1));
    assert_eq!(fate(&entries, "c1.1"), "merged");
}

#[test]
fn a_set_contains_what_was_merged_and_lacks_what_a_fork_lost() {
    let base = "10-20 c1.1@A k insert 1 => A:1 s10 knew A:1
        30-40 c1.2@A k insert 2 => A:2 s20 knew A:2 on c1.1
        31-41 c2.1@B k insert 3 => B:1 s15 knew A:1 B:1 on c1.1\n";
    let union = everywhere(r#"k {"$set":[1,2,3]} by c1.2 A:2 s20 + c2.1 B:1 s15"#);
    let (judgement, entries) = judge(UNION, &format!("{base}{union}"));
    assert_eq!(judgement.verdict, Verdict::Pass, "{:#?}", judgement.reasons);
    assert!(entries.iter().all(|entry| entry.fate.to_string() == "merged"));

    let lost = everywhere(r#"k {"$set":[1,2]} by c1.2 A:2 s20"#);
    let (judgement, entries) = judge(SET, &format!("{base}{lost}"));
    let lost = entry(&entries, "c2.1");
    assert_eq!(lost.fate.to_string(), "concurrent-discard");
    assert_eq!(lost.winner.as_ref().unwrap().write.to_string(), "c1.2");
    assert_eq!(count(&judgement, "lost-element"), 1);
}

#[test]
fn an_element_discarded_by_the_ancestor_that_its_leader_knew_is_a_causal_inversion() {
    // B took 3 on top of 1, but 1 has the later stamp: B dropped 3 at once and went on with 4.
    let script = format!(
        "10-20 c1.1@A k insert 1 => A:1 s90 knew A:1
         30-40 c2.1@B k insert 3 => B:1 s50 knew A:1 B:1 on c1.1
         50-60 c3.1@B k insert 4 => B:2 s99 knew A:1 B:2 on c1.1
         {}",
        everywhere(r#"k {"$set":[1,4]} by c3.1 B:2 s99"#)
    );
    let (_, entries) = judge(SET, &script);
    let lost = entry(&entries, "c2.1");
    assert_eq!(lost.fate.to_string(), "causal-inversion");
    assert_eq!(lost.winner.as_ref().unwrap().write.to_string(), "c1.1");
}

#[test]
fn an_element_made_on_the_final_version_and_missing_is_a_causal_inversion() {
    let script = format!(
        "10-20 c1.1@A k insert 1 => A:1 s90 knew A:1
         30-40 c2.1@B k insert 3 => B:1 s50 knew A:1 B:1 on c1.1
         {}",
        everywhere(r#"k {"$set":[1]} by c1.1 A:1 s90"#)
    );
    assert_eq!(fate(&judge(SET, &script).1, "c2.1"), "causal-inversion");
}

#[test]
fn a_removed_element_is_superseded_even_if_the_removal_was_never_answered() {
    for end in ["70", "?"] {
        let told = if end == "?" { "" } else { "=> A:2 s20 knew A:2 on c1.1" };
        let script = format!(
            "10-20 c1.1@A k insert 1 => A:1 s10 knew A:1
             60-{end} c2.1@A k remove 1 {told}
             {}",
            everywhere(r#"k {"$set":[]} by c2.1 A:2 s20"#)
        );
        let (judgement, entries) = judge(SET, &script);
        assert_eq!(fate(&entries, "c1.1"), "superseded");
        assert_eq!(judgement.verdict, Verdict::Pass, "{:#?}", judgement.reasons);
    }
}

#[test]
fn an_element_below_the_final_version_and_not_in_it_has_vanished() {
    let script = format!(
        "10-20 c1.1@A k insert 1 => A:1 s10 knew A:1
         30-40 c2.1@A k insert 2 => A:2 s20 knew A:2 on c1.1
         {}",
        everywhere(r#"k {"$set":[2]} by c2.1 A:2 s20"#)
    );
    assert_eq!(fate(&judge(SET, &script).1, "c1.1"), "vanished");
}

#[test]
fn an_unanswered_delete_that_may_explain_a_loss_makes_the_verdict_unknown_and_is_named() {
    let script = "10-20 c1.1@A k put x => A:1 s10 knew A:1
        12-? c2.1@B k delete";
    let (judgement, entries) = judge(&format!("{LWW}[contract]\nforbid=['concurrent-discard']\n"), script);
    assert_eq!(entry(&entries, "c1.1").hangs_on.unwrap().to_string(), "c2.1");
    assert_eq!(judgement.verdict, Verdict::Unknown, "{:#?}", judgement.reasons);
    assert!(judgement.reasons[0].evidence.contains("c2.1"), "{:#?}", judgement.reasons);
}

#[test]
fn a_resolution_keeps_one_sibling_and_loses_the_other_on_the_record() {
    let script = format!(
        "10-20 c1.1@A k put x => A:1 s10 knew A:1
         12-22 c2.1@B k put y => B:1 s20 knew B:1
         resolve 40 c3.1 k y over c1.1 c2.1
         {}",
        everywhere("k y by c3.1 C:1 s30")
    );
    let (judgement, entries) = judge(ON_READ, &script);
    assert_eq!(fate(&entries, "c2.1"), "merged");
    assert_eq!(fate(&entries, "c1.1"), "concurrent-discard");
    assert_eq!(entry(&entries, "c1.1").winner.as_ref().unwrap().write.to_string(), "c2.1");
    assert_eq!((judgement.recorded_losses, judgement.silent_losses), (1, 0));
    assert_eq!(judgement.verdict, Verdict::Pass, "{:#?}", judgement.reasons);
}

#[test]
fn unresolved_siblings_are_all_visible() {
    let script = format!(
        "10-20 c1.1@A k put x => A:1 s10 knew A:1
         12-22 c2.1@B k put y => B:1 s20 knew B:1
         {}",
        everywhere("k ~ by c1.1 A:1 s10 =x + c2.1 B:1 s20 =y")
    );
    let (_, entries) = judge(ON_READ, &script);
    assert!(entries.iter().all(|entry| entry.fate.to_string() == "visible"), "{entries:#?}");
}

#[test]
fn a_write_replaced_by_one_sibling_is_not_lost_to_the_other() {
    let script = format!(
        "10-20 c1.1@A k put x => A:1 s10 knew A:1
         12-22 c2.1@B k put y => B:1 s20 knew B:1
         30-40 c1.2@A k put z => A:2 s30 knew A:2 on c1.1
         {}",
        everywhere("k ~ by c1.2 A:2 s30 =z + c2.1 B:1 s20 =y")
    );
    assert_eq!(fate(&judge(ON_READ, &script).1, "c1.1"), "superseded");
}

#[test]
fn a_loss_in_the_conflict_log_is_recorded() {
    let script = format!(
        "10-30 c2.1@B k put y => B:1 s5 knew B:1
         20-40 c1.1@A k put x => A:1 s10 knew A:1
         {EVERYWHERE}
         recorded A k c2.1 c1.1"
    );
    let (judgement, _) = judge(LWW, &script);
    assert_eq!((judgement.recorded_losses, judgement.silent_losses), (1, 0));
}

#[test]
fn a_system_without_versions_is_judged_by_values() {
    let script = format!(
        "10-20 c1.1@A k put x
         30-40 c2.1@B k put y
         {}",
        everywhere("k x")
    );
    let (_, entries) = judge(LWW, &script);
    assert_eq!(
        (fate(&entries, "c1.1"), fate(&entries, "c2.1")),
        ("visible".into(), "real-time-inversion".into())
    );
}

#[test]
fn a_counter_that_forgot_a_branch_names_the_lost_additions() {
    let base = "10-20 c1.1@A k add 1 => A:1 s10 knew A:1
        30-40 c1.2@A k add 2 => A:2 s20 knew A:2 on c1.1
        31-41 c2.1@B k add 4 => B:1 s15 knew A:1 B:1 on c1.1\n";
    let (judgement, entries) = judge(COUNTER, &format!("{base}{}", everywhere("k 3 by c1.2 A:2 s20")));
    assert_eq!(fate(&entries, "c2.1"), "concurrent-discard");
    assert_eq!((fate(&entries, "c1.1"), fate(&entries, "c1.2")), ("merged".into(), "visible".into()));
    assert_eq!(count(&judgement, "counter-drift"), 1);
    let (judgement, entries) =
        judge(COUNTER, &format!("{base}{}", everywhere("k 7 by c1.2 A:2 s20 + c2.1 B:1 s15")));
    assert_eq!((fate(&entries, "c2.1"), judgement.verdict), ("merged".into(), Verdict::Pass));
}

#[test]
fn a_retried_write_is_one_operation() {
    let script = "10-? c1.1@A k put x
        30-40 c1.1@B k put x => A:1 s10 knew A:1
        final A k x by c1.1 A:1 s10
        final B k x by c1.1 A:1 s10
        final C k x by c1.1 A:1 s10";
    let (_, entries) = judge(LWW, script);
    assert_eq!((entries.len(), fate(&entries, "c1.1")), (1, "visible".into()));
}

#[test]
fn of_two_concurrent_deletions_neither_is_lost() {
    let script = format!(
        "10-20 c1.1@A k put x => A:1 s1 knew A:1
         30-50 c1.2@A k delete => A:2 s10 knew A:2
         40-60 c2.1@B k delete => B:1 s11 knew A:1 B:1
         {}",
        everywhere("k - by c2.1 B:1 s11")
    );
    let (_, entries) = judge(LWW, &script);
    assert_eq!((fate(&entries, "c1.2"), fate(&entries, "c2.1")), ("merged".into(), "visible".into()));
}

#[test]
fn a_sum_whose_branches_were_joined_by_taking_the_greater_drifts() {
    let max = "[strategy.on-write]\nhandler = 'max'\n[workload.counter]\n";
    let script = format!(
        "10-20 c1.1@A k add 5 => A:1 s1 knew A:1
         12-22 c2.1@B k add 7 => B:1 s2 knew B:1
         30-40 c3.1@C k add 1 => C:1 s3 knew A:1 B:1 C:1 on c1.1 c2.1
         {}",
        everywhere("k 8 by c3.1 C:1 s3")
    );
    let (judgement, _) = judge(max, &script);
    // Which addition is missing cannot be seen once the branches are joined; that one is missing can.
    assert_eq!(count(&judgement, "counter-drift"), 1);
}

#[test]
fn a_write_whose_winner_read_it_before_it_was_acknowledged_is_superseded() {
    let script = format!(
        "10-60 c2.1@B k put y => B:1 s5 knew B:1
         20-25 c1@B k read => y of c2.1
         30-40 c1.1@A k put x => A:1 s10 knew A:1
         {EVERYWHERE}"
    );
    assert_eq!(fate(&judge(LWW, &script).1, "c2.1"), "superseded");
}

#[test]
fn a_write_of_a_dead_leader_is_stranded_where_nobody_tells_positions() {
    let script = "10-20 c1.1@A k put x
        15-25 c3.1@C k put z
        final A k x
        final B k x
        dead C";
    assert_eq!(fate(&judge(LWW, script).1, "c3.1"), "stranded");
}
