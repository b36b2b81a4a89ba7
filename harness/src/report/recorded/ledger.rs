//! The ledger, line by line.

use super::{RecordedError, error, history::check_header};
use quarrel_models::{
    clock::Stamp,
    fate::Fate,
    id::{ClientId, ReplicaId, WriteId},
    value::Key,
};
use quarrel_workloads::history::FORMAT_VERSION;
use serde::Deserialize;
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// What became of one acknowledged write.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Entry {
    pub(crate) write: WriteId,
    pub(crate) client: ClientId,
    pub(crate) key: Key,
    pub(crate) op: String,
    pub(crate) leader: ReplicaId,
    pub(crate) call_ns: u64,
    pub(crate) ack_ns: u64,
    #[serde(default)]
    pub(crate) stamp: Option<Stamp>,
    pub(crate) fate: Fate,
    #[serde(default)]
    pub(crate) recorded: bool,
    #[serde(default)]
    pub(crate) winner: Option<Winner>,
    #[serde(default)]
    pub(crate) hangs_on: Option<WriteId>,
    #[serde(default)]
    pub(crate) shown_by: String,
    #[serde(default)]
    pub(crate) missing_at: String,
    #[serde(default)]
    pub(crate) why: String,
}

/// The write that won.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Winner {
    pub(crate) write: WriteId,
    pub(crate) leader: ReplicaId,
    #[serde(default)]
    pub(crate) call_ns: Option<u64>,
    #[serde(default)]
    pub(crate) ack_ns: Option<u64>,
    #[serde(default)]
    pub(crate) stamp: Option<Stamp>,
    #[serde(default)]
    pub(crate) known_to: Option<String>,
    #[serde(default)]
    pub(crate) stamp_lead_us: Option<i64>,
    #[serde(default)]
    pub(crate) real_lead_us: Option<i64>,
    #[serde(default)]
    pub(crate) skew_us: Option<i64>,
}

/// Reads the ledger of a run's folder, in order of acknowledgement.
pub(super) fn read(folder: &Path) -> Result<Vec<Entry>, RecordedError> {
    let path = folder.join("ledger.jsonl");
    let unreadable = |source| RecordedError::Unreadable { path: path.clone(), source };
    let mut input = BufReader::with_capacity(1 << 20, File::open(&path).map_err(unreadable)?);
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line).map_err(unreadable)?;
    check_header(&path, &line, FORMAT_VERSION)?;
    let mut entries: Vec<Entry> = Vec::new();
    for number in 2_u64.. {
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        let entry = serde_json::from_slice(&line)
            .map_err(|why| error::broken(&path, &format!("line {number}, column {}: {why}", why.column())))?;
        entries.push(entry);
    }
    entries.sort_by_key(|entry| (entry.ack_ns, entry.write));
    Ok(entries)
}
