//! `quarrel run`: live runs, one after the other, and what is said of them.

use super::{
    World,
    options::{Output, OutputOption, SettingFlags, StoreOption},
    select::{self, Source, quoted},
    signals,
};
use crate::{
    exit::{Exit, Failure, note_run_folder},
    progress::{Display, Progress},
    report::{
        Annotations, Circumstances, Format, Json, Junit, Latencies, Markdown, Paint, Report, Summary, Text,
        html,
    },
    runner::{Interrupt, Latency, Live, RunOutcome, RunRequest},
    store::{FORMAT_VERSION, Host, Keep, RunFolder, RunRecord, Store, Versions, has_room},
    systems::reference::own_program,
};
use clap::builder::FalseyValueParser;
use quarrel_workloads::{
    judge::Judgement,
    scenario::{Overrides, Resolved, Scenario, TOUR},
    verdict::Verdict,
};
use serde::Serialize;
use std::{
    fs::{File, OpenOptions},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::{Path, PathBuf},
    sync::Arc,
};

const EXAMPLES: &str = "\
Examples:
  quarrel run                                 tour the four strategies
  quarrel run --quick --seed 8127             a short tour, with this seed
  quarrel run lww-skew ring-node-death        two shipped scenarios
  quarrel run mine.toml --leaders 5 --topology ring
  quarrel run smoke --print-config            where every value comes from
  quarrel run smoke --output json --junit results.xml

Real processes are not deterministic: a seed fixes load and faults, but not how
they interleave.";

/// Random seeds are short enough to be said aloud.
const SEEDS: u64 = 1_000_000;

/// Run scenarios against live leaders; without a name, tour the four strategies
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Shipped scenarios (see `quarrel scenarios list`) or TOML files.
    #[arg(value_name = "SCENARIO|FILE")]
    scenarios: Vec<String>,
    /// Fixes load and faults; drawn if absent, and always printed.
    #[arg(long, env = "QUARREL_SEED", hide_env_values = true)]
    seed: Option<u64>,
    #[command(flatten)]
    settings: SettingFlags,
    #[command(flatten)]
    store: StoreOption,
    #[command(flatten)]
    output: OutputOption,
    /// Show the resolved scenarios and where each value comes from, and run nothing.
    #[arg(long, env = "QUARREL_PRINT_CONFIG", hide_env_values = true, value_parser = FalseyValueParser::new())]
    print_config: bool,
    /// Stop after the first run that does not pass.
    #[arg(long, env = "QUARREL_FAIL_FAST", hide_env_values = true, value_parser = FalseyValueParser::new())]
    fail_fast: bool,
    /// When to keep what grows with a run: history, ledger, apply logs, logs.
    #[arg(
        long,
        value_enum,
        default_value_t,
        env = "QUARREL_KEEP",
        hide_env_values = true,
        value_name = "WHEN"
    )]
    keep: Keep,
    /// Write a JUnit report of all runs together to this file; each run's folder has its own.
    #[arg(long, env = "QUARREL_JUNIT", hide_env_values = true, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// What to show while it runs, on standard error.
    #[arg(
        long,
        value_enum,
        default_value_t,
        env = "QUARREL_PROGRESS",
        hide_env_values = true,
        value_name = "HOW"
    )]
    progress: Progress,
}

/// What is to be run.
struct Plan {
    scenarios: Vec<(Source, Resolved)>,
    seed: u64,
    tour: bool,
    /// The changes to the scenarios, as flags of the repeat command.
    flags: Vec<String>,
}

/// How runs are made.
pub(super) struct Terms<'a> {
    pub(super) seed: u64,
    /// The changes to the scenarios, as flags of the repeat command.
    pub(super) flags: &'a [String],
    pub(super) keep: Keep,
    pub(super) progress: Progress,
}

/// What `verdict.json` says.
#[derive(Debug, Serialize)]
struct VerdictFile<'a> {
    v: u32,
    run: &'a Summary,
    judgement: &'a Judgement,
}

pub(super) fn run(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let plan = plan(arguments, world)?;
    if arguments.print_config {
        return print_config(&plan, world);
    }
    let store = arguments.store.store();
    store.prepare()?;
    // A report that cannot be written is found out now and not after the runs.
    let junit = arguments.junit.as_deref().map(create).transpose()?;
    let interrupt = Interrupt::new();
    if world.surroundings.catch_signals {
        signals::watch(&interrupt, arguments.progress.is_display(world.surroundings.terminal_err));
    }
    let text = Text { paint: Paint { on: world.surroundings.colours_out }, ci: world.surroundings.ci };
    let mut report = Report { runs: Vec::new(), tour: None };
    let (keep, progress) = (arguments.keep, arguments.progress);
    let terms = Terms { seed: plan.seed, flags: &plan.flags, keep, progress };
    let mut exit = Exit::Success;
    for (source, resolved) in &plan.scenarios {
        match one(&terms, source, &resolved.scenario, &store, &interrupt, world) {
            Ok(summary) => {
                exit = exit.merge(exit_of(&summary));
                if arguments.output.output == Output::Text {
                    if !report.runs.is_empty() {
                        writeln!(world.out)?;
                    }
                    text.run(&summary, world.out)?;
                    world.out.flush()?;
                }
                report.runs.push(summary);
            }
            Err(failure) => {
                // The next run would find the same machine.
                writeln!(world.err, "{failure}")?;
                exit = exit.merge(failure.exit);
                break;
            }
        }
        if interrupt.is_requested() || (arguments.fail_fast && exit != Exit::Success) {
            break;
        }
    }
    if plan.tour && report.runs.len() == plan.scenarios.len() {
        report.tour = Some(again(None, plan.seed, &plan.flags));
    }
    conclude(arguments, &report, text, junit, world)?;
    Ok(exit)
}

fn plan(arguments: &Arguments, world: &World<'_>) -> Result<Plan, Failure> {
    let variables = &world.surroundings.variables;
    let lookup = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
    let environment = Overrides::from_environment(lookup)
        .map_err(|why| Failure::usage(format!("the environment variable {why}"), "mend or unset it"))?;
    let tour = matches!(arguments.scenarios.as_slice(), [] | [_])
        && arguments.scenarios.iter().all(|word| word == "tour");
    let words: Vec<&str> =
        if tour { TOUR.to_vec() } else { arguments.scenarios.iter().map(String::as_str).collect() };
    let mut scenarios = Vec::new();
    for word in words {
        let source = select::source(word)?;
        let flags = &arguments.settings.overrides;
        let resolved = select::resolve(&source, &environment, flags, world.surroundings.colours_err)?;
        select::of_real_processes(&resolved, "`quarrel run`", &source.word)?;
        scenarios.push((source, resolved));
    }
    let seed = arguments.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() % SEEDS);
    Ok(Plan { scenarios, seed, tour, flags: arguments.settings.words(lookup) })
}

fn print_config(plan: &Plan, world: &mut World<'_>) -> Result<Exit, Failure> {
    for (at, (_, resolved)) in plan.scenarios.iter().enumerate() {
        if at > 0 {
            writeln!(world.out, "\n# ---")?;
        }
        write!(world.out, "{}", resolved.print())?;
    }
    Ok(Exit::Success)
}

/// Makes one run, from its folder to its verdict.
pub(super) fn one(
    terms: &Terms<'_>,
    source: &Source,
    scenario: &Scenario,
    store: &Store,
    interrupt: &Interrupt,
    world: &mut World<'_>,
) -> Result<Summary, Failure> {
    let surroundings = &world.surroundings;
    let record = RunRecord {
        v: FORMAT_VERSION,
        scenario: scenario.clone(),
        seed: terms.seed,
        started: jiff::Timestamp::now().to_string(),
        command: surroundings.command.clone(),
        versions: Versions::default(),
        host: Host::here(),
    };
    let program = own_program()
        .map_err(|error| Failure::environment(format!("cannot find this program itself: {error}"), ""))?;
    let folder = store.begin(&record)?;
    note_run_folder(Some(folder.path()));
    let live = Arc::new(Live::new(&scenario.name));
    let request = RunRequest {
        scenario: scenario.clone(),
        seed: terms.seed,
        folder: folder.path().to_path_buf(),
        program,
        live: Arc::clone(&live),
        interrupt: interrupt.clone(),
    };
    let display = Display::start(live, interrupt.clone(), terms.progress, surroundings.terminal_err);
    let outcome = (world.runner)(&request);
    drop(display);
    let again = again(Some(&source.word), terms.seed, terms.flags);
    let outcome = outcome.map_err(|error| broken_off(error.into(), folder.path(), &again))?;
    let summary = keep(folder, scenario, terms.seed, &outcome, again, terms.keep, world)?;
    note_run_folder(None);
    Ok(summary)
}

/// A run that did not come to its end: how to mend that, to see what was recorded, and to run it again.
fn broken_off(failure: Failure, folder: &Path, again: &str) -> Failure {
    let mut help = if has_room(folder) {
        failure.help
    } else {
        "the disk is full: make room, for instance with `quarrel runs prune --keep 5`, or choose another \
         one with --results DIR"
            .to_owned()
    };
    let path = folder.display().to_string();
    let has_history = folder.join("history.jsonl").metadata().is_ok_and(|file| file.len() > 0);
    if has_history {
        help.push_str(&format!("\njudge what was recorded:  quarrel check {}", quoted(&path)));
    } else {
        help.push_str(&format!("\nwhat was recorded is in:  {path}"));
    }
    help.push_str(&format!("\nrun it again:             {again}"));
    Failure { help, ..failure }
}

fn keep(
    folder: RunFolder,
    scenario: &Scenario,
    seed: u64,
    outcome: &RunOutcome,
    again: String,
    keep: Keep,
    world: &mut World<'_>,
) -> Result<Summary, Failure> {
    let ci = world.surroundings.ci;
    let circumstances = Circumstances {
        seed,
        seconds: outcome.seconds,
        interrupted: outcome.interrupted,
        latency: Some(latencies(&outcome.latency)),
        results: Some(folder.final_path().display().to_string()),
        again,
    };
    let mut summary = Summary::new(scenario, &outcome.judgement, circumstances);
    let keep_bulky = match keep {
        Keep::Always => true,
        Keep::OnFailure => summary.verdict != Verdict::Pass,
        Keep::Never => false,
    };
    let report = Report { runs: vec![summary.clone()], tour: None };
    let mut junit = Vec::new();
    Junit { ci }.write(&report, &mut junit)?;
    folder.add("junit.xml", &junit)?;
    add_page(&folder, &summary, &outcome.judgement, world)?;
    let verdict = VerdictFile { v: FORMAT_VERSION, run: &summary, judgement: &outcome.judgement };
    let path = folder.complete(&verdict, keep_bulky)?;
    summary.results = Some(path.display().to_string());
    Ok(summary)
}

/// Puts the page of the run into its folder. A run is worth keeping without it, too.
fn add_page(
    folder: &RunFolder,
    summary: &Summary,
    judgement: &Judgement,
    world: &mut World<'_>,
) -> Result<(), Failure> {
    let judgement = serde_json::to_value(judgement).unwrap_or_default();
    match html::of_run(folder.path(), summary, judgement) {
        Ok(page) => folder.add("report.html", page.as_bytes())?,
        Err(error) => writeln!(world.err, "warning: there is no report.html: {error}")?,
    }
    Ok(())
}

fn latencies(latency: &Latency) -> Latencies {
    Latencies {
        write_p50: latency.write_p50.as_secs_f64(),
        write_p99: latency.write_p99.as_secs_f64(),
        read_p50: latency.read_p50.as_secs_f64(),
        read_p99: latency.read_p99.as_secs_f64(),
    }
}

pub(super) fn exit_of(summary: &Summary) -> Exit {
    if summary.interrupted { Exit::Interrupted } else { summary.verdict.into() }
}

/// The command that makes the run again, or the tour.
fn again(word: Option<&str>, seed: u64, flags: &[String]) -> String {
    let mut command = String::from("quarrel run");
    let seed = seed.to_string();
    let words = word.into_iter().chain(["--seed", &seed]).chain(flags.iter().map(String::as_str));
    for word in words {
        command.push(' ');
        command.push_str(&quoted(word));
    }
    command
}

pub(super) fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| unwritable(path, &error))
}

pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::environment(
        format!("cannot write {}: {error}", path.display()),
        "name a file in a folder that exists",
    )
}

/// Everything that is said of all runs together.
fn conclude(
    arguments: &Arguments,
    report: &Report,
    text: Text,
    junit: Option<File>,
    world: &mut World<'_>,
) -> Result<(), Failure> {
    let ci = world.surroundings.ci;
    match arguments.output.output {
        Output::Text => text.tour(report, world.out)?,
        Output::Json => Json.write(report, world.out)?,
    }
    if let Some(mut file) = junit {
        Junit { ci }.write(report, &mut file)?;
    }
    if let Some(path) = &world.surroundings.step_summary {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let mut file = file.map_err(|error| unwritable(path, &error))?;
        Markdown.write(report, &mut file)?;
    }
    if world.surroundings.github_actions {
        // GitHub reads both streams; standard output may be somebody's JSON.
        Annotations { ci }.write(report, world.err)?;
    }
    Ok(())
}
