//! The loop: takes the next event, lets whom it concerns take it, and carries out what comes back.

use super::{
    client::{Answer, Client, client_of},
    network::Wire,
    node::Node,
    observer::Observer,
    queue::{Event, Queue},
    rest::Positions,
    schedule::{Durability, Phases, Schedule, ScheduleError},
};
use crate::{
    id::{ClientId, LinkId, ReplicaId},
    message::{Input, Message, Output},
    random::mix,
    replica::{Config, Outputs, Replica},
};
use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};

/// How often a replica that waits for something is told that time has passed.
const TICK_US: u64 = 10_000;
/// Log positions that a leader reserves at a time where it may lose the tail of its log.
pub(super) const RESERVE: u32 = 1000;
/// More than any run of sensible length: a loop of messages must end a run, not hang it.
const MAX_EVENTS: u64 = 100_000_000;

/// Whether replication came to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    /// Every live link has delivered all that it had to.
    Reached {
        /// So long after the load ended, microseconds.
        after_us: u64,
    },
    /// It did not, within the bound.
    NotReached {
        /// What was still under way.
        why: String,
    },
}

/// What went over the links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Events of the run.
    pub events: u64,
    /// Frames that replicas sent.
    pub frames: u64,
    /// Those that never arrived, and those whose link was down.
    pub lost: u64,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// Whether replication came to rest.
    pub rest: Rest,
    /// When that was, microseconds.
    pub ended_us: u64,
    /// The replicas, as they are then; absent where they are dead.
    pub replicas: Vec<Option<Replica>>,
    /// What went over the links.
    pub traffic: Traffic,
    /// A digest of every event of the run and of the states in which it ended: equal runs have equal digests.
    pub digest: u64,
}

/// The cluster, its clients, and what is to come.
pub(super) struct World<'a, O> {
    pub(super) schedule: &'a Schedule,
    pub(super) config: Arc<Config>,
    pub(super) observer: &'a mut O,
    pub(super) now_us: u64,
    pub(super) queue: Queue,
    pub(super) nodes: Vec<Node>,
    pub(super) wires: Vec<Wire>,
    pub(super) clients: Vec<Client>,
    /// Whether clients begin nothing any more.
    pub(super) stopped: bool,
    /// The positions of the look before, if nothing was under way then.
    pub(super) before: Option<Positions>,
    outputs: Outputs,
    traffic: Traffic,
    digest: u64,
}

/// Runs a schedule to its end.
///
/// # Errors
/// [`ScheduleError`] if it cannot be run.
///
/// # Panics
/// With whatever a replica or a session panicked with: a broken invariant of ours.
pub fn run(schedule: &Schedule, observer: &mut impl Observer) -> Result<Outcome, ScheduleError> {
    run_with(schedule, |_| {}, observer)
}

/// Runs a schedule to its end, with replicas that are configured in another way than the schedule says: with a planted
/// defect, for instance.
///
/// # Errors
/// [`ScheduleError`] if it cannot be run.
///
/// # Panics
/// As [`run`].
pub fn run_with(
    schedule: &Schedule,
    configure: impl FnOnce(&mut Config),
    observer: &mut impl Observer,
) -> Result<Outcome, ScheduleError> {
    let mut world = World::new(schedule, configure, observer)?;
    let rest = world.play();
    Ok(world.end(rest))
}

impl<'a, O: Observer> World<'a, O> {
    fn new(
        schedule: &'a Schedule,
        configure: impl FnOnce(&mut Config),
        observer: &'a mut O,
    ) -> Result<Self, ScheduleError> {
        let graph = schedule.graph()?;
        let cluster = &schedule.cluster;
        let lazy = matches!(cluster.durability, Durability::Lazy { .. });
        let mut config = Config {
            token_wait_us: cluster.wait_us,
            home_wait_us: cluster.wait_us,
            reserve: if lazy { RESERVE } else { 0 },
            ..Config::new(graph, cluster.strategy.clone())
        };
        configure(&mut config);
        let config = Arc::new(config);
        let node = |id| Node::new(&config, id, schedule.seed, cluster.durability, cluster.clock_tick_us);
        let wire = |&link: &LinkId| Wire::new(schedule.seed, link, cluster.link, cluster.jitter);
        let handler = cluster.strategy.read_handler();
        let client = |number| Client::new(ClientId(number), &schedule.clients, handler, schedule.seed);
        let clients = u32::try_from(schedule.clients.at.len()).unwrap_or(u32::MAX);
        let mut world = Self {
            nodes: config.graph.replicas().map(node).collect(),
            wires: config.graph.links().iter().map(wire).collect(),
            clients: (0..clients).map(client).collect(),
            schedule,
            config,
            observer,
            now_us: 0,
            queue: Queue::default(),
            stopped: false,
            before: None,
            outputs: Outputs::new(),
            traffic: Traffic::default(),
            digest: 0,
        };
        world.plan();
        Ok(world)
    }

    fn plan(&mut self) {
        for place in 0..self.wires.len() {
            self.plan_connection(place, 0);
        }
        let faults = self.schedule.faults.iter().enumerate();
        let operations = self.schedule.operations.iter().enumerate();
        let faults = faults.map(|(index, fault)| (fault.at_us, Event::Fault(index)));
        let errands = self.schedule.errands.iter().enumerate();
        let errands = errands.map(|(index, errand)| (errand.at_us, Event::Errand(index)));
        let operations = operations.map(|(index, operation)| (operation.at_us, Event::Operation(index)));
        let Phases { heal_us, load_us, .. } = self.schedule.phases;
        let phases = [(heal_us, Event::Heal), (load_us, Event::Look)];
        self.queue.schedule(faults.chain(errands).chain(operations).chain(phases).collect());
    }

    fn play(&mut self) -> Rest {
        while let Some((at_us, event)) = self.queue.pop() {
            assert!(at_us >= self.now_us, "time went back from {} to {at_us} us", self.now_us);
            self.now_us = at_us;
            self.traffic.events += 1;
            self.note(&event);
            if let Some(rest) = self.take(event) {
                return rest;
            }
            if self.traffic.events == MAX_EVENTS {
                break;
            }
        }
        Rest::NotReached { why: String::from("the cluster never falls silent") }
    }

    /// Carries out an event; how the run ended, if it has.
    fn take(&mut self, event: Event) -> Option<Rest> {
        match event {
            Event::Operation(index) => self.operation_due(index),
            Event::Fault(index) => self.strike(index),
            Event::Errand(index) => self.run_errand(index),
            Event::Frame { wire, forth, connection, message } => self.frame(wire, forth, connection, message),
            Event::Connect { wire, connection } => self.connect(wire, connection),
            Event::Request { at, client, number, request } => {
                self.request_arrives(at, client, number, *request)
            }
            Event::Answer { client, number, answer } => self.answer_arrives(client, number, answer),
            Event::Leave { client, number } => self.leave(client, number),
            Event::Tick(replica) => {
                let node = &mut self.nodes[replica.index()];
                node.ticks = false;
                if node.inbox.is_none() {
                    self.feed(replica, Input::Tick);
                }
            }
            Event::Sync { replica, life } => self.flushed(replica, life),
            Event::Durable { replica, life, records, outputs } => {
                self.durable(replica, life, records, outputs)
            }
            Event::Heal => self.heal(),
            Event::Look => {
                self.end_load();
                return self.look();
            }
        }
        None
    }

    /// Adds an event to the digest.
    fn note(&mut self, event: &Event) {
        let (kind, what) = match event {
            Event::Operation(index) => (0, *index as u64),
            Event::Fault(index) => (1, *index as u64),
            Event::Frame { wire, forth, .. } => (2, (*wire as u64) << 1 | u64::from(*forth)),
            Event::Connect { wire, .. } => (3, *wire as u64),
            Event::Request { client, number, .. } => (4, u64::from(client.0) << 32 | u64::from(*number)),
            Event::Answer { client, number, .. } => (5, u64::from(client.0) << 32 | u64::from(*number)),
            Event::Leave { client, .. } => (6, client.0.into()),
            Event::Tick(replica) | Event::Sync { replica, .. } | Event::Durable { replica, .. } => {
                (7, replica.0.into())
            }
            Event::Heal => (8, 0),
            Event::Look => (9, 0),
            Event::Errand(index) => (10, *index as u64),
        };
        self.mix(self.now_us << 4 | kind);
        self.mix(what);
    }

    fn mix(&mut self, number: u64) {
        self.digest = mix(self.digest ^ number).wrapping_add(1);
    }

    fn frame(&mut self, wire: usize, forth: bool, connection: u32, message: Message) {
        let link = self.wires[wire].link;
        if let Some(message) = self.wires[wire].arrive(forth, connection, message) {
            self.feed(if forth { link.to } else { link.from }, Input::Peer { link, message });
        }
    }

    /// Lets a replica take an input and send what is pending. While it is stopped, its machine keeps the input.
    pub(super) fn feed(&mut self, at: ReplicaId, input: Input) {
        let node = &mut self.nodes[at.index()];
        if let Some(inbox) = &mut node.inbox {
            return inbox.push(input);
        }
        let now = node.now(self.now_us);
        let Some(replica) = &mut node.replica else { return };
        let mut outputs = core::mem::take(&mut self.outputs);
        self.observer.feeds(self.now_us, at, &input);
        replica.step(now, input, &mut outputs);
        replica.step(now, Input::Flush, &mut outputs);
        self.observer.fed(replica, &outputs);
        if !node.ticks && replica.awaits_tick() {
            node.ticks = true;
            self.queue.push(self.now_us + TICK_US, Event::Tick(at));
        }
        let (leaves_us, flushed_us) = node.persist(self.now_us, &mut outputs);
        let (life, records) = (node.life, node.records());
        if let Some(after_us) = flushed_us {
            self.queue.push(self.now_us.saturating_add(after_us), Event::Sync { replica: at, life });
        }
        if leaves_us > self.now_us {
            self.queue.push(leaves_us, Event::Durable { replica: at, life, records, outputs });
        } else {
            self.let_out(at, outputs);
        }
    }

    /// What need not be durable is so by now.
    fn flushed(&mut self, replica: ReplicaId, life: u32) {
        let node = &mut self.nodes[replica.index()];
        if node.life == life {
            node.syncs = false;
            node.sync(node.records());
        }
    }

    /// Records are durable, so what follows them may leave, unless the process is dead or stopped.
    fn durable(&mut self, replica: ReplicaId, life: u32, records: usize, outputs: Outputs) {
        let node = &mut self.nodes[replica.index()];
        if node.life != life {
            return;
        }
        node.sync(records);
        if node.inbox.is_some() {
            node.late.push(outputs);
        } else {
            self.let_out(replica, outputs);
        }
    }

    /// Lets outputs leave a replica, and keeps the buffer.
    pub(super) fn let_out(&mut self, at: ReplicaId, mut outputs: Outputs) {
        for output in outputs.drain(..) {
            self.carry_out(at, output);
        }
        self.outputs = outputs;
    }

    fn carry_out(&mut self, at: ReplicaId, output: Output) {
        match output {
            Output::Persist(_) => {}
            Output::Send { link, message } => self.transmit(at, link, message),
            Output::Reply { id, reply } => {
                let (client, number) = client_of(id);
                self.answer(client, number, Answer::Reply(Box::new(reply)));
            }
            Output::Trace(event) => self.observer.trace(self.now_us, at, event),
        }
    }

    fn transmit(&mut self, at: ReplicaId, link: LinkId, message: Message) {
        let place = self.place(link);
        let (wire, forth) = (&mut self.wires[place], at == link.from);
        let arrivals = wire.send(self.now_us, forth, &message);
        let connection = wire.connection;
        self.traffic.frames += 1;
        self.traffic.lost += u64::from(arrivals.is_empty());
        let Some((&last_us, copies)) = arrivals.split_last() else { return };
        for &at_us in copies {
            let message = message.clone();
            self.queue.push(at_us, Event::Frame { wire: place, forth, connection, message });
        }
        self.queue.push(last_us, Event::Frame { wire: place, forth, connection, message });
    }

    /// The place of a link among the wires, which are in order.
    pub(super) fn place(&self, link: LinkId) -> usize {
        match self.wires.binary_search_by_key(&link, |wire| wire.link) {
            Ok(place) => place,
            Err(_) => panic!("a replica sent over {link}, which this cluster does not have"),
        }
    }

    fn end(mut self, rest: Rest) -> Outcome {
        for index in 0..self.nodes.len() {
            let digest = self.nodes[index].replica.as_ref().map_or(0, Replica::digest);
            self.mix(digest);
        }
        Outcome {
            rest,
            ended_us: self.now_us,
            replicas: self.nodes.into_iter().map(|node| node.replica).collect(),
            traffic: self.traffic,
            digest: self.digest,
        }
    }
}
