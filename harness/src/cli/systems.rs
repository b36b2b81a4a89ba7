//! `quarrel systems`: which systems under test can run here, and what is missing.

use super::{
    World,
    options::{Output, OutputOption},
};
use crate::{
    exit::{Exit, Failure},
    report::{Paint, VERSION, write_json},
    systems::catalogue,
};
use quarrel_workloads::verdict::Verdict;

const EXAMPLES: &str = "\
Examples:
  quarrel systems
  quarrel systems --output json

Nothing is installed unless you run the command that is shown.";

/// List the systems under test, and what is missing for each
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    output: OutputOption,
}

pub(super) fn systems(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let listed = catalogue::list();
    if arguments.output.output == Output::Json {
        write_json(&serde_json::json!({ "v": VERSION, "systems": listed }), world.out)?;
        return Ok(Exit::Success);
    }
    let paint = Paint { on: world.surroundings.colours_out };
    for system in &listed {
        let (sign, verdict) = if system.ready { ("ok", Verdict::Pass) } else { ("--", Verdict::Unknown) };
        let found = system.version.as_deref().or(system.missing.as_deref()).unwrap_or_default();
        writeln!(world.out, "{} {:<12} {found}", paint.verdict(verdict, sign), system.name)?;
        if let Some(command) = system.install {
            writeln!(world.out, "   {:<12} {command}", "")?;
        }
    }
    Ok(Exit::Success)
}
