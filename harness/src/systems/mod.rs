//! Systems under test. The reference cluster is one of them.
//!
//! A system is a file or a folder here that implements [`System`]; the runner knows nothing else of it. What it can do
//! is said in `quarrel_workloads::scenario`, where scenarios are checked, and what it needs on this machine in
//! [`catalogue`].

mod black_box;
pub mod catalogue;
pub mod http;
mod keeper;
mod kept;
mod links;
pub mod maelstrom;
pub mod mariadb;
mod members;
pub mod reference;

pub use keeper::keep;

use crate::runner::{Answered, Transport};
use quarrel_models::{
    fault::Fault, id::ReplicaId, message::Request, topology::Graph, version::VersionVector,
};
use quarrel_workloads::history::Event;
use reference::SystemError;
use std::{collections::BTreeMap, time::Duration};

/// What a run needs of a system under test. It runs already; dropping it ends it.
///
/// The harness alone asks these questions, past all link proxies; clients go through their [`Carrier`].
pub(crate) trait System {
    /// The replicas and links.
    fn graph(&self) -> &Graph;

    /// What carries one client's requests, with this patience.
    fn carrier(&self, patience: Duration) -> Result<Carrier, SystemError>;

    /// The replicas whose processes run.
    fn live(&self) -> Vec<ReplicaId>;

    /// A process that has ended by itself, if one has.
    fn check_alive(&mut self) -> Result<(), SystemError>;

    /// Does what the nemesis asks, and says what that did. Relocation is the clients' affair and does nothing here.
    async fn apply(&mut self, fault: &Fault) -> Result<String, SystemError>;

    /// What undoes every fault that is on, but for what was killed for good.
    fn remedies(&self) -> Vec<Fault>;

    /// Never start this replica again, not even to read it.
    fn give_up(&mut self, replica: ReplicaId);

    /// How far every live replica is, and what is still under way.
    async fn progress(&self) -> Result<Progress, SystemError>;

    /// Reads a replica whole: an [`Event::Final`] for each record, and how many there were.
    async fn read_all(&self, replica: ReplicaId, record: &mut dyn FnMut(Event)) -> Result<u64, SystemError>;

    /// Ends all processes in good order; what does not end in time is killed.
    async fn stop(&mut self);
}

/// How far replication is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// What each live replica has applied of each leader's log, if the system tells.
    pub(crate) applied: BTreeMap<ReplicaId, VersionVector>,
    /// For a system that tells no positions: a number for each live replica that grows when what it shows changes.
    pub(crate) changes: BTreeMap<ReplicaId, u64>,
    /// What has not arrived or does not move, in words; `None` at rest.
    pub(crate) pending: Option<String>,
}

/// What carries the requests of one client. Clones share their connections.
#[derive(Debug, Clone)]
pub(crate) enum Carrier {
    /// To nodes of the reference cluster.
    Http(Transport),
    /// To MariaDB.
    Mariadb(mariadb::Connections),
    /// To nodes that speak Maelstrom's protocol.
    Maelstrom(maelstrom::Client),
    /// To servers that are asked as the scenario says.
    Mapped(http::Client),
}

impl Carrier {
    /// Sends a request to the replica, once, and waits for its answer.
    pub(crate) async fn send(&self, at: ReplicaId, request: Request) -> Answered {
        match self {
            Self::Http(transport) => transport.send(at, request).await,
            Self::Mariadb(connections) => connections.send(at, request).await,
            Self::Maelstrom(client) => client.send(at, request).await,
            Self::Mapped(client) => client.send(at, request).await,
        }
    }

    /// Whether answers tell versions and positions. Those of a black box do not, and what stands in their place is
    /// not recorded.
    pub(crate) const fn tells_positions(&self) -> bool {
        !matches!(self, Self::Maelstrom(_) | Self::Mapped(_))
    }
}
