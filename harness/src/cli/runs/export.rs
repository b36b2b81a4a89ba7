//! `quarrel runs export`: a recorded history for other tools.

use crate::{
    cli::World,
    exit::{Exit, Failure},
    store::Store,
};
use clap::ValueEnum;
use quarrel_workloads::history::recorded::{self, ReadOptions, finals_as_reads, read, write, write_binary};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum ExportFormat {
    /// Jepsen's EDN, one map a line.
    #[default]
    Edn,
    /// One JSON array of objects.
    Json,
    /// The compact binary form.
    Binary,
}

pub(super) fn export(
    store: &Store,
    run: &str,
    format: ExportFormat,
    independent: bool,
    to: Option<&Path>,
    world: &mut World<'_>,
) -> Result<Exit, Failure> {
    let path = history_of(store, run)?;
    let cannot =
        |why: &dyn std::fmt::Display| Failure::usage(format!("cannot export {}: {why}", path.display()), "");
    let file = File::open(&path).map_err(|error| cannot(&error))?;
    let mut history = read(file, None, ReadOptions::default()).map_err(|error| cannot(&error))?;
    finals_as_reads(&mut history);
    for warning in &history.warnings {
        writeln!(world.err, "warning: {warning}")?;
    }
    let put = |out: &mut dyn Write| -> io::Result<()> {
        match format {
            ExportFormat::Edn => write(&history, recorded::ExportFormat::Edn, independent, out),
            ExportFormat::Json => write(&history, recorded::ExportFormat::Json, independent, out),
            ExportFormat::Binary => write_binary(&history, out),
        }
    };
    match to {
        None => put(world.out)?,
        Some(to) => {
            let unwritable = |error: io::Error| {
                Failure::environment(format!("cannot write {}: {error}", to.display()), "")
            };
            let mut out = BufWriter::new(File::create(to).map_err(unwritable)?);
            put(&mut out).and_then(|()| out.flush()).map_err(unwritable)?;
        }
    }
    Ok(Exit::Success)
}

fn history_of(store: &Store, run: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(run);
    if path.is_dir() {
        return Ok(path.join("history.jsonl"));
    }
    if path.exists() {
        return Ok(path.to_path_buf());
    }
    Ok(super::find(store, run)?.path.join("history.jsonl"))
}
