//! What is to be measured: clusters, load, and how long each phase takes.

use quarrel_models::id::{LinkId, ReplicaId};
use quarrel_workloads::scenario::Scenario;
use std::time::{Duration, Instant};

/// How arrivals follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// At random, as those of many independent users.
    #[default]
    Poisson,
    /// Evenly.
    Constant,
}

/// One cluster that is compared with the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// Its name, such as `ring x3`.
    pub name: String,
    /// The scenario whose cluster, strategy and workload are taken.
    pub scenario: Scenario,
}

impl Setup {
    /// The setup of a scenario.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let name = format!("{} x{}", scenario.cluster.topology.name(), scenario.cluster.leaders);
        Self { name, scenario }
    }

    /// How long a healthy replication link takes.
    #[must_use]
    pub const fn link_delay(&self) -> Duration {
        Duration::from_micros(self.scenario.cluster.link.latency_us)
    }

    /// The links that are cut to make a partition: all that the last leader has.
    #[must_use]
    pub fn cut(&self, links: &[LinkId]) -> Vec<LinkId> {
        let last = ReplicaId::from_index(self.scenario.cluster.leaders.saturating_sub(1));
        links.iter().copied().filter(|link| link.from == last || link.to == last).collect()
    }
}

/// The load and the phases, the same for all setups.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Operations per second, all leaders together, in an open loop.
    pub rate: f64,
    /// How they follow each other.
    pub arrivals: Arrivals,
    /// Load that is not measured, at the start of each repetition.
    pub warm_up: Duration,
    /// Load that is measured, without faults.
    pub duration: Duration,
    /// How long the last leader is then cut off; zero for not at all.
    pub cut: Duration,
    /// How often each setup is measured, in turns.
    pub repetitions: u32,
    /// How long each step of the search for saturation takes; zero for no search.
    pub ramp: Duration,
    /// The connections that wait for work, at each leader.
    pub connections: u32,
    /// The seed of everything that is drawn.
    pub seed: u64,
}

/// The phases of a repetition whose operations are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No fault is on.
    Steady,
    /// The last leader is cut off.
    Partition,
    /// It is back.
    Recovery,
}

impl Phase {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::Steady, Self::Partition, Self::Recovery];

    /// What stands behind the name of a metric: nothing where no fault is on.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Steady => "",
            Self::Partition => "@partition",
            Self::Recovery => "@recovery",
        }
    }
}

/// When the phases of one repetition begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    pub(super) begins: Instant,
    pub(super) steady: Instant,
    /// The end of what is measured without faults: what is due from here on may still be on its way when they begin.
    pub(super) settles: Instant,
    pub(super) partition: Instant,
    pub(super) recovery: Instant,
    pub(super) ends: Instant,
}

impl Windows {
    pub(super) fn new(plan: &Plan, link_delay: Duration, begins: Instant) -> Self {
        /// More hops than any cluster has links in a row, replicas being at most so many.
        const MOST_HOPS: u32 = 16;
        let steady = begins + plan.warm_up;
        let settles = steady + plan.duration;
        let settling = link_delay * MOST_HOPS + Duration::from_millis(100);
        let partition = if plan.cut.is_zero() { settles } else { settles + settling };
        let recovery = partition + plan.cut;
        // What the partition held back needs time to arrive while clients go on.
        let ends =
            if plan.cut.is_zero() { recovery } else { recovery + plan.cut.max(Duration::from_secs(1)) };
        Self { begins, steady, settles, partition, recovery, ends }
    }

    /// The phase in which something was due; none while the load warms up, and shortly before a fault.
    pub(super) fn phase(&self, due: Instant) -> Option<Phase> {
        match due {
            _ if due < self.steady => None,
            _ if due < self.settles => Some(Phase::Steady),
            _ if due < self.partition => None,
            _ if due < self.recovery => Some(Phase::Partition),
            _ => Some(Phase::Recovery),
        }
    }
}
