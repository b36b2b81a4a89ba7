//! A search that leaves states out finds what the whole search finds: the same verdicts, and witnesses as short.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use quarrel_models::{
    check::{
        Faults, Judgement, Limits, Obstacle, Property, Reduction, Reductions, Scope, Verdict, Workload,
        World, explore,
        matrix::{Cell, cells},
    },
    handler::Handler,
    strategy::{LastWriteWins, OnRead, OnWrite, Strategy},
    topology::Topology,
};
use std::collections::BTreeMap;

fn reduced() -> Limits {
    Limits { reductions: Reductions::ALL, ..Limits::default() }
}

/// What was found in a few words, such as `violated in 7`.
fn words(verdict: &Verdict) -> String {
    let steps = verdict.witness_steps().map(|steps| format!(" in {steps}")).unwrap_or_default();
    verdict.name().to_owned() + &steps
}

/// The path is one of the whole world, and ends in a violation.
fn replays(scope: &Scope, property: Property, verdict: &Verdict) {
    let Verdict::Violated { path, .. } = verdict else { return };
    let world = World::new(scope.clone()).unwrap();
    let (mut state, mut enabled) = (world.initial(), Vec::new());
    for action in path {
        enabled.clear();
        world.actions(&state, &mut enabled);
        assert!(enabled.contains(action), "`{action}` is not enabled");
        state = world.next(&state, *action);
    }
    assert_eq!(property.judge(&world, &state), Judgement::Violated, "{property} of {scope:?}");
}

/// Compares both searches; tells how many states each met, if the reduction applies.
fn agree(scope: &Scope, properties: &[Property]) -> Option<(usize, usize)> {
    let few = explore(&World::new(scope.clone()).unwrap(), properties, reduced());
    if few.reductions.is_empty() {
        assert!(!few.obstacles.is_empty(), "what is not applied has a reason");
        return None;
    }
    let all = explore(&World::new(scope.clone()).unwrap(), properties, Limits::default());
    assert!(all.reductions.is_empty() && all.obstacles.is_empty());
    for ((&property, few), all) in properties.iter().zip(&few.verdicts).zip(&all.verdicts) {
        assert_eq!(words(few), words(all), "{property} of {scope:?}");
        replays(scope, property, few);
    }
    Some((few.states, all.states))
}

/// The cells as they are; for a debug build with two writes instead of three.
fn cells_in_reach() -> Vec<Cell> {
    let mut cells = cells();
    if cfg!(debug_assertions) {
        cells.iter_mut().for_each(|cell| cell.scope.writes = 2);
    }
    cells
}

#[test]
fn all_cells_of_the_matrix_agree_where_the_reduction_applies() {
    let (mut applied, mut sizes, mut obstacles) = (0, (0, 0), BTreeMap::<String, usize>::new());
    for cell in cells_in_reach() {
        let properties: Vec<Property> = cell.properties().collect();
        match agree(&cell.scope, &properties) {
            Some((few, all)) => {
                applied += 1;
                sizes = (sizes.0 + few, sizes.1 + all);
            }
            None => {
                let world = World::new(cell.scope.clone()).unwrap();
                let obstacle = Reduction::SyncPoints.obstacle(&world, &properties).unwrap();
                *obstacles.entry(obstacle.to_string()).or_default() += 1;
            }
        }
    }
    let (few, all) = sizes;
    assert!(applied >= 20, "the reduction was applied {applied} times");
    assert!(few * 3 < all, "{few} of {all} states are no reduction");
    assert!(obstacles.len() >= 3, "{obstacles:?}");
}

fn mesh(strategy: Strategy) -> Scope {
    Scope { clients: 2, writes: 3, overlap: false, ..Scope::new(strategy, Topology::AllToAll) }
}

#[test]
fn larger_worlds_with_several_faults_agree() {
    let faults = Faults { offsets_ms: vec![-10, -1], clock_changes: 1, relocations: 1, ..Faults::default() };
    let strategies = [
        (Strategy::Lww(LastWriteWins::default()), Workload::Register),
        (Strategy::OnWrite(OnWrite { handler: Handler::Delta }), Workload::Counter),
        (Strategy::OnRead(OnRead { handler: Handler::Union }), Workload::Set),
    ];
    for (strategy, workload) in strategies {
        let scope = Scope { workload, faults: faults.clone(), ..mesh(strategy) };
        let writes = if cfg!(debug_assertions) { 2 } else { 3 };
        let (few, all) = agree(&Scope { writes, ..scope }, &Property::ALL[..10]).unwrap();
        assert!(few * 3 < all, "{few} of {all}");
    }
}

/// Writes that take time, and a bound that both searches run into.
#[test]
fn what_lies_too_deep_is_left_out_of_both() {
    let scope = Scope { overlap: true, writes: 2, ..mesh(Strategy::Lww(LastWriteWins::default())) };
    let properties = [Property::Converged, Property::NothingLost];
    let words_of = |depth, limits| {
        let explored = explore(&World::new(scope.clone()).unwrap(), &properties, Limits { depth, ..limits });
        explored.verdicts.iter().map(words).collect::<Vec<_>>()
    };
    let mut seen = BTreeMap::<Vec<String>, usize>::new();
    for depth in 0..12 {
        let few = words_of(depth, reduced());
        assert_eq!(few, words_of(depth, Limits::default()), "{depth} deep");
        *seen.entry(few).or_default() += 1;
    }
    let words = |first: &str, second: &str| vec![first.to_owned(), second.to_owned()];
    let expected = [(words("bounded", "bounded"), 8), (words("holds", "violated in 8"), 4)];
    assert_eq!(seen, BTreeMap::from(expected));
}

#[test]
fn what_stands_in_the_way_is_named() {
    let lww = || Strategy::Lww(LastWriteWins::default());
    let quiescent: Vec<Property> =
        Property::ALL.into_iter().filter(|property| property.waits_for_quiescence()).collect();
    let obstacle = |scope: Scope| Reduction::SyncPoints.obstacle(&World::new(scope).unwrap(), &quiescent);
    assert_eq!(obstacle(mesh(lww())), None);
    let all = Reduction::SyncPoints.obstacle(&World::new(mesh(lww())).unwrap(), &Property::ALL);
    assert_eq!(all, Some(Obstacle::Property));
    assert_eq!(obstacle(Scope::new(lww(), Topology::Ring)), Some(Obstacle::Relays));
    assert_eq!(obstacle(Scope { tokens: true, ..mesh(lww()) }), Some(Obstacle::Tokens));
    assert_eq!(obstacle(mesh(Strategy::Arrival(Default::default()))), Some(Obstacle::Strategy));
    let crash = Faults { crashes: 1, ..Faults::default() };
    assert_eq!(obstacle(Scope { faults: crash, ..mesh(lww()) }), Some(Obstacle::Faults));
}
