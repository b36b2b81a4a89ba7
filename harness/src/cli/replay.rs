//! `quarrel replay`: a witness played again, step by step.

use super::{
    World,
    options::{Output, OutputOption},
    select::quoted,
};
use crate::{
    exit::{Exit, Failure},
    replay::Replayed,
    report::{Paint, ReplayReport},
};
use clap::ValueEnum;
use quarrel_models::witness::Witness;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

const EXAMPLES: &str = "\
Examples:
  quarrel replay w/causal-inversion.json   step by step, by the core

`quarrel model SCENARIO` writes witnesses; harness/docs/witness.md says how to
write one by hand.

Exit codes: 0 it shows what the witness says, 1 it does not, 2 the witness
cannot be read or played, 3 nobody can tell.";

/// Play a witness again, step by step
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The witness: a JSON file of the model checker, of the simulator, or written by hand.
    #[arg(value_name = "WITNESS")]
    witness: PathBuf,
    /// Where to play it.
    #[arg(
        long,
        value_enum,
        default_value_t,
        env = "QUARREL_ON",
        hide_env_values = true,
        value_name = "ARENA"
    )]
    on: Arena,
    #[command(flatten)]
    output: OutputOption,
}

/// Where a witness can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Arena {
    /// The core alone, in virtual time.
    #[default]
    Sim,
}

impl Arena {
    const fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
        }
    }
}

pub(super) fn replay(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let began = Instant::now();
    let file = arguments.witness.display().to_string();
    let witness = read(&arguments.witness)?;
    let cannot = |error: &dyn std::fmt::Display| {
        let help = "harness/docs/witness.md describes the format; `digests` and `end` may be left out";
        Failure::usage(format!("{file} cannot be played: {error}"), help)
    };
    let replayed = Replayed::of(&witness).map_err(|error| cannot(&error))?;
    let again = format!("quarrel replay {} --on {}", quoted(&file), arguments.on.name());
    let report = ReplayReport {
        witness: &witness,
        replayed: &replayed,
        on: arguments.on.name(),
        file: &file,
        seconds: began.elapsed().as_secs_f64(),
        again: &again,
    };
    match arguments.output.output {
        Output::Text => report.text(Paint { on: world.surroundings.colours_out }, world.out)?,
        Output::Json => report.json(world.out)?,
    }
    Ok(replayed.verdict(&witness).0.into())
}

fn read(path: &Path) -> Result<Witness, Failure> {
    let file = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        let help = "`quarrel model SCENARIO --witness-dir DIR` writes some";
        Failure::usage(format!("cannot read the witness {file}: {error}"), help)
    })?;
    serde_json::from_str(&text).map_err(|error| {
        let help = "harness/docs/witness.md describes the format, with an example";
        Failure::usage(format!("{file} is no witness that this build reads: {error}"), help)
    })
}
