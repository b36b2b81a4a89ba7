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
    kept::{Kept, Program, last_lines},
    links::Links,
    reference::{SystemError, failed},
};
use crate::{
    clock_file::{ClockWriter, monotonic_ns, real_ns},
    preload::{self, Preload},
    proxy::{Kind, ProxyRuntime},
};
use dialect::{Elements, Told};
use message::{body, kind};
use quarrel_models::{
    clock::ClockSetting,
    fault::{ClockChange, Fault},
    id::ReplicaId,
    topology::Graph,
    value::{Key, Value},
};
use quarrel_workloads::{
    history::Event,
    scenario::{MaelstromWorkload, Scenario, Workload},
};
use rustix::process::Signal;
use serde_json::Value as Json;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use switch::{Caller, Switch, name_of};
use tokio::task::JoinSet;

/// How long a node may take to answer `init`: Maelstrom's own limit.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a node may take to answer a question of the harness.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(5);
/// Nodes that show different states, and have not changed for so long, are at rest.
const SETTLED: Duration = Duration::from_secs(2);

/// What one node shows: its records.
type State = BTreeMap<Key, Value>;

/// Nodes that speak Maelstrom's protocol. Dropping it kills them and closes their links.
#[derive(Debug)]
pub struct MaelstromCluster {
    graph: Graph,
    workload: MaelstromWorkload,
    /// The records that a node holds, where it is asked for each.
    keys: Vec<Key>,
    nodes: Vec<Node>,
    links: Links,
    switch: Switch,
    elements: Elements,
    harness: Caller,
    seen: Mutex<Seen>,
    own: PathBuf,
    _tasks: JoinSet<()>,
    /// After the proxies, so that they are closed first.
    _proxies: ProxyRuntime,
}

#[derive(Debug)]
struct Node {
    replica: ReplicaId,
    process: Option<Kept>,
    /// What pumps its lines.
    pump: JoinSet<()>,
    program: Program,
    clock: ClockWriter,
    paused: bool,
    gone_for_good: bool,
}

/// The states that were seen last, how often each has changed, and since when nothing has.
#[derive(Debug)]
struct Seen {
    states: BTreeMap<ReplicaId, State>,
    changes: BTreeMap<ReplicaId, u64>,
    since: Instant,
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
        let words = command(&described.command, described.directory.as_deref()).map_err(|why| odd(&why))?;
        let preload = clock_library(scenario, &folder, Path::new(&words[0]))?;
        let nodes = graph
            .replicas()
            .map(|replica| prepare(&folder, replica, &words, described.directory.clone(), preload.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        let proxies = ProxyRuntime::new().map_err(failed("start the link proxies"))?;
        let links = Links::open(&proxies, &graph, Kind::Frames, scenario.cluster.link, seed)?;
        let mut tasks = JoinSet::new();
        let switch = Switch::new(nodes.len(), &links.addresses(), &mut tasks);
        for replica in graph.replicas() {
            let port = switch.listen(replica, &mut tasks).await.map_err(failed("open a node's port"))?;
            links.set_target(|link| link.to == replica, Some(port));
        }
        let seen = Seen { states: BTreeMap::new(), changes: BTreeMap::new(), since: Instant::now() };
        let mut cluster = Self {
            graph,
            workload: described.workload,
            keys: keys_of(&scenario.workload),
            nodes,
            links,
            harness: switch.caller(),
            switch,
            elements: Elements::default(),
            seen: Mutex::new(seen),
            own: own.to_owned(),
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
        let node = &mut self.nodes[replica.index()];
        let (process, input, output) = Kept::spawn_talking(&self.own, &node.program)
            .await
            .map_err(|what| SystemError::Node { replica, what, log: node.program.log.clone() })?;
        node.pump = JoinSet::new();
        self.switch.join(replica, input, output, &mut node.pump);
        node.process = Some(process);
        node.paused = false;
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
        let log = self.nodes[replica.index()].program.log.clone();
        Err(SystemError::Node { replica, what: format!("{what}: {}", last_lines(&log)), log })
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

    fn signal(&mut self, replica: ReplicaId, signal: Signal, paused: bool) -> Result<String, SystemError> {
        let node = &mut self.nodes[replica.index()];
        let Some(process) = &mut node.process else { return Ok("it was not running".to_owned()) };
        process.signal(signal).map_err(failed("signal a node"))?;
        node.paused = paused;
        Ok(String::new())
    }

    async fn kill(&mut self, replica: ReplicaId) -> Result<String, SystemError> {
        self.switch.leave(replica);
        let node = &mut self.nodes[replica.index()];
        let Some(process) = node.process.take() else { return Ok("it was not running".to_owned()) };
        node.paused = false;
        process.kill().await.map_err(failed("kill a node"))?;
        node.pump.abort_all();
        Ok(String::new())
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
        let running = self.nodes.iter().filter(|node| node.process.is_some());
        running.map(|node| node.replica).collect()
    }

    fn check_alive(&mut self) -> Result<(), SystemError> {
        if let Some((replica, what)) = self.switch.faulty() {
            return Err(SystemError::Node {
                replica,
                what,
                log: self.nodes[replica.index()].program.log.clone(),
            });
        }
        for node in &mut self.nodes {
            if let Some(what) = node.process.as_mut().and_then(Kept::ended) {
                let log = node.program.log.clone();
                let what = format!("{what}: {}", last_lines(&log));
                return Err(SystemError::Node { replica: node.replica, what, log });
            }
        }
        Ok(())
    }

    async fn apply(&mut self, fault: &Fault) -> Result<String, SystemError> {
        if let Some(done) = self.links.apply(fault) {
            return done;
        }
        match fault {
            Fault::Clock(replica, change) => {
                let clock = &mut self.nodes[replica.index()].clock;
                let setting = change.upon(clock.setting(), real_ns(), monotonic_ns());
                clock.set(setting).map_err(failed("write a clock file"))?;
                let off_us = (setting.wall_ns(real_ns(), monotonic_ns()) - real_ns()) / 1000;
                Ok(format!("now {:+.3} ms off", off_us as f64 / 1000.0))
            }
            Fault::Kill(replica) => self.kill(*replica).await,
            Fault::Restart(replica) => {
                self.launch(*replica).await?;
                self.introduce(*replica).await.map(|()| String::new())
            }
            Fault::Pause(replica) => self.signal(*replica, Signal::STOP, true),
            Fault::Resume(replica) => self.signal(*replica, Signal::CONT, false),
            _ => Ok(String::new()),
        }
    }

    fn remedies(&self) -> Vec<Fault> {
        let mut remedies = Vec::from_iter(self.links.remedy());
        for node in &self.nodes {
            if node.clock.setting() != ClockSetting::default() {
                remedies.push(Fault::Clock(node.replica, ClockChange::Reset));
            }
            if node.paused {
                remedies.push(Fault::Resume(node.replica));
            }
            if node.process.is_none() && !node.gone_for_good {
                remedies.push(Fault::Restart(node.replica));
            }
        }
        remedies
    }

    fn give_up(&mut self, replica: ReplicaId) {
        self.nodes[replica.index()].gone_for_good = true;
    }

    /// Nodes tell no positions: they are at rest when all show the same, or when nothing has changed for a while.
    async fn progress(&self) -> Result<Progress, SystemError> {
        let mut states = BTreeMap::new();
        for replica in self.live() {
            states.insert(replica, self.state(replica).await?);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(seen.look(states))
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
        for node in &mut self.nodes {
            self.switch.leave(node.replica);
            if let Some(process) = node.process.take() {
                process.end().await;
            }
        }
    }
}

impl Seen {
    /// Compares with what was seen before.
    fn look(&mut self, states: BTreeMap<ReplicaId, State>) -> Progress {
        for (&replica, state) in &states {
            if self.states.get(&replica) != Some(state) {
                *self.changes.entry(replica).or_default() += 1;
                self.since = Instant::now();
            }
        }
        let mut different = states.iter().zip(states.iter().skip(1)).filter(|(one, other)| one.1 != other.1);
        let pending =
            different.next().filter(|_| self.since.elapsed() < SETTLED).map(|((one, _), (other, _))| {
                format!("{one} and {other} show different states, which still change")
            });
        self.states = states;
        Progress { changes: self.changes.clone(), pending, ..Progress::default() }
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

/// The program and its arguments, the program as a path that exists.
fn command(words: &[String], directory: Option<&Path>) -> Result<Vec<OsString>, String> {
    let (program, arguments) = words.split_first().ok_or("`command` is empty: name the node's program")?;
    let found = if program.contains('/') {
        let path = directory.unwrap_or(Path::new(".")).join(program);
        path.is_file().then_some(path)
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
    };
    let found = found.ok_or_else(|| {
        let where_to = directory.map_or_else(String::new, |directory| format!(" in {}", directory.display()));
        format!("there is no program `{program}`{where_to}: mend `command` in `[cluster.maelstrom]`")
    })?;
    let found = std::path::absolute(&found).map_err(|error| error.to_string())?;
    Ok(std::iter::once(found.into_os_string()).chain(arguments.iter().map(OsString::from)).collect())
}

/// The library that sets the nodes' clocks, if the scenario does.
fn clock_library(scenario: &Scenario, folder: &Path, program: &Path) -> Result<Option<Preload>, SystemError> {
    if scenario.nemesis.clock.is_empty() {
        return Ok(None);
    }
    let cannot = |why: String| failed("set the nodes' clocks")(std::io::Error::other(why));
    preload::examine(program).map_err(|why| cannot(why.to_string()))?;
    Preload::unpack(&folder.join("nodes")).map(Some).map_err(|why| cannot(why.to_string()))
}

fn prepare(
    folder: &Path,
    replica: ReplicaId,
    words: &[OsString],
    directory: Option<PathBuf>,
    preload: Option<&Preload>,
) -> Result<Node, SystemError> {
    let clock_file = folder.join("nodes").join(format!("{replica}.clock"));
    let clock = ClockWriter::create(&clock_file).map_err(failed("create a clock file"))?;
    let environment = preload.map(|preload| preload.environment(&clock_file).to_vec()).unwrap_or_default();
    let log = folder.join("log").join(format!("{replica}.log"));
    let program = Program { words: words.to_vec(), environment, directory, log };
    Ok(Node {
        replica,
        process: None,
        pump: JoinSet::new(),
        program,
        clock,
        paused: false,
        gone_for_good: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_at_rest_when_they_agree_or_nothing_changes_any_more() {
        let [a, b] = [ReplicaId(0), ReplicaId(1)];
        let state = |number: i64| State::from([(Key::from("n0"), Value::Int(number))]);
        let mut seen = Seen { states: BTreeMap::new(), changes: BTreeMap::new(), since: Instant::now() };
        assert_eq!(seen.look(BTreeMap::from([(a, state(1)), (b, state(1))])).pending, None);
        let moving = seen.look(BTreeMap::from([(a, state(2)), (b, state(1))]));
        assert!(moving.pending.unwrap().contains("A and B"), "they may still agree");
        assert_eq!(moving.changes, BTreeMap::from([(a, 2), (b, 1)]));
        seen.since = Instant::now().checked_sub(SETTLED).unwrap();
        assert_eq!(
            seen.look(BTreeMap::from([(a, state(2)), (b, state(1))])).pending,
            None,
            "they never will"
        );
    }

    #[test]
    fn a_program_is_looked_for_beside_the_scenario_or_in_the_path() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let shell = command(&words("sh -c true"), None).unwrap();
        assert!(Path::new(&shell[0]).is_absolute());
        assert_eq!(shell[1..], ["-c", "true"]);
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(Path::new(&command(&words("./Cargo.toml"), Some(here)).unwrap()[0]).is_absolute());
        let why = command(&words("./no-such-node"), Some(here)).unwrap_err();
        assert!(why.contains("no program `./no-such-node`"), "{why}");
        assert!(command(&[], None).is_err());
    }
}
