//! Final reads of foreign histories: convergence, and the fate of every acknowledged write.

use crate::jepsen::check_as;
use proptest::prelude::*;
use quarrel_workloads::{
    checker::standalone::{FinalReads, Findings, Options, find},
    history::recorded::{ReadOptions, Recorded, read},
    verdict::Verdict,
};

/// Lines `process type f value [node] [final]`, times by lines.
fn history(lines: &[&str]) -> Recorded {
    let mut text = String::new();
    for (time, line) in lines.iter().enumerate() {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let node = parts
            .get(4)
            .filter(|node| **node != "-")
            .map(|node| format!(":node \"{node}\""))
            .unwrap_or_default();
        let last = if parts.contains(&"final") { ":final? true" } else { "" };
        text.push_str(&format!(
            "{{:process {} :type :{} :f :{} :key :x :value {} :time {time}000000 {node} {last}}}\n",
            parts[0], parts[1], parts[2], parts[3]
        ));
    }
    read(text.as_bytes(), None, ReadOptions::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Two nodes show this in the end.
fn with_finals(lines: &[&str], finals: [&str; 2]) -> Recorded {
    let [a, b] = finals;
    let reads: Vec<String> = [("8", a, "n1"), ("9", b, "n2")]
        .iter()
        .flat_map(|(process, value, node)| {
            [
                format!("{process} invoke read nil {node} final"),
                format!("{process} ok read {value} {node} final"),
            ]
        })
        .collect();
    let all: Vec<&str> = lines.iter().copied().chain(reads.iter().map(String::as_str)).collect();
    history(&all)
}

fn kinds(findings: &Findings) -> Vec<String> {
    findings.anomalies.iter().map(|found| format!("{} {}", found.kind, found.count)).collect()
}

/// One after the other; the second writer has read the first.
const KNOWN: &[&str] = &[
    "0 invoke write 1",
    "0 ok write 1",
    "1 invoke read nil",
    "1 ok read 1",
    "1 invoke write 2",
    "1 ok write 2",
];
const ORDERED: &[&str] = &["0 invoke write 1", "0 ok write 1", "1 invoke write 2", "1 ok write 2"];
const OVERLAPPING: &[&str] = &["0 invoke write 1", "1 invoke write 2", "0 ok write 1", "1 ok write 2"];
const UNKNOWN: &[&str] = &["0 invoke write 1", "0 ok write 1", "1 invoke write 2", "1 info write 2"];
const ADDED: &[&str] = &["0 invoke add 1", "0 ok add 1", "1 invoke add 2", "1 ok add 2"];

#[test]
fn every_acknowledged_write_has_a_fate() {
    for (lines, finals, verdict, found) in [
        (KNOWN, ["2", "2"], Verdict::Pass, ""),
        (KNOWN, ["1", "1"], Verdict::Fail, "session-inversion 1"),
        (KNOWN, ["1", "2"], Verdict::Fail, "partial 2"),
        (KNOWN, ["nil", "nil"], Verdict::Fail, "vanished 2"),
        (ORDERED, ["2", "2"], Verdict::Pass, ""),
        (ORDERED, ["1", "1"], Verdict::Fail, "real-time-inversion 1"),
        (OVERLAPPING, ["1", "1"], Verdict::Fail, "concurrent-discard 1"),
        (UNKNOWN, ["2", "2"], Verdict::Pass, ""),
        (UNKNOWN, ["1", "1"], Verdict::Pass, ""),
        (ADDED, ["[1,2]", "#{2,1}"], Verdict::Pass, ""),
        (ADDED, ["[1,2]", "[1]"], Verdict::Fail, "partial 1"),
        (ADDED, ["[2]", "[2]"], Verdict::Fail, "vanished 1"),
    ] {
        let history = with_finals(lines, finals);
        let findings = check_as("ledger", None, &history);
        let expected: Vec<&str> = found.split(", ").filter(|kind| !kind.is_empty()).collect();
        assert_eq!(
            (findings.verdict, kinds(&findings)),
            (verdict, expected.iter().map(|s| s.to_string()).collect()),
            "{lines:?} {finals:?} {findings:#?}"
        );
    }
}

#[test]
fn a_discard_may_be_allowed() {
    let history = with_finals(OVERLAPPING, ["1", "1"]);
    let findings = check_as("ledger", Some("discards-allowed"), &history);
    assert_eq!(findings.verdict, Verdict::Pass);
    assert_eq!(findings.figures["concurrent-discard"], 1);
}

#[test]
fn a_loss_names_the_write_and_its_winner() {
    let history = with_finals(KNOWN, ["1", "1"]);
    let witness = &check_as("ledger", None, &history).anomalies[0].witnesses[0];
    assert!(witness.why.contains("session-inversion"), "{}", witness.why);
    let shown: Vec<String> = witness.operations.iter().map(|&at| history.show(at).to_string()).collect();
    assert_eq!(shown, ["4: process 1 write of x 2 -> ok", "0: process 0 write of x 1 -> ok"]);
}

#[test]
fn transactions_are_told_step_by_step() {
    let text = "{:process 0 :type :invoke :f :txn :value [[:append :a 1] [:append :b 2]]}
        {:process 0 :type :ok :f :txn :value [[:append :a 1] [:append :b 2]]}
        {:process 1 :type :invoke :f :txn :node n1 :final? true :value [[:r :a nil] [:r :b nil]]}
        {:process 1 :type :ok :f :txn :node n1 :final? true :value [[:r :a [1]] [:r :b []]]}
        {:process 2 :type :invoke :f :txn :node n2 :final? true :value [[:r :a nil] [:r :b nil]]}
        {:process 2 :type :ok :f :txn :node n2 :final? true :value [[:r :a [1]] [:r :b [2]]]}";
    let history = read(text.as_bytes(), None, ReadOptions::default()).unwrap();
    assert_eq!(kinds(&check_as("ledger", None, &history)), ["partial 1"]);
    assert_eq!(kinds(&check_as("convergence", None, &history)), ["divergence 1"]);
}

#[test]
fn nodes_that_show_the_same_have_converged() {
    for (finals, verdict) in [
        (["1", "1"], Verdict::Pass),
        (["1", "2"], Verdict::Fail),
        (["1", "nil"], Verdict::Fail),
        (["[1,2]", "[1,2]"], Verdict::Pass),
    ] {
        let findings = check_as("convergence", None, &with_finals(ORDERED, finals));
        assert_eq!(findings.verdict, verdict, "{finals:?} {findings:#?}");
    }
    let findings = check_as("convergence", None, &with_finals(ORDERED, ["1", "2"]));
    let witness = &findings.anomalies[0].witnesses[0];
    assert_eq!(witness.why, "x: A shows 1; B shows 2");
    assert_eq!(witness.operations.len(), 2);
    assert!(findings.notes.contains(&"A is n1, B is n2".to_owned()), "{:?}", findings.notes);
}

#[test]
fn without_final_reads_nothing_is_known_unless_the_last_reads_are_to_count() {
    let history = history(&[
        "0 invoke write 1 n1",
        "0 ok write 1 n1",
        "1 invoke read nil n1",
        "1 ok read 1 n1",
        "2 invoke read nil n2",
        "2 ok read nil n2",
    ]);
    for checker in ["ledger", "convergence"] {
        assert_eq!(check_as(checker, None, &history).verdict, Verdict::Unknown);
        let options = Options { final_reads: FinalReads::Last, ..Options::DEFAULT };
        let findings = find(checker).unwrap().check(&history, &options).unwrap();
        assert_eq!(findings.verdict, Verdict::Fail, "{findings:#?}");
    }
}

#[test]
fn a_record_that_a_node_did_not_read_is_passed_over_aloud() {
    let text = "{:process 0 :type :ok :f :write :key :x :value 1}
        {:process 1 :type :ok :f :read :key :x :value 1 :node n1 :final? true}
        {:process 1 :type :ok :f :read :key :y :value 1 :node n2 :final? true}";
    let history = read(text.as_bytes(), None, ReadOptions::default()).unwrap();
    let findings = check_as("ledger", None, &history);
    assert_eq!((findings.verdict, findings.anomalies.len()), (Verdict::Unknown, 0));
    assert!(
        findings.notes.iter().any(|note| note.contains("2 records were not read at all nodes")),
        "{findings:#?}"
    );
}

proptest! {
    #[test]
    fn a_final_value_that_is_damaged_is_found(writers in prop::collection::vec(0..4_usize, 2..10), older in any::<prop::sample::Index>()) {
        // Every writer has read what it replaces.
        let mut lines = Vec::new();
        for (value, process) in writers.iter().enumerate() {
            if value > 0 {
                lines.extend([format!("{process} invoke read nil"), format!("{process} ok read {value}")]);
            }
            lines.extend(["invoke", "ok"].map(|kind| format!("{process} {kind} write {}", value + 1)));
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (last, back) = (writers.len().to_string(), (1 + older.index(writers.len() - 1)).to_string());
        let judged = |checker, finals| {
            let findings = check_as(checker, None, &with_finals(&lines, finals));
            (findings.verdict, findings.anomalies.iter().map(|found| found.kind.to_string()).collect::<Vec<_>>())
        };
        let found = |kind: &str| (Verdict::Fail, vec![kind.to_owned()]);
        for checker in ["ledger", "convergence"] {
            prop_assert_eq!(judged(checker, [last.as_str(), last.as_str()]), (Verdict::Pass, vec![]));
        }
        // Whoever replaced a value had read it: what lies above the older value is lost against its session or real time.
        let is_inversion = |kind: &String| kind == "session-inversion" || kind == "real-time-inversion";
        let (verdict, kinds) = judged("ledger", [back.as_str(), back.as_str()]);
        prop_assert!(verdict == Verdict::Fail && !kinds.is_empty() && kinds.iter().all(is_inversion), "{kinds:?}");
        prop_assert_eq!(judged("ledger", ["nil", "nil"]), found("vanished"));
        for torn in [[last.as_str(), back.as_str()], [back.as_str(), last.as_str()], [last.as_str(), "nil"]] {
            let (verdict, mut kinds) = judged("ledger", torn);
            // What was replaced at one node is gone at the other one too: behind an older write, or behind nothing.
            kinds.retain(|kind| if torn[1] == "nil" { kind != "vanished" } else { !is_inversion(kind) });
            prop_assert_eq!((verdict, kinds), found("partial"));
            prop_assert_eq!(judged("convergence", torn), found("divergence"));
        }
    }
}
