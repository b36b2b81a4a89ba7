//! The command line: one verb a file. Verbs ask the rooms below for what they do, and reports for how it is said.

mod browse;
mod check;
mod ci;
mod completions;
mod doctor;
mod handler;
mod keep;
mod latency;
mod model;
mod node;
mod options;
mod replay;
mod report;
mod run;
mod runs;
mod scenarios;
mod select;
mod signals;
mod sim;
mod surroundings;
mod systems;

pub use surroundings::{Runner, Surroundings, World};

use crate::exit::{Exit, Failure};
use clap::{Parser, Subcommand};
use quarrel_workloads::scenario::SETTINGS;
use std::ffi::OsString;

const EXAMPLES: &str = "\
Examples:
  quarrel run                        tour the four strategies, about a minute
  quarrel run --quick                the same in a few seconds each
  quarrel run lww-skew --seed 8127   one scenario, this load, these faults
  quarrel sim lww-skew               a thousand seeds of it, simulated
  quarrel model lww-skew             every interleaving of it, in small
  quarrel replay FILE --on live      what it found, on real processes
  quarrel latency --link-delay 20ms  ring, star and all-to-all compared
  quarrel check latest               judge the last run again
  quarrel ci --budget 5m             model and live runs, for a pipeline
  quarrel scenarios list             what can be run without writing a file

Exit codes:
  0  the contract holds              4    a latency threshold was missed
  1  the contract is violated        5    the environment lacks something
  2  bad command line or file        70   a defect in quarrel: please report it
  3  unknown: too little evidence    130  interrupted; what was recorded is kept";

/// Finds the writes that a multi-leader database loses, and says why.
#[derive(Debug, Parser)]
#[command(name = "quarrel", version, about, after_help = EXAMPLES, term_width = 80)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(Box<run::Arguments>),
    Sim(Box<sim::Arguments>),
    Model(Box<model::Arguments>),
    Replay(replay::Arguments),
    Latency(Box<latency::Arguments>),
    Ci(ci::Arguments),
    Check(check::Arguments),
    Report(report::Arguments),
    Runs(runs::Arguments),
    Scenarios(scenarios::Arguments),
    Handler(handler::Arguments),
    Systems(systems::Arguments),
    Doctor(doctor::Arguments),
    Completions(completions::Arguments),
    #[command(hide = true)]
    Node(node::Arguments),
    #[command(hide = true)]
    Keep(keep::Arguments),
}

/// Carries out a command line, its first word being the program's name.
pub fn main(words: impl IntoIterator<Item = OsString>, world: &mut World<'_>) -> Exit {
    let verb = match Cli::try_parse_from(words) {
        Ok(cli) => cli.verb,
        Err(error) => return explain(&error, world),
    };
    match carry_out(verb, world) {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.message.is_empty() {
                // Where even this cannot be written, the exit code still says it.
                let _ = writeln!(world.err, "{failure}");
            }
            failure.exit
        }
    }
}

/// Whether a command line, its first word being the program's name, is one that is understood.
///
/// # Errors
/// What is wrong with it, for people.
pub fn understood(words: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    Cli::try_parse_from(words).map(drop).map_err(|error| error.to_string())
}

fn carry_out(verb: Verb, world: &mut World<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Run(arguments) => {
            warn_of_unknown_variables(world)?;
            run::run(&arguments, world)
        }
        Verb::Sim(arguments) => sim::sim(&arguments, world),
        Verb::Model(arguments) => model::model(&arguments, world),
        Verb::Replay(arguments) => replay::replay(&arguments, world),
        Verb::Latency(arguments) => latency::latency(&arguments, world),
        Verb::Ci(arguments) => {
            warn_of_unknown_variables(world)?;
            ci::ci(&arguments, world)
        }
        Verb::Check(arguments) => check::check(&arguments, world),
        Verb::Report(arguments) => report::report(&arguments, world),
        Verb::Runs(arguments) => runs::runs(&arguments, world),
        Verb::Handler(arguments) => handler::handler(&arguments, world),
        Verb::Scenarios(arguments) => scenarios::scenarios(&arguments, world),
        Verb::Doctor(arguments) => doctor::doctor(&arguments, world),
        Verb::Completions(arguments) => completions::completions(&arguments, world),
        Verb::Systems(arguments) => systems::systems(&arguments, world),
        Verb::Node(arguments) => node::node(&arguments),
        Verb::Keep(arguments) => keep::keep(&arguments, world),
    }
}

/// Help and version are no errors; everything else is a mistake in the command line.
fn explain(error: &clap::Error, world: &mut World<'_>) -> Exit {
    let text = error.render();
    let (out, colours) = if error.use_stderr() {
        (&mut *world.err, world.surroundings.colours_err)
    } else {
        (&mut *world.out, world.surroundings.colours_out)
    };
    // As above.
    let _ = if colours { write!(out, "{}", text.ansi()) } else { write!(out, "{text}") };
    if error.use_stderr() { Exit::Usage } else { Exit::Success }
}

/// Says which variables mean nothing: one that is misspelt would be obeyed by nobody.
fn warn_of_unknown_variables(world: &mut World<'_>) -> Result<(), Failure> {
    let mut known: Vec<&str> = SETTINGS.iter().map(|setting| setting.variable).collect();
    let command = command();
    let verbs =
        command.get_subcommands().flat_map(|verb| std::iter::once(verb).chain(verb.get_subcommands()));
    known.extend(verbs.flat_map(clap::Command::get_arguments).filter_map(|arg| arg.get_env()?.to_str()));
    for name in world.surroundings.variables.keys().filter(|name| !known.contains(&name.as_str())) {
        let close = select::closest(name, known.iter().copied());
        let help = close.map(|close| format!("; did you mean {close}?")).unwrap_or_default();
        writeln!(world.err, "warning: the environment variable {name} means nothing to quarrel{help}")?;
    }
    Ok(())
}

/// The definition of the command line, for completions.
fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests;
