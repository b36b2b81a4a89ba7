//! Transactions: golden histories by anomaly, a second opinion by brute force, and laws.

use proptest::prelude::*;
use quarrel_workloads::{
    checker::standalone::{self, Findings, Options},
    history::recorded::{ReadOptions, Recorded, read},
    verdict::Verdict,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// `process from-to outcome steps`, the times of call and return as small numbers.
fn history(transactions: &[&str]) -> Recorded {
    let mut events: Vec<(u32, String)> = Vec::new();
    for transaction in transactions {
        let mut words = transaction.splitn(4, ' ');
        let mut word = || words.next().expect("`process from-to outcome steps`");
        let (process, times, outcome, steps) = (word(), word(), word(), word());
        let (from, to) = times.split_once('-').expect("from-to");
        let event = |kind: &str| format!("{{:process {process}, :type :{kind}, :f :txn, :value [{steps}]}}");
        events.push((from.parse().expect("a time"), event("invoke")));
        events.push((to.parse().expect("a time"), event(outcome)));
    }
    events.sort_by_key(|event| event.0);
    let lines: Vec<String> = events.into_iter().map(|(_, line)| line).collect();
    parsed(&lines.join("\n"))
}

fn parsed(edn: &str) -> Recorded {
    read(edn.as_bytes(), None, ReadOptions::default()).unwrap_or_else(|error| panic!("{edn}\n{error}"))
}

fn judge(checker: &str, model: &str, history: &Recorded) -> Findings {
    let checker = standalone::find(checker).expect("it is registered");
    let findings = checker.check(history, &Options { model: Some(model), ..Options::DEFAULT });
    findings.unwrap_or_else(|unfit| panic!("{unfit}"))
}

fn kinds(findings: &Findings) -> Vec<&'static str> {
    findings.anomalies.iter().map(|anomaly| anomaly.kind).collect()
}

/// Small histories, the anomalies that they show under the strictest model, and a weak model that forbids them.
const LIST_ANOMALIES: &[(&[&str], &[&str], &str)] = &[
    (
        // Each writes under the other.
        &[
            "0 0-5 ok [:append x 1] [:append y 1]",
            "1 1-6 ok [:append x 2] [:append y 2]",
            "2 7-8 ok [:r x [1 2]] [:r y [2 1]]",
        ],
        &["G0"],
        "read-uncommitted",
    ),
    (
        &["0 0-1 fail [:append x 1]", "1 2-3 ok [:r x [1]]", "2 4-5 ok [:r x [1]] [:append x 2]"],
        &["G1a"],
        "read-committed",
    ),
    (
        &["0 0-1 fail [:append x 1]", "2 2-3 ok [:append x 2]", "1 4-5 ok [:r x [1 2]]"],
        &["dirty-update", "G1a"],
        "read-committed",
    ),
    (
        &["0 0-5 ok [:append x 1] [:append x 2]", "1 1-2 ok [:r x [1]]"],
        &["G1b", "G-single-item"],
        "read-committed",
    ),
    (&["0 0-5 ok [:append x 1] [:r y [2]]", "1 1-6 ok [:append y 2] [:r x [1]]"], &["G1c"], "read-committed"),
    (
        &["0 0-5 ok [:append x 1] [:append y 1]", "1 1-6 ok [:r x nil] [:r y [1]]"],
        &["G-single-item"],
        "causal",
    ),
    (
        // A lost update.
        &["0 0-5 ok [:r x nil] [:append x 1]", "1 1-6 ok [:r x nil] [:append x 2]", "2 7-8 ok [:r x [1 2]]"],
        &["lost-update", "G-single-item"],
        "consistent-view",
    ),
    (
        // A long fork.
        &[
            "0 0-9 ok [:append x 1]",
            "1 1-9 ok [:append y 1]",
            "2 2-7 ok [:r x [1]] [:r y nil]",
            "3 3-8 ok [:r x nil] [:r y [1]]",
        ],
        &["G-nonadjacent-item"],
        "snapshot-isolation",
    ),
    (
        // Write skew.
        &["0 0-5 ok [:r x nil] [:append y 1]", "1 1-6 ok [:r y nil] [:append x 1]"],
        &["G2-item"],
        "repeatable-read",
    ),
    (
        // A read that is behind.
        &["0 0-1 ok [:append x 1]", "1 2-3 ok [:r x nil]", "1 4-5 ok [:r x [1]]"],
        &["G-single-item-realtime"],
        "strong-consistent-view",
    ),
    (
        // A process that does not see what it did.
        &["0 0-1 ok [:append x 1]", "0 2-3 ok [:r x nil]", "1 4-5 ok [:r x [1]]"],
        &["G-single-item-realtime"],
        "strong-session-consistent-view",
    ),
    (
        &["0 0-1 ok [:append x 1]", "1 0-1 ok [:append x 2]", "0 2-3 ok [:r x [1]]", "1 2-3 ok [:r x [2]]"],
        &["incompatible-order"],
        "read-committed",
    ),
    (&["0 0-1 ok [:append x 1]", "1 2-3 ok [:r x [1 1]]"], &["duplicate-elements"], "read-uncommitted"),
    (
        &["0 0-1 ok [:append x 1] [:r x [7]]", "1 2-3 ok [:append x 7]"],
        &["internal", "G0-realtime"],
        "causal",
    ),
    (&["0 0-1 ok [:r x [1]] [:append x 1]"], &["future-read"], "causal"),
    (&["0 0-1 ok [:append x 1]", "1 2-3 ok [:r x [1 9]]"], &["unwritten-read"], "read-committed"),
];

/// The same of registers.
const REGISTER_ANOMALIES: &[(&[&str], &[&str], &str)] = &[
    (&["0 0-1 fail [:w x 1]", "1 2-3 ok [:r x 1]"], &["G1a"], "read-committed"),
    (&["0 0-5 ok [:w x 1] [:w x 2]", "1 1-2 ok [:r x 1]"], &["G1b"], "read-committed"),
    (&["0 0-5 ok [:w x 1] [:r y 2]", "1 1-6 ok [:w y 2] [:r x 1]"], &["G1c"], "read-committed"),
    (
        &["0 0-5 ok [:r x 1] [:w x 2]", "1 1-6 ok [:r x 2] [:w x 1]"],
        &["cyclic-versions", "G1c"],
        "read-committed",
    ),
    (&["0 0-5 ok [:w x 1] [:w y 1]", "1 1-6 ok [:r x nil] [:r y 1]"], &["G-single-item"], "causal"),
    (
        &["0 0-1 ok [:w x 0]", "1 2-7 ok [:r x 0] [:w x 1]", "2 3-8 ok [:r x 0] [:w x 2]"],
        &["lost-update", "G2-item"],
        "snapshot-isolation",
    ),
    (&["0 0-5 ok [:r x nil] [:w y 1]", "1 1-6 ok [:r y nil] [:w x 1]"], &["G2-item"], "repeatable-read"),
    (&["0 0-1 ok [:w x 1]", "1 2-3 ok [:r x nil]"], &["G-single-item-realtime"], "strong-consistent-view"),
    (&["0 0-1 ok [:w x 1] [:r x 7]", "1 2-3 ok [:w x 7]"], &["internal"], "causal"),
    (&["0 0-1 ok [:r x 1] [:w x 1]"], &["future-read"], "causal"),
];

#[test]
fn every_anomaly_is_found_by_its_name() {
    for (checker, cases) in [("list-append", LIST_ANOMALIES), ("rw-register", REGISTER_ANOMALIES)] {
        for (transactions, anomalies, weakest) in cases {
            let history = history(transactions);
            let findings = judge(checker, "strict-serializable", &history);
            for anomaly in *anomalies {
                assert!(
                    kinds(&findings).contains(anomaly),
                    "{transactions:?}: no {anomaly} in {findings:#?}"
                );
            }
            let verdict = judge(checker, weakest, &history).verdict;
            assert_eq!(verdict, Verdict::Fail, "{transactions:?} {weakest}");
        }
    }
}

/// Which of two reads of one length came first says nothing of the versions: only where they agree there is an order.
#[test]
fn of_two_longest_reads_that_contradict_each_other_neither_is_the_order() {
    let appends = ["0 0-7 info [:append x 2]", "0 8-9 ok [:append x 3] [:append x 1]"];
    for reads in [
        ["1 1-5 ok [:r x [1 3]]", "2 1-2 ok [:r x [1 2]]"],
        ["1 1-2 ok [:r x [1 3]]", "2 1-5 ok [:r x [1 2]]"],
    ] {
        let history = history(&[appends[0], reads[0], reads[1], appends[1]]);
        assert_eq!(kinds(&judge("list-append", "read-committed", &history)), ["G1b", "incompatible-order"]);
        assert_eq!(judge("list-append", "read-uncommitted", &history).verdict, Verdict::Pass);
    }
}

/// What a model allows, although a stricter one does not.
#[test]
fn weaker_models_allow_what_only_stricter_ones_forbid() {
    for (anomaly, allowing) in [
        ("G1c", "read-uncommitted"),
        ("lost-update", "causal"),
        ("G-nonadjacent-item", "parallel-snapshot-isolation"),
        ("G2-item", "snapshot-isolation"),
        ("G-single-item-realtime", "serializable"),
        ("internal", "repeatable-read"),
    ] {
        let case = LIST_ANOMALIES.iter().find(|(_, anomalies, _)| anomalies[0] == anomaly);
        let (transactions, ..) = case.expect("there is an example");
        let findings = judge("list-append", allowing, &history(transactions));
        assert_eq!(findings.verdict, Verdict::Pass, "{allowing} allows {anomaly}: {findings:#?}");
    }
}

#[test]
fn a_cycle_is_told_edge_by_edge() {
    let history = history(&[
        "0 0-5 ok [:r x nil] [:append y 1]",
        "1 1-6 ok [:r y nil] [:append x 1]",
        "2 7-8 ok [:r x [1]] [:r y [1]]",
    ]);
    let findings = judge("list-append", "serializable", &history);
    assert_eq!(
        findings.anomalies[0].witnesses[0].why,
        "T1 comes before T2, because T1 read key x as empty, to which T2 appended 1.\n\
         T2 comes before T1, because T2 read key y as empty, to which T1 appended 1.\n\
         Each would have to come before itself: T1 -rw-> T2 -rw-> T1"
    );
    assert_eq!(findings.anomalies[0].witnesses[0].operations, [0, 1]);
}

#[test]
fn what_cannot_be_judged_says_what_was_expected() {
    for (checker, transactions, expected) in [
        (
            "list-append",
            &["0 0-1 ok [:append x 1]", "1 2-3 ok [:append x 1]"][..],
            "appended to key x a second time",
        ),
        ("rw-register", &["0 0-1 ok [:w x 1]", "1 2-3 info [:w x 1]"], "written to key x a second time"),
        ("rw-register", &["0 0-1 ok [:append x 1]"], "expected a transaction such as `[[:w x 1] [:r x 1]]`"),
        (
            "list-append",
            &["0 0-1 ok [:r x 1]"],
            "expected a transaction such as `[[:append x 1] [:r x [1]]]`",
        ),
        ("list-append", &["0 0-1 ok 7"], "expected a transaction"),
    ] {
        let checker = standalone::find(checker).expect("it is registered");
        let unfit = checker.check(&history(transactions), &Options::DEFAULT).expect_err("it is unfit");
        assert!(unfit.to_string().contains(expected), "{unfit}");
    }
    let checker = standalone::find("list-append").expect("it is registered");
    let options = Options { model: Some("best-effort"), ..Options::DEFAULT };
    let unfit =
        checker.check(&history(&["0 0-1 ok [:r x nil]"]), &options).expect_err("there is no such model");
    assert!(unfit.to_string().contains("snapshot-isolation"), "{unfit}");
}

#[test]
fn nothing_read_is_nothing_known() {
    let findings = judge("list-append", "serializable", &history(&["0 0-1 ok [:append x 1]"]));
    assert_eq!(findings.verdict, Verdict::Unknown);
}

/// A transaction of the second opinion.
#[derive(Debug, Clone)]
struct Small {
    process: u32,
    called: usize,
    returned: usize,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Append(u8, u32),
    Read(u8, Vec<u32>),
}

/// Whether one transaction must come before another one.
type Precedes<'a> = &'a dyn Fn(&Small, &Small) -> bool;

type Store = BTreeMap<u8, Vec<u32>>;

/// Runs a transaction on a state: whether all its reads are right.
fn run(store: &mut Store, transaction: &Small) -> bool {
    transaction.steps.iter().all(|step| match step {
        Step::Append(key, element) => {
            store.entry(*key).or_default().push(*element);
            true
        }
        Step::Read(key, list) => store.get(key).map_or(list.is_empty(), |held| held == list),
    })
}

/// Whether the transactions can run one after the other in some order that keeps a precedence.
fn has_serial_order(left: &[&Small], store: &Store, precedes: Precedes<'_>) -> bool {
    left.is_empty()
        || (0..left.len()).any(|at| {
            let next = left[at];
            let mut rest = left.to_vec();
            rest.remove(at);
            let mut store = store.clone();
            !rest.iter().any(|other| precedes(other, next))
                && run(&mut store, next)
                && has_serial_order(&rest, &store, precedes)
        })
}

/// Whether the transactions can run with snapshots: each reads what was committed when it began, and of two that run
/// at the same time only one appends to a key.
fn has_snapshot_order(begun: &[(&Small, Store)], left: &[&Small], store: &Store) -> bool {
    let begins = (0..left.len()).any(|at| {
        let mut rest = left.to_vec();
        let next = rest.remove(at);
        run(&mut store.clone(), next)
            && has_snapshot_order(&[begun, &[(next, store.clone())]].concat(), &rest, store)
    });
    let commits = (0..begun.len()).any(|at| {
        let mut rest = begun.to_vec();
        let (next, snapshot) = rest.remove(at);
        let mut after = store.clone();
        let fits = next.steps.iter().all(|step| match step {
            Step::Append(key, element) => {
                let is_first = snapshot.get(key) == store.get(key);
                after.entry(*key).or_default().push(*element);
                is_first
            }
            Step::Read(..) => true,
        });
        fits && has_snapshot_order(&rest, left, &after)
    });
    left.is_empty() && begun.is_empty() || begins || commits
}

/// Up to five transactions on two keys. Each reads from a state that some of the earlier ones made, so that histories
/// of all levels arise.
fn transactions(most: usize) -> impl Strategy<Value = Vec<Small>> {
    let step = (0_u8..2, prop::bool::ANY);
    let drawn = (0_u32..3, prop::collection::vec(step, 1..3), 0_usize..12, 1_usize..8, any::<u8>());
    prop::collection::vec(drawn, 2..=most).prop_map(|drawn| {
        let mut store = Store::new();
        let mut past: Vec<Store> = vec![Store::new()];
        let mut small = Vec::new();
        let mut free = [0; 3];
        for (n, (process, steps, start, length, staleness)) in (1..).zip(drawn) {
            // Most transactions see the newest state, some an older one.
            let age = [0, 0, 0, 0, 1, 2][staleness as usize % 6];
            let mut seen = past[past.len().saturating_sub(1 + age)].clone();
            let steps: Vec<Step> = steps
                .into_iter()
                .enumerate()
                .map(|(place, (key, is_append))| {
                    if !is_append {
                        return Step::Read(key, seen.get(&key).cloned().unwrap_or_default());
                    }
                    let element = n * 10 + u32::try_from(place).expect("it is small");
                    seen.entry(key).or_default().push(element);
                    store.entry(key).or_default().push(element);
                    Step::Append(key, element)
                })
                .collect();
            past.push(store.clone());
            let called = start.max(free[process as usize]);
            let returned = called + length;
            free[process as usize] = returned + 1;
            small.push(Small { process, called, returned, steps });
        }
        small
    })
}

fn recorded(transactions: &[Small]) -> Recorded {
    let mut events: Vec<(usize, bool, u32, String)> = Vec::new();
    for small in transactions {
        let mut steps = String::new();
        for step in &small.steps {
            let _ = match step {
                Step::Append(key, element) => write!(steps, "[:append {key} {element}]"),
                Step::Read(key, list) => write!(steps, "[:r {key} {list:?}]"),
            };
        }
        for (time, kind) in [(small.called, "invoke"), (small.returned, "ok")] {
            let process = small.process;
            let line = format!("{{:process {process}, :type :{kind}, :f :txn, :value [{steps}]}}");
            // Calls come before returns at the same time: they overlap.
            events.push((time, kind == "ok", process, line));
        }
    }
    events.sort();
    let lines: Vec<String> = events.into_iter().map(|event| event.3).collect();
    parsed(&lines.join("\n"))
}

/// Whether the order of all versions is known: at most one append to each key was never read.
fn is_observed(transactions: &[Small]) -> bool {
    let steps = || transactions.iter().flat_map(|small| &small.steps);
    let seen: BTreeSet<u32> = steps()
        .filter_map(|step| if let Step::Read(_, list) = step { Some(list) } else { None })
        .flatten()
        .copied()
        .collect();
    (0..2).all(|of| {
        steps()
            .filter(
                |step| matches!(step, Step::Append(key, element) if *key == of && !seen.contains(element)),
            )
            .count()
            < 2
    })
}

/// Many histories where the build is fast, fewer where it is not.
const fn cases() -> u32 {
    if cfg!(debug_assertions) { 300 } else { 10_000 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn list_append_is_judged_as_by_trying_every_order(small in transactions(5)) {
        let all: Vec<&Small> = small.iter().collect();
        let history = recorded(&small);
        let none = |_: &Small, _: &Small| false;
        let session = |a: &Small, b: &Small| a.process == b.process && a.called < b.called;
        let realtime = |a: &Small, b: &Small| a.returned < b.called;
        let orders: [(&str, Precedes<'_>); 3] = [
            ("serializable", &none),
            ("strong-session-serializable", &session),
            ("strict-serializable", &realtime),
        ];
        for (model, precedes) in orders {
            let findings = judge("list-append", model, &history);
            let expected = has_serial_order(&all, &Store::new(), precedes);
            prop_assert_eq!(findings.verdict != Verdict::Fail, expected, "{} {:#?}", model, findings);
        }
        let findings = judge("list-append", "snapshot-isolation", &history);
        let expected = has_snapshot_order(&[], &all, &Store::new());
        if findings.verdict == Verdict::Fail || is_observed(&small) {
            prop_assert_eq!(findings.verdict != Verdict::Fail, expected, "{:#?}", findings);
        }
    }

    #[test]
    fn a_register_is_blamed_only_for_what_no_order_explains(small in transactions(5)) {
        // The last element of a list is the value of a register: what was explained by an order still is.
        let text = |small: &Small| {
            let mut steps = String::new();
            for step in &small.steps {
                let _ = match step {
                    Step::Append(key, element) => write!(steps, "[:w {key} {element}]"),
                    Step::Read(key, list) => match list.last() {
                        Some(last) => write!(steps, "[:r {key} {last}]"),
                        None => write!(steps, "[:r {key} nil]"),
                    },
                };
            }
            format!("{} {}-{} ok {steps}", small.process, 2 * small.called, 2 * small.returned + 1)
        };
        let lines: Vec<String> = small.iter().map(text).collect();
        let registers = history(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let lists = recorded(&small);
        for model in ["strict-serializable", "serializable", "snapshot-isolation", "read-committed"] {
            if judge("rw-register", model, &registers).verdict == Verdict::Fail {
                prop_assert_eq!(judge("list-append", model, &lists).verdict, Verdict::Fail, "{}", model);
            }
        }
    }

    #[test]
    fn names_of_processes_keys_and_elements_do_not_matter(small in transactions(6)) {
        let renamed = |name: fn(u32) -> u32| small.iter().map(|small| Small {
            process: small.process + 5,
            steps: small.steps.iter().map(|step| match step {
                Step::Append(key, element) => Step::Append(9 - key, name(*element)),
                Step::Read(key, list) => Step::Read(9 - key, list.iter().map(|&element| name(element)).collect()),
            }).collect(),
            ..small.clone()
        }).collect::<Vec<Small>>();
        let (alike, reversed) = (renamed(|element| element + 1000), renamed(|element| 1000 - element));
        for model in ["strict-serializable", "snapshot-isolation", "read-committed"] {
            let [one, alike, reversed] =
                [&small, &alike, &reversed].map(|small| judge("list-append", model, &recorded(small)));
            prop_assert_eq!((one.verdict, kinds(&one)), (alike.verdict, kinds(&alike)));
            prop_assert_eq!(one.verdict, reversed.verdict);
            // Of two longest reads that contradict each other, the order of the elements says which one is trusted.
            if !kinds(&one).contains(&"incompatible-order") {
                prop_assert_eq!(kinds(&one), kinds(&reversed));
            }
        }
    }

    #[test]
    fn a_cycle_names_transactions_that_contradict_each_other_alone(small in transactions(5)) {
        let findings = judge("list-append", "strict-serializable", &recorded(&small));
        for anomaly in &findings.anomalies {
            for witness in &anomaly.witnesses {
                prop_assert!(!witness.operations.is_empty() && !witness.why.is_empty());
                prop_assert!(witness.operations.iter().all(|&operation| operation < small.len()));
            }
        }
    }

    #[test]
    fn a_damaged_read_is_found_by_its_name(
        steps in prop::collection::vec((0_u8..2, prop::bool::ANY), 3..20),
        which in any::<prop::sample::Index>(),
        damage in 0_usize..4,
    ) {
        // One transaction of one step after the other, and a last read of everything: nothing could be better.
        let mut store = Store::new();
        let last = [(0, false), (1, false)];
        let mut small: Vec<Small> = Vec::new();
        for (n, (key, is_append)) in (1_u32..).zip(steps.into_iter().chain(last)) {
            let list = store.entry(key).or_default();
            if is_append {
                list.push(n);
            }
            let step = if is_append { Step::Append(key, n) } else { Step::Read(key, list.clone()) };
            let called = 2 * n as usize;
            small.push(Small { process: n % 3, called, returned: called + 1, steps: vec![step] });
        }
        prop_assert_ne!(judge("list-append", "strict-serializable", &recorded(&small)).verdict, Verdict::Fail);
        let least = if damage == 3 { 2 } else { 1 };
        let reads: Vec<usize> = (0..small.len())
            .filter(|&at| matches!(&small[at].steps[0], Step::Read(_, list) if list.len() >= least))
            .collect();
        prop_assume!(!reads.is_empty());
        let Step::Read(_, list) = &mut small[reads[which.index(reads.len())]].steps[0] else { unreachable!() };
        let expected = match damage {
            0 => {
                list.push(list[0]);
                "duplicate-elements"
            }
            1 => {
                list.push(999);
                "unwritten-read"
            }
            2 => {
                list.pop();
                "G-single-item-realtime"
            }
            _ => {
                list.swap(0, 1);
                "incompatible-order"
            }
        };
        let findings = judge("list-append", "strict-serializable", &recorded(&small));
        // Only one read of a list is no contradiction: its order is then taken for true.
        let is_only_order = damage == 3 && !kinds(&findings).contains(&expected);
        prop_assert_eq!(findings.verdict, Verdict::Fail);
        prop_assert!(kinds(&findings).contains(&expected) || is_only_order, "no {} in {:#?}", expected, findings);
    }

    #[test]
    fn the_order_of_overlapping_events_does_not_matter(
        small in transactions(5),
        swaps in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut moved = small.clone();
        for swap in swaps {
            // Two neighbours in time, of two processes, both calls or both returns: what overlaps stays.
            let mut times: Vec<usize> = moved.iter().flat_map(|small| [small.called, small.returned]).collect();
            times.sort_unstable();
            times.dedup();
            let at = swap.index(times.len());
            let later = times[at];
            let kinds = |time: usize| (moved.iter().any(|one| one.called == time), moved.iter().any(|one| one.returned == time));
            let Some(&before) = at.checked_sub(1).and_then(|at| times.get(at)) else { continue };
            if kinds(before) == (true, false) && kinds(later) == (true, false) {
                for one in moved.iter_mut().filter(|one| one.called == later) {
                    one.called = before;
                }
            }
        }
        for model in ["strict-serializable", "snapshot-isolation"] {
            let (one, other) =
                (judge("list-append", model, &recorded(&small)), judge("list-append", model, &recorded(&moved)));
            prop_assert_eq!(one.verdict == Verdict::Fail, other.verdict == Verdict::Fail, "{}", model);
        }
    }

    #[test]
    fn strange_values_are_refused_or_judged_and_nothing_panics(
        events in prop::collection::vec((0_u32..3, 0_usize..4, 0_usize..12, 0_usize..12), 1..25),
    ) {
        const VALUES: [&str; 12] = [
            "nil", "7", "\"a\"", "[]", "[1 2]", "[[:r 1 nil]]", "[[:append 1 2] [:r 1 [2]]]", "[[:w 1 nil] [:r 1 nil]]",
            "[[:r 1 [1 1 nil]]]", "#{1}", "{:a 1}", "[[:append [1] {:b 2}] [:r [1] [{:b 2}]]]",
        ];
        const FUNCTIONS: [&str; 12] = [
            "txn", "txn", "txn", "read", "write", "cas", "append", "get", "put", "acquire", "release", "other",
        ];
        let mut open = [None; 3];
        let mut edn = String::new();
        for (process, kind, function, value) in events {
            let open = &mut open[process as usize];
            let (kind, function) = match *open {
                None => ("invoke", function),
                Some(function) => (["ok", "fail", "info", "ok"][kind], function),
            };
            *open = (kind == "invoke").then_some(function);
            let (f, value) = (FUNCTIONS[function], VALUES[value]);
            let _ = writeln!(edn, "{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}");
        }
        let history = parsed(&edn);
        for checker in ["linearizable", "list-append", "rw-register"] {
            let checker = standalone::find(checker).expect("it is registered");
            for model in checker.models() {
                match checker.check(&history, &Options { model: Some(model), ..Options::DEFAULT }) {
                    Ok(findings) => prop_assert_eq!(findings.verdict == Verdict::Fail, !findings.anomalies.is_empty()),
                    Err(unfit) => prop_assert!(!unfit.what.is_empty() && !unfit.expected.is_empty()),
                }
            }
        }
    }
}
