//! Scenarios: cluster, strategy, workload, clients, phases, nemesis, marks and contract of a run, as TOML.
//!
//! One table per part. The types here are the file format: the JSON Schema is generated from them, unknown keys are
//! errors, and every default is written in the module `defaults`.

mod foreign;
mod locate;
pub mod nemesis;
mod overrides;
mod parse;
mod problem;
mod quicken;
mod resolve;
mod schema;
mod shipped;
mod span;
mod validate;

pub use foreign::{Http, HttpMethod, HttpRequest, Maelstrom, MaelstromWorkload};
pub use overrides::{FromText, Overrides, SETTINGS, Setting, StrategyName};
pub use parse::parse;
pub use problem::{Problem, ScenarioError};
pub use resolve::{Origin, Resolved};
pub use schema::schema_json;
pub use shipped::{TOUR, shipped, shipped_text};
pub use span::{OneOrMany, Span};
pub use validate::{data_type_for, handlers_for, systems, validate};

use crate::contract::Contract;
use nemesis::Nemesis;
use quarrel_models::{
    fault::LinkQuality,
    id::{ClientId, ReplicaId},
    strategy::Strategy,
    topology::{Follower, Graph, Propagation, Topology, TopologyError},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name: lower-case letters, digits and hyphens. It names the folder of the results.
    pub name: String,
    /// One sentence on what the scenario shows.
    #[serde(default)]
    pub about: String,
    /// The replicas and how they are joined.
    #[serde(default)]
    pub cluster: Cluster,
    /// The conflict strategy, such as `[strategy.lww]`.
    pub strategy: Strategy,
    /// What the clients do, such as `[workload.register]`.
    pub workload: Workload,
    /// Who the clients are.
    #[serde(default)]
    pub clients: Clients,
    /// How long each phase takes.
    #[serde(default)]
    pub phases: Phases,
    /// What goes wrong.
    #[serde(default)]
    pub nemesis: Nemesis,
    /// What must be so at the end.
    #[serde(default)]
    pub contract: Contract,
}

impl Scenario {
    /// Whether the replicas are those of the reference cluster, whose core the simulator and the model run too.
    #[must_use]
    pub fn is_of_our_core(&self) -> bool {
        self.cluster.system == "reference"
    }
}

/// The replicas and how they are joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// The system under test.
    pub system: String,
    /// The number of leaders: A, B, C and so on.
    pub leaders: usize,
    /// The followers, named on after the leaders.
    pub followers: Vec<Follower>,
    /// The shape in which leaders replicate.
    pub topology: Topology,
    /// What a leader sends to another one; by default `direct` for all-to-all, else `relay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
    /// When a write is acknowledged.
    pub durability: Durability,
    /// How replication links carry data when no fault is on.
    pub link: LinkQuality,
    /// How long a leader waits for what a session token names before it refuses.
    pub token_wait: Span,
    /// Whether client connections go through link proxies too, not only replication links.
    pub proxy_clients: bool,
    /// Whether every replica keeps a log of what it applied, for the folder `apply/`.
    pub apply_log: bool,
    /// For `system = "maelstrom"`: the program, and which of Maelstrom's workloads it speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maelstrom: Option<Maelstrom>,
    /// For `system = "http"`: the servers, and the requests that they understand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
}

/// When a write is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// After its log record is on disk: it survives a power cut.
    Fsync,
    /// After its log record is with the operating system: it survives the process.
    Os,
    /// At once; the log is flushed a little later. A killed process loses what it acknowledged last.
    None,
}

/// What the clients do. All values that they write are unique.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Titles of wiki pages: each write replaces the record.
    Register(Keys),
    /// Sets to which unique elements are added.
    Set(Keys),
    /// Counters: likes, or stock.
    Counter(Keys),
    /// Calendars of rooms: book, move and cancel meetings; no slot may be booked twice.
    Calendar(Calendar),
}

/// The records and the mix of operations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The number of records.
    pub keys: u32,
    /// The exponent of the zipf distribution over the records: 0 is uniform, 1 the usual skew.
    pub zipf: f64,
    /// The share of operations that read, 0 to 1.
    pub read_share: f64,
    /// The share of writes that delete or remove, 0 to 1, where the workload can.
    pub delete_share: f64,
    /// Whether every record is written by one client only.
    pub single_writer: bool,
}

/// The rooms and the mix of operations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Calendar {
    /// The number of rooms; each is one record.
    pub rooms: u32,
    /// The number of slots in a room.
    pub slots: u32,
    /// The share of operations that read, 0 to 1.
    pub read_share: f64,
    /// The share of writes that move a meeting, 0 to 1.
    pub move_share: f64,
    /// The share of writes that cancel a meeting, 0 to 1.
    pub cancel_share: f64,
}

/// Who the clients are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clients {
    /// How many, spread evenly over the leaders.
    pub count: u32,
    /// Operations per second of all clients together, open loop: an operation starts when it is due, not when the
    /// one before has returned. 0 is closed loop: each client goes on as soon as it is answered.
    pub rate: f64,
    /// In a closed loop, the mean pause of a client between its operations.
    pub think: Span,
    /// How long a client waits for an answer. What is not answered then may still happen: it is recorded as `info`.
    pub timeout: Span,
    /// Whether clients hand their session token to the replica that they ask.
    pub token: bool,
    /// The share of reads that go to a readable follower instead of the client's leader, 0 to 1.
    pub follower_reads: f64,
}

/// How long each phase takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Phases {
    /// Load without faults.
    pub warm_up: Span,
    /// Load and faults.
    pub storm: Span,
    /// Load after the faults are undone.
    pub recovery: Span,
    /// The most that replication may take to come to rest after the load has ended.
    pub quiesce: Span,
    /// The run ends after this many operations, if that comes before the end of the storm; 0 is no bound.
    pub operations: u64,
}

mod defaults {
    use super::*;

    impl Default for Cluster {
        fn default() -> Self {
            Self {
                system: "reference".to_owned(),
                leaders: 3,
                followers: Vec::new(),
                topology: Topology::AllToAll,
                propagation: None,
                durability: Durability::Fsync,
                link: LinkQuality::default(),
                token_wait: Span::from_millis(1000),
                proxy_clients: true,
                apply_log: true,
                maelstrom: None,
                http: None,
            }
        }
    }

    impl Default for Keys {
        fn default() -> Self {
            Self { keys: 20, zipf: 0.8, read_share: 0.3, delete_share: 0.0, single_writer: false }
        }
    }

    impl Default for Calendar {
        fn default() -> Self {
            Self { rooms: 8, slots: 24, read_share: 0.2, move_share: 0.2, cancel_share: 0.1 }
        }
    }

    impl Default for Clients {
        fn default() -> Self {
            Self {
                count: 9,
                rate: 0.0,
                think: Span::from_millis(10),
                timeout: Span::from_millis(2000),
                token: false,
                follower_reads: 0.0,
            }
        }
    }

    impl Default for Phases {
        fn default() -> Self {
            Self {
                warm_up: Span::from_millis(1000),
                storm: Span::from_millis(8000),
                recovery: Span::from_millis(500),
                quiesce: Span::from_millis(20_000),
                operations: 0,
            }
        }
    }
}

impl Cluster {
    /// What leaders send to each other: as stated, or what the topology needs.
    #[must_use]
    pub fn propagation(&self) -> Propagation {
        self.propagation.unwrap_or(if self.topology.needs_relay() {
            Propagation::Relay
        } else {
            Propagation::Direct
        })
    }

    /// The replicas and links of the cluster.
    ///
    /// # Errors
    /// [`TopologyError`] if some write could never reach some replica.
    pub fn graph(&self) -> Result<Graph, TopologyError> {
        Graph::new(&self.topology, self.leaders, self.followers.clone(), self.propagation())
    }
}

impl Clients {
    /// All clients, from `c0`.
    pub fn ids(&self) -> impl Iterator<Item = ClientId> + use<> {
        (0..self.count).map(ClientId)
    }
}

impl Cluster {
    /// The leader that the client is bound to at the start: clients are dealt out in turn.
    #[must_use]
    pub fn first_leader(&self, client: ClientId) -> ReplicaId {
        ReplicaId::from_index(client.0 as usize % self.leaders)
    }
}

impl Phases {
    /// How long clients work: the phases with load together.
    #[must_use]
    pub fn load(&self) -> Duration {
        self.warm_up.duration() + self.storm.duration() + self.recovery.duration()
    }
}

impl Workload {
    /// The name, as scenarios spell it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::Set(_) => "set",
            Self::Counter(_) => "counter",
            Self::Calendar(_) => "calendar",
        }
    }
}

/// The marks of the registry, as tests of this crate know them.
#[cfg(test)]
pub(crate) const TEST_MARKS: &[&str] = &[
    "concurrent-writes",
    "partition",
    "skew-exceeded-edit-gap",
    "relocated",
    "relocated-in-flight",
    "killed",
    "killed-with-writes-in-flight",
    "restarted",
    "paused",
    "offline-writes",
    "follower-read",
    "siblings",
    "deleted",
    "slow-link",
    "maintained",
    "all-faults-healed",
];

#[cfg(test)]
mod tests;
