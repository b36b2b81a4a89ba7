//! A recorded run as drawings look at it: what the files of its folder say, read once and kept small.
//!
//! Nothing here judges: fates come from `ledger.jsonl`, verdicts from `verdict.json`.

mod applies;
mod error;
mod faults;
mod history;
mod ledger;
mod names;

pub(crate) use applies::{Applied, Applies};
pub use error::RecordedError;
pub(crate) use faults::{Band, BandKind, Clocks, bands};
pub(crate) use history::{FaultAt, History, Op, Outcome, Resolution};
pub(crate) use ledger::{Entry, Winner};
pub(crate) use names::Names;

use super::Summary;
use crate::store::{self, RunRecord};
use serde_json::Value;
use std::path::Path;

/// Everything that the files of a run's folder say.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// `run.json`.
    pub(crate) record: RunRecord,
    /// `verdict.json`, its part `run`.
    pub(crate) summary: Summary,
    /// `verdict.json`, its part `judgement`; null if there is none.
    pub(crate) judgement: Value,
    /// `history.jsonl`.
    pub(crate) history: History,
    /// `ledger.jsonl`, in order of acknowledgement.
    pub(crate) ledger: Vec<Entry>,
    /// `apply/*.jsonl`, on the history's time; empty if there are none.
    pub(crate) applies: Applies,
    /// What could not be shown, and why: a sentence each.
    pub(crate) notes: Vec<String>,
    /// The files of the folder: path within it, bytes.
    pub(crate) files: Vec<(String, u64)>,
}

impl Recorded {
    /// Reads the folder of a run. `summary` is for a run whose `verdict.json` is not written yet.
    ///
    /// # Errors
    /// [`RecordedError`] if a file that a report cannot do without is missing, damaged, or of a newer format.
    pub(crate) fn read(folder: &Path, summary: Option<(Summary, Value)>) -> Result<Self, RecordedError> {
        let record = read_record(folder)?;
        let (summary, judgement) = match summary {
            Some(given) => given,
            None => read_verdict(folder)?,
        };
        // The apply logs are as long as the history: they are read beside it.
        let (history, applies) = std::thread::scope(|scope| {
            let applies = scope.spawn(|| applies::read(folder, &record.scenario));
            let history = history::read(folder);
            (history, applies.join())
        });
        let history = history?;
        let logs = applies.map_err(|_| error::broken(folder, "the apply logs could not be read"))??;
        let mut notes = history.notes();
        let ledger = ledger::read(folder)?;
        let applies = Applies::placed(logs, &history, &mut notes);
        let files = store::files_of(folder);
        Ok(Self { record, summary, judgement, history, ledger, applies, notes, files })
    }
}

/// What `run.json` says.
///
/// # Errors
/// [`RecordedError`] if it cannot be read.
pub(crate) fn read_record(folder: &Path) -> Result<RunRecord, RecordedError> {
    error::versioned(folder, "run.json", store::FORMAT_VERSION)
}

/// What `verdict.json` says: the summary, and all that the judge found.
///
/// # Errors
/// [`RecordedError`] if the run has none, or one that this build cannot read.
pub(crate) fn read_verdict(folder: &Path) -> Result<(Summary, Value), RecordedError> {
    let mut whole: Value = error::versioned(folder, "verdict.json", store::FORMAT_VERSION)?;
    let run = whole.get_mut("run").map(Value::take).unwrap_or_default();
    let summary = serde_json::from_value(run)
        .map_err(|why| RecordedError::Damaged { path: folder.join("verdict.json"), why: why.to_string() })?;
    Ok((summary, whole.get_mut("judgement").map(Value::take).unwrap_or_default()))
}
