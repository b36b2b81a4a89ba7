//! A witness on real processes, stepped: what the player does to its replicas is done to nodes over TCP, and after each
//! step they must be what the player's replicas are.
//!
//! Nothing waits for time to pass. A node says how many inputs it has taken and how many messages it has sent; a step is
//! over when every node has taken what it was given, and all that it sent has come to the `exchange`, where frames wait
//! until a step delivers them.
//!
//! Sessions run here, as in every run: a node sees their requests only. They are those of the player, which is sound as
//! long as the nodes' answers are those of its replicas; the first other answer is a difference.

mod compare;
mod exchange;
mod limits;
mod scratch;

use super::judged::scenario;
use crate::{
    node::Order,
    runner::{Answered, Interrupt, Transport},
    systems::reference::{ReferenceCluster, SystemError},
};
use exchange::Exchange;
use quarrel_models::{
    fault::Fault,
    id::{ClientId, LinkId, ReplicaId},
    message::{Message, Reply, Request},
    value::Key,
    witness::{Acknowledgements, Act, Frame, Happening, Player, Step, Witness, WitnessError},
};
use quarrel_workloads::scenario::{Durability, Keys, Scenario, Workload};
use scratch::Scratch;
use serde::Serialize;
use std::{collections::BTreeMap, fmt, io, path::Path, time::Duration};
use tokio::{task::JoinHandle, time::timeout};

/// How long an answer may take that must come.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a request may wait for an answer that comes when a later step brings it about.
const REQUEST_PATIENCE: Duration = Duration::from_secs(3600);

/// The first thing that real processes did otherwise than the core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The number of the step, from 1.
    pub step: usize,
    /// Where, if it is at one replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<ReplicaId>,
    /// The record, if it is in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// What differs, in words.
    pub what: String,
    /// What the core has.
    pub expected: String,
    /// What the processes have.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, what, expected, found, .. } = self;
        write!(f, "after step {step} {what} is {found} on real processes, and by the core {expected}")
    }
}

/// Why a witness was not played to its end.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// A step that real processes cannot take.
    #[error("step {step}: {why}")]
    Cannot {
        /// Its number, from 1.
        step: usize,
        /// Why.
        why: String,
    },
    /// It cannot be played at all.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// Somebody wished to stop.
    #[error("it was interrupted")]
    Interrupted,
    /// A process, a port or a file could not be had.
    #[error("{0}")]
    Environment(String),
}

impl From<SystemError> for LiveError {
    fn from(error: SystemError) -> Self {
        Self::Environment(error.to_string())
    }
}

impl From<io::Error> for LiveError {
    fn from(error: io::Error) -> Self {
        Self::Environment(error.to_string())
    }
}

/// Plays a witness on real processes of this program, and says what they did otherwise than the core, if anything.
/// Blocks until it has ended; every process that it started has then ended too.
///
/// # Errors
/// [`LiveError`] if it was not played to its end.
pub fn play(
    witness: &Witness,
    program: &Path,
    interrupt: &Interrupt,
) -> Result<Option<Difference>, LiveError> {
    limits::check(witness)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = Scratch::new()?;
    runtime.block_on(async {
        tokio::select! {
            biased;
            () = interrupt.requested() => Err(LiveError::Interrupted),
            played = conduct(witness, folder.path(), program) => played,
        }
    })
}

async fn conduct(witness: &Witness, folder: &Path, program: &Path) -> Result<Option<Difference>, LiveError> {
    let mut conductor = Conductor::new(witness, folder, program).await?;
    let played = conductor.play().await;
    // A node that has died explains what it did not do.
    conductor.cluster.check_alive()?;
    conductor.stop().await;
    match played {
        Ok(()) => Ok(None),
        Err(Stop::Difference(difference)) => Ok(Some(*difference)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Why no further step is taken.
enum Stop {
    Difference(Box<Difference>),
    Failed(LiveError),
}

impl<E: Into<LiveError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The player and the cluster beside it.
struct Conductor<'a> {
    witness: &'a Witness,
    player: Player,
    cluster: ReferenceCluster,
    exchange: Exchange,
    transport: Transport,
    /// The inputs given to each replica since it was started.
    given: BTreeMap<ReplicaId, u64>,
    /// The last request of each client to each replica that has arrived and was not seen to be answered.
    asked: BTreeMap<(ClientId, ReplicaId), JoinHandle<Answered>>,
    /// The number of the step, from 1.
    number: usize,
}

impl<'a> Conductor<'a> {
    /// The cluster before the first step: all links up, nothing under way.
    async fn new(witness: &'a Witness, folder: &Path, program: &Path) -> Result<Self, LiveError> {
        let player = Player::new(witness)?;
        let links = player.graph().links().to_vec();
        let exchange = Exchange::open(&links).await?;
        let scenario = stepped_scenario(witness, &player);
        let cluster =
            ReferenceCluster::stepped(&scenario, &witness.cluster, folder, program, exchange.addresses())?;
        let transport = Transport::new(cluster.endpoints(), REQUEST_PATIENCE)
            .map_err(|error| LiveError::Environment(format!("cannot make an HTTP client: {error}")))?;
        let (given, asked) = (BTreeMap::new(), BTreeMap::new());
        let mut conductor = Self { witness, player, cluster, exchange, transport, given, asked, number: 0 };
        conductor.set_times()?;
        for replica in conductor.player.graph().replicas() {
            conductor.cluster.start_node(replica).await?;
        }
        for link in links {
            conductor.connect(link).await?;
        }
        Ok(conductor)
    }

    async fn play(&mut self) -> Result<(), Stop> {
        let witness = self.witness;
        for step in &witness.steps {
            self.number += 1;
            self.step(step).await?;
        }
        self.compare_all().await
    }

    async fn step(&mut self, step: &Step) -> Result<(), Stop> {
        let seen = self.player.step(step).map_err(LiveError::from)?;
        self.set_times()?;
        self.act(&step.act).await?;
        let copy = matches!(step.act, Act::Deliver { copy: true, .. });
        for happening in &seen.happenings {
            match happening {
                Happening::Connected { link } => self.connect(*link).await?,
                Happening::Disconnected { link } => {
                    self.exchange.close(*link)?;
                    self.exchange.await_sender(*link).await?;
                }
                Happening::Arrived { client, at, request } => {
                    self.request(*client, *at, request.clone()).await?;
                }
                Happening::Answered { client, by, reply } => self.answered(*client, *by, reply).await?,
                Happening::Delivered { link, back, frame, .. } => {
                    self.deliver(*link, *back, frame, copy).await?;
                }
                _ => {}
            }
        }
        self.compare(&seen).await
    }

    /// What a step does to processes themselves.
    async fn act(&mut self, act: &Act) -> Result<(), LiveError> {
        match act {
            Act::Fault(Fault::Kill(replica)) | Act::Lose { replica } => self.kill(*replica).await,
            Act::LoseTail { replica, records } => {
                self.kill(*replica).await?;
                Ok(self.cluster.lose_tail(*replica, *records)?)
            }
            Act::Fault(Fault::Restart(replica)) => {
                self.exchange.begins(*replica);
                self.given.remove(replica);
                Ok(self.cluster.start_node(*replica).await?)
            }
            Act::Fault(fault @ (Fault::Pause(_) | Fault::Resume(_))) => {
                self.cluster.apply(fault).await?;
                Ok(())
            }
            Act::TakeHome { replica, key } => self.order(*replica, &Order::TakeHome(key.clone())).await,
            Act::Tick { replica } => self.order(*replica, &Order::Tick).await,
            Act::Collect { replica } => self.order(*replica, &Order::Collect).await,
            Act::Forget { replica } => self.order(*replica, &Order::Forget).await,
            // Links are held anyway; clocks stand where the player has put them; clients are here.
            Act::Fault(_)
            | Act::Begin { .. }
            | Act::Arrive { .. }
            | Act::Deliver { .. }
            | Act::Acknowledge { .. }
            | Act::Reconnect { .. }
            | Act::GiveUp { .. } => Ok(()),
        }
    }

    fn set_times(&mut self) -> Result<(), LiveError> {
        for replica in self.player.graph().replicas() {
            self.cluster.set_time(replica, self.player.now(replica))?;
        }
        Ok(())
    }

    async fn kill(&mut self, replica: ReplicaId) -> Result<(), LiveError> {
        self.cluster.apply(&Fault::Kill(replica)).await?;
        for link in self.player.graph().links().to_vec() {
            if link.from == replica {
                self.exchange.close(link)?;
            }
        }
        Ok(())
    }

    async fn order(&mut self, replica: ReplicaId, order: &Order) -> Result<(), LiveError> {
        self.cluster.order(replica, order).await?;
        self.taken(replica).await
    }

    /// Brings a link up: its receiver greets its sender.
    async fn connect(&mut self, link: LinkId) -> Result<(), LiveError> {
        let receiver = self.cluster.replication(link.to);
        let receiver = receiver.ok_or_else(|| LiveError::Environment(format!("{} does not run", link.to)))?;
        self.exchange.connect(link, receiver).await?;
        self.taken(link.to).await
    }

    async fn request(&mut self, client: ClientId, at: ReplicaId, request: Request) -> Result<(), LiveError> {
        let transport = self.transport.clone();
        let asked = tokio::spawn(async move { transport.send(at, request).await });
        self.asked.insert((client, at), asked);
        self.taken(at).await
    }

    async fn answered(&mut self, client: ClientId, by: ReplicaId, expected: &Reply) -> Result<(), Stop> {
        let found = match self.asked.remove(&(client, by)) {
            None => return Err(self.differs(by, format!("the answer to {client}"), "there", "missing")),
            Some(asked) => timeout(PATIENCE, asked).await,
        };
        let found = match found {
            Ok(Ok(Answered::Reply(reply))) if reply == *expected => return Ok(()),
            Ok(Ok(Answered::Reply(reply))) => format!("{reply:?}"),
            Ok(Ok(Answered::Nothing | Answered::NotSent) | Err(_)) => "a broken connection".to_owned(),
            Err(_) => "missing".to_owned(),
        };
        Err(self.differs(by, format!("the answer of {by} to {client}"), format!("{expected:?}"), found))
    }

    async fn deliver(&mut self, link: LinkId, back: bool, frame: &Frame, copy: bool) -> Result<(), Stop> {
        let place = self.exchange.waiting(link, back).position(|message| Frame::of(message) == *frame);
        let message = place.and_then(|place| self.exchange.take(link, back, place, copy));
        let to = if back { link.from } else { link.to };
        let Some(message) = message else {
            return Err(self.differs(link.from, format!("what waits on {link}"), frame, "nothing like it"));
        };
        self.exchange.pass(link, back, message).await?;
        Ok(self.taken(to).await?)
    }

    /// One more input was given to a replica: waits until it has taken it and all that it sent has come. Greetings go
    /// on at once; acknowledgements are dropped, if the witness drops them.
    async fn taken(&mut self, replica: ReplicaId) -> Result<(), LiveError> {
        let mut given_to = vec![replica];
        while let Some(replica) = given_to.pop() {
            let given = self.given.entry(replica).or_default();
            *given += 1;
            let look = self.cluster.look(replica, *given).await?;
            self.exchange.hear(replica, look.sent).await?;
            if self.witness.cluster.acknowledgements == Acknowledgements::Dropped {
                self.exchange.drop_back(|message| matches!(message, Message::Ack { .. }));
            }
            while let Some((link, hello)) = self.greeting() {
                self.exchange.pass(link, true, hello).await?;
                given_to.push(link.from);
            }
        }
        Ok(())
    }

    /// A greeting that waits.
    fn greeting(&mut self) -> Option<(LinkId, Message)> {
        let is_hello = |message: &Message| matches!(message, Message::Hello { .. });
        let links = self.player.graph().links();
        let (link, place) = links
            .iter()
            .find_map(|&link| Some((link, self.exchange.waiting(link, true).position(is_hello)?)))?;
        Some((link, self.exchange.take(link, true, place, false)?))
    }

    fn differs(
        &self,
        replica: ReplicaId,
        what: impl Into<String>,
        expected: impl ToString,
        found: impl ToString,
    ) -> Stop {
        Stop::Difference(Box::new(Difference {
            step: self.number,
            replica: Some(replica),
            key: None,
            what: what.into(),
            expected: expected.to_string(),
            found: found.to_string(),
        }))
    }

    /// Ends all nodes: there is nothing that they should keep.
    async fn stop(&mut self) {
        for replica in self.player.graph().replicas() {
            // One that cannot be killed ends with us.
            let _ = self.cluster.apply(&Fault::Kill(replica)).await;
        }
    }
}

/// The scenario of a stepped cluster. Logs are flushed at every input: what a crash loses, steps say.
fn stepped_scenario(witness: &Witness, player: &Player) -> Scenario {
    let mut scenario = scenario(witness, player.graph(), Workload::Register(Keys::default()));
    scenario.cluster.durability = Durability::Os;
    scenario.cluster.proxy_clients = false;
    scenario.cluster.apply_log = false;
    scenario
}
