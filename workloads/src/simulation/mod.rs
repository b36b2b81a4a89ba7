//! Scenarios in the simulator: from a scenario and a seed to a schedule, and from a run to a history and its verdict.
//!
//! `expand` makes the schedule, by the same generators and the same plan of faults as a live run; `swarm` lets each seed
//! draw its own mix of these faults; `record` makes the events of a history of what the simulator tells; `trial` is one
//! seed of a campaign. What judges a live run judges a simulated one.

mod expand;
mod record;
mod swarm;
mod trial;

pub use expand::expand;
pub use record::Recorder;
pub use swarm::swarm;
pub use trial::{Trial, Tried, shows};

use crate::{
    checker::ledger::NoSink,
    history::{Event, FORMAT_VERSION, Header},
    judge::{Judge, Judgement},
    mark::UnknownMark,
    scenario::Scenario,
};
use quarrel_models::{
    replica::Config,
    sim::{Outcome, Schedule, ScheduleError, run_with},
    topology::TopologyError,
};

/// A run and what is to be said of it.
#[derive(Debug)]
pub struct Simulated {
    /// What became of the acknowledged writes.
    pub judgement: Judgement,
    /// How the run ended.
    pub outcome: Outcome,
}

/// Why a scenario cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The cluster cannot be laid out.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The schedule cannot be run.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The contract demands a mark that there is not.
    #[error(transparent)]
    Mark(#[from] UnknownMark),
    /// The history cannot be written.
    #[error("the history could not be written: {0}")]
    History(#[from] std::io::Error),
}

/// The header of a simulated run's history.
#[must_use]
pub fn header(scenario: &Scenario, seed: u64) -> Header {
    Header {
        quarrel: "history".to_owned(),
        v: FORMAT_VERSION,
        seed,
        // Virtual time begins nowhere.
        started: String::new(),
        system: "simulated".to_owned(),
        scenario: scenario.clone(),
    }
}

/// The header of a schedule's history: of a scenario, but with the cluster and the clients that the schedule has. They
/// are others once it has shrunk.
#[must_use]
pub fn header_of(scenario: &Scenario, schedule: &Schedule) -> Header {
    let mut header = header(scenario, schedule.seed);
    let Scenario { cluster, strategy, clients, .. } = &mut header.scenario;
    cluster.leaders = schedule.cluster.leaders;
    cluster.followers.clone_from(&schedule.cluster.followers);
    cluster.topology = schedule.cluster.topology.clone();
    cluster.propagation = Some(schedule.cluster.propagation);
    strategy.clone_from(&schedule.cluster.strategy);
    clients.count = u32::try_from(schedule.clients.at.len()).unwrap_or(u32::MAX);
    header
}

/// Runs a scenario under a seed and judges it.
///
/// # Errors
/// [`SimulationError`] if the scenario cannot be run.
pub fn simulate(scenario: &Scenario, seed: u64) -> Result<Simulated, SimulationError> {
    judge_schedule(&header(scenario, seed), &expand(scenario, seed)?)
}

/// Runs a schedule and judges it by the scenario of the header.
///
/// # Errors
/// [`SimulationError`] if the schedule cannot be run, or the contract is not understood.
pub fn judge_schedule(header: &Header, schedule: &Schedule) -> Result<Simulated, SimulationError> {
    let mut judge = Judge::new(header)?;
    let outcome = observe(schedule, |event| judge.observe(&event))?;
    // A sink that keeps nothing cannot fail.
    let judgement = judge.finish(&mut NoSink).unwrap_or_else(|error| panic!("no sink, and yet: {error}"));
    Ok(Simulated { judgement, outcome })
}

/// Runs a schedule, and tells the events of its history one by one.
///
/// # Errors
/// [`ScheduleError`] if it cannot be run.
pub fn observe(schedule: &Schedule, told: impl FnMut(Event)) -> Result<Outcome, ScheduleError> {
    observe_with(schedule, |_| {}, told)
}

/// Runs a schedule with replicas that are configured in another way, and tells the events of its history.
///
/// # Errors
/// [`ScheduleError`] if it cannot be run.
pub fn observe_with(
    schedule: &Schedule,
    configure: impl FnOnce(&mut Config),
    told: impl FnMut(Event),
) -> Result<Outcome, ScheduleError> {
    let mut recorder = Recorder::new(told);
    let outcome = run_with(schedule, configure, &mut recorder)?;
    recorder.finish(&outcome);
    Ok(outcome)
}

#[cfg(test)]
mod tests;
