//! A damaged history is noticed, and the operation that it hangs on is named.

use crate::script::{LWW, events, header, judge_events};
use quarrel_models::id::ReplicaId;
use quarrel_workloads::{history::Event, verdict::Verdict};

const GOOD: &str = "10-20 c1.1@A k put x => A:1 s10 knew A:1
    30-40 c2.1@B k put y => B:1 s30 knew A:1 B:1
    50-60 c1.2@A k put z => A:2 s50 knew A:2 B:1
    final A k z by c1.2 A:2 s50
    final B k z by c1.2 A:2 s50
    final C k z by c1.2 A:2 s50";

fn judged(damage: impl FnOnce(&mut Vec<Event>)) -> (Verdict, String) {
    let mut events = events(GOOD);
    damage(&mut events);
    let (judgement, _) = judge_events(&header(LWW), &events);
    (judgement.verdict, judgement.reasons[0].evidence.clone())
}

fn is_final_of(event: &Event, of: ReplicaId) -> bool {
    matches!(event, Event::Final { replica, .. } if *replica == of)
}

#[test]
fn the_undamaged_history_passes() {
    assert_eq!(judged(|_| ()).0, Verdict::Pass);
}

#[test]
fn the_acknowledgement_of_the_final_write_moved_before_the_others_makes_an_inversion() {
    let (verdict, evidence) = judged(|events| {
        // The last write is said to have come first, and to be known to nobody.
        for event in events {
            match event {
                Event::Ok { t, result, .. } if result.dot == "A:2".parse().ok() => {
                    *t = 25_000_000;
                    result.knew = None;
                }
                _ => {}
            }
        }
    });
    assert_eq!(verdict, Verdict::Fail);
    assert!(evidence.contains("c2.1") && evidence.contains("c1.2"), "{evidence}");
}

#[test]
fn one_edited_final_value_is_a_divergence_with_its_key() {
    let (verdict, evidence) = judged(|events| {
        let edited = events.iter_mut().find(|event| is_final_of(event, ReplicaId(1))).unwrap();
        if let Event::Final { value, .. } = edited {
            *value = Some("edited".into());
        }
    });
    assert_eq!(verdict, Verdict::Fail);
    assert!(evidence.contains("c1.2") || evidence.contains('k'), "{evidence}");
}

#[test]
fn final_values_edited_everywhere_leave_the_write_without_explanation() {
    let (verdict, evidence) = judged(|events| {
        for event in events {
            if let Event::Final { value, .. } = event {
                *value = Some("edited".into());
            }
        }
    });
    assert_eq!(verdict, Verdict::Fail);
    assert!(evidence.contains("c1.2"), "{evidence}");
}

#[test]
fn a_dropped_final_line_is_noticed_by_its_count() {
    let (verdict, evidence) = judged(|events| {
        events.retain(|event| !matches!(event, Event::Final { .. }));
    });
    assert_eq!(verdict, Verdict::Fail);
    assert!(
        evidence.contains("c1.2") || evidence.contains("c2.1") || evidence.contains("c1.1"),
        "{evidence}"
    );
}

#[test]
fn a_history_without_its_end_is_unknown() {
    let (verdict, evidence) = judged(|events| {
        events.pop();
    });
    assert_eq!(verdict, Verdict::Unknown);
    assert!(evidence.contains("cut short"), "{evidence}");
}

#[test]
fn a_replica_that_was_not_read_is_named() {
    let (verdict, evidence) = judged(|events| {
        events.retain(|event| {
            !is_final_of(event, ReplicaId(2))
                && !matches!(event, Event::FinalEnd { replica, .. } if *replica == ReplicaId(2))
        });
    });
    assert_eq!(verdict, Verdict::Unknown);
    assert!(evidence.contains("not read in the end: C"), "{evidence}");
}
