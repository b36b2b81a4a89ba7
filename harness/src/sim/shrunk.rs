//! A seed that shows something, made small and written down: the schedule, for the simulator; the witness, for every
//! arena; the story, for people; the history, for every checker.

use super::{
    campaign::Ended,
    tally::{Finding, Seed, Tally},
};
use crate::model::WitnessFile;
use quarrel_models::{
    fate::Fate,
    id::WriteId,
    mutant::Mutant,
    sim::{Schedule, Untold, transcribe},
    witness::{Finder, Found, Witness, WriteEnd, lay_out, narrate},
};
use quarrel_workloads::{
    checker::ledger::LedgerEntry,
    scenario::Scenario,
    simulation::{SimulationError, Trial, shows},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, io, path::Path, time::Instant};

/// The most runs that shrinking may take.
const MAX_RUNS: u64 = 20_000;
/// How often what was shrunk is run again.
const VERIFIED: u32 = 3;
/// The version of the format of a schedule's file.
pub const FORMAT_VERSION: u32 = 1;

/// The file of a schedule: all that it takes to run it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleFile {
    /// Always `schedule`.
    pub quarrel: String,
    /// [`FORMAT_VERSION`].
    pub v: u32,
    /// What it shows.
    pub shows: String,
    /// The seed that it was found under.
    pub seed: u64,
    /// The defect that was planted in every replica, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
    /// The scenario, its contract that of a single seed.
    pub scenario: Scenario,
    /// What happens.
    pub schedule: Schedule,
}

/// A seed that was made small.
#[derive(Debug)]
pub struct Shrunk {
    /// Its file.
    pub file: ScheduleFile,
    /// How many events it had: operations, faults, errands.
    pub events_before: usize,
    /// How many it has.
    pub events: usize,
    /// How many schedules were tried.
    pub runs: u64,
    /// Whether no single event can be left out.
    pub minimal: bool,
    /// What became of each acknowledged write, in a sentence.
    pub ledger: Vec<String>,
    /// The common witness, or why there is none.
    pub witness: Result<Witness, String>,
    /// The history, as a file holds it.
    pub history: Vec<u8>,
}

/// Runs a schedule that was shrunk once more: what it comes to, and its story with a title.
///
/// # Errors
/// [`SimulationError`] if it cannot be run.
pub fn run_again(trial: &Trial, file: &ScheduleFile) -> Result<(Tally, (String, String)), SimulationError> {
    let began = Instant::now();
    let tried = trial.run_schedule(&file.schedule)?;
    let mut tally = Tally::new(trial);
    tally.add(Seed::of(file.seed, &tried));
    tally.seconds = began.elapsed().as_secs_f64();
    tally.conclude(Ended::Complete);
    let title = format!("{}, as the schedule says, in {} events", file.shows, events(&file.schedule));
    Ok((tally, (title, events_in_words(&file.schedule))))
}

/// The number of events of a schedule.
#[must_use]
pub fn events(schedule: &Schedule) -> usize {
    schedule.operations.len() + schedule.faults.len() + schedule.errands.len()
}

/// Shrinks the first seed that shows a finding, and runs what remains again.
///
/// # Errors
/// [`SimulationError`] if the scenario cannot be run.
///
/// # Panics
/// If what was shrunk does not show it again, each time: a defect of ours.
pub fn shrink(trial: &Trial, finding: &Finding, mutant: Option<Mutant>) -> Result<Shrunk, SimulationError> {
    let kind = finding.kind;
    let schedule = trial.schedule(finding.first_seed)?;
    let shrunk = trial.shrink(&schedule, |judgement| shows(judgement, kind), MAX_RUNS);
    let small = shrunk.schedule;
    let (mut history, mut ledger) = (Vec::new(), Vec::new());
    for _ in 0..VERIFIED {
        (history, ledger) = (Vec::new(), Vec::new());
        let judgement = trial.record(&small, &mut history, &mut ledger)?;
        assert!(shows(&judgement, kind), "what was shrunk does not show {kind} any more");
    }
    let header = trial.header(&small);
    let within = format!("scenario {}, seed {}", trial.scenario().name, finding.first_seed);
    let found = Found { by: Finder::Simulation, shows: kind.to_owned(), within: Some(within) };
    let witness = match mutant {
        Some(mutant) => {
            Err(format!("a witness is played by sound replicas, and these are {}", mutant.name()))
        }
        None => transcribe(&small, found, trial.scenario().workload.name())
            .map(|witness| with_fates(witness, &ledger))
            .map_err(|untold: Untold| untold.to_string()),
    };
    Ok(Shrunk {
        events_before: events(&schedule),
        events: events(&small),
        runs: shrunk.runs,
        minimal: shrunk.minimal,
        ledger: ledger.iter().map(LedgerEntry::explain).collect(),
        witness,
        history,
        file: ScheduleFile {
            quarrel: "schedule".to_owned(),
            v: FORMAT_VERSION,
            shows: kind.to_owned(),
            seed: finding.first_seed,
            mutant: mutant.map(|mutant| mutant.name().to_owned()),
            scenario: header.scenario,
            schedule: small,
        },
    })
}

fn with_fates(mut witness: Witness, ledger: &[LedgerEntry]) -> Witness {
    let end = |entry: &LedgerEntry| {
        // What a write is replaced by is no part of its end where nothing was lost.
        let winner = entry.winner.as_ref().map(|winner| winner.write);
        (entry.write, WriteEnd { fate: entry.fate, winner })
    };
    let fates: BTreeMap<WriteId, WriteEnd> = ledger.iter().map(end).collect();
    if let Some(end) = &mut witness.end {
        end.fates = fates;
    }
    witness
}

impl Shrunk {
    /// The story, told step by step: of the witness if there is one, else of the schedule. Then what became of the
    /// writes that were lost.
    #[must_use]
    pub fn story(&self) -> String {
        let told = self.witness.as_ref().ok().and_then(|witness| narrate(witness).ok());
        let mut story = match told {
            Some(told) => told.to_string(),
            None => events_in_words(&self.file.schedule),
        };
        let lost = |line: &&String| {
            Fate::ALL.iter().any(|fate| fate.is_loss() && line.ends_with(&format!("({fate})")))
        };
        let losses: Vec<&String> = self.ledger.iter().filter(lost).collect();
        if self.witness.is_err() && !losses.is_empty() {
            story.push('\n');
            losses.iter().for_each(|line| story.push_str(&format!("{line}\n")));
        }
        story
    }

    /// Writes its files into a folder: `NAME.schedule.json`, `NAME.history.jsonl`, and where there is a witness
    /// `NAME.json` and `NAME.svg`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let name = &self.file.shows;
        fs::write(folder.join(format!("{name}.schedule.json")), self.json()?)?;
        fs::write(folder.join(format!("{name}.history.jsonl")), &self.history)?;
        if let Ok(witness) = &self.witness {
            let file = WitnessFile { name: name.clone(), witness: witness.clone() };
            fs::write(folder.join(format!("{name}.json")), file.json()?)?;
            fs::write(folder.join(format!("{name}.svg")), file.svg()?)?;
        }
        Ok(())
    }

    /// The file of the schedule.
    ///
    /// # Errors
    /// None in practice: what serde reports.
    pub fn json(&self) -> io::Result<String> {
        Ok(lay_out(&serde_json::to_string(&self.file)?))
    }
}

/// The schedule, line by line.
fn events_in_words(schedule: &Schedule) -> String {
    let mut lines: Vec<(u64, String)> = Vec::new();
    for operation in &schedule.operations {
        let at = schedule.clients.at.get(operation.client.0 as usize);
        let began = at.map(|at| format!(" (begins at {at})")).unwrap_or_default();
        let asked = serde_json::to_string(&operation.operation).unwrap_or_default();
        let words = format!("{}{began}: {asked} on {}", operation.client, operation.key);
        lines.push((operation.at_us, words));
    }
    for timed in &schedule.faults {
        let in_flight = if timed.in_flight { ", with a request in flight" } else { "" };
        let backup =
            timed.backup_us.map(|us| format!(", on a backup of {}", seconds(us))).unwrap_or_default();
        lines.push((timed.at_us, format!("{}{in_flight}{backup}", timed.fault)));
    }
    for timed in &schedule.errands {
        lines.push((timed.at_us, format!("{}: {:?}", timed.replica, timed.errand)));
    }
    lines.sort();
    let numbered = (1..)
        .zip(&lines)
        .map(|(number, (at_us, words))| format!("{number:>3}. {} {words}\n", seconds(*at_us)));
    numbered.collect()
}

fn seconds(us: u64) -> String {
    format!("{}.{:06} s", us / 1_000_000, us % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{runner::Interrupt, sim::Campaign};
    use quarrel_models::witness::play;
    use quarrel_workloads::{
        mark::Mark,
        scenario::{parse, shipped_text},
    };

    /// What is found is told in a few steps that every arena plays, and each file of it is read again.
    #[test]
    fn a_finding_is_made_small_and_told_as_a_witness_that_plays() {
        let name = "lww-skew";
        let scenario = parse(name, shipped_text(name).unwrap(), &Mark::ALL.map(Mark::name)).unwrap();
        let campaign = Campaign::of(&scenario.quicken(), 3);
        let tally = campaign.run(&Interrupt::new(), |_| {}).unwrap();
        assert!(tally.findings.iter().any(|found| found.kind == "causal-inversion"));
        for finding in tally.findings.iter().take(2) {
            let shrunk = shrink(&campaign.trial, finding, None).unwrap();
            assert!(shrunk.minimal && shrunk.events <= 10 && shrunk.events < shrunk.events_before);
            let witness = shrunk.witness.as_ref().unwrap_or_else(|why| panic!("{}: {why}", finding.kind));
            let read: Witness =
                serde_json::from_str(&lay_out(&serde_json::to_string(witness).unwrap())).unwrap();
            play(&read).unwrap();
            let fates = &read.end.as_ref().unwrap().fates;
            assert!(fates.values().any(|end| end.fate.name() == finding.kind), "{}", finding.kind);
            assert!(shrunk.story().contains(finding.kind), "{}", shrunk.story());
            let file: ScheduleFile = serde_json::from_str(&shrunk.json().unwrap()).unwrap();
            assert_eq!(file, shrunk.file);
            let (tally, _) = run_again(&campaign.trial, &file).unwrap();
            assert!(tally.findings.iter().any(|found| found.kind == finding.kind));
        }
    }
}
