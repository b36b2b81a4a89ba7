//! Another tool, another language, another author of the search: Spin explores last write wins, as `spin/lww.pml`
//! describes it, and finds as many states as deep and the same violations in as many steps as the model checker does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "spin/oracle.rs"]
mod oracle;

use oracle::{MODEL, Search, System, explore, missing};
use quarrel_models::{
    check::{Limits, Property, Verdict, World, survey},
    strategy::LocalWrite,
    topology::Topology,
};
use std::{io::Write as _, sync::OnceLock};

/// The properties that Spin is asked for, the one that includes most others first. Those that are missing need faults
/// that no system here has.
const PROPERTIES: [&str; 6] =
    ["nothing-lost", "converged", "delivered", "real-time-inversion", "causal-inversion", "partial"];

/// A verdict: how many states how deep, or in how many steps it is violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Holds { states: usize, depth: usize },
    Violated { steps: usize },
}

/// What the model checker says of each property.
fn ours(system: &System) -> Vec<(&'static str, Found)> {
    let properties = PROPERTIES.map(|name| name.parse::<Property>().unwrap());
    let world = World::new(system.scope()).unwrap();
    let found = |verdict| match verdict {
        Verdict::Holds { states, depth, .. } => Found::Holds { states, depth },
        Verdict::Violated { path, .. } => Found::Violated { steps: path.len() },
        Verdict::Bounded { why, .. } => panic!("{system}: {why}"),
    };
    let verdicts = survey(&world, &properties, Limits::default());
    PROPERTIES.into_iter().zip(verdicts.into_iter().map(found)).collect()
}

/// What Spin says of one.
fn spins(model: &str, system: &System, property: &str) -> Found {
    let explored = explore(model, system, Some(property), Search::BreadthFirst);
    match explored.violated_in {
        Some(steps) => Found::Violated { steps },
        None => Found::Holds { states: explored.states, depth: explored.depth },
    }
}

/// Whether Spin can be asked; if not, says so once.
#[expect(
    clippy::explicit_write,
    reason = "the test runner swallows what `eprintln!` prints in a test that passes"
)]
fn can_ask() -> bool {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let missing = MISSING.get_or_init(|| {
        missing().inspect(|why| {
            writeln!(std::io::stderr(), "SKIPPED: no comparison with Spin: {why}").unwrap();
        })
    });
    missing.is_none()
}

#[track_caller]
fn same(system: &System) {
    if !can_ask() {
        return;
    }
    let ours = ours(system);
    // Where nothing is ever lost, and replicas become equal, there is no more to ask.
    let plain = ours.iter().all(|(_, found)| matches!(found, Found::Holds { .. }));
    for (property, found) in ours.into_iter().take(if plain { 2 } else { PROPERTIES.len() }) {
        assert_eq!(found, spins(MODEL, system, property), "{property} of {system}: ours, Spin's");
    }
}

fn skewed(leaders: usize, writes: u8, topology: Topology, offset_ms: i8) -> System {
    System { topology, offset_ms, ..System::new(leaders, writes) }
}

#[test]
fn two_leaders_and_two_writes_are_the_same_to_spin() {
    same(&System::new(2, 2));
}

#[test]
fn three_leaders_and_two_writes_are_the_same_to_spin() {
    same(&System::new(3, 2));
}

#[test]
fn three_leaders_and_three_writes_are_the_same_to_spin() {
    same(&System::new(3, 3));
}

#[test]
fn a_ring_and_a_star_that_relay_are_the_same_to_spin() {
    same(&System { topology: Topology::Ring, ..System::new(3, 3) });
    same(&System { topology: Topology::Star, ..System::new(3, 3) });
}

#[test]
fn spin_too_finds_that_the_older_write_wins_under_skew_and_in_as_many_steps() {
    let system = skewed(3, 3, Topology::Ring, -10);
    assert!(ours(&system).contains(&("causal-inversion", Found::Violated { steps: 7 })));
    same(&system);
    same(&skewed(2, 3, Topology::AllToAll, -10));
}

#[test]
fn spin_too_finds_that_local_writes_that_skip_the_merge_diverge_under_skew() {
    let system = System { local_write: LocalWrite::Unconditional, ..skewed(3, 3, Topology::Ring, -10) };
    assert!(ours(&system).contains(&("converged", Found::Violated { steps: 7 })));
    same(&system);
}

#[test]
fn equal_stamps_are_the_same_to_spin() {
    same(&skewed(2, 3, Topology::AllToAll, -1));
    same(&skewed(3, 2, Topology::Star, -1));
}

/// More than a debug build does in a moment.
#[cfg(not(debug_assertions))]
#[test]
fn larger_systems_are_the_same_to_spin() {
    same(&System::new(3, 4));
    for topology in [Topology::AllToAll, Topology::Star] {
        for offset_ms in [-10, -1, 5] {
            for local_write in [LocalWrite::Merge, LocalWrite::Unconditional] {
                same(&System { local_write, ..skewed(3, 3, topology.clone(), offset_ms) });
            }
        }
    }
}

/// The comparison can fail: each change of the Promela model alone is seen, in the verdicts or in the states.
#[test]
fn a_spin_model_that_says_something_else_is_told_apart() {
    let system = skewed(2, 3, Topology::AllToAll, -10);
    let changes = [
        ("stamp[left] > stamp[right]", "stamp[left] < stamp[right]"),
        ("knew[entry] = applied[_pid];", "knew[entry] = 0;"),
        ("stamp[entry] = made + offset[_pid];", "stamp[entry] = made;"),
    ];
    for (from, to) in changes {
        let mutant = MODEL.replace(from, to);
        assert_ne!(mutant, MODEL, "the model has no `{from}` to change");
        if can_ask() {
            let differs = |(property, found)| found != spins(&mutant, &system, property);
            assert!(ours(&system).into_iter().any(differs), "`{to}` makes no difference");
        }
    }
}
