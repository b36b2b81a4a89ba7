//! What goes wrong in a scenario: one table per kind of fault.
//!
//! Each says when (`at` fixed times, or `every` so often with times drawn from the seed), for how long, and to whom.
//! Times count from the start of the storm.

use super::{OneOrMany, Span};
use quarrel_models::{
    fault::LinkQuality,
    id::{LinkId, ReplicaId},
    value::Key,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All faults of a scenario.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Nemesis {
    /// Links are cut or stalled.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub partition: OneOrMany<Partition>,
    /// Links become slow or lossy.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub link: OneOrMany<Link>,
    /// Wall clocks go wrong.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub clock: OneOrMany<Clock>,
    /// Clients move to other leaders.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub relocate: OneOrMany<Relocate>,
    /// Processes are killed and restarted.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub kill: OneOrMany<Kill>,
    /// Processes are stopped for a while.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub pause: OneOrMany<Pause>,
    /// A leader is cut off for long, while its clients go on: a device without a network.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub offline: OneOrMany<Offline>,
    /// Replicas are killed and start again on an old backup, or on an empty disk. In the simulator only.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub restore: OneOrMany<Restore>,
    /// What an operator or a background job does to a replica: harmless when the time is right. In the simulator only.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub maintenance: OneOrMany<Maintenance>,
}

impl Nemesis {
    /// The table that only the simulator can carry out, if there is one.
    #[must_use]
    pub const fn simulated_only(&self) -> Option<&'static str> {
        if !self.restore.0.is_empty() {
            Some("restore")
        } else if !self.maintenance.0.is_empty() {
            Some("maintenance")
        } else {
            None
        }
    }
}

/// Links are cut or stalled.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Partition {
    /// Which links.
    pub shape: Shape,
    /// The links of the shape `links`.
    #[schemars(with = "Vec<String>")]
    pub links: Vec<LinkId>,
    /// The replica of the shapes `isolate`, `one-way` and `bridge`; drawn from the seed if absent.
    #[schemars(with = "Option<String>")]
    pub replica: Option<ReplicaId>,
    /// What is done to them.
    pub how: How,
    /// At these times.
    pub at: Vec<Span>,
    /// About this often, at times drawn from the seed.
    pub every: Option<Span>,
    /// For so long.
    #[serde(rename = "for")]
    pub lasts: Span,
}

/// Which links a partition takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// All links of one replica, both ways.
    #[default]
    Isolate,
    /// All links between two halves.
    Halves,
    /// All links between two halves, but for one replica that sees both.
    Bridge,
    /// All links out of one replica: it hears and is not heard.
    OneWay,
    /// One replica's links, on and off ten times within the duration.
    Flapping,
    /// The named links.
    Links,
}

/// What is done to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Connections are reset and new ones refused.
    #[default]
    Cut,
    /// Connections stay, and nothing arrives.
    Stall,
}

/// Links become slow or lossy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Link {
    /// The links; all of them if empty.
    #[schemars(with = "Vec<String>")]
    pub links: Vec<LinkId>,
    /// How they carry data.
    pub quality: LinkQuality,
    /// At these times.
    pub at: Vec<Span>,
    /// About this often, at times drawn from the seed.
    pub every: Option<Span>,
    /// For so long.
    #[serde(rename = "for")]
    pub lasts: Span,
}

/// Wall clocks go wrong.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// Whose; drawn from the seed if absent.
    #[schemars(with = "Option<String>")]
    pub replica: Option<ReplicaId>,
    /// How.
    pub how: Skew,
    /// By how much: the distance of `offset`, `step` and `strobe`. Drawn as `ahead` or `behind` says.
    pub by: Span,
    /// The direction of `offset`, `step` and `drift`.
    pub direction: Direction,
    /// The rate of `drift`, parts per million.
    pub ppm: u32,
    /// At these times.
    pub at: Vec<Span>,
    /// About this often, at times drawn from the seed.
    pub every: Option<Span>,
    /// For so long; then the clock is right again. `0s` is to the end of the storm.
    #[serde(rename = "for")]
    pub lasts: Span,
}

/// How a wall clock goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Skew {
    /// It stands beside the real time.
    #[default]
    Offset,
    /// It jumps, once.
    Step,
    /// It gains or loses steadily.
    Drift,
    /// It jumps to and fro, every 20 ms.
    Strobe,
    /// It stands still.
    Freeze,
}

/// Which way a clock goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Drawn from the seed.
    #[default]
    Either,
    /// It shows a later time.
    Ahead,
    /// It shows an earlier time.
    Behind,
}

/// Clients move to other leaders.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Relocate {
    /// Whether a client moves with a request in flight, which it then sends again at the new leader, under the same
    /// idempotency key; otherwise it moves between two operations.
    pub in_flight: bool,
    /// Whether it takes its session token along, if clients carry one.
    pub token: bool,
    /// How many clients move at once; one if absent.
    pub clients: Option<u32>,
    /// At these times.
    pub at: Vec<Span>,
    /// About this often, at times drawn from the seed.
    pub every: Option<Span>,
}

/// Processes are killed and restarted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kill {
    /// Whose; drawn from the seed if absent.
    #[schemars(with = "Option<String>")]
    pub replica: Option<ReplicaId>,
    /// At these times.
    pub at: Vec<Span>,
    /// About this often, at times drawn from the seed.
    pub every: Option<Span>,
    /// How long until it is started again.
    pub down: Span,
    /// Whether it is never started again, not even to be read at the end.
    pub for_good: bool,
}

/// Processes are stopped for a while.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pause {
    /// Whose; drawn from the seed if absent.
    #[schemars(with = "Option<String>")]
    pub replica: Option<ReplicaId>,
    /// At these times.
    pub at: Vec<Span>,
    /// About this often, at times drawn from the seed.
    pub every: Option<Span>,
    /// For so long.
    #[serde(rename = "for")]
    pub lasts: Span,
}

/// A leader without a network.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Offline {
    /// Whose; drawn from the seed if absent.
    #[schemars(with = "Option<String>")]
    pub replica: Option<ReplicaId>,
    /// At these times.
    pub at: Vec<Span>,
    /// About this often, at times drawn from the seed.
    pub every: Option<Span>,
    /// For so long.
    #[serde(rename = "for")]
    pub lasts: Span,
}

/// A replica is killed, and starts again on what its disk held some time before.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Restore {
    /// Which; drawn from the seed if absent.
    #[schemars(with = "Option<String>")]
    pub replica: Option<ReplicaId>,
    /// At these times.
    pub at: Vec<Span>,
    /// About this often, at times drawn from the seed.
    pub every: Option<Span>,
    /// For so long it is down.
    pub down: Span,
    /// How old the backup is when the replica is killed; without it the disk is empty: a new machine with the name of
    /// another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<Span>,
}

/// What an operator or a background job does to a replica.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Maintenance {
    /// What.
    pub what: Chore,
    /// To which replica; drawn from the seed if absent.
    #[schemars(with = "Option<String>")]
    pub replica: Option<ReplicaId>,
    /// The record whose home is taken; drawn from the seed if absent.
    #[schemars(with = "Option<String>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// At these times.
    pub at: Vec<Span>,
    /// About this often, at times drawn from the seed.
    pub every: Option<Span>,
}

/// A piece of maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Chore {
    /// All tombstones are forgotten, whether or not everybody has them.
    #[default]
    Collect,
    /// The conflict metadata of all versions are forgotten: stamps, and what they knew.
    Forget,
    /// The leader makes itself the home of a record, for the strategy `home-leader`.
    TakeHome,
}
