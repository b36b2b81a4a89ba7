//! Every property finds a mutant, and finds nothing in the sound replica in the same world.

use super::{Faults, Limits, Property, Scope, Verdict, Workload, World, check, session::Guarantee};
use crate::{
    clock::ClockKind,
    fate::Fate,
    handler::Handler,
    mutant::Mutant,
    strategy::{Fallback, HandOver, HomeLeader, LastWriteWins, OnRead, OnWrite, Reroute, Strategy},
    topology::{Propagation, Topology},
};
use alloc::{collections::BTreeSet, format, string::String, vec, vec::Vec};

fn wall() -> Strategy {
    Strategy::Lww(LastWriteWins::default())
}

fn hybrid() -> Strategy {
    Strategy::Lww(LastWriteWins { clock: ClockKind::Hybrid, ..LastWriteWins::default() })
}

fn on_write(handler: Handler) -> Strategy {
    Strategy::OnWrite(OnWrite { handler })
}

fn fenced(fallback: Fallback) -> Strategy {
    let hand_over = HandOver::Fenced;
    Strategy::HomeLeader(HomeLeader {
        reroute: Reroute::Follow,
        hand_over,
        fallback,
        ..HomeLeader::default()
    })
}

/// Two writes that take no time, on a ring of three leaders with a client each.
fn ring(strategy: Strategy) -> Scope {
    Scope { overlap: false, writes: 2, ..Scope::new(strategy, Topology::Ring) }
}

fn mesh(strategy: Strategy) -> Scope {
    Scope { topology: Topology::AllToAll, propagation: Propagation::Direct, ..ring(strategy) }
}

fn of(workload: Workload, scope: Scope) -> Scope {
    Scope { workload, ..scope }
}

fn with(scope: Scope, change: impl FnOnce(&mut Faults)) -> Scope {
    let mut faults = scope.faults.clone();
    change(&mut faults);
    Scope { faults, ..scope }
}

fn skewed(scope: Scope, offset_ms: i8) -> Scope {
    with(scope, |faults| (faults.offsets_ms, faults.clock_changes) = (vec![offset_ms], 1))
}

fn coarse(scope: Scope) -> Scope {
    with(scope, |faults| faults.coarse_ms = 2)
}

fn moving(scope: Scope) -> Scope {
    with(scope, |faults| faults.relocations = 1)
}

fn restarting(scope: Scope) -> Scope {
    with(scope, |faults| faults.restarts = 1)
}

fn in_flight(scope: Scope) -> Scope {
    with(Scope { overlap: true, clients: 2, ..scope }, |faults| {
        (faults.relocations, faults.in_flight) = (1, true);
    })
}

/// What finds a mutant: a property of a world that the sound replica keeps there, and the length of the shortest witness.
struct Catch {
    property: Property,
    mutant: Mutant,
    scope: Scope,
    steps: usize,
}

fn catches() -> Vec<Catch> {
    use Property::{
        Converged, Delivered, Keeps, No, NoCounterDrift, NoDoubleBooking, NoDoubleEffect, NoResurrection,
        NothingLost,
    };
    let siblings = || Strategy::OnRead(OnRead { handler: Handler::Latest });
    let union = || of(Workload::Set, ring(on_write(Handler::Union)));
    let delta = || of(Workload::Counter, ring(on_write(Handler::Delta)));
    let reading = || moving(Scope { clients: 2, reads: 2, tokens: true, ..mesh(wall()) });
    let doubled = || with(Scope { clients: 2, ..delta() }, |faults| faults.duplicates = 1);
    let session = || Scope { clients: 1, tokens: true, ..moving(skewed(ring(hybrid()), -10)) };
    let document = |scope| of(Workload::Document, scope);
    let table = [
        (Converged, Mutant::EqualStampsIgnored, coarse(ring(wall())), 6),
        (Converged, Mutant::NoTieRule, coarse(ring(wall())), 6),
        (Converged, Mutant::StampOfApplication, ring(wall()), 6),
        (Converged, Mutant::FenceIgnored, in_flight(ring(fenced(Fallback::Arrival))), 12),
        (Delivered, Mutant::RelayDropsDiscarded, ring(wall()), 5),
        (No(Fate::ConcurrentDiscard), Mutant::FenceIgnored, in_flight(ring(fenced(Fallback::Lww))), 12),
        (No(Fate::RealTimeInversion), Mutant::StampOfApplication, Scope { writes: 3, ..ring(wall()) }, 9),
        (No(Fate::CausalInversion), Mutant::StampsAsText, skewed(ring(hybrid()), 9), 7),
        (No(Fate::SessionInversion), Mutant::TokenIgnored, session(), 8),
        (No(Fate::Partial), Mutant::SharedHighWaterMark, mesh(wall()), 6),
        (No(Fate::Vanished), Mutant::MergeDropsASide, union(), 6),
        (No(Fate::Partial), Mutant::NoTieRule, coarse(ring(wall())), 6),
        (NothingLost, Mutant::MergeDropsASide, union(), 6),
        (
            NothingLost,
            Mutant::DeletesIgnoreStamps,
            Scope { clients: 1, writes: 3, ..document(ring(wall())) },
            9,
        ),
        (Converged, Mutant::SiblingsOverwritten, Scope { overlap: true, clients: 2, ..ring(siblings()) }, 10),
        (NoCounterDrift, Mutant::CopiesCounted, in_flight(delta()), 12),
        (NoCounterDrift, Mutant::IdempotencyKeyIgnored, in_flight(delta()), 12),
        (NoDoubleEffect, Mutant::PositionIgnored, doubled(), 3),
        (NoDoubleEffect, Mutant::CopiesCounted, in_flight(delta()), 5),
        (NoResurrection, Mutant::HardDelete, document(mesh(wall())), 6),
        (NoDoubleBooking, Mutant::ClaimsUnchecked, of(Workload::Calendar, ring(wall())), 6),
        (Converged, Mutant::LocalStampForgotten, ring(wall()), 6),
        (Converged, Mutant::WinnerPerTable, Scope { keys: 2, ..ring(wall()) }, 6),
        (Converged, Mutant::MissingRowSkipped, mesh(wall()), 6),
        (NoCounterDrift, Mutant::SumOfAbsolutes, Scope { writes: 3, ..delta() }, 9),
        (
            No(Fate::Partial),
            Mutant::BatchDropped,
            restarting(Scope { writes: 3, clients: 2, ..mesh(wall()) }),
            9,
        ),
        (Converged, Mutant::HandlerReadsNode, union(), 6),
        (Converged, Mutant::WinnerNotTransitive, Scope { writes: 3, ..mesh(wall()) }, 9),
        (No(Fate::CausalInversion), Mutant::PoisonedStamp, Scope { writes: 3, ..ring(wall()) }, 9),
        (Keeps(Guarantee::ReadYourWrites), Mutant::TokenIgnored, reading(), 3),
        (Keeps(Guarantee::MonotonicReads), Mutant::TokenIgnored, reading(), 4),
    ];
    table
        .into_iter()
        .map(|(property, mutant, scope, steps)| Catch { property, mutant, scope, steps })
        .collect()
}

fn ask(scope: Scope, property: Property) -> Verdict {
    check(&World::new(scope).unwrap(), property, Limits::default())
}

/// What the model cannot show, and the simulator does: a loop that never comes to rest, an element taken back where the
/// model's sets only grow, a position given away twice, which the model's tables cannot hold, and what depends on when a
/// disk is done.
const BEYOND: [Mutant; 4] =
    [Mutant::OriginFilterMissing, Mutant::UnionResurrects, Mutant::IdReused, Mutant::AckBeforePersist];

/// What no replica can help: worlds in which a property does not hold, beside one in which it does.
fn worlds() -> Vec<(Property, Scope, Scope, usize)> {
    let restarts = with(ring(wall()), |faults| faults.restarts = 1);
    let crashes = with(ring(wall()), |faults| faults.crashes = 1);
    let reading = |scope| Scope { keys: 2, reads: 2, tokens: true, ..scope };
    let few = |scope| Scope { clients: 2, ..moving(reading(scope)) };
    let tour = |tokens, scope| Scope { tokens, ..few(scope) };
    let writes_follow = |scope| Scope { reads: 3, ..reading(scope) };
    vec![
        (Property::No(Fate::Stranded), restarts, crashes, 3),
        (Property::Keeps(Guarantee::MonotonicWrites), tour(true, ring(wall())), tour(false, ring(wall())), 5),
        (
            Property::Keeps(Guarantee::WritesFollowReads),
            writes_follow(ring(wall())),
            writes_follow(mesh(wall())),
            7,
        ),
    ]
}

#[test]
fn each_mutant_is_caught_and_the_sound_replica_is_not() {
    let mut lines =
        vec![String::from("# mutant, property, steps, states: the first catch of each by the model")];
    let mut told = BTreeSet::new();
    for Catch { property, mutant, scope, steps } in catches() {
        let sound = ask(scope.clone(), property);
        assert_eq!(sound.name(), "holds", "{property} of the sound replica beside {mutant:?}");
        let found = ask(Scope { mutant: Some(mutant), ..scope }, property);
        assert_eq!(found.witness_steps(), Some(steps), "{property} of {mutant:?}");
        if told.insert(mutant) {
            lines.push(format!("{} {property} {steps} {}", mutant.name(), found.states()));
        }
    }
    // The page of mutants is made of this.
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_no_replica_can_help_is_found_where_it_happens_and_nowhere_else() {
    for (property, sound, faulty, steps) in worlds() {
        assert_eq!(ask(sound, property).name(), "holds", "{property}");
        assert_eq!(ask(faulty, property).witness_steps(), Some(steps), "{property}");
    }
}

/// Neither a property that finds nothing nor a mutant that nothing finds.
#[test]
fn every_property_and_every_mutant_is_in_the_tables() {
    let properties = catches().into_iter().map(|found| found.property);
    let properties: BTreeSet<Property> =
        properties.chain(worlds().into_iter().map(|world| world.0)).collect();
    assert_eq!(properties, Property::ALL.into_iter().collect());
    let mutants = catches().into_iter().map(|found| found.mutant);
    let mutants: BTreeSet<Mutant> = mutants.chain(BEYOND).collect();
    assert_eq!(mutants, Mutant::ALL.into_iter().collect());
}
