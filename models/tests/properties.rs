//! Laws of the cluster under random schedules: writes, deliveries in any order of links, lost, doubled and reordered
//! frames, cuts, crashes, moving clients; then everything is healed and delivered.
//!
//! Each law is shown to be able to fail, on a strategy or a step that breaks it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rig;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use quarrel_models::{
    handler::Handler,
    id::{ClientId, Dot, LinkId, ReplicaId, WriteId},
    message::{Entry, Input, Record, TraceEvent},
    operation::{KeyedOperation, Operation},
    replica::{Config, Replica},
    session::{Outcome, SessionInput},
    strategy::{
        Arrival, Crdt, DataType, DeletePolicy, Detection, FirstWriteWins, HandOver, HomeLeader,
        LastWriteWins, LeaderPriority, LocalWrite, MissingRow, MostUpdates, OnRead, OnWrite, Reroute, Rows,
        Strategy as Rule, TieRule,
    },
    tags::Tag,
    topology::{Follower, Graph, Propagation, Topology},
    value::{Key, Value},
    version::Cell,
};
use rig::{Event, Rig};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const CLIENTS: u32 = 4;
const LEADERS: usize = 3;

/// One step of a schedule. Indices are taken modulo what there is.
#[derive(Debug, Clone)]
enum Action {
    Begin {
        client: u32,
        key: u8,
        choice: u8,
        number: i64,
    },
    GiveUp {
        client: u32,
    },
    Move {
        client: u32,
        to: usize,
        token: bool,
    },
    Deliver {
        link: usize,
        forth: bool,
        frames: usize,
    },
    Drop {
        link: usize,
        forth: bool,
    },
    Double {
        link: usize,
    },
    Swap {
        link: usize,
    },
    Cut {
        link: usize,
    },
    Heal {
        link: usize,
    },
    Crash {
        replica: usize,
    },
    CrashOnPersist {
        replica: usize,
    },
    Restart {
        replica: usize,
    },
    /// A machine dies, and the newest records with it. Only where the run allows it.
    Lose {
        replica: usize,
        records: usize,
    },
    Clock {
        replica: usize,
        offset_ms: i64,
    },
    Wait {
        ms: u64,
    },
    /// A purge job forgets all tombstones. Only where the run allows it.
    Collect {
        replica: usize,
    },
    /// Conflict metadata are lost. Only where the run allows it.
    Forget {
        replica: usize,
    },
}

fn any_action() -> impl Strategy<Value = Action> {
    let link = 0..12_usize;
    let replica = 0..4_usize;
    prop_oneof![
        8 => (0..CLIENTS, 0..2_u8, any::<u8>(), 0..9_i64)
            .prop_map(|(client, key, choice, number)| Action::Begin { client, key, choice, number }),
        1 => (0..CLIENTS).prop_map(|client| Action::GiveUp { client }),
        3 => (0..CLIENTS, 0..LEADERS, any::<bool>())
            .prop_map(|(client, to, token)| Action::Move { client, to, token }),
        12 => (link.clone(), any::<bool>(), 1..4_usize)
            .prop_map(|(link, forth, frames)| Action::Deliver { link, forth, frames }),
        1 => (link.clone(), any::<bool>()).prop_map(|(link, forth)| Action::Drop { link, forth }),
        1 => link.clone().prop_map(|link| Action::Double { link }),
        1 => link.clone().prop_map(|link| Action::Swap { link }),
        1 => link.clone().prop_map(|link| Action::Cut { link }),
        1 => link.prop_map(|link| Action::Heal { link }),
        1 => replica.clone().prop_map(|replica| Action::Crash { replica }),
        1 => replica.clone().prop_map(|replica| Action::CrashOnPersist { replica }),
        2 => replica.clone().prop_map(|replica| Action::Restart { replica }),
        1 => (replica.clone(), 1..4_usize).prop_map(|(replica, records)| Action::Lose { replica, records }),
        1 => (replica.clone(), -50..50_i64).prop_map(|(replica, offset_ms)| Action::Clock { replica, offset_ms }),
        1 => replica.clone().prop_map(|replica| Action::Collect { replica }),
        1 => replica.prop_map(|replica| Action::Forget { replica }),
        3 => (0..150_u64).prop_map(|ms| Action::Wait { ms }),
    ]
}

/// A schedule, shown one step a line.
#[derive(Clone)]
struct Schedule(Vec<Action>);

impl std::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|action| write!(f, "\n  {action:?}"))
    }
}

/// One record and no faults but the order of deliveries: what comes before what it was made on is found only here.
fn any_calm_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        1 => (0..CLIENTS, any::<u8>(), 0..9_i64)
            .prop_map(|(client, choice, number)| Action::Begin { client, key: 0, choice, number }),
        1 => (0..12_usize).prop_map(|link| Action::Deliver { link, forth: true, frames: 1 }),
    ]
}

fn any_calm_schedule() -> impl Strategy<Value = Schedule> {
    prop::collection::vec(any_calm_action(), 1..30).prop_map(Schedule)
}

/// Writes of which a quarter are deletions, and nothing but the order of deliveries.
fn any_deleting_schedule() -> impl Strategy<Value = Schedule> {
    let write = (0..CLIENTS, any::<bool>(), any::<bool>()).prop_map(|(client, one, other)| Action::Begin {
        client,
        key: 0,
        choice: if one && other { 255 } else { 0 },
        number: 0,
    });
    let deliver = (0..12_usize).prop_map(|link| Action::Deliver { link, forth: true, frames: 1 });
    let action = prop_oneof![2 => write, 3 => deliver, 1 => (1..9_u64).prop_map(|ms| Action::Wait { ms })];
    prop::collection::vec(action, 1..30).prop_map(Schedule)
}

fn any_forgetful_schedule() -> impl Strategy<Value = Schedule> {
    let forgetting = (0..3_usize, any::<bool>()).prop_map(|(replica, collects)| {
        if collects { Action::Collect { replica } } else { Action::Forget { replica } }
    });
    let action = prop_oneof![5 => any_calm_action(), 1 => forgetting];
    prop::collection::vec(action, 1..30).prop_map(Schedule)
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    prop::collection::vec(any_action(), 1..80).prop_map(Schedule)
}

/// The graphs that the laws are tried on.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Ring,
    Star,
    Mesh,
    RelayedMesh,
    /// A ring with a chord.
    Custom,
    RingWithFollower,
}

impl Shape {
    const ALL: [Self; 6] =
        [Self::Ring, Self::Star, Self::Mesh, Self::RelayedMesh, Self::Custom, Self::RingWithFollower];

    fn graph(self) -> Graph {
        let custom = ["A>B", "B>C", "C>A", "B>A"].iter().map(|link| link.parse().unwrap()).collect();
        let (topology, propagation) = match self {
            Self::Ring | Self::RingWithFollower => (Topology::Ring, Propagation::Relay),
            Self::Star => (Topology::Star, Propagation::Relay),
            Self::Mesh => (Topology::AllToAll, Propagation::Direct),
            Self::RelayedMesh => (Topology::AllToAll, Propagation::Relay),
            Self::Custom => (Topology::Custom(custom), Propagation::Relay),
        };
        let follower = Follower { of: vec![ReplicaId(1)], readable: true };
        let followers = if matches!(self, Self::RingWithFollower) { vec![follower] } else { vec![] };
        Graph::new(&topology, LEADERS, followers, propagation).unwrap()
    }
}

fn any_shape() -> impl Strategy<Value = Shape> {
    prop::sample::select(&Shape::ALL[..])
}

/// A schedule under way, with what the clients were told.
struct Run {
    rig: Rig,
    /// The kind of operations: see [`Run::operation`].
    handler: Handler,
    under_way: BTreeMap<ClientId, KeyedOperation>,
    acknowledged: Vec<KeyedOperation>,
    /// Operations that may or may not have happened.
    unknown: Vec<KeyedOperation>,
    /// Only one client ever writes a record.
    single_writers: bool,
    /// Sets of few elements, which are also removed.
    removes: bool,
    loses_tails: bool,
    forgets: bool,
    /// The write at each dot, as its leader named it.
    dots: BTreeMap<Dot, WriteId>,
    reused: Option<Dot>,
    unique: i64,
}

impl Run {
    fn new(shape: Shape, rule: Rule, handler: Handler) -> Self {
        let mut config = Config::new(shape.graph(), rule);
        // Small limits, so that schedules reach them.
        config.window = 4;
        config.batch = 2;
        config.retention = 1;
        Self {
            rig: Rig::new(config, true),
            handler,
            under_way: BTreeMap::new(),
            acknowledged: Vec::new(),
            unknown: Vec::new(),
            single_writers: false,
            removes: false,
            loses_tails: false,
            forgets: false,
            dots: BTreeMap::new(),
            reused: None,
            unique: 0,
        }
    }

    /// An operation of the handler's kind.
    fn operation(&mut self, choice: u8, number: i64) -> Operation {
        self.unique += 1;
        let rarely = choice >= 230;
        match self.handler {
            Handler::Delta if rarely => Operation::Read,
            Handler::Delta => Operation::Add(number),
            Handler::Union if rarely => Operation::Read,
            Handler::Union if self.removes => match choice % 8 {
                0..4 => Operation::Insert(number.into()),
                4..7 => Operation::Remove(number.into()),
                _ => Operation::Delete,
            },
            Handler::Cart => match choice % 8 {
                0..5 => Operation::Insert(self.unique.into()),
                5..7 => Operation::Remove(number.into()),
                _ => Operation::Delete,
            },
            Handler::Bank | Handler::Script(_) => Operation::Add(number),
            Handler::Union => Operation::Insert(self.unique.into()),
            Handler::Append if rarely => Operation::Delete,
            Handler::Append => Operation::Append(self.unique.into()),
            Handler::Calendar if choice < 150 => Operation::Claim {
                field: ["9", "10", "11"][usize::from(choice % 3)].into(),
                value: number.into(),
            },
            Handler::Calendar if choice < 200 => Operation::Release {
                field: ["9", "10", "11"][usize::from(choice % 3)].into(),
                value: number.into(),
            },
            Handler::Calendar => Operation::Move { from: "9".into(), to: "10".into(), value: number.into() },
            Handler::Max | Handler::Latest if rarely && !self.single_writers => Operation::Delete,
            Handler::Max | Handler::Latest => Operation::Put(self.unique.into()),
        }
    }

    fn link(&self, index: usize) -> LinkId {
        let links = self.rig.links();
        links[index % links.len()]
    }

    fn replica(&self, index: usize) -> ReplicaId {
        ReplicaId::from_index(index % self.rig.config.graph.replica_count())
    }

    fn play(&mut self, action: &Action) {
        match *action {
            Action::Begin { client, key, choice, number } => self.begin(client, key, choice, number),
            Action::GiveUp { client } if self.rig.clients.contains_key(&ClientId(client)) => {
                self.rig.session(ClientId(client), SessionInput::Unanswered);
            }
            Action::GiveUp { .. } => {}
            Action::Move { client, to, token } => {
                let to = ReplicaId::from_index(to);
                self.rig.client(ClientId(client), to);
                self.rig.relocate(ClientId(client), to, token);
            }
            Action::Deliver { link, forth, frames } => {
                for _ in 0..frames {
                    self.rig.deliver(self.link(link), forth);
                }
            }
            Action::Drop { link, forth } => {
                let link = self.link(link);
                let wire = self.rig.wires.get_mut(&link).unwrap();
                let queue = if forth { &mut wire.forth } else { &mut wire.back };
                queue.pop_front();
            }
            Action::Double { link } => {
                let link = self.link(link);
                let forth = &mut self.rig.wires.get_mut(&link).unwrap().forth;
                if let Some(first) = forth.front().cloned() {
                    forth.push_back(first);
                }
            }
            Action::Swap { link } => {
                let link = self.link(link);
                let forth = &mut self.rig.wires.get_mut(&link).unwrap().forth;
                if forth.len() > 1 {
                    forth.swap(0, 1);
                }
            }
            Action::Cut { link } => self.rig.cut(self.link(link)),
            Action::Heal { link } => self.rig.heal(self.link(link)),
            Action::Crash { replica } => self.rig.crash(self.replica(replica)),
            Action::CrashOnPersist { replica } => self.rig.crash_on_persist(self.replica(replica)),
            Action::Restart { replica } => self.rig.restart(self.replica(replica)),
            Action::Lose { replica, records } if self.loses_tails => {
                let replica = self.replica(replica);
                self.rig.crash(replica);
                self.rig.lose_tail(replica, records.min(self.rig.disk(replica).len()));
            }
            Action::Lose { .. } => {}
            Action::Clock { replica, offset_ms } => {
                let replica = self.replica(replica);
                self.rig.offsets_us[replica.index()] = offset_ms * 1000;
            }
            Action::Wait { ms } => self.rig.wait(ms * 1000),
            Action::Collect { replica } if self.forgets => {
                self.rig.step(self.replica(replica), Input::Collect);
            }
            Action::Forget { replica } if self.forgets => {
                self.rig.step(self.replica(replica), Input::Forget);
            }
            Action::Collect { .. } | Action::Forget { .. } => {}
        }
        self.listen();
    }

    fn begin(&mut self, client: u32, key: u8, choice: u8, number: i64) {
        let id = ClientId(client);
        let home = ReplicaId::from_index(client as usize % LEADERS);
        if !self.rig.client(id, home).session.is_idle() {
            return;
        }
        let key: Key = if self.single_writers { format!("k{client}") } else { format!("k{key}") }.into();
        let operation = KeyedOperation { key, operation: self.operation(choice, number) };
        self.under_way.insert(id, operation.clone());
        self.rig.start(id, operation);
    }

    /// Notes what the clients were told.
    fn listen(&mut self) {
        for event in std::mem::take(&mut self.rig.events) {
            if let Event::Trace(_, TraceEvent::Apply { write, dot, .. }) = &event
                && *self.dots.entry(*dot).or_insert(*write) != *write
            {
                self.reused = Some(*dot);
            }
            let Event::Done(client, outcome) = event else { continue };
            let operation = self.under_way.remove(&client).expect("what ends has begun");
            match outcome {
                Outcome::Written(_) => self.acknowledged.push(operation),
                Outcome::Unknown(_) => self.unknown.push(operation),
                Outcome::Read { .. } | Outcome::Failed(_) | Outcome::Unsent => {}
            }
        }
    }

    /// Heals everything, delivers everything, and lets every client hear the end.
    fn finish(&mut self) {
        self.rig.settle();
        self.listen();
        for (client, _) in self.under_way.clone() {
            self.rig.session(client, SessionInput::Unanswered);
        }
        self.listen();
        self.rig.settle();
        self.listen();
    }

    fn values(&self, key: &Key) -> Vec<Value> {
        let replica = self.rig.live().next().unwrap();
        let Some((_, cell)) = replica.cells().find(|(held, _)| *held == key) else { return vec![] };
        match &cell.merged {
            Some(merged) => merged.iter().cloned().collect(),
            None => cell.versions.iter().filter_map(|version| version.value.clone()).collect(),
        }
    }

    fn check_convergence(&self) -> Result<(), TestCaseError> {
        if self.rig.converged() {
            return Ok(());
        }
        let states: Vec<String> = self
            .rig
            .live()
            .map(|replica| {
                format!(
                    "{} applied {}: {:?}",
                    replica.id(),
                    replica.applied(),
                    replica.cells().collect::<Vec<_>>()
                )
            })
            .collect();
        Err(TestCaseError::fail(format!("different: {states:#?}")))
    }

    fn check_requests_answered(&self) -> Result<(), TestCaseError> {
        for replica in self.rig.live() {
            prop_assert_eq!(replica.waiting(), 0, "{} still owes an answer", replica.id());
        }
        Ok(())
    }

    /// Every acknowledged insertion and append is in the final value or in a sibling.
    fn check_nothing_lost(&self) -> Result<(), TestCaseError> {
        for operation in &self.acknowledged {
            let Operation::Insert(element) = &operation.operation else { continue };
            let found = self
                .values(&operation.key)
                .iter()
                .any(|value| value.as_set().is_some_and(|elements| elements.contains(element)));
            prop_assert!(found, "{:?} is lost", operation);
        }
        Ok(())
    }

    /// The counters hold all acknowledged changes, and of the unknown ones some.
    fn check_sums(&self) -> Result<(), TestCaseError> {
        for key in ["k0", "k1"] {
            let sum = |operations: &mut dyn Iterator<Item = &KeyedOperation>| -> i64 {
                operations
                    .filter(|keyed| keyed.key == key)
                    .map(|keyed| if let Operation::Add(number) = keyed.operation { number } else { 0 })
                    .sum()
            };
            let surely = sum(&mut self.acknowledged.iter());
            let perhaps = sum(&mut self.unknown.iter());
            let held = self.values(&key.into()).first().and_then(Value::as_int).unwrap_or(0);
            prop_assert!(
                (surely..=surely + perhaps).contains(&held),
                "{} holds {}, acknowledged {}, unknown {}",
                key,
                held,
                surely,
                perhaps
            );
        }
        Ok(())
    }

    /// The record of each client holds its last acknowledged write, or one whose answer it did not await: that may
    /// happen at any time.
    fn check_last_writes(&self) -> Result<(), TestCaseError> {
        let put = |keyed: &KeyedOperation| match &keyed.operation {
            Operation::Put(value) => Some((keyed.key.clone(), value.clone())),
            _ => None,
        };
        let acknowledged = self.acknowledged.iter();
        let last: BTreeMap<Key, Value> = acknowledged.filter_map(put).collect();
        let perhaps: BTreeSet<(Key, Value)> = self.unknown.iter().filter_map(put).collect();
        for (key, value) in last {
            let held = self.values(&key);
            let right = |held: &Value| *held == value || perhaps.contains(&(key.clone(), held.clone()));
            prop_assert!(
                held.iter().any(right),
                "{} holds {:?}, the last acknowledged is {}",
                key,
                held,
                value
            );
        }
        Ok(())
    }

    /// All entries that were ever made, by record.
    fn entries(&self) -> BTreeMap<Key, BTreeMap<Dot, Arc<Entry>>> {
        let mut entries: BTreeMap<Key, BTreeMap<Dot, Arc<Entry>>> = BTreeMap::new();
        for replica in self.rig.live() {
            for record in self.rig.disk(replica.id()) {
                if let Record::Entry(entry) = record {
                    let of_record = entries.entry(entry.key.clone()).or_default();
                    of_record.insert(entry.version.dot, Arc::clone(entry));
                }
            }
        }
        entries
    }

    /// A set holds what was added and not taken back, and only what its leader had seen was taken back.
    fn check_observed_removes(&self) -> Result<(), TestCaseError> {
        for (key, entries) in self.entries() {
            let mut added = BTreeSet::new();
            for entry in entries.values() {
                for element in entry.version.value.iter().filter_map(Value::as_set).flatten() {
                    added.insert(Tag { element: element.clone(), write: entry.version.write });
                }
            }
            let left: BTreeSet<Value> = added
                .iter()
                .filter(|tag| !entries.values().any(|entry| entry.removes.contains(tag)))
                .map(|tag| tag.element.clone())
                .collect();
            for replica in self.rig.live() {
                let cell = self.rig.cell(replica.id(), &key);
                let held = cell.and_then(Cell::value).and_then(Value::as_set).cloned().unwrap_or_default();
                prop_assert_eq!(&held, &left, "{} at {}", &key, replica.id());
            }
            for entry in entries.values() {
                let seen = |tag: &Tag| {
                    entries
                        .values()
                        .any(|other| other.version.write == tag.write && entry.version.knew(&other.version))
                };
                prop_assert!(entry.removes.iter().all(seen), "{:?} removes what it did not know", entry);
            }
        }
        Ok(())
    }

    /// Equal replicas are equal also in what they do not show.
    fn check_equal_tags(&self) -> Result<(), TestCaseError> {
        for key in ["k0", "k1"] {
            let mut tags: Vec<_> = self
                .rig
                .live()
                .map(|replica| self.rig.cell(replica.id(), &key.into())?.tags.clone())
                .collect();
            tags.dedup();
            prop_assert!(tags.len() < 2, "{}: {:?}", key, tags);
        }
        Ok(())
    }

    /// Of every record just those versions are held that no other one knew of.
    fn check_nothing_but_the_newest(&self) -> Result<(), TestCaseError> {
        for (key, entries) in self.entries() {
            let newest: Vec<Dot> = entries
                .values()
                .filter(|entry| !entries.values().any(|other| other.version.knew(&entry.version)))
                .map(|entry| entry.version.dot)
                .collect();
            for replica in self.rig.live() {
                let cell = self.rig.cell(replica.id(), &key);
                let held: Vec<Dot> =
                    cell.iter().flat_map(|cell| &cell.versions).map(|held| held.dot).collect();
                prop_assert_eq!(&held, &newest, "{} at {}", &key, replica.id());
            }
        }
        Ok(())
    }

    /// Every live replica has applied what the others have.
    fn check_everything_delivered(&self) -> Result<(), TestCaseError> {
        let mut applied: Vec<_> = self.rig.live().map(Replica::applied).collect();
        applied.dedup();
        prop_assert!(applied.len() < 2, "{applied:?}");
        Ok(())
    }

    fn check_positions(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.reused, None, "a position is given away twice");
        Ok(())
    }

    /// Every live replica would come back as it is.
    fn check_recovery(&self) -> Result<(), TestCaseError> {
        for replica in self.rig.live() {
            let back: Replica = self.rig.recovered(replica.id());
            prop_assert_eq!(back.digest(), replica.digest());
            prop_assert_eq!(back.applied(), replica.applied());
        }
        Ok(())
    }
}

fn handlers() -> impl Strategy<Value = Handler> {
    prop::sample::select(&Handler::ALL[..])
}

fn on_write(handler: Handler) -> Rule {
    Rule::OnWrite(OnWrite { handler })
}

fn on_read(handler: Handler) -> Rule {
    Rule::OnRead(OnRead { handler })
}

fn any_rows() -> impl Strategy<Value = Rows> {
    let deletes = [DeletePolicy::Tombstone, DeletePolicy::Hard, DeletePolicy::DeleteWins];
    let missing = [MissingRow::Upsert, MissingRow::Skip, MissingRow::Stall];
    (prop::sample::select(deletes.to_vec()), prop::sample::select(missing.to_vec()))
        .prop_map(|(deletes, missing)| Rows { deletes, missing })
}

fn lww_with(rows: Rows) -> Rule {
    Rule::Lww(LastWriteWins { rows, ..LastWriteWins::default() })
}

fn crdt(data_type: DataType) -> Rule {
    Rule::Crdt(Crdt { data_type })
}

fn removes(run: &mut Run) {
    run.removes = true;
}

fn first_write_wins(detection: Detection) -> Rule {
    Rule::FirstWriteWins(FirstWriteWins { detection, ..FirstWriteWins::default() })
}

/// The order is not that of the alphabet, which breaks ties elsewhere.
fn leader_priority(detection: Detection) -> Rule {
    Rule::LeaderPriority(LeaderPriority {
        detection,
        order: vec![ReplicaId(2), ReplicaId(0)],
        ..LeaderPriority::default()
    })
}

fn most_updates(detection: Detection) -> Rule {
    Rule::MostUpdates(MostUpdates { detection, ..MostUpdates::default() })
}

/// Those of the strategies that pick a winner which converge, beside last write wins.
fn converging_winners() -> impl Strategy<Value = Rule> {
    prop::sample::select(vec![
        first_write_wins(Detection::None),
        leader_priority(Detection::None),
        most_updates(Detection::None),
        most_updates(Detection::VersionVectors),
    ])
}

fn fenced() -> Rule {
    let hand_over = HandOver::Fenced;
    Rule::HomeLeader(HomeLeader { reroute: Reroute::Follow, hand_over, ..HomeLeader::default() })
}

/// Any strategy with the kind of operations that fits it.
fn any_rule() -> impl Strategy<Value = (Rule, Handler)> {
    prop_oneof![
        Just((Rule::Arrival(Arrival::default()), Handler::Latest)),
        Just((Rule::Lww(LastWriteWins::default()), Handler::Latest)),
        Just((first_write_wins(Detection::VersionVectors), Handler::Latest)),
        Just((leader_priority(Detection::VersionVectors), Handler::Latest)),
        Just((most_updates(Detection::VersionVectors), Handler::Latest)),
        Just((fenced(), Handler::Latest)),
        Just((
            Rule::HomeLeader(HomeLeader { reroute: Reroute::Forward, ..HomeLeader::default() }),
            Handler::Union
        )),
        Just((
            Rule::HomeLeader(HomeLeader { hand_over: HandOver::Drained, ..HomeLeader::default() }),
            Handler::Latest
        )),
        any_rows().prop_map(|rows| (Rule::Arrival(Arrival { rows }), Handler::Latest)),
        any_rows().prop_map(|rows| (lww_with(rows), Handler::Latest)),
        Just((crdt(DataType::Counter), Handler::Delta)),
        Just((crdt(DataType::OrSet), Handler::Union)),
        Just((crdt(DataType::MvRegister), Handler::Latest)),
        handlers().prop_map(|handler| (on_write(handler), handler)),
        handlers().prop_map(|handler| (on_read(handler), handler)),
    ]
}

fn played(shape: Shape, rule: Rule, handler: Handler, schedule: &Schedule) -> Run {
    played_with(|_| {}, shape, rule, handler, schedule)
}

fn played_with(
    prepare: impl Fn(&mut Run),
    shape: Shape,
    rule: Rule,
    handler: Handler,
    schedule: &Schedule,
) -> Run {
    let mut run = Run::new(shape, rule, handler);
    prepare(&mut run);
    for action in &schedule.0 {
        run.play(action);
    }
    run.finish();
    run
}

/// So many schedules that the laws take seconds. `SCHEDULES=20000 cargo test --release` looks harder.
fn bounded() -> ProptestConfig {
    let cases = std::env::var("SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(160);
    ProptestConfig { cases, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(bounded())]

    #[test]
    fn merging_on_write_converges(shape in any_shape(), handler in handlers(), schedule in any_schedule()) {
        let run = played(shape, on_write(handler), handler, &schedule);
        run.check_convergence()?;
        run.check_requests_answered()?;
    }

    #[test]
    fn merging_converges_where_writes_overtake_each_other(handler in handlers(), schedule in any_calm_schedule()) {
        for rule in [on_write(handler), on_read(handler)] {
            played(Shape::Mesh, rule, handler, &schedule).check_convergence()?;
        }
    }

    #[test]
    fn siblings_converge(shape in any_shape(), handler in handlers(), schedule in any_schedule()) {
        let run = played(shape, on_read(handler), handler, &schedule);
        run.check_convergence()?;
    }

    #[test]
    fn last_write_wins_converges_through_the_merge(shape in any_shape(), schedule in any_schedule()) {
        let run = played(shape, Rule::Lww(LastWriteWins::default()), Handler::Latest, &schedule);
        run.check_convergence()?;
    }

    #[test]
    fn a_total_order_of_versions_converges(
        shape in any_shape(), rule in converging_winners(), schedule in any_schedule()
    ) {
        played(shape, rule, Handler::Latest, &schedule).check_convergence()?;
    }

    /// Whatever waits for its row gets it in the end, since somebody inserted it, and a tombstone is a row.
    #[test]
    fn a_log_that_waits_for_a_row_goes_on_in_the_end(
        shape in any_shape(), deleting in any_deleting_schedule(), schedule in any_schedule()
    ) {
        let stalling = lww_with(Rows { missing: MissingRow::Stall, ..Rows::default() });
        for schedule in [deleting, schedule] {
            let run = played(shape, stalling.clone(), Handler::Latest, &schedule);
            run.check_convergence()?;
            run.check_everything_delivered()?;
        }
    }

    #[test]
    fn an_observed_remove_set_holds_what_was_added_and_not_seen_by_a_removal(
        shape in any_shape(), schedule in any_schedule(), calm in any_calm_schedule()
    ) {
        for (shape, schedule) in [(shape, schedule), (Shape::Mesh, calm)] {
            let run = played_with(removes, shape, crdt(DataType::OrSet), Handler::Union, &schedule);
            run.check_convergence()?;
            run.check_equal_tags()?;
            run.check_observed_removes()?;
        }
    }

    #[test]
    fn no_acknowledged_insertion_is_lost_by_an_observed_remove_set(shape in any_shape(), schedule in any_schedule()) {
        played(shape, crdt(DataType::OrSet), Handler::Union, &schedule).check_nothing_lost()?;
    }

    #[test]
    fn a_replicated_counter_is_the_sum_of_its_acknowledged_changes(
        shape in any_shape(), schedule in any_schedule()
    ) {
        let run = played(shape, crdt(DataType::Counter), Handler::Delta, &schedule);
        run.check_convergence()?;
        run.check_sums()?;
    }

    #[test]
    fn a_multi_value_register_holds_the_newest_values_and_no_others(
        shape in any_shape(), schedule in any_schedule(), calm in any_calm_schedule()
    ) {
        for (shape, schedule) in [(shape, schedule), (Shape::Mesh, calm)] {
            let run = played(shape, crdt(DataType::MvRegister), Handler::Latest, &schedule);
            run.check_convergence()?;
            run.check_nothing_but_the_newest()?;
        }
    }

    #[test]
    fn no_acknowledged_insertion_is_lost_by_union_on_write(shape in any_shape(), schedule in any_schedule()) {
        let run = played(shape, on_write(Handler::Union), Handler::Union, &schedule);
        run.check_nothing_lost()?;
    }

    #[test]
    fn no_acknowledged_insertion_is_lost_by_union_on_read(shape in any_shape(), schedule in any_schedule()) {
        let run = played(shape, on_read(Handler::Union), Handler::Union, &schedule);
        run.check_nothing_lost()?;
    }

    #[test]
    fn a_counter_is_the_sum_of_its_acknowledged_changes(shape in any_shape(), schedule in any_schedule()) {
        let run = played(shape, on_write(Handler::Delta), Handler::Delta, &schedule);
        run.check_sums()?;
    }

    #[test]
    fn a_replica_comes_back_as_it_was(shape in any_shape(), (rule, handler) in any_rule(), schedule in any_schedule()) {
        let mut run = Run::new(shape, rule, handler);
        run.forgets = true;
        for action in &schedule.0 {
            run.play(action);
            run.check_recovery()?;
        }
    }

    #[test]
    fn every_request_is_answered_in_the_end(shape in any_shape(), (rule, handler) in any_rule(), schedule in any_schedule()) {
        let run = played(shape, rule, handler, &schedule);
        run.check_requests_answered()?;
    }

    #[test]
    fn the_same_schedule_leads_to_the_same_states(
        shape in any_shape(), (rule, handler) in any_rule(), schedule in any_schedule()
    ) {
        let [first, second] = [(); 2].map(|()| played(shape, rule.clone(), handler, &schedule));
        prop_assert_eq!(format!("{:?}", first.rig), format!("{:?}", second.rig));
    }

    #[test]
    fn a_leader_that_lost_its_tail_gives_no_position_away_twice(
        shape in any_shape(), (rule, handler) in any_rule(), reserve in 1..4_u32, schedule in any_schedule()
    ) {
        let mut run = Run::new(shape, rule, handler);
        losing_tails(reserve)(&mut run);
        for action in &schedule.0 {
            run.play(action);
        }
        run.finish();
        run.check_positions()?;
        run.check_requests_answered()?;
    }

    #[test]
    fn a_fenced_home_loses_nothing_of_single_writers_and_converges(shape in any_shape(), schedule in any_schedule()) {
        let mut run = Run::new(shape, fenced(), Handler::Latest);
        run.single_writers = true;
        for action in &schedule.0 {
            run.play(action);
        }
        run.finish();
        run.check_convergence()?;
        run.check_last_writes()?;
    }
}

/// Machines lose what they have not synced, and leaders reserve so many positions at a time.
fn losing_tails(reserve: u32) -> impl Fn(&mut Run) {
    move |run| {
        let config = Config { reserve, ..(*run.rig.config).clone() };
        run.rig = Rig::new(config, true);
        run.loses_tails = true;
    }
}

#[test]
fn the_law_of_positions_fails_without_a_reserve() {
    let rule = (Rule::Lww(LastWriteWins::default()), Handler::Latest);
    assert!(can_fail(rule, losing_tails(0), Run::check_positions));
}

/// Whether some schedule of a few hundred breaks the law.
fn can_fail(
    (rule, handler): (Rule, Handler),
    prepare: impl Fn(&mut Run),
    law: impl Fn(&Run) -> Result<(), TestCaseError>,
) -> bool {
    some_breaks(300, &(any_shape(), any_schedule()), (rule, handler), prepare, law)
}

/// Whether one of so many schedules breaks the law.
fn some_breaks(
    tries: u32,
    schedules: &impl Strategy<Value = (Shape, Schedule)>,
    (rule, handler): (Rule, Handler),
    prepare: impl Fn(&mut Run),
    law: impl Fn(&Run) -> Result<(), TestCaseError>,
) -> bool {
    let mut runner = TestRunner::new_with_rng(bounded(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    // Not `runner.run`: it takes a panic for a broken law.
    (0..tries).any(|_| {
        let (shape, schedule) = schedules.new_tree(&mut runner).unwrap().current();
        let mut run = Run::new(shape, rule.clone(), handler);
        prepare(&mut run);
        for action in &schedule.0 {
            run.play(action);
        }
        run.finish();
        law(&run).is_err()
    })
}

/// Nothing is ever sent again, so that what is lost stays lost.
fn never_resend(run: &mut Run) {
    let mut config = (*run.rig.config).clone();
    config.retransmit_us = 1 << 50;
    run.rig = Rig::new(config, true);
}

fn lww(tie: TieRule, local_write: LocalWrite) -> Rule {
    Rule::Lww(LastWriteWins { tie, local_write, ..LastWriteWins::default() })
}

#[test]
fn the_law_of_convergence_fails_where_a_frame_is_lost_for_good() {
    for rule in [on_write(Handler::Union), on_read(Handler::Union)] {
        assert!(can_fail((rule, Handler::Union), never_resend, Run::check_convergence));
    }
}

#[test]
fn the_law_of_convergence_fails_for_strategies_that_diverge() {
    for rule in [
        Rule::Arrival(Arrival::default()),
        lww(TieRule::None, LocalWrite::Merge),
        lww(TieRule::NodeId, LocalWrite::Unconditional),
    ] {
        assert!(can_fail((rule, Handler::Latest), |_| {}, Run::check_convergence));
    }
}

#[test]
fn the_law_of_convergence_fails_where_knowledge_and_comparator_contradict_each_other() {
    // It takes three writes in a circle, and no fourth one that knows of all: storms blow that over.
    let calm = (Just(Shape::Mesh), any_calm_schedule());
    for rule in [first_write_wins(Detection::VersionVectors), leader_priority(Detection::VersionVectors)] {
        assert!(some_breaks(1000, &calm, (rule, Handler::Latest), |_| {}, Run::check_convergence));
    }
    for rule in [first_write_wins(Detection::None), most_updates(Detection::VersionVectors)] {
        assert!(!some_breaks(1000, &calm, (rule, Handler::Latest), |_| {}, Run::check_convergence));
    }
}

#[test]
fn the_law_of_convergence_fails_where_updates_are_no_longer_counted() {
    let forgets = |run: &mut Run| run.forgets = true;
    for rule in [most_updates(Detection::None), most_updates(Detection::VersionVectors)] {
        assert!(can_fail((rule, Handler::Latest), forgets, Run::check_convergence));
    }
}

#[test]
fn the_laws_of_sets_with_removals_fail_for_a_union_and_where_removals_are_forgotten() {
    assert!(can_fail((on_write(Handler::Union), Handler::Union), removes, Run::check_observed_removes));
    let forgets = |run: &mut Run| (run.removes, run.forgets) = (true, true);
    let calm = (Just(Shape::Mesh), any_forgetful_schedule());
    for law in [Run::check_observed_removes, Run::check_equal_tags] {
        assert!(some_breaks(2000, &calm, (crdt(DataType::OrSet), Handler::Union), forgets, law));
    }
}

#[test]
fn the_law_of_the_newest_values_fails_where_one_side_wins() {
    let lww = (lww(TieRule::NodeId, LocalWrite::Merge), Handler::Latest);
    assert!(can_fail(lww, |_| {}, Run::check_nothing_but_the_newest));
    let forgets = |run: &mut Run| run.forgets = true;
    let calm = (Just(Shape::Mesh), any_forgetful_schedule());
    let siblings = (crdt(DataType::MvRegister), Handler::Latest);
    assert!(some_breaks(2000, &calm, siblings, forgets, Run::check_nothing_but_the_newest));
}

#[test]
fn the_law_of_convergence_fails_for_other_rows_than_tombstones_and_upserts() {
    let plain = Rows::default();
    let storm = (any_shape(), any_deleting_schedule());
    for rows in [
        Rows { deletes: DeletePolicy::Hard, ..plain },
        Rows { deletes: DeletePolicy::DeleteWins, ..plain },
        Rows { missing: MissingRow::Skip, ..plain },
    ] {
        let rule = (lww_with(rows), Handler::Latest);
        assert!(some_breaks(3000, &storm, rule, |_| {}, Run::check_convergence), "{rows}");
    }
}

#[test]
fn the_law_of_stalled_logs_fails_where_rows_vanish() {
    let vanishing = lww_with(Rows { deletes: DeletePolicy::Hard, missing: MissingRow::Stall });
    let storm = (any_shape(), any_deleting_schedule());
    for law in [Run::check_convergence, Run::check_everything_delivered] {
        assert!(some_breaks(1000, &storm, (vanishing.clone(), Handler::Latest), |_| {}, law));
    }
}

#[test]
fn the_law_that_no_insertion_is_lost_fails_where_one_side_wins() {
    for rule in [lww(TieRule::NodeId, LocalWrite::Merge), on_write(Handler::Max), on_read(Handler::Latest)] {
        assert!(can_fail((rule, Handler::Union), |_| {}, Run::check_nothing_lost));
    }
}

#[test]
fn the_law_of_sums_fails_where_one_side_wins() {
    for rule in [lww(TieRule::NodeId, LocalWrite::Merge), on_write(Handler::Max)] {
        assert!(can_fail((rule, Handler::Delta), |_| {}, Run::check_sums));
    }
}

#[test]
fn the_laws_of_the_fence_fail_for_the_other_hand_overs() {
    let single = |run: &mut Run| run.single_writers = true;
    let immediate = Rule::HomeLeader(HomeLeader::default());
    assert!(can_fail((immediate.clone(), Handler::Latest), single, Run::check_convergence));
    assert!(can_fail((immediate, Handler::Latest), single, Run::check_last_writes));
}

#[test]
fn the_law_of_recovery_fails_where_a_record_is_missing() {
    let law = |run: &Run| {
        for replica in run.rig.live() {
            if let Some(back) = run.rig.recovered_without_the_last_record(replica.id()) {
                prop_assert_eq!(back.digest(), replica.digest());
            }
        }
        Ok(())
    };
    assert!(can_fail((on_write(Handler::Union), Handler::Union), |_| {}, law));
}

#[test]
fn the_law_of_answers_fails_while_a_replica_still_waits() {
    let mut run = Run::new(Shape::Mesh, fenced(), Handler::Latest);
    // k0 belongs to another leader than the one where client 0 begins, or client 1, or client 2.
    for client in 0..3 {
        run.play(&Action::Begin { client, key: 0, choice: 0, number: 0 });
    }
    let waiting: usize = run.rig.live().map(Replica::waiting).sum();
    assert_eq!(waiting, 2);
    run.finish();
    run.check_requests_answered().unwrap();
}
