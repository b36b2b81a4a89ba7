//! `quarrel runs`: the results store.

mod export;

use super::{
    World, browse,
    options::{Output, OutputOption, StoreOption},
};
use crate::{
    exit::{Exit, Failure},
    report::{Paint, Summary, Table, Text, VERSION, write_json},
    store::{Catalogue, Entry, FindError, Status, Store},
};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  quarrel runs list
  quarrel runs show latest
  quarrel runs show 20261123T16          a prefix of the name, or the seed
  quarrel runs export latest --format edn > history.edn
  quarrel runs serve                     all of them in a browser
  quarrel runs prune --keep 10 --dry-run";

/// List, show, open, serve, export and remove recorded runs
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List all runs, the newest first, each with the shortest name for it
    #[command(after_help = "Example:\n  quarrel runs list --output json | jq -r '.runs[].id'")]
    List {
        #[command(flatten)]
        store: StoreOption,
        #[command(flatten)]
        output: OutputOption,
    },
    /// Show a run again as it was shown at its end
    #[command(after_help = "Examples:\n  quarrel runs show\n  quarrel runs show 20261123T16")]
    Show {
        /// Its name, a prefix of it, its seed, its folder, or `latest`.
        #[arg(default_value = "latest")]
        run: String,
        #[command(flatten)]
        store: StoreOption,
        #[command(flatten)]
        output: OutputOption,
    },
    /// Open the page of a run in a browser, and say where it is
    #[command(after_help = "Example:\n  quarrel runs open 20261123T16")]
    Open {
        /// Its name, a prefix of it, its seed, its folder, or `latest`.
        #[arg(default_value = "latest")]
        run: String,
        #[command(flatten)]
        store: StoreOption,
    },
    /// Show the store in a browser, on 127.0.0.1 only, until Ctrl-C
    #[command(after_help = "Example:\n  quarrel runs serve --port 8080")]
    Serve {
        /// The port; 0 lets the system choose one.
        #[arg(long, default_value_t = 0, env = "QUARREL_PORT", hide_env_values = true)]
        port: u16,
        #[command(flatten)]
        store: StoreOption,
    },
    /// Write a run's history for other tools: EDN for Jepsen's, JSON for elle-cli, or the compact binary form
    #[command(
        after_help = "Examples:\n  quarrel runs export latest --format edn > history.edn\n  quarrel runs export history.jsonl --format binary --to history.qhist"
    )]
    Export {
        /// The run: its name, a prefix of it, its seed, its folder, or `latest`; or a file with a history in any format.
        #[arg(default_value = "latest", value_name = "RUN|FILE")]
        run: String,
        /// What to write.
        #[arg(long, value_enum, default_value_t, env = "QUARREL_EXPORT_FORMAT", hide_env_values = true)]
        format: export::ExportFormat,
        /// Write values as tuples [key value], as Jepsen's independent workloads have them.
        #[arg(long)]
        independent: bool,
        /// Where to; standard output if absent.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        #[command(flatten)]
        store: StoreOption,
    },
    /// Remove all runs but the newest
    #[command(after_help = "Example:\n  quarrel runs prune --keep 10 --dry-run")]
    Prune {
        /// How many stay.
        #[arg(long, env = "QUARREL_PRUNE_KEEP", hide_env_values = true, value_name = "N")]
        keep: usize,
        /// Only say what would be removed.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        store: StoreOption,
        #[command(flatten)]
        output: OutputOption,
    },
}

pub(super) fn runs(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    match &arguments.verb {
        Verb::List { store, output } => list(&store.store(), output.output, world),
        Verb::Show { run, store, output } => show(&store.store(), run, output.output, world),
        Verb::Export { run, format, independent, to, store } => {
            export::export(&store.store(), run, *format, *independent, to.as_deref(), world)
        }
        Verb::Open { run, store } => browse::open(&store.store(), run, world),
        Verb::Serve { port, store } => browse::serve(*port, store.store(), world),
        Verb::Prune { keep, dry_run, store, output } => {
            prune(&store.store(), *keep, *dry_run, output.output, world)
        }
    }
}

/// The run of this name, with an error that says what to do.
pub(super) fn find(store: &Store, name: &str) -> Result<Entry, Failure> {
    store.catalogue()?.find(name).map_err(|error| {
        let help = match &error {
            FindError::Missing(_) => {
                format!("`quarrel runs list --results {}` lists what is there", store.root().display())
            }
            FindError::Ambiguous { .. } => "write more of the name".to_owned(),
        };
        Failure::usage(error.to_string(), help)
    })
}

fn list(store: &Store, output: Output, world: &mut World<'_>) -> Result<Exit, Failure> {
    let catalogue = store.catalogue()?;
    if output == Output::Json {
        let runs: Vec<Value> = catalogue.entries().iter().map(|entry| as_json(&catalogue, entry)).collect();
        write_json(&json!({ "v": VERSION, "runs": runs }), world.out)?;
        return Ok(Exit::Success);
    }
    if catalogue.entries().is_empty() {
        writeln!(world.err, "no runs in {} yet; `quarrel run` makes some", store.root().display())?;
        return Ok(Exit::Success);
    }
    let mut table = Table::new(["run", "scenario", "seed", "started", "verdict"]);
    for entry in catalogue.entries() {
        let seed = entry.record.as_ref().map(|record| record.seed.to_string());
        let model = || entry.model.as_ref().map(|record| record.arena.clone());
        table.row([
            catalogue.shortest(entry),
            entry.scenario.clone(),
            seed.or_else(model).unwrap_or_else(|| "?".to_owned()),
            entry.started().map_or_else(|| "?".to_owned(), to_the_second),
            state(entry).to_owned(),
        ]);
    }
    table.write(0, world.out)?;
    Ok(Exit::Success)
}

fn as_json(catalogue: &Catalogue, entry: &Entry) -> Value {
    json!({
        "id": entry.full_name(),
        "shortest": catalogue.shortest(entry),
        "scenario": entry.scenario,
        "seed": entry.record.as_ref().map(|record| record.seed),
        "arena": entry.model.as_ref().map_or("live", |record| record.arena.as_str()),
        "started": entry.started(),
        "status": status(entry.status),
        "verdict": entry.verdict_word(),
        "results": entry.path.display().to_string(),
    })
}

const fn status(status: Status) -> &'static str {
    match status {
        Status::Complete => "complete",
        Status::Running => "running",
        Status::Incomplete => "incomplete",
    }
}

fn state(entry: &Entry) -> &str {
    match entry.status {
        Status::Complete => entry.verdict_word().unwrap_or("?"),
        other => status(other),
    }
}

/// `2026-11-23T16:18:41.123Z` as `2026-11-23 16:18:41Z`.
fn to_the_second(rfc3339: &str) -> String {
    let whole = rfc3339.split(['.', 'Z']).next().unwrap_or_default();
    format!("{}Z", whole.replace('T', " "))
}

fn show(store: &Store, name: &str, output: Output, world: &mut World<'_>) -> Result<Exit, Failure> {
    let entry = find(store, name)?;
    if let (Some(_), Some(verdict)) = (&entry.model, &entry.verdict) {
        return show_model(&entry, verdict, output, world);
    }
    let summary = entry.verdict.as_ref().and_then(|verdict| verdict.get("run"));
    let summary: Option<Summary> = summary.and_then(|run| serde_json::from_value(run.clone()).ok());
    let Some(summary) = summary else {
        return Err(unfinished(&entry));
    };
    match output {
        Output::Json => write_json(&json!({ "v": VERSION, "runs": [summary] }), world.out)?,
        Output::Text => {
            let paint = Paint { on: world.surroundings.colours_out };
            Text { paint, ci: world.surroundings.ci }.run(&summary, world.out)?;
        }
    }
    Ok(Exit::Success)
}

/// A scenario in the model, or a measurement: its report as it was written.
fn show_model(
    entry: &Entry,
    verdict: &Value,
    output: Output,
    world: &mut World<'_>,
) -> Result<Exit, Failure> {
    match output {
        Output::Json => write_json(&json!({ "v": VERSION, "runs": [verdict.get("run")] }), world.out)?,
        Output::Text => {
            let path = entry.path.join("report.txt");
            let text = std::fs::read_to_string(&path).map_err(|error| {
                Failure::environment(
                    format!("cannot read {}: {error}", path.display()),
                    "--output json shows its verdict",
                )
            })?;
            write!(world.out, "{text}")?;
        }
    }
    Ok(Exit::Success)
}

fn unfinished(entry: &Entry) -> Failure {
    let path = entry.path.display();
    match entry.status {
        Status::Running => {
            Failure::usage(format!("the run {} is under way", entry.full_name()), "wait for its end")
        }
        Status::Incomplete => Failure::usage(
            format!("the run {} was killed before its end: it has no verdict", entry.full_name()),
            format!("`quarrel check {path}` judges what was recorded"),
        ),
        Status::Complete => Failure::usage(
            format!("{path}/verdict.json was written by another version of quarrel"),
            format!("`quarrel check {path}` judges the run again"),
        ),
    }
}

fn prune(
    store: &Store,
    keep: usize,
    dry_run: bool,
    output: Output,
    world: &mut World<'_>,
) -> Result<Exit, Failure> {
    let pruned = store.prune(keep, dry_run)?;
    let names: Vec<String> = pruned.removed.iter().map(Entry::full_name).collect();
    if output == Output::Json {
        let report = json!({ "v": VERSION, "dry_run": dry_run, "removed": names, "bytes": pruned.bytes });
        write_json(&report, world.out)?;
        return Ok(Exit::Success);
    }
    for name in &names {
        writeln!(world.out, "{name}")?;
    }
    let verb = if dry_run { "would remove" } else { "removed" };
    let count = if names.len() == 1 { "1 run".to_owned() } else { format!("{} runs", names.len()) };
    writeln!(world.out, "{verb} {count}, {:.1} MB", pruned.bytes as f64 / 1e6)?;
    Ok(Exit::Success)
}
