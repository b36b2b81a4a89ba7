//! `quarrel model`: every interleaving of small worlds, by the model checker.

use super::{
    World,
    options::{Output, OutputOption, StoreOption},
    select::{self, Source, closest, quoted},
    signals,
};
use crate::{
    exit::{Exit, Failure},
    model::{self, Answer, Outcome, Question, Selection, Small, WitnessFile, write_witnesses},
    report::{Matrix, ModelJson, ModelMarkdown, ModelText, Modelled, Paint, Record, Taken},
    store::{FORMAT_VERSION, Host, ModelRecord, RunFolder, Versions},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use quarrel_models::{
    check::{Exploration, Limits, Property, Reductions, matrix},
    witness::narrate,
};
use quarrel_workloads::{
    scenario::{Overrides, Scenario, Span},
    verdict::Verdict,
};
use std::{
    fs::OpenOptions,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

const EXAMPLES: &str = "\
Examples:
  quarrel model lww-skew                    a scenario in small: proved or refuted
  quarrel model --matrix                    every strategy, shape and fault
  quarrel model --matrix --strategy lww --topology ring --fault skew
  quarrel model --matrix --strategy 'lww (hybrid clock)' --writes 4 --time 10m
  quarrel model --matrix --witness-dir w    each violation as JSON and SVG
  quarrel model --explore lww-skew          walk about in it, in a browser

A partition needs no fault here: it is a link on which nothing is delivered.";

/// Check every interleaving of small worlds: the matrix of strategies, or scenarios
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Shipped scenarios (see `quarrel scenarios list`) or TOML files, made small.
    #[arg(value_name = "SCENARIO|FILE")]
    scenarios: Vec<String>,
    /// Check all strategies in all shapes under all classes of faults.
    #[arg(long, conflicts_with_all = ["scenarios", "explore"])]
    matrix: bool,
    /// Serve stateright's Explorer on 127.0.0.1 until Ctrl-C, with a diagram of each path.
    #[arg(long)]
    explore: bool,
    /// The port of the Explorer; 0 is any that is free.
    #[arg(long, env = "QUARREL_PORT", hide_env_values = true, default_value_t = 0)]
    port: u16,
    /// Only these strategies: a name, or one variant in full.
    #[arg(long, value_name = "NAME", help_heading = "Narrow or deepen")]
    strategy: Vec<String>,
    /// Only these shapes: ring, star, all-to-all.
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Narrow or deepen")]
    topology: Vec<String>,
    /// Only these classes of faults.
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Narrow or deepen")]
    fault: Vec<String>,
    /// Only these properties; with --explore, the one that is watched.
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Narrow or deepen")]
    property: Vec<String>,
    /// The number of leaders, each with a client; 3 if absent.
    #[arg(long, value_name = "N", help_heading = "Narrow or deepen")]
    leaders: Option<usize>,
    /// The number of writes; 3 if absent.
    #[arg(long, value_name = "N", help_heading = "Narrow or deepen")]
    writes: Option<u8>,
    /// The number of records, 1 or 2; 1 if absent.
    #[arg(long, value_name = "N", help_heading = "Narrow or deepen")]
    keys: Option<u8>,
    /// The most states of one search.
    #[arg(long, value_name = "N", env = "QUARREL_STATES", hide_env_values = true, default_value_t = Limits::default().states, help_heading = "Limits")]
    states: usize,
    /// The most actions from the beginning.
    #[arg(long, value_name = "N", env = "QUARREL_DEPTH", hide_env_values = true, default_value_t = Limits::default().depth, help_heading = "Limits")]
    depth: usize,
    /// The most time of one search.
    #[arg(
        long,
        value_name = "SPAN",
        env = "QUARREL_TIME",
        hide_env_values = true,
        default_value = "60s",
        help_heading = "Limits"
    )]
    time: Span,
    /// Visit every state by itself: without it a search leaves out, where that is valid, states that differ in the
    /// names of leaders only, and orders of arrival that nobody sees.
    #[arg(long, help_heading = "Limits")]
    unreduced: bool,
    /// How many searches at once; as many as the machine has cores if absent.
    #[arg(long, value_name = "N", env = "QUARREL_JOBS", hide_env_values = true, help_heading = "Limits")]
    jobs: Option<usize>,
    /// Write each shortest witness into this folder, as JSON and as SVG.
    #[arg(long, value_name = "DIR", env = "QUARREL_WITNESS_DIR", hide_env_values = true)]
    witness_dir: Option<PathBuf>,
    #[command(flatten)]
    store: StoreOption,
    #[command(flatten)]
    output: OutputOption,
}

pub(super) fn model(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let properties = properties(&arguments.property)?;
    let narrowed =
        [("strategy", &arguments.strategy), ("topology", &arguments.topology), ("fault", &arguments.fault)];
    if arguments.keys.is_some() && !arguments.matrix {
        let help = "leave it out, or deepen the matrix: `quarrel model --matrix --keys 2`";
        return Err(Failure::usage(
            "--keys deepens the matrix, and a scenario in small has one record",
            help,
        ));
    }
    if let Some((flag, _)) = narrowed.iter().find(|(_, names)| !arguments.matrix && !names.is_empty()) {
        let help = format!("leave it out, or narrow the matrix: `quarrel model --matrix --{flag} ...`");
        return Err(Failure::usage(format!("--{flag} narrows the matrix, and a scenario has its own"), help));
    }
    if arguments.matrix {
        return whole_matrix(arguments, properties, world);
    }
    if arguments.explore {
        return explore(arguments, &properties, world);
    }
    if !properties.is_empty() {
        let help = "leave --property out, or narrow the matrix: `quarrel model --matrix --property ...`";
        return Err(Failure::usage("a scenario is held against its whole contract", help));
    }
    if arguments.scenarios.is_empty() {
        let help =
            "`quarrel model lww-skew` checks a scenario in small, `quarrel model --matrix` all strategies";
        return Err(Failure::usage("there is nothing to check: name a scenario, or --matrix", help));
    }
    scenarios(arguments, world)
}

/// A scenario in small within a time: nothing else is asked for.
pub(super) fn within(
    time: Span,
    (word, scenario): (&str, &Scenario),
    store: StoreOption,
    world: &World<'_>,
) -> Result<Modelled, Failure> {
    let limits = Limits::default();
    let arguments = Arguments {
        scenarios: vec![word.to_owned()],
        matrix: false,
        explore: false,
        port: 0,
        strategy: Vec::new(),
        topology: Vec::new(),
        fault: Vec::new(),
        property: Vec::new(),
        leaders: None,
        writes: None,
        keys: None,
        states: limits.states,
        depth: limits.depth,
        time,
        unreduced: false,
        jobs: None,
        witness_dir: None,
        store,
        output: OutputOption { output: Output::Text },
    };
    let small = made_small(&arguments, scenario)?;
    // All searches together take no longer than that; two or more go on at a time.
    let rounds = small.questions.len().div_ceil(jobs(&arguments)).max(1);
    let share = time.duration() / u32::try_from(rounds).unwrap_or(u32::MAX);
    let arguments = Arguments { time: share.max(Duration::from_millis(100)).into(), ..arguments };
    one(&arguments, word, scenario, small, &UnderWay::default(), world)
}

fn limits(arguments: &Arguments) -> Limits {
    Limits {
        states: arguments.states,
        depth: arguments.depth,
        time: arguments.time.duration(),
        reductions: if arguments.unreduced { Reductions::NONE } else { Reductions::ALL },
    }
}

fn jobs(arguments: &Arguments) -> usize {
    arguments.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

/// The names that are meant, or which there are.
fn known(what: &str, names: &[String], valid: &[&str]) -> Result<(), Failure> {
    let Some(name) = names.iter().find(|name| !valid.contains(&name.as_str())) else { return Ok(()) };
    let list = valid.join("\n  ");
    let help = match closest(name, valid.iter().copied()) {
        Some(close) => format!("did you mean `{close}`?"),
        None => "write one of these".to_owned(),
    };
    Err(Failure::usage(format!("there is no {what} `{name}`; there are:\n  {list}"), help))
}

fn properties(names: &[String]) -> Result<Vec<Property>, Failure> {
    known("property", names, &Property::ALL.map(Property::name))?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

// The matrix.

fn selection(arguments: &Arguments, properties: Vec<Property>) -> Result<Selection, Failure> {
    let strategies = matrix::strategies();
    let mut names: Vec<String> = Vec::new();
    for (strategy, _) in &strategies {
        for name in [strategy.name().to_owned(), strategy.to_string()] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    known(
        "strategy in the matrix",
        &arguments.strategy,
        &names.iter().map(String::as_str).collect::<Vec<_>>(),
    )?;
    let shapes: Vec<&str> = matrix::TOPOLOGIES.iter().map(|topology| topology.name()).collect();
    known("shape in the matrix", &arguments.topology, &shapes)?;
    known("class of faults", &arguments.fault, &matrix::FaultClass::ALL.map(matrix::FaultClass::name))?;
    Ok(Selection {
        strategies: arguments.strategy.clone(),
        topologies: arguments.topology.clone(),
        faults: arguments.fault.clone(),
        properties,
        leaders: arguments.leaders,
        writes: arguments.writes,
        keys: arguments.keys,
    })
}

fn whole_matrix(
    arguments: &Arguments,
    properties: Vec<Property>,
    world: &mut World<'_>,
) -> Result<Exit, Failure> {
    let selection = selection(arguments, properties)?;
    let questions = selection
        .questions()
        .map_err(|error| Failure::usage(error.to_string(), "ask for fewer leaders or writes"))?;
    if questions.is_empty() {
        return Err(Failure::usage("nothing in the matrix is all that", "ask for less at once"));
    }
    let cells = questions.len();
    let began = Instant::now();
    let (mut records, mut files) = (Vec::new(), Vec::new());
    let keep = arguments.witness_dir.is_some();
    let mut taken = Taken::default();
    ask(arguments, questions, world, |answer| {
        taken.add(&answer.exploration);
        records.extend(Record::of(&answer));
        if keep {
            files.extend(WitnessFile::of(&answer));
        }
    });
    if let Some(folder) = &arguments.witness_dir {
        write_witnesses(folder, &files).map_err(|error| unwritable(folder, &error))?;
    }
    let matrix = Matrix {
        records,
        cells,
        taken,
        seconds: began.elapsed().as_secs_f64(),
        witnesses: arguments.witness_dir.as_ref().map(|folder| folder.display().to_string()),
        again: again(world),
    };
    match arguments.output.output {
        Output::Text => {
            ModelText { paint: Paint { on: world.surroundings.colours_out } }.matrix(&matrix, world.out)?;
        }
        Output::Json => ModelJson.matrix(&matrix, world.out)?,
    }
    summarise(world, |out| ModelMarkdown.matrix(&matrix, out))?;
    let bounded = matrix.records.iter().any(|record| record.verdict == "bounded" && !record.vacuous);
    Ok(if bounded { Exit::Unknown } else { Exit::Success })
}

/// Asks, and shows on a terminal how far it has come.
fn ask(arguments: &Arguments, questions: Vec<Question>, world: &World<'_>, mut told: impl FnMut(Answer)) {
    let target = if world.surroundings.terminal_err {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(questions.len() as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} worlds  {elapsed}  {msg}") {
        bar.set_style(style);
    }
    model::ask(questions, limits(arguments), jobs(arguments), |answer| {
        let scope = answer.question.world.scope();
        bar.set_message(format!(
            "{} | {} | {}",
            scope.strategy,
            scope.topology.name(),
            answer.question.fault
        ));
        bar.inc(1);
        told(answer);
    });
    bar.finish_and_clear();
}

// Scenarios.

fn resolved(word: &str, world: &World<'_>) -> Result<(Source, Scenario), Failure> {
    let source = select::source(word)?;
    let plain = Overrides::default();
    let resolved = select::resolve(&source, &plain, &plain, world.surroundings.colours_err)?;
    select::of_our_core(&resolved, "the model", word)?;
    Ok((source, resolved.scenario))
}

fn made_small(arguments: &Arguments, scenario: &Scenario) -> Result<Small, Failure> {
    model::small(scenario, arguments.leaders, arguments.writes).map_err(|error| {
        Failure::usage(
            format!("there is no small model of {}: {error}", scenario.name),
            "ask for fewer leaders or writes",
        )
    })
}

fn scenarios(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let text = ModelText { paint: Paint { on: world.surroundings.colours_out } };
    // All of them are read before the first is checked.
    let mut plan = Vec::new();
    for word in &arguments.scenarios {
        let (_, scenario) = resolved(word, world)?;
        let small = made_small(arguments, &scenario)?;
        plan.push((word.clone(), scenario, small));
    }
    let under_way = UnderWay::default();
    if world.surroundings.catch_signals {
        let under_way = Arc::clone(&under_way);
        signals::leave(move || give_up(&under_way));
    }
    let (mut exit, mut all) = (Exit::Success, Vec::new());
    for (word, scenario, small) in plan {
        let modelled = one(arguments, &word, &scenario, small, &under_way, world)?;
        exit = exit.merge(modelled.outcome.verdict.into());
        if arguments.output.output == Output::Text {
            if !all.is_empty() {
                writeln!(world.out)?;
            }
            text.scenario(&modelled, world.out)?;
            world.out.flush()?;
        }
        all.push(modelled);
    }
    if arguments.output.output == Output::Json {
        ModelJson.scenarios(&all, world.out)?;
    }
    summarise(world, |out| ModelMarkdown.scenarios(&all, out))?;
    Ok(exit)
}

/// The folder of the scenario that is searched. Whoever holds the lock writes to it, or takes it away.
type UnderWay = Arc<Mutex<Option<RunFolder>>>;

fn locked(under_way: &UnderWay) -> MutexGuard<'_, Option<RunFolder>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A search that did not come to its end has found nothing that is worth a folder.
fn give_up(under_way: &UnderWay) {
    let told = match locked(under_way).take().map(RunFolder::discard) {
        Some(Err(error)) => format!("interrupted; {error}"),
        Some(Ok(())) => "interrupted: of the search under way nothing is kept".to_owned(),
        None => "interrupted".to_owned(),
    };
    // Where it cannot be said, it is done all the same.
    let _ = writeln!(std::io::stderr(), "{told}");
}

fn one(
    arguments: &Arguments,
    word: &str,
    scenario: &Scenario,
    small: Small,
    under_way: &UnderWay,
    world: &World<'_>,
) -> Result<Modelled, Failure> {
    // Held from before the folder is there: else a signal between the two would leave it behind.
    let mut held = locked(under_way);
    let folder = arguments.store.store().begin_model(&ModelRecord {
        v: FORMAT_VERSION,
        arena: "model".to_owned(),
        scenario: scenario.clone(),
        scaled: small.scaled.clone(),
        seed: None,
        started: jiff::Timestamp::now().to_string(),
        command: world.surroundings.command.clone(),
        versions: Versions::default(),
        host: Host::here(),
    })?;
    let (path, final_path) = (folder.path().to_owned(), folder.final_path());
    *held = Some(folder);
    drop(held);
    let leaders = small.questions.first().map_or(0, |question| question.world.scope().leaders);
    let began = Instant::now();
    let mut answers = Vec::new();
    ask(arguments, small.questions, world, |answer| answers.push(answer));
    // From here on nothing is given up any more.
    let mut held = locked(under_way);
    let outcome = model::judge(scenario, &small.lacks, &answers);
    let files = witnesses(&outcome, &answers);
    let replay = files.first().map(|file| {
        let path = final_path.join("witness").join(format!("{}.json", file.name));
        format!("quarrel replay {} --on live", quoted(&path.display().to_string()))
    });
    let modelled = Modelled {
        scenario: scenario.name.clone(),
        strategy: scenario.strategy.to_string(),
        topology: scenario.cluster.topology.name().to_owned(),
        leaders,
        scaled: small.scaled,
        told: told(&files)?,
        records: answers.iter().flat_map(Record::of).collect(),
        outcome,
        seconds: began.elapsed().as_secs_f64(),
        results: Some(final_path.display().to_string()),
        again: format!("quarrel model {}{}", quoted(word), flags(arguments)),
        replay,
    };
    let kept = path.join("witness");
    write_witnesses(&kept, &files).map_err(|error| unwritable(&kept, &error))?;
    if let Some(asked) = &arguments.witness_dir {
        write_witnesses(asked, &files).map_err(|error| unwritable(asked, &error))?;
    }
    let mut report = Vec::new();
    ModelText::default().scenario(&modelled, &mut report)?;
    let folder = held.take().ok_or_else(|| Failure::defect("the folder of a search is gone"))?;
    folder.add("report.txt", &report)?;
    let verdict = ModelJson.verdict(&modelled).map_err(|error| Failure::defect(error.to_string()))?;
    folder.complete(&verdict, true)?;
    Ok(modelled)
}

/// The shortest witness of each finding, the one to be told first.
fn witnesses(outcome: &Outcome, answers: &[Answer]) -> Vec<WitnessFile> {
    let mut files = Vec::new();
    for verdict in [Verdict::Fail, Verdict::Pass] {
        for reason in outcome.reasons.iter().filter(|reason| reason.verdict == verdict).rev() {
            let Some((number, property)) = reason.witness else { continue };
            let answer = &answers[number];
            let of_property = answer.iter().filter(|(asked, _)| *asked == property);
            for (_, found) in of_property {
                let exploration = Exploration { verdicts: vec![found.clone()], ..answer.exploration.clone() };
                let question = Question { properties: vec![property], ..answer.question.clone() };
                let only = Answer { question, exploration };
                files.extend(
                    WitnessFile::of(&only)
                        .into_iter()
                        .map(|file| WitnessFile { name: reason.finding.name().to_owned(), ..file }),
                );
            }
        }
    }
    files
}

fn told(files: &[WitnessFile]) -> Result<Option<(String, String)>, Failure> {
    let Some(first) = files.first() else { return Ok(None) };
    let told = narrate(&first.witness).map_err(|error| Failure::defect(error.to_string()))?;
    let title = format!("{} in {} steps", first.name, first.witness.steps.len());
    Ok(Some((title, told.to_string())))
}

/// What of the command line decides what is found.
fn flags(arguments: &Arguments) -> String {
    let mut flags = String::new();
    if let Some(leaders) = arguments.leaders {
        flags.push_str(&format!(" --leaders {leaders}"));
    }
    if let Some(writes) = arguments.writes {
        flags.push_str(&format!(" --writes {writes}"));
    }
    flags
}

fn again(world: &World<'_>) -> String {
    let words = world.surroundings.command.iter().skip(1);
    std::iter::once("quarrel".to_owned())
        .chain(words.map(|word| quoted(word).into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::environment(format!("cannot write to {}: {error}", path.display()), "choose another folder")
}

/// Adds to the summary of a pipeline's step, if there is one.
fn summarise(
    world: &World<'_>,
    write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let Some(path) = &world.surroundings.step_summary else { return Ok(()) };
    let file = OpenOptions::new().append(true).create(true).open(path);
    let mut file = file.map_err(|error| unwritable(path, &error))?;
    Ok(write(&mut file)?)
}

// The Explorer.

/// What is explored if no scenario is named.
const EXPLORED: &str = "lww-skew";

fn explore(arguments: &Arguments, properties: &[Property], world: &mut World<'_>) -> Result<Exit, Failure> {
    let word = match arguments.scenarios.as_slice() {
        [] => EXPLORED,
        [word] => word,
        _ => return Err(Failure::usage("the Explorer shows one scenario", "name one of them")),
    };
    let property = match properties {
        [] => Property::NothingLost,
        [property] => *property,
        _ => return Err(Failure::usage("the Explorer watches one property", "name one of them")),
    };
    let (_, scenario) = resolved(word, world)?;
    let small = made_small(arguments, &scenario)?;
    // With faults, if it has any.
    let with_faults = small.questions.iter().find(|question| question.fault == "faults");
    let Some(question) = with_faults.or(small.questions.first()) else {
        return Err(Failure::defect("a scenario has no small world"));
    };
    let address = free_address(arguments.port)?;
    writeln!(world.err, "{word} in small: {}", small.scaled.join("; "))?;
    writeln!(world.err, "watching {property}; the Explorer is on http://{address}, until Ctrl-C")?;
    quarrel_models::check::serve(question.world.clone(), property, address);
    Ok(Exit::Success)
}

/// The port is had before the Explorer asks for it: it would panic.
fn free_address(port: u16) -> Result<SocketAddr, Failure> {
    let taken = |error: std::io::Error| {
        let message = format!("port {port} of 127.0.0.1 cannot be had: {error}");
        Failure::environment(message, "leave --port out to take one that is free")
    };
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr()).map_err(taken)
}
