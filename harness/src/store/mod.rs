//! The results store: the only writer under `results/`.
//!
//! A run is written to `results/<scenario>/<utc time>-<seed>.partial` and renamed when it is complete; a killed run
//! leaves its partial folder, readable. `results/latest` links to the run that was completed last. Two quarrels may use
//! one store at the same time: names are given out, and the link is moved, under a lock.

mod catalogue;
mod entry;
mod folder;
mod lock;
mod prune;

pub use catalogue::{Catalogue, FindError};
pub use entry::{Entry, Status};
pub use folder::{Keep, RunFolder};
pub use prune::Pruned;

use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The version of the formats of `run.json` and `verdict.json`.
pub const FORMAT_VERSION: u32 = 1;
/// What the name of a folder ends in while its run is not complete.
const PARTIAL: &str = ".partial";
/// The link to the run that was completed last.
const LATEST: &str = "latest";

/// A store: one folder, created when the first run begins.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// A file or folder of the store that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub struct StoreError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl StoreError {
    fn new(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self { what, path: path.to_path_buf(), source }
    }

    /// How to mend it, for people.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "choose a folder that you may write to, with --results DIR"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "make room, for instance with `quarrel runs prune --keep 5`, or choose another disk with --results DIR"
            }
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                "a file is in the way: choose another folder with --results DIR"
            }
            _ => "choose another folder with --results DIR",
        }
    }
}

/// What `run.json` says: everything that was settled before the run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`FORMAT_VERSION`].
    pub v: u32,
    /// The scenario as it was resolved.
    pub scenario: quarrel_workloads::scenario::Scenario,
    /// The seed.
    pub seed: u64,
    /// When the run began: RFC 3339, UTC.
    pub started: String,
    /// The command line.
    pub command: Vec<String>,
    /// The versions of the programs that took part.
    pub versions: Versions,
    /// The machine.
    pub host: Host,
}

/// What `run.json` says of what is not one live run: a scenario in the model, a campaign in the simulator, a measurement of
/// latencies. None has a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// [`FORMAT_VERSION`].
    pub v: u32,
    /// `model`, `sim`, `latency` or `ci`.
    pub arena: String,
    /// The scenario as it was resolved.
    pub scenario: quarrel_workloads::scenario::Scenario,
    /// What of it was made smaller or left out; of a campaign, what it was asked to do; of a measurement, the
    /// clusters that are compared.
    pub scaled: Vec<String>,
    /// The seed, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// When it began: RFC 3339, UTC.
    pub started: String,
    /// The command line.
    pub command: Vec<String>,
    /// The versions of the programs that took part.
    pub versions: Versions,
    /// The machine.
    pub host: Host,
}

/// The versions of the programs that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// quarrel itself.
    pub quarrel: String,
}

impl Default for Versions {
    fn default() -> Self {
        Self { quarrel: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// The machine on which a run was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The operating system, such as `linux`.
    pub system: String,
    /// Its release.
    pub release: String,
    /// The processor's architecture, such as `x86_64`.
    pub architecture: String,
    /// How many threads can run at once.
    pub cores: usize,
}

impl Host {
    /// This machine.
    #[must_use]
    pub fn here() -> Self {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        Self {
            system: std::env::consts::OS.to_owned(),
            release,
            architecture: std::env::consts::ARCH.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Store {
    /// The store in this folder, which need not exist yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Creates the folder, if it is not there, and tries to write to it.
    ///
    /// # Errors
    /// [`StoreError`] if that cannot be done.
    pub fn prepare(&self) -> Result<(), StoreError> {
        fs::create_dir_all(&self.root).map_err(|e| StoreError::new("create", &self.root, e))?;
        lock::exclusive(&self.root).map(drop)
    }
}

/// Whether the disk that holds this folder has room for more than a few lines.
#[must_use]
pub fn has_room(folder: &Path) -> bool {
    /// What is left on a full disk once its nodes have ended: the ends of their buffers.
    const LEFT_OVERS: u64 = 1_000_000;
    rustix::fs::statvfs(folder).map_or(true, |disk| disk.f_bavail.saturating_mul(disk.f_frsize) > LEFT_OVERS)
}

/// The files of a run's folder, by their path within it, with their lengths in bytes. What cannot be read, hidden
/// files and links are left out.
#[must_use]
pub(crate) fn files_of(folder: &Path) -> Vec<(String, u64)> {
    let mut files = Vec::new();
    let mut open = vec![(folder.to_path_buf(), String::new())];
    while let Some((path, prefix)) = open.pop() {
        for item in fs::read_dir(path).into_iter().flatten().flatten() {
            let name = item.file_name().to_string_lossy().into_owned();
            let Ok(kind) = item.file_type() else { continue };
            if name.starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                open.push((item.path(), format!("{prefix}{name}/")));
            } else if kind.is_file() {
                files.push((format!("{prefix}{name}"), item.metadata().map_or(0, |file| file.len())));
            }
        }
    }
    files.sort();
    files
}

/// Writes JSON for people: indented, with a newline at the end.
fn write_json(path: &Path, content: &impl Serialize) -> Result<(), StoreError> {
    let mut text = serde_json::to_vec_pretty(content)
        .map_err(|e| StoreError::new("write", path, io::Error::other(e)))?;
    text.push(b'\n');
    fs::write(path, text).map_err(|e| StoreError::new("write", path, e))
}

#[cfg(test)]
mod tests;
