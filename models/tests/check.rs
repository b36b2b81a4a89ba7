//! What the model checker shows of the strategies, as golden facts: how many states a world has, how deep they lie,
//! and how long the shortest way to each violation is. Three leaders and three writes unless said otherwise.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use quarrel_models::{
    check::{Acknowledgements, Faults, Limits, Property, Scope, Verdict, Workload, World, check, survey},
    clock::ClockKind,
    handler::Handler,
    strategy::{
        Arrival, HandOver, HomeLeader, LastWriteWins, LocalWrite, OnRead, OnWrite, Reroute, Strategy, TieRule,
    },
    topology::{Propagation, Topology},
};

/// The verdict in a few words, such as `holds: 504 of 14552 states, 12 deep`.
fn words(verdict: &Verdict) -> String {
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
fn facts(scope: Scope, expected: &[(&str, &str)]) {
    let world = World::new(scope).unwrap();
    let ask = |name: &str| words(&check(&world, name.parse().unwrap(), Limits::default()));
    let found: Vec<(&str, String)> = expected.iter().map(|&(name, _)| (name, ask(name))).collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(name, words)| (*name, words.as_str())).collect();
    assert_eq!(found, expected);
}

fn path(scope: Scope, property: &str) -> String {
    let world = World::new(scope).unwrap();
    match check(&world, property.parse().unwrap(), Limits::default()) {
        Verdict::Violated { path, .. } => path.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        verdict => words(&verdict),
    }
}

fn lww(clock: ClockKind, local_write: LocalWrite) -> Strategy {
    Strategy::Lww(LastWriteWins { clock, local_write, ..LastWriteWins::default() })
}

fn wall() -> Strategy {
    lww(ClockKind::Wall, LocalWrite::Merge)
}

fn home(reroute: Reroute, hand_over: HandOver) -> Strategy {
    Strategy::HomeLeader(HomeLeader { reroute, hand_over, ..HomeLeader::default() })
}

/// Writes that take no time, on a ring: the fewest states.
fn ring(strategy: Strategy) -> Scope {
    Scope { overlap: false, ..Scope::new(strategy, Topology::Ring) }
}

fn mesh(strategy: Strategy) -> Scope {
    Scope { topology: Topology::AllToAll, propagation: Propagation::Direct, ..ring(strategy) }
}

fn skewed(scope: Scope) -> Scope {
    let faults = Faults { offsets_ms: vec![-10], clock_changes: 1, ..scope.faults };
    Scope { faults, ..scope }
}

fn moving(scope: Scope) -> Scope {
    let faults = Faults { relocations: 1, ..scope.faults };
    Scope { faults, ..scope }
}

/// A client may move with its request under way.
fn in_flight(scope: Scope) -> Scope {
    let faults = Faults { relocations: 1, in_flight: true, ..scope.faults };
    Scope { faults, overlap: true, clients: 2, writes: 2, ..scope }
}

fn crashing(scope: Scope) -> Scope {
    let faults = Faults { crashes: 1, ..scope.faults };
    Scope { faults, ..scope }
}

#[test]
fn last_write_wins_through_the_merge_converges_and_yet_the_older_write_wins_under_skew() {
    facts(
        skewed(ring(wall())),
        &[
            ("converged", "holds: 666 of 5827 states, 10 deep"),
            ("delivered", "holds: 666 of 5827 states, 10 deep"),
            ("partial", "holds: 666 of 5827 states, 10 deep"),
            ("causal-inversion", "violated in 7"),
            ("real-time-inversion", "violated in 7"),
            ("session-inversion", "holds: 666 of 5827 states, 10 deep"),
        ],
    );
    assert_eq!(
        path(skewed(ring(wall())), "causal-inversion"),
        "c0 calls; deliver A>B; deliver B>C; clock A -10 ms; c0 calls; deliver A>B; deliver B>C"
    );
}

#[test]
fn without_skew_last_write_wins_loses_only_to_overlapping_writes() {
    let overlapping = Scope { overlap: true, clients: 2, writes: 2, ..ring(wall()) };
    facts(
        overlapping,
        &[
            ("concurrent-discard", "violated in 8"),
            ("real-time-inversion", "holds: 10 of 86 states, 8 deep"),
            ("causal-inversion", "holds: 10 of 86 states, 8 deep"),
        ],
    );
    facts(
        ring(wall()),
        &[
            ("nothing-lost", "holds: 111 of 973 states, 9 deep"),
            ("converged", "holds: 111 of 973 states, 9 deep"),
        ],
    );
}

#[test]
fn a_local_write_that_skips_the_merge_diverges_under_skew() {
    let unconditional = || lww(ClockKind::Wall, LocalWrite::Unconditional);
    facts(ring(unconditional()), &[("converged", "holds: 111 of 973 states, 9 deep")]);
    facts(
        skewed(ring(unconditional())),
        &[
            ("converged", "violated in 7"),
            ("delivered", "holds: 666 of 5827 states, 10 deep"),
            ("partial", "violated in 7"),
        ],
    );
}

#[test]
fn a_hybrid_clock_removes_causal_inversions_but_neither_real_time_nor_session_inversions() {
    let hybrid = || Scope { writes: 2, ..moving(skewed(ring(lww(ClockKind::Hybrid, LocalWrite::Merge)))) };
    facts(
        hybrid(),
        &[
            ("converged", "holds: 645 of 4183 states, 8 deep"),
            ("causal-inversion", "holds: 645 of 4183 states, 8 deep"),
            ("real-time-inversion", "violated in 7"),
            ("session-inversion", "violated in 8"),
        ],
    );
    // With its token the client waits for its own write, and the clock has seen the stamp.
    facts(
        Scope { tokens: true, ..hybrid() },
        &[
            ("session-inversion", "holds: 615 of 4003 states, 8 deep"),
            ("causal-inversion", "holds: 615 of 4003 states, 8 deep"),
            ("real-time-inversion", "violated in 7"),
        ],
    );
}

#[test]
fn a_token_left_behind_brings_the_session_inversion_back() {
    let hybrid = moving(skewed(ring(lww(ClockKind::Hybrid, LocalWrite::Merge))));
    let faults = Faults { loses_token: true, ..hybrid.faults };
    facts(Scope { writes: 2, tokens: true, faults, ..hybrid }, &[("session-inversion", "violated in 8")]);
}

#[test]
fn equal_stamps_diverge_without_a_tie_rule() {
    let tied = |tie| {
        let strategy = Strategy::Lww(LastWriteWins { tie, ..LastWriteWins::default() });
        let faults = Faults { offsets_ms: vec![-1], clock_changes: 1, ..Faults::default() };
        Scope { writes: 2, faults, ..ring(strategy) }
    };
    facts(tied(TieRule::NodeId), &[("converged", "holds: 75 of 484 states, 7 deep")]);
    facts(tied(TieRule::None), &[("converged", "violated in 7")]);
}

#[test]
fn siblings_lose_nothing_even_when_clients_move_with_a_request_under_way() {
    let siblings = || {
        let strategy = Strategy::OnRead(OnRead { handler: Handler::Union });
        Scope { workload: Workload::Set, ..skewed(ring(strategy)) }
    };
    facts(
        Scope { faults: Faults::default(), ..siblings() },
        &[
            ("nothing-lost", "holds: 111 of 973 states, 9 deep"),
            ("converged", "holds: 111 of 973 states, 9 deep"),
        ],
    );
    facts(
        Scope { writes: 2, ..moving(siblings()) },
        &[("nothing-lost", "holds: 645 of 4183 states, 8 deep")],
    );
    facts(
        in_flight(Scope { faults: Faults::default(), ..siblings() }),
        &[("nothing-lost", "holds: 413 of 5473 states, 14 deep")],
    );
}

#[test]
fn a_union_on_write_keeps_inserts_that_last_write_wins_loses() {
    let sets = |strategy| Scope { workload: Workload::Set, ..skewed(ring(strategy)) };
    facts(
        sets(Strategy::OnWrite(OnWrite { handler: Handler::Union })),
        &[("nothing-lost", "holds: 666 of 5827 states, 10 deep")],
    );
    facts(
        sets(wall()),
        &[("nothing-lost", "violated in 6"), ("vanished", "holds: 666 of 5827 states, 10 deep")],
    );
}

#[test]
fn changes_that_are_shipped_count_once_and_sums_that_are_shipped_drift() {
    let counters = |strategy| Scope { workload: Workload::Counter, ..ring(strategy) };
    let delta = || counters(Strategy::OnWrite(OnWrite { handler: Handler::Delta }));
    facts(
        delta(),
        &[
            ("no-counter-drift", "holds: 111 of 973 states, 9 deep"),
            ("nothing-lost", "holds: 111 of 973 states, 9 deep"),
        ],
    );
    facts(in_flight(delta()), &[("no-counter-drift", "holds: 265 of 3152 states, 12 deep")]);
    facts(counters(wall()), &[("no-counter-drift", "violated in 6")]);
}

/// One client and nobody else who writes.
#[test]
fn a_home_that_follows_its_only_writer_at_once_or_drained_loses_and_fenced_does_not() {
    let follower = |hand_over| {
        let scope = Scope::new(home(Reroute::Follow, hand_over), Topology::Ring);
        Scope { clients: 1, ..moving(scope) }
    };
    let asked = ["converged", "session-inversion", "nothing-lost", "delivered"];
    for (hand_over, found) in [
        (
            HandOver::Immediate,
            ["violated in 9", "violated in 13", "violated in 9", "holds: 24 of 285 states, 13 deep"],
        ),
        (
            HandOver::Drained,
            ["violated in 12", "violated in 16", "violated in 12", "holds: 21 of 289 states, 19 deep"],
        ),
        (HandOver::Fenced, ["holds: 14 of 226 states, 22 deep"; 4]),
    ] {
        facts(follower(hand_over), &asked.into_iter().zip(found).collect::<Vec<_>>());
    }
}

/// The first leader takes the abandoned request when it arrives at last, as if it were new.
#[test]
fn a_request_that_its_client_left_behind_may_arrive_late_and_win_over_what_was_made_on_it() {
    facts(
        in_flight(ring(wall())),
        &[
            ("converged", "holds: 265 of 3152 states, 12 deep"),
            ("causal-inversion", "violated in 12"),
            ("concurrent-discard", "violated in 8"),
        ],
    );
}

#[test]
fn where_one_home_takes_all_writes_a_request_left_behind_is_recognised() {
    for (strategy, found) in [
        (home(Reroute::Follow, HandOver::Fenced), "holds: 151 of 3784 states, 25 deep"),
        (home(Reroute::Forward, HandOver::Immediate), "holds: 82 of 3462 states, 18 deep"),
    ] {
        let asked = [
            "converged",
            "causal-inversion",
            "session-inversion",
            "vanished",
            "concurrent-discard",
            "nothing-lost",
        ];
        facts(in_flight(Scope::new(strategy, Topology::Ring)), &asked.map(|name| (name, found)));
    }
}

#[test]
fn a_home_that_stays_and_is_sent_to_loses_nothing() {
    let forward = || Scope {
        clients: 1,
        ..moving(Scope::new(home(Reroute::Forward, HandOver::Immediate), Topology::Ring))
    };
    facts(
        forward(),
        &[
            ("nothing-lost", "holds: 8 of 178 states, 22 deep"),
            ("converged", "holds: 8 of 178 states, 22 deep"),
        ],
    );
}

#[test]
fn direct_propagation_leaves_survivors_different_for_ever_after_a_crash_and_relays_do_not() {
    let crash = |propagation| Scope { propagation, ..crashing(mesh(wall())) };
    facts(
        Scope { writes: 2, ..crash(Propagation::Direct) },
        &[
            ("converged", "violated in 4"),
            ("delivered", "violated in 4"),
            ("stranded", "violated in 3"),
            ("partial", "violated in 4"),
        ],
    );
    facts(
        Scope { writes: 2, ..crash(Propagation::Relay) },
        &[
            ("converged", "holds: 156 of 1810 states, 9 deep"),
            ("delivered", "holds: 156 of 1810 states, 9 deep"),
            ("stranded", "violated in 3"),
            ("partial", "holds: 156 of 1810 states, 9 deep"),
        ],
    );
}

#[test]
fn a_replica_that_restarts_on_what_it_persisted_loses_nothing() {
    let faults = Faults { restarts: 1, ..Faults::default() };
    facts(
        Scope { faults, writes: 2, ..ring(wall()) },
        &[
            ("converged", "holds: 30 of 502 states, 8 deep"),
            ("delivered", "holds: 30 of 502 states, 8 deep"),
            ("nothing-lost", "holds: 30 of 502 states, 8 deep"),
        ],
    );
}

#[test]
fn arrival_diverges_without_any_fault() {
    facts(
        ring(Strategy::Arrival(Arrival::default())),
        &[
            ("converged", "violated in 6"),
            ("delivered", "holds: 111 of 973 states, 9 deep"),
            ("partial", "violated in 6"),
        ],
    );
}

#[test]
fn acknowledgements_between_replicas_add_no_verdict() {
    let arrival = Strategy::Arrival(Arrival::default());
    let relay = |strategy| Scope { propagation: Propagation::Relay, ..mesh(strategy) };
    for scope in [skewed(ring(wall())), relay(arrival.clone()), crashing(relay(wall())), ring(arrival)] {
        let verdicts = |acknowledgements| {
            let world =
                World::new(Scope { acknowledgements, writes: 2, clients: 2, ..scope.clone() }).unwrap();
            let verdicts = survey(&world, &Property::ALL, Limits::default());
            verdicts.iter().map(Verdict::name).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(Acknowledgements::Dropped), verdicts(Acknowledgements::Delivered));
    }
}

/// No property is so weak that nothing violates it. What sessions are promised has tests of its own, and that no effect
/// is counted twice is violated by mutants only.
#[test]
fn every_property_is_violated_by_some_strategy() {
    let union = Strategy::OnWrite(OnWrite { handler: Handler::Union });
    let calendar = Strategy::OnWrite(OnWrite { handler: Handler::Calendar });
    let cart = Scope { workload: Workload::Cart, writes: 3, clients: 2, ..ring(union) };
    let calendar = Scope { workload: Workload::Calendar, ..ring(calendar) };
    let counter = Scope { workload: Workload::Counter, ..ring(wall()) };
    let unguarded = moving(skewed(ring(wall())));
    let overlapping = Scope { overlap: true, clients: 2, ..ring(wall()) };
    let scopes = [counter, unguarded, overlapping, crashing(mesh(wall())), calendar]
        .map(|scope| Scope { writes: 2, ..scope });
    let scopes: Vec<World> =
        scopes.into_iter().chain([cart]).map(|scope| World::new(scope).unwrap()).collect();
    let elsewhere = |property: &Property| matches!(property, Property::NoDoubleEffect | Property::Keeps(_));
    for property in Property::ALL.into_iter().filter(|property| !elsewhere(property)) {
        let violated = |world: &World| {
            property.speaks_of(world.scope())
                && check(world, property, Limits::default()).witness_steps().is_some()
        };
        assert!(scopes.iter().any(violated), "nothing violates {property}");
    }
}
