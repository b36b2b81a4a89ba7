//! From a nemesis and a seed to a schedule: who does what to whom, and when.
//!
//! Faults of one thing that overlap are made consistent by a sweep over time: a link that two partitions hold is
//! healed when the last of them lets go, a dead process is not killed again. Whatever is done in a storm is undone
//! at its end, but for what is killed for good.

mod clocks;
mod links;
mod maintenance;
mod occasions;
mod processes;
mod relocation;
mod shapes;
mod sweep;

pub use maintenance::PlannedErrand;

use crate::scenario::Scenario;
use occasions::Occasions;
use quarrel_models::{
    fault::Fault,
    id::{ClientId, ReplicaId},
    topology::{Graph, TopologyError},
};
use std::{collections::BTreeSet, fmt, time::Duration};

/// One entry of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// When, from the start of the storm.
    pub at: Duration,
    /// What is done.
    pub action: Action,
    /// Whether it undoes an earlier entry.
    pub undo: bool,
    /// Whether it is never undone: a process is killed, and no later entry starts it again.
    pub for_good: bool,
    /// The table of the scenario that asked for it.
    pub cause: Cause,
}

impl Planned {
    fn fault(at: Duration, fault: Fault, undo: bool, cause: Cause) -> Self {
        Self { at, action: Action::Fault(fault), undo, for_good: false, cause }
    }
}

/// What the nemesis does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It does this to the cluster.
    Fault(Fault),
    /// It moves a client to another leader.
    Relocate {
        /// Who moves.
        client: ClientId,
        /// Where it goes on.
        to: ReplicaId,
        /// Whether it takes its session token along.
        token: bool,
        /// Whether it moves with a request in flight, which it sends again at the new leader; otherwise between two
        /// operations.
        in_flight: bool,
    },
}

impl Action {
    /// The fault as histories record it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Fault(fault) => fault.clone(),
            &Self::Relocate { client, to, token, .. } => Fault::Relocate { client, to, token },
        }
    }
}

/// The table of the nemesis that a fault comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// The kind, such as `partition`.
    pub table: &'static str,
    /// Which of its tables, from 0.
    pub index: usize,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nemesis.{}[{}]", self.table, self.index)
    }
}

/// The schedule of a storm, in order of time; what is undone at an instant comes before what is done.
///
/// # Errors
/// [`TopologyError`] if the scenario's cluster cannot be laid out.
pub fn schedule(scenario: &Scenario, seed: u64) -> Result<Vec<Planned>, TopologyError> {
    let graph = scenario.cluster.graph()?;
    Ok(Plan { scenario, graph: &graph, seed }.expand())
}

/// What operators and background jobs do in a storm, in order of time.
///
/// # Errors
/// [`TopologyError`] if the scenario's cluster cannot be laid out.
pub fn errands(scenario: &Scenario, seed: u64) -> Result<Vec<PlannedErrand>, TopologyError> {
    let graph = scenario.cluster.graph()?;
    Ok(maintenance::plan(&Plan { scenario, graph: &graph, seed }))
}

/// What all parts of the expansion need.
#[derive(Debug, Clone, Copy)]
struct Plan<'a> {
    scenario: &'a Scenario,
    graph: &'a Graph,
    seed: u64,
}

impl Plan<'_> {
    fn storm(&self) -> Duration {
        self.scenario.phases.storm.duration()
    }

    fn occasions(&self) -> Occasions {
        Occasions { seed: self.seed, storm: self.storm() }
    }

    fn expand(&self) -> Vec<Planned> {
        let mut planned = links::plan(self);
        planned.extend(processes::plan(self));
        planned.extend(clocks::plan(self));
        planned.extend(relocation::plan(self));
        planned.sort_by_key(|entry| (entry.at, !entry.undo));
        mark_for_good(&mut planned);
        planned
    }
}

fn mark_for_good(planned: &mut [Planned]) {
    let mut restarted = BTreeSet::new();
    for entry in planned.iter_mut().rev() {
        match &entry.action {
            Action::Fault(Fault::Restart(replica)) => drop(restarted.insert(*replica)),
            Action::Fault(Fault::Kill(replica)) => entry.for_good = !restarted.remove(replica),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
