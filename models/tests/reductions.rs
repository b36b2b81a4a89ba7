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
    topology::{Propagation, Topology},
};
use std::collections::BTreeMap;

fn with(reductions: Reductions) -> Limits {
    Limits { reductions, ..Limits::default() }
}

/// Each reduction alone, and both.
const CHOICES: [Reductions; 3] = [
    Reductions { sync_points: true, symmetry: false },
    Reductions { sync_points: false, symmetry: true },
    Reductions::ALL,
];

/// What was found in a few words, such as `violated in 7`.
fn words(verdict: &Verdict) -> String {
    let steps = verdict.witness_steps().map(|steps| format!(" in {steps}")).unwrap_or_default();
    verdict.name().to_owned() + steps.as_str()
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

/// Compares all searches. Tells how many states the whole one met, and how many the others where they leave any out.
fn agree(scope: &Scope, properties: &[Property]) -> (usize, [Option<usize>; 3]) {
    let all = explore(&World::new(scope.clone()).unwrap(), properties, Limits::default());
    assert!(all.reductions.is_empty() && all.obstacles.is_empty());
    let fewer = CHOICES.map(|reductions| {
        let few = explore(&World::new(scope.clone()).unwrap(), properties, with(reductions));
        if few.reductions.is_empty() {
            assert!(!few.obstacles.is_empty(), "what is not applied has a reason");
            return None;
        }
        for ((&property, few), all) in properties.iter().zip(&few.verdicts).zip(&all.verdicts) {
            assert_eq!(words(few), words(all), "{property} of {scope:?} with {reductions:?}");
            replays(scope, property, few);
        }
        Some(few.states)
    });
    (all.states, fewer)
}

/// All cells in which a reduction applies; for a debug build one of five of them, with two writes instead of three.
fn cells_in_reach() -> Vec<Cell> {
    let mut cells = cells();
    if cfg!(debug_assertions) {
        let applies = |cell: &Cell| {
            let (world, properties) =
                (World::new(cell.scope.clone()).unwrap(), cell.properties().collect::<Vec<_>>());
            Reduction::ALL.into_iter().any(|reduction| reduction.obstacle(&world, &properties).is_none())
        };
        cells.iter_mut().for_each(|cell| cell.scope.writes = 2);
        cells.retain(applies);
        cells = cells.into_iter().step_by(5).collect();
    }
    cells
}

#[test]
fn all_cells_of_the_matrix_agree_where_a_reduction_applies() {
    let mut applied = [(0, 0, 0); 3];
    let mut obstacles = BTreeMap::<String, usize>::new();
    for cell in cells_in_reach() {
        let properties: Vec<Property> = cell.properties().collect();
        let (all, fewer) = agree(&cell.scope, &properties);
        for (few, (times, of, left)) in fewer.into_iter().zip(&mut applied) {
            if let Some(few) = few {
                (*times, *of, *left) = (*times + 1, *of + all, *left + few);
            }
        }
        let world = World::new(cell.scope.clone()).unwrap();
        for reduction in Reduction::ALL {
            if let Some(obstacle) = reduction.obstacle(&world, &properties) {
                *obstacles.entry(format!("{reduction}: {obstacle}")).or_default() += 1;
            }
        }
    }
    let [sync_points, symmetry, both] = applied;
    let part = if cfg!(debug_assertions) { 5 } else { 1 };
    assert!(sync_points.0 * part >= 20 && sync_points.1 > 2 * sync_points.2, "{applied:?}");
    assert!(symmetry.0 * part >= 40 && symmetry.1 > 2 * symmetry.2, "{applied:?}");
    assert!(both.0 >= symmetry.0, "{applied:?}");
    assert!(obstacles.len() * part >= 5, "{obstacles:?}");
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
        let (all, [few, ..]) = agree(&Scope { writes, ..scope }, &Property::ALL[..10]);
        assert!(few.unwrap() * 3 < all, "{few:?} of {all}");
    }
}

/// Rings, relays, tokens, deaths, requests left behind: all that makes leaders no less alike.
#[test]
fn symmetric_worlds_agree() {
    let none = Faults::default;
    let lww = || Strategy::Lww(LastWriteWins::default());
    let arrival = || Strategy::Arrival(Default::default());
    let of = |strategy, topology| Scope { writes: 2, overlap: false, ..Scope::new(strategy, topology) };
    let moves = Faults { relocations: 1, in_flight: true, ..none() };
    let loses = Faults { relocations: 1, loses_token: true, ..none() };
    let crash = Faults { crashes: 1, ..none() };
    let relay = Propagation::Relay;
    let scopes = [
        (3, of(arrival(), Topology::Ring)),
        (6, Scope { overlap: true, ..of(arrival(), Topology::AllToAll) }),
        (2, Scope { clients: 2, ..of(lww(), Topology::AllToAll) }),
        (2, Scope { clients: 1, writes: 3, ..of(arrival(), Topology::AllToAll) }),
        (3, Scope { overlap: true, faults: moves, ..of(lww(), Topology::Ring) }),
        (6, Scope { tokens: true, faults: loses, ..of(lww(), Topology::AllToAll) }),
        (6, Scope { propagation: relay, faults: crash, ..of(lww(), Topology::AllToAll) }),
        (24, Scope { leaders: 4, clients: 4, ..of(arrival(), Topology::AllToAll) }),
    ];
    for (order, scope) in scopes {
        let (all, [_, few, _]) = agree(&scope, &Property::ALL[..10]);
        let few = few.unwrap();
        assert!(few * order >= all, "{few} orbits of at most {order} states are fewer than {all}: {scope:?}");
        assert!(few * (order + 1) <= all * 2, "{few} of {all} states are no reduction: {scope:?}");
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
        let few = words_of(depth, with(Reductions::ALL));
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
    let arrival = || Strategy::Arrival(Default::default());
    let home = || Strategy::HomeLeader(Default::default());
    let quiescent: Vec<Property> =
        Property::ALL.into_iter().filter(|property| property.waits_for_quiescence()).collect();
    let obstacles = |scope: Scope| {
        let world = World::new(scope).unwrap();
        Reduction::ALL.map(|reduction| reduction.obstacle(&world, &quiescent))
    };
    let all = Reduction::SyncPoints.obstacle(&World::new(mesh(lww())).unwrap(), &Property::ALL);
    assert_eq!(all, Some(Obstacle::Property));
    assert_eq!(obstacles(Scope { keys: 2, ..mesh(lww()) }), [Some(Obstacle::Errands); 2]);
    let faulty = |faults| Scope { faults, ..mesh(lww()) };
    let none = Faults::default;
    let ring = |clients| Scope { clients, ..Scope::new(lww(), Topology::Ring) };
    assert_eq!(obstacles(mesh(lww())), [None, None]);
    assert_eq!(obstacles(ring(3)), [Some(Obstacle::Relays), None]);
    assert_eq!(obstacles(ring(2)), [Some(Obstacle::Relays), Some(Obstacle::Lopsided)]);
    assert_eq!(obstacles(Scope { tokens: true, ..mesh(lww()) }), [Some(Obstacle::Tokens), None]);
    assert_eq!(obstacles(mesh(arrival())), [Some(Obstacle::Strategy), None]);
    assert_eq!(obstacles(mesh(home())), [Some(Obstacle::Strategy); 2]);
    assert_eq!(obstacles(faulty(Faults { crashes: 1, ..none() })), [Some(Obstacle::Faults), None]);
    assert_eq!(obstacles(faulty(Faults { restarts: 1, ..none() })), [Some(Obstacle::Faults); 2]);
    let skew = Faults { offsets_ms: vec![-1], clock_changes: 1, ..none() };
    assert_eq!(obstacles(faulty(skew)), [None, Some(Obstacle::Ties)]);
    assert_eq!(obstacles(Scope { leaders: 6, ..mesh(lww()) }), [None, Some(Obstacle::Size)]);
}
