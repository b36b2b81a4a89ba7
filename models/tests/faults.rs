//! What the nemesis finds beyond the plain faults, as golden facts: two writes on three leaders unless said otherwise.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod facts;

use facts::{facts, follow, hybrid, lww, mesh, path, ring, wall, with};
use quarrel_models::{
    check::{Faults, Limits, Property, Scope, Verdict, Workload, World, survey},
    clock::ClockKind,
    handler::Handler,
    strategy::{Arrival, HandOver, LastWriteWins, LocalWrite, OnRead, OnWrite, Strategy, TieRule},
};

/// A jump is told from an offset only by a second one.
#[test]
fn a_clock_that_jumps_back_brings_the_older_write_to_win() {
    let jumping = |strategy| {
        with(ring(strategy), |faults| {
            faults.steps_ms = vec![-10];
            faults.clock_changes = 1;
        })
    };
    facts(
        jumping(wall()),
        &[
            ("converged", "holds: 75 of 484 states, 7 deep"),
            ("causal-inversion", "violated in 7"),
            ("real-time-inversion", "violated in 7"),
        ],
    );
    facts(
        jumping(hybrid()),
        &[("causal-inversion", "holds: 75 of 484 states, 7 deep"), ("real-time-inversion", "violated in 7")],
    );
    assert_eq!(
        path(jumping(wall()), "causal-inversion"),
        "c0 calls; deliver A>B; deliver B>C; clock A jumps -10 ms; c0 calls; deliver A>B; deliver B>C"
    );
}

#[test]
fn clocks_so_coarse_that_two_writes_get_one_stamp_diverge_without_a_tie_rule() {
    let coarse = |tie| {
        let strategy = Strategy::Lww(LastWriteWins { tie, ..LastWriteWins::default() });
        with(ring(strategy), |faults| faults.coarse_ms = 2)
    };
    facts(coarse(TieRule::None), &[("converged", "violated in 6"), ("partial", "violated in 6")]);
    facts(
        coarse(TieRule::NodeId),
        &[
            ("converged", "holds: 15 of 97 states, 6 deep"),
            ("nothing-lost", "violated in 6"),
            ("real-time-inversion", "violated in 6"),
        ],
    );
}

#[test]
fn a_message_that_comes_twice_is_applied_once() {
    let doubled = |scope| with(scope, |faults| faults.duplicates = 1);
    let delta = Strategy::OnWrite(OnWrite { handler: Handler::Delta });
    facts(
        doubled(Scope { workload: Workload::Counter, ..ring(delta) }),
        &[
            ("no-counter-drift", "holds: 30 of 346 states, 7 deep"),
            ("nothing-lost", "holds: 30 of 346 states, 7 deep"),
        ],
    );
    facts(
        doubled(ring(wall())),
        &[
            ("converged", "holds: 30 of 346 states, 7 deep"),
            ("nothing-lost", "holds: 30 of 346 states, 7 deep"),
        ],
    );
    facts(
        doubled(Scope { overlap: true, ..ring(follow(HandOver::Fenced)) }),
        &[
            ("nothing-lost", "holds: 30 of 1486 states, 18 deep"),
            ("converged", "holds: 30 of 1486 states, 18 deep"),
        ],
    );
}

#[test]
fn links_that_keep_no_order_lose_no_entry() {
    let unordered = |scope| with(scope, |faults| faults.unordered = true);
    facts(
        unordered(Scope { writes: 3, ..ring(wall()) }),
        &[
            ("delivered", "holds: 120 of 1966 states, 9 deep"),
            ("nothing-lost", "holds: 120 of 1966 states, 9 deep"),
        ],
    );
    facts(
        unordered(Scope { writes: 3, clients: 1, ..ring(Strategy::Arrival(Arrival::default())) }),
        &[("converged", "holds: 2 of 52 states, 9 deep")],
    );
    facts(
        unordered(Scope { overlap: true, ..ring(follow(HandOver::Fenced)) }),
        &[
            ("converged", "holds: 15 of 450 states, 17 deep"),
            ("nothing-lost", "holds: 15 of 450 states, 17 deep"),
        ],
    );
}

/// The one writer has the home come back to it with its next write.
#[test]
fn a_home_that_is_taken_away_from_its_only_writer_loses_nothing() {
    let moved = |hand_over, clients| {
        let scope = Scope { overlap: true, clients, ..ring(follow(hand_over)) };
        with(scope, |faults| faults.hand_overs = 1)
    };
    facts(
        moved(HandOver::Immediate, 1),
        &[("converged", "holds: 5 of 56 states, 9 deep"), ("nothing-lost", "holds: 5 of 56 states, 9 deep")],
    );
    facts(
        moved(HandOver::Drained, 1),
        &[
            ("converged", "holds: 8 of 173 states, 15 deep"),
            ("nothing-lost", "holds: 8 of 173 states, 15 deep"),
        ],
    );
    facts(
        moved(HandOver::Fenced, 1),
        &[
            ("converged", "holds: 7 of 204 states, 21 deep"),
            ("nothing-lost", "holds: 7 of 204 states, 21 deep"),
        ],
    );
    facts(
        moved(HandOver::Fenced, 2),
        &[
            ("converged", "holds: 38 of 1325 states, 24 deep"),
            ("nothing-lost", "holds: 38 of 1325 states, 24 deep"),
        ],
    );
}

/// What was acknowledged before it was durable: a leader that never takes its own writes back from others.
#[test]
fn a_leader_that_loses_the_tail_of_its_log_lacks_for_ever_what_others_have_of_it() {
    let losing = |scope| with(scope, |faults| (faults.tail_losses, faults.tail_records) = (1, 1));
    facts(
        losing(ring(wall())),
        &[
            ("converged", "violated in 8"),
            ("delivered", "violated in 8"),
            ("vanished", "violated in 6"),
            ("partial", "violated in 8"),
        ],
    );
    assert_eq!(
        path(losing(ring(wall())), "partial"),
        "c0 calls; deliver A>B; deliver B>C; c0 calls; deliver A>B; deliver B>C; A dies and loses its last record; A restarts"
    );
}

#[test]
fn cuts_and_healings_add_no_verdict() {
    let set = Scope { workload: Workload::Set, ..ring(Strategy::OnRead(OnRead { handler: Handler::Union })) };
    let skewed = with(ring(wall()), |faults| (faults.offsets_ms, faults.clock_changes) = (vec![-10], 1));
    let unconditional = ring(lww(ClockKind::Wall, LocalWrite::Unconditional));
    let moving = with(ring(hybrid()), |faults| faults.relocations = 1);
    let crashing = with(mesh(wall()), |faults| faults.crashes = 1);
    for scope in [ring(Strategy::Arrival(Arrival::default())), set, skewed, unconditional, moving, crashing] {
        let verdicts = |cuts| {
            let faults = Faults { cuts, ..scope.faults.clone() };
            let world = World::new(Scope { faults, ..scope.clone() }).unwrap();
            survey(&world, &Property::ALL, Limits::default()).iter().map(Verdict::name).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(0), verdicts(1), "{}", scope.strategy);
    }
}

/// With two leaders, or on a ring, nothing overtakes what it was made on.
#[test]
fn arrival_lets_the_older_write_win_over_one_that_knew_it_only_where_three_leaders_write_to_each_other() {
    let three = || Scope { writes: 3, ..mesh(Strategy::Arrival(Arrival::default())) };
    facts(three(), &[("causal-inversion", "violated in 9"), ("partial", "violated in 6")]);
    facts(Scope { leaders: 2, ..three() }, &[("causal-inversion", "holds: 82 of 316 states, 6 deep")]);
    facts(
        Scope { writes: 3, ..ring(Strategy::Arrival(Arrival::default())) },
        &[("causal-inversion", "holds: 111 of 973 states, 9 deep")],
    );
}
