//! `quarrel sim`: many seeds of scenarios in virtual time.

use super::{
    World,
    options::{Output, OutputOption, SettingFlags, StoreOption},
    select::{self, Source, closest, quoted},
    signals,
};
use crate::{
    exit::{Exit, Failure},
    report::{Campaigned, Paint, SimJson, SimText},
    runner::Interrupt,
    sim::{Campaign, Ended, Finding, ScheduleFile, Shrunk, Tally, shrink},
    store::{FORMAT_VERSION, Host, ModelRecord, RunFolder, Versions},
};
use clap::builder::FalseyValueParser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use quarrel_models::{mutant::Mutant, replica::Config, topology::Graph};
use quarrel_workloads::{
    scenario::{Overrides, Scenario, Span},
    simulation::{SimulationError, Trial},
    verdict::Verdict,
};
use std::{fs, thread};

const EXAMPLES: &str = "\
Examples:
  quarrel sim                                 the standard campaign
  quarrel sim lww-skew --seeds 10000          one scenario, ten thousand seeds
  quarrel sim lww-skew --first-seed 8127 --seeds 1
  quarrel sim mine.toml --keep-going --jobs 2 count all that is found
  quarrel sim standard --shard 2/4            every fourth seed, from the second
  quarrel sim lww-skew --shrink all           what is permitted is shrunk, too
  quarrel sim causal-inversion.schedule.json  what was shrunk, once more

A seed is a run: the same seed gives the same history on every machine.";

/// What is run if no scenario is named.
const STANDARD: &str = "standard";

/// Which findings are made small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Shrink {
    /// Those that break the contract.
    #[default]
    Failing,
    /// Those, too, that the contract permits or demands.
    All,
    /// None.
    No,
}

/// Simulate thousands of seeds of scenarios; what one of them finds is made small
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Shipped scenarios (see `quarrel scenarios list`), TOML files, or schedules that were shrunk (`*.schedule.json`);
    /// `standard` if absent.
    #[arg(value_name = "SCENARIO|FILE")]
    scenarios: Vec<String>,
    /// How many seeds, of all shards together.
    #[arg(long, value_name = "N", env = "QUARREL_SEEDS", hide_env_values = true, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, value_name = "S", env = "QUARREL_FIRST_SEED", hide_env_values = true, default_value_t = 1)]
    first_seed: u64,
    /// How many at once; as many as the machine has cores if absent.
    #[arg(long, value_name = "J", env = "QUARREL_JOBS", hide_env_values = true)]
    jobs: Option<usize>,
    /// Try only this share of the seeds: the I-th of N, from 1.
    #[arg(long, value_name = "I/N", env = "QUARREL_SHARD", hide_env_values = true, value_parser = shard, default_value = "1/1")]
    shard: (u64, u64),
    /// Go on after an unexpected finding, and count all.
    #[arg(long, env = "QUARREL_KEEP_GOING", hide_env_values = true, value_parser = FalseyValueParser::new())]
    keep_going: bool,
    /// The most time that each scenario may take.
    #[arg(long, value_name = "SPAN", env = "QUARREL_BUDGET", hide_env_values = true)]
    budget: Option<Span>,
    /// Give every seed all faults of the scenario and a perfect network; without it each seed draws its own mix.
    #[arg(long, env = "QUARREL_NO_SWARM", hide_env_values = true, value_parser = FalseyValueParser::new())]
    no_swarm: bool,
    /// Which findings to make small, each in the first seed that shows it.
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "WHICH",
        env = "QUARREL_SHRINK",
        hide_env_values = true
    )]
    shrink: Shrink,
    /// Show the schedule of the first seed as JSON, and run nothing.
    #[arg(long)]
    print_schedule: bool,
    /// Plant a defect in every replica, to see it found; only in builds with the feature `mutants`.
    #[arg(long, value_name = "NAME", hide = true)]
    mutant: Option<String>,
    #[command(flatten)]
    settings: SettingFlags,
    #[command(flatten)]
    store: StoreOption,
    #[command(flatten)]
    output: OutputOption,
}

fn shard(text: &str) -> Result<(u64, u64), String> {
    let parts = text.split_once('/').and_then(|(shard, of)| Some((shard.parse().ok()?, of.parse().ok()?)));
    match parts {
        Some((shard, of)) if (1..=of).contains(&shard) => Ok((shard, of)),
        _ => Err("write two numbers, such as 2/4 for the second of four shards".to_owned()),
    }
}

/// What is to be tried, and how the user called it.
struct Planned {
    word: String,
    kind: Kind,
}

enum Kind {
    Scenario(Box<Scenario>),
    Schedule(Box<ScheduleFile>),
}

pub(super) fn sim(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let mutant = arguments.mutant.as_deref().map(mutant).transpose()?;
    let plan = plan(arguments, world)?;
    if arguments.print_schedule {
        return print_schedules(arguments, &plan, world);
    }
    if arguments.seeds == 0 {
        return Err(Failure::usage("there is nothing to try: --seeds is 0", "ask for one seed at least"));
    }
    let interrupt = Interrupt::new();
    if world.surroundings.catch_signals {
        signals::watch(&interrupt, world.surroundings.terminal_err);
    }
    let text = SimText { paint: Paint { on: world.surroundings.colours_out } };
    let (mut exit, mut all) = (Exit::Success, Vec::new());
    for planned in &plan {
        let one = match &planned.kind {
            Kind::Scenario(scenario) => {
                campaign(arguments, &planned.word, scenario, mutant, &interrupt, world)?
            }
            Kind::Schedule(file) => again(&planned.word, file)?,
        };
        exit = exit.merge(exit_of(&one.tally));
        if arguments.output.output == Output::Text {
            if !all.is_empty() {
                writeln!(world.out)?;
            }
            text.write(&one, world.out)?;
            world.out.flush()?;
        }
        all.push(one);
        if interrupt.is_requested() {
            break;
        }
    }
    if arguments.output.output == Output::Json {
        SimJson.write(&all, world.out)?;
    }
    Ok(exit)
}

fn exit_of(tally: &Tally) -> Exit {
    if tally.ended == Ended::Interrupted { Exit::Interrupted } else { tally.verdict.into() }
}

// What is asked.

fn mutant(name: &str) -> Result<Mutant, Failure> {
    let names = Mutant::ALL.map(Mutant::name);
    let Some(&mutant) = Mutant::ALL.iter().find(|mutant| mutant.name() == name) else {
        let help = match closest(name, names.into_iter()) {
            Some(close) => format!("did you mean `{close}`?"),
            None => "write one of these".to_owned(),
        };
        return Err(Failure::usage(
            format!("there is no mutant `{name}`; there are:\n  {}", names.join("\n  ")),
            help,
        ));
    };
    if can_plant(mutant) {
        return Ok(mutant);
    }
    let help = "build one that does: `cargo run --features mutants -- sim ...`";
    Err(Failure::usage("this quarrel plants no defects", help))
}

fn can_plant(mutant: Mutant) -> bool {
    let graph = Graph::new(
        &quarrel_models::topology::Topology::AllToAll,
        2,
        Vec::new(),
        quarrel_models::topology::Propagation::Direct,
    );
    let strategy = quarrel_models::strategy::Strategy::Arrival(quarrel_models::strategy::Arrival::default());
    graph.is_ok_and(|graph| Config::new(graph, strategy).plant(Some(mutant)))
}

fn plan(arguments: &Arguments, world: &World<'_>) -> Result<Vec<Planned>, Failure> {
    let variables = &world.surroundings.variables;
    let lookup = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
    let environment = Overrides::from_environment(lookup)
        .map_err(|why| Failure::usage(format!("the environment variable {why}"), "mend or unset it"))?;
    let standard = [STANDARD.to_owned()];
    let words = if arguments.scenarios.is_empty() { &standard[..] } else { &arguments.scenarios };
    // All of them are read before the first is tried.
    let planned = words.iter().map(|word| {
        let kind = if word.ends_with(".json") {
            Kind::Schedule(Box::new(schedule_file(word)?))
        } else {
            let source: Source = select::source(word)?;
            let flags = &arguments.settings.overrides;
            let resolved = select::resolve(&source, &environment, flags, world.surroundings.colours_err)?;
            select::of_our_core(&resolved, "the simulator", word)?;
            Kind::Scenario(Box::new(resolved.scenario))
        };
        Ok(Planned { word: word.clone(), kind })
    });
    planned.collect()
}

fn schedule_file(word: &str) -> Result<ScheduleFile, Failure> {
    let help = "`quarrel sim` writes schedules that it has shrunk; witnesses are for `quarrel replay`";
    let text = fs::read_to_string(word)
        .map_err(|error| Failure::usage(format!("cannot read the schedule {word}: {error}"), help))?;
    let file: ScheduleFile = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{word} is no schedule: {error}"), help))?;
    if file.quarrel != "schedule" || file.v != crate::sim::FORMAT_VERSION {
        let message = format!(
            "{word} is a `{}` of version {}, and this quarrel runs schedules of version {}",
            file.quarrel,
            file.v,
            crate::sim::FORMAT_VERSION
        );
        return Err(Failure::usage(message, help));
    }
    file.schedule.graph().map_err(|error| Failure::usage(format!("{word}: {error}"), help))?;
    if let Some(name) = &file.mutant {
        mutant(name)?;
    }
    Ok(file)
}

fn print_schedules(arguments: &Arguments, plan: &[Planned], world: &mut World<'_>) -> Result<Exit, Failure> {
    for planned in plan {
        let schedule = match &planned.kind {
            Kind::Scenario(scenario) => {
                let trial = Trial::new(scenario, !arguments.no_swarm);
                trial.schedule(arguments.first_seed).map_err(|error| unrunnable(error.into()))?
            }
            Kind::Schedule(file) => file.schedule.clone(),
        };
        let json = serde_json::to_string(&schedule).map_err(|error| Failure::defect(error.to_string()))?;
        write!(world.out, "{}", quarrel_models::witness::lay_out(&json))?;
    }
    Ok(Exit::Success)
}

fn unrunnable(error: SimulationError) -> Failure {
    Failure::usage(format!("it cannot be simulated: {error}"), "mend the scenario")
}

// Campaigns.

fn campaign(
    arguments: &Arguments,
    word: &str,
    scenario: &Scenario,
    mutant: Option<Mutant>,
    interrupt: &Interrupt,
    world: &World<'_>,
) -> Result<Campaigned, Failure> {
    let campaign = Campaign {
        trial: Trial::new(scenario, !arguments.no_swarm).with_mutant(mutant),
        first_seed: arguments.first_seed,
        seeds: arguments.seeds,
        shard: arguments.shard,
        jobs: arguments.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)),
        keep_going: arguments.keep_going,
        budget: arguments.budget.map(Span::duration),
    };
    let folder = begin(arguments, scenario, world)?;
    let bar = bar(campaign.own_seeds(), world);
    let tally = campaign.run(interrupt, |tally| {
        bar.set_position(tally.seeds);
        bar.set_message(format!("{} {} findings", scenario.name, tally.failures().count()));
    });
    bar.finish_and_clear();
    let mut tally = tally.map_err(unrunnable)?;
    let shrunk = shrink_all(arguments, &campaign.trial, mutant, &mut tally, &folder)?;
    let mut one = Campaigned {
        scenario: scenario.name.clone(),
        strategy: scenario.strategy.to_string(),
        topology: scenario.cluster.topology.name().to_owned(),
        leaders: scenario.cluster.leaders,
        first_seed: arguments.first_seed,
        told: shrunk.iter().map(told).collect(),
        results: Some(folder.final_path().display().to_string()),
        again: Vec::new(),
        tally,
    };
    one.again = commands(arguments, word, &one.tally, &shrunk, world);
    let mut report = Vec::new();
    SimText::default().write(&one, &mut report)?;
    folder.add("report.txt", &report)?;
    let verdict = SimJson.verdict(&one).map_err(|error| Failure::defect(error.to_string()))?;
    folder.complete(&verdict, true)?;
    Ok(one)
}

fn begin(arguments: &Arguments, scenario: &Scenario, world: &World<'_>) -> Result<RunFolder, Failure> {
    let (shard, shards) = arguments.shard;
    let asked = format!("{} seeds from {}, shard {shard} of {shards}", arguments.seeds, arguments.first_seed);
    Ok(arguments.store.store().begin_model(&ModelRecord {
        v: FORMAT_VERSION,
        arena: "sim".to_owned(),
        scenario: scenario.clone(),
        scaled: vec![asked],
        seed: Some(arguments.first_seed),
        started: jiff::Timestamp::now().to_string(),
        command: world.surroundings.command.clone(),
        versions: Versions::default(),
        host: Host::here(),
    })?)
}

fn bar(seeds: u64, world: &World<'_>) -> ProgressBar {
    let target = if world.surroundings.terminal_err {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(seeds), target);
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} seeds  {per_sec}  {elapsed}  {msg}") {
        bar.set_style(style);
    }
    bar
}

/// Makes findings small, and keeps them. Those that hang on unanswered operations show nothing.
fn shrink_all(
    arguments: &Arguments,
    trial: &Trial,
    mutant: Option<Mutant>,
    tally: &mut Tally,
    folder: &RunFolder,
) -> Result<Vec<Shrunk>, Failure> {
    let wanted = |found: &Finding| match arguments.shrink {
        Shrink::Failing => found.verdict == Verdict::Fail,
        Shrink::All => found.verdict != Verdict::Unknown,
        Shrink::No => false,
    };
    let mut shrunk = Vec::new();
    for found in tally.findings.iter_mut().filter(|found| wanted(found)) {
        let small = shrink(trial, found, mutant).map_err(unrunnable)?;
        let kept = folder.path().join("witness");
        small.write(&kept).map_err(|error| {
            let message = format!("cannot write to {}: {error}", kept.display());
            Failure::environment(message, "choose another folder with --results DIR")
        })?;
        let name = file_of(&small);
        found.witness = Some(folder.final_path().join("witness").join(name).display().to_string());
        shrunk.push(small);
    }
    Ok(shrunk)
}

/// The file of what was shrunk that says most: the witness, if there is one.
fn file_of(shrunk: &Shrunk) -> String {
    let ending = if shrunk.witness.is_ok() { "json" } else { "schedule.json" };
    format!("{}.{ending}", shrunk.file.shows)
}

fn told(shrunk: &Shrunk) -> (String, String) {
    let minimal = if shrunk.minimal { "" } else { ", and perhaps fewer would do" };
    let title = format!(
        "{} in {} events of {} ({} runs{minimal})",
        shrunk.file.shows, shrunk.events, shrunk.events_before, shrunk.runs
    );
    let mut story = shrunk.story();
    if let Err(why) = &shrunk.witness {
        story.push_str(&format!("There is no witness for other arenas: {why}.\n"));
    }
    (title, story)
}

/// The commands that show it again: the seed, and what was shrunk.
fn commands(
    arguments: &Arguments,
    word: &str,
    tally: &Tally,
    shrunk: &[Shrunk],
    world: &World<'_>,
) -> Vec<String> {
    let variables = &world.surroundings.variables;
    let mut tail = String::new();
    let lookup = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
    for word in arguments.settings.words(lookup) {
        tail.push(' ');
        tail.push_str(&quoted(&word));
    }
    if arguments.no_swarm {
        tail.push_str(" --no-swarm");
    }
    if let Some(mutant) = &arguments.mutant {
        tail.push_str(&format!(" --mutant {mutant}"));
    }
    let word = quoted(word);
    let Some(first) = tally.failures().next() else {
        let (first, seeds, (shard, shards)) = (arguments.first_seed, arguments.seeds, arguments.shard);
        let shard = if shards > 1 { format!(" --shard {shard}/{shards}") } else { String::new() };
        return vec![format!("quarrel sim {word} --first-seed {first} --seeds {seeds}{shard}{tail}")];
    };
    let mut commands = vec![format!("quarrel sim {word} --first-seed {} --seeds 1{tail}", first.first_seed)];
    if let (Some(small), Some(path)) =
        (shrunk.iter().find(|small| small.file.shows == first.kind), &first.witness)
    {
        let schedule = match small.witness {
            Ok(_) => path.replace(".json", ".schedule.json"),
            Err(_) => path.clone(),
        };
        commands.push(format!("quarrel sim {}", quoted(&schedule)));
    }
    commands
}

// Schedules.

/// Runs what was shrunk once more.
fn again(word: &str, file: &ScheduleFile) -> Result<Campaigned, Failure> {
    let mutant = file.mutant.as_deref().map(mutant).transpose()?;
    let trial = Trial::new(&file.scenario, false).with_mutant(mutant);
    let (tally, told) = crate::sim::run_again(&trial, file).map_err(unrunnable)?;
    Ok(Campaigned {
        scenario: file.scenario.name.clone(),
        strategy: file.scenario.strategy.to_string(),
        topology: file.scenario.cluster.topology.name().to_owned(),
        leaders: file.scenario.cluster.leaders,
        first_seed: file.seed,
        tally,
        told: vec![told],
        results: None,
        again: vec![format!("quarrel sim {}", quoted(word))],
    })
}
