//! All writes of a history, compactly: about a hundred bytes each, so that millions fit.
//!
//! Kept per write: times, stamp, dot, the position in the log of each leader that its leader had applied (an arena of
//! integers), the writes that it was executed on, and what it asks. Values are kept where an effect has to be looked
//! up later (elements, items, slots, collections); of a scalar that a `put` writes, only its hash.
//!
//! Kept per session: its writes in order, and which versions it read first at which time, once each. So session
//! knowledge is exact, and bounded by the number of different versions that the session has read.

use super::known::Known;
use crate::history::{Event, OperationResult};
use quarrel_models::{
    clock::Stamp,
    fault::Fault,
    handler::Effect,
    id::{ClientId, Dot, ReplicaId, WriteId},
    operation::Operation,
    value::{Key, Value},
};
use smol_str::SmolStr;
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

/// No write, vector, value, or field.
pub(crate) const NONE: u32 = u32::MAX;
/// The most versions of one read that are remembered as read.
const MAX_READ_VERSIONS: usize = 16;

/// How far a write got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Named by others, not seen itself.
    Mentioned,
    /// Under way, or never answered.
    Open,
    /// It happened.
    Acknowledged,
    /// It did not happen.
    Failed,
    /// It may have happened.
    Unanswered,
    /// A session's resolution of siblings: no operation of the workload.
    Resolution,
}

/// What a write asks, without its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Replaces the record.
    Put,
    /// Deletes it.
    Delete,
    /// Adds to an integer.
    Add,
    /// Inserts into a set.
    Insert,
    /// Removes from a set.
    Remove,
    /// Appends to a list.
    Append,
    /// Takes a field.
    Claim,
    /// Frees a field.
    Release,
    /// Frees a field and takes another.
    Move,
    /// Not known.
    Unknown,
}

impl Kind {
    /// Whether it replaces the whole record.
    #[must_use]
    pub const fn replaces(self) -> bool {
        matches!(self, Self::Put | Self::Delete)
    }

    /// What handlers see of it.
    #[must_use]
    pub const fn effect(self) -> Effect {
        match self {
            Self::Insert => Effect::Insert,
            Self::Append => Effect::Append,
            Self::Add => Effect::Add,
            Self::Claim => Effect::Claim,
            Self::Put | Self::Delete | Self::Remove | Self::Release | Self::Move | Self::Unknown => {
                Effect::Other
            }
        }
    }
}

/// One write.
#[derive(Debug, Clone)]
pub struct Write {
    /// When it began, nanoseconds; 0 if not known.
    pub call: u64,
    /// When it was acknowledged; `u64::MAX` if it was not.
    pub ack: u64,
    /// The hash of a put value, an added number, or two fields.
    pub(crate) payload: u64,
    stamp_us: i64,
    stamp_logical: u32,
    client: u32,
    sequence: u32,
    /// The record's number.
    pub(crate) key: u32,
    /// The number of its value.
    pub(crate) value: u32,
    position: u32,
    vector: u32,
    parents: u32,
    origin: u8,
    /// What it asks.
    pub kind: Kind,
    /// How far it got.
    pub state: State,
    flags: u8,
}

const STAMPED: u8 = 1;
/// The system's conflict log says that it lost.
const RECORDED: u8 = 2;
/// Its client moved while it was under way: two leaders may have taken it, each on what it had.
const MOVED: u8 = 4;

/// The hash of a value: the same in every run.
pub(crate) fn hash_of(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Write {
    /// Whether it was acknowledged.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.state == State::Acknowledged
    }

    /// Whether it happened or may have happened.
    #[must_use]
    pub const fn may_have_happened(&self) -> bool {
        !matches!(self.state, State::Failed)
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> WriteId {
        WriteId { client: ClientId(self.client), sequence: self.sequence }
    }

    /// The leader that took it.
    #[must_use]
    pub const fn leader(&self) -> ReplicaId {
        ReplicaId(self.origin)
    }

    /// Where it entered the cluster, if the system told.
    #[must_use]
    pub fn dot(&self) -> Option<Dot> {
        (self.position > 0).then_some(Dot { origin: self.leader(), position: self.position })
    }

    /// Its stamp, if the system told.
    #[must_use]
    pub const fn stamp(&self) -> Option<Stamp> {
        if self.flags & STAMPED == 0 {
            return None;
        }
        Some(Stamp { time_us: self.stamp_us, logical: self.stamp_logical })
    }

    /// Whether a vector, if there is one, covers it.
    fn is_within(&self, vector: &[u32]) -> bool {
        self.position > 0
            && vector.get(usize::from(self.origin)).is_some_and(|&position| position >= self.position)
    }

    /// Whether the system recorded its loss.
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        self.flags & RECORDED != 0
    }

    /// Whether its client moved while it was under way. Then two leaders may have taken it, and what the
    /// acknowledgement tells holds for one of the copies only.
    #[must_use]
    pub const fn was_moved(&self) -> bool {
        self.flags & MOVED != 0
    }

    /// The number that an `add` adds.
    #[must_use]
    pub const fn delta(&self) -> i64 {
        self.payload.cast_signed()
    }
}

#[derive(Debug, Default)]
struct Session {
    /// Its writes, in the order of their numbers.
    writes: Vec<u32>,
    /// The versions read, and how many writes the history had then.
    reads: Vec<(u32, u32)>,
    compacted: usize,
    open: Open,
}

#[derive(Debug, Clone, Copy, Default)]
enum Open {
    #[default]
    Nothing,
    Read,
    Write(u32),
}

/// All writes, in the order in which they began.
#[derive(Debug, Default)]
pub struct Writes {
    records: Vec<Write>,
    clients: HashMap<ClientId, u32>,
    sessions: Vec<Session>,
    key_numbers: HashMap<Key, u32>,
    keys: Vec<Key>,
    values: Vec<Value>,
    field_numbers: HashMap<SmolStr, u32>,
    fields: Vec<SmolStr>,
    leaders: usize,
    vectors: Vec<u32>,
    /// For each write that has parents: their number, then they.
    parents: Vec<u32>,
    resolution_values: HashMap<u32, Option<Value>>,
    has_deletes: bool,
    known: Known,
}

fn narrow(length: usize) -> u32 {
    u32::try_from(length)
        .ok()
        .filter(|&n| n < NONE)
        .expect("a history has fewer than four thousand million of anything")
}

impl Writes {
    /// No writes yet, of a cluster with this many leaders.
    #[must_use]
    pub fn new(leaders: usize) -> Self {
        Self { leaders, ..Self::default() }
    }

    /// Sees the next event.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Invoke { t, client, at, key, op, write } => {
                let session = self.session(*client);
                let open = match write.filter(|_| op.is_write()) {
                    Some(write) => Open::Write(self.begin(*t, *at, key, op, write)),
                    None => Open::Read,
                };
                self.sessions[session].open = open;
            }
            Event::Ok { t, client, result } => {
                let session = self.session(*client);
                match std::mem::take(&mut self.sessions[session].open) {
                    Open::Write(write) => self.acknowledge(write, *t, result),
                    Open::Read => self.read(session, &result.versions),
                    Open::Nothing => {}
                }
            }
            Event::Fail { client, .. } => self.give_up(*client, State::Failed),
            Event::Info { client, .. } => self.give_up(*client, State::Unanswered),
            Event::Resolve { t, key, write, over, value, dot, .. } => {
                self.resolve(*t, key, *write, over, value.as_ref(), *dot);
            }
            Event::Nemesis { fault: Fault::Relocate { client, .. }, .. } => {
                let session = self.session(*client);
                if let Open::Write(write) = self.sessions[session].open {
                    self.records[write as usize].flags |= MOVED;
                }
            }
            Event::Recorded { loser, .. } => {
                let loser = self.intern(*loser);
                self.records[loser as usize].flags |= RECORDED;
            }
            Event::Final { key, versions, .. } => {
                self.key(key);
                for version in versions {
                    let write = self.intern(version.write);
                    let record = &mut self.records[write as usize];
                    // A final read tells where an unanswered write went.
                    if record.position == 0 {
                        record.origin = version.dot.origin.0;
                        record.position = version.dot.position;
                    }
                    if record.flags & STAMPED == 0 {
                        record.set_stamp(version.stamp);
                    }
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, t: u64, at: ReplicaId, key: &Key, op: &Operation, id: WriteId) -> u32 {
        let write = self.intern(id);
        let fresh = self.records[write as usize].state == State::Mentioned;
        if !fresh {
            // A retry: the same operation, under way again unless it was acknowledged.
            let record = &mut self.records[write as usize];
            if record.state != State::Acknowledged {
                record.state = State::Open;
            }
            return write;
        }
        let key = self.key(key);
        let (kind, payload, value) = self.effect(op);
        let record = &mut self.records[write as usize];
        (record.kind, record.payload, record.value) = (kind, payload, value);
        (record.key, record.call, record.state) = (key, t, State::Open);
        if record.position == 0 {
            record.origin = at.0;
        }
        write
    }

    fn effect(&mut self, op: &Operation) -> (Kind, u64, u32) {
        match op {
            Operation::Read => (Kind::Unknown, 0, NONE),
            Operation::Put(value) => {
                let collection = matches!(value, Value::List(_) | Value::Set(_) | Value::Map(_));
                let kept = if collection { self.value(value) } else { NONE };
                (Kind::Put, hash_of(value), kept)
            }
            Operation::Delete => {
                self.has_deletes = true;
                (Kind::Delete, 0, NONE)
            }
            Operation::Add(delta) => (Kind::Add, delta.cast_unsigned(), NONE),
            Operation::Insert(element) => (Kind::Insert, 0, self.value(element)),
            Operation::Remove(element) => {
                self.has_deletes = true;
                (Kind::Remove, 0, self.value(element))
            }
            Operation::Append(item) => (Kind::Append, 0, self.value(item)),
            Operation::Claim { field, value } => {
                (Kind::Claim, u64::from(self.field(field)), self.value(value))
            }
            Operation::Release { field, value } => {
                self.has_deletes = true;
                (Kind::Release, u64::from(self.field(field)), self.value(value))
            }
            Operation::Move { from, to, value } => {
                self.has_deletes = true;
                let fields = u64::from(self.field(to)) | u64::from(self.field(from)) << 32;
                (Kind::Move, fields, self.value(value))
            }
        }
    }

    fn acknowledge(&mut self, write: u32, t: u64, result: &OperationResult) {
        let index = write as usize;
        if self.records[index].is_acknowledged() {
            return;
        }
        let vector = result.knew.as_ref().map_or(NONE, |knew| {
            let at = narrow(self.vectors.len() / self.leaders.max(1));
            let known = knew.as_slice().iter().copied().chain(std::iter::repeat(0));
            self.vectors.extend(known.take(self.leaders));
            at
        });
        let parents = self.list(&result.versions);
        let record = &mut self.records[index];
        record.ack = t;
        record.state = State::Acknowledged;
        record.vector = vector;
        record.parents = parents;
        if let Some(dot) = result.dot {
            (record.origin, record.position) = (dot.origin.0, dot.position);
        }
        if let Some(stamp) = result.stamp {
            record.set_stamp(stamp);
        }
    }

    fn list(&mut self, writes: &[WriteId]) -> u32 {
        if writes.is_empty() {
            return NONE;
        }
        let at = narrow(self.parents.len());
        self.parents.push(narrow(writes.len()));
        for &write in writes {
            let parent = self.intern(write);
            self.parents.push(parent);
        }
        at
    }

    fn read(&mut self, session: usize, versions: &[WriteId]) {
        for &version in versions.iter().take(MAX_READ_VERSIONS) {
            let version = self.intern(version);
            let now = narrow(self.records.len());
            let session = &mut self.sessions[session];
            if session.reads.last().is_some_and(|&(last, _)| last == version) {
                continue;
            }
            session.reads.push((version, now));
            if session.reads.len() > 2 * session.compacted + 1024 {
                session.compact();
            }
        }
    }

    fn give_up(&mut self, client: ClientId, state: State) {
        let session = self.session(client);
        if let Open::Write(write) = std::mem::take(&mut self.sessions[session].open) {
            let record = &mut self.records[write as usize];
            if record.state == State::Open {
                record.state = state;
            }
        }
    }

    fn resolve(
        &mut self,
        t: u64,
        key: &Key,
        id: WriteId,
        over: &[WriteId],
        value: Option<&Value>,
        dot: Option<Dot>,
    ) {
        let write = self.intern(id);
        let key = self.key(key);
        let parents = self.list(over);
        let record = &mut self.records[write as usize];
        (record.key, record.parents, record.state) = (key, parents, State::Resolution);
        if let Some(dot) = dot {
            record.ack = t;
            (record.origin, record.position) = (dot.origin.0, dot.position);
        }
        self.resolution_values.insert(write, value.cloned());
    }

    /// The last word before questions are asked.
    pub(crate) fn settle(&mut self) {
        for session in &mut self.sessions {
            session.compact();
        }
        for record in &mut self.records {
            if record.state == State::Open {
                record.state = State::Unanswered;
            }
        }
        self.known = Known::of(self);
    }

    fn session(&mut self, client: ClientId) -> usize {
        let next = narrow(self.sessions.len());
        let number = *self.clients.entry(client).or_insert(next);
        if number == next {
            self.sessions.push(Session::default());
        }
        number as usize
    }

    fn key(&mut self, key: &Key) -> u32 {
        if let Some(&number) = self.key_numbers.get(key) {
            return number;
        }
        let number = narrow(self.keys.len());
        self.key_numbers.insert(key.clone(), number);
        self.keys.push(key.clone());
        number
    }

    fn field(&mut self, field: &SmolStr) -> u32 {
        if let Some(&number) = self.field_numbers.get(field) {
            return number;
        }
        let number = narrow(self.fields.len());
        self.field_numbers.insert(field.clone(), number);
        self.fields.push(field.clone());
        number
    }

    fn value(&mut self, value: &Value) -> u32 {
        let number = narrow(self.values.len());
        self.values.push(value.clone());
        number
    }

    /// The number of a write; a new one if it was not seen yet.
    fn intern(&mut self, id: WriteId) -> u32 {
        let session = self.session(id.client);
        let place = match self.place(session, id.sequence) {
            Ok(write) => return write,
            Err(place) => place,
        };
        let number = narrow(self.records.len());
        self.sessions[session].writes.insert(place, number);
        self.records.push(Write::mentioned(id));
        number
    }

    /// The write of a session with this number, or the place where it belongs.
    fn place(&self, session: usize, sequence: u32) -> Result<u32, usize> {
        let writes = &self.sessions[session].writes;
        let sequence_of = |write: u32| self.records[write as usize].sequence;
        // Nearly always it is a new one at the end, or they are numbered without gaps.
        match writes.last() {
            None => return Err(0),
            Some(&last) if sequence_of(last) < sequence => return Err(writes.len()),
            Some(_) => {}
        }
        if let Some(&guess) = sequence.checked_sub(1).and_then(|at| writes.get(at as usize))
            && sequence_of(guess) == sequence
        {
            return Ok(guess);
        }
        writes.binary_search_by_key(&sequence, |&write| sequence_of(write)).map(|at| writes[at])
    }

    /// The write of this name.
    #[must_use]
    pub fn find(&self, id: WriteId) -> Option<u32> {
        let session = *self.clients.get(&id.client)?;
        self.place(session as usize, id.sequence).ok()
    }

    /// The write of this number.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn get(&self, write: u32) -> &Write {
        &self.records[write as usize]
    }

    /// How many writes there are, those included that were only named.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether anything was deleted, removed, freed or moved.
    #[must_use]
    pub const fn has_deletes(&self) -> bool {
        self.has_deletes
    }

    /// The record that a write went to.
    #[must_use]
    pub fn key_of(&self, write: &Write) -> Option<&Key> {
        self.keys.get(write.key as usize)
    }

    pub(crate) fn key_name(&self, key: u32) -> &Key {
        &self.keys[key as usize]
    }

    pub(crate) fn value_of(&self, write: &Write) -> Option<&Value> {
        self.values.get(write.value as usize)
    }

    pub(crate) fn field_name(&self, field: u32) -> &str {
        self.fields.get(field as usize).map_or("", SmolStr::as_str)
    }

    /// The writes that a write was executed on; for a resolution, those that it replaced.
    #[must_use]
    pub fn parents(&self, write: u32) -> &[u32] {
        let at = self.get(write).parents;
        if at == NONE {
            return &[];
        }
        let start = at as usize + 1;
        &self.parents[start..start + self.parents[at as usize] as usize]
    }

    /// The value of a resolution.
    pub(crate) fn resolution(&self, write: u32) -> Option<&Value> {
        self.resolution_values.get(&write).and_then(Option::as_ref)
    }

    /// What the leader that took `write` had applied of each leader's log; nothing where the system tells no vectors.
    pub(super) fn applied_before(&self, write: u32) -> &[u32] {
        match self.get(write).vector {
            NONE => &[],
            vector => &self.vectors[vector as usize * self.leaders..][..self.leaders],
        }
    }

    pub(super) const fn leaders(&self) -> usize {
        self.leaders
    }

    /// Whether `write` was made in the knowledge of `other`: the leader that took it had applied that, or what it was
    /// executed on had been made in the knowledge of it. Never true where the system tells no vectors.
    #[must_use]
    pub fn leader_knew(&self, write: u32, other: u32) -> bool {
        self.leader_had(write, other) || self.get(other).is_within(self.known.of_write(write))
    }

    /// Whether the leader that took `write` had applied `other` itself then.
    #[must_use]
    pub fn leader_had(&self, write: u32, other: u32) -> bool {
        self.get(other).is_within(self.applied_before(write))
    }

    /// Whether every copy of `write` was surely made at a leader that had applied `other`.
    #[must_use]
    pub fn made_on(&self, write: u32, other: u32) -> bool {
        !self.get(write).was_moved() && self.leader_had(write, other)
    }

    /// Whether the session of `write` had written or read `other` before.
    #[must_use]
    pub fn session_knew(&self, write: u32, other: u32) -> bool {
        let record = self.get(write);
        if record.client == self.get(other).client && self.get(other).sequence < record.sequence {
            return true;
        }
        let Some(&session) = self.clients.get(&ClientId(record.client)) else { return false };
        let reads = &self.sessions[session as usize].reads;
        let at = reads.partition_point(|&(version, _)| version < other);
        reads.get(at).is_some_and(|&(version, when)| version == other && when <= write)
    }

    /// The numbers of all writes, record by record, each record's in the order in which they began: the writes, and
    /// where each record's begin.
    pub(crate) fn by_key(&self) -> (Vec<u32>, Vec<u32>) {
        let mut starts = vec![0_u32; self.keys.len() + 1];
        let keyed = || self.records.iter().filter(|record| record.key != NONE);
        for record in keyed() {
            starts[record.key as usize + 1] += 1;
        }
        for key in 1..starts.len() {
            starts[key] += starts[key - 1];
        }
        let mut next = starts.clone();
        let mut order = vec![0_u32; keyed().count()];
        for (number, record) in (0_u32..).zip(&self.records) {
            if record.key != NONE {
                let place = &mut next[record.key as usize];
                order[*place as usize] = number;
                *place += 1;
            }
        }
        (order, starts)
    }
}

impl Write {
    const fn mentioned(id: WriteId) -> Self {
        Self {
            call: 0,
            ack: u64::MAX,
            payload: 0,
            stamp_us: 0,
            stamp_logical: 0,
            client: id.client.0,
            sequence: id.sequence,
            key: NONE,
            value: NONE,
            position: 0,
            vector: NONE,
            parents: NONE,
            origin: 0,
            kind: Kind::Unknown,
            state: State::Mentioned,
            flags: 0,
        }
    }

    const fn set_stamp(&mut self, stamp: Stamp) {
        self.stamp_us = stamp.time_us;
        self.stamp_logical = stamp.logical;
        self.flags |= STAMPED;
    }
}

impl Session {
    /// Keeps of every version that was read the first time.
    fn compact(&mut self) {
        self.reads.sort_unstable();
        self.reads.dedup_by_key(|&mut (version, _)| version);
        self.compacted = self.reads.len();
    }
}
