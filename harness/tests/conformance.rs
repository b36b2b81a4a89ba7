//! Real nodes do what the core does: for each strategy and shape, schedules that the model checker makes, one for each
//! distinct end of the world of three leaders and three writes, are played on real processes; and those would notice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use quarrel::{
    replay::{Difference, LiveError, Replayed, live::play},
    report::{Paint, ReplayReport},
    runner::Interrupt,
};
use quarrel_models::{
    check::{
        Limits, Workload, World, ends, found,
        matrix::{Cell, FaultClass},
        witness,
    },
    handler::Handler,
    id::ReplicaId,
    strategy::{Arrival, HomeLeader, LastWriteWins, OnRead, OnWrite, Strategy},
    topology::Topology,
    witness::Witness,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// The most schedules of one strategy in one shape: of more ends every n-th is taken, the first and the last among
/// them.
const MOST: usize = 8;

/// The main strategies, and what goes wrong with each: a clock is set back, or a client moves.
fn strategies() -> [(Strategy, Workload, FaultClass); 5] {
    [
        (Strategy::HomeLeader(HomeLeader::default()), Workload::Register, FaultClass::Relocation),
        (Strategy::Lww(LastWriteWins::default()), Workload::Register, FaultClass::Skew),
        (Strategy::OnWrite(OnWrite { handler: Handler::Union }), Workload::Set, FaultClass::Relocation),
        (Strategy::OnRead(OnRead { handler: Handler::Union }), Workload::Set, FaultClass::Relocation),
        (Strategy::Arrival(Arrival::default()), Workload::Register, FaultClass::Relocation),
    ]
}

/// So many of them, evenly, the first and the last among them.
fn sample<T: Clone>(all: &[T], most: usize) -> Vec<T> {
    if all.len() <= most {
        return all.to_vec();
    }
    (0..most).map(|n| all[n * (all.len() - 1) / (most - 1)].clone()).collect()
}

fn schedules(topology: &Topology) -> Vec<Witness> {
    let mut schedules = Vec::new();
    for (strategy, workload, fault) in strategies() {
        let cell = Cell::new(strategy, workload, topology.clone(), fault);
        let world = World::new(cell.scope.clone()).unwrap();
        let ends = ends(&world, Limits::default());
        assert_eq!(ends.bound, None, "{cell}");
        // As `docs/witness.md` says.
        assert!((84..=632).contains(&ends.paths.len()), "{cell}: {} ends", ends.paths.len());
        let paths = sample(&ends.paths, MOST);
        schedules.extend(paths.iter().map(|path| witness(&world, path, found(&world, "an end"))));
    }
    schedules
}

fn live(witness: &Witness, program: &Path) -> Result<Option<Difference>, LiveError> {
    play(witness, program, &Interrupt::new())
}

fn nodes_do_what_the_core_does(topology: &Topology) {
    let schedules = schedules(topology);
    assert!(schedules.len() >= 20, "tens of schedules, not {}", schedules.len());
    let program = Path::new(env!("CARGO_BIN_EXE_quarrel"));
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(witness) = schedules.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let difference = live(witness, program).unwrap();
                    assert_eq!(difference, None, "{}", serde_json::to_string(witness).unwrap());
                }
            });
        }
    });
}

#[test]
fn on_a_ring_nodes_do_what_the_core_does() {
    nodes_do_what_the_core_does(&Topology::Ring);
}

#[test]
fn on_a_star_nodes_do_what_the_core_does() {
    nodes_do_what_the_core_does(&Topology::Star);
}

#[test]
fn all_to_all_nodes_do_what_the_core_does() {
    nodes_do_what_the_core_does(&Topology::AllToAll);
}

/// The witness of the page.
fn by_hand() -> Witness {
    let page = include_str!("../docs/witness.md");
    let json = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    serde_json::from_str(json).unwrap()
}

/// A program that is another node where it is a certain replica: of what it is told, one word is changed.
fn mutant(folder: &Path, replica: &str, from: &str, to: &str) -> PathBuf {
    let program = folder.join("mutant");
    let quarrel = env!("CARGO_BIN_EXE_quarrel");
    let script = format!(
        "#!/bin/sh\n\
         case $2 in */{replica}.json) sed 's/{from}/{to}/' \"$2\" > \"$2.new\" && mv \"$2.new\" \"$2\";; esac\n\
         exec {quarrel} \"$@\"\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[test]
fn a_node_that_does_otherwise_is_found_at_the_step_the_replica_and_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let program = mutant(folder.path(), "A", "\"merge\"", "\"unconditional\"");
    let difference = live(&by_hand(), &program).unwrap().unwrap();
    let key = difference.key.as_ref().map(|key| key.as_str());
    assert_eq!(
        (difference.step, difference.replica, key),
        (5, Some(ReplicaId(0)), Some("k")),
        "{difference}"
    );
    assert!(difference.expected.starts_with("0 (c0.1"), "{difference}");
    assert!(difference.found.starts_with("1 (c0.2"), "{difference}");
}

#[test]
fn a_report_of_a_difference_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = mutant(folder.path(), "A", "\"merge\"", "\"unconditional\"");
    let witness = by_hand();
    let difference = live(&witness, &program).unwrap();
    let replayed = Replayed { compared: true, difference, ..Replayed::of(&witness).unwrap() };
    let (file, again) = ("w.json", "quarrel replay w.json --on live");
    let report =
        ReplayReport { witness: &witness, replayed: &replayed, on: "live", file, seconds: 0.0, again };
    let mut text = Vec::new();
    report.text(Paint::default(), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = "after step 5 record k at A is 1 (c0.2 1 at A:2, 991000 us) on real processes, and by the core 0 (c0.1 0 at A:1, 1000000 us)";
    assert!(words.starts_with("NOT SHOWN causal-inversion") && words.matches(said).count() == 2, "{text}");
    assert!(!text.contains("6. ") && !text.contains("In the end"), "{text}");
}

#[test]
fn a_node_that_does_not_pass_on_what_it_should_is_found_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let program = mutant(folder.path(), "B", "\"ring\"", "\"star\"");
    let difference = live(&by_hand(), &program).unwrap().unwrap();
    assert_eq!((difference.step, difference.replica), (2, Some(ReplicaId(1))), "{difference}");
    assert_eq!((difference.expected.as_str(), difference.found.as_str()), ("entries A:1", "nothing"));
}
