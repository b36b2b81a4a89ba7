//! The apply logs of all replicas, on the time of the history.
//!
//! A log has the monotonic clock of its replica's machine, the history that of the harness. How far they are apart is
//! in no file, but every acknowledged write bounds it: a leader applies a write after it was asked for and before it
//! is acknowledged. Thousands of writes leave a window of some microseconds.

use super::{History, Names, RecordedError, error, history::check_header};
use quarrel_models::{
    id::{Dot, ReplicaId, WriteId},
    strategy::Decision,
};
use quarrel_workloads::scenario::Scenario;
use serde::Deserialize;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

/// The newest version of the apply logs' format that this build reads.
const FORMAT_VERSION: u32 = 1;

/// A version met a replica's store.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Applied {
    /// When, nanoseconds of the run.
    pub(crate) t: u64,
    /// The replica.
    pub(crate) replica: ReplicaId,
    /// The record's number, in [`History::keys`]; `u32::MAX` if the history does not know it.
    pub(crate) key: u32,
    /// The write.
    pub(crate) write: WriteId,
    /// Where it entered the cluster.
    pub(crate) dot: Dot,
    /// Whether this replica took it from a client.
    pub(crate) local: bool,
    /// What became of it here.
    pub(crate) decision: Decision,
    /// The version that it met.
    pub(crate) against: Option<WriteId>,
}

/// What all replicas applied, in order of time.
#[derive(Debug, Default)]
pub(crate) struct Applies {
    /// The lines of all logs.
    pub(crate) all: Vec<Applied>,
    /// Of which replicas there are logs.
    pub(crate) replicas: Vec<ReplicaId>,
    /// When each write was applied at each replica for the first time.
    first: BTreeMap<Dot, Vec<(ReplicaId, u64)>>,
}

/// The log of one replica, on its own time.
#[derive(Debug)]
pub(super) struct Log {
    replica: ReplicaId,
    names: Names,
    /// Times are microseconds of the machine, keys numbers of `names`.
    lines: Vec<Applied>,
    damaged: u64,
}

#[derive(Deserialize)]
struct Line<'a> {
    monotonic_us: u64,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    write: Option<WriteId>,
    dot: Option<Dot>,
    #[serde(borrow)]
    site: Option<Cow<'a, str>>,
    decision: Option<Decision>,
    against: Option<WriteId>,
}

/// Reads the logs of a run's folder; those that are not there are left out.
pub(super) fn read(folder: &Path, scenario: &Scenario) -> Result<Vec<Log>, RecordedError> {
    let count = scenario.cluster.leaders + scenario.cluster.followers.len();
    let replicas = (0..count.min(quarrel_models::id::MAX_REPLICAS)).map(ReplicaId::from_index);
    replicas.filter_map(|replica| read_one(folder, replica).transpose()).collect()
}

fn read_one(folder: &Path, replica: ReplicaId) -> Result<Option<Log>, RecordedError> {
    let path = folder.join("apply").join(format!("{replica}.jsonl"));
    let unreadable = |source| RecordedError::Unreadable { path: path.clone(), source };
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(unreadable)?,
    };
    let mut input = BufReader::with_capacity(1 << 20, file);
    let mut line = Vec::new();
    if input.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
        return Ok(None);
    }
    check_header(&path, &line, FORMAT_VERSION)?;
    let mut log = Log { replica, names: Names::default(), lines: Vec::new(), damaged: 0 };
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            return Ok(Some(log));
        }
        match serde_json::from_slice::<Line<'_>>(&line) {
            Ok(read) => log.take(&read),
            // A node that was killed leaves half a line, wherever it was started again after.
            Err(why) if why.is_eof() || why.is_syntax() => log.damaged += 1,
            Err(why) => return Err(error::broken(&path, &format!("it cannot be read: {why}"))),
        }
    }
}

impl Log {
    fn take(&mut self, line: &Line<'_>) {
        let Line {
            event, key: Some(key), write: Some(write), dot: Some(dot), decision: Some(decision), ..
        } = line
        else {
            return;
        };
        if event != "apply" {
            return;
        }
        self.lines.push(Applied {
            t: line.monotonic_us,
            replica: self.replica,
            key: self.names.number(key),
            write: *write,
            dot: *dot,
            local: line.site.as_deref() == Some("local"),
            decision: *decision,
            against: line.against,
        });
    }

    /// How much is to be taken off this log's times, nanoseconds: the middle of what all its own writes allow.
    fn offset(&self, asked: &BTreeMap<Dot, (u64, u64)>) -> Option<i128> {
        let mut window: Option<(i128, i128)> = None;
        for line in self.lines.iter().filter(|line| line.local) {
            let Some(&(began, ended)) = asked.get(&line.dot) else { continue };
            let at = i128::from(line.t) * 1000;
            // A microsecond of the log is 1000 nanoseconds wide.
            let allowed = (at - i128::from(ended), at + 999 - i128::from(began));
            let (least, most) = window.unwrap_or(allowed);
            window = Some((least.max(allowed.0), most.min(allowed.1)));
        }
        window.map(|(least, most)| i128::midpoint(least, most))
    }
}

impl Applies {
    /// Puts the logs on the time of the history.
    pub(super) fn placed(logs: Vec<Log>, history: &History, notes: &mut Vec<String>) -> Self {
        let asked: BTreeMap<Dot, (u64, u64)> =
            history.operations.iter().filter_map(|op| Some((op.dot?, (op.began, op.ended)))).collect();
        // All nodes of one machine have one clock: a follower takes no writes, and borrows a leader's offset.
        let common = logs.iter().find_map(|log| log.offset(&asked));
        let mut applies = Self::default();
        for log in logs {
            if log.damaged > 0 {
                let (count, replica) = (log.damaged, log.replica);
                let lines = if count == 1 { "line is" } else { "lines are" };
                notes.push(format!(
                    "{count} {lines} broken off in apply/{replica}.jsonl: a killed node's last words"
                ));
            }
            let Some(offset) = log.offset(&asked).or(common) else {
                notes.push(format!("apply/{}.jsonl could not be put on the time of the run", log.replica));
                continue;
            };
            applies.replicas.push(log.replica);
            let keys: Vec<u32> =
                log.names.all().iter().map(|name| history.keys.find(name).unwrap_or(u32::MAX)).collect();
            applies.all.extend(log.lines.iter().map(|line| {
                let t = (i128::from(line.t) * 1000 - offset).max(0);
                Applied {
                    t: u64::try_from(t).unwrap_or(u64::MAX),
                    key: keys.get(line.key as usize).copied().unwrap_or(u32::MAX),
                    ..*line
                }
            }));
        }
        applies.all.sort_by_key(|line| (line.t, line.replica));
        applies.index();
        applies
    }

    fn index(&mut self) {
        for line in &self.all {
            let seen = self.first.entry(line.dot).or_default();
            if !seen.iter().any(|(replica, _)| *replica == line.replica) {
                seen.push((line.replica, line.t));
            }
        }
    }

    /// Whether there is anything to show.
    pub(crate) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// When this write was applied first, by replica, in order of time.
    pub(crate) fn of(&self, dot: Dot) -> &[(ReplicaId, u64)] {
        self.first.get(&dot).map_or(&[], Vec::as_slice)
    }

    /// All writes, and when they were applied where.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (Dot, &[(ReplicaId, u64)])> {
        self.first.iter().map(|(dot, seen)| (*dot, seen.as_slice()))
    }
}
