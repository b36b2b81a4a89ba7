//! `quarrel check`: a recorded history is judged again, without running anything.

use super::{
    World,
    options::{Output, OutputOption, StoreOption},
    select::quoted,
};
use crate::{
    exit::{Exit, Failure},
    report::{Circumstances, Json, Paint, Summary, Text},
};
use quarrel_workloads::{
    checker::ledger::{JsonLines, LedgerSink, NoSink},
    history::Reader,
    judge::{JudgeError, judge},
    verdict::Verdict,
};
use std::{
    fs::File,
    io::{self, BufReader, BufWriter},
    path::{Path, PathBuf},
    time::Instant,
};

const EXAMPLES: &str = "\
Examples:
  quarrel check latest                          the last run
  quarrel check history.jsonl --ledger l.jsonl  with the fate of every write
  quarrel check 20261123T16 --output json       a run, by a prefix of its name";

/// Judge a recorded history again
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// A `history.jsonl`, a run's folder, or a run of the store: its name, a prefix of it, its seed, or `latest`.
    #[arg(value_name = "FILE")]
    file: String,
    /// Also write the fate of every acknowledged write to this file, one JSON object a line.
    #[arg(long, env = "QUARREL_LEDGER", hide_env_values = true, value_name = "FILE")]
    ledger: Option<PathBuf>,
    #[command(flatten)]
    store: StoreOption,
    #[command(flatten)]
    output: OutputOption,
}

pub(super) fn check(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let (path, folder) = find(arguments)?;
    let began = Instant::now();
    let unreadable = |error: &dyn std::fmt::Display| {
        // What is wrong with a history says itself how to mend it.
        Failure::usage(format!("cannot judge {}: {error}", path.display()), "")
    };
    let file = File::open(&path).map_err(|error| {
        let help = "give the `history.jsonl` of a run, its folder, or `latest`";
        Failure { help: help.to_owned(), ..unreadable(&error) }
    })?;
    let reader = Reader::new(BufReader::with_capacity(1 << 20, file)).map_err(|error| unreadable(&error))?;
    let header = reader.header().clone();
    let judgement = match &arguments.ledger {
        None => judge(reader, &mut NoSink),
        Some(path) => {
            let unwritable = |error: io::Error| {
                Failure::environment(format!("cannot write {}: {error}", path.display()), "")
            };
            let file = BufWriter::new(File::create(path).map_err(unwritable)?);
            let mut ledger = JsonLines::new(file).map_err(unwritable)?;
            let judgement = judge(reader, &mut ledger as &mut dyn LedgerSink);
            ledger.flush().map_err(unwritable)?;
            judgement
        }
    };
    let judgement = judgement.map_err(|error| match error {
        JudgeError::Ledger(error) => Failure::environment(format!("cannot write the ledger: {error}"), ""),
        error => unreadable(&error),
    })?;
    let circumstances = Circumstances {
        seed: header.seed,
        seconds: began.elapsed().as_secs_f64(),
        interrupted: false,
        latency: None,
        results: folder.map(|folder| folder.display().to_string()),
        again: format!("quarrel check {}", quoted(&path.display().to_string())),
    };
    let summary = Summary::new(&header.scenario, &judgement, circumstances);
    tell(arguments.output.output, &summary, world)?;
    Ok(summary.verdict.into())
}

fn tell(output: Output, summary: &Summary, world: &mut World<'_>) -> Result<(), Failure> {
    let ci = world.surroundings.ci;
    match output {
        Output::Text => {
            Text { paint: Paint { on: world.surroundings.colours_out }, ci }.run(summary, world.out)?
        }
        Output::Json => Json.check(summary, world.out)?,
    }
    if world.surroundings.github_actions && summary.verdict != Verdict::Pass {
        use crate::report::{Annotations, Format as _, Report};
        Annotations { ci }.write(&Report { runs: vec![summary.clone()], tour: None }, world.err)?;
    }
    Ok(())
}

/// The history that is meant, and its run's folder, if it was named by that.
fn find(arguments: &Arguments) -> Result<(PathBuf, Option<PathBuf>), Failure> {
    let path = Path::new(&arguments.file);
    if path.is_dir() {
        return Ok((path.join("history.jsonl"), Some(path.to_path_buf())));
    }
    // Also what is no plain file, such as a pipe.
    if path.exists() {
        return Ok((path.to_path_buf(), None));
    }
    let entry = super::runs::find(&arguments.store.store(), &arguments.file).map_err(|failure| {
        let message = failure.message.replace("there is no run", "there is no file and no run");
        Failure { message, ..failure }
    })?;
    let history = entry.path.join("history.jsonl");
    if entry.model.is_some() {
        let message = format!("{} is a scenario in the model, and has no history", entry.path.display());
        return Err(Failure::usage(message, "`quarrel runs show` shows what was found"));
    }
    if !history.exists() {
        let message =
            format!("{} holds no history: it was made with --keep, and passed", entry.path.display());
        return Err(Failure::usage(message, "`quarrel runs show` shows its verdict"));
    }
    Ok((history, Some(entry.path)))
}
