//! What clients are promised: deletions that stay, slots that are held once, effects that count once, and the four
//! session guarantees. Golden facts, each promise kept by one strategy or topology and broken by another.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod facts;

use facts::{facts, hybrid, mesh, path, ring, wall, with};
use quarrel_models::{
    check::{Action, Errand, Scope, State, Workload, World},
    handler::Handler,
    id::{ClientId, LinkId, ReplicaId},
    strategy::{Arrival, Crdt, DataType, OnRead, OnWrite, Strategy},
};

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const C: ReplicaId = ReplicaId(2);

fn on_write(handler: Handler) -> Strategy {
    Strategy::OnWrite(OnWrite { handler })
}

fn cart(strategy: Strategy) -> Scope {
    Scope { workload: Workload::Cart, writes: 3, clients: 2, ..ring(strategy) }
}

fn or_set() -> Strategy {
    Strategy::Crdt(Crdt { data_type: DataType::OrSet })
}

fn document(strategy: Strategy) -> Scope {
    Scope { workload: Workload::Document, writes: 3, clients: 2, ..ring(strategy) }
}

fn calendar(strategy: Strategy) -> Scope {
    Scope { workload: Workload::Calendar, ..ring(strategy) }
}

/// Whoever removes an element and whoever adds another one at the same time.
#[test]
fn what_was_removed_comes_back_with_a_concurrent_addition_by_union_and_by_stamp() {
    facts(
        cart(on_write(Handler::Union)),
        &[("no-resurrection", "violated in 9"), ("converged", "holds: 78 of 625 states, 9 deep")],
    );
    facts(
        cart(Strategy::OnRead(OnRead { handler: Handler::Union })),
        &[("no-resurrection", "violated in 9")],
    );
    facts(
        cart(wall()),
        &[("no-resurrection", "violated in 9"), ("converged", "holds: 76 of 611 states, 9 deep")],
    );
    assert_eq!(
        path(cart(on_write(Handler::Union)), "no-resurrection"),
        "c0 calls; deliver A>B; deliver B>C; c0 calls; c1 takes c0.1 back; deliver A>B; deliver B>C; deliver B>C; deliver C>A"
    );
}

/// As live clients do. In an observed-remove set, then, what was removed stays away while nobody moves.
#[test]
fn a_client_removes_only_what_it_has_added_or_seen() {
    let world = World::new(cart(wall())).unwrap();
    let [first, second] = [ClientId(0), ClientId(1)];
    let erase = |client| Action::Ask { client, errand: Errand::Erase { of: world.write_of(0) } };
    let asks = |state: &State, client: ClientId| {
        let mut actions = Vec::new();
        world.actions(state, &mut actions);
        actions.contains(&erase(client))
    };
    let added = world.next(&world.initial(), Action::Call { client: first });
    assert!(asks(&added, first) && !asks(&added, second), "its own, and nothing that has not come");
    let seen = world.next(&added, Action::Deliver { link: LinkId { from: A, to: B } });
    assert!(asks(&seen, first) && asks(&seen, second), "both, where both would see it");
    let removed = world.next(&seen, erase(second));
    assert!(!asks(&removed, first), "nothing twice");
    let wide = Scope { workload: Workload::Cart, writes: 3, ..mesh(or_set()) };
    facts(
        wide,
        &[
            ("no-resurrection", "holds: 210 of 6859 states, 9 deep"),
            ("vanished", "holds: 336 of 6859 states, 9 deep"),
        ],
    );
}

#[test]
fn a_client_that_moves_may_remove_what_it_has_read_elsewhere() {
    let world = World::new(moving(Scope { reads: 1, ..cart(or_set()) })).unwrap();
    let [first, second] = [ClientId(0), ClientId(1)];
    let begin = [Action::Call { client: first }, Action::Deliver { link: LinkId { from: A, to: B } }];
    let read = Action::Ask { client: second, errand: Errand::Read { key: 0 } };
    let move_on = Action::Relocate { client: second, to: C, token: false };
    let removes = |path: &[Action]| {
        let state = path.iter().fold(world.initial(), |state, &action| world.next(&state, action));
        let mut actions = Vec::new();
        world.actions(&state, &mut actions);
        let of = world.write_of(0);
        actions.contains(&Action::Ask { client: second, errand: Errand::Erase { of } })
    };
    assert!(removes(&[&begin[..], &[read, move_on]].concat()));
    assert!(!removes(&[&begin[..], &[move_on]].concat()), "what it had not looked at, it does not know");
    assert_eq!(
        path(moving(Scope { writes: 2, ..cart(or_set()) }), "no-resurrection"),
        "c0 calls; deliver A>B; c0 moves to C without its token; c0 takes c0.1 back; deliver B>C; deliver C>A; deliver A>B"
    );
}

#[test]
fn a_tombstone_that_is_forgotten_too_early_lets_the_record_come_back() {
    facts(
        document(wall()),
        &[
            ("no-resurrection", "holds: 58 of 885 states, 9 deep"),
            ("converged", "holds: 100 of 885 states, 9 deep"),
            ("nothing-lost", "holds: 100 of 885 states, 9 deep"),
        ],
    );
    let collecting = |scope| with(scope, |faults| faults.collections = 1);
    facts(
        collecting(document(wall())),
        &[("no-resurrection", "holds: 246 of 2592 states, 10 deep"), ("converged", "violated in 7")],
    );
    let wide = || Scope { workload: Workload::Document, ..mesh(wall()) };
    facts(collecting(wide()), &[("no-resurrection", "violated in 7"), ("converged", "violated in 7")]);
    assert_eq!(
        path(collecting(wide()), "no-resurrection"),
        "c0 calls; deliver A>B; c1 deletes k; deliver B>A; deliver B>C; C forgets its tombstones; deliver A>C"
    );
}

#[test]
fn forgotten_metadata_bring_the_older_version_back() {
    let forgetting = |scope| with(scope, |faults| faults.forgettings = 1);
    facts(
        ring(wall()),
        &[
            ("converged", "holds: 15 of 97 states, 6 deep"),
            ("causal-inversion", "holds: 15 of 97 states, 6 deep"),
        ],
    );
    facts(
        forgetting(ring(wall())),
        &[("converged", "violated in 7"), ("causal-inversion", "holds: 75 of 433 states, 7 deep")],
    );
}

#[test]
fn a_handler_that_chooses_between_nobody_books_a_slot_twice_and_last_write_wins_drops_one() {
    facts(
        calendar(on_write(Handler::Calendar)),
        &[("no-double-booking", "violated in 6"), ("nothing-lost", "holds: 9 of 94 states, 6 deep")],
    );
    facts(
        calendar(wall()),
        &[("no-double-booking", "holds: 6 of 94 states, 6 deep"), ("nothing-lost", "violated in 6")],
    );
    assert_eq!(
        path(calendar(on_write(Handler::Calendar)), "no-double-booking"),
        "c0 calls; deliver A>B; c2 calls; deliver B>C; deliver C>A; deliver A>B"
    );
}

#[test]
fn no_addition_counts_twice_whether_a_message_comes_twice_or_two_leaders_take_one_request() {
    let counter = || Scope { workload: Workload::Counter, clients: 2, ..ring(on_write(Handler::Delta)) };
    facts(
        with(counter(), |faults| faults.duplicates = 1),
        &[("no-double-effect", "holds: 101 of 143 states, 7 deep")],
    );
    let moving = with(counter(), |faults| (faults.relocations, faults.in_flight) = (1, true));
    facts(Scope { overlap: true, ..moving }, &[("no-double-effect", "holds: 2638 of 3152 states, 12 deep")]);
}

fn moving(scope: Scope) -> Scope {
    with(scope, |faults| faults.relocations = 1)
}

/// One client writes, moves and reads.
#[test]
fn a_client_that_moves_without_its_token_reads_neither_its_writes_nor_what_it_has_read() {
    let tour = |tokens| moving(Scope { clients: 2, reads: 2, tokens, ..mesh(wall()) });
    facts(tour(false), &[("read-your-writes", "violated in 3"), ("monotonic-reads", "violated in 4")]);
    facts(
        tour(true),
        &[
            ("read-your-writes", "holds: 6330 of 9427 states, 9 deep"),
            ("monotonic-reads", "holds: 2224 of 9427 states, 9 deep"),
        ],
    );
    assert_eq!(
        path(tour(false), "read-your-writes"),
        "c0 calls; c0 moves to B without its token; c0 reads k"
    );
    assert_eq!(
        path(tour(false), "monotonic-reads"),
        "c0 calls; c0 reads k; c0 moves to B without its token; c0 reads k"
    );
}

/// A clock that is set back beats a session's own write: it reads what it has just overwritten.
#[test]
fn a_session_that_stays_may_yet_read_an_older_version_than_it_wrote() {
    let skewed = |strategy| {
        let scope = Scope { reads: 1, tokens: true, ..ring(strategy) };
        with(scope, |faults| (faults.offsets_ms, faults.clock_changes) = (vec![-10], 1))
    };
    facts(skewed(wall()), &[("read-your-writes", "violated in 4")]);
    facts(skewed(hybrid()), &[("read-your-writes", "holds: 1200 of 3349 states, 8 deep")]);
    facts(
        Scope { reads: 2, ..ring(Strategy::Arrival(Arrival::default())) },
        &[
            ("read-your-writes", "holds: 1530 of 2755 states, 8 deep"),
            ("monotonic-reads", "holds: 510 of 2755 states, 8 deep"),
        ],
    );
}

/// Where links are shorter than ways around, a write overtakes what it was made on. Tokens do not help: it is the
/// reader who lacks something, and nobody promised the reader anything.
#[test]
fn writes_overtake_what_they_follow_all_to_all() {
    let reading = |scope| Scope { keys: 2, reads: 3, tokens: true, ..scope };
    assert_eq!(
        path(reading(mesh(wall())), "writes-follow-reads"),
        "c0 calls; deliver A>B; c1 reads k; c1 writes to l; deliver B>C; c2 reads l; c2 reads k"
    );
    assert_eq!(
        path(moving(Scope { reads: 2, ..reading(mesh(wall())) }), "monotonic-writes"),
        "c0 calls; deliver A>B; c0 moves to B with its token; c0 writes to l; deliver B>C; c2 reads l; c2 reads k"
    );
}

#[test]
fn on_a_ring_no_write_overtakes_what_it_follows() {
    let reading = |reads, writes| Scope { keys: 2, reads, writes, tokens: true, ..ring(wall()) };
    facts(reading(3, 2), &[("writes-follow-reads", "holds: 84 of 53443 states, 9 deep")]);
    facts(
        moving(Scope { clients: 2, ..reading(2, 2) }),
        &[("monotonic-writes", "holds: 216 of 27689 states, 9 deep")],
    );
}
