//! Causal consistency and session guarantees, beside twins that follow their definitions word by word.

use crate::jepsen::check_as;
use proptest::prelude::*;
use quarrel_workloads::{
    checker::standalone::Findings,
    history::recorded::{ReadOptions, Recorded, read},
    verdict::Verdict,
};
use std::collections::BTreeMap;

/// What a process does, one thing after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Act {
    process: usize,
    key: usize,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// A write of its own number, counted from 1, and whether it was answered.
    Write { answered: bool },
    /// A read of the write of this number; 0 reads nothing.
    Read(usize),
}

const THIN_AIR: usize = 99;

/// `w0x` and `r1y3`: process 0 writes x, process 1 reads from y what act 3 wrote. `i` is a write without an answer.
fn acts(script: &str) -> Vec<Act> {
    script
        .split_whitespace()
        .map(|word| {
            let (what, rest) = word.split_at(1);
            let process = rest[..1].parse().expect("a process");
            let key = usize::from(rest.as_bytes()[1] - b'x');
            let what = match what {
                "r" => What::Read(rest[2..].parse().expect("an act")),
                other => What::Write { answered: other == "w" },
            };
            Act { process, key, what }
        })
        .collect()
}

fn history(acts: &[Act]) -> Recorded {
    let mut text = String::new();
    for (n, act) in (1..).zip(acts) {
        let Act { process, key, what } = act;
        let head = format!(":process {process} :key :k{key}");
        text.push_str(&match what {
            What::Write { answered } => {
                let kind = if *answered { "ok" } else { "info" };
                format!("{{:type :invoke :f :write {head} :value {n}}}{{:type :{kind} :f :write {head} :value {n}}}\n")
            }
            What::Read(source) => {
                let value = if *source == 0 { "nil".to_owned() } else { source.to_string() };
                format!("{{:type :invoke :f :read {head}}}{{:type :ok :f :read {head} :value {value}}}\n")
            }
        });
    }
    read(text.as_bytes(), None, ReadOptions::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn kinds(findings: &Findings) -> BTreeMap<String, u64> {
    findings.anomalies.iter().map(|found| (found.kind.to_owned(), found.count)).collect()
}

/// The definitions, by matrices over all acts.
struct Twin<'a> {
    acts: &'a [Act],
    /// Session order, reads-from, and their closure.
    so: Vec<Vec<bool>>,
    co: Vec<Vec<bool>>,
}

impl<'a> Twin<'a> {
    fn new(acts: &'a [Act]) -> Self {
        let size = acts.len();
        let happened = |n: usize| match acts[n].what {
            What::Write { answered: false } => acts.iter().any(|act| act.what == What::Read(n + 1)),
            _ => true,
        };
        let mut so = vec![vec![false; size]; size];
        for first in 0..size {
            for second in first + 1..size {
                // Nobody knows of a write that was not answered.
                so[first][second] = acts[first].process == acts[second].process
                    && happened(first)
                    && happened(second)
                    && acts[first].what != What::Write { answered: false };
            }
        }
        let mut co = so.clone();
        for (n, act) in acts.iter().enumerate() {
            if let Some(source) = Self::source_of(act) {
                co[source][n] = true;
            }
        }
        Self { acts, so, co: closed(co) }
    }

    fn source_of(act: &Act) -> Option<usize> {
        match act.what {
            What::Read(source) if source > 0 && source != THIN_AIR => Some(source - 1),
            _ => None,
        }
    }

    fn reads(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.acts.len())
            .filter(|&n| matches!(self.acts[n].what, What::Read(source) if source != THIN_AIR))
    }

    fn writes(&self, key: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.acts.len())
            .filter(move |&n| self.acts[n].key == key && matches!(self.acts[n].what, What::Write { .. }))
    }

    /// Whether what the read saw is older than the write.
    fn is_older(&self, read: usize, write: usize) -> bool {
        Self::source_of(&self.acts[read]).is_none_or(|source| self.co[source][write])
    }

    fn count(&self, breaks: impl Fn(usize) -> bool) -> u64 {
        self.reads().filter(|&read| breaks(read)).count() as u64
    }

    fn shared(&self, into: &mut BTreeMap<String, u64>) {
        let thin_air = self.acts.iter().filter(|act| act.what == What::Read(THIN_AIR)).count() as u64;
        into.insert("ThinAirRead".to_owned(), thin_air);
        into.insert("CyclicCO".to_owned(), u64::from(has_cycle(&self.co)));
    }

    fn causal(&self) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        self.shared(&mut found);
        let stale = |read: usize, initial: bool| {
            Self::source_of(&self.acts[read]).is_none() == initial
                && self
                    .writes(self.acts[read].key)
                    .any(|write| self.co[write][read] && self.is_older(read, write))
        };
        found.insert("WriteCOInitRead".to_owned(), self.count(|read| stale(read, true)));
        found.insert("WriteCORead".to_owned(), self.count(|read| stale(read, false)));
        let mut demands = self.co.clone();
        for read in self.reads() {
            let Some(source) = Self::source_of(&self.acts[read]) else { continue };
            for write in self.writes(self.acts[read].key) {
                if write != source && self.co[write][read] {
                    demands[write][source] = true;
                }
            }
        }
        // One write after the other is what WriteCORead says already: the pattern is of what is left without it.
        let own = found.values().all(|count| *count == 0);
        let cyclic = has_cycle(&closed(demands));
        found.insert("CyclicCF".to_owned(), u64::from(cyclic && own));
        found.retain(|_, count| *count > 0);
        found
    }

    fn sessions(&self) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        self.shared(&mut found);
        let key = |n: usize| self.acts[n].key;
        let answered = |n: usize| self.acts[n].what == What::Write { answered: true };
        let own_write = |read: usize| {
            self.writes(key(read)).any(|write| self.so[write][read] && self.is_older(read, write))
        };
        // What was read before: the reads of the session, and what they saw.
        let read_before = |read: usize| {
            self.reads()
                .filter(move |&before| self.so[before][read])
                .filter_map(|before| Some((before, Self::source_of(&self.acts[before])?)))
        };
        let own_read = |read: usize| {
            read_before(read).any(|(before, write)| key(before) == key(read) && self.is_older(read, write))
        };
        let before_write = |read: usize| {
            read_before(read).any(|(_, later)| {
                let is_other = self.acts[later].process != self.acts[read].process;
                let mut earlier =
                    self.writes(key(read)).filter(|&write| answered(later) && self.so[write][later]);
                is_other && earlier.any(|write| self.is_older(read, write))
            })
        };
        let before_read = |read: usize| {
            read_before(read).any(|(_, later)| {
                let is_other = self.acts[later].process != self.acts[read].process;
                let known =
                    read_before(later).filter(|(before, _)| answered(later) && key(*before) == key(read));
                is_other && known.into_iter().any(|(_, write)| self.is_older(read, write))
            })
        };
        found.insert("read-your-writes".to_owned(), self.count(own_write));
        found.insert("monotonic-reads".to_owned(), self.count(own_read));
        found.insert("monotonic-writes".to_owned(), self.count(before_write));
        found.insert("writes-follow-reads".to_owned(), self.count(before_read));
        found.retain(|_, count| *count > 0);
        found
    }
}

fn closed(mut matrix: Vec<Vec<bool>>) -> Vec<Vec<bool>> {
    let size = matrix.len();
    for via in 0..size {
        for from in 0..size {
            for to in 0..size {
                matrix[from][to] |= matrix[from][via] && matrix[via][to];
            }
        }
    }
    matrix
}

fn has_cycle(closed: &[Vec<bool>]) -> bool {
    (0..closed.len()).any(|n| closed[n][n])
}

/// Histories of a few processes and registers. `faith` tells how often a read sees the last write: from histories
/// that nothing is wrong with to such that are nonsense.
fn histories() -> impl Strategy<Value = Vec<Act>> {
    let act = (0..4_usize, 0..3_usize, any::<u8>(), any::<u8>(), any::<u8>());
    (0..5_u8, prop::collection::vec(act, 1..16)).prop_map(|(faith, seeds)| {
        let is_write: Vec<bool> = seeds.iter().map(|seed| seed.2 % 2 == 0).collect();
        let mut acts: Vec<Act> = Vec::new();
        for &(process, key, kind, choice, trust) in &seeds {
            let what = if kind % 2 == 0 {
                What::Write { answered: kind % 10 != 0 }
            } else {
                let own: Vec<usize> =
                    (0..seeds.len()).filter(|&n| is_write[n] && seeds[n].1 == key).collect();
                let last = own.iter().copied().rfind(|&n| n < acts.len());
                let any = own.get(usize::from(choice) % (own.len() + 1)).copied();
                let source = if trust % 4 < faith { last } else { any };
                if choice == 255 { What::Read(THIN_AIR) } else { What::Read(source.map_or(0, |n| n + 1)) }
            };
            acts.push(Act { process, key, what });
        }
        acts
    })
}

fn cases(debug: u32, release: u32) -> ProptestConfig {
    ProptestConfig::with_cases(if cfg!(debug_assertions) { debug } else { release })
}

proptest! {
    #![proptest_config(cases(3_000, 60_000))]

    #[test]
    fn causal_consistency_is_what_its_definition_says(acts in histories()) {
        let (history, twin) = (history(&acts), Twin::new(&acts));
        let (mut found, mut expected) = (kinds(&check_as("causal", None, &history)), twin.causal());
        let broken = |found: &BTreeMap<String, u64>| found.keys().any(|kind| kind != "CyclicCF");
        // With a cycle of causes there is no order in which reads could be judged one by one.
        let is_cyclic = expected.contains_key("CyclicCO");
        prop_assert_eq!(found.contains_key("CyclicCO"), is_cyclic);
        if broken(&expected) {
            found.remove("CyclicCF");
        }
        if is_cyclic {
            found.retain(|kind, _| kind == "CyclicCO");
            expected.retain(|kind, _| kind == "CyclicCO");
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn session_guarantees_are_what_their_definitions_say(acts in histories()) {
        let (history, twin) = (history(&acts), Twin::new(&acts));
        let (mut found, mut expected) = (kinds(&check_as("sessions", None, &history)), twin.sessions());
        if expected.contains_key("CyclicCO") {
            found.retain(|kind, _| kind == "CyclicCO");
            expected.retain(|kind, _| kind == "CyclicCO");
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn the_histories_have_everything_that_can_be_found_and_many_have_nothing() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut tally: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..3_000 {
        let acts = histories().new_tree(&mut runner).unwrap().current();
        let twin = Twin::new(&acts);
        let mut all = twin.causal();
        all.extend(twin.sessions());
        let kinds = if all.is_empty() { vec!["nothing".to_owned()] } else { all.into_keys().collect() };
        for kind in kinds {
            *tally.entry(kind).or_default() += 1;
        }
    }
    let seen: Vec<&str> =
        tally.iter().filter(|(_, count)| **count >= 10).map(|(kind, _)| kind.as_str()).collect();
    let expected = [
        "CyclicCF",
        "CyclicCO",
        "ThinAirRead",
        "WriteCOInitRead",
        "WriteCORead",
        "monotonic-reads",
        "monotonic-writes",
        "nothing",
        "read-your-writes",
        "writes-follow-reads",
    ];
    assert_eq!(seen, expected, "{tally:?}");
    assert!(tally["nothing"] > 500, "{tally:?}");
}

/// A script, what `causal` finds, and what `sessions` finds.
const CASES: &[(&str, &str, &str)] = &[
    ("w0x r1x1 w1y r2y3 r2x1", "", ""),
    // One's own write, lost to oneself.
    ("w0x r0x0", "WriteCOInitRead 1", "read-your-writes 1"),
    ("w0x r1x1 r1x0", "WriteCOInitRead 1", "monotonic-reads 1"),
    ("w0x r0x1 w0x r1x3 r1x1", "WriteCORead 1", "monotonic-reads 1"),
    ("w0x w0y r1y2 r1x0", "WriteCOInitRead 1", "monotonic-writes 1"),
    ("w0x r1x1 w1y r2y3 r2x0", "WriteCOInitRead 1", "writes-follow-reads 1"),
    ("r0x2 w0x", "CyclicCO 1", "CyclicCO 1"),
    ("r0x4 w0y r1y2 w1x", "CyclicCO 1", "CyclicCO 1"),
    ("r0x99", "ThinAirRead 1", "ThinAirRead 1"),
    // Two registers see two concurrent writes in two orders: each reader may, both together converge to nothing.
    ("w0x w1x r2x1 r2x2 r3x2 r3x1", "CyclicCF 1", ""),
    // A write without an answer that was never seen did not happen, and one that was seen did.
    ("i0x r0x0", "", ""),
    ("i0x r1x1 r1x0", "WriteCOInitRead 1", "monotonic-reads 1"),
    ("i0x w0x r1x2 r1x1", "", ""),
];

#[test]
fn patterns_and_guarantees_are_named() {
    for &(script, causal, sessions) in CASES {
        let history = history(&acts(script));
        for (checker, expected) in [("causal", causal), ("sessions", sessions)] {
            let found: Vec<String> = kinds(&check_as(checker, None, &history))
                .iter()
                .map(|(kind, count)| format!("{kind} {count}"))
                .collect();
            let expected: Vec<&str> = expected.split(", ").filter(|kind| !kind.is_empty()).collect();
            assert_eq!(found, expected, "{script}");
        }
    }
}

#[test]
fn causal_convergence_asks_for_more_than_causal_consistency() {
    let history = history(&acts("w0x w1x r2x1 r2x2 r3x2 r3x1"));
    assert_eq!(check_as("causal", Some("cc"), &history).verdict, Verdict::Pass);
    let findings = check_as("causal", Some("ccv"), &history);
    let witness = &findings.anomalies[0].witnesses[0];
    let shown: Vec<String> = witness.operations.iter().map(|&at| history.show(at).to_string()).collect();
    assert_eq!(shown.len(), 4, "{shown:#?}");
    assert!(shown.iter().filter(|text| text.contains("write")).count() == 2, "{shown:#?}");
}

#[test]
fn witnesses_name_all_that_the_sentence_speaks_of() {
    let history = history(&acts("w0x r1x1 w1y r2y3 r2x0"));
    let findings = check_as("sessions", None, &history);
    let shown: Vec<String> = findings.anomalies[0].witnesses[0]
        .operations
        .iter()
        .map(|&at| history.show(at).to_string())
        .collect();
    assert_eq!(
        shown,
        [
            "0: process 0 write of k0 1 -> ok",
            "2: process 1 read of k0 -> 1",
            "4: process 1 write of k1 3 -> ok",
            "6: process 2 read of k1 -> 3",
            "8: process 2 read of k0 -> nil",
        ]
    );
}

#[test]
fn what_is_no_register_is_refused() {
    use quarrel_workloads::checker::standalone::{Options, find};
    let refused = |text: &str| {
        let history = read(text.as_bytes(), None, ReadOptions::default()).unwrap();
        find("causal").unwrap().check(&history, &Options::DEFAULT).unwrap_err()
    };
    let twice = refused(
        "{:type :ok :process 0 :f :write :value 1}{:type :ok :process 0 :f :write :value 2}
         {:type :ok :process 1 :f :write :value 1}",
    );
    assert_eq!(twice.event, Some(2));
    assert!(twice.to_string().contains("the value 1 is written a second time, first by event 0"), "{twice}");
    let append = refused("{:type :ok :process 0 :f :txn :value [[:append 1 1]]}");
    assert!(append.to_string().contains("micro-operation `append`"), "{append}");
}

#[test]
fn ten_thousand_writes_in_one_session_need_no_stack() {
    let mut acts: Vec<Act> = Vec::new();
    for n in 0..20_000 {
        acts.push(Act { process: n % 2, key: 0, what: What::Write { answered: true } });
        acts.push(Act { process: (n + 1) % 2, key: 0, what: What::Read(2 * n + 1) });
    }
    assert_eq!(check_as("causal", None, &history(&acts)).verdict, Verdict::Pass);
    assert_eq!(check_as("sessions", None, &history(&acts)).verdict, Verdict::Pass);
}
