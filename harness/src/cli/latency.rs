//! `quarrel latency`: the same load for several clusters, in turns.

use super::{
    World,
    options::{Output, OutputOption, StoreOption},
    select::{self, Source, quoted},
    signals,
};
use crate::{
    exit::{Exit, Failure, note_run_folder},
    latency::{Arrivals, Outcome, Plan, Request, Setup, Stage, Target, TargetError, Threshold, measure},
    report::{LatencyJunit, LatencyMarkdown, LatencyReport, LatencyText, Paint, VERSION, html, write_json},
    runner::Interrupt,
    store::{FORMAT_VERSION, Host, ModelRecord, RunFolder, Versions},
    systems::reference::own_program,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use quarrel_models::topology::Topology;
use quarrel_workloads::scenario::{Durability, FromText, Overrides, Scenario, Span, StrategyName};
use serde_json::{Value, json};
use std::{
    borrow::Cow,
    fs::{File, OpenOptions},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    path::PathBuf,
    time::{Duration, Instant},
};

const EXAMPLES: &str = "\
Examples:
  quarrel latency --link-delay 20ms                   ring, star and all-to-all
  quarrel latency --topology ring,star --leaders 3,5 --rate 500 --repetitions 5
  quarrel latency --topology ring --threshold 'p99(write.ack) < 5ms'
  quarrel latency --strategy on-write --durability fsync --cut 0s --ramp 0s
  quarrel latency mine.toml                           a cluster of your own
  quarrel latency --target http://127.0.0.1:8101,http://127.0.0.1:8102

Latencies count from when an operation was due, not from when its client got
round to it; `.actual` counts from there. A threshold holds for every cluster;
one that is missed is exit code 4. Metrics: write.ack, read.ack,
visibility.hops-N, visibility.all, lag.all, converge.heal, throughput,
messages-per-write and more: `--threshold list` names them.";

/// Random seeds are short enough to be said aloud.
const SEEDS: u64 = 1_000_000;

/// Compare the latencies of topologies under one load: answers, visibility, throughput
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// A scenario whose cluster, strategy and workload are taken; its faults are not.
    #[arg(value_name = "SCENARIO|FILE")]
    scenario: Option<String>,
    /// The topologies to compare: ring, star, all-to-all.
    #[arg(long, value_delimiter = ',', value_name = "NAME", value_parser = Topology::from_text)]
    topology: Vec<Topology>,
    /// The numbers of leaders to compare.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    leaders: Vec<usize>,
    /// How long each replication link takes, one way.
    #[arg(long, value_name = "SPAN")]
    link_delay: Option<Span>,
    /// The conflict strategy in its plain form.
    #[arg(long, value_name = "NAME", value_parser = StrategyName::from_text)]
    strategy: Option<StrategyName>,
    /// When a write is acknowledged: fsync, os or none.
    #[arg(long, value_name = "WHEN", value_parser = Durability::from_text)]
    durability: Option<Durability>,
    /// Operations per second of all leaders together; they begin when they are due, whoever answers when.
    #[arg(long, value_name = "N", default_value_t = 200.0, help_heading = "Load")]
    rate: f64,
    /// How operations follow each other.
    #[arg(long, value_enum, default_value_t, value_name = "HOW", help_heading = "Load")]
    arrivals: Arrivals,
    /// Connections that wait for work, at each leader.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Load")]
    connections: u32,
    /// Load that is not measured, at the start of each repetition.
    #[arg(long, value_name = "SPAN", default_value = "1s", help_heading = "Phases")]
    warm_up: Span,
    /// Load that is measured, in each repetition.
    #[arg(long, value_name = "SPAN", default_value = "5s", help_heading = "Phases")]
    duration: Span,
    /// How long the last leader is then cut off from all others; 0s for not at all.
    #[arg(long, value_name = "SPAN", default_value = "1s", help_heading = "Phases")]
    cut: Span,
    /// How often each cluster is measured, in turns.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Phases")]
    repetitions: u32,
    /// How long each rate is offered in the search for saturation; 0s for no search.
    #[arg(long, value_name = "SPAN", default_value = "1s", help_heading = "Phases")]
    ramp: Span,
    /// What must be so of every cluster, such as 'p99(write.ack) < 5ms'; `list` names the metrics.
    #[arg(long, value_name = "RULE", env = "QUARREL_THRESHOLD", hide_env_values = true)]
    threshold: Vec<String>,
    /// Measure a cluster that runs already: the URLs of its leaders.
    #[arg(long, value_delimiter = ',', value_name = "URL", env = "QUARREL_TARGET", hide_env_values = true, conflicts_with_all = ["topology", "leaders", "link_delay", "durability"])]
    target: Vec<String>,
    /// Fixes load and arrivals; drawn if absent, and always printed.
    #[arg(long, env = "QUARREL_SEED", hide_env_values = true)]
    seed: Option<u64>,
    /// Write a JUnit report to this file, with a case for each threshold and cluster.
    #[arg(long, env = "QUARREL_JUNIT", hide_env_values = true, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    store: StoreOption,
    #[command(flatten)]
    output: OutputOption,
}

pub(super) fn latency(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    if arguments.threshold.iter().any(|rule| rule == "list") {
        writeln!(world.out, "{}", crate::latency::known_metrics())?;
        return Ok(Exit::Success);
    }
    let thresholds = thresholds(&arguments.threshold)?;
    let plan = plan(arguments)?;
    let target = target(&arguments.target)?;
    let setups = setups(arguments, target.as_ref(), world)?;
    let junit = arguments.junit.as_deref().map(super::run::create).transpose()?;
    let folder = begin(arguments, &setups, plan.seed, world)?;
    let program = own_program()
        .map_err(|error| Failure::environment(format!("cannot find this program itself: {error}"), ""))?;
    let interrupt = Interrupt::new();
    if world.surroundings.catch_signals {
        signals::watch(&interrupt, false);
    }
    let request = Request {
        setups,
        target,
        plan: plan.clone(),
        thresholds,
        folder: folder.path().to_path_buf(),
        program,
        interrupt,
    };
    note_run_folder(Some(folder.path()));
    let (began, bar) = (Instant::now(), bar(world));
    let outcome = measure(&request, &mut |stage| show(&bar, stage));
    bar.finish_and_clear();
    let again = again(arguments, plan.seed);
    let outcome = outcome.map_err(|error| broken_off(error.into(), &folder, &again))?;
    let report = LatencyReport {
        outcome,
        load: load(&plan),
        seed: plan.seed,
        seconds: began.elapsed().as_secs_f64(),
        machine: machine(),
        results: Some(folder.final_path().display().to_string()),
        again,
    };
    let exit = exit_of(&report.outcome);
    keep(folder, &report, world.surroundings.ci)?;
    note_run_folder(None);
    conclude(arguments, &report, junit, world)?;
    Ok(exit)
}

fn thresholds(rules: &[String]) -> Result<Vec<Threshold>, Failure> {
    let parse = |rule: &String| {
        rule.parse().map_err(|why: String| {
            Failure::usage(
                why,
                "for example --threshold 'p99(write.ack) < 5ms'; `--threshold list` lists the names",
            )
        })
    };
    rules.iter().map(parse).collect()
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    if !(arguments.rate.is_finite() && arguments.rate > 0.0 && arguments.rate <= 1e6) {
        let message = format!("a rate of {} is no open loop", arguments.rate);
        return Err(Failure::usage(
            message,
            "write how many operations a second are due, such as --rate 200",
        ));
    }
    let duration = arguments.duration.duration();
    if duration < Duration::from_millis(100) {
        return Err(Failure::usage(
            format!("a measurement of {} shows nothing", arguments.duration),
            "write at least --duration 100ms",
        ));
    }
    Ok(Plan {
        rate: arguments.rate,
        arrivals: arguments.arrivals,
        warm_up: arguments.warm_up.duration(),
        duration,
        // A cluster that is not ours has links that nobody here can cut.
        cut: if arguments.target.is_empty() { arguments.cut.duration() } else { Duration::ZERO },
        repetitions: arguments.repetitions,
        ramp: arguments.ramp.duration(),
        connections: arguments.connections,
        seed: arguments.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() % SEEDS),
    })
}

fn target(urls: &[String]) -> Result<Option<Target>, Failure> {
    if urls.is_empty() {
        return Ok(None);
    }
    Target::reach(urls).map(Some).map_err(|error| match error {
        TargetError::Url(_) => {
            Failure::usage(error.to_string(), "for example --target http://127.0.0.1:8101")
        }
        TargetError::Unreachable { .. } => {
            let help = "start it first; harness/docs/http-api.md says what it must answer";
            Failure::environment(error.to_string(), help)
        }
    })
}

/// The clusters: each topology with each number of leaders.
fn setups(arguments: &Arguments, target: Option<&Target>, world: &World<'_>) -> Result<Vec<Setup>, Failure> {
    let source = match &arguments.scenario {
        Some(word) => select::source(word)?,
        None => Source {
            word: "latency".to_owned(),
            file: "latency.toml".to_owned(),
            text: Cow::Borrowed(include_str!("../latency/base.toml")),
        },
    };
    let named = arguments.scenario.is_some();
    let topologies: Vec<Option<Topology>> = match (arguments.topology.as_slice(), named, target) {
        ([], _, Some(_)) | ([], true, None) => vec![None],
        ([], false, None) => [Topology::Ring, Topology::Star, Topology::AllToAll].map(Some).into(),
        (topologies, ..) => topologies.iter().cloned().map(Some).collect(),
    };
    let leaders: Vec<Option<usize>> = match (arguments.leaders.as_slice(), target) {
        (_, Some(target)) => vec![Some(target.leaders())],
        ([], None) => vec![None],
        (leaders, None) => leaders.iter().copied().map(Some).collect(),
    };
    let mut setups: Vec<Setup> = Vec::new();
    for leaders in leaders {
        for topology in &topologies {
            let flags = Overrides {
                topology: topology.clone(),
                leaders,
                strategy: arguments.strategy,
                durability: arguments.durability,
                ..Overrides::default()
            };
            let plain = Overrides::default();
            let resolved = select::resolve(&source, &plain, &flags, world.surroundings.colours_err)?;
            select::of_our_core(&resolved, "`quarrel latency`", &source.word)?;
            select::of_real_processes(&resolved, "`quarrel latency`", &source.word)?;
            let setup = Setup::new(ready(resolved.scenario, arguments));
            if setups.iter().any(|other| other.name == setup.name) {
                return Err(Failure::usage(format!("{} is there twice", setup.name), "name it once"));
            }
            setups.push(setup);
        }
    }
    Ok(setups)
}

/// What a measurement needs of a scenario, whatever it says.
fn ready(mut scenario: Scenario, arguments: &Arguments) -> Scenario {
    scenario.cluster.apply_log = true;
    // A link of the clients' own would be part of every figure.
    scenario.cluster.proxy_clients = false;
    if let Some(delay) = arguments.link_delay {
        scenario.cluster.link.latency_us = u64::try_from(delay.duration().as_micros()).unwrap_or(u64::MAX);
    }
    scenario.nemesis = Default::default();
    // Generators deal records out among the clients that there are.
    scenario.clients.count = arguments.connections * u32::try_from(scenario.cluster.leaders).unwrap_or(1);
    scenario
}

fn begin(
    arguments: &Arguments,
    setups: &[Setup],
    seed: u64,
    world: &World<'_>,
) -> Result<RunFolder, Failure> {
    let store = arguments.store.store();
    store.prepare()?;
    let scenario = setups
        .first()
        .map(|setup| setup.scenario.clone())
        .ok_or_else(|| Failure::usage("there is no cluster to measure", "name a topology"))?;
    Ok(store.begin_model(&ModelRecord {
        v: FORMAT_VERSION,
        arena: "latency".to_owned(),
        scenario,
        scaled: setups.iter().map(|setup| setup.name.clone()).collect(),
        seed: Some(seed),
        started: jiff::Timestamp::now().to_string(),
        command: world.surroundings.command.clone(),
        versions: Versions::default(),
        host: Host::here(),
    })?)
}

fn bar(world: &World<'_>) -> ProgressBar {
    let target = if world.surroundings.terminal_err {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len}  {elapsed}  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn show(bar: &ProgressBar, stage: &Stage) {
    bar.set_length(stage.of as u64);
    bar.set_position(stage.number as u64);
    let what = if stage.ramp { "more and more load, " } else { "" };
    bar.set_message(format!("{what}{}", stage.setup));
}

/// A measurement that did not come to its end: where the nodes say why, and how to try again.
fn broken_off(failure: Failure, folder: &RunFolder, again: &str) -> Failure {
    let clusters = folder.path().join("clusters").display().to_string();
    let help =
        format!("{}\nthe nodes' files are in:  {clusters}\nmeasure again:            {again}", failure.help);
    Failure { help, ..failure }
}

fn load(plan: &Plan) -> String {
    let arrivals = match plan.arrivals {
        Arrivals::Poisson => "poisson",
        Arrivals::Constant => "constant",
    };
    format!("{} ops/s {arrivals}, {} x {}", plan.rate, plan.repetitions, Span::from(plan.duration))
}

fn machine() -> String {
    let host = Host::here();
    format!("{} {} {}, {} cores", host.system, host.release, host.architecture, host.cores)
}

/// The command that measures again.
fn again(arguments: &Arguments, seed: u64) -> String {
    let mut words = vec!["quarrel".to_owned(), "latency".to_owned()];
    words.extend(arguments.scenario.clone());
    let joined = |names: Vec<String>| names.join(",");
    let mut flag = |name: &str, value: String| {
        if !value.is_empty() {
            words.extend([format!("--{name}"), value]);
        }
    };
    flag("topology", joined(arguments.topology.iter().map(|topology| topology.name().to_owned()).collect()));
    flag("leaders", joined(arguments.leaders.iter().map(ToString::to_string).collect()));
    flag("target", joined(arguments.target.clone()));
    flag("link-delay", arguments.link_delay.map(|delay| delay.to_string()).unwrap_or_default());
    flag("strategy", arguments.strategy.map(|name| name.name().to_owned()).unwrap_or_default());
    let durability = arguments.durability.and_then(|durability| serde_json::to_value(durability).ok());
    flag("durability", durability.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned());
    flag("rate", arguments.rate.to_string());
    if arguments.arrivals == Arrivals::Constant {
        flag("arrivals", "constant".to_owned());
    }
    flag("connections", arguments.connections.to_string());
    for (name, span) in [
        ("warm-up", arguments.warm_up),
        ("duration", arguments.duration),
        ("cut", arguments.cut),
        ("ramp", arguments.ramp),
    ] {
        flag(name, span.to_string());
    }
    flag("repetitions", arguments.repetitions.to_string());
    for rule in &arguments.threshold {
        flag("threshold", rule.clone());
    }
    flag("seed", seed.to_string());
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn exit_of(outcome: &Outcome) -> Exit {
    use quarrel_workloads::verdict::Verdict;
    if outcome.interrupted {
        return Exit::Interrupted;
    }
    let thresholds = match outcome.threshold_verdict() {
        Verdict::Pass => Exit::Success,
        Verdict::Unknown => Exit::Unknown,
        Verdict::Fail => Exit::Threshold,
    };
    // What could not be measured is worth less than what was missed for certain.
    Exit::from(outcome.verdict).merge(thresholds)
}

fn keep(folder: RunFolder, report: &LatencyReport, ci: bool) -> Result<(), Failure> {
    let mut text = Vec::new();
    LatencyText::default().write(report, &mut text)?;
    folder.add("report.txt", &text)?;
    folder.add("report.html", html::topologies(report).as_bytes())?;
    let mut junit = Vec::new();
    LatencyJunit { ci }.write(report, &mut junit)?;
    folder.add("junit.xml", &junit)?;
    let verdict = report.outcome.verdict.merge(report.outcome.threshold_verdict());
    let whole = json!({ "v": FORMAT_VERSION, "run": { "verdict": verdict }, "latency": report });
    folder.complete(&whole, true)?;
    Ok(())
}

/// The answer of `--output json`: without what only drawings need.
fn as_json(report: &LatencyReport) -> Value {
    let mut outcome = report.outcome.clone();
    for measured in &mut outcome.topologies {
        measured.metrics.values_mut().for_each(|metric| metric.curve.clear());
    }
    let mut whole = json!(outcome);
    whole["v"] = json!(VERSION);
    whole["seed"] = json!(report.seed);
    whole["seconds"] = json!(report.seconds);
    whole["machine"] = json!(report.machine);
    whole["results"] = json!(report.results);
    whole["again"] = json!(report.again);
    whole
}

fn conclude(
    arguments: &Arguments,
    report: &LatencyReport,
    junit: Option<File>,
    world: &mut World<'_>,
) -> Result<(), Failure> {
    match arguments.output.output {
        Output::Text => {
            LatencyText { paint: Paint { on: world.surroundings.colours_out } }.write(report, world.out)?;
        }
        Output::Json => write_json(&as_json(report), world.out)?,
    }
    if let Some(mut file) = junit {
        LatencyJunit { ci: world.surroundings.ci }.write(report, &mut file)?;
    }
    if let Some(path) = &world.surroundings.step_summary {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let mut file = file.map_err(|error| super::run::unwritable(path, &error))?;
        LatencyMarkdown.write(report, &mut file)?;
    }
    Ok(())
}
