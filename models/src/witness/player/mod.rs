//! A witness played: each step carried out by the replicas and sessions themselves.
//!
//! This is the smallest of all arenas: no search, no chance, no time but what the steps say. It tells whether a
//! witness can happen at all and ends as it says, and what is seen on the way.
//!
//! The rooms: `replicas` what goes into replicas and comes out, `links` what is under way, `nemesis` and `clients`.

mod clients;
mod links;
mod nemesis;
mod replicas;

use super::{
    Acknowledgements, Act, BEGINNING_US, ClientStart, Digest, End, Happening, Phase, Problem, RecordEnd,
    ReplicaEnd, Step, TICK_US, VersionEnd, Witness, WitnessError,
};
use crate::{
    clock::ClockSetting,
    id::{ClientId, LinkId, ReplicaId, WriteId},
    message::{Entry, Input, Message, Record, Request, RequestId},
    operation::KeyedOperation,
    replica::{Config, Replica},
    session::{Session, SessionInput},
    topology::Graph,
    value::Value,
    version::Cell,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::fmt;

/// A witness that was played to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// What was seen, step by step.
    pub steps: Vec<PlayedStep>,
    /// What each replica is at the end.
    pub replicas: BTreeMap<ReplicaId, ReplicaEnd>,
    /// The messages that were sent and never arrived, by their numbers.
    pub under_way: Vec<usize>,
}

/// What was seen of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayedStep {
    /// The true time, microseconds.
    pub at_us: i64,
    /// What happened, in order.
    pub happenings: Vec<Happening>,
    /// The digests of the replicas that it changed.
    pub digests: BTreeMap<ReplicaId, Digest>,
}

/// Plays a witness, and compares each digest and each part of the end that it states.
///
/// # Errors
/// [`WitnessError`] if the cluster cannot work, a step cannot happen, or something comes out otherwise.
pub fn play(witness: &Witness) -> Result<Played, WitnessError> {
    let mut player = Player::new(witness)?;
    let steps = witness.steps.iter().map(|step| player.step(step)).collect::<Result<_, _>>()?;
    player.finish(witness, steps)
}

fn compare(end: &End, replicas: &BTreeMap<ReplicaId, ReplicaEnd>) -> Result<(), WitnessError> {
    for (replica, expected) in &end.replicas {
        let Some(found) = replicas.get(replica) else {
            return differs(format!("replica {replica}"), "there", "missing");
        };
        if found.phase != expected.phase {
            return differs(format!("replica {replica}"), expected.phase, found.phase);
        }
        if found.offset_us != expected.offset_us {
            let us = |offset: i64| format!("{offset} us");
            let what = format!("the clock of {replica}, beside the true time,");
            return differs(what, us(expected.offset_us), us(found.offset_us));
        }
        let keys: BTreeSet<_> = expected.records.keys().chain(found.records.keys()).collect();
        for key in keys {
            let (expected, found) = (expected.records.get(key), found.records.get(key));
            if expected != found {
                let what = format!("record {key} at {replica}");
                return differs(what, in_words(expected), in_words(found));
            }
        }
        if found.digest != expected.digest {
            return differs(format!("the digest of {replica}"), expected.digest, found.digest);
        }
    }
    Ok(())
}

fn differs(
    what: impl Into<String>,
    expected: impl fmt::Display,
    found: impl fmt::Display,
) -> Result<(), WitnessError> {
    Err(WitnessError::End { what: what.into(), expected: expected.to_string(), found: found.to_string() })
}

/// A record with all that is known of its versions.
fn in_words(record: Option<&RecordEnd>) -> String {
    record.map_or_else(|| "absent".to_string(), ToString::to_string)
}

/// The value, and the versions with all that is known of them.
impl fmt::Display for RecordEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: Option<&Value>| value.map_or_else(|| "nothing".to_string(), ToString::to_string);
        write!(f, "{} (", value(self.value.as_ref()))?;
        for (n, held) in self.versions.iter().enumerate() {
            let VersionEnd { write, dot, stamp, .. } = held;
            let and = if n == 0 { "" } else { "; " };
            write!(f, "{and}{write} {} at {dot}, {stamp}", value(held.value.as_ref()))?;
        }
        f.write_str(")")
    }
}

#[derive(Debug)]
struct Node {
    replica: Replica,
    phase: Phase,
    paused: bool,
    clock: ClockSetting,
    disk: Vec<Record>,
    digest: Digest,
}

#[derive(Debug, Default)]
struct Wire {
    forth: Vec<(usize, Message)>,
    back: Vec<(usize, Message)>,
    cut: bool,
    stalled: bool,
}

#[derive(Debug)]
struct Call {
    at: ReplicaId,
    id: RequestId,
    request: Request,
}

#[derive(Debug)]
struct Client {
    session: Session,
    at: ReplicaId,
    pending: Option<(ReplicaId, RequestId)>,
    calls: Vec<Call>,
    /// The write that it is at.
    write: Option<WriteId>,
    at_once: bool,
}

/// A witness that is being played, step by step: the cluster as it stands, and what is under way.
#[derive(Debug)]
pub struct Player {
    config: Arc<Config>,
    acknowledgements: Acknowledgements,
    coarse_us: i64,
    nodes: Vec<Node>,
    wires: BTreeMap<LinkId, Wire>,
    clients: BTreeMap<ClientId, Client>,
    now_us: i64,
    /// The number of the last step, from 1.
    number: usize,
    /// The writes taken in the last step: each takes a tick.
    taken: i64,
    messages: usize,
    requests: u64,
    happened: Vec<Happening>,
    /// What the replica's store takes next, as its log says.
    entry: Option<Arc<Entry>>,
}

type Done = Result<(), Problem>;

impl Player {
    /// The cluster before the first step, its links up and nothing under way.
    ///
    /// # Errors
    /// [`WitnessError`] if the cluster cannot work, or a client begins where nothing is.
    pub fn new(witness: &Witness) -> Result<Self, WitnessError> {
        let cluster = &witness.cluster;
        let config = cluster.config()?;
        let last = ReplicaId::from_index(config.graph.replica_count() - 1);
        if let Some((&client, start)) = witness.clients.iter().find(|(_, start)| start.at > last) {
            return Err(WitnessError::Client { client, at: start.at, last });
        }
        let config = Arc::new(config);
        let node = |id| {
            let replica = Replica::new(Arc::clone(&config), id);
            let digest = Digest(replica.digest());
            Node {
                replica,
                phase: Phase::Live,
                paused: false,
                clock: ClockSetting::default(),
                disk: Vec::new(),
                digest,
            }
        };
        let client = |(&client, start): (&ClientId, &ClientStart)| {
            let session = Session::new(client, cluster.strategy.read_handler(), start.tokens);
            let client_state = Client {
                session,
                at: start.at,
                pending: None,
                calls: Vec::new(),
                write: None,
                at_once: false,
            };
            (client, client_state)
        };
        let mut player = Self {
            acknowledgements: cluster.acknowledgements,
            coarse_us: i64::from(cluster.coarse_us.max(1)),
            nodes: config.graph.replicas().map(node).collect(),
            wires: config.graph.links().iter().map(|&link| (link, Wire::default())).collect(),
            clients: witness.clients.iter().map(client).collect(),
            config,
            now_us: BEGINNING_US,
            number: 0,
            taken: 0,
            messages: 0,
            requests: 0,
            happened: Vec::new(),
            entry: None,
        };
        for link in player.links() {
            player.connect(link);
        }
        player.happened.clear();
        Ok(player)
    }

    fn links(&self) -> Vec<LinkId> {
        self.wires.keys().copied().collect()
    }

    /// Carries a step out, and holds its digests against those that it states.
    ///
    /// # Errors
    /// [`WitnessError::Step`] if it cannot happen, or comes out otherwise; then the player is of no use any more.
    pub fn step(&mut self, step: &Step) -> Result<PlayedStep, WitnessError> {
        self.number += 1;
        self.carry_step_out(step).map_err(|problem| WitnessError::Step { step: self.number, problem })
    }

    fn carry_step_out(&mut self, step: &Step) -> Result<PlayedStep, Problem> {
        let passed_us = core::mem::take(&mut self.taken).saturating_mul(TICK_US);
        let at_us = step.at_us.unwrap_or(self.now_us.saturating_add(passed_us));
        if at_us < self.now_us {
            return Err(Problem::TimeGoesBack { from_us: self.now_us, to_us: at_us });
        }
        self.now_us = at_us;
        self.act(&step.act)?;
        let mut digests = BTreeMap::new();
        for node in &mut self.nodes {
            let now = Digest(node.replica.digest());
            if core::mem::replace(&mut node.digest, now) != now {
                digests.insert(node.replica.id(), now);
            }
        }
        for (&replica, &expected) in &step.digests {
            let found = self.node(replica)?.digest;
            if found != expected {
                return Err(Problem::Digest { replica, expected, found });
            }
        }
        Ok(PlayedStep { at_us, happenings: core::mem::take(&mut self.happened), digests })
    }

    fn act(&mut self, act: &Act) -> Done {
        match act {
            Act::Begin { client, key, operation, write, at_once } => {
                let keyed = KeyedOperation { key: key.clone(), operation: operation.clone() };
                self.begin(*client, keyed, *write, *at_once)
            }
            Act::Arrive { client, at } => self.arrive(*client, *at),
            Act::Deliver { link, message, copy } => self.deliver(*link, message.as_ref(), *copy),
            Act::Acknowledge { link } => self.acknowledge(*link),
            Act::Fault(fault) => self.fault(fault),
            Act::TakeHome { replica, key } => self.tell(*replica, Input::TakeHome { key: key.clone() }),
            Act::Lose { replica } => self.kill(*replica, Phase::Gone),
            Act::LoseTail { replica, records } => self.lose_tail(*replica, *records),
            Act::Reconnect { link } => self.reconnect(*link),
            Act::GiveUp { client } => {
                self.client(*client)?;
                self.session(*client, SessionInput::Unanswered);
                Ok(())
            }
            Act::Tick { replica } => self.tell(*replica, Input::Tick),
            Act::Collect { replica } => self.tell(*replica, Input::Collect),
            Act::Forget { replica } => self.tell(*replica, Input::Forget),
        }
    }

    fn node(&self, replica: ReplicaId) -> Result<&Node, Problem> {
        self.nodes.get(replica.index()).ok_or(Problem::NoReplica(replica))
    }

    fn running(&self, replica: ReplicaId) -> Done {
        let node = self.node(replica)?;
        if node.phase == Phase::Live && !node.paused { Ok(()) } else { Err(Problem::NotRunning(replica)) }
    }

    fn tell(&mut self, replica: ReplicaId, input: Input) -> Done {
        self.running(replica)?;
        self.feed(replica, input);
        Ok(())
    }

    fn is_live(&self, replica: ReplicaId) -> bool {
        self.nodes[replica.index()].phase == Phase::Live
    }

    fn client(&mut self, client: ClientId) -> Result<&mut Client, Problem> {
        self.clients.get_mut(&client).ok_or(Problem::NoClient(client))
    }

    fn wire(&mut self, link: LinkId) -> Result<&mut Wire, Problem> {
        self.wires.get_mut(&link).ok_or(Problem::NoLink(link))
    }

    /// What it came to after these steps, held against the end that the witness states.
    ///
    /// # Errors
    /// [`WitnessError::End`] if it ends otherwise.
    pub fn finish(&self, witness: &Witness, steps: Vec<PlayedStep>) -> Result<Played, WitnessError> {
        let replicas = self.replicas();
        if let Some(end) = &witness.end {
            compare(end, &replicas)?;
        }
        let under_way = self.wires.values().flat_map(|wire| &wire.forth).map(|&(number, _)| number).collect();
        Ok(Played { steps, replicas, under_way })
    }

    /// The replicas as the core has them; a dead one as it was when it died, or as it will be when it restarts.
    pub fn cores(&self) -> impl Iterator<Item = &Replica> {
        self.nodes.iter().map(|node| &node.replica)
    }

    /// The replicas and links.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.config.graph
    }

    /// The requests under way that no step has let arrive.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.clients.values().map(|client| client.calls.len()).sum()
    }

    /// Whether a replica lives; it may be paused.
    #[must_use]
    pub fn lives(&self, replica: ReplicaId) -> bool {
        self.node(replica).is_ok_and(|node| node.phase == Phase::Live)
    }

    /// Whether a replica runs and is not paused.
    #[must_use]
    pub fn runs(&self, replica: ReplicaId) -> bool {
        self.running(replica).is_ok()
    }

    /// What is under way on a link: with its direction, or against it.
    pub fn under_way(&self, link: LinkId, back: bool) -> impl Iterator<Item = &Message> {
        let wire = self.wires.get(&link);
        let messages = wire.map(|wire| if back { &wire.back } else { &wire.forth });
        messages.into_iter().flatten().map(|(_, message)| message)
    }

    /// What each replica is now.
    #[must_use]
    pub fn replicas(&self) -> BTreeMap<ReplicaId, ReplicaEnd> {
        let end = |node: &Node| {
            let records = node.replica.cells().map(|(key, cell)| (key.clone(), RecordEnd::of(cell)));
            let end = ReplicaEnd {
                phase: node.phase,
                offset_us: self.offset_us(node),
                digest: node.digest,
                records: records.collect(),
            };
            (node.replica.id(), end)
        };
        self.nodes.iter().map(end).collect()
    }
}

/// The one value that stands for a record, if one does.
fn shown(cell: &Cell) -> Option<Value> {
    let siblings = cell.merged.is_none() && cell.versions.len() > 1;
    if siblings { None } else { cell.value().cloned() }
}

impl RecordEnd {
    /// What a replica holds of a record.
    #[must_use]
    pub fn of(cell: &Cell) -> Self {
        let version = |held: &crate::version::Version| VersionEnd {
            write: held.write,
            dot: held.dot,
            stamp: held.stamp,
            value: held.value.clone(),
        };
        Self { value: shown(cell), versions: cell.versions.iter().map(version).collect() }
    }
}
