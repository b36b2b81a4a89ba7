//! Jepsen's workload checkers: small histories with known verdicts, damaged ones, and what others judged.

use crate::corpus::{corpus, load};
use quarrel_workloads::{
    checker::standalone::{self, Findings, Options},
    history::recorded::{ReadOptions, Recorded, read},
    verdict::Verdict,
};

/// The history of the events, each `process type f value`.
pub(crate) fn history(events: &[&str]) -> Recorded {
    let lines: Vec<String> = events
        .iter()
        .enumerate()
        .map(|(time, event)| {
            let parts: Vec<&str> = event.splitn(4, ' ').collect();
            let [process, kind, f, value] = parts[..] else { panic!("{event}") };
            format!("{{:process {process} :type :{kind} :f :{f} :value {value} :time {time}000000}}\n")
        })
        .collect();
    read(lines.concat().as_bytes(), None, ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn check_as(checker: &str, model: Option<&str>, history: &Recorded) -> Findings {
    let checker = standalone::find(checker).unwrap_or_else(|| panic!("there is a checker {checker}"));
    let options = Options { model, ..Options::DEFAULT };
    checker.check(history, &options).unwrap_or_else(|unfit| panic!("{unfit}"))
}

/// The verdict, and the kinds of anomalies with their counts.
fn judged(checker: &str, model: Option<&str>, events: &[&str]) -> (Verdict, String) {
    let findings = check_as(checker, model, &history(events));
    let kinds: Vec<String> =
        findings.anomalies.iter().map(|found| format!("{} {}", found.kind, found.count)).collect();
    (findings.verdict, kinds.join(", "))
}

/// Every checker on histories of its own: events, then what is found.
const CASES: &[(&str, &[&str], Verdict, &str)] = &[
    ("set", &["0 invoke add 1", "0 ok add 1", "0 invoke read nil", "0 ok read [1]"], Verdict::Pass, ""),
    (
        "set",
        &["0 invoke add 1", "0 ok add 1", "0 invoke read nil", "0 ok read #{}"],
        Verdict::Fail,
        "lost-element 1",
    ),
    (
        "set",
        &["0 invoke add 1", "0 ok add 1", "0 invoke read nil", "0 ok read nil"],
        Verdict::Fail,
        "lost-element 1",
    ),
    ("set", &["0 invoke add 1", "0 info add 1", "0 invoke read nil", "0 ok read []"], Verdict::Pass, ""),
    ("set", &["0 invoke add 1", "0 info add 1", "0 invoke read nil", "0 ok read [1]"], Verdict::Pass, ""),
    (
        "set",
        &["0 invoke add 1", "0 ok add 1", "0 invoke read nil", "0 ok read [1 2]"],
        Verdict::Fail,
        "unexpected-element 1",
    ),
    ("set", &["0 invoke add 1", "0 ok add 1", "0 invoke read nil", "0 fail read nil"], Verdict::Unknown, ""),
    // A read of long ago is not the last one.
    (
        "set",
        &[
            "0 invoke read nil",
            "0 ok read []",
            "0 invoke add 1",
            "0 ok add 1",
            "0 invoke read nil",
            "0 ok read [1]",
        ],
        Verdict::Pass,
        "",
    ),
    ("set-full", &["0 invoke add 1", "0 ok add 1", "0 invoke read nil", "0 ok read [1]"], Verdict::Pass, ""),
    (
        "set-full",
        &["0 invoke add 1", "0 ok add 1", "0 invoke read nil", "0 ok read []"],
        Verdict::Fail,
        "lost-element 1",
    ),
    ("set-full", &["0 invoke add 1", "0 ok add 1"], Verdict::Unknown, ""),
    (
        "set-full",
        &["0 invoke add 1", "0 ok add 1", "0 invoke read nil", "0 ok read [1 1]"],
        Verdict::Fail,
        "duplicated-element 1",
    ),
    // Seen although never acknowledged, and then gone.
    (
        "set-full",
        &[
            "0 invoke add 1",
            "0 info add 1",
            "1 invoke read nil",
            "1 ok read [1]",
            "1 invoke read nil",
            "1 ok read []",
        ],
        Verdict::Fail,
        "lost-element 1",
    ),
    // Gone for a while: stale, and there in the end.
    (
        "set-full",
        &[
            "0 invoke add 1",
            "0 ok add 1",
            "1 invoke read nil",
            "1 ok read []",
            "1 invoke read nil",
            "1 ok read [1]",
        ],
        Verdict::Pass,
        "",
    ),
    // The read was begun before the acknowledgement, and may lack it.
    (
        "set-full",
        &["0 invoke add 1", "1 invoke read nil", "0 ok add 1", "1 ok read []"],
        Verdict::Unknown,
        "",
    ),
    ("counter", &["0 invoke add 2", "1 invoke read nil", "1 ok read 2", "0 ok add 2"], Verdict::Pass, ""),
    (
        "counter",
        &["0 invoke add 2", "0 ok add 2", "1 invoke read nil", "1 ok read 0"],
        Verdict::Fail,
        "counter-drift 1",
    ),
    (
        "counter",
        &["0 invoke add 2", "0 fail add 2", "1 invoke read nil", "1 ok read 2"],
        Verdict::Fail,
        "counter-drift 1",
    ),
    ("counter", &["0 invoke add 2", "0 info add 2", "1 invoke read nil", "1 ok read 2"], Verdict::Pass, ""),
    ("counter", &["0 invoke add -2", "1 invoke read nil", "0 ok add -2", "1 ok read 0"], Verdict::Pass, ""),
    (
        "counter",
        &["0 invoke add -2", "0 ok add -2", "1 invoke read nil", "1 ok read 0"],
        Verdict::Fail,
        "counter-drift 1",
    ),
    ("counter", &["0 invoke add -2", "0 ok add -2"], Verdict::Pass, ""),
    ("counter", &["0 invoke write -2", "0 ok write -2"], Verdict::Unknown, ""),
    (
        "bank",
        &["0 invoke read nil", "0 ok read {0 5 1 5}", "0 invoke read nil", "0 ok read {0 9 1 1}"],
        Verdict::Pass,
        "",
    ),
    (
        "bank",
        &["0 invoke read nil", "0 ok read {0 5 1 5}", "0 invoke read nil", "0 ok read {0 9 1 2}"],
        Verdict::Fail,
        "wrong-total 1",
    ),
    (
        "bank",
        &["0 invoke read nil", "0 ok read {0 5}", "0 invoke read nil", "0 ok read {0 5 1 0}"],
        Verdict::Fail,
        "unexpected-key 1",
    ),
    (
        "bank",
        &["0 invoke read nil", "0 ok read {0 5}", "0 invoke read nil", "0 ok read {0 nil}"],
        Verdict::Fail,
        "nil-balance 1",
    ),
    (
        "bank",
        &["0 invoke read nil", "0 ok read {0 5 1 5}", "0 invoke read nil", "0 ok read {0 -1 1 11}"],
        Verdict::Fail,
        "negative-value 1",
    ),
    ("bank", &["0 invoke transfer {:from 0 :to 1 :amount 1}", "0 ok transfer nil"], Verdict::Unknown, ""),
    (
        "long-fork",
        &[
            "0 invoke read nil",
            "0 ok read [[:r 1 1] [:r 2 nil]]",
            "0 invoke read nil",
            "0 ok read [[:r 2 1] [:r 1 nil]]",
        ],
        Verdict::Fail,
        "long-fork 1",
    ),
    (
        "long-fork",
        &[
            "0 invoke read nil",
            "0 ok read [[:r 1 1] [:r 2 nil]]",
            "0 invoke read nil",
            "0 ok read [[:r 2 1] [:r 1 1]]",
        ],
        Verdict::Pass,
        "",
    ),
    ("long-fork", &["0 invoke write [[:w 1 1]]", "0 ok write [[:w 1 1]]"], Verdict::Unknown, ""),
    (
        "unique-ids",
        &["0 invoke generate nil", "0 ok generate 1", "1 invoke generate nil", "1 ok generate 2"],
        Verdict::Pass,
        "",
    ),
    (
        "unique-ids",
        &["0 invoke generate nil", "0 ok generate 1", "1 invoke generate nil", "1 ok generate 1"],
        Verdict::Fail,
        "duplicated-id 1",
    ),
    ("unique-ids", &["0 invoke read nil", "0 ok read nil"], Verdict::Unknown, ""),
    (
        "total-queue",
        &["0 invoke enqueue 1", "0 ok enqueue 1", "0 invoke dequeue nil", "0 ok dequeue 1"],
        Verdict::Pass,
        "",
    ),
    (
        "total-queue",
        &["0 invoke enqueue 1", "0 info enqueue 1", "0 invoke drain nil", "0 ok drain [1 1]"],
        Verdict::Pass,
        "",
    ),
    (
        "total-queue",
        &["0 invoke enqueue 1", "0 ok enqueue 1", "0 invoke drain nil", "0 ok drain []"],
        Verdict::Fail,
        "lost-element 1",
    ),
    ("total-queue", &["0 invoke dequeue nil", "0 ok dequeue 1"], Verdict::Fail, "unexpected-element 1"),
    ("total-queue", &["0 invoke dequeue nil", "0 fail dequeue nil"], Verdict::Unknown, ""),
];

#[test]
fn every_checker_finds_what_is_there_and_nothing_else() {
    for &(checker, events, verdict, kinds) in CASES {
        assert_eq!(judged(checker, None, events), (verdict, kinds.to_owned()), "{checker} {events:#?}");
    }
}

#[test]
fn models_change_what_is_a_breach() {
    let stale = &CASES.iter().filter(|case| case.0 == "set-full").nth(5).expect("it is there").1;
    assert_eq!(
        judged("set-full", Some("linearizable"), stale),
        (Verdict::Fail, "stale-element 1".to_owned())
    );
    let negative = &["0 invoke read nil", "0 ok read {0 -1 1 11}"];
    assert_eq!(judged("bank", Some("negative-balances"), negative), (Verdict::Pass, String::new()));
}

#[test]
fn set_full_tells_how_long_an_element_was_missing() {
    let findings = check_as(
        "set-full",
        None,
        &history(&[
            "0 invoke add 1",
            "0 ok add 1",
            "1 invoke read nil",
            "1 ok read []",
            "1 invoke read nil",
            "1 ok read []",
            "1 invoke read nil",
            "1 ok read [1]",
        ]),
    );
    // Known at 1 ms; the last read without it began at 4 ms.
    assert_eq!(findings.figures["stable latency max ns"], 3_000_001);
    assert_eq!((findings.figures["stable"], findings.figures["stale"]), (1, 1));
}

#[test]
fn witnesses_name_the_operations_that_show_it() {
    let history = history(&["0 invoke add 7", "0 ok add 7", "1 invoke read nil", "1 ok read []"]);
    let found = &check_as("set", None, &history).anomalies[0];
    assert_eq!(found.witnesses[0].why, "7 was acknowledged, and the last read lacks it");
    let shown: Vec<String> =
        found.witnesses[0].operations.iter().map(|&at| history.show(at).to_string()).collect();
    assert_eq!(shown, ["0: process 0 add 7 -> ok", "2: process 1 read -> []"]);
}

#[test]
fn a_history_of_another_kind_is_refused_with_a_word_on_what_is_expected() {
    for (checker, events, expected) in [
        ("bank", &["0 invoke read nil", "0 ok read 3"], "expects a map from account to balance"),
        ("counter", &["0 invoke read nil", "0 ok read [1]"], "expects additions and reads of whole numbers"),
        (
            "total-queue",
            &["0 invoke drain nil", "0 info drain nil"],
            "expects that every drain says what it took out",
        ),
        ("long-fork", &["0 invoke txn nil", "0 ok txn [[:r 1 nil] [:w 1 2]]"], "only read"),
    ] {
        let checker = standalone::find(checker).unwrap();
        let unfit = checker.check(&history(events), &Options::DEFAULT).unwrap_err();
        assert!(unfit.to_string().contains(expected), "{unfit}");
        assert!(unfit.event.is_some());
    }
}

#[test]
fn verdicts_of_others_are_ours() {
    let Some(corpus) = corpus() else { return };
    let verdicts = std::fs::read_to_string(corpus.join("elle-cli/verdicts.jsonl")).unwrap();
    let mut judged = 0;
    for line in verdicts.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let (file, name) = (line["file"].as_str().unwrap(), line["checker"].as_str().unwrap());
        if ["list-append", "rw-register"].contains(&name) {
            continue;
        }
        let findings = check_as(name, None, &load(&corpus.join("elle-cli").join(file)));
        assert_eq!(findings.verdict == Verdict::Pass, line["valid"] == true, "{file} {findings:#?}");
        judged += 1;
    }
    assert_eq!(judged, 9);
}
