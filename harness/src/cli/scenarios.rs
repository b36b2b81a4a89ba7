//! `quarrel scenarios`: what can be run, and whether one's own file can be.

use super::{
    World,
    options::{Output, OutputOption},
    select::{self, Source},
};
use crate::{
    exit::{Exit, Failure},
    report::{VERSION, WIDTH, wrap, write_json},
};
use clap::Subcommand;
use quarrel_workloads::scenario::{Overrides, Resolved, TOUR, schema_json, shipped};
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  quarrel scenarios list
  quarrel scenarios show lww-skew > mine.toml    a file to begin with
  quarrel scenarios validate mine.toml
  quarrel scenarios schema > scenario.schema.json";

/// List, show and check scenarios
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the shipped scenarios
    #[command(after_help = "Example:\n  quarrel scenarios list")]
    List {
        #[command(flatten)]
        output: OutputOption,
    },
    /// Print a shipped scenario as TOML
    #[command(after_help = "Example:\n  quarrel scenarios show lww-skew > mine.toml")]
    Show {
        /// Its name.
        scenario: String,
        #[command(flatten)]
        output: OutputOption,
    },
    /// Check scenario files, and say where and how to mend them
    #[command(after_help = "Example:\n  quarrel scenarios validate mine.toml")]
    Validate {
        /// TOML files or shipped scenarios.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
        #[command(flatten)]
        output: OutputOption,
    },
    /// Print the JSON Schema of scenario files
    #[command(after_help = "Example:\n  quarrel scenarios schema > scenario.schema.json")]
    Schema,
}

pub(super) fn scenarios(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    match &arguments.verb {
        Verb::List { output } => list(output.output, world),
        Verb::Show { scenario, output } => show(scenario, output.output, world),
        Verb::Validate { files, output } => validate(files, output.output, world),
        Verb::Schema => {
            world.out.write_all(schema_json().as_bytes())?;
            Ok(Exit::Success)
        }
    }
}

/// As the file says, without environment and flags.
fn plain(source: &Source, colours: bool) -> Result<Resolved, Failure> {
    select::resolve(source, &Overrides::default(), &Overrides::default(), colours)
}

fn list(output: Output, world: &mut World<'_>) -> Result<Exit, Failure> {
    let width = 2 + shipped().iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut objects: Vec<Value> = Vec::new();
    for &(name, _) in shipped() {
        let scenario = plain(&select::source(name)?, false)?.scenario;
        let strategy = scenario.strategy.name();
        objects.push(json!({
            "scenario": name, "about": scenario.about, "strategy": strategy,
            "topology": scenario.cluster.topology.name(), "workload": scenario.workload.name(),
            "tour": TOUR.contains(&name),
        }));
        for (at, line) in wrap(&scenario.about, WIDTH - width).iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            text.push_str(&format!("{name:<width$}{line}\n"));
        }
    }
    match output {
        Output::Text => world.out.write_all(text.as_bytes())?,
        Output::Json => write_json(&json!({ "v": VERSION, "scenarios": objects }), world.out)?,
    }
    Ok(Exit::Success)
}

fn show(word: &str, output: Output, world: &mut World<'_>) -> Result<Exit, Failure> {
    let source = select::source(word)?;
    match output {
        Output::Text => world.out.write_all(source.text.as_bytes())?,
        Output::Json => {
            let scenario = plain(&source, world.surroundings.colours_err)?.scenario;
            write_json(&json!({ "v": VERSION, "scenario": scenario }), world.out)?;
        }
    }
    Ok(Exit::Success)
}

fn validate(files: &[String], output: Output, world: &mut World<'_>) -> Result<Exit, Failure> {
    let mut exit = Exit::Success;
    let mut objects: Vec<Value> = Vec::new();
    for file in files {
        let colours = world.surroundings.colours_err && output == Output::Text;
        let checked = select::source(file).and_then(|source| plain(&source, colours));
        match &checked {
            Ok(resolved) if output == Output::Text => {
                writeln!(world.out, "ok  {file}: {}", resolved.scenario.name)?;
            }
            Err(failure) if output == Output::Text => writeln!(world.err, "{failure}")?,
            _ => {}
        }
        let error = checked.as_ref().err().map(ToString::to_string);
        objects.push(json!({ "file": file, "valid": error.is_none(), "error": error }));
        exit = checked.err().map_or(exit, |failure| exit.merge(failure.exit));
    }
    if output == Output::Json {
        write_json(&json!({ "v": VERSION, "files": objects }), world.out)?;
    }
    Ok(exit)
}
