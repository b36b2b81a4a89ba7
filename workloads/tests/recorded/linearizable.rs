//! Linearizability: golden histories with their witnesses, damage, and laws. The brute force stands beside the search.

use crate::jepsen::history;
use proptest::prelude::*;
use quarrel_workloads::{
    checker::standalone::{self, Findings, Options},
    history::recorded::Recorded,
    verdict::Verdict,
};

fn judge(model: Option<&str>, history: &Recorded) -> Findings {
    let options = Options { model, ..Options::DEFAULT };
    let checker = standalone::find("linearizable").expect("it is registered");
    checker.check(history, &options).unwrap_or_else(|unfit| panic!("{unfit}"))
}

/// Histories, the operations of their witnesses (none: linearizable), and a word of why.
const CASES: &[(&[&str], &[usize], &str)] = &[
    (&["0 invoke write 1", "0 ok write 1", "1 invoke read nil", "1 ok read 1"], &[], ""),
    (&["0 invoke write 1", "0 ok write 1", "1 invoke read nil", "1 ok read nil"], &[0, 1], "by turns"),
    (&["1 invoke read nil", "1 ok read 7"], &[0], "nobody wrote 7"),
    (
        &["1 invoke read nil", "1 ok read 7", "0 invoke write 7", "0 ok write 7"],
        &[0, 1],
        "the read returned before its write was called",
    ),
    (
        // A crashed write may take effect late, and then stays.
        &[
            "0 invoke write 1",
            "0 info write 1",
            "1 invoke read nil",
            "1 ok read nil",
            "1 invoke read nil",
            "1 ok read 1",
            "1 invoke read nil",
            "1 ok read nil",
        ],
        &[2, 3],
        "by turns",
    ),
    (
        // Two writes of one value: the general search.
        &[
            "0 invoke write 1",
            "0 ok write 1",
            "1 invoke write 1",
            "1 ok write 1",
            "2 invoke write 2",
            "2 ok write 2",
            "3 invoke read nil",
            "3 ok read 1",
        ],
        &[0, 1, 2, 3],
        "no order of these 4 operations",
    ),
    (
        &["0 invoke cas [nil 1]", "0 ok cas [nil 1]", "1 invoke cas [nil 2]", "1 ok cas [nil 2]"],
        &[0, 1],
        "no order of these 2 operations",
    ),
    (
        &["0 invoke acquire nil", "1 invoke acquire nil", "0 ok acquire nil", "1 ok acquire nil"],
        &[0, 1],
        "no order of these 2 operations",
    ),
    (
        &[
            "0 invoke acquire nil",
            "0 ok acquire nil",
            "0 invoke release nil",
            "1 invoke acquire nil",
            "1 ok acquire nil",
        ],
        &[],
        "",
    ),
    (
        &[
            "0 invoke append \"a\"",
            "1 invoke append \"b\"",
            "0 ok append \"a\"",
            "1 ok append \"b\"",
            "0 invoke get nil",
            "0 ok get \"ba\"",
        ],
        &[],
        "",
    ),
    (
        &[
            "0 invoke append \"a\"",
            "0 ok append \"a\"",
            "0 invoke append \"b\"",
            "0 ok append \"b\"",
            "0 invoke get nil",
            "0 ok get \"ba\"",
        ],
        &[0, 2],
        "no order of these 2 operations",
    ),
    (
        &[
            "0 invoke txn [[:write x 1] [:write y 1]]",
            "0 ok txn [[:write x 1] [:write y 1]]",
            "1 invoke txn [[:read x nil] [:read y nil]]",
            "1 ok txn [[:read x 1] [:read y 0]]",
        ],
        &[1],
        "has no place",
    ),
];

#[test]
fn small_histories_have_their_verdicts_and_smallest_witnesses() {
    for (events, witness, why) in CASES {
        let findings = judge(None, &history(events));
        let found: Vec<usize> =
            findings.anomalies.iter().flat_map(|anomaly| &anomaly.witnesses[0].operations).copied().collect();
        assert_eq!(found, *witness, "{events:?} {findings:#?}");
        assert_eq!(findings.verdict == Verdict::Pass, witness.is_empty(), "{events:?}");
        if let Some(anomaly) = findings.anomalies.first() {
            assert!(anomaly.witnesses[0].why.contains(why), "{findings:#?}");
        }
    }
}

#[test]
fn every_record_is_judged_for_itself() {
    let line = |time: u32, process: u32, kind: &str, f: &str, key: &str, value: &str| {
        format!("{{:process {process} :type :{kind} :f :{f} :key {key} :value {value} :time {time}}}\n")
    };
    let edn = [
        line(0, 0, "invoke", "write", "x", "1"),
        line(1, 0, "ok", "write", "x", "1"),
        line(2, 0, "invoke", "read", "y", "nil"),
        line(3, 0, "ok", "read", "y", "nil"),
        line(4, 0, "invoke", "read", "x", "nil"),
        line(5, 0, "ok", "read", "x", "nil"),
    ];
    let history = quarrel_workloads::history::recorded::read(
        edn.concat().as_bytes(),
        None,
        quarrel_workloads::history::recorded::ReadOptions::default(),
    );
    let findings = judge(None, &history.expect("it is readable"));
    assert_eq!(findings.figures["objects"], 2);
    assert_eq!(findings.anomalies[0].witnesses[0].operations, [0, 2]);
    assert!(findings.anomalies[0].witnesses[0].why.starts_with("x: "), "{findings:#?}");
}

/// `open` operations overlap; each of them could come at any place.
fn wide(open: u32, last: &str) -> Recorded {
    let mut events: Vec<String> =
        (0..open).map(|process| format!("{process} invoke write {}", process % 9)).collect();
    events.extend((0..open).map(|process| format!("{process} ok write {}", process % 9)));
    events.extend(["0 invoke read nil".to_owned(), format!("0 ok read {last}")]);
    history(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_hundred_and_more_open_operations_do_not_wrap() {
    for open in [63, 64, 65, 127, 128, 129, 400] {
        assert_eq!(judge(None, &wide(open, "3")).verdict, Verdict::Pass, "{open}");
        assert_eq!(judge(None, &wide(open, "nil")).verdict, Verdict::Fail, "{open}");
    }
    let too_wide = judge(None, &wide(1500, "3"));
    assert_eq!(too_wide.verdict, Verdict::Unknown);
    assert!(too_wide.notes[0].contains("too many operations overlap"), "{too_wide:#?}");
}

/// Compare-and-sets between all pairs of six values but two, all open at once: there is no trail through all of them,
/// and no small reason for it.
fn hard() -> Recorded {
    let pairs = || (0..36).map(|pair| (pair / 6, pair % 6)).filter(|&pair| pair != (1, 2) && pair != (3, 4));
    let steps = || pairs().filter(|(from, to)| from != to).enumerate();
    let line = |kind: &str| {
        let line = |(process, (from, to))| format!("{process} {kind} cas [{from} {to}]");
        steps().map(line).collect::<Vec<String>>()
    };
    let start = ["90 invoke write 0".to_owned(), "90 ok write 0".to_owned()];
    let events = [start.to_vec(), line("invoke"), line("ok")].concat();
    history(&borrowed(&events))
}

#[test]
fn a_search_that_has_no_time_left_answers_unknown() {
    let history = hard();
    let checker = standalone::find("linearizable").expect("it is registered");
    let options = Options { out_of_time: &|| true, ..Options::DEFAULT };
    let findings = checker.check(&history, &options).expect("it is fit");
    assert_eq!(findings.verdict, Verdict::Unknown, "{findings:#?}");
    assert!(findings.notes[0].contains("--timeout"), "{findings:#?}");
}

#[test]
fn what_cannot_be_judged_says_what_was_expected() {
    for (model, events, expected) in [
        (None, &["0 invoke cas 1", "0 ok cas 1"][..], "`[old new]`"),
        (None, &["0 invoke drain 1", "0 ok drain 1"], "`read`, `write` or `cas`"),
        (Some("mutex"), &["0 invoke read 1", "0 ok read 1"], "`acquire` or `release`"),
        (Some("kv"), &["0 invoke put 1", "0 ok put 1"], "a text"),
        (Some("multi-register"), &["0 invoke txn [[:read x]]", "0 ok txn [[:read x]]"], "steps such as"),
        (Some("tree"), &["0 invoke read nil"], "one of auto, cas-register"),
        (None, &["0 ok read 1"], "write down invocations too"),
    ] {
        let options = Options { model, ..Options::DEFAULT };
        let checker = standalone::find("linearizable").expect("it is registered");
        let unfit = checker.check(&history(events), &options).expect_err("it is unfit");
        assert!(unfit.to_string().contains(expected), "{unfit}");
    }
}

/// A register of few values, linearizable by construction: each operation takes effect at a moment between its call
/// and its return.
fn register() -> impl Strategy<Value = Vec<String>> {
    let operation = (0_u32..5, 0_u32..4, 0_u32..3, 1_u32..9, 0_u32..9, prop::bool::weighted(0.1));
    prop::collection::vec(operation, 4..40).prop_map(|drawn| {
        let mut now = [0_u32; 5];
        let mut moments = Vec::new();
        for (n, &(process, f, value, before, after, crashed)) in drawn.iter().enumerate() {
            let at = now[process as usize] + before;
            now[process as usize] = at + after + 1;
            moments.push((
                at * 100 + u32::try_from(n).expect("few"),
                at - before,
                at + after,
                process,
                f,
                value,
                crashed,
            ));
        }
        moments.sort_unstable();
        let mut register: Option<u32> = None;
        let mut events = Vec::new();
        for (n, (_, called, returned, process, f, value, crashed)) in moments.into_iter().enumerate() {
            // A process that crashed goes on under another number.
            let shown = register.map_or("nil".to_owned(), |value| value.to_string());
            let (f, asked, told) = match (f, register) {
                (0 | 1, _) => ("read", "nil".to_owned(), shown),
                (2, Some(held)) => {
                    register = Some(value);
                    ("cas", format!("[{held} {value}]"), format!("[{held} {value}]"))
                }
                _ => {
                    register = Some(value);
                    ("write", value.to_string(), value.to_string())
                }
            };
            let process = if crashed { 100 + u32::try_from(n).expect("few") } else { process };
            events.push((called * 2, format!("{process} invoke {f} {asked}")));
            let outcome = if crashed { "info" } else { "ok" };
            let told = if crashed { asked } else { told };
            events.push((returned * 2 + 1, format!("{process} {outcome} {f} {told}")));
        }
        events.sort_by_key(|event| event.0);
        events.into_iter().map(|event| event.1).collect()
    })
}

fn borrowed(events: &[String]) -> Vec<&str> {
    events.iter().map(String::as_str).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(debug_assertions) { 200 } else { 5000 }, ..ProptestConfig::default() })]

    #[test]
    fn what_is_linearizable_by_construction_is_found_so(events in register()) {
        let findings = judge(None, &history(&borrowed(&events)));
        prop_assert_eq!(findings.verdict, Verdict::Pass, "{:#?}", findings);
    }

    #[test]
    fn a_read_of_what_was_never_written_is_always_found(events in register(), which in any::<prop::sample::Index>()) {
        let reads: Vec<usize> = (0..events.len()).filter(|&at| events[at].contains("ok read")).collect();
        prop_assume!(!reads.is_empty());
        let damaged = reads[which.index(reads.len())];
        let mut events = events;
        let end = events[damaged].rfind(' ').expect("a value");
        events[damaged].replace_range(end.., " 99");
        let findings = judge(None, &history(&borrowed(&events)));
        prop_assert_eq!(findings.verdict, Verdict::Fail);
        let witness = &findings.anomalies[0].witnesses[0];
        prop_assert_eq!(witness.operations.len(), 1, "the read contradicts everything by itself: {:?}", witness);
    }

    #[test]
    fn names_and_the_order_of_overlapping_events_do_not_matter(
        events in register(),
        damaged in any::<prop::sample::Index>(),
        swaps in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        // A read of another value makes about half of the histories invalid.
        let mut events = events;
        let damaged = damaged.index(events.len());
        if let Some(at) = events[damaged].find("ok read") {
            events[damaged].replace_range(at.., "ok read 1");
        }
        let before = judge(None, &history(&borrowed(&events)));
        for swap in swaps {
            let at = swap.index(events.len() - 1);
            let kind = |event: &String| event.contains("invoke");
            let process = |event: &String| event.split(' ').next().map(str::to_owned);
            let (one, other) = (&events[at], &events[at + 1]);
            if kind(one) == kind(other) && process(one) != process(other) {
                events.swap(at, at + 1);
            }
        }
        let renamed: Vec<String> = events.iter().map(|event| {
            let mut words: Vec<String> = event.splitn(4, ' ').map(str::to_owned).collect();
            words[0] = format!("1{}", words[0]);
            words[3] = words[3].replace('0', "zero").replace('1', "one").replace('2', "two");
            words.join(" ")
        }).collect();
        let after = judge(None, &history(&borrowed(&renamed)));
        prop_assert_eq!(before.verdict, after.verdict);
    }
}
