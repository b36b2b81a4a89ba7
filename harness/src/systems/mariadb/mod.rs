//! MariaDB as a system under test: unmodified servers with asynchronous multi-source replication by GTID.
//!
//! Leader *i* (from 1) listens on `127.0.0.i`, has the server id and the GTID domain *i*, and pulls from each of its
//! sources through the link's proxy. One table, `records`: the key, an integer, and beside it the write that put it
//! there, its time by the leader's clock, and the leader. The rows are there before the run, so that every write is an
//! update; `lww` is a trigger that keeps the later of two rows, on replicas too.
//!
//! `install`: what it needs on this machine; `gtid`: positions; `connections`: clients.

mod connections;
mod gtid;
mod install;

pub use connections::Connections;

use super::{
    Carrier, Progress, System,
    links::{Links, open_client_links},
    members::{Members, clock_library},
    reference::{Endpoints, SystemError, failed},
};
use crate::proxy::{Kind, Proxy, ProxyRuntime};
use connections::{Held, options};
use mysql_async::{Conn, Row, prelude::Queryable as _};
use quarrel_models::{
    fault::Fault,
    id::{Dot, LinkId, ReplicaId, WriteId},
    strategy::Strategy,
    topology::{Graph, Propagation},
    version::VersionVector,
};
use quarrel_workloads::{
    history::{Event, FinalVersion},
    scenario::{Durability, Scenario, Workload},
};
use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// How long a server may take until it answers; recovery is part of it.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a server may take to answer a question of the harness.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a server that starts is tried.
const TRY: Duration = Duration::from_millis(20);

/// The version that is installed, or what is missing.
///
/// # Errors
/// What is missing, in words.
pub fn version() -> Result<String, String> {
    install::look().map(|programs| programs.version)
}

/// The command that installs it.
#[must_use]
pub const fn install_command() -> &'static str {
    install::INSTALL
}

/// Which position each acknowledged write has: a row does not tell.
#[derive(Debug, Clone, Default)]
struct Dots(Arc<Mutex<HashMap<WriteId, Dot>>>);

impl Dots {
    fn get(&self, write: WriteId) -> Option<Dot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&write).copied()
    }

    fn put(&self, write: WriteId, dot: Dot) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(write, dot);
    }
}

/// MariaDB servers that replicate to each other. Dropping it kills them and closes their links.
#[derive(Debug)]
pub struct MariadbCluster {
    graph: Graph,
    endpoints: Arc<Endpoints>,
    members: Members,
    servers: Vec<Server>,
    links: Links,
    client_links: BTreeMap<ReplicaId, Proxy>,
    dots: Dots,
    /// After the proxies, so that they are closed first.
    _proxies: ProxyRuntime,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    data: PathBuf,
    /// Whether it has been told its sources; it remembers them.
    linked: bool,
}

impl MariadbCluster {
    /// Starts servers whose files are in `folder`, under keepers from the program that has the subcommand `keep`.
    ///
    /// # Errors
    /// [`SystemError`] if MariaDB is missing, or a file, a port or a process could not be had.
    pub async fn start(
        scenario: &Scenario,
        folder: &Path,
        seed: u64,
        own: &Path,
    ) -> Result<Self, SystemError> {
        let programs = install::look().map_err(|why| {
            let help = format!("{why}; install it with `{}`", install::INSTALL);
            failed("find MariaDB")(std::io::Error::other(help))
        })?;
        let template = install::template(&programs)?;
        let graph = scenario
            .cluster
            .graph()
            .map_err(|error| failed("lay out the cluster")(std::io::Error::other(error)))?;
        let proxies = ProxyRuntime::new().map_err(failed("start the link proxies"))?;
        let links = Links::open(&proxies, &graph, Kind::Bytes, scenario.cluster.link, seed)?;
        let client_links = if scenario.cluster.proxy_clients {
            open_client_links(&proxies, &graph, seed)?
        } else {
            BTreeMap::new()
        };
        let folder = std::path::absolute(folder).map_err(failed("find the run's folder"))?;
        for sub in ["nodes", "log"] {
            std::fs::create_dir_all(folder.join(sub)).map_err(failed("create the run's folders"))?;
        }
        let preload = clock_library(scenario, &folder, &programs.server)?;
        let mut members = Members::new(own);
        let mut servers = Vec::new();
        for replica in graph.replicas() {
            let (server, words) = prepare(scenario, &folder, replica, &programs, &template)?;
            servers.push(server);
            members.add(&folder, words, None, preload.as_ref())?;
        }
        let endpoints = Arc::new(Endpoints::none(graph.replicas().count()));
        let dots = Dots::default();
        let mut cluster =
            Self { graph, endpoints, members, servers, links, client_links, dots, _proxies: proxies };
        for replica in cluster.graph.replicas() {
            cluster.members.launch(replica).await?;
        }
        for replica in cluster.graph.replicas() {
            cluster.ready(replica).await?;
        }
        Ok(cluster)
    }

    /// Waits until a server answers, and joins it to its sources.
    async fn ready(&mut self, replica: ReplicaId) -> Result<(), SystemError> {
        let began = Instant::now();
        let mut connection = loop {
            self.members.check_alive()?;
            match self.control(replica).await {
                Ok(connection) => break connection,
                Err(error) if began.elapsed() > START_TIMEOUT => return Err(error),
                Err(_) => tokio::time::sleep(TRY).await,
            }
        };
        let server = &mut self.servers[replica.index()];
        let addresses = self.links.addresses();
        let mut statements = Vec::new();
        for (link, address) in addresses.iter().filter(|(link, _)| link.to == replica && !server.linked) {
            statements.push(format!(
                "change master '{}' to master_host='{}', master_port={}, master_user='quarrel', \
                 master_use_gtid=slave_pos, master_connect_retry=1, master_heartbeat_period=1",
                link.from,
                address.ip(),
                address.port()
            ));
        }
        statements.push("start all slaves".to_owned());
        for statement in statements {
            let done = connection.query_drop(statement).await;
            done.map_err(|error| SystemError::Control { replica, why: error.to_string() })?;
        }
        server.linked = true;
        self.links.set_target(|link| link.from == replica, Some(server.address));
        let address = match self.client_links.get(&replica) {
            Some(proxy) => {
                proxy.set_target(server.address);
                proxy.address()
            }
            None => server.address,
        };
        self.endpoints.set(replica, Some(address));
        Ok(())
    }

    /// A connection past all proxies.
    async fn control(&self, replica: ReplicaId) -> Result<Conn, SystemError> {
        let connecting = Conn::new(options(self.servers[replica.index()].address));
        match timeout(CONTROL_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(SystemError::Control { replica, why: error.to_string() }),
            Err(_) => Err(SystemError::Control { replica, why: "no answer in time".to_owned() }),
        }
    }

    async fn ask(&self, replica: ReplicaId, question: &str) -> Result<Vec<Row>, SystemError> {
        let mut connection = self.control(replica).await?;
        match timeout(CONTROL_TIMEOUT, connection.query(question)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => Err(SystemError::Control { replica, why: error.to_string() }),
            Err(_) => Err(SystemError::Control { replica, why: "no answer in time".to_owned() }),
        }
    }

    /// What a server has applied, and what it passes on: what stands in its binary log.
    async fn positions(&self, replica: ReplicaId) -> Result<(VersionVector, VersionVector), SystemError> {
        let rows = self.ask(replica, "select @@global.gtid_current_pos, @@global.gtid_binlog_pos").await?;
        let vector = |at: usize| {
            let text: Option<String> = rows.first().and_then(|row| row.get(at));
            text.as_deref().and_then(gtid::vector)
        };
        match (vector(0), vector(1)) {
            (Some(applied), Some(logged)) => Ok((applied, logged)),
            _ => Err(SystemError::Control { replica, why: "its GTID position is no position".to_owned() }),
        }
    }

    /// The first of a server's replication threads that stands still, and why.
    async fn stopped(&self, replica: ReplicaId) -> Result<Option<String>, SystemError> {
        for row in self.ask(replica, "show all slaves status").await? {
            let text = |name: &str| row.get::<Option<String>, _>(name).flatten().unwrap_or_default();
            if text("Slave_SQL_Running") != "Yes" {
                let (from, why) = (text("Connection_name"), text("Last_SQL_Error"));
                return Ok(Some(format!("{replica} applies nothing more from {from}: {why}")));
            }
        }
        Ok(None)
    }

    async fn kill(&mut self, replica: ReplicaId) -> Result<String, SystemError> {
        self.endpoints.set(replica, None);
        let done = self.members.kill(replica).await;
        self.links.set_target(|link| link.from == replica, None);
        done
    }
}

impl System for MariadbCluster {
    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn carrier(&self, patience: Duration) -> Result<Carrier, SystemError> {
        let connections = Connections::new(Arc::clone(&self.endpoints), patience, self.dots.clone());
        Ok(Carrier::Mariadb(connections))
    }

    fn live(&self) -> Vec<ReplicaId> {
        self.members.live()
    }

    fn check_alive(&mut self) -> Result<(), SystemError> {
        self.members.check_alive()
    }

    async fn apply(&mut self, fault: &Fault) -> Result<String, SystemError> {
        if let Some(done) = self.links.apply(fault).or_else(|| self.members.apply(fault)) {
            return done;
        }
        match fault {
            Fault::Kill(replica) => self.kill(*replica).await,
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

    /// At rest every server has applied what stands in the binary logs of its sources, but for its own writes, and no
    /// thread stands still. A thread that stopped is not at rest however long one waits: it is told as it is.
    async fn progress(&self) -> Result<Progress, SystemError> {
        let mut progress = Progress::default();
        let mut logged = BTreeMap::new();
        for replica in self.live() {
            let (applied, log) = self.positions(replica).await?;
            progress.applied.insert(replica, applied);
            logged.insert(replica, log);
        }
        for &LinkId { from, to } in self.graph.links() {
            let (Some(log), Some(applied)) = (logged.get(&from), progress.applied.get(&to)) else { continue };
            if let Some(dot) = log.iter().find(|dot| dot.origin != to && !applied.covers(*dot)) {
                let at = applied.get(dot.origin);
                progress.pending =
                    Some(format!("{to} has {}'s log up to {at}, {from} up to {}", dot.origin, dot.position));
            }
        }
        for replica in self.live() {
            if let Some(why) = self.stopped(replica).await? {
                progress.pending = Some(why);
            }
        }
        Ok(progress)
    }

    async fn read_all(&self, replica: ReplicaId, record: &mut dyn FnMut(Event)) -> Result<u64, SystemError> {
        let written = "select k, n, w, ts, node from records where w is not null order by k";
        let rows = self.ask(replica, written).await?;
        for row in &rows {
            let (Some(key), Some(held)) = (row.get::<String, _>(0), Held::of(row, 1)) else {
                return Err(SystemError::Control { replica, why: "a row cannot be read".to_owned() });
            };
            let Some(write) = held.write else {
                return Err(SystemError::Control { replica, why: format!("{key} has a strange write") });
            };
            let dot = self.dots.get(write).unwrap_or(Dot { origin: held.leader, position: 0 });
            let version = FinalVersion { write, dot, stamp: held.stamp, value: None };
            record(Event::Final { replica, key: key.into(), value: held.value, versions: vec![version] });
        }
        Ok(rows.len() as u64)
    }

    async fn stop(&mut self) {
        for replica in self.graph.replicas() {
            self.endpoints.set(replica, None);
            self.members.end(replica).await;
            // What it held stands in the history. What cannot be removed stays in the run's folder.
            let _ = std::fs::remove_dir_all(&self.servers[replica.index()].data);
        }
    }
}

/// A server's data folder, and what starts it.
fn prepare(
    scenario: &Scenario,
    folder: &Path,
    replica: ReplicaId,
    programs: &install::Programs,
    template: &Path,
) -> Result<(Server, Vec<OsString>), SystemError> {
    let file = |name: String| folder.join("nodes").join(name);
    let data = file(replica.to_string());
    install::copy(template, &data).map_err(failed("copy a data folder of MariaDB"))?;
    let init = file(format!("{replica}.sql"));
    std::fs::write(&init, first_statements(scenario)).map_err(failed("write a server's first statements"))?;
    let address = free_address(replica).map_err(failed("find a free port on a loopback address"))?;
    let mut words = vec![programs.server.clone().into_os_string()];
    words.extend(arguments(scenario, replica, address).into_iter().map(OsString::from));
    words.push(with_path("--datadir=", &data));
    words.push(with_path("--init-file=", &init));
    words.extend(install::user().map(OsString::from));
    Ok((Server { address, data, linked: false }, words))
}

fn with_path(option: &str, path: &Path) -> OsString {
    let mut word = OsString::from(option);
    word.push(path);
    word
}

/// An address that nobody listens on: each replica has its own, the port is the system's choice.
fn free_address(replica: ReplicaId) -> std::io::Result<SocketAddr> {
    let ip = Ipv4Addr::new(127, 0, 0, replica.0 + 1);
    TcpListener::bind((ip, 0))?.local_addr()
}

fn arguments(scenario: &Scenario, replica: ReplicaId, address: SocketAddr) -> Vec<String> {
    let number = replica.index() + 1;
    let relays = scenario.cluster.propagation() == Propagation::Relay;
    let (flush, sync) = match scenario.cluster.durability {
        Durability::Fsync => (1, 1),
        Durability::Os => (2, 0),
        Durability::None => (0, 0),
    };
    let mut words: Vec<String> = [
        "--no-defaults --socket=server.sock --log-bin=bin --binlog-format=ROW --skip-slave-start",
        "--skip-name-resolve --slave-net-timeout=6 --innodb-log-file-size=8M --innodb-buffer-pool-size=16M",
        "--innodb-buffer-pool-chunk-size=2M --aria-pagecache-buffer-size=8M --key-buffer-size=1M",
        "--performance-schema=OFF --innodb-lock-wait-timeout=1 --gtid-ignore-duplicates=ON",
        "--slave-run-triggers-for-rbr=ENFORCE --relay-log=relay",
    ]
    .iter()
    .flat_map(|line| line.split(' '))
    .map(str::to_owned)
    .collect();
    words.push(format!("--bind-address={}", address.ip()));
    words.push(format!("--port={}", address.port()));
    words.push(format!("--server-id={number}"));
    words.push(format!("--gtid-domain-id={number}"));
    words.push(format!("--log-slave-updates={}", if relays { "ON" } else { "OFF" }));
    words.push(format!("--innodb-flush-log-at-trx-commit={flush}"));
    words.push(format!("--sync-binlog={sync}"));
    words
}

/// What a server does at every start, unreplicated: the user, the table, its rows, and the trigger of the strategy.
fn first_statements(scenario: &Scenario) -> String {
    let mut text = String::from(
        "set sql_log_bin = 0;\n\
         create user if not exists quarrel@'127.0.0.%' identified by '';\n\
         grant all privileges on *.* to quarrel@'127.0.0.%';\n\
         create database if not exists quarrel;\n\
         create table if not exists quarrel.records (k varchar(64) primary key, n bigint null, w varchar(24) null, \
         ts bigint not null default 0, node tinyint unsigned not null default 0) engine = innodb;\n",
    );
    let (letter, keys) = match &scenario.workload {
        Workload::Register(keys) => ("k", keys.keys),
        Workload::Counter(keys) => ("n", keys.keys),
        // Refused where scenarios are checked.
        Workload::Set(_) | Workload::Calendar(_) => ("k", 0),
    };
    for number in 0..keys {
        // Writing to a text does not fail.
        let _ = writeln!(text, "insert ignore into quarrel.records (k) values ('{letter}{number}');");
    }
    if matches!(scenario.strategy, Strategy::Lww(_)) {
        text.push_str(LAST_WRITE_WINS);
    }
    text
}

/// Keeps the later of two rows; of equal stamps the greater leader's. What the condition looks at is set last.
const LAST_WRITE_WINS: &str = "create definer = quarrel@'127.0.0.%' trigger if not exists quarrel.lww \
    before update on quarrel.records for each row \
    set new.n = if(new.ts < old.ts or (new.ts = old.ts and new.node < old.node), old.n, new.n), \
    new.w = if(new.ts < old.ts or (new.ts = old.ts and new.node < old.node), old.w, new.w), \
    new.node = if(new.ts < old.ts or (new.ts = old.ts and new.node < old.node), old.node, new.node), \
    new.ts = if(new.ts < old.ts, old.ts, new.ts);\n";
