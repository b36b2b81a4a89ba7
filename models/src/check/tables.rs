//! All parts that states consist of, each kept once; and what each local step does, worked out once.
//!
//! [`Replica::step`] and [`Session::step`] are functions of what they are given. So the effect of an input on a node at
//! an instant is worked out by the replica itself when it is met first, and looked up after that: a search takes
//! millions of steps and meets a few thousand different ones. A debug build works out one in a few again and compares.

use super::{
    parts::{Budgets, Client, Disk, Issued, Issues, Made, Node, Phase, Wire},
    table::{Id, Interner, Mixing},
    world::{Laws, time_us},
};
use crate::{
    clock::Now,
    id::ReplicaId,
    message::{Entry, Input, Message, Output, Record, Request, RequestId},
    replica::Replica,
    session::{Outcome, Resolution, Session, SessionInput, SessionOutput},
};
use alloc::{sync::Arc, vec::Vec};
use core::{
    hash::{Hash, Hasher},
    marker::PhantomData,
    mem::size_of,
    ops::Range,
};
use hashbrown::HashMap;

/// How often a debug build looks effects up without working them out again.
const LOOK_UPS_PER_CHECK: u32 = 8;

/// Something that a replica wants done, its own disk apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// It has made an entry.
    Made(Id<Arc<Entry>>),
    /// Send with a link's direction: the receiver is told this.
    Forth { place: u8, input: Id<Input> },
    /// Send an acknowledgement against it.
    Back { place: u8, input: Id<Input> },
    /// Say hello against it: heard at once.
    Hello { place: u8, input: Id<Input> },
    /// Answer a client.
    Reply { id: RequestId, reply: Id<SessionInput> },
}

/// What an input does to a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effect {
    pub(super) node: Id<Node>,
    /// Whether what was pending has been sent, too.
    pub(super) flushed: bool,
    wishes: (u32, u16),
}

impl Wish {
    /// What somebody is told by it.
    pub(super) const fn input(self) -> Option<Id<Input>> {
        match self {
            Self::Forth { input, .. } | Self::Back { input, .. } | Self::Hello { input, .. } => Some(input),
            Self::Made(_) | Self::Reply { .. } => None,
        }
    }
}

impl Effect {
    /// Where its wishes are, in their order: see [`Tables::wish`].
    pub(super) const fn wishes(self) -> Range<usize> {
        let (start, count) = self.wishes;
        start as usize..start as usize + count as usize
    }
}

/// What a session has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Send this to the replica where the client is.
    Ask(Id<Request>),
    /// The operation has ended.
    Done(Id<Outcome>),
}

/// What a session is after it was told something, and what it then says.
type Talk = (Id<Session>, Option<Id<Resolution>>, Option<Said>);

/// A node, what it is told, and the number of entries made before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Occasion {
    pub(super) node: Id<Node>,
    pub(super) input: Id<Input>,
    pub(super) tick: u8,
}

/// How a part came about first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Birth {
    /// It was there.
    Beginning,
    /// A replica took an input.
    Step(Occasion),
    /// A session was told something.
    Talk(Id<Session>, Id<SessionInput>),
    /// An operation ended.
    End(Id<Outcome>),
}

/// How the parts of one kind came about, by their numbers.
#[derive(Debug)]
pub(super) struct Births<T>(Vec<Option<Birth>>, PhantomData<fn() -> T>);

impl<T> Default for Births<T> {
    fn default() -> Self {
        Self(Vec::new(), PhantomData)
    }
}

impl<T> Births<T> {
    /// Notes how a part came about, unless it was there before.
    pub(super) fn note(&mut self, id: Id<T>, birth: Birth) {
        let at = id.word() as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        self.0[at].get_or_insert(birth);
    }

    /// How the part came about.
    ///
    /// # Panics
    /// If nobody noted it.
    pub(super) fn of(&self, id: Id<T>) -> Birth {
        match self.0.get(id.word() as usize) {
            Some(&Some(birth)) => birth,
            _ => panic!("nobody noted how {id:?} came about"),
        }
    }

    const fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Option<Birth>>()
    }
}

/// How the parts came about that are made by steps: what images under a change of names are learnt from.
#[derive(Debug, Default)]
pub(super) struct AllBirths {
    pub(super) replicas: Births<Arc<Replica>>,
    pub(super) inputs: Births<Input>,
    pub(super) answers: Births<SessionInput>,
    pub(super) sessions: Births<Session>,
    pub(super) requests: Births<Request>,
    pub(super) outcomes: Births<Outcome>,
    pub(super) entries: Births<Arc<Entry>>,
    pub(super) issued: Births<Issued>,
}

impl Hash for Occasion {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(u64::from(self.node.word()) << 32 | u64::from(self.input.word()));
        hasher.write_u8(self.tick);
    }
}

impl AllBirths {
    const fn bytes(&self) -> usize {
        let Self { replicas, inputs, answers, sessions, requests, outcomes, entries, issued } = self;
        let made = replicas.bytes() + inputs.bytes() + entries.bytes() + issued.bytes();
        made + answers.bytes() + sessions.bytes() + requests.bytes() + outcomes.bytes()
    }
}

type Map<K, V> = HashMap<K, V, Mixing>;

/// The parts, and the effects known.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) nodes: Interner<Node>,
    /// The class of each node, by its number; 0 as long as nobody asked.
    classes: Vec<u32>,
    pub(super) replicas: Interner<Arc<Replica>>,
    forms: Interner<(Phase, i8, Option<Id<Disk>>, Form)>,
    disks: Interner<Disk>,
    pub(super) wires: Interner<Wire>,
    pub(super) clients: Interner<Client>,
    pub(super) sessions: Interner<Session>,
    pub(super) inputs: Interner<Input>,
    pub(super) answers: Interner<SessionInput>,
    pub(super) requests: Interner<Request>,
    pub(super) outcomes: Interner<Outcome>,
    pub(super) resolutions: Interner<Resolution>,
    pub(super) issued: Interner<Issued>,
    pub(super) issues: Interner<Issues>,
    entries: Interner<Arc<Entry>>,
    pub(super) made: Interner<Made>,
    pub(super) budgets: Interner<Budgets>,
    /// The wire on which nothing is under way.
    pub(super) silent: Id<Wire>,
    pub(super) flush: Id<Input>,
    effects: Map<Occasion, Effect>,
    wishes: Vec<Wish>,
    talks: Map<(Id<Session>, Id<SessionInput>), Talk>,
    arrivals: Map<(Id<Request>, RequestId), Id<Input>>,
    /// What is first on a wire, and the rest; a wire with one more.
    firsts: Map<Id<Wire>, (Id<Input>, Id<Wire>)>,
    lasts: Map<(Id<Wire>, Id<Input>), Id<Wire>>,
    pub(super) births: AllBirths,
    looked_up: u32,
}

impl Default for Tables {
    fn default() -> Self {
        let (mut wires, mut inputs) = (Interner::default(), Interner::default());
        Self {
            silent: wires.id(Wire::default()),
            flush: inputs.id(Input::Flush),
            wires,
            inputs,
            nodes: Interner::default(),
            classes: Vec::new(),
            replicas: Interner::default(),
            forms: Interner::default(),
            disks: Interner::default(),
            clients: Interner::default(),
            sessions: Interner::default(),
            answers: Interner::default(),
            requests: Interner::default(),
            outcomes: Interner::default(),
            resolutions: Interner::default(),
            issued: Interner::default(),
            issues: Interner::default(),
            entries: Interner::default(),
            made: Interner::default(),
            budgets: Interner::default(),
            effects: Map::default(),
            wishes: Vec::new(),
            talks: Map::default(),
            arrivals: Map::default(),
            firsts: Map::default(),
            lasts: Map::default(),
            births: AllBirths::default(),
            looked_up: 0,
        }
    }
}

impl Tables {
    // Replicas.

    /// What an input does to a node, after so many entries were made.
    pub(super) fn effect(&mut self, laws: &Laws, node: Id<Node>, input: Id<Input>, tick: u8) -> Effect {
        let occasion = Occasion { node, input, tick };
        if let Some(&known) = self.effects.get(&occasion) {
            if self.is_to_be_checked() {
                let (node, wishes, flushed) = self.work_out(laws, occasion);
                let known_wishes = &self.wishes[known.wishes()];
                assert_eq!((node, &*wishes, flushed), (known.node, known_wishes, known.flushed));
            }
            return known;
        }
        let (node, wishes, flushed) = self.work_out(laws, occasion);
        let (Ok(start), Ok(count)) = (u32::try_from(self.wishes.len()), u16::try_from(wishes.len())) else {
            panic!("the table of effects is full: narrow the scope")
        };
        self.wishes.extend(wishes);
        let effect = Effect { node, flushed, wishes: (start, count) };
        self.effects.insert(occasion, effect);
        effect
    }

    /// Whether what was just looked up is worked out again, for comparison: one in so many, and none in release builds.
    fn is_to_be_checked(&mut self) -> bool {
        self.looked_up = self.looked_up.wrapping_add(u32::from(cfg!(debug_assertions)));
        cfg!(debug_assertions) && self.looked_up.is_multiple_of(LOOK_UPS_PER_CHECK)
    }

    pub(super) fn wish(&self, at: usize) -> Wish {
        self.wishes[at]
    }

    /// Lets the replica take the input. It sends what is then pending at once, unless its answer may bring the next
    /// request before that.
    fn work_out(&mut self, laws: &Laws, occasion: Occasion) -> (Id<Node>, Vec<Wish>, bool) {
        let Occasion { node, input, tick } = occasion;
        let node = self.nodes[node];
        let mut replica = Replica::clone(&self.replicas[node.replica]);
        // Timeouts are not modelled, so the time that they look at stands still.
        let exact_us = time_us(tick) + i64::from(node.offset_ms) * 1000;
        let coarse_us = i64::from(laws.scope.faults.coarse_ms.max(1)) * 1000;
        let now = Now { wall_us: exact_us.div_euclid(coarse_us) * coarse_us, monotonic_us: 0 };
        let mut outputs = Vec::new();
        replica.step(now, self.inputs[input].clone(), &mut outputs);
        let answers = |output: &Output| matches!(output, Output::Reply { .. });
        let flushed = input == self.flush || !laws.asks_back() || !outputs.iter().any(answers);
        if flushed && input != self.flush {
            replica.step(now, Input::Flush, &mut outputs);
        }
        let (me, mut disk, mut wishes) = (replica.id(), node.disk, Vec::new());
        for output in outputs {
            if let (Output::Persist(record), true) = (&output, laws.keeps_disks()) {
                disk = Some(self.disks.id(Disk { before: disk, last: record.clone() }));
            }
            let wish = self.wish_of(laws, me, output);
            wish.into_iter().for_each(|wish| self.note_wish(wish, Birth::Step(occasion)));
            wishes.extend(wish);
        }
        let replica = self.replicas.id(Arc::new(replica));
        self.births.replicas.note(replica, Birth::Step(occasion));
        (self.nodes.id(Node { replica, disk, ..node }), wishes, flushed)
    }

    fn note_wish(&mut self, wish: Wish, birth: Birth) {
        match wish {
            Wish::Made(entry) => self.births.entries.note(entry, birth),
            Wish::Reply { reply, .. } => self.births.answers.note(reply, birth),
            Wish::Forth { input, .. } | Wish::Back { input, .. } | Wish::Hello { input, .. } => {
                self.births.inputs.note(input, birth);
            }
        }
    }

    fn wish_of(&mut self, laws: &Laws, me: ReplicaId, output: Output) -> Option<Wish> {
        match output {
            Output::Persist(Record::Entry(entry)) if entry.version.dot.origin == me => {
                Some(Wish::Made(self.entries.id(entry)))
            }
            Output::Persist(_) | Output::Trace(_) => None,
            Output::Reply { id, reply } => {
                Some(Wish::Reply { id, reply: self.answers.id(SessionInput::Reply(reply)) })
            }
            Output::Send { link, message } => {
                let place = laws.place(link);
                let hello = matches!(message, Message::Hello { .. });
                let input = self.inputs.id(Input::Peer { link, message });
                Some(match (me == link.from, hello) {
                    (true, _) => Wish::Forth { place, input },
                    (false, true) => Wish::Hello { place, input },
                    (false, false) => Wish::Back { place, input },
                })
            }
        }
    }

    /// The class of a node: nodes of one class behave alike, though they may have come about in different ways. To be
    /// asked only when everything pending has been sent.
    pub(super) fn class(&mut self, laws: &Laws, node: Id<Node>) -> u32 {
        self.classes.resize(self.nodes.values().len(), 0);
        let at = node.word() as usize - 1;
        if self.classes[at] == 0 {
            let Node { replica, phase, offset_ms, disk } = self.nodes[node];
            // The order of its records says what a replica would lose with the tail of its log.
            let disk = disk.filter(|_| laws.loses_tails());
            let mut form = Form::default();
            self.replicas[replica].hash_behaviour(&mut form);
            self.classes[at] = self.forms.id((phase, offset_ms, disk, form.packed())).word();
        }
        self.classes[at]
    }

    /// The records of a log on disk, the oldest first.
    pub(super) fn records(&self, disk: Option<Id<Disk>>) -> Vec<Record> {
        let disks = core::iter::successors(disk, |&disk| self.disks[disk].before);
        let mut records: Vec<Record> = disks.map(|disk| self.disks[disk].last.clone()).collect();
        records.reverse();
        records
    }

    /// A log on disk without its last records, but for reservations: those are durable at once.
    pub(super) fn without_tail(&mut self, disk: Option<Id<Disk>>, records: u8) -> Option<Id<Disk>> {
        let mut kept = self.records(disk);
        for _ in 0..records {
            if let Some(last) = kept.iter().rposition(|record| !matches!(record, Record::Reserve(_))) {
                kept.remove(last);
            }
        }
        kept.into_iter().fold(None, |before, last| Some(self.disks.id(Disk { before, last })))
    }

    // Entries.

    /// The entries, the newest first.
    pub(super) fn entries_of(&self, made: Id<Made>) -> impl Iterator<Item = &Arc<Entry>> {
        let newest = self.made[made].last;
        let all = core::iter::successors(newest, |&(before, _)| self.made[before].last);
        all.map(|(_, entry)| &self.entries[entry])
    }

    /// One more entry.
    pub(super) fn make(&mut self, made: Id<Made>, entry: Id<Arc<Entry>>) -> Id<Made> {
        let dot = self.entries[entry].version.dot;
        let twice = self.entries_of(made).any(|known| known.version.dot == dot);
        assert!(!twice, "the position {dot} was given away twice");
        let count = self.made[made].count + 1;
        self.made.id(Made { count, last: Some((made, entry)) })
    }

    // Wires.

    /// What is under way first, in the link's direction, and the wire without it.
    pub(super) fn first_of(&mut self, wire: Id<Wire>) -> (Id<Input>, Id<Wire>) {
        if let Some(&known) = self.firsts.get(&wire) {
            return known;
        }
        let mut rest = self.wires[wire].clone();
        let first = rest.forth.remove(0);
        let known = (first, self.wires.id(rest));
        self.firsts.insert(wire, known);
        known
    }

    /// The wire with one thing more under way in the link's direction.
    pub(super) fn with_last(&mut self, wire: Id<Wire>, input: Id<Input>) -> Id<Wire> {
        if let Some(&known) = self.lasts.get(&(wire, input)) {
            return known;
        }
        let mut longer = self.wires[wire].clone();
        longer.forth.push(input);
        let longer = self.wires.id(longer);
        self.lasts.insert((wire, input), longer);
        longer
    }

    // Clients.

    /// What a session does with what it is told, and what it then says.
    pub(super) fn talk(&mut self, session: Id<Session>, told: Id<SessionInput>) -> Talk {
        if let Some(&known) = self.talks.get(&(session, told)) {
            if self.is_to_be_checked() {
                assert_eq!(self.work_out_talk(session, told), known);
            }
            return known;
        }
        let talk = self.work_out_talk(session, told);
        self.talks.insert((session, told), talk);
        talk
    }

    fn work_out_talk(&mut self, session: Id<Session>, told: Id<SessionInput>) -> Talk {
        let birth = Birth::Talk(session, told);
        let mut session = self.sessions[session].clone();
        let (mut resolved, mut said) = (None, None);
        for output in session.step(self.answers[told].clone()) {
            let more = match output {
                SessionOutput::Send(request) => Said::Ask(self.requests.id(request)),
                SessionOutput::Done(outcome) => Said::Done(self.outcomes.id(outcome)),
                SessionOutput::Resolved(resolution) => {
                    resolved = Some(self.resolutions.id(resolution));
                    continue;
                }
                // What follows says what the reader gets instead.
                SessionOutput::Unresolved { .. } => continue,
            };
            assert!(said.replace(more).is_none(), "a session says one thing at a time");
        }
        match said {
            Some(Said::Ask(request)) => self.births.requests.note(request, birth),
            Some(Said::Done(outcome)) => self.births.outcomes.note(outcome, birth),
            None => {}
        }
        let session = self.sessions.id(session);
        self.births.sessions.note(session, birth);
        (session, resolved, said)
    }

    /// What a replica is told when a request reaches it.
    pub(super) fn arrival(&mut self, id: RequestId, request: Id<Request>) -> Id<Input> {
        let (inputs, requests) = (&mut self.inputs, &self.requests);
        let arrival = || inputs.id(Input::Request { id, request: requests[request].clone() });
        *self.arrivals.entry((request, id)).or_insert_with(arrival)
    }

    /// The bytes that the tables take, by and large: what messages point to is counted as as much again as themselves.
    pub(super) fn bytes(&self) -> usize {
        let map = |entries: usize, size: usize| entries * (size + 1);
        let values = [
            self.nodes.bytes(),
            self.classes.capacity() * size_of::<u32>(),
            self.replicas.bytes()
                + self.replicas.values().iter().map(|replica| replica.bytes()).sum::<usize>(),
            self.forms.bytes()
                + self.forms.values().iter().map(|(.., form)| form.0.capacity()).sum::<usize>(),
            self.disks.bytes(),
            self.wires.bytes(),
            self.clients.bytes(),
            self.sessions.bytes(),
            self.inputs.bytes() * 2,
            self.answers.bytes() * 2,
            self.requests.bytes(),
            self.outcomes.bytes(),
            self.resolutions.bytes(),
            self.issued.bytes(),
            self.issues.bytes(),
            self.entries.bytes() + self.entries.values().len() * 2 * size_of::<Entry>(),
            self.made.bytes(),
            self.budgets.bytes(),
            self.births.bytes(),
        ];
        let effects = map(self.effects.capacity(), size_of::<(Occasion, Effect)>());
        let wishes = self.wishes.capacity() * size_of::<Wish>();
        let talks = map(self.talks.capacity(), size_of::<((u32, u32), (u32, Said))>());
        let arrivals = map(self.arrivals.capacity(), size_of::<((u32, u64), u32)>());
        let wires = map(self.firsts.capacity() + self.lasts.capacity(), size_of::<[u32; 3]>());
        values.iter().sum::<usize>() + effects + wishes + talks + arrivals + wires
    }
}

/// The bytes that stand for what decides a replica's future.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Form(Vec<u8>);

impl Form {
    fn packed(mut self) -> Self {
        self.0.shrink_to_fit();
        self
    }
}

/// Collects what is hashed rather than hashing it: integers narrow, since nearly all are small.
impl Hasher for Form {
    fn finish(&self) -> u64 {
        0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }
    fn write_u64(&mut self, mut number: u64) {
        // LEB128: prefix-free, so that no two sequences of numbers are equal bytes.
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.cast_unsigned() as u64);
    }
    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_side_by_side_are_not_mistaken_for_others() {
        let form = |numbers: &[u64]| {
            let mut form = Form::default();
            numbers.iter().for_each(|&number| form.write_u64(number));
            form
        };
        assert_ne!(form(&[1, 2]), form(&[1 | 2 << 7]));
        assert_ne!(form(&[128, 1]), form(&[0, 1, 1]));
    }

    /// A planted error: a look-up that tells of another node than the one that the replica makes.
    #[test]
    #[cfg(debug_assertions)]
    fn a_look_up_that_is_not_what_the_replica_does_is_caught() {
        use super::super::{Scope, World};
        use crate::{
            strategy::{LastWriteWins, Strategy},
            topology::Topology,
        };
        use std::panic::{AssertUnwindSafe, catch_unwind};
        let world = World::new(Scope::new(Strategy::Lww(LastWriteWins::default()), Topology::Ring)).unwrap();
        let laws = world.laws();
        let mut tables = Tables::default();
        let mut node = |me| {
            let replica = tables.replicas.id(Arc::new(Replica::new(Arc::clone(&laws.config), ReplicaId(me))));
            tables.nodes.id(Node { replica, phase: Phase::Live, offset_ms: 0, disk: None })
        };
        let (node, other) = (node(0), node(1));
        let input = tables.flush;
        let look_up = |tables: &mut Tables| {
            let look_ups = || (0..LOOK_UPS_PER_CHECK).all(|_| tables.effect(laws, node, input, 0).flushed);
            catch_unwind(AssertUnwindSafe(look_ups)).is_ok()
        };
        assert!(look_up(&mut tables), "all is well as it is");
        let known = tables.effects.get_mut(&Occasion { node, input, tick: 0 }).unwrap();
        known.node = other;
        assert!(!look_up(&mut tables), "the planted error was not noticed");
    }
}
