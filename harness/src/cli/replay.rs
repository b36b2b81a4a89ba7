//! `quarrel replay`: a witness played again, in the simulator's way or on real processes.

use super::{
    World,
    options::{Output, OutputOption},
    select::quoted,
    signals,
};
use crate::{
    exit::{Exit, Failure},
    replay::{LiveError, Replayed, live},
    report::{Paint, ReplayReport},
    runner::Interrupt,
    systems::reference::own_program,
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
  quarrel replay w/causal-inversion.json             step by step, by the core
  quarrel replay w/causal-inversion.json --on live   the same on real processes

`quarrel model SCENARIO` writes witnesses; harness/docs/witness.md says how to
write one by hand.

Exit codes: 0 it shows what the witness says, 1 it does not, 2 the witness
cannot be read or played, 3 nobody can tell, 5 a process could not be had.";

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
    /// Real processes, one for each replica, stepped; each step is compared with the core.
    Live,
}

impl Arena {
    const fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Live => "live",
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
    let mut replayed = Replayed::of(&witness).map_err(|error| cannot(&error))?;
    if arguments.on == Arena::Live {
        let interrupt = Interrupt::new();
        if world.surroundings.catch_signals {
            signals::watch(&interrupt, true);
        }
        let program = own_program().map_err(|error| {
            Failure::environment(
                format!("cannot find the program that runs: {error}"),
                "start it by its path",
            )
        })?;
        replayed.compared = true;
        replayed.difference = live::play(&witness, &program, &interrupt).map_err(|error| match error {
            LiveError::Cannot { .. } | LiveError::Witness(_) => cannot(&error),
            LiveError::Interrupted => Failure {
                exit: Exit::Interrupted,
                message: format!("{error}; nothing is kept"),
                help: String::new(),
            },
            LiveError::Environment(message) => {
                Failure::environment(message, "`quarrel doctor` says what this machine can do")
            }
        })?;
    }
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
