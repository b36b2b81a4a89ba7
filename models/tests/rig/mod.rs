//! A cluster in memory, driven by hand: replicas with their own wall clocks, links as queues, disks as lists of
//! records, sessions bound to replicas. Nothing happens by itself, and nothing is random.
//!
//! Every message and every record goes through its binary form on its way, as it does in a node.
#![allow(dead_code, reason = "each test binary uses its own part of the rig")]
#![allow(unreachable_pub, reason = "the rig is a module of several test binaries")]

use quarrel_models::{
    clock::Now,
    id::{ClientId, LinkId, ReplicaId},
    message::{Input, Message, Output, Record, Request, RequestId, TraceEvent},
    operation::KeyedOperation,
    replica::{Config, Replica},
    session::{Outcome, Resolution, Session, SessionInput, SessionOutput},
    value::Key,
    version::Cell,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// Something that whoever watches the cluster may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Done(ClientId, Outcome),
    Resolved(ClientId, Resolution),
    Trace(ReplicaId, TraceEvent),
}

/// One client: its session, where it is, and the request whose answer it waits for.
#[derive(Debug, Clone)]
pub struct Client {
    pub session: Session,
    pub at: ReplicaId,
    pub pending: Option<(ReplicaId, RequestId)>,
}

/// What travels on one connection.
#[derive(Debug, Clone, Default)]
pub struct Wire {
    pub up: bool,
    /// In the link's direction: entries and routed messages.
    pub forth: VecDeque<Message>,
    /// Against it: hellos and acknowledgements.
    pub back: VecDeque<Message>,
}

#[derive(Debug, Clone)]
pub struct Rig {
    pub config: Arc<Config>,
    replicas: Vec<Option<Replica>>,
    disks: Vec<Vec<Record>>,
    /// Wall clocks, as they differ from the true time.
    pub offsets_us: Vec<i64>,
    pub now_us: u64,
    pub wires: BTreeMap<LinkId, Wire>,
    /// Links that someone has cut: they do not come up when a replica restarts.
    cut: BTreeSet<LinkId>,
    pub clients: BTreeMap<ClientId, Client>,
    next_request: Vec<u64>,
    /// Replicas that will die as soon as they have persisted something, before anything leaves them.
    dies_on_persist: BTreeSet<ReplicaId>,
    carries_token: bool,
    pub events: Vec<Event>,
}

fn through_bytes<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
    value: &T,
) -> T {
    let bytes = postcard::to_allocvec(value).unwrap();
    let back = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(&back, value, "what is decoded is what was encoded");
    back
}

impl Rig {
    /// A cluster whose links are up and whose hellos have been delivered.
    pub fn new(config: Config, carries_token: bool) -> Self {
        let config = Arc::new(config);
        let count = config.graph.replica_count();
        let links = config.graph.links().to_vec();
        let mut rig = Self {
            replicas: config.graph.replicas().map(|id| Some(Replica::new(Arc::clone(&config), id))).collect(),
            disks: vec![Vec::new(); count],
            offsets_us: vec![0; count],
            now_us: 0,
            wires: links.iter().map(|&link| (link, Wire::default())).collect(),
            cut: BTreeSet::new(),
            clients: BTreeMap::new(),
            next_request: vec![0; count],
            dies_on_persist: BTreeSet::new(),
            carries_token,
            events: Vec::new(),
            config,
        };
        for &link in &links {
            rig.connect(link);
        }
        rig.deliver_everything();
        rig
    }

    pub fn replica(&self, id: ReplicaId) -> Option<&Replica> {
        self.replicas[id.index()].as_ref()
    }

    pub fn live(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.iter().flatten()
    }

    pub fn cell(&self, id: ReplicaId, key: &Key) -> Option<&Cell> {
        self.replica(id)?.cells().find(|(held, _)| *held == key).map(|(_, cell)| cell)
    }

    pub fn links(&self) -> Vec<LinkId> {
        self.wires.keys().copied().collect()
    }

    pub fn disk(&self, id: ReplicaId) -> &[Record] {
        &self.disks[id.index()]
    }

    fn now(&self, id: ReplicaId) -> Now {
        let wall_us = i64::try_from(self.now_us).unwrap() + self.offsets_us[id.index()];
        Now { wall_us, monotonic_us: self.now_us }
    }

    /// Lets a live replica take an input, and sends what is pending.
    pub fn step(&mut self, id: ReplicaId, input: Input) {
        for input in [input, Input::Flush] {
            let now = self.now(id);
            let Some(replica) = self.replicas[id.index()].as_mut() else { return };
            let mut outputs = Vec::new();
            replica.step(now, input, &mut outputs);
            self.carry_out(id, outputs);
        }
    }

    fn carry_out(&mut self, id: ReplicaId, outputs: Vec<Output>) {
        // A client may answer at once with its next request: by then the whole step has been carried out.
        let mut replies = Vec::new();
        for output in outputs {
            match output {
                Output::Persist(record) => {
                    self.disks[id.index()].push(through_bytes(&record));
                    if matches!(record, Record::Entry(_)) && self.dies_on_persist.remove(&id) {
                        return self.crash(id);
                    }
                }
                Output::Send { link, message } => {
                    let Some(wire) = self.wires.get_mut(&link).filter(|wire| wire.up) else { continue };
                    let queue = if link.from == id { &mut wire.forth } else { &mut wire.back };
                    queue.push_back(through_bytes(&message));
                }
                Output::Reply { id: request, reply } => replies.push((request, reply)),
                Output::Trace(event) => self.events.push(Event::Trace(id, event)),
            }
        }
        for (request, reply) in replies {
            let waits = |client: &Client| client.pending == Some((id, request));
            let client = self.clients.iter().find(|(_, client)| waits(client)).map(|(id, _)| *id);
            if let Some(client) = client {
                self.session(client, SessionInput::Reply(through_bytes(&reply)));
            }
        }
    }

    // Clients.

    /// The client, which begins its life at this replica.
    pub fn client(&mut self, client: ClientId, at: ReplicaId) -> &mut Client {
        let handler = self.config.strategy.read_handler();
        let session = || Session::new(client, handler, self.carries_token);
        self.clients.entry(client).or_insert_with(|| Client { session: session(), at, pending: None })
    }

    pub fn start(&mut self, client: ClientId, operation: KeyedOperation) {
        self.session(client, SessionInput::Start(operation));
    }

    /// Moves a client; a request that is out is sent again at the new replica.
    pub fn relocate(&mut self, client: ClientId, to: ReplicaId, token: bool) {
        self.clients.get_mut(&client).unwrap().at = to;
        self.session(client, SessionInput::Relocated { token });
    }

    pub fn session(&mut self, client: ClientId, input: SessionInput) {
        let state = self.clients.get_mut(&client).unwrap();
        if !matches!(input, SessionInput::Start(_)) {
            state.pending = None;
        }
        for output in state.session.step(input) {
            match output {
                SessionOutput::Send(request) => self.send(client, request),
                SessionOutput::Resolved(resolution) => self.events.push(Event::Resolved(client, resolution)),
                SessionOutput::Unresolved { .. } => {}
                SessionOutput::Done(outcome) => self.events.push(Event::Done(client, outcome)),
            }
        }
    }

    fn send(&mut self, client: ClientId, request: Request) {
        let at = self.clients[&client].at;
        self.next_request[at.index()] += 1;
        let id = RequestId(self.next_request[at.index()]);
        self.clients.get_mut(&client).unwrap().pending = Some((at, id));
        self.step(at, Input::Request { id, request: through_bytes(&request) });
    }

    // Links.

    /// Brings a link up, unless one of its ends is dead or someone has cut it.
    pub fn connect(&mut self, link: LinkId) {
        let alive = self.replica(link.from).is_some() && self.replica(link.to).is_some();
        if alive && !self.cut.contains(&link) && !self.wires[&link].up {
            self.wires.insert(link, Wire { up: true, ..Wire::default() });
            self.step(link.to, Input::Connected { from: link.from });
        }
    }

    fn disconnect(&mut self, link: LinkId) {
        let wire = self.wires.insert(link, Wire::default());
        if wire.is_some_and(|wire| wire.up) {
            self.step(link.from, Input::Disconnected { to: link.to });
        }
    }

    pub fn cut(&mut self, link: LinkId) {
        self.cut.insert(link);
        self.disconnect(link);
    }

    pub fn heal(&mut self, link: LinkId) {
        self.cut.remove(&link);
        self.connect(link);
    }

    /// Delivers the first frame of a link, in its direction or against it. False if there is none.
    pub fn deliver(&mut self, link: LinkId, forth: bool) -> bool {
        let wire = self.wires.get_mut(&link).unwrap();
        let message = if forth { wire.forth.pop_front() } else { wire.back.pop_front() };
        let Some(message) = message else { return false };
        self.step(if forth { link.to } else { link.from }, Input::Peer { link, message });
        true
    }

    /// Delivers until nothing is under way, link by link.
    pub fn deliver_everything(&mut self) {
        // A loop of messages must fail a test, not hang it.
        let mut budget = 200_000;
        loop {
            let mut quiet = true;
            for link in self.links() {
                for forth in [true, false] {
                    while self.deliver(link, forth) {
                        quiet = false;
                        budget -= 1;
                        assert!(budget > 0, "the cluster never falls silent: {:?}", self.wires);
                    }
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// Lets time pass and tells every replica.
    pub fn wait(&mut self, us: u64) {
        self.now_us += us;
        for id in self.config.graph.replicas() {
            self.step(id, Input::Tick);
        }
    }

    /// Heals, restarts, and lets the cluster fall silent, however often something has to be sent again.
    pub fn settle(&mut self) {
        self.dies_on_persist.clear();
        for id in self.config.graph.replicas() {
            self.restart(id);
        }
        for link in self.links() {
            self.heal(link);
        }
        // Twice as long each time: the patience with a silent peer doubles too. At last every deadline has passed.
        for doublings in 0..8 {
            self.deliver_everything();
            self.wait(100_000 << doublings);
        }
        self.deliver_everything();
    }

    // Replicas.

    /// Kills a replica: what it has not persisted and what was under way to and from it is gone.
    pub fn crash(&mut self, id: ReplicaId) {
        self.replicas[id.index()] = None;
        self.next_request[id.index()] = 0;
        for link in self.links().into_iter().filter(|link| link.from == id || link.to == id) {
            self.disconnect(link);
        }
        for client in self.clients.values_mut() {
            // The connection broke: no answer will come from there.
            client.pending = client.pending.filter(|(at, _)| *at != id);
        }
    }

    pub fn crash_on_persist(&mut self, id: ReplicaId) {
        self.dies_on_persist.insert(id);
    }

    /// Starts a dead replica on what its disk holds.
    pub fn restart(&mut self, id: ReplicaId) {
        if self.replica(id).is_some() {
            return;
        }
        self.replicas[id.index()] = Some(self.recovered(id));
        for link in self.links().into_iter().filter(|link| link.from == id || link.to == id) {
            self.connect(link);
        }
    }

    /// What a replica would be if it restarted on its disk now.
    pub fn recovered(&self, id: ReplicaId) -> Replica {
        Replica::recover(Arc::clone(&self.config), id, self.disk(id).iter().cloned()).unwrap()
    }

    /// The same without its newest record: a restart that forgets.
    pub fn recovered_without_the_last_record(&self, id: ReplicaId) -> Option<Replica> {
        let (_, records) = self.disk(id).split_last()?;
        Some(Replica::recover(Arc::clone(&self.config), id, records.iter().cloned()).unwrap())
    }

    /// Loses the newest records of a dead replica's disk, as a machine does that dies before it has synced. What was
    /// made durable at once stays.
    pub fn lose_tail(&mut self, id: ReplicaId, records: usize) {
        assert!(self.replica(id).is_none(), "only a dead replica loses its tail");
        let disk = &mut self.disks[id.index()];
        let keep = disk.len() - records;
        let reserved: Vec<Record> =
            disk.split_off(keep).into_iter().filter(|record| matches!(record, Record::Reserve(_))).collect();
        disk.extend(reserved);
    }

    pub fn converged(&self) -> bool {
        let mut digests = self.live().map(Replica::digest);
        digests.next().is_none_or(|first| digests.all(|digest| digest == first))
    }
}
