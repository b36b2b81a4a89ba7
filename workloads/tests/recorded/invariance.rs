//! What a verdict must not hang on: how processes and values are called, and in which order events are written down
//! that overlap. For every checker of the registry, on histories of all kinds, valid and damaged.

use proptest::prelude::*;
use quarrel_workloads::{
    checker::standalone::{CHECKERS, FinalReads, Options},
    history::recorded::{ReadOptions, Recorded, read},
    verdict::Verdict,
};

/// What an operation asks for and gets: functions with values whose numbers can be renamed.
#[derive(Debug, Clone)]
struct Act {
    process: u32,
    f: &'static str,
    input: String,
    output: String,
    /// Invoked this much after the one before in its process, and answered so much later.
    wait: u32,
    length: u32,
    kind: &'static str,
}

/// Numbers are written `<n>`, so that they can be renamed; processes are numbers anyway.
fn act(workload: usize) -> BoxedStrategy<(&'static str, String, String)> {
    let n = || (1..6_u32).prop_map(|n| format!("<{n}>"));
    let list = || prop::collection::vec(n(), 0..4).prop_map(|items| items.join(" "));
    let read =
        |output: BoxedStrategy<String>| output.prop_map(|output| ("read", "nil".to_owned(), output)).boxed();
    let both = |f: &'static str, value: BoxedStrategy<String>| {
        value.prop_map(move |value| (f, value.clone(), value)).boxed()
    };
    let maybe = || prop_oneof![n(), Just("nil".to_owned())].boxed();
    match workload {
        0 => prop_oneof![both("write", n().boxed()), read(maybe())].boxed(),
        1 => {
            let pair = (n(), n()).prop_map(|(old, new)| format!("[{old} {new}]")).boxed();
            prop_oneof![both("write", n().boxed()), both("cas", pair), read(maybe())].boxed()
        }
        2 => {
            prop_oneof![both("add", n().boxed()), read(list().prop_map(|items| format!("[{items}]")).boxed())]
                .boxed()
        }
        3 => prop_oneof![
            both("enqueue", n().boxed()),
            n().prop_map(|n| ("dequeue", "nil".to_owned(), n)),
            list().prop_map(|items| ("drain", "nil".to_owned(), format!("[{items}]"))),
        ]
        .boxed(),
        4 => n().prop_map(|n| ("generate", "nil".to_owned(), n)).boxed(),
        5 => {
            let step = prop_oneof![
                (0..3_u32, n()).prop_map(|(key, n)| (
                    format!("[:append :k{key} {n}]"),
                    format!("[:append :k{key} {n}]")
                )),
                (0..3_u32, list()).prop_map(|(key, items)| (
                    format!("[:r :k{key} nil]"),
                    format!("[:r :k{key} [{items}]]")
                )),
            ];
            transaction(step.boxed())
        }
        6 => {
            let step = prop_oneof![
                (0..3_u32, n())
                    .prop_map(|(key, n)| (format!("[:w :k{key} {n}]"), format!("[:w :k{key} {n}]"))),
                (0..3_u32, maybe())
                    .prop_map(|(key, n)| (format!("[:r :k{key} nil]"), format!("[:r :k{key} {n}]"))),
            ];
            transaction(step.boxed())
        }
        7 => prop_oneof![both("add", n().boxed()), read(n().boxed())].boxed(),
        _ => prop_oneof![
            Just(("acquire", "nil".to_owned(), "nil".to_owned())),
            Just(("release", "nil".to_owned(), "nil".to_owned()))
        ]
        .boxed(),
    }
}

fn transaction(step: BoxedStrategy<(String, String)>) -> BoxedStrategy<(&'static str, String, String)> {
    prop::collection::vec(step, 1..4)
        .prop_map(|steps| {
            let join = |of: fn(&(String, String)) -> &str| {
                format!("[{}]", steps.iter().map(of).collect::<Vec<_>>().join(" "))
            };
            ("txn", join(|step| &step.0), join(|step| &step.1))
        })
        .boxed()
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    (0..9_usize).prop_flat_map(|workload| {
        let act = (0..4_u32, act(workload), 1..6_u32, 1..9_u32, 0..10_u32);
        let act = act.prop_map(|(process, (f, input, output), wait, length, dice)| Act {
            process,
            f,
            input,
            output,
            wait,
            length,
            kind: ["info", "fail"].get(dice as usize).copied().unwrap_or("ok"),
        });
        prop::collection::vec(act, 1..12)
    })
}

/// Events in the order of time: (time, place of its act, whether it ends it). Calls and returns alternate in runs.
fn events(acts: &[Act]) -> Vec<(u32, usize, bool)> {
    let mut now = [0; 4];
    let mut events = Vec::new();
    for (at, act) in acts.iter().enumerate() {
        let clock = &mut now[act.process as usize];
        *clock += act.wait;
        events.push((*clock, at, false));
        *clock += act.length;
        events.push((*clock, at, true));
    }
    events.sort_by_key(|&(time, at, ends)| (time, ends, at));
    events
}

/// Swaps neighbours of different processes that are both calls or both returns: all that overlapped still does, and
/// nothing else. `may_pass` says which two acts may change places.
fn reordered(
    mut events: Vec<(u32, usize, bool)>,
    acts: &[Act],
    swaps: &[prop::sample::Index],
    may_pass: impl Fn(&Act, &Act) -> bool,
) -> Vec<(u32, usize, bool)> {
    for swap in swaps {
        let at = swap.index(events.len() - 1);
        let (one, other) = (events[at], events[at + 1]);
        let (first, second) = (&acts[one.1], &acts[other.1]);
        if one.2 == other.2 && first.process != second.process && may_pass(first, second) {
            events.swap(at, at + 1);
        }
    }
    events
}

fn recorded(
    acts: &[Act],
    events: &[(u32, usize, bool)],
    process: impl Fn(u32) -> String,
    number: impl Fn(u32) -> String,
) -> Recorded {
    let renamed = |text: &str| {
        let mut parts = text.split(['<', '>']);
        let mut out = parts.next().unwrap_or_default().to_owned();
        while let (Some(inner), Some(after)) = (parts.next(), parts.next()) {
            out += &number(inner.parse().expect("brackets hold numbers"));
            out += after;
        }
        out
    };
    let mut text = String::new();
    for &(_, at, ends) in events {
        let act = &acts[at];
        let (kind, value) = if ends {
            (act.kind, if act.kind == "ok" { &act.output } else { &act.input })
        } else {
            ("invoke", &act.input)
        };
        text += &format!(
            "{{:type :{kind} :process {} :f :{} :value {}}}\n",
            process(act.process),
            act.f,
            renamed(value)
        );
    }
    read(text.as_bytes(), None, ReadOptions::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Checker, model, and the verdict with the kinds of anomalies; or that it refuses.
type Told = (&'static str, Option<&'static str>, Option<(Verdict, Vec<&'static str>)>);

/// What every checker says under every model: the verdict and the kinds; or that it refuses.
fn told(history: &Recorded) -> Vec<Told> {
    let mut told = Vec::new();
    for checker in CHECKERS {
        for model in checker.models().iter().copied().map(Some).chain([None]) {
            for final_reads in [FinalReads::Marked, FinalReads::Last] {
                let findings = checker.check(history, &Options { model, final_reads, ..Options::DEFAULT });
                let findings = findings.ok().map(|findings| {
                    let mut kinds: Vec<_> = findings.anomalies.iter().map(|found| found.kind).collect();
                    kinds.sort_unstable();
                    (findings.verdict, kinds)
                });
                told.push((checker.name(), model, findings));
            }
        }
    }
    told
}

/// Without what hangs on which of two longest reads is trusted that contradict each other: the names of what follows,
/// and the verdict of the model that asks for no order, in all its variants.
fn trusted(told: &[Told]) -> Vec<Told> {
    let contradicts = |kinds: &[&str]| kinds.contains(&"incompatible-order");
    let is_torn =
        told.iter().any(|(.., findings)| findings.as_ref().is_some_and(|(_, kinds)| contradicts(kinds)));
    let mut told = told.to_vec();
    if is_torn {
        told.retain(|(_, model, _)| model.is_none_or(|model| !model.ends_with("read-uncommitted")));
        for (_, kinds) in told.iter_mut().filter_map(|(.., findings)| findings.as_mut()) {
            kinds.retain(|&kind| kind == "incompatible-order");
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 10_000 }))]

    #[test]
    fn how_processes_and_values_are_called_changes_no_verdict(acts in acts()) {
        let events = events(&acts);
        let first = told(&recorded(&acts, &events, |p| p.to_string(), |n| n.to_string()));
        // Numbers stay numbers, since counters add them up; their order and their distances change.
        let is_sum = acts.iter().any(|act| act.f == "add") && !acts.iter().any(|act| act.output.starts_with('['));
        let number = |n: u32| if is_sum { n.to_string() } else { (1_000_000 - 17 * i64::from(n)).to_string() };
        let second = told(&recorded(&acts, &events, |p| (70_000 - 9 * p).to_string(), number));
        prop_assert_eq!(trusted(&first), trusted(&second));
        let ascending = |n: u32| if is_sum { n } else { 17 * n + 100 }.to_string();
        prop_assert_eq!(&first, &told(&recorded(&acts, &events, |p| (p + 5).to_string(), ascending)));
        let third = told(&recorded(&acts, &events, |p| format!("\"client-{}\"", 9 - p), |n| n.to_string()));
        prop_assert_eq!(&first, &third);
    }

    #[test]
    fn the_order_of_events_that_overlap_changes_no_verdict(
        acts in acts(),
        swaps in prop::collection::vec(any::<prop::sample::Index>(), 1..40),
    ) {
        let plain = events(&acts);
        let show = |events: &[_]| told(&recorded(&acts, events, |p| p.to_string(), |n| n.to_string()));
        let first = show(&plain);
        // The last of several reads, by its beginning or by its end, is what the rules of sets speak of: reads keep
        // their order among each other, and pass everything else.
        let one_reads = |first: &Act, second: &Act| first.f != "read" || second.f != "read";
        prop_assert_eq!(&first, &show(&reordered(plain.clone(), &acts, &swaps, one_reads)));
        let hangs_on_reads = |name: &str| ["set", "set-full"].contains(&name);
        let kept = |told: Vec<Told>| told.into_iter().filter(|(name, ..)| !hangs_on_reads(name)).collect::<Vec<_>>();
        let swapped = reordered(plain, &acts, &swaps, |_, _| true);
        prop_assert_eq!(kept(first), kept(show(&swapped)));
    }
}

#[test]
fn the_histories_pass_and_fail_by_every_checker_that_takes_them() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1_500 {
        let acts = acts().new_tree(&mut runner).unwrap().current();
        let history = recorded(&acts, &events(&acts), |p| p.to_string(), |n| n.to_string());
        for (name, _, findings) in told(&history) {
            seen.extend(findings.map(|(verdict, _)| (name, verdict.to_string())));
        }
    }
    for checker in [
        "linearizable",
        "list-append",
        "rw-register",
        "sessions",
        "causal",
        "ledger",
        "convergence",
        "set",
        "set-full",
        "counter",
        "unique-ids",
        "total-queue",
    ] {
        for verdict in ["pass", "fail"] {
            assert!(seen.contains(&(checker, verdict.to_owned())), "{checker} {verdict}");
        }
    }
}
