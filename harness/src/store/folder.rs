//! The folder of one run, from its first file to its completion.

use super::{LATEST, ModelRecord, PARTIAL, RunRecord, Store, StoreError, lock, write_json};
use serde::Serialize;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process,
};

/// What of a run stays in any case. Everything else grows with its length.
const LIGHT: [&str; 6] = ["run.json", "verdict.json", "report.html", "report.txt", "junit.xml", "witness"];

/// When the bulky files of a run are kept: history, ledger, apply logs, logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Keep {
    /// Always.
    #[default]
    Always,
    /// Only if the verdict is not `pass`.
    OnFailure,
    /// Never: only `run.json`, `verdict.json`, `report.html` and `junit.xml` stay.
    Never,
}

/// The folder of a run that is under way. Dropped, it stays as it is: partial, and readable.
#[derive(Debug)]
pub struct RunFolder {
    store: Store,
    scenario: String,
    name: String,
    path: PathBuf,
    /// Whether `latest` will point to it.
    is_latest: bool,
    /// Tells others that the run is alive.
    _alive: File,
}

impl Store {
    /// Begins a run: makes its folder and writes `run.json`.
    ///
    /// # Errors
    /// [`StoreError`] if the folder cannot be made or written to.
    pub fn begin(&self, record: &RunRecord) -> Result<RunFolder, StoreError> {
        let wanted = format!("{}-{}", compact_time(&record.started), record.seed);
        self.open(&record.scenario.name, &wanted, record, true)
    }

    /// Begins the folder of a scenario in the model or the simulator, or of a measurement. `latest` will not point to it: it has no history.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub fn begin_model(&self, record: &ModelRecord) -> Result<RunFolder, StoreError> {
        let wanted = format!("{}-{}", compact_time(&record.started), record.arena);
        self.open(&record.scenario.name, &wanted, record, false)
    }

    fn open(
        &self,
        scenario: &str,
        wanted: &str,
        record: &impl Serialize,
        is_latest: bool,
    ) -> Result<RunFolder, StoreError> {
        self.prepare()?;
        let scenario = scenario.to_owned();
        let parent = self.root.join(&scenario);
        let naming = lock::exclusive(&self.root)?;
        fs::create_dir_all(&parent).map_err(|e| StoreError::new("create", &parent, e))?;
        let name = free_name(&parent, wanted);
        let path = parent.join(format!("{name}{PARTIAL}"));
        fs::create_dir(&path).map_err(|e| StoreError::new("create", &path, e))?;
        let alive = lock::exclusive(&path)?;
        drop(naming);
        write_json(&path.join("run.json"), record)?;
        Ok(RunFolder { store: self.clone(), scenario, name, path, is_latest, _alive: alive })
    }

    /// Makes `latest` point to a run. The link is replaced in one step: it is never missing.
    pub(super) fn point_latest(&self, target: &Path) -> Result<(), StoreError> {
        let link = self.root.join(LATEST);
        let new = self.root.join(format!(".{LATEST}-{}", process::id()));
        // Left over by a process of the same number that was killed.
        let _ = fs::remove_file(&new);
        std::os::unix::fs::symlink(target, &new).map_err(|e| StoreError::new("create", &new, e))?;
        fs::rename(&new, &link).map_err(|e| StoreError::new("replace", &link, e))
    }
}

impl RunFolder {
    /// Where the run's files belong for now.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the run will be found once it is complete.
    #[must_use]
    pub fn final_path(&self) -> PathBuf {
        self.store.root.join(&self.scenario).join(&self.name)
    }

    /// Puts a file into the folder, whole.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be written.
    pub fn add(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        let path = self.path.join(name);
        fs::write(&path, content).map_err(|e| StoreError::new("write", &path, e))
    }

    /// Writes `verdict.json`, gives the folder its name, and points `latest` to it.
    ///
    /// # Errors
    /// [`StoreError`] if a file cannot be written; the partial folder stays.
    pub fn complete(self, verdict: &impl Serialize, keep_bulky: bool) -> Result<PathBuf, StoreError> {
        write_json(&self.path.join("verdict.json"), verdict)?;
        if !keep_bulky {
            lighten(&self.path)?;
        }
        let naming = lock::exclusive(&self.store.root)?;
        let path = self.final_path();
        fs::rename(&self.path, &path).map_err(|e| StoreError::new("rename", &self.path, e))?;
        lock::remove(&path);
        if self.is_latest {
            self.store.point_latest(&Path::new(&self.scenario).join(&self.name))?;
        }
        drop(naming);
        Ok(path)
    }

    /// Takes the folder away: nothing was recorded that is worth keeping.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be removed.
    pub fn discard(self) -> Result<(), StoreError> {
        fs::remove_dir_all(&self.path).map_err(|e| StoreError::new("remove", &self.path, e))
    }
}

/// Removes what is bulky; the lock goes at the very end.
fn lighten(folder: &Path) -> Result<(), StoreError> {
    let items = fs::read_dir(folder).map_err(|e| StoreError::new("read", folder, e))?;
    for item in items {
        let item = item.map_err(|e| StoreError::new("read", folder, e))?;
        let name = item.file_name();
        if LIGHT.iter().any(|light| name == *light) || lock::is_lock(&name) {
            continue;
        }
        let path = item.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|e| StoreError::new("remove", &path, e))?;
    }
    Ok(())
}

/// `2026-11-23T16:18:41.5Z` as `20261123T161841Z`: it sorts, and no shell or file system minds it.
fn compact_time(rfc3339: &str) -> String {
    let whole_seconds = rfc3339.split(['.', 'Z']).next().unwrap_or_default();
    let digits: String = whole_seconds.chars().filter(|c| c.is_ascii_digit() || *c == 'T').collect();
    format!("{digits}Z")
}

/// The wanted name, or the first of `-2`, `-3` and so on that no run has yet, complete or not.
fn free_name(parent: &Path, wanted: &str) -> String {
    let is_free =
        |name: &String| !parent.join(name).exists() && !parent.join(format!("{name}{PARTIAL}")).exists();
    let numbered = (2_u32..).map(|n| format!("{wanted}-{n}"));
    std::iter::once(wanted.to_owned()).chain(numbered).find(is_free).unwrap_or_else(|| wanted.to_owned())
}
