//! A schedule under way, and what may be asked of it at its end: the laws themselves.

use crate::{
    rig::{Event, Rig},
    schedule::{Action, LEADERS, Schedule, Shape},
};
use proptest::prelude::*;
use quarrel_models::{
    handler::Handler,
    id::{ClientId, Dot, LinkId, ReplicaId, WriteId},
    message::{Entry, Input, Record, TraceEvent},
    operation::{KeyedOperation, Operation},
    replica::{Config, Replica},
    session::{Outcome, SessionInput},
    strategy::Strategy as Rule,
    tags::Tag,
    value::{Key, Value},
    version::Cell,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A schedule under way, with what the clients were told.
pub(crate) struct Run {
    pub(crate) rig: Rig,
    /// The kind of operations: see [`Run::operation`].
    pub(crate) handler: Handler,
    pub(crate) under_way: BTreeMap<ClientId, KeyedOperation>,
    pub(crate) acknowledged: Vec<KeyedOperation>,
    /// Operations that may or may not have happened.
    pub(crate) unknown: Vec<KeyedOperation>,
    /// Only one client ever writes a record.
    pub(crate) single_writers: bool,
    /// Sets of few elements, which are also removed.
    pub(crate) removes: bool,
    pub(crate) loses_tails: bool,
    pub(crate) forgets: bool,
    /// The write at each dot, as its leader named it.
    pub(crate) dots: BTreeMap<Dot, WriteId>,
    pub(crate) reused: Option<Dot>,
    pub(crate) unique: i64,
}

impl Run {
    pub(crate) fn new(shape: Shape, rule: Rule, handler: Handler) -> Self {
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
    pub(crate) fn operation(&mut self, choice: u8, number: i64) -> Operation {
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

    pub(crate) fn link(&self, index: usize) -> LinkId {
        let links = self.rig.links();
        links[index % links.len()]
    }

    pub(crate) fn replica(&self, index: usize) -> ReplicaId {
        ReplicaId::from_index(index % self.rig.config.graph.replica_count())
    }

    pub(crate) fn play(&mut self, action: &Action) {
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

    pub(crate) fn begin(&mut self, client: u32, key: u8, choice: u8, number: i64) {
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
    pub(crate) fn listen(&mut self) {
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
    pub(crate) fn finish(&mut self) {
        self.rig.settle();
        self.listen();
        for (client, _) in self.under_way.clone() {
            self.rig.session(client, SessionInput::Unanswered);
        }
        self.listen();
        self.rig.settle();
        self.listen();
    }

    pub(crate) fn values(&self, key: &Key) -> Vec<Value> {
        let replica = self.rig.live().next().unwrap();
        let Some((_, cell)) = replica.cells().find(|(held, _)| *held == key) else { return vec![] };
        match &cell.merged {
            Some(merged) => merged.iter().cloned().collect(),
            None => cell.versions.iter().filter_map(|version| version.value.clone()).collect(),
        }
    }

    pub(crate) fn check_convergence(&self) -> Result<(), TestCaseError> {
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

    pub(crate) fn check_requests_answered(&self) -> Result<(), TestCaseError> {
        for replica in self.rig.live() {
            prop_assert_eq!(replica.waiting(), 0, "{} still owes an answer", replica.id());
        }
        Ok(())
    }

    /// Every acknowledged insertion and append is in the final value or in a sibling.
    pub(crate) fn check_nothing_lost(&self) -> Result<(), TestCaseError> {
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
    pub(crate) fn check_sums(&self) -> Result<(), TestCaseError> {
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
    pub(crate) fn check_last_writes(&self) -> Result<(), TestCaseError> {
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
    pub(crate) fn entries(&self) -> BTreeMap<Key, BTreeMap<Dot, Arc<Entry>>> {
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
    pub(crate) fn check_observed_removes(&self) -> Result<(), TestCaseError> {
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
    pub(crate) fn check_equal_tags(&self) -> Result<(), TestCaseError> {
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
    pub(crate) fn check_nothing_but_the_newest(&self) -> Result<(), TestCaseError> {
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
    pub(crate) fn check_everything_delivered(&self) -> Result<(), TestCaseError> {
        let mut applied: Vec<_> = self.rig.live().map(Replica::applied).collect();
        applied.dedup();
        prop_assert!(applied.len() < 2, "{applied:?}");
        Ok(())
    }

    pub(crate) fn check_positions(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.reused, None, "a position is given away twice");
        Ok(())
    }

    /// Every live replica would come back as it is.
    pub(crate) fn check_recovery(&self) -> Result<(), TestCaseError> {
        for replica in self.rig.live() {
            let back: Replica = self.rig.recovered(replica.id());
            prop_assert_eq!(back.digest(), replica.digest());
            prop_assert_eq!(back.applied(), replica.applied());
        }
        Ok(())
    }
}

pub(crate) fn played(shape: Shape, rule: Rule, handler: Handler, schedule: &Schedule) -> Run {
    played_with(|_| {}, shape, rule, handler, schedule)
}

pub(crate) fn played_with(
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

/// Machines lose what they have not synced, and leaders reserve so many positions at a time.
pub(crate) fn losing_tails(reserve: u32) -> impl Fn(&mut Run) {
    move |run| {
        let config = Config { reserve, ..(*run.rig.config).clone() };
        run.rig = Rig::new(config, true);
        run.loses_tails = true;
    }
}
