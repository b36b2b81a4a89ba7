//! Planted defects: which the simulator finds, in how many seeds, and what a lesser check would have seen.
//!
//! Each mutant has a scenario in which the sound replica keeps every promise: what is found is the defect's doing. The
//! table stands in `harness/docs/mutants.md`; `UPDATE_MUTANTS=1` writes it anew.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use quarrel_models::{
    fault::{ClockChange, Fault},
    id::ReplicaId,
    mutant::Mutant,
    sim::{Durability, Schedule, TimedFault},
};
use quarrel_workloads::{
    judge::Judgement,
    mark::Mark,
    scenario::{Scenario, parse},
    simulation::Trial,
    verdict::{Anomaly, Finding, Verdict},
};
use std::{collections::BTreeMap, env, fs, path::Path};

/// Within so many seeds each must be found.
const SEEDS: u64 = 1000;
/// So many seeds the lesser checks may try.
const LESSER_SEEDS: u64 = 20;
const PAGE: &str = "../harness/docs/mutants.md";

const LWW: &str = "[strategy.lww]\n";
const REGISTER: &str = "[workload.register]\nkeys = 4\n";
const DELETES: &str = "[workload.register]\nkeys = 4\ndelete_share = 0.3\n";
const UNION: &str = "[strategy.on-write]\nhandler = 'union'\n[workload.set]\nkeys = 4\n";
const COUNTER: &str =
    "[strategy.on-write]\nhandler = 'delta'\n[workload.counter]\nkeys = 2\nread_share = 0.1\n";
const CUT: &str = "[nemesis.partition]\nevery = '1500ms'\nfor = '500ms'\n";
const SKEW: &str = "[nemesis.clock]\nhow = 'offset'\nby = '1s'\nevery = '1500ms'\nfor = '700ms'\n";
const MOVES: &str = "[[nemesis.relocate]]\nin_flight = true\nevery = '100ms'\n";
const KILLS: &str = "[nemesis.kill]\nevery = '800ms'\ndown = '200ms'\n";
const INVERSIONS: &str =
    "[contract]\nallow = ['real-time-inversion', 'session-inversion', 'causal-inversion']\n";

/// The scenario in which a mutant is looked for.
fn parts(mutant: Mutant) -> Vec<&'static str> {
    match mutant {
        Mutant::EqualStampsIgnored | Mutant::NoTieRule => vec![LWW, REGISTER, SKEW, INVERSIONS],
        Mutant::DeletesIgnoreStamps => vec![LWW, DELETES, CUT],
        Mutant::HardDelete => vec![LWW, DELETES, CUT],
        Mutant::SiblingsOverwritten => {
            vec!["[strategy.on-read]\nhandler = 'union'\n[workload.set]\nkeys = 4\n", CUT]
        }
        Mutant::MergeDropsASide | Mutant::HandlerReadsNode => vec![UNION, CUT],
        Mutant::AckBeforePersist => vec![UNION, KILLS],
        Mutant::CopiesCounted | Mutant::IdempotencyKeyIgnored => vec![COUNTER, MOVES],
        Mutant::SumOfAbsolutes | Mutant::PositionIgnored => vec![COUNTER, CUT],
        Mutant::RelayDropsDiscarded => vec!["topology = 'ring'\n", LWW, REGISTER, CUT],
        Mutant::OriginFilterMissing => {
            vec!["topology = 'ring'\n", "link = { latency_us = 20000 }\n", LWW, REGISTER]
        }
        Mutant::TokenIgnored => vec![
            "link = { latency_us = 300000 }\n",
            "[strategy.lww]\nclock = 'hybrid'\n[workload.register]\nkeys = 1\n",
            SKEW,
            "[nemesis.relocate]\ntoken = true\nevery = '50ms'\n[contract]\nallow = ['real-time-inversion']\n",
        ],
        Mutant::FenceIgnored => vec![
            "[strategy.home-leader]\nreroute = 'follow'\nhand_over = 'fenced'\n[workload.set]\nkeys = 6\nsingle_writer = true\n",
            MOVES,
        ],
        Mutant::ClaimsUnchecked => vec![
            "[strategy.lww]\nclock = 'hybrid'\n[workload.calendar]\nread_share = 0.1\nrooms = 2\nslots = 6\nmove_share = 0.0\ncancel_share = 0.0\n",
        ],
        Mutant::UnionResurrects => {
            vec!["[strategy.crdt]\ntype = 'or-set'\n[workload.set]\nkeys = 4\ndelete_share = 0.3\n", CUT]
        }
        Mutant::IdReused => vec![LWW, REGISTER, KILLS],
        Mutant::StampsAsText
        | Mutant::StampOfApplication
        | Mutant::SharedHighWaterMark
        | Mutant::LocalStampForgotten
        | Mutant::WinnerPerTable
        | Mutant::MissingRowSkipped
        | Mutant::BatchDropped
        | Mutant::WinnerNotTransitive
        | Mutant::PoisonedStamp => vec![LWW, REGISTER, CUT],
    }
}

fn scenario(name: &str, parts: &[&str]) -> Scenario {
    let (cluster, parts): (Vec<&str>, Vec<&str>) = parts.iter().partition(|part| !part.starts_with('['));
    let ring = cluster.iter().any(|part| part.contains("ring"));
    // Loops never end, and what comes after the load does not matter to sets.
    let (looping, quiesce) = if !ring && name != "sets" { (100, "20s") } else { (40, "1s") };
    let text = format!(
        "name = '{name}'\n[cluster]\n{}[phases]\nwarm_up = '200ms'\nstorm = '5s'\nrecovery = '300ms'\nquiesce = '{quiesce}'\n\
         operations = {looping}\n[clients]\ncount = 6\nrate = 20.0\n{}{}",
        cluster.concat(),
        if name == "token-ignored" { "token = true\n" } else { "" },
        parts.concat()
    );
    parse(name, &text, &Mark::ALL.map(Mark::name)).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What a schedule lacks for a defect to bite.
fn arrange(mutant: Mutant, schedule: &mut Schedule) {
    if mutant == Mutant::AckBeforePersist {
        schedule.cluster.durability = Durability::Sync { sync_us: 20_000 };
    }
    if mutant == Mutant::StampsAsText {
        // All clocks go from 9 to 10 seconds in the middle of the storm: the number of digits changes.
        let back = Fault::Clock(ReplicaId(0), ClockChange::Offset { us: 7_000_000 - 1_700_000_000_000_000 });
        for leader in (0..3).map(ReplicaId) {
            let Fault::Clock(_, change) = back else { continue };
            let fault = Fault::Clock(leader, change);
            schedule.faults.insert(0, TimedFault { at_us: 0, fault, in_flight: false, backup_us: None });
        }
        schedule.phases.heal_us = schedule.phases.load_us;
    }
}

struct Case {
    mutant: Mutant,
    trial: Trial,
}

impl Case {
    fn of(mutant: Mutant) -> Self {
        let trial = Trial::new(&scenario(mutant.name(), &parts(mutant)), true).with_mutant(Some(mutant));
        Self { mutant, trial }
    }

    fn judge(&self, seed: u64, mutant: Option<Mutant>) -> Judgement {
        let mut schedule = self.trial.schedule(seed).unwrap();
        arrange(self.mutant, &mut schedule);
        self.trial.clone().with_mutant(mutant).judge(&schedule).unwrap()
    }

    /// The first seed whose contract is broken, and by what.
    fn first(&self) -> Option<(u64, String)> {
        (1..=SEEDS).find_map(|seed| {
            let judgement = self.judge(seed, Some(self.mutant));
            let reason = judgement.reasons.iter().find(|reason| reason.verdict == Verdict::Fail)?;
            let sound = self.judge(seed, None);
            assert_ne!(
                sound.verdict,
                Verdict::Fail,
                "{} sound, seed {seed}: {:?}",
                self.mutant.name(),
                sound.reasons
            );
            Some((seed, reason.property.clone()))
        })
    }

    /// The first seed in which replicas differ.
    fn first_difference(&self) -> Option<u64> {
        let differ = |judgement: &Judgement| has(judgement, &[Anomaly::Divergence]);
        (1..=LESSER_SEEDS).find(|&seed| differ(&self.judge(seed, Some(self.mutant))))
    }
}

fn has(judgement: &Judgement, kinds: &[Anomaly]) -> bool {
    judgement.anomalies.iter().any(|found| kinds.iter().any(|&kind| found.kind == Finding::Anomaly(kind)))
}

/// The first seed in which a set lacks an element or has one too many: what a set checker sees, and no more.
fn first_wrong_set(mutant: Mutant) -> Option<u64> {
    let trial =
        Trial::new(&scenario("sets", &["link = { latency_us = 20000 }\n", UNION, CUT, MOVES, KILLS]), true)
            .with_mutant(Some(mutant));
    (1..=LESSER_SEEDS).find(|&seed| {
        let judgement = trial.judge(&trial.schedule(seed).unwrap()).unwrap();
        has(&judgement, &[Anomaly::LostElement, Anomaly::UnexpectedElement])
    })
}

/// What the model's own test says: property, steps and states by mutant.
fn by_model() -> BTreeMap<&'static str, [&'static str; 3]> {
    let text = include_str!(
        "../../models/src/check/snapshots/quarrel_models__check__mutants__each_mutant_is_caught_and_the_sound_replica_is_not.snap"
    );
    let words = |line: &'static str| -> Option<(&'static str, [&'static str; 3])> {
        let mut words = line.split_whitespace();
        let name = words.next().filter(|name| Mutant::ALL.iter().any(|mutant| mutant.name() == *name))?;
        Some((name, [words.next()?, words.next()?, words.next()?]))
    };
    text.lines().filter_map(words).collect()
}

fn table() -> String {
    let model = by_model();
    let mut table = String::from(
        "| defect | seen in | by the model: steps (states) | by the simulator: seed, what | replicas compared | set checker |\n\
         |---|---|---|---|---|---|\n",
    );
    for mutant in Mutant::ALL {
        let case = Case::of(mutant);
        let (seed, what) = case.first().unwrap_or_else(|| panic!("{} is not found", mutant.name()));
        let seen = |seed: Option<u64>| seed.map_or_else(|| "-".to_owned(), |seed| format!("seed {seed}"));
        let model = model.get(mutant.name()).map_or_else(
            || "beyond it".to_owned(),
            |[property, steps, states]| format!("{property}: {steps} ({states})"),
        );
        // What never comes to rest is not asked of twenty seeds more.
        let (differ, wrong) = if mutant == Mutant::OriginFilterMissing {
            ("not asked".to_owned(), "not asked".to_owned())
        } else {
            (seen(case.first_difference()), seen(first_wrong_set(mutant)))
        };
        table.push_str(&format!(
            "| {} | {} | {model} | {seed}: {what} | {differ} | {wrong} |\n",
            mutant.name(),
            mutant.seen_in()
        ));
    }
    table
}

#[test]
fn every_mutant_is_found_and_the_page_says_how() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- table -->\n", "<!-- end of table -->\n");
    let (head, rest) = page.split_once(begin).unwrap();
    let (_, tail) = rest.split_once(end).unwrap();
    let made = format!("{head}{begin}{}{end}{tail}", table());
    if env::var_os("UPDATE_MUTANTS").is_some() {
        fs::write(&path, made).unwrap();
    } else {
        assert!(
            made == page,
            "the table of {PAGE} is not what is found: UPDATE_MUTANTS=1 writes it anew\n{made}"
        );
    }
}

/// In a scenario of a mutant, the sound replica keeps every promise for many seeds.
#[test]
fn the_sound_replica_breaks_no_contract_of_these_scenarios() {
    for mutant in Mutant::ALL {
        let case = Case::of(mutant);
        for seed in 1..=10 {
            let sound = case.judge(seed, None);
            assert_ne!(sound.verdict, Verdict::Fail, "{}, seed {seed}: {:?}", mutant.name(), sound.reasons);
        }
    }
}
