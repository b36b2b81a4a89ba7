//! What a run consists of: all of it, as data.

use crate::{
    fault::{Fault, LinkQuality},
    id::{ClientId, LinkId, ReplicaId},
    operation::Operation,
    strategy::Strategy,
    topology::{Follower, Graph, Propagation, Topology, TopologyError},
    value::Key,
};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The version of the format that this build writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// Everything that a run depends on. Times are microseconds since the beginning of the run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The version of the format.
    pub v: u32,
    /// What jitter, loss and torn disks are drawn from. No draw depends on how many others there were.
    pub seed: u64,
    /// The replicas and how they are joined.
    pub cluster: Cluster,
    /// The clients.
    pub clients: Clients,
    /// What clients do. An operation that is due while its client is busy begins when the client is idle.
    pub operations: Vec<TimedOperation>,
    /// What goes wrong, and when it is undone.
    pub faults: Vec<TimedFault>,
    /// What maintenance and operators do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errands: Vec<TimedErrand>,
    /// When the run heals and ends.
    pub phases: Phases,
}

/// The replicas and how they are joined.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The conflict strategy.
    pub strategy: Strategy,
    /// The number of leaders.
    pub leaders: usize,
    /// The followers, named on after the leaders.
    #[serde(default)]
    pub followers: Vec<Follower>,
    /// The shape in which leaders replicate.
    pub topology: Topology,
    /// What a leader sends to another one.
    pub propagation: Propagation,
    /// How replication links carry data when no fault is on.
    #[serde(default)]
    pub link: LinkQuality,
    /// When a log record is durable.
    #[serde(default)]
    pub durability: Durability,
    /// How long a request waits for what its token names, and a write for its record's home.
    pub wait_us: u64,
    /// Wall clocks show multiples of this; 0 and 1 for every microsecond. Coarse clocks give equal stamps.
    #[serde(default)]
    pub clock_tick_us: u64,
    /// How the extra delay of a frame is drawn.
    #[serde(default)]
    pub jitter: Jitter,
}

/// How the extra delay of a frame is drawn from its link's `jitter_us`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Jitter {
    /// Any delay up to `jitter_us` is as likely as any other.
    #[default]
    Uniform,
    /// Short delays are likely and long ones happen: `jitter_us` is the mean.
    Exponential,
}

/// When a log record is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// Before anything that follows it leaves the replica, which a process that is killed meanwhile never sends.
    Sync {
        /// How long the disk takes.
        sync_us: u64,
    },
    /// This much later, at most. A process that is killed before loses what it wrote last, but for what its machine had
    /// happened to write out.
    Lazy {
        /// How long a record may wait.
        flush_us: u64,
    },
}

impl Default for Durability {
    fn default() -> Self {
        Self::Sync { sync_us: 0 }
    }
}

/// The clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clients {
    /// The leader that each is bound to at the beginning: `c0`, `c1` and so on.
    pub at: Vec<ReplicaId>,
    /// How requests and replies travel. Only latency and jitter count: a client is beside its replica.
    #[serde(default)]
    pub link: LinkQuality,
    /// How long a client waits for an answer.
    pub timeout_us: u64,
    /// Whether sessions carry tokens.
    #[serde(default)]
    pub token: bool,
}

/// What a client does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedOperation {
    /// When it is due.
    pub at_us: u64,
    /// Who.
    pub client: ClientId,
    /// The record.
    pub key: Key,
    /// What it asks.
    pub operation: Operation,
    /// The replica that is read instead of the client's leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<ReplicaId>,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedFault {
    /// When.
    pub at_us: u64,
    /// What.
    pub fault: Fault,
    /// For a relocation: whether the client moves with a request in flight, which it sends again at the new leader;
    /// otherwise between two operations.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub in_flight: bool,
    /// For a restart: the replica starts on its disk as it was before this time, an old backup. 0 is an empty disk: a new
    /// machine that has the name of another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_us: Option<u64>,
}

/// What maintenance or an operator does to a replica, if it runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedErrand {
    /// When.
    pub at_us: u64,
    /// To whom.
    pub replica: ReplicaId,
    /// What.
    pub errand: Errand,
}

/// What maintenance or an operator does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Errand {
    /// All tombstones are forgotten: [`Input::Collect`](crate::message::Input::Collect).
    Collect,
    /// The conflict metadata of all versions are forgotten: [`Input::Forget`](crate::message::Input::Forget).
    Forget,
    /// The leader is asked to become the home of a record: [`Input::TakeHome`](crate::message::Input::TakeHome).
    TakeHome(Key),
}

/// When the run heals and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phases {
    /// When every fault that is still on is undone, but for what was killed and never restarted.
    pub heal_us: u64,
    /// When clients begin no operation any more.
    pub load_us: u64,
    /// How long after that replication may take to come to rest.
    pub converge_us: u64,
}

/// A schedule that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Another version.
    #[error("the schedule has format {found}, and this build runs format {FORMAT_VERSION}")]
    Version {
        /// The version found.
        found: u32,
    },
    /// The cluster cannot work.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A client that there is not.
    #[error(
        "{what} {number} is of the client {client}, but there are only {clients}: add it to `clients.at`"
    )]
    NoSuchClient {
        /// `operation` or `fault`.
        what: &'static str,
        /// Its number, from 0.
        number: usize,
        /// The client.
        client: ClientId,
        /// How many there are.
        clients: usize,
    },
    /// A replica that there is not, or one that takes no writes where a leader is needed.
    #[error("{what} {number} names the replica {replica}, which is no {needed} of this cluster")]
    NoSuchReplica {
        /// `operation`, `fault`, `errand` or `client`.
        what: &'static str,
        /// Its number, from 0.
        number: usize,
        /// The replica.
        replica: ReplicaId,
        /// `leader` or `replica`.
        needed: &'static str,
    },
    /// A link that there is not.
    #[error("fault {number} names the link {link}, which this cluster does not have")]
    NoSuchLink {
        /// The number of the fault, from 0.
        number: usize,
        /// The link.
        link: LinkId,
    },
}

impl Schedule {
    /// The replicas and links, if the schedule can be run.
    ///
    /// # Errors
    /// [`ScheduleError`] names what does not fit.
    pub fn graph(&self) -> Result<Graph, ScheduleError> {
        if self.v != FORMAT_VERSION {
            return Err(ScheduleError::Version { found: self.v });
        }
        let Cluster { topology, leaders, followers, propagation, .. } = &self.cluster;
        let graph = Graph::new(topology, *leaders, followers.clone(), *propagation)?;
        for (number, &at) in self.clients.at.iter().enumerate() {
            is_leader(&graph, "client", number, at)?;
        }
        for (number, operation) in self.operations.iter().enumerate() {
            self.has_client("operation", number, operation.client)?;
            if let Some(replica) = operation.replica {
                is_replica(&graph, "operation", number, replica)?;
            }
        }
        for (number, timed) in self.faults.iter().enumerate() {
            self.check_fault(&graph, number, &timed.fault)?;
        }
        for (number, timed) in self.errands.iter().enumerate() {
            match timed.errand {
                Errand::TakeHome(_) => is_leader(&graph, "errand", number, timed.replica)?,
                Errand::Collect | Errand::Forget => is_replica(&graph, "errand", number, timed.replica)?,
            }
        }
        Ok(graph)
    }

    fn has_client(&self, what: &'static str, number: usize, client: ClientId) -> Result<(), ScheduleError> {
        let clients = self.clients.at.len();
        if (client.0 as usize) < clients {
            Ok(())
        } else {
            Err(ScheduleError::NoSuchClient { what, number, client, clients })
        }
    }

    fn check_fault(&self, graph: &Graph, number: usize, fault: &Fault) -> Result<(), ScheduleError> {
        match fault {
            Fault::Cut(links) | Fault::Stall(links) | Fault::Heal(links) | Fault::Degrade(links, _) => {
                let missing = links.iter().find(|link| graph.links().binary_search(link).is_err());
                missing.map_or(Ok(()), |&link| Err(ScheduleError::NoSuchLink { number, link }))
            }
            Fault::Relocate { client, to, .. } => {
                self.has_client("fault", number, *client)?;
                is_leader(graph, "fault", number, *to)
            }
            Fault::Clock(replica, _)
            | Fault::Kill(replica)
            | Fault::Restart(replica)
            | Fault::Pause(replica)
            | Fault::Resume(replica) => is_replica(graph, "fault", number, *replica),
        }
    }
}

fn is_leader(
    graph: &Graph,
    what: &'static str,
    number: usize,
    replica: ReplicaId,
) -> Result<(), ScheduleError> {
    if graph.is_leader(replica) {
        Ok(())
    } else {
        Err(ScheduleError::NoSuchReplica { what, number, replica, needed: "leader" })
    }
}

fn is_replica(
    graph: &Graph,
    what: &'static str,
    number: usize,
    replica: ReplicaId,
) -> Result<(), ScheduleError> {
    if replica.index() < graph.replica_count() {
        Ok(())
    } else {
        Err(ScheduleError::NoSuchReplica { what, number, replica, needed: "replica" })
    }
}
