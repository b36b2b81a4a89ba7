//! Valid histories pass; one value damaged, and the right anomaly is found.

use crate::jepsen::{check_as, history};
use proptest::prelude::*;
use quarrel_workloads::verdict::Verdict;

/// The lines `process type f value`, judged: the kinds that were found.
fn found(checker: &str, lines: &[String]) -> (Verdict, Vec<&'static str>) {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let findings = check_as(checker, None, &history(&lines));
    (findings.verdict, findings.anomalies.iter().map(|found| found.kind).collect())
}

/// One operation that is answered at once.
fn op(process: usize, f: &str, input: &str, output: &str) -> [String; 2] {
    [format!("{process} invoke {f} {input}"), format!("{process} ok {f} {output}")]
}

/// A register that everybody sees alike. Every process reads its own write back, and the history ends with a write
/// that all processes have read.
fn register(processes: &[usize]) -> Vec<[String; 2]> {
    let mut lines = Vec::new();
    for (value, &process) in processes.iter().enumerate() {
        lines.push(op(process, "write", &value.to_string(), &value.to_string()));
        lines.push(op(process, "read", "nil", &value.to_string()));
    }
    let last = processes.len() - 1;
    lines.extend((0..4).map(|process| op(process, "read", "nil", &last.to_string())));
    lines
}

proptest! {
    #[test]
    fn a_read_that_goes_back_is_found(processes in prop::collection::vec(0..4_usize, 3..12), older in any::<prop::sample::Index>()) {
        // Value 0 stands for the initial one: writes begin with 1.
        let mut lines = register(&[&[0], processes.as_slice()].concat());
        lines[0] = op(0, "write", "1000", "1000");
        lines[1] = op(0, "read", "nil", "1000");
        let flat = |lines: &[[String; 2]]| lines.iter().flatten().cloned().collect::<Vec<_>>();
        for checker in ["causal", "sessions"] {
            prop_assert_eq!(found(checker, &flat(&lines)).0, Verdict::Pass);
        }
        let last = processes.len();
        let back = if older.index(last) == 0 { "1000".to_owned() } else { older.index(last).to_string() };
        let writer = processes[last - 1];
        lines.push(op(writer, "read", "nil", &back));
        // What it reads was written before its own last write; whether that write knew of it decides what it is called.
        let (verdict, kinds) = found("causal", &flat(&lines));
        prop_assert_eq!(verdict, Verdict::Fail);
        prop_assert!(kinds.contains(&"WriteCORead") || kinds.contains(&"CyclicCF"), "{:?}", kinds);
        lines.pop();
        lines.push(op(writer, "read", "nil", "nil"));
        prop_assert_eq!(found("causal", &flat(&lines)), (Verdict::Fail, vec!["WriteCOInitRead"]));
        let (_, kinds) = found("sessions", &flat(&lines));
        prop_assert!(kinds.contains(&"read-your-writes") && kinds.contains(&"monotonic-reads"), "{:?}", kinds);
        lines.pop();
        lines.push(op(writer, "read", "nil", "7777"));
        prop_assert_eq!(found("causal", &flat(&lines)), (Verdict::Fail, vec!["ThinAirRead"]));
    }

    #[test]
    fn an_element_that_is_lost_or_made_up_is_found(count in 1..20_usize, which in any::<prop::sample::Index>()) {
        let shown = |skip: Option<usize>, more: &str| {
            let kept: Vec<String> = (0..count).filter(|n| Some(*n) != skip).map(|n| n.to_string()).collect();
            format!("[{} {more}]", kept.join(" "))
        };
        let with = |f: &str, read: &str, value: &str| {
            let adds = (0..count).map(|n| op(n % 3, f, &n.to_string(), &n.to_string()));
            adds.chain([op(0, read, "nil", value)]).flatten().collect::<Vec<_>>()
        };
        let lost = shown(Some(which.index(count)), "");
        for (checker, f, read) in [("set", "add", "read"), ("set-full", "add", "read"), ("total-queue", "enqueue", "drain")] {
            prop_assert_eq!(found(checker, &with(f, read, &shown(None, ""))).0, Verdict::Pass);
            prop_assert_eq!(found(checker, &with(f, read, &lost)), (Verdict::Fail, vec!["lost-element"]), "{}", checker);
        }
        for (checker, f, read) in [("set", "add", "read"), ("total-queue", "enqueue", "drain")] {
            let made_up = with(f, read, &shown(None, "7777"));
            prop_assert_eq!(found(checker, &made_up), (Verdict::Fail, vec!["unexpected-element"]), "{}", checker);
        }
    }

    #[test]
    fn a_sum_that_does_not_add_up_is_found(deltas in prop::collection::vec(-5..5_i64, 1..20), which in any::<prop::sample::Index>(), off in 1..100_i64) {
        let mut sum = 0;
        let mut counter: Vec<[String; 2]> = Vec::new();
        let mut bank = vec![op(1, "read", "nil", "{0 100 1 100}")];
        for delta in &deltas {
            sum += delta;
            counter.push(op(0, "add", &delta.to_string(), &delta.to_string()));
            counter.push(op(1, "read", "nil", &sum.to_string()));
            bank.push(op(1, "read", "nil", &format!("{{0 {} 1 {}}}", 100 + sum, 100 - sum)));
        }
        let flat = |lines: &[[String; 2]]| lines.iter().flatten().cloned().collect::<Vec<_>>();
        prop_assert_eq!(found("counter", &flat(&counter)).0, Verdict::Pass);
        prop_assert_eq!(found("bank", &flat(&bank)).0, Verdict::Pass);
        let at = which.index(deltas.len());
        let there: i64 = deltas[..=at].iter().sum();
        counter[at * 2 + 1] = op(1, "read", "nil", &(there + off).to_string());
        bank[at + 1] = op(1, "read", "nil", &format!("{{0 {} 1 {}}}", 100 + there + off, 100 - there));
        prop_assert_eq!(found("counter", &flat(&counter)), (Verdict::Fail, vec!["counter-drift"]));
        prop_assert_eq!(found("bank", &flat(&bank)), (Verdict::Fail, vec!["wrong-total"]));
    }

    #[test]
    fn an_identifier_that_is_given_out_twice_is_found(count in 2..30_usize, which in any::<prop::sample::Index>()) {
        let with = |twice: Option<usize>| {
            let ids = (0..count).map(|n| op(n % 4, "generate", "nil", &if Some(n) == twice { 0 } else { n }.to_string()));
            ids.flatten().collect::<Vec<_>>()
        };
        prop_assert_eq!(found("unique-ids", &with(None)).0, Verdict::Pass);
        let twice = 1 + which.index(count - 1);
        prop_assert_eq!(found("unique-ids", &with(Some(twice))), (Verdict::Fail, vec!["duplicated-id"]));
    }

    #[test]
    fn two_reads_that_saw_two_writes_in_two_orders_are_found(keys in 2..6_usize, reads in 1..12_usize, at in any::<prop::sample::Index>(), pair in any::<[prop::sample::Index; 2]>()) {
        // Reads see the writes in the order of the keys: read by read, more of them.
        let shown = |is_seen: &dyn Fn(usize) -> bool| {
            let steps = (0..keys).map(|key| format!("[:r {key} {}]", if is_seen(key) { "1" } else { "nil" }));
            format!("[{}]", steps.collect::<Vec<_>>().join(" "))
        };
        let mut lines: Vec<[String; 2]> = (0..keys).map(|key| op(key, "write", &format!("[[:w {key} 1]]"), &format!("[[:w {key} 1]]"))).collect();
        lines.extend((0..=reads).map(|n| op(9, "read", "nil", &shown(&|key| key < 1 + n * (keys - 1) / reads))));
        let flat = |lines: &[[String; 2]]| lines.iter().flatten().cloned().collect::<Vec<_>>();
        prop_assert_eq!(found("long-fork", &flat(&lines)), (Verdict::Pass, vec![]));
        // The first read saw key 0 alone; the damaged one sees another alone, or with more but without key 0.
        let (one, other) = (1 + pair[0].index(keys - 1), 1 + pair[1].index(keys - 1));
        let damaged = keys + 1 + at.index(reads);
        lines[damaged] = op(9, "read", "nil", &shown(&|key| key == one || key == other));
        prop_assert_eq!(found("long-fork", &flat(&lines)), (Verdict::Fail, vec!["long-fork"]));
    }
}
