//! The model checker has a small ledger of its own, for states; the one here judges recorded histories. Both must say
//! the same: every quiescent state of small worlds is turned into the history that its path would have recorded, and
//! every acknowledged write must meet the same fate in both.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use quarrel_models::{
    check::{Action, Errand, Faults, Issued, IssuedState, Phase, Scope, State, Workload, World, fates},
    clock::ClockKind,
    fate::Fate,
    fault::Fault,
    handler::Handler,
    id::{ClientId, LinkId, ReplicaId, WriteId},
    operation::Operation,
    strategy::{
        Arrival, Crdt, DataType, Fallback, FirstWriteWins, HandOver, HomeLeader, LastWriteWins,
        LeaderPriority, LocalWrite, MostUpdates, OnRead, OnWrite, Reroute, Strategy,
    },
    topology::{Propagation, Topology},
};
use quarrel_workloads::{
    checker::{
        finals::Finals,
        ledger::{Ledger, LedgerEntry},
    },
    history::{Event, OperationResult, Quiescence},
};
use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
};

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const C: ReplicaId = ReplicaId(2);

/// What a run along a path would have recorded.
struct Recorder<'a> {
    world: &'a World,
    state: State,
    events: Vec<Event>,
    t: u64,
}

impl<'a> Recorder<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, state: world.initial(), events: Vec::new(), t: 0 }
    }

    fn step(&mut self, action: Action) {
        self.t += 10;
        if let Action::Relocate { client, to, token } = action {
            let fault = Fault::Relocate { client, to, token };
            self.events.push(Event::Nemesis { t: self.t, fault, effect: String::new() });
        }
        let after = self.world.next(&self.state, action);
        let (old, new) = (self.world.issued(&self.state), self.world.issued(&after));
        for (slot, (old, new)) in old.iter().zip(&new).enumerate() {
            if let Some(new) = new.as_ref().filter(|new| old.as_ref() != Some(new)) {
                self.write(slot, old.as_deref(), new);
            }
        }
        for client in (0..self.world.scope().clients).map(|client| ClientId(u32::try_from(client).unwrap())) {
            self.reads(client, &after);
        }
        self.state = after;
    }

    fn write(&mut self, slot: usize, old: Option<&Issued>, new: &Issued) {
        let (write, asked) = self.world.asked(slot, new);
        let (t, client) = (self.t, write.client);
        if let IssuedState::Resolution { over, dot } = &new.state {
            let (key, over) = (asked.key, over.to_vec());
            let value = None;
            return self.events.push(Event::Resolve { t, client, key, write, over, value, dot: *dot });
        }
        if old.is_none() {
            let at = self.world.client_at(&self.state, client);
            let (key, op) = (asked.key, asked.operation);
            self.events.push(Event::Invoke { t, client, at, key, op, write: Some(write) });
        }
        if old.is_some_and(|old| old.state == new.state) {
            return;
        }
        let t = t + 5;
        match &new.state {
            IssuedState::Open | IssuedState::Resolution { .. } => {}
            IssuedState::Failed => self.events.push(Event::Fail { t, client, error: String::new() }),
            IssuedState::Unknown => self.events.push(Event::Info { t, client, error: String::new() }),
            IssuedState::Acknowledged(written) => {
                let known = written.dot.position > 0;
                let result = OperationResult {
                    dot: known.then_some(written.dot),
                    stamp: known.then_some(written.stamp),
                    knew: Some(written.knew.clone()),
                    versions: written.on.to_vec(),
                    value: None,
                    duplicate: written.duplicate,
                };
                self.events.push(Event::Ok { t, client, result });
            }
        }
    }

    /// A read that told its session of versions that it had not seen.
    fn reads(&mut self, client: ClientId, after: &State) {
        let before = self.world.seen(&self.state, client);
        let seen = self.world.seen(after, client);
        let versions: Vec<WriteId> = seen.into_iter().filter(|write| !before.contains(write)).collect();
        let Some(&first) = versions.first() else { return };
        let at = self.world.client_at(after, client);
        let key = self.key_of(first, after);
        let t = self.t;
        self.events.push(Event::Invoke { t, client, at, key, op: Operation::Read, write: None });
        let result = OperationResult { versions, ..OperationResult::default() };
        self.events.push(Event::Ok { t: t + 1, client, result });
    }

    fn key_of(&self, write: WriteId, state: &State) -> quarrel_models::value::Key {
        let issued = self.world.issued(state);
        let asked =
            |(slot, issued): (usize, &Option<Arc<Issued>>)| Some(self.world.asked(slot, issued.as_ref()?));
        let asked = issued.iter().enumerate().find_map(|found| asked(found).filter(|(id, _)| *id == write));
        asked.unwrap().1.key
    }

    /// The final reads, and the end.
    fn finish(mut self) -> Vec<Event> {
        for replica in (0..self.world.scope().leaders).map(ReplicaId::from_index) {
            if self.world.phase(&self.state, replica) != Phase::Live {
                self.events.push(Event::Unread { replica, why: "dead".into() });
                continue;
            }
            let core = self.world.replica(&self.state, replica);
            let mut records = 0;
            for (key, cell) in core.cells() {
                records += 1;
                self.events.push(Event::holding(replica, key.clone(), cell.clone()));
            }
            let applied = core.applied().clone();
            self.events.push(Event::FinalEnd { replica, records, applied });
        }
        let quiescence = Quiescence::Positions { after_ns: 1 };
        self.events.push(Event::End { t: self.t + 100, quiescence });
        self.events
    }
}

/// The fates that the ledger of a recorded history gives.
fn recorded(world: &World, path: &[Action]) -> BTreeMap<WriteId, Fate> {
    let mut recorder = Recorder::new(world);
    path.iter().for_each(|&action| recorder.step(action));
    let (mut ledger, mut finals) = (Ledger::new(world.scope().leaders), Finals::default());
    for event in recorder.finish() {
        ledger.observe(&event);
        finals.observe(&event);
    }
    let mut entries: Vec<LedgerEntry> = Vec::new();
    ledger.finish(&finals, &world.scope().strategy, &mut entries).unwrap();
    entries.into_iter().map(|entry| (entry.write, entry.fate)).collect()
}

/// The fates that the small ledger gives.
fn modelled(world: &World, state: &State) -> BTreeMap<WriteId, Fate> {
    let issued = world.issued(state);
    let name = |(slot, fate): (usize, Fate)| (world.asked(slot, issued[slot].as_ref().unwrap()).0, fate);
    fates(world, state).into_iter().map(name).collect()
}

fn agree(world: &World, state: &State, path: &[Action], met: &mut BTreeMap<Fate, usize>) {
    let modelled = modelled(world, state);
    let recorded = recorded(world, path);
    let steps: Vec<String> = path.iter().map(ToString::to_string).collect();
    assert_eq!(modelled, recorded, "model and history of {:?}: {}", world.scope(), steps.join("; "));
    for fate in modelled.into_values() {
        *met.entry(fate).or_default() += 1;
    }
}

/// Every quiescent state, each by one path.
fn every_state(scope: Scope, met: &mut BTreeMap<Fate, usize>) {
    every_state_after(&[], scope, met);
}

/// Every quiescent state that some actions lead to.
fn every_state_after(begin: &[Action], scope: Scope, met: &mut BTreeMap<Fate, usize>) {
    let world = World::new(scope).unwrap();
    let begun = begin.iter().fold(world.initial(), |state, &action| world.next(&state, action));
    let mut known = HashSet::from([begun.clone()]);
    let mut open = VecDeque::from([(begun, begin.to_vec())]);
    while let Some((state, path)) = open.pop_front() {
        if world.is_quiescent(&state) {
            agree(&world, &state, &path, met);
        }
        let mut actions = Vec::new();
        world.actions(&state, &mut actions);
        for action in actions {
            let next = world.next(&state, action);
            if known.insert(next.clone()) {
                let mut longer = path.clone();
                longer.push(action);
                open.push_back((next, longer));
            }
        }
    }
}

/// Every path to every quiescent state.
fn every_path(world: &World, state: &State, path: &mut Vec<Action>, met: &mut BTreeMap<Fate, usize>) {
    if world.is_quiescent(state) {
        agree(world, state, path, met);
    }
    let mut actions = Vec::new();
    world.actions(state, &mut actions);
    for action in actions {
        path.push(action);
        every_path(world, &world.next(state, action), path, met);
        path.pop();
    }
}

fn lww() -> Strategy {
    Strategy::Lww(LastWriteWins::default())
}

fn hybrid() -> Strategy {
    Strategy::Lww(LastWriteWins { clock: ClockKind::Hybrid, ..LastWriteWins::default() })
}

fn unconditional() -> Strategy {
    Strategy::Lww(LastWriteWins { local_write: LocalWrite::Unconditional, ..LastWriteWins::default() })
}

fn home(hand_over: HandOver, fallback: Fallback) -> Strategy {
    Strategy::HomeLeader(HomeLeader {
        reroute: Reroute::Follow,
        hand_over,
        fallback,
        ..HomeLeader::default()
    })
}

fn on_write(handler: Handler) -> Strategy {
    Strategy::OnWrite(OnWrite { handler })
}

fn on_read(handler: Handler) -> Strategy {
    Strategy::OnRead(OnRead { handler })
}

fn crdt(data_type: DataType) -> Strategy {
    Strategy::Crdt(Crdt { data_type })
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

fn skewed(scope: Scope) -> Scope {
    with(scope, |faults| (faults.offsets_ms, faults.clock_changes) = (vec![-10], 1))
}

fn crashing(scope: Scope) -> Scope {
    with(scope, |faults| faults.crashes = 1)
}

fn in_flight(scope: Scope) -> Scope {
    let moving = |faults: &mut Faults| (faults.relocations, faults.in_flight) = (1, true);
    with(Scope { overlap: true, clients: 2, leaders: 2, topology: Topology::AllToAll, ..scope }, moving)
}

#[test]
fn one_version_wins() {
    let mut met = BTreeMap::new();
    for strategy in [
        Strategy::Arrival(Arrival::default()),
        lww(),
        hybrid(),
        unconditional(),
        Strategy::FirstWriteWins(FirstWriteWins::default()),
        Strategy::LeaderPriority(LeaderPriority::default()),
        Strategy::MostUpdates(MostUpdates::default()),
        home(HandOver::Immediate, Fallback::Arrival),
        home(HandOver::Immediate, Fallback::Lww),
        crdt(DataType::MvRegister),
    ] {
        every_state(skewed(ring(strategy.clone())), &mut met);
        every_state(with(ring(strategy.clone()), |faults| faults.relocations = 1), &mut met);
        every_state(Scope { writes: 3, ..mesh(strategy) }, &mut met);
    }
    let fates: Vec<&str> = met.keys().map(|fate| fate.name()).collect();
    assert_eq!(
        fates,
        ["visible", "superseded", "real-time-inversion", "causal-inversion", "session-inversion", "partial"]
    );
}

/// Where leaders send to each other directly, a version may come before what it was made on: what is made on it then was
/// made in the knowledge of both. The third client begins before the first is told that its write is done, so that
/// real time excuses nothing.
#[test]
fn what_came_before_what_it_was_made_on() {
    let [first, third] = [ClientId(0), ClientId(2)];
    let begin = [
        Action::Call { client: third },
        Action::Call { client: first },
        Action::Arrive { client: first, at: A },
    ];
    let mut met = BTreeMap::new();
    for strategy in [crdt(DataType::MvRegister), lww(), Strategy::Arrival(Arrival::default())] {
        every_state_after(&begin, Scope { overlap: true, writes: 3, ..mesh(strategy.clone()) }, &mut met);
        let lost = met.remove(&Fate::ConcurrentDiscard).unwrap_or_default();
        let keeps_all = strategy == crdt(DataType::MvRegister);
        assert_eq!(lost == 0, keeps_all, "{strategy} discards {lost}");
    }
    let fates: Vec<&str> = met.keys().map(|fate| fate.name()).collect();
    assert_eq!(fates, ["visible", "superseded", "real-time-inversion", "causal-inversion", "partial"]);
}

/// The same of elements: what is removed where only what was made on it has come is removed to the remover's knowledge.
#[test]
fn what_is_removed_may_be_known_by_what_was_made_on_it() {
    let [first, second, third] = [ClientId(0), ClientId(1), ClientId(2)];
    let deliver = |from, to| Action::Deliver { link: LinkId { from, to } };
    for strategy in [on_write(Handler::Union), lww()] {
        let scope = of(Workload::Cart, Scope { overlap: true, writes: 3, ..mesh(strategy) });
        let world = World::new(scope).unwrap();
        let of = world.write_of(0);
        let path = [
            Action::Ask { client: third, errand: Errand::Erase { of } },
            Action::Call { client: first },
            Action::Arrive { client: first, at: A },
            deliver(A, B),
            Action::Call { client: second },
            Action::Arrive { client: second, at: B },
            deliver(B, C),
            Action::Arrive { client: third, at: C },
            deliver(C, A),
            deliver(C, B),
            deliver(B, A),
            deliver(A, C),
        ];
        let state = path.iter().fold(world.initial(), |state, &action| world.next(&state, action));
        assert!(world.is_quiescent(&state), "{}", world.describe(&state));
        let mut met = BTreeMap::new();
        agree(&world, &state, &path, &mut met);
        assert_eq!(met.get(&Fate::Superseded), Some(&1), "{met:?}: {}", world.describe(&state));
        assert_eq!(met.values().sum::<usize>(), 3, "{met:?}");
        assert!(met.keys().all(|fate| !fate.is_loss()), "{met:?}");
    }
}

#[test]
fn a_request_left_behind() {
    let mut met = BTreeMap::new();
    for strategy in [
        lww(),
        on_read(Handler::Latest),
        home(HandOver::Fenced, Fallback::Arrival),
        Strategy::Arrival(Arrival::default()),
    ] {
        every_state(in_flight(ring(strategy)), &mut met);
    }
    every_state(of(Workload::Counter, in_flight(ring(on_write(Handler::Delta)))), &mut met);
    every_state(of(Workload::Set, in_flight(ring(lww()))), &mut met);
    let fates: Vec<&str> = met.keys().map(|fate| fate.name()).collect();
    assert_eq!(
        fates,
        ["visible", "merged", "superseded", "concurrent-discard", "causal-inversion", "partial"]
    );
}

#[test]
fn effects_and_what_takes_them_back() {
    let mut met = BTreeMap::new();
    let strategies =
        || [lww(), on_write(Handler::Union), on_read(Handler::Union), Strategy::Arrival(Arrival::default())];
    for strategy in strategies() {
        every_state(skewed(of(Workload::Set, ring(strategy.clone()))), &mut met);
        every_state(of(Workload::Cart, Scope { writes: 3, clients: 2, ..ring(strategy) }), &mut met);
    }
    every_state(of(Workload::Cart, Scope { writes: 3, clients: 2, ..ring(crdt(DataType::OrSet)) }), &mut met);
    for strategy in [lww(), on_write(Handler::Union), crdt(DataType::OrSet)] {
        let overlapping = Scope { overlap: true, clients: 2, ..ring(strategy) };
        every_state(of(Workload::Cart, overlapping), &mut met);
    }
    for strategy in [lww(), on_write(Handler::Delta), crdt(DataType::Counter)] {
        every_state(skewed(of(Workload::Counter, ring(strategy))), &mut met);
    }
    for strategy in [lww(), on_write(Handler::Calendar), on_read(Handler::Calendar)] {
        every_state(of(Workload::Calendar, Scope { writes: 3, clients: 2, ..ring(strategy) }), &mut met);
    }
    let fates: Vec<&str> = met.keys().map(|fate| fate.name()).collect();
    assert_eq!(
        fates,
        [
            "visible",
            "merged",
            "superseded",
            "concurrent-discard",
            "real-time-inversion",
            "causal-inversion",
            "partial"
        ]
    );
}

#[test]
fn deletions_reads_and_resolutions() {
    let mut met = BTreeMap::new();
    for strategy in
        [lww(), Strategy::Arrival(Arrival::default()), on_read(Handler::Latest), on_write(Handler::Latest)]
    {
        every_state(of(Workload::Document, Scope { writes: 3, clients: 2, ..ring(strategy) }), &mut met);
    }
    for strategy in [on_read(Handler::Latest), on_read(Handler::Union), hybrid()] {
        every_state(Scope { reads: 1, ..skewed(ring(strategy.clone())) }, &mut met);
        every_state(of(Workload::Set, Scope { reads: 1, ..ring(strategy) }), &mut met);
    }
    let fates: Vec<&str> = met.keys().map(|fate| fate.name()).collect();
    assert_eq!(
        fates,
        ["visible", "merged", "superseded", "concurrent-discard", "real-time-inversion", "partial"]
    );
}

#[test]
fn what_died_and_what_was_lost_with_a_tail() {
    let mut met = BTreeMap::new();
    for strategy in [lww(), Strategy::Arrival(Arrival::default()), on_read(Handler::Latest)] {
        every_state(crashing(mesh(strategy.clone())), &mut met);
        every_state(crashing(ring(strategy.clone())), &mut met);
        let losing = |faults: &mut Faults| (faults.tail_losses, faults.tail_records) = (1, 1);
        every_state(with(ring(strategy), losing), &mut met);
    }
    every_state(of(Workload::Set, crashing(mesh(lww()))), &mut met);
    let fates: Vec<&str> = met.keys().map(|fate| fate.name()).collect();
    assert_eq!(
        fates,
        [
            "visible",
            "merged",
            "superseded",
            "concurrent-discard",
            "real-time-inversion",
            "causal-inversion",
            "vanished",
            "stranded",
            "partial"
        ]
    );
}

/// All ways to all ends: what comes about in different orders must not be judged by the order.
#[test]
fn every_path_of_the_smallest_worlds() {
    let mut met = BTreeMap::new();
    let pair = |strategy| Scope { leaders: 2, clients: 2, ..mesh(strategy) };
    for scope in [
        Scope { overlap: true, ..pair(lww()) },
        skewed(pair(hybrid())),
        of(Workload::Set, pair(lww())),
        of(Workload::Document, Scope { writes: 3, ..pair(lww()) }),
        Scope { reads: 1, ..pair(on_read(Handler::Latest)) },
    ] {
        let world = World::new(scope).unwrap();
        every_path(&world, &world.initial(), &mut Vec::new(), &mut met);
    }
    let fates: Vec<&str> = met.keys().map(|fate| fate.name()).collect();
    assert_eq!(fates, ["visible", "merged", "superseded", "concurrent-discard", "real-time-inversion"]);
}
