//! Why a run's folder cannot be reported on, and how to mend that.

use quarrel_workloads::history::ReadError;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A folder that cannot be reported on.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// A file is not there, or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file was written by a newer build.
    #[error("{} has format version {found}, and this build reads up to {newest}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest that this build reads.
        newest: u32,
    },
    /// A file is not what its name says.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        why: String,
    },
    /// The history cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    History {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
}

impl RecordedError {
    /// How to mend it, for people.
    #[must_use]
    pub fn help(&self) -> String {
        let is = |path: &Path, name: &str| path.file_name().is_some_and(|file| file == name);
        let folder = |path: &Path| path.parent().unwrap_or(path).display().to_string();
        match self {
            Self::Unreadable { path, source } if source.kind() == io::ErrorKind::NotFound => {
                if is(path, "run.json") {
                    "give the folder of a run, its name, its seed, or `latest`; `quarrel runs list` lists them"
                        .to_owned()
                } else if is(path, "verdict.json") {
                    format!(
                        "the run was killed before its end: `quarrel check {}` judges what was recorded",
                        folder(path)
                    )
                } else {
                    "the run was made with --keep on-failure or --keep never: its report.html is the one written \
                     at its end; without it, run the scenario again"
                        .to_owned()
                }
            }
            Self::Unreadable { .. } => "the file must be one that you may read".to_owned(),
            Self::Newer { .. } => "use the quarrel that wrote it, or a newer one".to_owned(),
            // What is wrong with a history says itself how to mend it.
            Self::History { .. } => String::new(),
            Self::Damaged { path, .. } if is(path, "verdict.json") => {
                format!("`quarrel check {}` judges the run again", folder(path))
            }
            Self::Damaged { path, .. } if is(path, "ledger.jsonl") => {
                let (folder, path) = (folder(path), path.display());
                format!("`quarrel check {folder} --ledger {path}` writes it again")
            }
            Self::Damaged { .. } => {
                "mend the line, or take the file away: the report then does without".to_owned()
            }
        }
    }
}

pub(super) fn broken(path: &Path, why: &str) -> RecordedError {
    RecordedError::Damaged { path: path.to_path_buf(), why: why.to_owned() }
}

/// Reads a JSON file that carries its version.
pub(super) fn versioned<T: DeserializeOwned>(
    folder: &Path,
    name: &str,
    newest: u32,
) -> Result<T, RecordedError> {
    let path = folder.join(name);
    let bytes = fs::read(&path).map_err(|source| RecordedError::Unreadable { path: path.clone(), source })?;
    let damaged =
        |why: serde_json::Error| RecordedError::Damaged { path: path.clone(), why: why.to_string() };
    // The version first: what else a newer file holds need not make sense to this build.
    let whole: Value = serde_json::from_slice(&bytes).map_err(damaged)?;
    check_version(&path, &whole, newest)?;
    serde_json::from_value(whole).map_err(damaged)
}

/// Whether this build can read a file that begins with this object.
pub(super) fn check_version(path: &Path, object: &Value, newest: u32) -> Result<(), RecordedError> {
    match object.get("v").and_then(Value::as_u64) {
        Some(found) if found > u64::from(newest) => {
            Err(RecordedError::Newer { path: path.to_path_buf(), found, newest })
        }
        Some(_) => Ok(()),
        None => Err(broken(path, "it does not say its version (`v`)")),
    }
}
