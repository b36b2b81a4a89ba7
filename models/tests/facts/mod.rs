//! What is common to the tests of the model checker: worlds by a few strokes, and verdicts in a few words.
#![allow(dead_code, reason = "each test needs some of it")]

use quarrel_models::{
    check::{Faults, Limits, Scope, Verdict, World, check},
    clock::ClockKind,
    strategy::{HandOver, HomeLeader, LastWriteWins, LocalWrite, Reroute, Strategy},
    topology::{Propagation, Topology},
};

/// The verdict in a few words, such as `holds: 504 of 14552 states, 12 deep`.
pub(crate) fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Holds { states, depth, judged, .. } => {
            format!("holds: {judged} of {states} states, {depth} deep")
        }
        Verdict::Bounded { why, .. } => format!("bounded: {why}"),
        Verdict::Violated { path, .. } => format!("violated in {}", path.len()),
    }
}

/// Asks properties by name, and compares the verdicts all at once.
#[track_caller]
pub(crate) fn facts(scope: Scope, expected: &[(&str, &str)]) {
    let world = World::new(scope).unwrap();
    let ask = |name: &str| words(&check(&world, name.parse().unwrap(), Limits::default()));
    let found: Vec<(&str, String)> = expected.iter().map(|&(name, _)| (name, ask(name))).collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(name, words)| (*name, words.as_str())).collect();
    assert_eq!(found, expected);
}

/// The shortest way to a violation, action by action.
pub(crate) fn path(scope: Scope, property: &str) -> String {
    let world = World::new(scope).unwrap();
    match check(&world, property.parse().unwrap(), Limits::default()) {
        Verdict::Violated { path, .. } => path.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        verdict => words(&verdict),
    }
}

pub(crate) fn lww(clock: ClockKind, local_write: LocalWrite) -> Strategy {
    Strategy::Lww(LastWriteWins { clock, local_write, ..LastWriteWins::default() })
}

pub(crate) fn wall() -> Strategy {
    lww(ClockKind::Wall, LocalWrite::Merge)
}

pub(crate) fn hybrid() -> Strategy {
    lww(ClockKind::Hybrid, LocalWrite::Merge)
}

pub(crate) fn follow(hand_over: HandOver) -> Strategy {
    home(Reroute::Follow, hand_over)
}

pub(crate) fn home(reroute: Reroute, hand_over: HandOver) -> Strategy {
    Strategy::HomeLeader(HomeLeader { reroute, hand_over, ..HomeLeader::default() })
}

/// Two writes that take no time, on a ring of three leaders: the fewest states.
pub(crate) fn ring(strategy: Strategy) -> Scope {
    Scope { overlap: false, writes: 2, ..Scope::new(strategy, Topology::Ring) }
}

pub(crate) fn mesh(strategy: Strategy) -> Scope {
    Scope { topology: Topology::AllToAll, propagation: Propagation::Direct, ..ring(strategy) }
}

pub(crate) fn with(scope: Scope, change: impl FnOnce(&mut Faults)) -> Scope {
    let mut faults = scope.faults.clone();
    change(&mut faults);
    Scope { faults, ..scope }
}
