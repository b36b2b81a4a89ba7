//! Convergence, sets, counters, calendars, deletions, evidence and contracts.

use crate::script::{CALENDAR, COUNTER, LWW, ON_READ, SET, UNION, count, fate, judge};
use quarrel_workloads::verdict::Verdict;

fn everywhere(line: &str) -> String {
    ["A", "B", "C"].map(|replica| format!("final {replica} {line}\n")).concat()
}

#[test]
fn a_difference_in_metadata_alone_is_noted_and_does_not_fail() {
    let script = "10-20 c1.1@A k put x => A:1 s10 knew A:1
        final A k x by c1.1 A:1 s10
        final B k x by c1.1 A:1 s11
        final C k x by c1.1 A:1 s10
        final A gone - by c1.2 A:2 s12";
    let (judgement, _) = judge(LWW, script);
    assert_eq!(judgement.verdict, Verdict::Pass, "{:#?}", judgement.reasons);
    assert_eq!(judgement.figures["metadata-only differences"], 1);
    assert_eq!(judgement.figures["tombstone against absent"], 1);
}

#[test]
fn siblings_are_compared_as_sets() {
    let script = "10-20 c1.1@A k put x => A:1 s10 knew A:1
        12-22 c2.1@B k put y => B:1 s20 knew B:1
        final A k ~ by c1.1 A:1 s10 =x + c2.1 B:1 s20 =y
        final B k ~ by c2.1 B:1 s20 =y + c1.1 A:1 s10 =x
        final C k ~ by c1.1 A:1 s10 =x + c2.1 B:1 s20 =y";
    assert_eq!(count(&judge(ON_READ, script).0, "divergence"), 0);
}

#[test]
fn a_divergence_shows_what_each_replica_holds() {
    let script = "10-20 c1.1@A k put x => A:1 s10 knew A:1
        final A k x by c1.1 A:1 s10
        final C k x by c1.1 A:1 s10";
    let (judgement, _) = judge(LWW, script);
    let divergence = judgement.anomalies.iter().find(|found| found.kind.name() == "divergence").unwrap();
    assert_eq!(divergence.examples, ["k: A, C show x (by c1.1); B shows no record"]);
}

#[test]
fn what_is_missing_before_replication_rests_may_be_on_its_way() {
    let script = "10-20 c1.1@A k insert 1
        21-22 c1.2@A k insert 2
        30-40 c1.3@A k remove 2
        final A k {\"$set\":[1]}
        final B k {\"$set\":[2]}
        final C k {\"$set\":[1,2]}";
    let (rested, _) = judge(SET, script);
    assert!(count(&rested, "lost-element") > 0);
    let (moving, _) = judge(SET, &format!("{script}\nunrest links are full"));
    assert_eq!((count(&moving, "lost-element"), count(&moving, "resurrected-delete")), (0, 0));
}

#[test]
fn a_set_tells_lost_recovered_stale_unexpected_and_never_read_elements() {
    let script = format!(
        "10-20 c1.1@A k insert 1
         21-22 c1.2@A k insert 2
         23-24 c1.3@A k insert 3
         25-? c2.1@A k insert 4
         30-35 c3@B k read => {{\"$set\":[1]}}
         40-45 c3@B k read => {{\"$set\":[1,2]}}
         {}",
        everywhere(r#"k {"$set":[1,2,4,9]}"#)
    );
    let (judgement, _) = judge(SET, &script);
    assert_eq!((count(&judgement, "lost-element"), count(&judgement, "unexpected-element")), (1, 1));
    let figure = |name: &str| judgement.figures[name];
    assert_eq!(figure("set elements recovered"), 1);
    assert_eq!(figure("set elements stale"), 1);
    assert_eq!(figure("set elements never read"), 1);
}

#[test]
fn an_element_whose_addition_failed_names_the_addition() {
    let script = format!("10-x c1.1@A k insert 1\n{}", everywhere(r#"k {"$set":[1]}"#));
    let (judgement, _) = judge(SET, &script);
    let report =
        judgement.anomalies.iter().find(|report| report.kind.name() == "unexpected-element").unwrap();
    assert_eq!(report.examples, ["k: 1 is there, although c1.1, which adds it, failed"]);
}

#[test]
fn a_removed_element_is_not_lost() {
    let script = format!(
        "10-20 c1.1@A k insert 1 => A:1 s1 knew A:1
         30-? c1.2@A k remove 1
         {}",
        everywhere(r#"k {"$set":[]} by c1.1 A:1 s1"#)
    );
    assert_eq!(count(&judge(SET, &script).0, "lost-element"), 0);
}

#[test]
fn a_removed_element_that_comes_back_is_resurrected() {
    let script = format!(
        "10-20 c1.1@A k insert 1 => A:1 s1 knew A:1
         30-40 c1.2@A k remove 1 => A:2 s2 knew A:2 on c1.1
         32-42 c2.1@B k insert 2 => B:1 s3 knew A:1 B:1 on c1.1
         {}",
        everywhere(r#"k {"$set":[1,2]} by c1.2 A:2 s2 + c2.1 B:1 s3"#)
    );
    let (judgement, entries) = judge(UNION, &script);
    assert_eq!(count(&judgement, "resurrected-delete"), 1);
    assert_eq!(fate(&entries, "c1.2"), "concurrent-discard");
    assert_eq!(judgement.verdict, Verdict::Fail);
}

#[test]
fn an_element_inserted_again_is_no_resurrection() {
    let script = format!(
        "10-20 c1.1@A k insert 1 => A:1 s1 knew A:1
         30-40 c1.2@A k remove 1 => A:2 s2 knew A:2 on c1.1
         50-60 c1.3@A k insert 1 => A:3 s3 knew A:3 on c1.2
         {}",
        everywhere(r#"k {"$set":[1]} by c1.3 A:3 s3"#)
    );
    let (judgement, entries) = judge(SET, &script);
    assert_eq!(count(&judgement, "resurrected-delete"), 0);
    assert_eq!(fate(&entries, "c1.2"), "superseded");
}

#[test]
fn a_deleted_record_that_comes_back_is_resurrected() {
    let script = format!(
        "10-20 c1.1@A k put x => A:1 s90 knew A:1
         30-40 c2.1@B k delete => B:1 s2 knew A:1 B:1 on c1.1
         {}",
        everywhere("k x by c1.1 A:1 s90")
    );
    let (judgement, entries) = judge(LWW, &script);
    assert_eq!(count(&judgement, "resurrected-delete"), 1);
    assert_eq!(fate(&entries, "c2.1"), "causal-inversion");
}

#[test]
fn an_unanswered_addition_widens_what_a_counter_may_show() {
    let script = |shown: &str| {
        format!(
            "10-20 c1.1@A k add 5
             21-? c1.2@A k add 3
             {}",
            everywhere(&format!("k {shown}"))
        )
    };
    for (shown, drift) in [("5", 0), ("8", 0), ("6", 1), ("3", 1), ("-", 1)] {
        assert_eq!(count(&judge(COUNTER, &script(shown)).0, "counter-drift"), drift, "{shown}");
    }
}

const BOOKED: &str = r#"{"9:00":{"$set":["m1","m2"]}}"#;

fn bookings(last: &str) -> String {
    format!(
        "10-20 c1.1@A room claim 9:00 m1 => A:1 s1 knew A:1
         12-22 c2.1@B room claim 9:00 m2 => B:1 s2 knew B:1
         100-110 c3@C room read => {BOOKED}
         300-310 c3@C room read => {BOOKED}
         {last}"
    )
}

#[test]
fn a_slot_held_by_two_meetings_in_the_end_is_a_double_booking() {
    let script = bookings(&everywhere(&format!("room {BOOKED} by c1.1 A:1 s1 + c2.1 B:1 s2")));
    let (judgement, _) = judge(CALENDAR, &script);
    assert_eq!((count(&judgement, "double-booking"), judgement.verdict), (1, Verdict::Fail));
    assert_eq!(judgement.figures["longest double booking seen in reads, ms"], 200);
}

#[test]
fn a_double_booking_that_is_gone_in_the_end_is_exposure_only() {
    let moved = everywhere(r#"room {"10:00":"m2","9:00":"m1"} by c2.2 B:2 s9"#);
    let script = bookings(&format!(
        "400-410 c2.2@B room move 9:00 10:00 m2 => B:2 s9 knew A:1 B:2 on c1.1 c2.1\n{moved}"
    ));
    let (judgement, entries) = judge(CALENDAR, &script);
    assert_eq!(judgement.verdict, Verdict::Pass, "{:#?}", judgement.reasons);
    assert_eq!(fate(&entries, "c2.1"), "superseded");
    assert_eq!(judgement.figures["double bookings seen in reads"], 1);
}

#[test]
fn what_is_demanded_and_not_found_fails() {
    let script = format!("10-20 c1.1@A k put x => A:1 s1 knew A:1\n{}", everywhere("k x by c1.1 A:1 s1"));
    let blind = format!("{LWW}[contract]\nfind = ['causal-inversion']\n");
    let (judgement, _) = judge(&blind, &script);
    assert_eq!((judgement.verdict, judgement.missing.len()), (Verdict::Fail, 1));
}

#[test]
fn a_missing_mark_is_unknown() {
    let script = format!("10-20 c1.1@A k put x => A:1 s1 knew A:1\n{}", everywhere("k x by c1.1 A:1 s1"));
    let (judgement, _) = judge(&format!("{LWW}[contract]\nmarks = ['killed']\n"), &script);
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert_eq!(judgement.reasons[0].property, "mark killed");
}

#[test]
fn a_run_without_acknowledged_writes_is_unknown() {
    assert_eq!(judge(LWW, "10-? c1.1@A k put x").0.verdict, Verdict::Unknown);
}

#[test]
fn a_run_that_does_not_come_to_rest_fails_unless_that_is_allowed() {
    let script = format!(
        "10-20 c1.1@A k put x => A:1 s1 knew A:1\n{}unrest the link A>B is behind",
        everywhere("k x by c1.1 A:1 s1")
    );
    let (judgement, _) = judge(LWW, &script);
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert!(judgement.reasons[0].evidence.contains("the link A>B is behind"));
    let lenient = format!("{LWW}[contract]\nallow = ['not-quiescent']\n");
    assert_eq!(judge(&lenient, &script).0.verdict, Verdict::Pass);
}
