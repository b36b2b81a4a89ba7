//! The reference cluster: nodes as processes, a link proxy for every directed replication link and every leader's
//! client link, a clock file for every node.

mod process;
mod stepped;
mod system;

pub use process::own_program;

use crate::{
    clock_file::{ClockWriter, monotonic_ns, real_ns},
    node::{MAX_PAGE, NodeSpec, SECRET_HEADER, StatePage, Status},
    proxy::{Kind, Proxy, ProxyRuntime},
    systems::links::{Links, open_client_links},
};
use process::{NodeProcess, SpawnPlan};
use quarrel_models::{
    clock::ClockSetting,
    fault::{ClockChange, Fault},
    id::{LinkId, ReplicaId},
    topology::Graph,
    value::Key,
    version::Cell,
    witness,
};
use quarrel_workloads::scenario::Scenario;
use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// How long a node may take to answer a question of the harness.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(5);

/// What the system under test could not do.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// A node did not start, or ended by itself.
    #[error("{replica} {what}; its log is {log}", log = log.display())]
    Node {
        /// The node.
        replica: ReplicaId,
        /// What happened to it.
        what: String,
        /// Where it says why.
        log: PathBuf,
    },
    /// A file or a port could not be had.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A node gave no proper answer to the harness.
    #[error("{replica} did not answer the harness: {why}")]
    Control {
        /// The node.
        replica: ReplicaId,
        /// Why.
        why: String,
    },
}

/// Where clients reach each replica now; `None` while its process is down.
#[derive(Debug)]
pub struct Endpoints(Vec<RwLock<Option<SocketAddr>>>);

impl Endpoints {
    /// Fixed addresses, the first one that of replica A.
    #[must_use]
    pub fn fixed(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self(addresses.into_iter().map(|address| RwLock::new(Some(address))).collect())
    }

    /// As many replicas, none of which runs.
    pub(in crate::systems) fn none(replicas: usize) -> Self {
        Self((0..replicas).map(|_| RwLock::new(None)).collect())
    }

    /// Where clients reach the replica.
    #[must_use]
    pub fn get(&self, replica: ReplicaId) -> Option<SocketAddr> {
        *self.0[replica.index()].read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::systems) fn set(&self, replica: ReplicaId, address: Option<SocketAddr>) {
        *self.0[replica.index()].write().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

/// A running reference cluster. Dropping it kills its nodes and closes its links.
#[derive(Debug)]
pub struct ReferenceCluster {
    graph: Graph,
    endpoints: Arc<Endpoints>,
    nodes: Vec<Node>,
    links: Links,
    client_links: BTreeMap<ReplicaId, Proxy>,
    secret: String,
    control: reqwest::Client,
    program: PathBuf,
    /// The file that says where clients reach the replicas.
    addresses: PathBuf,
    /// After the proxies, so that they are closed first. A stepped cluster has none: whoever steps it carries its
    /// frames.
    proxies: Option<ProxyRuntime>,
}

#[derive(Debug)]
struct Node {
    replica: ReplicaId,
    process: Option<NodeProcess>,
    paused: bool,
    /// Killed, never to be started again.
    gone_for_good: bool,
    clock: ClockWriter,
    plan: SpawnPlan,
    /// Its write-ahead log.
    wal: PathBuf,
}

impl ReferenceCluster {
    /// Starts a cluster whose files are in `folder`, from the program that has the subcommand `node`.
    ///
    /// # Errors
    /// [`SystemError`] if a file, a port or a process could not be had.
    pub async fn start(
        scenario: &Scenario,
        folder: &Path,
        seed: u64,
        program: &Path,
    ) -> Result<Self, SystemError> {
        let graph = graph_of(scenario)?;
        let proxies = ProxyRuntime::new().map_err(failed("start the link proxies"))?;
        let links = Links::open(&proxies, &graph, Kind::Frames, scenario.cluster.link, seed)?;
        let client_links = if scenario.cluster.proxy_clients {
            open_client_links(&proxies, &graph, seed)?
        } else {
            BTreeMap::new()
        };
        let peers = links.addresses();
        let mut cluster =
            Self { links, client_links, ..Self::prepare(scenario, folder, program, &peers, None)? };
        cluster.proxies = Some(proxies);
        for replica in cluster.graph.replicas() {
            cluster.spawn(replica).await?;
        }
        Ok(cluster)
    }

    /// A cluster of which nothing runs yet, its links leading to these addresses.
    fn prepare(
        scenario: &Scenario,
        folder: &Path,
        program: &Path,
        peers: &BTreeMap<LinkId, SocketAddr>,
        stepped: Option<&witness::Cluster>,
    ) -> Result<Self, SystemError> {
        let graph = graph_of(scenario)?;
        for sub in ["nodes", "log", "apply"] {
            std::fs::create_dir_all(folder.join(sub)).map_err(failed("create the run's folders"))?;
        }
        let secret = new_secret()?;
        let mut nodes = Vec::new();
        for replica in graph.replicas() {
            nodes.push(prepare_node(scenario, folder, replica, peers, &secret, stepped)?);
        }
        let control = reqwest::Client::builder()
            .timeout(CONTROL_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|error| failed("make a control client")(std::io::Error::other(error)))?;
        let endpoints = Arc::new(Endpoints::none(graph.replicas().count()));
        Ok(Self {
            graph,
            endpoints,
            nodes,
            links: Links::default(),
            client_links: BTreeMap::new(),
            secret,
            control,
            program: program.to_owned(),
            addresses: folder.join("nodes").join("addresses.json"),
            proxies: None,
        })
    }

    /// The replicas and links.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Where clients reach each replica, kept up to date.
    #[must_use]
    pub fn endpoints(&self) -> Arc<Endpoints> {
        Arc::clone(&self.endpoints)
    }

    /// The replicas whose processes run.
    pub fn live(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        self.nodes.iter().filter(|node| node.process.is_some()).map(|node| node.replica)
    }

    /// A node that has ended by itself, if one has.
    ///
    /// # Errors
    /// [`SystemError::Node`] names it.
    pub fn check_alive(&mut self) -> Result<(), SystemError> {
        for node in &mut self.nodes {
            if let Some(process) = &mut node.process
                && let Some(what) = process.ended(&node.plan.log)
            {
                return Err(SystemError::Node { replica: node.replica, what, log: node.plan.log.clone() });
            }
        }
        Ok(())
    }

    async fn spawn(&mut self, replica: ReplicaId) -> Result<(), SystemError> {
        let node = &mut self.nodes[replica.index()];
        let (process, listening) = NodeProcess::spawn(&self.program, &node.plan)
            .await
            .map_err(|what| SystemError::Node { replica, what, log: node.plan.log.clone() })?;
        node.process = Some(process);
        node.paused = false;
        self.links.set_target(|link| link.to == replica, Some(listening.replication));
        let address = match self.client_links.get(&replica) {
            Some(proxy) => {
                proxy.set_target(listening.http);
                proxy.address()
            }
            None => listening.http,
        };
        self.endpoints.set(replica, Some(address));
        self.publish()
    }

    /// Writes down where clients reach the replicas, for clients that are not ours.
    fn publish(&self) -> Result<(), SystemError> {
        let addresses: BTreeMap<String, Option<SocketAddr>> =
            self.graph.replicas().map(|replica| (replica.to_string(), self.endpoints.get(replica))).collect();
        let mut text = serde_json::to_vec_pretty(&addresses)
            .map_err(|error| failed("write the nodes' addresses")(error.into()))?;
        text.push(b'\n');
        std::fs::write(&self.addresses, text).map_err(failed("write the nodes' addresses"))
    }

    /// Does what the nemesis asks, and says what that did.
    ///
    /// Relocation is the clients' affair and does nothing here.
    ///
    /// # Errors
    /// [`SystemError`] if it could not be done.
    pub async fn apply(&mut self, fault: &Fault) -> Result<String, SystemError> {
        if let Some(done) = self.links.apply(fault) {
            return done;
        }
        match fault {
            Fault::Cut(_) | Fault::Stall(_) | Fault::Degrade(..) | Fault::Heal(_) => Ok(String::new()),
            Fault::Clock(replica, change) => self.set_clock(*replica, *change),
            Fault::Relocate { .. } => Ok(String::new()),
            Fault::Kill(replica) => self.kill(*replica).await,
            Fault::Restart(replica) => {
                self.spawn(*replica).await?;
                Ok(String::new())
            }
            Fault::Pause(replica) => self.signal(*replica, rustix::process::Signal::STOP, true),
            Fault::Resume(replica) => self.signal(*replica, rustix::process::Signal::CONT, false),
        }
    }

    /// What the replication links have carried since the start, both ways: frames, and bytes.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        self.links.traffic()
    }

    /// What undoes every fault that is on, but for what was killed for good.
    #[must_use]
    pub fn remedies(&self) -> Vec<Fault> {
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

    /// Never start this replica again, not even to read it.
    pub fn give_up(&mut self, replica: ReplicaId) {
        self.nodes[replica.index()].gone_for_good = true;
    }

    fn set_clock(&mut self, replica: ReplicaId, change: ClockChange) -> Result<String, SystemError> {
        let clock = &mut self.nodes[replica.index()].clock;
        let setting = change.upon(clock.setting(), real_ns(), monotonic_ns());
        clock.set(setting).map_err(failed("write a clock file"))?;
        let off_us = (setting.wall_ns(real_ns(), monotonic_ns()) - real_ns()) / 1000;
        Ok(format!("now {:+.3} ms off", off_us as f64 / 1000.0))
    }

    async fn kill(&mut self, replica: ReplicaId) -> Result<String, SystemError> {
        self.endpoints.set(replica, None);
        let node = &mut self.nodes[replica.index()];
        match node.process.take() {
            None => Ok("it was not running".to_owned()),
            Some(process) => {
                process.kill().await.map_err(failed("kill a node"))?;
                node.paused = false;
                self.links.set_target(|link| link.to == replica, None);
                Ok(String::new())
            }
        }
    }

    fn signal(
        &mut self,
        replica: ReplicaId,
        signal: rustix::process::Signal,
        paused: bool,
    ) -> Result<String, SystemError> {
        let node = &mut self.nodes[replica.index()];
        match &node.process {
            None => Ok("it was not running".to_owned()),
            Some(process) => {
                process.signal(signal).map_err(failed("signal a node"))?;
                node.paused = paused;
                Ok(String::new())
            }
        }
    }

    /// How far a replica is.
    ///
    /// # Errors
    /// [`SystemError::Control`] if it does not answer.
    pub async fn status(&self, replica: ReplicaId) -> Result<Status, SystemError> {
        self.ask(replica, "/v1/status").await
    }

    /// All records of a replica, page by page.
    ///
    /// # Errors
    /// [`SystemError::Control`] if it does not answer; what `take` reports.
    pub async fn read_all(
        &self,
        replica: ReplicaId,
        mut take: impl FnMut(Key, Cell),
    ) -> Result<u64, SystemError> {
        let mut count = 0;
        let mut after: Option<Key> = None;
        loop {
            let from =
                after.as_ref().map(|key| format!("&after={}", percent_encode(key))).unwrap_or_default();
            let page: StatePage =
                self.ask(replica, &format!("/v1/state?limit={}{from}", MAX_PAGE / 4)).await?;
            after = page.records.last().map(|(key, _)| key.clone());
            count += page.records.len() as u64;
            for (key, cell) in page.records {
                take(key, cell);
            }
            if !page.more {
                return Ok(count);
            }
        }
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        replica: ReplicaId,
        path: &str,
    ) -> Result<T, SystemError> {
        let error = |why: String| SystemError::Control { replica, why };
        let url = self.control_url(replica, path)?;
        let asked = self.control.get(url).header(SECRET_HEADER, &self.secret).send().await;
        let answer = asked.and_then(reqwest::Response::error_for_status).map_err(|e| error(e.to_string()))?;
        answer.json().await.map_err(|e| error(e.to_string()))
    }

    fn control_url(&self, replica: ReplicaId, path: &str) -> Result<String, SystemError> {
        let not_running = || SystemError::Control { replica, why: "it is not running".to_owned() };
        let process = self.nodes[replica.index()].process.as_ref().ok_or_else(not_running)?;
        Ok(format!("http://{}{path}", process.http()))
    }

    /// Ends all nodes in good order; what does not end in time is killed.
    pub async fn stop(&mut self) {
        for node in &mut self.nodes {
            self.endpoints.set(node.replica, None);
            if let Some(process) = node.process.take() {
                if node.paused {
                    // It could neither answer nor end; if it cannot be woken it is killed below.
                    let _ = process.signal(rustix::process::Signal::CONT);
                }
                let url = format!("http://{}/v1/shutdown", process.http());
                // A node that does not answer is killed below.
                let _ = self.control.post(url).header(SECRET_HEADER, &self.secret).send().await;
                process.end().await;
            }
        }
    }
}

fn graph_of(scenario: &Scenario) -> Result<Graph, SystemError> {
    scenario.cluster.graph().map_err(|error| failed("lay out the cluster")(std::io::Error::other(error)))
}

fn prepare_node(
    scenario: &Scenario,
    folder: &Path,
    replica: ReplicaId,
    links: &BTreeMap<LinkId, SocketAddr>,
    secret: &str,
    stepped: Option<&witness::Cluster>,
) -> Result<Node, SystemError> {
    let peers = links.iter().filter(|(link, _)| link.from == replica);
    let peers = peers.map(|(link, &address)| (link.to, address)).collect();
    let file = |name: String| folder.join("nodes").join(name);
    let spec = NodeSpec {
        replica,
        cluster: scenario.cluster.clone(),
        strategy: scenario.strategy.clone(),
        peers,
        log: file(format!("{replica}.wal")),
        clock: file(format!("{replica}.clock")),
        apply: scenario.cluster.apply_log.then(|| folder.join("apply").join(format!("{replica}.jsonl"))),
        secret: secret.to_owned(),
        stepped: stepped.cloned(),
    };
    let clock = ClockWriter::create(&spec.clock).map_err(failed("create a clock file"))?;
    let plan = SpawnPlan {
        spec: file(format!("{replica}.json")),
        log: folder.join("log").join(format!("{replica}.log")),
    };
    let text =
        serde_json::to_vec_pretty(&spec).map_err(|error| failed("write a node's spec")(error.into()))?;
    write_private(&plan.spec, &text).map_err(failed("write a node's spec"))?;
    Ok(Node { replica, process: None, paused: false, gone_for_good: false, clock, plan, wal: spec.log })
}

/// Writes a file that only its owner can read: it holds the run's secret.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

pub(in crate::systems) fn failed(what: &'static str) -> impl Fn(std::io::Error) -> SystemError {
    move |source| SystemError::Io { what: format!("could not {what}"), source }
}

/// 128 bits from the system: nobody on this machine guesses them.
fn new_secret() -> Result<String, SystemError> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(failed("draw the run's secret"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A key as it stands in a URL.
#[must_use]
pub fn percent_encode(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_a_url() {
        assert_eq!(percent_encode("room 1/ä"), "room%201%2F%C3%A4");
    }
}
