//! `quarrel report`: the page of a run, rendered again; several runs side by side.

use super::{
    World,
    options::{Output, OutputOption, StoreOption},
};
use crate::{
    exit::{Exit, Failure},
    report::{Compared, Comparison, Paint, RecordedError, VERSION, html, write_json},
    store::{Entry, Status},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

const EXAMPLES: &str = "\
Examples:
  quarrel report                            the page of the last run, again
  quarrel report 20261123T16                of a run, by a prefix of its name
  quarrel report 8127 9001                  two runs side by side, as text
  quarrel report 8127 9001 --html both.html the same as a page";

/// Render the report of a run again; compare several runs
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Runs: their names, prefixes of them, seeds, folders, or `latest`. Of several, the first is what the others are
    /// measured against.
    #[arg(value_name = "RUN", default_value = "latest")]
    runs: Vec<String>,
    /// Write the page to this file; by default that of one run goes into its folder.
    #[arg(long, env = "QUARREL_HTML", hide_env_values = true, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    store: StoreOption,
    #[command(flatten)]
    output: OutputOption,
}

pub(super) fn report(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let store = arguments.store.store();
    let find = |name: &String| super::runs::find(&store, name).and_then(finished);
    let entries: Vec<Entry> = arguments.runs.iter().map(find).collect::<Result<_, _>>()?;
    match entries.as_slice() {
        [entry] => one(arguments, entry, world)?,
        entries => several(arguments, entries, world)?,
    }
    Ok(Exit::Success)
}

/// A run that has come to its end.
pub(super) fn finished(entry: Entry) -> Result<Entry, Failure> {
    if entry.model.is_some() {
        let name = entry.full_name();
        let message = format!("{name} is no live run: there are no operations to draw");
        return Err(Failure::usage(message, format!("`quarrel runs show {name}` shows what was found")));
    }
    match entry.status {
        Status::Running => {
            Err(Failure::usage(format!("the run {} is under way", entry.full_name()), "wait for its end"))
        }
        Status::Incomplete if !entry.path.join("verdict.json").exists() => Err(Failure::usage(
            format!("the run {} was killed before its end: it has no verdict", entry.full_name()),
            format!("`quarrel check {}` judges what was recorded", entry.path.display()),
        )),
        // What is wrong with a verdict that is there, reading it says.
        _ => Ok(entry),
    }
}

fn one(arguments: &Arguments, entry: &Entry, world: &mut World<'_>) -> Result<(), Failure> {
    let page = html::of_folder(&entry.path)?;
    let path = arguments.html.clone().unwrap_or_else(|| entry.path.join("report.html"));
    write(&path, &page)?;
    match arguments.output.output {
        Output::Text => writeln!(world.out, "{}", path.display())?,
        Output::Json => {
            let report =
                json!({ "v": VERSION, "run": entry.full_name(), "html": path.display().to_string() });
            write_json(&report, world.out)?;
        }
    }
    Ok(())
}

fn several(arguments: &Arguments, entries: &[Entry], world: &mut World<'_>) -> Result<(), Failure> {
    let comparison = compare(entries)?;
    if let Some(path) = &arguments.html {
        let link = |run: &Compared| {
            let entry = entries.iter().find(|entry| entry.full_name() == run.name)?;
            let page = entry.path.join("report.html").canonicalize().ok()?;
            Some(format!("file://{}", page.display()))
        };
        write(path, &html::compare(&comparison, link))?;
    }
    match arguments.output.output {
        Output::Text => comparison.write(Paint { on: world.surroundings.colours_out }, world.out)?,
        Output::Json => write_json(&as_json(&comparison), world.out)?,
    }
    Ok(())
}

/// The runs, ready to be compared.
pub(super) fn compare(entries: &[Entry]) -> Result<Comparison, RecordedError> {
    let runs = entries.iter().map(|entry| html::compared(&entry.path, entry.full_name()));
    Ok(Comparison { runs: runs.collect::<Result<_, _>>()? })
}

fn as_json(comparison: &Comparison) -> Value {
    let differences = comparison.differences();
    let runs: Vec<Value> = comparison
        .runs
        .iter()
        .zip(differences)
        .map(|(run, difference)| {
            json!({
                "id": run.name,
                "quarrel": run.version,
                "new": difference.new,
                "gone": difference.gone,
                "run": run.summary,
            })
        })
        .collect();
    json!({ "v": VERSION, "runs": runs })
}

/// Writes a page.
pub(super) fn write(path: &Path, page: &str) -> Result<(), Failure> {
    fs::write(path, page).map_err(|error| {
        let help = "name a file in a folder that exists and that you may write to, with --html FILE";
        Failure::environment(format!("cannot write {}: {error}", path.display()), help)
    })
}

impl From<RecordedError> for Failure {
    fn from(error: RecordedError) -> Self {
        Self::usage(error.to_string(), error.help())
    }
}
