//! One seed of a campaign: a scenario's schedule under the seed, run and judged by itself.
//!
//! What a contract demands of a whole run, that something be found or that a situation arise, a campaign demands of
//! all its seeds together. So each seed is held against the rest of the contract only, and counts the rest.

use super::{SimulationError, expand, header_of, observe_with, swarm};
use crate::{
    checker::ledger::{LedgerEntry, LedgerSink, NoSink},
    history::{Header, Writer},
    judge::{Judge, Judgement},
    scenario::Scenario,
    verdict::{Finding, Verdict},
};
use quarrel_models::{
    mutant::Mutant,
    random::Hash64,
    sim::{Outcome, Schedule, Shrunk, shrink},
    topology::TopologyError,
};
use std::io::{self, Write};

/// What a campaign tries under each of its seeds.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The scenario, its contract that of a single seed.
    scenario: Scenario,
    /// What all seeds together must find.
    find: Vec<Finding>,
    /// The situations that must have arisen in one of them.
    marks: Vec<String>,
    swarm: bool,
    mutant: Option<Mutant>,
}

/// A seed that was tried.
#[derive(Debug)]
pub struct Tried {
    /// What is to be said of it.
    pub judgement: Judgement,
    /// How the run ended.
    pub outcome: Outcome,
    /// A digest of the history, byte for byte as a file would hold it.
    pub digest: u64,
}

impl Trial {
    /// The trials of a scenario. With `swarm` each seed draws its own mix of faults.
    #[must_use]
    pub fn new(scenario: &Scenario, swarm: bool) -> Self {
        let mut scenario = scenario.clone();
        let contract = &mut scenario.contract;
        let find = std::mem::take(&mut contract.find);
        // What is forbidden is never fine, even if it is demanded.
        contract.allow.extend(&find);
        let marks = std::mem::take(&mut contract.marks);
        Self { scenario, find, marks, swarm, mutant: None }
    }

    /// The same with a planted defect in every replica. Where this build can plant none, each trial panics.
    #[must_use]
    pub const fn with_mutant(mut self, mutant: Option<Mutant>) -> Self {
        self.mutant = mutant;
        self
    }

    /// The scenario, its contract that of a single seed.
    #[must_use]
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What all seeds together must find.
    #[must_use]
    pub fn find(&self) -> &[Finding] {
        &self.find
    }

    /// The situations that must have arisen in one seed or another.
    #[must_use]
    pub fn marks(&self) -> &[String] {
        &self.marks
    }

    /// The schedule of a seed.
    ///
    /// # Errors
    /// [`TopologyError`] if the scenario's cluster cannot be laid out.
    pub fn schedule(&self, seed: u64) -> Result<Schedule, TopologyError> {
        if self.swarm { swarm(&self.scenario, seed) } else { expand(&self.scenario, seed) }
    }

    /// Tries a seed.
    ///
    /// # Errors
    /// [`SimulationError`] if the scenario cannot be run.
    pub fn run(&self, seed: u64) -> Result<Tried, SimulationError> {
        self.run_schedule(&self.schedule(seed)?)
    }

    /// Tries a schedule.
    ///
    /// # Errors
    /// [`SimulationError`] if it cannot be run.
    pub fn run_schedule(&self, schedule: &Schedule) -> Result<Tried, SimulationError> {
        let header = header_of(&self.scenario, schedule);
        let mut history = Writer::new(Digester(Hash64::default()), &header)
            .unwrap_or_else(|error| panic!("a digest cannot fail: {error}"));
        let mut judge = Judge::new(&header)?;
        let outcome = observe_with(
            schedule,
            |config| self.plant(config),
            |event| {
                judge.observe(&event);
                history.write(&event).unwrap_or_else(|error| panic!("a digest cannot fail: {error}"));
            },
        )?;
        let digest = history.finish().unwrap_or_else(|error| panic!("a digest cannot fail: {error}"));
        Ok(Tried { judgement: concluded(judge, &mut NoSink), outcome, digest: digest.0.finish() })
    }

    /// Runs a schedule, tells its history, and judges it; every acknowledged write's fate goes to the ledger.
    ///
    /// # Errors
    /// [`SimulationError`] if the schedule cannot be run, or what the history's place reports.
    pub fn record(
        &self,
        schedule: &Schedule,
        history: &mut dyn Write,
        ledger: &mut Vec<LedgerEntry>,
    ) -> Result<Judgement, SimulationError> {
        let header = self.header(schedule);
        let mut writer = Writer::new(history, &header)?;
        let mut judge = Judge::new(&header)?;
        let mut written = Ok(());
        observe_with(
            schedule,
            |config| self.plant(config),
            |event| {
                judge.observe(&event);
                if written.is_ok() {
                    written = writer.write(&event);
                }
            },
        )?;
        written?;
        Ok(concluded(judge, ledger))
    }

    /// The header of a schedule's history.
    #[must_use]
    pub fn header(&self, schedule: &Schedule) -> Header {
        header_of(&self.scenario, schedule)
    }

    /// Judges a schedule.
    ///
    /// # Errors
    /// [`SimulationError`] if it cannot be run.
    pub fn judge(&self, schedule: &Schedule) -> Result<Judgement, SimulationError> {
        let mut judge = Judge::new(&self.header(schedule))?;
        observe_with(schedule, |config| self.plant(config), |event| judge.observe(&event))?;
        Ok(concluded(judge, &mut NoSink))
    }

    /// Shrinks a schedule as long as its judgement shows something, in at most so many runs.
    pub fn shrink(
        &self,
        schedule: &Schedule,
        mut shows: impl FnMut(&Judgement) -> bool,
        max_runs: u64,
    ) -> Shrunk {
        shrink(schedule, |schedule| self.judge(schedule).is_ok_and(|judgement| shows(&judgement)), max_runs)
    }

    /// Configures replicas as in these trials.
    ///
    /// # Panics
    /// If a defect is to be planted, and this build plants none.
    pub fn plant(&self, config: &mut quarrel_models::replica::Config) {
        assert!(config.plant(self.mutant), "this build plants no defects");
    }
}

/// Whether something is found in a judgement, whatever the contract says of it. Findings that hang on an operation
/// that nobody answered do not count.
#[must_use]
pub fn shows(judgement: &Judgement, finding: &str) -> bool {
    let proven =
        |reason: &crate::judge::Reason| reason.property == finding && reason.verdict != Verdict::Unknown;
    judgement.reasons.iter().any(proven)
}

fn concluded(judge: Judge, sink: &mut dyn LedgerSink) -> Judgement {
    // A sink in memory cannot fail.
    judge.finish(sink).unwrap_or_else(|error| panic!("a ledger in memory failed: {error}"))
}

/// Digests what is written to it.
struct Digester(Hash64);

impl Write for Digester {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
