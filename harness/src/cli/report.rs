//! `quarrel report`: the page of a run, rendered again.

use super::{World, options::StoreOption};
use crate::{
    exit::{Exit, Failure},
    report::{RecordedError, html},
    store::{Entry, Status},
};
use std::fs;

const EXAMPLES: &str = "\
Examples:
  quarrel report                     the last run
  quarrel report 20261123T16         a run, by a prefix of its name";

/// Render the report of a run again
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Runs: their names, prefixes of them, seeds, folders, or `latest`.
    #[arg(value_name = "RUN", default_value = "latest")]
    runs: Vec<String>,
    #[command(flatten)]
    store: StoreOption,
}

pub(super) fn report(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let store = arguments.store.store();
    for name in &arguments.runs {
        let entry = super::runs::find(&store, name)?;
        one(&entry, world)?;
    }
    Ok(Exit::Success)
}

fn one(entry: &Entry, world: &mut World<'_>) -> Result<(), Failure> {
    if entry.status == Status::Running {
        return Err(Failure::usage(format!("the run {} is under way", entry.full_name()), "wait for its end"));
    }
    let page = html::of_folder(&entry.path)?;
    let path = entry.path.join("report.html");
    fs::write(&path, page).map_err(|error| {
        let help = "the run's folder must be one that you may write to";
        Failure::environment(format!("cannot write {}: {error}", path.display()), help)
    })?;
    writeln!(world.out, "{}", path.display())?;
    Ok(())
}

impl From<RecordedError> for Failure {
    fn from(error: RecordedError) -> Self {
        Self::usage(error.to_string(), error.help())
    }
}
