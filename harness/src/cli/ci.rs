//! `quarrel ci`: the model, the simulator, then live runs, within a budget; all that a pipeline needs.

use super::{
    World, model,
    options::{Output, OutputOption, StoreOption},
    run::{self, Terms},
    select::{self, Source, quoted},
    signals,
};
use crate::{
    ci::{Baseline, Choice, Known, choose},
    exit::{Exit, Failure},
    progress::Progress,
    report::{CiReport, Paint, SimulatedCi, Summary},
    runner::Interrupt,
    sim::Campaign,
    store::{Entry, FORMAT_VERSION, Host, Keep, ModelRecord, RunFolder, Store, Versions},
};
use quarrel_workloads::scenario::{Overrides, Scenario, Span, TOUR};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::PathBuf,
    time::{Duration, Instant},
};

const EXAMPLES: &str = "\
Examples:
  quarrel ci --budget 5m                       the tour's four strategies
  quarrel ci lww-hybrid mine.toml --budget 60s --junit junit.xml
  quarrel ci --budget 5m --baseline 20261123T1618

A scenario is checked in the model, under many seeds in the simulator, then run
on real processes, quickly if the budget is small, and again with other seeds
while there is time. What does not
fit is unknown, and named. With CI=true what is unknown fails in the reports.";

/// Of the budget, one part in so many is the model's, and as much the simulator's.
const SHARE: u32 = 4;
/// More seeds than fit into any budget.
const MOST_SIMULATED: u64 = 1 << 40;
/// Random seeds are short enough to be said aloud.
const SEEDS: u64 = 1_000_000;

/// Check scenarios in the model, simulated and live within a budget: JUnit, step summary, annotations
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Shipped scenarios (see `quarrel scenarios list`) or TOML files; the tour if absent.
    #[arg(value_name = "SCENARIO|FILE")]
    scenarios: Vec<String>,
    /// How long it may take.
    #[arg(long, value_name = "SPAN", default_value = "5m", env = "QUARREL_BUDGET", hide_env_values = true)]
    budget: Span,
    /// A run, or an earlier `quarrel ci`, that must not be worse: new anomalies fail, and slower answers.
    #[arg(long, value_name = "RUN", env = "QUARREL_BASELINE", hide_env_values = true)]
    baseline: Option<String>,
    /// The seed of the first run of each scenario; later ones count on. Drawn if absent.
    #[arg(long, env = "QUARREL_SEED", hide_env_values = true)]
    seed: Option<u64>,
    /// Write a JUnit report to this file.
    #[arg(long, env = "QUARREL_JUNIT", hide_env_values = true, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    store: StoreOption,
    #[command(flatten)]
    output: OutputOption,
}

/// A scenario on its way.
struct Job {
    source: Source,
    scenario: Scenario,
    /// What its last run took beyond its load.
    around: Option<Duration>,
    runs: u64,
}

pub(super) fn ci(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let began = Instant::now();
    let budget = arguments.budget.duration();
    if budget < Duration::from_secs(1) {
        let message = format!("nothing can be checked in {}", arguments.budget);
        return Err(Failure::usage(message, "write a budget such as --budget 60s"));
    }
    let mut jobs = jobs(arguments, world)?;
    let store = arguments.store.store();
    store.prepare()?;
    let baseline = arguments.baseline.as_deref().map(|name| known(&store, name)).transpose()?;
    let mut junit = arguments.junit.as_deref().map(run::create).transpose()?;
    let seed = arguments.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() % SEEDS);
    let folder = begin(&store, &jobs, seed, world)?;
    let interrupt = Interrupt::new();
    if world.surroundings.catch_signals {
        signals::watch(&interrupt, false);
    }
    let mut report =
        CiReport { budget: budget.as_secs_f64(), ci: world.surroundings.ci, ..CiReport::default() };
    in_the_model(arguments, &jobs, budget / SHARE, &interrupt, &mut report, world)?;
    in_the_simulator(&jobs, seed, budget / SHARE, &interrupt, &mut report)?;
    let mut exit = live(&mut jobs, seed, began + budget, &store, &interrupt, &mut report, world)?;
    let now = Baseline::of(&report.runs);
    if let Some(baseline) = &baseline {
        (report.regressions, report.unjudged) = baseline.regressions(&now);
    }
    report.seconds = began.elapsed().as_secs_f64();
    report.results = Some(folder.final_path().display().to_string());
    report.again = again(arguments, seed);
    exit = exit.merge(exit_of(&report));
    if interrupt.is_requested() {
        exit = exit.merge(Exit::Interrupted);
    }
    keep(folder, &report, &now)?;
    if let Some(file) = &mut junit {
        report.junit(file)?;
    }
    conclude(arguments, &report, world)?;
    Ok(exit)
}

fn jobs(arguments: &Arguments, world: &World<'_>) -> Result<Vec<Job>, Failure> {
    let words: Vec<&str> = if arguments.scenarios.is_empty() {
        TOUR.to_vec()
    } else {
        arguments.scenarios.iter().map(String::as_str).collect()
    };
    let mut jobs: Vec<Job> = Vec::new();
    for word in words {
        let source = select::source(word)?;
        let plain = Overrides::default();
        let resolved = select::resolve(&source, &plain, &plain, world.surroundings.colours_err)?;
        select::of_our_core(&resolved, "`quarrel ci`", word)?;
        select::of_real_processes(&resolved, "`quarrel ci`", word)?;
        let scenario = resolved.scenario;
        if jobs.iter().any(|job| job.scenario.name == scenario.name) {
            return Err(Failure::usage(format!("{} is there twice", scenario.name), "name it once"));
        }
        jobs.push(Job { source, scenario, around: None, runs: 0 });
    }
    Ok(jobs)
}

/// What a run, or an earlier `quarrel ci`, has shown.
fn known(store: &Store, name: &str) -> Result<Baseline, Failure> {
    let entry: Entry = super::runs::find(store, name)?;
    let unusable = || {
        let message = format!("{} is no baseline: it has no verdict that can be read", entry.full_name());
        Failure::usage(message, "name a complete live run, or a complete `quarrel ci`")
    };
    let verdict = entry.verdict.as_ref().ok_or_else(unusable)?;
    if let Some(kept) = verdict.get("baseline") {
        return serde_json::from_value(kept.clone()).map_err(|_| unusable());
    }
    let run = verdict.get("run").cloned().unwrap_or_default();
    let summary: Summary = serde_json::from_value(run).map_err(|_| unusable())?;
    Ok(Baseline::of([&summary]))
}

fn begin(store: &Store, jobs: &[Job], seed: u64, world: &World<'_>) -> Result<RunFolder, Failure> {
    let nothing = || Failure::usage("there is nothing to check", "name a scenario");
    let mut scenario = jobs.first().map(|job| job.scenario.clone()).ok_or_else(nothing)?;
    scenario.name = "ci".to_owned();
    Ok(store.begin_model(&ModelRecord {
        v: FORMAT_VERSION,
        arena: "ci".to_owned(),
        scenario,
        scaled: jobs.iter().map(|job| job.scenario.name.clone()).collect(),
        seed: Some(seed),
        started: jiff::Timestamp::now().to_string(),
        command: world.surroundings.command.clone(),
        versions: Versions::default(),
        host: Host::here(),
    })?)
}

/// Each scenario in small, all of them in so much time.
fn in_the_model(
    arguments: &Arguments,
    jobs: &[Job],
    time: Duration,
    interrupt: &Interrupt,
    report: &mut CiReport,
    world: &World<'_>,
) -> Result<(), Failure> {
    let began = Instant::now();
    for (at, job) in jobs.iter().enumerate() {
        let name = &job.scenario.name;
        let left = time.saturating_sub(began.elapsed()) / u32::try_from(jobs.len() - at).unwrap_or(1);
        if interrupt.is_requested() || left < Duration::from_millis(200) {
            report.left_out.push(format!("{name} in the model: there was no time left for it"));
            continue;
        }
        let asked = (job.source.word.as_str(), &job.scenario);
        report.modelled.push(model::within(left.into(), asked, arguments.store.clone(), world)?);
    }
    Ok(())
}

/// Each scenario under as many seeds as there is time for.
fn in_the_simulator(
    jobs: &[Job],
    seed: u64,
    time: Duration,
    interrupt: &Interrupt,
    report: &mut CiReport,
) -> Result<(), Failure> {
    let share = time / u32::try_from(jobs.len().max(1)).unwrap_or(u32::MAX);
    for job in jobs {
        let name = &job.scenario.name;
        if interrupt.is_requested() || share < Duration::from_millis(100) {
            report.left_out.push(format!("{name} simulated: there was no time left for it"));
            continue;
        }
        let seeds = MOST_SIMULATED;
        let campaign =
            Campaign { first_seed: seed, budget: Some(share), ..Campaign::of(&job.scenario, seeds) };
        let tally = campaign.run(interrupt, |_| {}).map_err(|error| {
            Failure::usage(format!("{name} cannot be simulated: {error}"), "mend the scenario")
        })?;
        let word = quoted(&job.source.word);
        let again = format!("quarrel sim {word} --first-seed {seed} --seeds {}", tally.seeds);
        report.simulated.push(SimulatedCi { scenario: name.clone(), tally, again });
    }
    Ok(())
}

/// Each scenario once, then again with other seeds while there is room.
fn live(
    jobs: &mut [Job],
    seed: u64,
    until: Instant,
    store: &Store,
    interrupt: &Interrupt,
    report: &mut CiReport,
    world: &mut World<'_>,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Success;
    for round in 0.. {
        let (mut ran, count) = (false, jobs.len());
        for (at, job) in jobs.iter_mut().enumerate() {
            let left = until.saturating_duration_since(Instant::now());
            let waiting = if round == 0 { count - at } else { 1 };
            let choice = choose(&job.scenario, left, waiting, job.around);
            if interrupt.is_requested() || choice == Choice::LeftOut {
                if job.runs == 0 {
                    report
                        .left_out
                        .push(format!("{} live: there was no time left for it", job.scenario.name));
                }
                continue;
            }
            let quick = choice == Choice::Quick;
            let scenario = if quick { job.scenario.quicken() } else { job.scenario.clone() };
            let flags = if quick { vec!["--quick".to_owned()] } else { Vec::new() };
            let seed = seed.wrapping_add(job.runs);
            let terms = Terms { seed, flags: &flags, keep: Keep::OnFailure, progress: Progress::default() };
            let began = Instant::now();
            match run::one(&terms, &job.source, &scenario, store, interrupt, world) {
                Ok(summary) => {
                    exit = exit.merge(run::exit_of(&summary));
                    report.runs.push(summary);
                }
                Err(failure) => {
                    // The next run would find the same machine.
                    writeln!(world.err, "{failure}")?;
                    report.left_out.push(format!("{} live: {}", job.scenario.name, failure.message));
                    return Ok(exit.merge(failure.exit));
                }
            }
            job.runs += 1;
            job.around = Some(began.elapsed().saturating_sub(scenario.phases.load()));
            ran = true;
        }
        if !ran {
            break;
        }
    }
    Ok(exit)
}

/// What only slower answers make worse is a missed threshold; what is found anew is a violation.
fn exit_of(report: &CiReport) -> Exit {
    let found = report
        .regressions
        .iter()
        .map(|regression| if regression.is_latency { Exit::Threshold } else { Exit::Violated });
    let left_out = report.left_out.iter().map(|_| Exit::Unknown);
    let model = report.modelled.iter().map(|one| Exit::from(one.outcome.verdict));
    let simulated = report.simulated.iter().map(|one| Exit::from(one.tally.verdict));
    found.chain(left_out).chain(model).chain(simulated).fold(Exit::Success, Exit::merge)
}

fn again(arguments: &Arguments, seed: u64) -> String {
    let mut words = vec!["quarrel".to_owned(), "ci".to_owned()];
    words.extend(arguments.scenarios.clone());
    words.extend(["--budget".to_owned(), arguments.budget.to_string()]);
    words.extend(arguments.baseline.iter().flat_map(|name| ["--baseline".to_owned(), name.clone()]));
    words.extend(["--seed".to_owned(), seed.to_string()]);
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Keeps what the next one is compared with, and what was said.
fn keep(folder: RunFolder, report: &CiReport, now: &Baseline) -> Result<(), Failure> {
    let (mut text, mut junit) = (Vec::new(), Vec::new());
    report.text(Paint::default(), &mut text)?;
    folder.add("report.txt", &text)?;
    report.junit(&mut junit)?;
    folder.add("junit.xml", &junit)?;
    let known: &BTreeMap<String, Known> = &now.0;
    let whole = json!({ "v": FORMAT_VERSION, "run": { "verdict": report.verdict() }, "baseline": known });
    folder.complete(&whole, true)?;
    Ok(())
}

fn conclude(arguments: &Arguments, report: &CiReport, world: &mut World<'_>) -> Result<(), Failure> {
    match arguments.output.output {
        Output::Text => report.text(Paint { on: world.surroundings.colours_out }, world.out)?,
        Output::Json => report.json(world.out)?,
    }
    if let Some(path) = &world.surroundings.step_summary {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let mut file = file.map_err(|error| run::unwritable(path, &error))?;
        report.markdown(&mut file)?;
    }
    if world.surroundings.github_actions {
        report.annotations(world.err)?;
    }
    Ok(())
}
