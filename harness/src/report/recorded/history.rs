//! The history, for drawings: operations with both their ends, faults, phases, and what replicas held in the end.

use super::{Names, RecordedError, error};
use quarrel_models::{
    clock::Stamp,
    fault::Fault,
    id::{ClientId, Dot, ReplicaId, WriteId},
    operation::Operation,
    value::Value,
    version::VersionVector,
};
use quarrel_workloads::history::{Ending, Event, Phase, Quiescence, Reader};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader},
    path::Path,
};

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Outcome {
    /// It happened.
    Ok,
    /// Nobody knows; what was never answered counts here, too.
    Info,
    /// It did not happen.
    Fail,
}

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    /// Who asked.
    pub(crate) client: ClientId,
    /// The replica that the client was bound to.
    pub(crate) at: ReplicaId,
    /// The record's number, in [`History::keys`].
    pub(crate) key: u32,
    /// The write's identity; absent for reads.
    pub(crate) write: Option<WriteId>,
    /// What it asked.
    pub(crate) operation: Operation,
    /// When it began, nanoseconds of the run.
    pub(crate) began: u64,
    /// When it ended; the end of the run if it was never answered.
    pub(crate) ended: u64,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Where a write entered the cluster, if the answer said so.
    pub(crate) dot: Option<Dot>,
    /// Its stamp.
    pub(crate) stamp: Option<Stamp>,
    /// What the replica had applied.
    pub(crate) knew: Option<VersionVector>,
    /// The versions that a write was executed on, or that a read returned.
    pub(crate) versions: Vec<WriteId>,
    /// Why it failed, or why nobody knows.
    pub(crate) error: String,
}

impl Op {
    /// How long it took, nanoseconds.
    pub(crate) fn latency(&self) -> u64 {
        self.ended.saturating_sub(self.began)
    }

    /// Whether it writes.
    pub(crate) const fn is_write(&self) -> bool {
        self.write.is_some()
    }
}

/// An act of the nemesis.
#[derive(Debug, Clone)]
pub(crate) struct FaultAt {
    /// When, nanoseconds of the run.
    pub(crate) t: u64,
    /// What it did.
    pub(crate) fault: Fault,
}

/// A session replaced siblings by one value.
#[derive(Debug, Clone)]
pub(crate) struct Resolution {
    /// When it was acknowledged.
    pub(crate) t: u64,
    /// The record's number.
    pub(crate) key: u32,
    /// The write that carries the resolved value.
    pub(crate) write: WriteId,
    /// The versions that it replaced.
    pub(crate) over: Vec<WriteId>,
    /// Where it entered the cluster, if it was acknowledged.
    pub(crate) dot: Option<Dot>,
}

/// What one replica held of one record in the end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    /// The versions: one, or siblings, or those that were merged.
    pub(crate) versions: Vec<WriteId>,
    /// What a reader sees, shortened. Two replicas show the same if these are equal.
    pub(crate) shown: Vec<Value>,
}

/// A history.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The records, by number.
    pub(crate) keys: Names,
    /// The operations, in the order in which they began.
    pub(crate) operations: Vec<Op>,
    /// What the nemesis did.
    pub(crate) faults: Vec<FaultAt>,
    /// When phases began.
    pub(crate) phases: Vec<(u64, Phase)>,
    /// Resolutions of siblings.
    pub(crate) resolutions: Vec<Resolution>,
    /// What replicas held in the end, by record and replica. A replica that was read and holds nothing has no entry.
    pub(crate) finals: BTreeMap<(u32, ReplicaId), Held>,
    /// The replicas that were read whole in the end.
    pub(crate) read: Vec<ReplicaId>,
    /// Those that could not be read, and why.
    pub(crate) unread: Vec<(ReplicaId, String)>,
    /// Whether replication came to rest, if the run came to its end.
    pub(crate) quiescence: Option<Quiescence>,
    /// When the last event was, nanoseconds of the run.
    pub(crate) end: u64,
    truncated: Option<u64>,
    open: BTreeMap<ClientId, usize>,
}

/// Reads the history of a run's folder.
pub(super) fn read(folder: &Path) -> Result<History, RecordedError> {
    let path = folder.join("history.jsonl");
    let file =
        File::open(&path).map_err(|source| RecordedError::Unreadable { path: path.clone(), source })?;
    read_from(BufReader::with_capacity(1 << 20, file))
        .map_err(|source| RecordedError::History { path, source })
}

fn read_from(input: impl io::BufRead) -> Result<History, quarrel_workloads::history::ReadError> {
    let mut reader = Reader::new(input)?;
    let mut history = History::default();
    for event in &mut reader {
        history.observe(event?);
    }
    if let Some(Ending::Truncated { line }) = reader.ending() {
        history.truncated = Some(line);
    }
    for &at in history.open.values() {
        history.operations[at].ended = history.end;
    }
    Ok(history)
}

impl History {
    fn observe(&mut self, event: Event) {
        match event {
            Event::Invoke { t, client, at, key, op, write } => {
                self.end = t;
                self.begin(t, client, at, &key, op, write);
            }
            Event::Ok { t, client, result } => {
                self.end = t;
                if let Some(op) = self.complete(t, client, Outcome::Ok, String::new()) {
                    (op.dot, op.stamp) = (result.dot, result.stamp);
                    (op.knew, op.versions) = (result.knew, result.versions);
                }
            }
            Event::Fail { t, client, error } => {
                self.end = t;
                self.complete(t, client, Outcome::Fail, error);
            }
            Event::Info { t, client, error } => {
                self.end = t;
                self.complete(t, client, Outcome::Info, error);
            }
            Event::Nemesis { t, fault, .. } => self.faults.push(FaultAt { t, fault }),
            Event::Phase { t, phase } => self.phases.push((t, phase)),
            Event::Resolve { t, key, write, over, dot, .. } => {
                let key = self.keys.number(&key);
                self.resolutions.push(Resolution { t, key, write, over, dot });
            }
            Event::Final { replica, key, value, versions } => {
                let key = self.keys.number(&key);
                let siblings = versions.iter().filter_map(|version| version.value.clone());
                let mut shown: Vec<Value> = value.into_iter().chain(siblings).collect();
                shown.sort();
                let versions = versions.iter().map(|version| version.write).collect();
                self.finals.insert((key, replica), Held { versions, shown });
            }
            Event::FinalEnd { replica, .. } => self.read.push(replica),
            Event::Unread { replica, why } => self.unread.push((replica, why)),
            // Real processes see no maintenance yet: nothing is drawn of it.
            Event::Recorded { .. } | Event::Maintenance { .. } => {}
            Event::End { t, quiescence } => {
                self.end = self.end.max(t);
                self.quiescence = Some(quiescence);
            }
        }
    }

    fn begin(
        &mut self,
        t: u64,
        client: ClientId,
        at: ReplicaId,
        key: &str,
        operation: Operation,
        write: Option<WriteId>,
    ) {
        let key = self.keys.number(key);
        self.open.insert(client, self.operations.len());
        self.operations.push(Op {
            client,
            at,
            key,
            write,
            operation,
            began: t,
            ended: t,
            outcome: Outcome::Info,
            dot: None,
            stamp: None,
            knew: None,
            versions: Vec::new(),
            error: "never answered".to_owned(),
        });
    }

    fn complete(&mut self, t: u64, client: ClientId, outcome: Outcome, error: String) -> Option<&mut Op> {
        let at = self.open.remove(&client)?;
        let op = &mut self.operations[at];
        (op.ended, op.outcome, op.error) = (t, outcome, error);
        Some(op)
    }

    /// What of the history is not as it should be, a sentence each.
    pub(super) fn notes(&self) -> Vec<String> {
        let truncated = self.truncated.map(|line| {
            format!("line {line} of history.jsonl is broken off: the run was killed while writing it")
        });
        truncated.into_iter().collect()
    }

    /// The replicas that were read in the end and disagree on this record: their groups, by what they show. Empty if
    /// they agree.
    pub(crate) fn disagreement(&self, key: u32) -> Vec<(Vec<ReplicaId>, Vec<Value>)> {
        let mut groups: Vec<(Vec<ReplicaId>, Vec<Value>)> = Vec::new();
        for &replica in &self.read {
            let shown = self.finals.get(&(key, replica)).map(|held| held.shown.clone()).unwrap_or_default();
            match groups.iter_mut().find(|(_, other)| *other == shown) {
                Some((replicas, _)) => replicas.push(replica),
                None => groups.push((vec![replica], shown)),
            }
        }
        if groups.len() < 2 { Vec::new() } else { groups }
    }

    /// Whether replication came to rest.
    pub(crate) fn came_to_rest(&self) -> bool {
        self.quiescence.as_ref().is_some_and(quarrel_workloads::checker::is_rest)
    }
}

/// The error of a version that does not fit, for the other line formats.
pub(super) fn check_header(path: &Path, line: &[u8], newest: u32) -> Result<(), RecordedError> {
    let header = serde_json::from_slice(line)
        .map_err(|why| error::broken(path, &format!("line 1: its header cannot be read: {why}")))?;
    error::check_version(path, &header, newest)
}
