//! `quarrel handler`: conflict handlers of one's own.

use super::{
    World,
    options::{Output, OutputOption},
};
use crate::{
    exit::{Exit, Failure},
    handler::{ClusterReport, Finding, Plan, Report, Size, Template, TrialError, run, samples, try_handler},
    model::write_witnesses,
    report::{VERSION, write_json},
};
use clap::Subcommand;
use quarrel_models::{
    handler::{Handler, Script, rhai::load_once},
    value::Value,
};
use quarrel_workloads::scenario::Span;
use serde_json::json;
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

const EXAMPLES: &str = "\
Examples:
  quarrel handler new --template cart --out cart.rhai
  quarrel handler run cart.rhai --versions '[1,2]' '[2,3]' --base '[1,2]'
  quarrel handler check cart.rhai";

const CHECK_EXAMPLES: &str = "\
Examples:
  quarrel handler check cart.rhai
  quarrel handler check cart.rhai --samples results/latest   values of a real run
  quarrel handler check cart.rhai --old cart-v1.rhai         one leader lags behind
  quarrel handler check cart.rhai --witness-dir w            the trace as JSON, SVG";

/// Write a conflict handler, and know whether it can lose or split data
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Try a handler: its laws, then a cluster in the model, then seeds in the simulator
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArguments),
    /// Write a commented handler to begin with
    #[command(after_help = "Example:\n  quarrel handler new --template cart --out cart.rhai")]
    New {
        /// What it merges.
        #[arg(long, value_enum)]
        template: Template,
        /// The file to write; standard output if absent.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        output: OutputOption,
    },
    /// Show what a handler makes of versions
    #[command(
        after_help = "Example:\n  quarrel handler run cart.rhai --versions '[1,2]' '[2,3]' --base '[1,2]'"
    )]
    Run {
        /// The handler's file.
        file: PathBuf,
        /// Two versions or more, as JSON; null is a deletion.
        #[arg(long, num_args = 1.., required = true, value_name = "JSON")]
        versions: Vec<String>,
        /// What they were made from, as JSON.
        #[arg(long, value_name = "JSON")]
        base: Option<String>,
        #[command(flatten)]
        output: OutputOption,
    },
}

#[derive(Debug, clap::Args)]
struct CheckArguments {
    /// The handler's file.
    file: PathBuf,
    /// More inputs for the laws: a file with an object a line, such as {"versions": [[1], [2]]}, or the folder of a
    /// run.
    #[arg(long, value_name = "FILE|RUN")]
    samples: Option<PathBuf>,
    /// An older version of the handler, which one leader still runs.
    #[arg(long, value_name = "FILE")]
    old: Option<PathBuf>,
    /// The number of leaders, each with a client.
    #[arg(long, value_name = "N", default_value_t = 3)]
    leaders: usize,
    /// The number of writes.
    #[arg(long, value_name = "N", default_value_t = 3)]
    writes: u8,
    /// The most time of one search.
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    time: Span,
    /// How many seeds to run in the simulator.
    #[arg(long, value_name = "N", default_value_t = 20)]
    seeds: u64,
    /// Write the shortest trace into this folder, as JSON and as SVG.
    #[arg(long, value_name = "DIR")]
    witness_dir: Option<PathBuf>,
    #[command(flatten)]
    output: OutputOption,
}

pub(super) fn handler(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    match &arguments.verb {
        Verb::Check(arguments) => check(arguments, world),
        Verb::New { template, out, output } => new(*template, out.as_deref(), output.output, world),
        Verb::Run { file, versions, base, output } => {
            merge(file, versions, base.as_deref(), output.output, world)
        }
    }
}

/// Loads a file, and says where it is no handler.
fn load(file: &Path) -> Result<(Handler, &'static Script), Failure> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| {
        let help = "`quarrel handler new --template set --out my-set.rhai` writes one to begin with";
        Failure::usage(format!("cannot read the handler {shown}: {error}"), help)
    })?;
    let handler = load_once(&shown.to_string(), &text, None).map_err(|error| {
        let place = match (error.line, error.column) {
            (Some(line), Some(column)) => format!("{shown}:{line}:{column}"),
            (Some(line), None) => format!("{shown}:{line}"),
            _ => shown.to_string(),
        };
        Failure::usage(format!("{place}: {}", error.what), error.help)
    })?;
    match handler {
        Handler::Script(script) => Ok((handler, script)),
        _ => Err(Failure::defect("a file is no built-in handler".to_owned())),
    }
}

fn new(
    template: Template,
    out: Option<&Path>,
    output: Output,
    world: &mut World<'_>,
) -> Result<Exit, Failure> {
    if let Some(file) = out {
        let made = fs::File::create_new(file).and_then(|mut file| file.write_all(template.text().as_bytes()));
        made.map_err(|error| {
            let help = "name a file that is not there yet: nothing is overwritten";
            Failure::usage(format!("cannot write {}: {error}", file.display()), help)
        })?;
    }
    match (output, out) {
        (Output::Json, _) => write_json(
            &json!({
                "v": VERSION, "template": template.name(), "file": out.map(|file| file.display().to_string()),
                "text": template.text(),
            }),
            world.out,
        )?,
        (Output::Text, None) => world.out.write_all(template.text().as_bytes())?,
        (Output::Text, Some(file)) => {
            let file = file.display();
            writeln!(world.out, "wrote {file}; next: quarrel handler check {file}")?;
        }
    }
    Ok(Exit::Success)
}

fn value(script: &Script, what: &str, json: &str) -> Result<Option<Value>, Failure> {
    let help = "write JSON, such as '[1,2]', '{\"9h\": \"m1\"}', 7, '\"text\"' or null";
    let value: Option<Value> = serde_json::from_str(json)
        .map_err(|error| Failure::usage(format!("the {what} {json} is no value: {error}"), help))?;
    let Some(value) = value else { return Ok(None) };
    let shaped = script.workload.shape(value).map_err(|why| {
        let help =
            format!("its workload is `{}`: write {}", script.workload.name(), script.workload.values());
        Failure::usage(format!("the {what} {json} does not fit: {why}"), help)
    })?;
    Ok(Some(shaped))
}

fn merge(
    file: &Path,
    versions: &[String],
    base: Option<&str>,
    output: Output,
    world: &mut World<'_>,
) -> Result<Exit, Failure> {
    let (handler, script) = load(file)?;
    if versions.len() < 2 {
        return Err(Failure::usage("one version is no conflict", "give two or more after --versions"));
    }
    let sides = versions.iter().map(|json| value(script, "version", json)).collect::<Result<Vec<_>, _>>()?;
    let base = base.map(|json| value(script, "base", json)).transpose()?.flatten();
    let said = run(handler, &sides, base.as_ref());
    match output {
        Output::Text => match &said {
            Ok(Some(value)) => writeln!(world.out, "{value}")?,
            Ok(None) => writeln!(world.out, "() the record is deleted")?,
            Err(refused) => writeln!(world.out, "unresolved, the versions stay side by side: {refused}")?,
        },
        Output::Json => {
            let (value, unresolved) = match &said {
                Ok(value) => (value.clone(), None),
                Err(refused) => (None, Some(refused)),
            };
            let answer =
                json!({ "v": VERSION, "handler": script.name, "value": value, "unresolved": unresolved });
            write_json(&answer, world.out)?;
        }
    }
    Ok(if said.is_ok() { Exit::Success } else { Exit::Violated })
}

fn check(arguments: &CheckArguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let (handler, script) = load(&arguments.file)?;
    let sampled = arguments.samples.as_deref().map(samples).transpose().map_err(|error| {
        let help = "write one object a line, such as {\"versions\": [[1], [2]]}, or name the folder of a run";
        Failure::usage(error, help)
    })?;
    let plan = Plan {
        samples: sampled.map(|sampled| sampled.inputs).unwrap_or_default(),
        size: Size { leaders: arguments.leaders, writes: arguments.writes, time: arguments.time.duration() },
        seeds: arguments.seeds,
        old: arguments.old.as_deref().map(load).transpose()?.map(|(old, _)| old),
    };
    let report = try_handler(handler, script, &plan).map_err(|error| match error {
        TrialError::Simulation(why) => Failure::defect(why),
        other => Failure::usage(other.to_string(), "ask for fewer leaders or writes"),
    })?;
    if let Some(folder) = &arguments.witness_dir {
        let traces = [Some(&report.cluster), report.mixed.as_ref()].into_iter().flatten();
        let files: Vec<_> =
            traces.filter_map(|cluster| cluster.trace.as_ref()).map(|trace| trace.file.clone()).collect();
        write_witnesses(folder, &files).map_err(|error| {
            let help = "name a folder that can be written with --witness-dir";
            Failure::usage(format!("cannot write to {}: {error}", folder.display()), help)
        })?;
    }
    match arguments.output.output {
        Output::Text => text(script, &report, arguments, world.out)?,
        Output::Json => write_json(&object(script, &report), world.out)?,
    }
    Ok(match (report.is_sound(), report.open().is_empty()) {
        (false, _) => Exit::Violated,
        (true, false) => Exit::Unknown,
        (true, true) => Exit::Success,
    })
}

fn verdict(report: &Report) -> &'static str {
    match (report.is_sound(), report.open().is_empty()) {
        (false, _) => "fail",
        (true, false) => "unknown",
        (true, true) => "pass",
    }
}

fn object(script: &Script, report: &Report) -> serde_json::Value {
    let cluster = |cluster: &ClusterReport| {
        json!({
            "cells": cluster.cells,
            "trace": cluster.trace.as_ref().map(|trace| json!({
                "property": trace.property, "title": trace.title, "told": trace.told,
                "witness": trace.file.witness,
            })),
        })
    };
    json!({
        "v": VERSION,
        "handler": script.name,
        "file": script.file,
        "site": script.site.name(),
        "workload": script.workload.name(),
        "verdict": verdict(report),
        "laws": report.laws,
        "lawful": report.is_lawful(),
        "cluster": cluster(&report.cluster),
        "mixed": report.mixed.as_ref().map(cluster),
        "seeds": report.seeds,
        "open": report.open(),
    })
}

fn text(script: &Script, report: &Report, arguments: &CheckArguments, out: &mut dyn Write) -> io::Result<()> {
    let (name, site, workload) = (&script.name, script.site.name(), script.workload.name());
    writeln!(out, "{} {name}  site {site}  workload {workload}\n", verdict(report).to_uppercase())?;
    writeln!(out, "laws")?;
    for finding in &report.laws {
        law(finding, out)?;
    }
    let size = format!("{} leaders, {} writes", arguments.leaders, arguments.writes);
    in_cluster(&format!("cluster, {size}"), &report.cluster, out)?;
    if let Some(mixed) = &report.mixed {
        in_cluster(&format!("cluster, {size}, B runs the old version"), mixed, out)?;
    }
    writeln!(out, "\nsimulator")?;
    match (&report.seeds.skipped, report.seeds.first) {
        (Some(why), _) => writeln!(out, "  --  {why}")?,
        (None, None) => writeln!(out, "  ok  {} seeds", report.seeds.seeds)?,
        (None, Some(first)) => {
            let found: Vec<String> =
                report.seeds.findings.iter().map(|(name, seeds)| format!("{name} in {seeds}")).collect();
            let (failed, seeds) = (report.seeds.failed, report.seeds.seeds);
            writeln!(out, "  x   {failed} of {seeds} seeds, the first is {first}: {}", found.join(", "))?;
        }
    }
    if report.is_lawful() && report.cluster.is_broken() {
        writeln!(out, "\nEvery law holds: the laws alone would not have found this.")?;
    }
    for open in report.open() {
        writeln!(out, "\nunknown: {open}")?;
    }
    Ok(())
}

fn law(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let Finding { law, held, refused, broken } = finding;
    let name = law.name();
    let Some(broken) = broken else {
        let refused = if *refused > 0 { format!(", {refused} refused") } else { String::new() };
        return writeln!(out, "  ok  {name:<14} {held} inputs{refused}");
    };
    writeln!(out, "  x   {name:<14} broken by these, and by none that are smaller")?;
    let words = |value: &Option<Value>| value.as_ref().map_or("()".to_owned(), ToString::to_string);
    if let Some(base) = &broken.base {
        writeln!(out, "        base = {}", words(base))?;
    }
    for (side, name) in broken.sides.iter().zip(["a", "b", "c"]) {
        writeln!(out, "        {name} = {}", words(side))?;
    }
    broken.came_out.iter().try_for_each(|line| writeln!(out, "        {line}"))
}

fn in_cluster(title: &str, cluster: &ClusterReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{title}")?;
    let mut properties: Vec<&str> = Vec::new();
    for cell in &cluster.cells {
        if !properties.contains(&cell.property.as_str()) {
            properties.push(&cell.property);
        }
    }
    for property in properties {
        let cells = || cluster.cells.iter().filter(|cell| cell.property == property);
        let steps = cells().filter_map(|cell| cell.witness_steps).min();
        let mut shapes: Vec<&str> = Vec::new();
        for cell in cells().filter(|cell| cell.verdict == "violated") {
            if !shapes.contains(&cell.topology.as_str()) {
                shapes.push(&cell.topology);
            }
        }
        match steps {
            Some(steps) => writeln!(out, "  x   {property:<20} {steps} steps, {}", shapes.join(", "))?,
            None if cells().any(|cell| cell.verdict == "bounded" && !cell.vacuous) => {
                writeln!(out, "  ??  {property:<20} not found as far as the search went")?;
            }
            None if cells().all(|cell| cell.vacuous) => {
                writeln!(out, "  --  {property:<20} no state speaks of it")?
            }
            None => {
                let states: usize = cells().map(|cell| cell.states).sum();
                writeln!(out, "  ok  {property:<20} {states} states")?;
            }
        }
    }
    if let Some(trace) = &cluster.trace {
        writeln!(out, "\n{}\n{}", trace.title, trace.told.trim_end())?;
    }
    Ok(())
}
