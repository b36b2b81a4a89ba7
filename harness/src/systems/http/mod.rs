//! Servers of the user's, spoken to over HTTP by requests that the scenario describes.
//!
//! They are started, one for each leader, with their links through proxies; or they run already, and then nothing can be
//! done to them. The harness sees a black box: acknowledgements, reads, and in the end what each server shows.
//!
//! `client`: one client of ours; `mapping`: operations as requests, and answers read back.

mod client;
mod mapping;

pub use client::Client;

use super::{
    Carrier, Progress, System,
    black_box::{Settled, State},
    links::Links,
    members::{Members, clock_library, command},
    reference::{SystemError, failed},
};
use crate::proxy::{Kind, ProxyRuntime};
use client::Asked;
use mapping::{Mapping, Told};
use quarrel_models::{
    fault::Fault,
    id::{LinkId, ReplicaId},
    operation::Operation,
    topology::Graph,
};
use quarrel_workloads::{
    history::Event,
    scenario::{Http, Scenario},
};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a server may take to answer a question of the harness.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a server that starts is tried.
const TRY: Duration = Duration::from_millis(20);

/// Servers that are asked as the scenario says. Dropping it kills those that it started, and closes their links.
#[derive(Debug)]
pub struct HttpCluster {
    graph: Graph,
    mapping: Arc<Mapping>,
    /// Where each replica is, such as `http://127.0.0.1:8001`.
    servers: Arc<[String]>,
    /// Nobody, if the servers were there before.
    members: Members,
    links: Links,
    asked: Asked,
    settled: Settled,
    /// After the proxies, so that they are closed first.
    _proxies: ProxyRuntime,
}

impl HttpCluster {
    /// Starts servers whose files are in `folder`, under keepers from the program that has the subcommand `keep`; or
    /// looks whether those that are named answer.
    ///
    /// # Errors
    /// [`SystemError`] if a file, a port or a process could not be had, or a server does not answer.
    pub async fn start(
        scenario: &Scenario,
        folder: &Path,
        seed: u64,
        own: &Path,
    ) -> Result<Self, SystemError> {
        let odd = |what: &str| failed("lay out the cluster")(std::io::Error::other(what.to_owned()));
        let http = scenario.cluster.http.as_ref().ok_or_else(|| odd("`[cluster.http]` is missing"))?;
        let graph = scenario.cluster.graph().map_err(|error| odd(&error.to_string()))?;
        let folder = std::path::absolute(folder).map_err(failed("find the run's folder"))?;
        for sub in ["nodes", "log"] {
            std::fs::create_dir_all(folder.join(sub)).map_err(failed("create the run's folders"))?;
        }
        let is_ours = http.endpoints.is_empty();
        // What was there before is not ours to overwrite, and would be taken for what the run wrote.
        let prefix = if is_ours { String::new() } else { fresh_prefix() };
        let proxies = ProxyRuntime::new().map_err(failed("start the link proxies"))?;
        let mut cluster = Self {
            mapping: Arc::new(Mapping::new(http.clone(), &scenario.workload, prefix)),
            servers: http.endpoints.iter().map(|server| server.trim_end_matches('/').to_owned()).collect(),
            members: Members::new(own),
            links: Links::default(),
            asked: Asked::default(),
            settled: Settled::new(),
            graph,
            _proxies: proxies,
        };
        if is_ours {
            cluster.prepare(scenario, http, &folder, seed)?;
            for replica in cluster.graph.replicas() {
                cluster.members.launch(replica).await?;
            }
        }
        for replica in cluster.graph.replicas() {
            cluster.ready(replica).await?;
        }
        Ok(cluster)
    }

    /// Lays out servers of ours: a port for each, a proxy for each link, and the words that start them.
    fn prepare(
        &mut self,
        scenario: &Scenario,
        http: &Http,
        folder: &Path,
        seed: u64,
    ) -> Result<(), SystemError> {
        let directory = http.directory.as_deref();
        let words = command(&http.command, directory, "http")
            .map_err(|why| failed("find the servers' program")(std::io::Error::other(why)))?;
        let preload = clock_library(scenario, folder, Path::new(&words[0]))?;
        let addresses = free_addresses(self.graph.replicas().count()).map_err(failed("find free ports"))?;
        self.links = Links::open(&self._proxies, &self.graph, Kind::Bytes, scenario.cluster.link, seed)?;
        let pulls = http.pulls();
        for replica in self.graph.replicas() {
            let here = addresses[replica.index()];
            self.links.set_target(|link| replica == if pulls { link.from } else { link.to }, Some(here));
        }
        let proxied = self.links.addresses();
        for replica in self.graph.replicas() {
            let others = others_of(replica, pulls, &proxied);
            let words = filled(&words, replica, addresses[replica.index()], &others);
            self.members.add(folder, words, http.directory.clone(), preload.as_ref())?;
        }
        self.servers = addresses.iter().map(|address| format!("http://{address}")).collect();
        Ok(())
    }

    /// Waits until a server answers.
    async fn ready(&mut self, replica: ReplicaId) -> Result<(), SystemError> {
        let client = self.client(CONTROL_TIMEOUT)?;
        let began = Instant::now();
        loop {
            self.members.check_alive()?;
            let Err(why) = client.is_healthy(replica).await else { return Ok(()) };
            if began.elapsed() > START_TIMEOUT {
                let server = &self.servers[replica.index()];
                return Err(SystemError::Control { replica, why: format!("{server} is not ready: {why}") });
            }
            tokio::time::sleep(TRY).await;
        }
    }

    /// A client past all proxies: a server's own address is where everybody asks it.
    fn client(&self, patience: Duration) -> Result<Client, SystemError> {
        Client::new(Arc::clone(&self.mapping), Arc::clone(&self.servers), self.asked.clone(), patience)
            .map_err(|error| failed("make an HTTP client")(std::io::Error::other(error)))
    }

    /// All that a server shows.
    async fn state(&self, replica: ReplicaId) -> Result<State, SystemError> {
        let client = self.client(CONTROL_TIMEOUT)?;
        let why = |why: String| SystemError::Control { replica, why };
        if let Some(told) = client.state(replica).await {
            return told.map_err(why);
        }
        let mut state = State::new();
        for key in self.asked.keys() {
            match client.ask(replica, &key, &Operation::Read, None).await {
                Told::Held(value) => state.extend(value.map(|value| (key.clone(), value))),
                Told::Refused(told) => return Err(why(format!("reading {key}: {told}"))),
                other => return Err(why(format!("reading {key}: {other:?}"))),
            }
        }
        Ok(state)
    }
}

impl System for HttpCluster {
    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn carrier(&self, patience: Duration) -> Result<Carrier, SystemError> {
        self.client(patience).map(Carrier::Mapped)
    }

    fn live(&self) -> Vec<ReplicaId> {
        if self.members.is_empty() { self.graph.replicas().collect() } else { self.members.live() }
    }

    fn check_alive(&mut self) -> Result<(), SystemError> {
        self.members.check_alive()
    }

    async fn apply(&mut self, fault: &Fault) -> Result<String, SystemError> {
        if let Some(done) = self.links.apply(fault).or_else(|| self.members.apply(fault)) {
            return done;
        }
        match fault {
            Fault::Kill(replica) => self.members.kill(*replica).await,
            Fault::Restart(replica) => {
                self.members.launch(*replica).await?;
                self.ready(*replica).await.map(|()| String::new())
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
            self.members.end(replica).await;
        }
    }
}

/// What no key of another run begins with.
fn fresh_prefix() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("quarrel-{:x}-", since.as_millis())
}

/// As many free ports of the loopback address, all different.
fn free_addresses(count: usize) -> std::io::Result<Vec<SocketAddr>> {
    let held =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<Vec<_>, _>>()?;
    held.iter().map(TcpListener::local_addr).collect()
}

/// Whom a replica sends to, or pulls from, and through which proxy: `B=127.0.0.1:4001,C=127.0.0.1:4002`.
fn others_of(replica: ReplicaId, pulls: bool, proxied: &BTreeMap<LinkId, SocketAddr>) -> String {
    let others = proxied.iter().filter_map(|(link, address)| {
        let (own, other) = if pulls { (link.to, link.from) } else { (link.from, link.to) };
        (own == replica).then(|| format!("{other}={address}"))
    });
    others.collect::<Vec<_>>().join(",")
}

fn filled(words: &[OsString], replica: ReplicaId, address: SocketAddr, others: &str) -> Vec<OsString> {
    let fill = |word: &OsString| match word.to_str() {
        Some(word) => word
            .replace("{node}", &replica.to_string())
            .replace("{port}", &address.port().to_string())
            .replace("{peers}", others)
            .replace("{sources}", others)
            .into(),
        None => word.clone(),
    };
    words.iter().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_where_it_listens_and_whom_it_reaches_through_which_link() {
        let [a, b, c] = [ReplicaId(0), ReplicaId(1), ReplicaId(2)];
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let link = |from, to, port| (LinkId { from, to }, at(port));
        let proxied = BTreeMap::from([link(a, b, 1), link(a, c, 2), link(b, a, 3)]);
        assert_eq!(others_of(a, false, &proxied), "B=127.0.0.1:1,C=127.0.0.1:2");
        assert_eq!(others_of(a, true, &proxied), "B=127.0.0.1:3");
        assert_eq!(others_of(c, false, &proxied), "");
        let words = ["x", "--as={node}:{port}", "{peers}"].map(OsString::from);
        assert_eq!(filled(&words, b, at(9), "A=z"), ["x", "--as=B:9", "A=z"].map(OsString::from));
    }
}
