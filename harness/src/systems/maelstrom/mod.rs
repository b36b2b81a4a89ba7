//! Any program that speaks Maelstrom's protocol, as a system under test: one process a node, unmodified.
//!
//! Nodes are `n0`, `n1` and so on, replicas A, B and so on. Beyond what Maelstrom offers, the messages between them
//! pass links with every fault of a frame, in each direction apart; nodes are killed, paused, and their clocks set.
//! The harness sees a black box: acknowledgements, reads, and in the end what each node answers.
//!
//! `message`, `services`, `dialect`: the protocol; `switch`: who gets which message; `clients`: ours.

mod clients;
mod dialect;
mod message;
mod services;
mod switch;

pub use clients::Client;

use super::{
    Carrier, Progress, System,
    black_box::{Settled, State},
    links::Links,
    members::{Members, clock_library, command},
    reference::{SystemError, failed},
};
use crate::proxy::{Kind, ProxyRuntime};
use dialect::{Elements, Told};
use message::{body, kind};
use quarrel_models::{fault::Fault, id::ReplicaId, topology::Graph, value::Key};
use quarrel_workloads::{
    history::Event,
    scenario::{MaelstromWorkload, Scenario, Workload},
};
use serde_json::Value as Json;
use std::{collections::BTreeMap, path::Path, time::Duration};
use switch::{Caller, Switch, name_of};
use tokio::task::JoinSet;

/// How long a node may take to answer `init`: Maelstrom's own limit.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a node may take to answer a question of the harness.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(5);
/// Nodes that speak Maelstrom's protocol. Dropping it kills them and closes their links.
#[derive(Debug)]
pub struct MaelstromCluster {
    graph: Graph,
    workload: MaelstromWorkload,
    /// The records that a node holds, where it is asked for each.
    keys: Vec<Key>,
    members: Members,
    /// What pumps each node's lines.
    pumps: Vec<JoinSet<()>>,
    links: Links,
    switch: Switch,
    elements: Elements,
    harness: Caller,
    settled: Settled,
    _tasks: JoinSet<()>,
    /// After the proxies, so that they are closed first.
    _proxies: ProxyRuntime,
}

impl MaelstromCluster {
    /// Starts nodes whose files are in `folder`, under keepers from the program that has the subcommand `keep`.
    ///
    /// # Errors
    /// [`SystemError`] if a file, a port or a process could not be had, or a node does not speak the protocol.
    pub async fn start(
        scenario: &Scenario,
        folder: &Path,
        seed: u64,
        own: &Path,
    ) -> Result<Self, SystemError> {
        let odd = |what: &str| failed("lay out the cluster")(std::io::Error::other(what.to_owned()));
        let described =
            scenario.cluster.maelstrom.as_ref().ok_or_else(|| odd("`[cluster.maelstrom]` is missing"))?;
        let graph = scenario.cluster.graph().map_err(|error| odd(&error.to_string()))?;
        let folder = std::path::absolute(folder).map_err(failed("find the run's folder"))?;
        for sub in ["nodes", "log"] {
            std::fs::create_dir_all(folder.join(sub)).map_err(failed("create the run's folders"))?;
        }
        let words = command(&described.command, described.directory.as_deref(), "maelstrom");
        let words = words.map_err(|why| odd(&why))?;
        let preload = clock_library(scenario, &folder, Path::new(&words[0]))?;
        let mut members = Members::new(own);
        for _ in graph.replicas() {
            members.add(&folder, words.clone(), described.directory.clone(), preload.as_ref())?;
        }
        let proxies = ProxyRuntime::new().map_err(failed("start the link proxies"))?;
        let links = Links::open(&proxies, &graph, Kind::Frames, scenario.cluster.link, seed)?;
        let mut tasks = JoinSet::new();
        let switch = Switch::new(graph.replicas().count(), &links.addresses(), &mut tasks);
        for replica in graph.replicas() {
            let port = switch.listen(replica, &mut tasks).await.map_err(failed("open a node's port"))?;
            links.set_target(|link| link.to == replica, Some(port));
        }
        let mut cluster = Self {
            pumps: graph.replicas().map(|_| JoinSet::new()).collect(),
            graph,
            workload: described.workload,
            keys: keys_of(&scenario.workload),
            members,
            links,
            harness: switch.caller(),
            switch,
            elements: Elements::default(),
            settled: Settled::new(),
            _tasks: tasks,
            _proxies: proxies,
        };
        for replica in cluster.graph.replicas() {
            cluster.launch(replica).await?;
        }
        for replica in cluster.graph.replicas() {
            cluster.introduce(replica).await?;
        }
        Ok(cluster)
    }

    /// Starts a node's process and joins its standard input and output.
    async fn launch(&mut self, replica: ReplicaId) -> Result<(), SystemError> {
        let (input, output) = self.members.launch_talking(replica).await?;
        let pump = &mut self.pumps[replica.index()];
        *pump = JoinSet::new();
        self.switch.join(replica, input, output, pump);
        Ok(())
    }

    /// Tells a node who it is and, where the workload has it, who its neighbours are.
    async fn introduce(&mut self, replica: ReplicaId) -> Result<(), SystemError> {
        let names: Vec<Json> = self.graph.replicas().map(|node| name_of(node).into()).collect();
        let init = body("init", [("node_id", name_of(replica).into()), ("node_ids", names.into())]);
        self.greet(replica, init, INIT_TIMEOUT).await?;
        if self.workload == MaelstromWorkload::Broadcast {
            let neighbours = |node: ReplicaId| -> Vec<Json> {
                let links = self.graph.links().iter().filter(|link| link.from == node);
                links.map(|link| name_of(link.to).into()).collect()
            };
            let topology: serde_json::Map<String, Json> =
                self.graph.replicas().map(|node| (name_of(node), neighbours(node).into())).collect();
            self.greet(replica, body("topology", [("topology", topology.into())]), CONTROL_TIMEOUT).await?;
        }
        Ok(())
    }

    async fn greet(
        &mut self,
        replica: ReplicaId,
        body: message::Body,
        patience: Duration,
    ) -> Result<(), SystemError> {
        let asked = kind(&body).to_owned();
        let answer = self.harness.ask(replica, body, patience).await;
        // That it has ended, or said something else, says more than that it did not answer.
        self.check_alive()?;
        let what = match answer {
            Ok(answer) if kind(&answer) == format!("{asked}_ok") => return Ok(()),
            Ok(answer) => format!("answered `{asked}` with {}", Json::from(answer)),
            Err(_) => format!("did not answer `{asked}` within {} s", patience.as_secs()),
        };
        Err(self.members.error_with_log(replica, &what))
    }

    /// Asks a node for all that it holds.
    async fn state(&self, replica: ReplicaId) -> Result<State, SystemError> {
        let client = self.client(CONTROL_TIMEOUT, self.harness.clone());
        let mut state = State::new();
        for key in &self.keys {
            let why = |why: String| SystemError::Control { replica, why };
            let read = dialect::request(self.workload, key, &quarrel_models::operation::Operation::Read);
            let answer = client.caller.ask(replica, read.map_err(why)?, CONTROL_TIMEOUT).await;
            let answer = answer
                .map_err(|_| why(format!("no answer to a read within {} s", CONTROL_TIMEOUT.as_secs())))?;
            match dialect::told("read", &answer) {
                Told::Held(held) => state.extend(client.records(key, held)),
                other => return Err(why(format!("a read was answered with {other:?}"))),
            }
        }
        Ok(state)
    }

    fn client(&self, patience: Duration, caller: Caller) -> Client {
        Client { caller, workload: self.workload, elements: self.elements.clone(), patience }
    }

    async fn kill(&mut self, replica: ReplicaId) -> Result<String, SystemError> {
        self.switch.leave(replica);
        let done = self.members.kill(replica).await;
        self.pumps[replica.index()].abort_all();
        done
    }
}

impl System for MaelstromCluster {
    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn carrier(&self, patience: Duration) -> Result<Carrier, SystemError> {
        Ok(Carrier::Maelstrom(self.client(patience, self.switch.caller())))
    }

    fn live(&self) -> Vec<ReplicaId> {
        self.members.live()
    }

    fn check_alive(&mut self) -> Result<(), SystemError> {
        if let Some((replica, what)) = self.switch.faulty() {
            return Err(self.members.error(replica, what));
        }
        self.members.check_alive()
    }

    async fn apply(&mut self, fault: &Fault) -> Result<String, SystemError> {
        if let Some(done) = self.links.apply(fault).or_else(|| self.members.apply(fault)) {
            return done;
        }
        match fault {
            Fault::Kill(replica) => self.kill(*replica).await,
            Fault::Restart(replica) => {
                self.launch(*replica).await?;
                self.introduce(*replica).await.map(|()| String::new())
            }
            _ => Ok(String::new()),
        }
    }

    fn remedies(&self) -> Vec<Fault> {
        self.links.remedy().into_iter().chain(self.members.remedies()).collect()
    }

    fn give_up(&mut self, replica: ReplicaId) {
        self.members.give_up(replica);
    }

    /// Nodes tell no positions: they are at rest when all show the same, or when nothing has changed for a while.
    async fn progress(&self) -> Result<Progress, SystemError> {
        let mut states = BTreeMap::new();
        for replica in self.live() {
            states.insert(replica, self.state(replica).await?);
        }
        Ok(self.settled.look(states))
    }

    async fn read_all(&self, replica: ReplicaId, record: &mut dyn FnMut(Event)) -> Result<u64, SystemError> {
        let state = self.state(replica).await?;
        let records = state.len() as u64;
        for (key, value) in state {
            record(Event::Final { replica, key, value: Some(value), versions: Vec::new() });
        }
        Ok(records)
    }

    async fn stop(&mut self) {
        for replica in self.members.live() {
            self.switch.leave(replica);
            self.members.end(replica).await;
        }
    }
}

/// The records that a node is asked for one by one; a single one where it holds one thing only.
fn keys_of(workload: &Workload) -> Vec<Key> {
    match workload {
        Workload::Register(keys) => (0..keys.keys).map(|number| Key::from(format!("k{number}"))).collect(),
        Workload::Counter(_) => vec!["n0".into()],
        Workload::Set(_) | Workload::Calendar(_) => vec!["s0".into()],
    }
}
