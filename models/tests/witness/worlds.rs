//! Small worlds of every strategy and fault, and properties that some of them violate.

use quarrel_models::{
    check::{Acknowledgements, Faults, Property, Scope, Workload, World},
    clock::ClockKind,
    handler::Handler,
    strategy::{
        Arrival, HandOver, HomeLeader, LastWriteWins, LocalWrite, OnRead, OnWrite, Reroute, Strategy, TieRule,
    },
    topology::{Propagation, Topology},
};

fn lww(clock: ClockKind, local_write: LocalWrite) -> Strategy {
    Strategy::Lww(LastWriteWins { clock, local_write, ..LastWriteWins::default() })
}

fn wall() -> Strategy {
    lww(ClockKind::Wall, LocalWrite::Merge)
}

fn home(reroute: Reroute, hand_over: HandOver) -> Strategy {
    Strategy::HomeLeader(HomeLeader { reroute, hand_over, ..HomeLeader::default() })
}

fn union_on_read() -> Strategy {
    Strategy::OnRead(OnRead { handler: Handler::Union })
}

fn delta() -> Strategy {
    Strategy::OnWrite(OnWrite { handler: Handler::Delta })
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

fn in_flight(scope: Scope) -> Scope {
    let faults = Faults { relocations: 1, in_flight: true, ..scope.faults };
    Scope { faults, overlap: true, clients: 2, writes: 2, ..scope }
}

fn crashing(scope: Scope) -> Scope {
    let faults = Faults { crashes: 1, ..scope.faults };
    Scope { faults, ..scope }
}

fn world(scope: Scope) -> World {
    World::new(scope).unwrap()
}

/// Every strategy and every fault, for walks at random.
pub(crate) fn worlds() -> Vec<(&'static str, World)> {
    let everything = |strategy| {
        let faults = Faults {
            offsets_ms: vec![-10, -1, 7],
            clock_changes: 2,
            relocations: 2,
            in_flight: true,
            loses_token: true,
            crashes: 1,
            restarts: 2,
        };
        Scope { faults, tokens: true, overlap: true, ..ring(strategy) }
    };
    let at_once = |strategy| {
        let faults = Faults { in_flight: false, ..everything(wall()).faults };
        Scope { faults, overlap: false, ..everything(strategy) }
    };
    let sets = |scope| Scope { workload: Workload::Set, ..scope };
    let acknowledged = |scope| Scope { acknowledgements: Acknowledgements::Delivered, ..scope };
    let star = |scope| Scope { topology: Topology::Star, ..scope };
    let worlds = [
        ("wall clocks", everything(wall())),
        ("wall clocks, acknowledged", acknowledged(everything(wall()))),
        ("hybrid clocks", at_once(lww(ClockKind::Hybrid, LocalWrite::Merge))),
        ("local writes unconditional", star(everything(lww(ClockKind::Wall, LocalWrite::Unconditional)))),
        ("arrival", at_once(Strategy::Arrival(Arrival {}))),
        ("forward", everything(home(Reroute::Forward, HandOver::Immediate))),
        ("fenced", everything(home(Reroute::Follow, HandOver::Fenced))),
        ("drained", at_once(home(Reroute::Follow, HandOver::Drained))),
        ("siblings", sets(everything(union_on_read()))),
        ("siblings at once", sets(at_once(union_on_read()))),
        ("delta", Scope { workload: Workload::Counter, ..everything(delta()) }),
    ];
    worlds.into_iter().map(|(name, scope)| (name, world(scope))).collect()
}

/// Worlds with a property that each violates.
pub(crate) fn shortest() -> Vec<(&'static str, World, Property)> {
    let unconditional = lww(ClockKind::Wall, LocalWrite::Unconditional);
    let hybrid = || Scope { writes: 2, ..moving(skewed(ring(lww(ClockKind::Hybrid, LocalWrite::Merge)))) };
    let no_tie = Strategy::Lww(LastWriteWins { tie: TieRule::None, ..LastWriteWins::default() });
    let tied = Faults { offsets_ms: vec![-1], clock_changes: 1, ..Faults::default() };
    let overlapping = Scope { overlap: true, clients: 2, writes: 2, ..ring(wall()) };
    let sets = |scope| Scope { workload: Workload::Set, ..scope };
    let follow = |hand_over| Scope { clients: 1, ..moving(mesh(home(Reroute::Follow, hand_over))) };
    let drained = Scope { clients: 2, writes: 2, overlap: true, ..follow(HandOver::Drained) };
    let scopes = [
        ("the older write wins under skew", skewed(ring(wall())), "causal-inversion"),
        ("two writes overlap, and one wins", overlapping, "concurrent-discard"),
        ("a local write skips the merge", skewed(ring(unconditional)), "converged"),
        ("a hybrid clock does not know real time", hybrid(), "real-time-inversion"),
        ("a client leaves its token behind", hybrid(), "session-inversion"),
        ("equal stamps and no tie rule", Scope { writes: 2, faults: tied, ..ring(no_tie) }, "converged"),
        ("an element that another set does not have", sets(skewed(ring(wall()))), "nothing-lost"),
        ("the last to arrive wins", mesh(Strategy::Arrival(Arrival {})), "converged"),
        ("half a broadcast", crashing(mesh(wall())), "converged"),
        ("only the dead leader has it", crashing(ring(wall())), "stranded"),
        ("the home follows at once", follow(HandOver::Immediate), "nothing-lost"),
        ("the old home goes on", drained, "nothing-lost"),
        ("a counter drifts", Scope { workload: Workload::Counter, ..ring(wall()) }, "no-counter-drift"),
        ("siblings die with their leader", sets(crashing(mesh(union_on_read()))), "stranded"),
        ("a request left behind", in_flight(ring(wall())), "causal-inversion"),
    ];
    let make = |(name, scope, property): (&'static str, Scope, &str)| {
        (name, world(scope), property.parse().unwrap())
    };
    scopes.into_iter().map(make).collect()
}
