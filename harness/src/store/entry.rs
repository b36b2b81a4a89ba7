//! One run in the store, as far as its files can be read.

use super::{ModelRecord, PARTIAL, RunRecord, lock};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// How far a run got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is complete.
    Complete,
    /// It is under way, in another process.
    Running,
    /// It was killed, or its folder is damaged.
    Incomplete,
}

/// A run in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The scenario's folder.
    pub scenario: String,
    /// The name of the run, `<utc time>-<seed>`, without `.partial`.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// How far it got.
    pub status: Status,
    /// `run.json`, if it can be read.
    pub record: Option<RunRecord>,
    /// `run.json` of what is not one live run: model, simulator, measurement.
    pub model: Option<ModelRecord>,
    /// `verdict.json`, if it can be read.
    pub verdict: Option<Value>,
}

impl Entry {
    /// Looks at a folder. What cannot be read is left out.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let text = |path: Option<&Path>| {
            path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let folder = text(Some(path));
        let name = folder.strip_suffix(PARTIAL).unwrap_or(&folder).to_owned();
        let verdict: Option<Value> = read_json(&path.join("verdict.json"));
        let status = match (folder.ends_with(PARTIAL), &verdict) {
            (false, Some(_)) => Status::Complete,
            (true, _) if lock::is_held(path) => Status::Running,
            _ => Status::Incomplete,
        };
        let record = read_json(&path.join("run.json"));
        let model = read_json(&path.join("run.json")).filter(|record: &ModelRecord| {
            ["model", "sim", "latency", "ci"].contains(&record.arena.as_str())
        });
        Self { scenario: text(path.parent()), name, path: path.to_path_buf(), status, record, model, verdict }
    }

    /// The name of the run in the whole store.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.scenario, self.name)
    }

    /// When the run began, if that can be read.
    #[must_use]
    pub fn started(&self) -> Option<&str> {
        let model = || self.model.as_ref().map(|model| model.started.as_str());
        self.record.as_ref().map(|record| record.started.as_str()).or_else(model)
    }

    /// The verdict, in a word, if there is one.
    #[must_use]
    pub fn verdict_word(&self) -> Option<&str> {
        self.verdict.as_ref()?.get("run")?.get("verdict")?.as_str()
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
