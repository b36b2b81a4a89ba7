//! A replica: [`Replica::step`] is the one entry point. Inputs and time go in, outputs come out, nothing else happens.
//!
//! A write is executed at the leader that takes it, gets a position in that leader's log, is installed in the store by
//! the strategy, and is sent along the links. Every replica applies the log of each origin in order, exactly once; the
//! strategy decides what each version does to the record. Relays pass on what they applied *and* what they discarded.
//!
//! The rooms: `log` the logs by origin, `links` sending and acknowledging, `home` who takes a record's writes, `seen`
//! idempotency keys, `stall` logs that wait for a row, `amnesia` what is forgotten on purpose, `recovery` the way back from the write-ahead log,
//! `canonical` what a fingerprint covers.

mod amnesia;
#[cfg(feature = "check")]
mod canonical;
mod home;
mod links;
mod log;
mod recovery;
mod seen;
mod stall;

use crate::{
    clock::{Now, StampClock},
    id::{Dot, LinkId, LogPosition, ReplicaId, WriteId},
    message::{
        Entry, Input, Message, Output, Parents, ReadView, Record, Refusal, Reply, Request, RequestId,
        TraceEvent, Written,
    },
    mutant::{self, Mutant},
    random::{FNV_OFFSET, fnv1a_step},
    strategy::{Decision, Incoming, Outcome, Shipment, Site, Strategy},
    topology::Graph,
    value::Key,
    version::{Cell, Version, VersionVector},
};
use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec, vec::Vec};
use core::hash::{Hash, Hasher};
use home::Homes;
use links::{Greeting, OutLink};
use log::OriginLog;
use seen::{Remembered, Seen};
use stall::Stalls;

/// Where outputs go: the caller's buffer, reused from step to step.
pub type Outputs = Vec<Output>;

/// What all replicas of a cluster have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Config {
    /// The replicas and links.
    pub graph: Graph,
    /// The conflict strategy.
    pub strategy: Strategy,
    /// How long a request waits for what its session token names, microseconds.
    pub token_wait_us: u64,
    /// How long a write waits for the home of its record, microseconds.
    pub home_wait_us: u64,
    /// After how long a silence something is sent again, microseconds.
    pub retransmit_us: u64,
    /// The most entries in one message.
    pub batch: usize,
    /// The most entries sent and not acknowledged on one link.
    pub window: u32,
    /// How many acknowledged entries of each origin are kept for receivers that lost their tail.
    pub retention: usize,
    /// How many log positions are reserved at a time; 0 where the log's tail is never lost.
    pub reserve: u32,
    /// A planted defect.
    #[cfg(any(test, feature = "mutants"))]
    pub mutant: Option<Mutant>,
}

impl Config {
    /// The usual limits for a cluster.
    #[must_use]
    pub const fn new(graph: Graph, strategy: Strategy) -> Self {
        Self {
            graph,
            strategy,
            token_wait_us: 1_000_000,
            home_wait_us: 1_000_000,
            retransmit_us: 100_000,
            batch: 512,
            window: 16_384,
            retention: 65_536,
            reserve: 0,
            #[cfg(any(test, feature = "mutants"))]
            mutant: None,
        }
    }

    /// The planted defect: none, but where checkers are tested.
    #[must_use]
    pub const fn mutant(&self) -> Option<Mutant> {
        #[cfg(any(test, feature = "mutants"))]
        {
            self.mutant
        }
        #[cfg(not(any(test, feature = "mutants")))]
        {
            None
        }
    }

    /// Plants a defect, where this build can: under the feature `mutants`. Whether it could.
    #[cfg_attr(
        not(any(test, feature = "mutants")),
        expect(clippy::missing_const_for_fn, reason = "nothing is left of it here")
    )]
    pub fn plant(&mut self, mutant: Option<Mutant>) -> bool {
        #[cfg(any(test, feature = "mutants"))]
        {
            self.mutant = mutant;
            true
        }
        #[cfg(not(any(test, feature = "mutants")))]
        {
            mutant.is_none()
        }
    }

    pub(crate) fn suffers(&self, mutant: Mutant) -> bool {
        self.mutant() == Some(mutant)
    }

    /// Puts a version into a cell, as the strategy does.
    fn install(&self, cell: &mut Cell, incoming: Incoming, site: Site, me: ReplicaId) -> Outcome {
        match self.mutant() {
            None => self.strategy.install(cell, incoming, site),
            Some(mutant) => mutant::install(mutant, &self.strategy, cell, incoming, site, me),
        }
    }
}

/// A request that waits until the replica has caught up with its session's token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Waiting {
    id: RequestId,
    request: Request,
    deadline_us: u64,
}

/// A replica of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    config: Arc<Config>,
    me: ReplicaId,
    clock: StampClock,
    applied: VersionVector,
    /// The cells stand apart: a map's node has room for eleven, and most worlds of the model have one record.
    store: BTreeMap<Key, Box<Cell>>,
    logs: Vec<OriginLog>,
    links: Vec<OutLink>,
    acks_due: Vec<ReplicaId>,
    greetings: Vec<Greeting>,
    seen: Seen,
    homes: Homes,
    waiting: Vec<Waiting>,
    stalls: Stalls,
    /// The position up to which this leader's log is reserved.
    reserved: LogPosition,
    /// The position before the next write of this leader.
    position: LogPosition,
}

impl Replica {
    /// A replica that has seen nothing.
    ///
    /// # Panics
    /// If `me` is not in the graph of `config`, or if the limits of `config` let nothing be sent.
    #[must_use]
    pub fn new(config: Arc<Config>, me: ReplicaId) -> Self {
        assert!(me.index() < config.graph.replica_count(), "{me} is not in the cluster");
        assert!(config.batch > 0 && config.window > 0, "a batch or a window of 0 entries sends nothing");
        let config = match config.strategy.at(me) {
            Some(strategy) => Arc::new(Config { strategy, ..(*config).clone() }),
            None => config,
        };
        let links = config.graph.targets(me).map(OutLink::new).collect();
        Self {
            me,
            clock: StampClock::new(config.strategy.resolver().clock()),
            applied: VersionVector::new(),
            store: BTreeMap::new(),
            logs: vec![OriginLog::default(); config.graph.leader_count()],
            links,
            acks_due: Vec::new(),
            greetings: Vec::new(),
            seen: Seen::default(),
            homes: Homes::default(),
            waiting: Vec::new(),
            stalls: Stalls::new(),
            reserved: 0,
            position: 0,
            config,
        }
    }

    /// Takes one input at one instant, and appends what is to be done to `out`.
    pub fn step(&mut self, now: Now, input: Input, out: &mut Outputs) {
        match input {
            Input::Request { id, request } => self.request(now, id, request, out),
            Input::Connected { from } => self.greet(now, from, out),
            Input::Disconnected { to } => self.disconnected(to),
            Input::Peer { link, message } => self.peer(now, link, message, out),
            Input::Flush => self.flush(now, out),
            Input::Tick => self.tick(now, out),
            Input::Collect => self.collect(Some(out)),
            Input::Forget => self.forget(Some(out)),
            Input::TakeHome { key } => self.take_home(now, key, out),
        }
        self.resume_stalled(now, out);
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> ReplicaId {
        self.me
    }

    /// What it has applied of each leader's log.
    #[must_use]
    pub const fn applied(&self) -> &VersionVector {
        &self.applied
    }

    /// What it holds, in the order of keys.
    pub fn cells(&self) -> impl Iterator<Item = (&Key, &Cell)> {
        self.store.iter().map(|(key, cell)| (key, &**cell))
    }

    /// What it holds after `key`, in the order of keys.
    pub fn cells_after(&self, key: Option<&Key>) -> impl Iterator<Item = (&Key, &Cell)> {
        use core::ops::Bound::{Excluded, Unbounded};
        let after = (key.map_or(Unbounded, Excluded), Unbounded);
        self.store.range::<Key, _>(after).map(|(key, cell)| (key, &**cell))
    }

    /// The number of client requests that wait for something.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len() + self.homes.waiting()
    }

    /// Whether a tick may ever make it do anything, if nothing else comes before: something was sent and not
    /// acknowledged, or something is waited for. Whoever drives it need not let it tick otherwise.
    #[must_use]
    pub fn awaits_tick(&self) -> bool {
        !self.waiting.is_empty()
            || !self.greetings.is_empty()
            || self.homes.awaits_tick()
            || self.links.iter().any(OutLink::awaits_tick)
    }

    /// A digest of what clients can see here: equal states have equal digests. FNV-1a over keys, versions and values.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = Fnv(FNV_OFFSET);
        for (key, cell) in &self.store {
            key.hash(&mut hasher);
            for version in &cell.versions {
                (version.write, version.dot, &version.value).hash(&mut hasher);
            }
            cell.merged.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Whether what it sends waits until what it persists is durable: always, but for a planted defect.
    pub(crate) fn persists_first(&self) -> bool {
        !self.config.suffers(Mutant::AckBeforePersist)
    }

    fn tick(&mut self, now: Now, out: &mut Outputs) {
        self.retransmit(now, out);
        self.tick_homes(now, out);
        let late = |waiting: &Waiting| now.monotonic_us >= waiting.deadline_us;
        for waiting in self.waiting.iter().filter(|waiting| late(waiting)) {
            out.push(Output::Reply { id: waiting.id, reply: Reply::Refused(Refusal::BehindToken) });
        }
        self.waiting.retain(|waiting| !late(waiting));
    }

    fn request(&mut self, now: Now, id: RequestId, request: Request, out: &mut Outputs) {
        if let Err(refusal) = self.admit(&request) {
            return out.push(Output::Reply { id, reply: Reply::Refused(refusal) });
        }
        let behind = request.token.as_ref().is_some_and(|token| !self.applied.includes(token));
        if behind && !self.config.suffers(Mutant::TokenIgnored) {
            let deadline_us = now.monotonic_us.saturating_add(self.config.token_wait_us);
            return self.waiting.push(Waiting { id, request, deadline_us });
        }
        self.serve(now, id, request, out);
    }

    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        if !request.operation.is_write() {
            return if self.config.graph.is_readable(self.me) { Ok(()) } else { Err(Refusal::NotReadable) };
        }
        if !self.config.graph.is_leader(self.me) {
            return Err(Refusal::NotALeader);
        }
        if request.write.is_none() { Err(Refusal::NoIdempotencyKey) } else { Ok(()) }
    }

    fn serve(&mut self, now: Now, id: RequestId, request: Request, out: &mut Outputs) {
        if request.operation.is_write() {
            self.write(now, id, request, out);
        } else {
            out.push(Output::Reply { id, reply: Reply::Read(self.view(&request.key)) });
        }
    }

    fn view(&self, key: &Key) -> ReadView {
        let applied = self.applied.clone();
        match self.store.get(key) {
            None => ReadView {
                value: None,
                versions: Vec::new(),
                resolved: true,
                context: VersionVector::new(),
                applied,
            },
            Some(cell) => {
                let resolved = cell.merged.is_some() || cell.versions.len() < 2;
                ReadView {
                    value: if resolved { cell.value().cloned() } else { None },
                    versions: cell.versions.to_vec(),
                    resolved,
                    context: cell.context(),
                    applied,
                }
            }
        }
    }

    fn write(&mut self, now: Now, id: RequestId, request: Request, out: &mut Outputs) {
        if let Some(reply) = request.write.and_then(|write| self.retry_reply(write)) {
            return out.push(Output::Reply { id, reply });
        }
        if let Some(request) = self.route_home(now, id, request, out) {
            let reply = self.take_write(now, &request, out);
            out.push(Output::Reply { id, reply });
        }
    }

    /// The answer to a retry of a write that is known here already.
    fn retry_reply(&self, write: WriteId) -> Option<Reply> {
        if !self.seen.contains(write) || self.config.suffers(Mutant::IdempotencyKeyIgnored) {
            return None;
        }
        // Only the newest write of a client is retried; of an older one nothing more is known than that it is here.
        let known = self.seen.recall(write);
        let dot = known.map_or(Dot { origin: self.me, position: 0 }, |known| known.dot);
        Some(Reply::Written(Written {
            dot,
            stamp: known.map(|known| known.stamp).unwrap_or_default(),
            knew: known.map(|known| known.knew.clone()).unwrap_or_default(),
            on: Parents::new(),
            duplicate: true,
        }))
    }

    /// Executes a write here and now.
    fn take_write(&mut self, now: Now, request: &Request, out: &mut Outputs) -> Reply {
        let Some(write) = request.write else { return Reply::Refused(Refusal::NoIdempotencyKey) };
        let cell = self.store.get(&request.key).map(|cell| &**cell);
        let siblings = cell.is_some_and(|cell| cell.merged.is_none() && cell.versions.len() > 1);
        if siblings && request.operation.accumulates() {
            return Reply::Refused(Refusal::Siblings);
        }
        let current = cell.and_then(Cell::value);
        let executed = if self.config.suffers(Mutant::ClaimsUnchecked) {
            mutant::execute_unchecked(&request.operation, current)
        } else {
            request.operation.execute(current)
        };
        let value = match executed {
            Ok(value) => value,
            Err(error) => return Reply::Refused(Refusal::Execute(error)),
        };
        let shipment = match self.config.strategy.resolver().ship(cell, &request.operation, value) {
            Ok(shipment) => shipment,
            Err(error) => return Reply::Refused(Refusal::Execute(error)),
        };
        let Shipment { value, before, removes } = shipment;
        let on = cell.map(|cell| cell.versions.iter().map(|held| held.write).collect()).unwrap_or_default();
        let context = self.context_of(request, cell);
        let update = self.config.strategy.resolver().rows().looks_for_rows()
            && cell.is_some_and(|cell| !cell.is_deleted());
        let updates = self.updates_with_one_more(cell);
        let knew = self.applied.clone();
        let dot = self.next_dot(out);
        let mut stamp = self.clock.stamp(now);
        if self.config.suffers(Mutant::PoisonedStamp) && dot.position % 3 == 2 {
            stamp.time_us = stamp.time_us.saturating_add(mutant::POISON_US);
        }
        let version = Version { write, dot, stamp, context, value, updates };
        let entry = Entry { key: request.key.clone(), version, before, removes, update };
        self.apply(Arc::new(entry), Site::Local, Some(out));
        Reply::Written(Written { dot, stamp, knew, on, duplicate: false })
    }

    /// What a write knows of: where versions live side by side, what its client had read of the record, or what an
    /// operation that the leader executed was executed on; otherwise all that the leader has applied, and what the
    /// versions that it holds had known: they may have come here before what they were made on.
    fn context_of(&self, request: &Request, cell: Option<&Cell>) -> VersionVector {
        if self.config.strategy.read_handler().is_none() {
            let mut known = self.applied.clone();
            for version in cell.iter().flat_map(|cell| &cell.versions) {
                known.join(&version.context);
            }
            return known;
        }
        match &request.context {
            Some(context) => context.clone(),
            None if request.operation.accumulates() => cell.map(Cell::context).unwrap_or_default(),
            None => VersionVector::new(),
        }
    }

    /// The number of updates of a record with the one that is about to be made.
    fn updates_with_one_more(&self, cell: Option<&Cell>) -> u32 {
        if !self.config.strategy.resolver().counts_updates() {
            return 0;
        }
        let held = cell.iter().flat_map(|cell| &cell.versions).map(|held| held.updates).max();
        held.unwrap_or(0).saturating_add(1)
    }

    fn next_dot(&mut self, out: &mut Outputs) -> Dot {
        assert!(self.position < LogPosition::MAX, "the log of {} has no position left", self.me);
        self.position += 1;
        if self.config.reserve > 0 && self.position > self.reserved {
            self.reserved = self.position.saturating_add(self.config.reserve);
            out.push(Output::Persist(Record::Reserve(self.reserved)));
        }
        Dot { origin: self.me, position: self.position }
    }

    /// Installs an entry in the store, remembers it, and keeps it for whoever still needs it. `out` is absent when a
    /// replica recovers: then everything has been said before.
    fn apply(&mut self, entry: Arc<Entry>, site: Site, out: Option<&mut Outputs>) {
        let Version { write, dot, stamp, .. } = entry.version;
        self.applied.advance(dot.origin, dot.position);
        self.clock.observe(stamp);
        let strategy = self.config.strategy.resolver();
        let counted = site == Site::Remote && strategy.counts_effects() && self.seen.contains(write);
        self.seen.insert(write, Remembered { dot, stamp, knew: entry.version.context.clone() });
        let incoming = Incoming::of(&entry, counted);
        let later = if self.config.suffers(Mutant::WinnerPerTable) && site == Site::Remote {
            let held = self.store.values().flat_map(|cell| &cell.versions);
            held.filter(|held| held.stamp > stamp).map(|held| held.write).next()
        } else {
            None
        };
        let cell = self.store.entry(entry.key.clone()).or_default();
        let outcome = match later {
            Some(later) => Outcome::against(Decision::Discarded, later, false),
            None => self.config.install(cell, incoming, site, self.me),
        };
        let refused = cell.refused.clone();
        if cell.versions.is_empty() {
            self.store.remove(&entry.key);
        }
        let event = if counted {
            TraceEvent::Duplicate { write, dot }
        } else {
            TraceEvent::Apply {
                key: entry.key.clone(),
                write,
                dot,
                stamp,
                site,
                decision: outcome.decision,
                against: outcome.against,
                recorded: outcome.recorded && outcome.against.is_some(),
            }
        };
        if site == Site::Remote {
            self.home_seen_at(&entry.key, dot.origin);
        }
        if let Some(out) = out {
            out.push(Output::Persist(Record::Entry(Arc::clone(&entry))));
            out.push(Output::Trace(event));
            if let Some(refused) = refused {
                out.push(Output::Trace(TraceEvent::Unresolved { key: entry.key.clone(), dot, refused }));
            }
        }
        let (graph, me) = (&self.config.graph, self.me);
        if outcome.decision == Decision::Discarded && self.config.suffers(Mutant::RelayDropsDiscarded) {
            self.links.iter_mut().for_each(|link| link.sent.advance(dot.origin, dot.position));
        } else if self.links.iter().any(|link| graph.forwards(me, link.to, dot.origin)) {
            self.logs[dot.origin.index()].push(entry);
        }
    }

    fn peer(&mut self, now: Now, link: LinkId, message: Message, out: &mut Outputs) {
        match message {
            Message::Hello { applied } => self.hello(link.to, applied),
            Message::Ack { applied } => self.acked(now, link.to, &applied),
            Message::Routed(routed) => self.routed(now, routed, out),
            Message::Entries { origin, after, entries } => {
                self.entries(now, link.from, origin, after, entries, out)
            }
        }
    }

    fn entries(
        &mut self,
        now: Now,
        from: ReplicaId,
        origin: ReplicaId,
        after: LogPosition,
        entries: Vec<Arc<Entry>>,
        out: &mut Outputs,
    ) {
        self.heard(from);
        if !self.acks_due.contains(&from) {
            self.acks_due.push(from);
        }
        let known = self.received(origin);
        // A gap means a lost frame: what follows it is sent again. A replica never applies its own writes again.
        if origin == self.me || origin.index() >= self.logs.len() || known < after {
            return;
        }
        if let Some(last) = entries.last() {
            self.peer_has(now, from, origin, last.version.dot.position);
        }
        let mut news = false;
        let mut conflict = false;
        for entry in entries {
            if self.mistakes(origin, &entry) || self.is_dropped(conflict, &entry) {
                continue;
            }
            if entry.version.dot.origin == origin && entry.version.dot.position > self.received(origin) {
                let arrived = self.config.suffers(Mutant::OriginFilterMissing).then(|| Arc::clone(&entry));
                news |= self.take_in(from, entry, out);
                if let Some(arrived) = arrived {
                    self.take_for_own(&arrived, out);
                }
                conflict |= self.config.suffers(Mutant::BatchDropped) && mutant::met_conflict(out);
            }
        }
        if news {
            self.serve_waiting(now, out);
            self.settle_homes(now, out);
        }
    }

    /// Whether a planted defect takes care of an entry that comes from elsewhere.
    fn mistakes(&mut self, origin: ReplicaId, entry: &Arc<Entry>) -> bool {
        let position = entry.version.dot.position;
        let highest = self.applied.iter().map(|dot| dot.position).max().unwrap_or_default();
        if self.config.suffers(Mutant::SharedHighWaterMark) && position <= highest {
            self.applied.advance(origin, position);
            return true;
        }
        let again = position <= self.applied.get(origin);
        if again && self.config.suffers(Mutant::PositionIgnored) {
            let cell = self.store.entry(entry.key.clone()).or_default();
            self.config.install(cell, Incoming::of(entry, false), Site::Remote, self.me);
        }
        false
    }

    /// Whether a planted defect drops an entry because one before it in its message met a conflict.
    fn is_dropped(&mut self, conflict: bool, entry: &Entry) -> bool {
        let Dot { origin, position } = entry.version.dot;
        let dropped = conflict && position > self.applied.get(origin);
        if dropped {
            self.applied.advance(origin, position);
        }
        dropped
    }

    /// A planted defect: what came from elsewhere enters this leader's own log as well.
    fn take_for_own(&mut self, entry: &Entry, out: &mut Outputs) {
        // Round one way only: both ways the copies would double with each round.
        let next = (entry.version.dot.origin.index() + 1) % self.config.graph.leader_count();
        if self.me.index() != next {
            return;
        }
        let dot = self.next_dot(out);
        let own = Entry { version: Version { dot, ..entry.version.clone() }, ..entry.clone() };
        self.apply(Arc::new(own), Site::Local, Some(out));
    }

    /// Serves the requests whose tokens are now covered.
    fn serve_waiting(&mut self, now: Now, out: &mut Outputs) {
        if self.waiting.is_empty() {
            return;
        }
        let (ready, waiting) =
            core::mem::take(&mut self.waiting).into_iter().partition(|waiting: &Waiting| {
                waiting.request.token.as_ref().is_none_or(|token| self.applied.includes(token))
            });
        self.waiting = waiting;
        let ready: Vec<Waiting> = ready;
        for Waiting { id, request, .. } in ready {
            self.serve(now, id, request, out);
        }
    }
}

/// FNV-1a: small, frozen, and the same on every machine. So integers are hashed low byte first and lengths as 64 bits,
/// where the defaults would follow the machine.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, &byte| fnv1a_step(hash, byte));
    }
    fn write_u16(&mut self, number: u16) {
        self.write(&number.to_le_bytes());
    }
    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_le_bytes());
    }
    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
    fn write_isize(&mut self, number: isize) {
        self.write_i64(number as i64);
    }
}
