//! The apply logs of a live run, folded through the core: from the records of its write-ahead log each replica is built
//! again, and every decision and state must be those that the node itself has told.
//!
//! A node says where each of its lives begins and ends, how many records its log has then, and what it is. Between the
//! two its lines must be what the core says of these records, one for one. A life that was killed may lack its last
//! lines; and where acknowledged writes need not be durable, it may have told of records that were lost with it.

use crate::node::{LogError, WriteAheadLog, live_config};
use quarrel_models::{
    id::{MAX_REPLICAS, ReplicaId},
    message::{Output, Record, TraceEvent},
    replica::{Config, Outputs, Replica},
};
use quarrel_workloads::{
    judge::{Judgement, Reason},
    scenario::{Durability, Scenario},
    verdict::Verdict,
};
use serde::Deserialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

/// What the judgement of a run calls it.
pub const PROPERTY: &str = "conformance";

/// Folds the apply logs in a run's folder, and adds to its judgement what that shows. A run without them has nothing to
/// fold, and its judgement stays as it is.
pub fn add_to(judgement: &mut Judgement, folder: &Path, scenario: &Scenario) {
    let replicas = scenario.cluster.leaders + scenario.cluster.followers.len();
    let replicas: Vec<ReplicaId> = (0..replicas.min(MAX_REPLICAS)).map(ReplicaId::from_index).collect();
    let Ok(config) = live_config(&scenario.cluster, &scenario.strategy).map(Arc::new) else { return };
    let durable = scenario.cluster.durability != Durability::None;
    let folded: Vec<Result<Option<Folded>, FoldError>> = thread::scope(|scope| {
        let fold = |replica| {
            let config = Arc::clone(&config);
            scope.spawn(move || fold(folder, replica, config, durable))
        };
        let folding: Vec<_> = replicas.iter().map(|&replica| fold(replica)).collect();
        folding
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    if let Some(reason) = reason(folded) {
        judgement.verdict = judgement.verdict.merge(reason.verdict);
        judgement.reasons.push(reason);
        judgement.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict));
    }
}

fn reason(folded: Vec<Result<Option<Folded>, FoldError>>) -> Option<Reason> {
    let (mut sum, mut replicas) = (Folded::default(), 0);
    for one in folded {
        match one {
            Err(error) => {
                let (property, evidence) = (PROPERTY.to_owned(), error.to_string());
                return Some(Reason { property, verdict: error.verdict(), evidence });
            }
            Ok(None) => {}
            Ok(Some(one)) => {
                replicas += 1;
                sum.lines += one.lines;
                sum.untold += one.untold;
            }
        }
    }
    (replicas > 0).then(|| {
        let untold = match sum.untold {
            0 => String::new(),
            untold => format!("; {untold} more were not told of, since their node was killed"),
        };
        let lines = sum.lines;
        let evidence = format!(
            "{lines} decisions at {replicas} replicas are those that the core makes again, and so are their states{untold}"
        );
        Reason { property: PROPERTY.to_owned(), verdict: Verdict::Pass, evidence }
    })
}

/// What was folded at one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Folded {
    /// Lines that say what the core says.
    lines: u64,
    /// What the core says and a killed node had no time to.
    untold: u64,
}

/// Why the account of a replica is not that of the core, or cannot be read.
#[derive(Debug, thiserror::Error)]
enum FoldError {
    #[error("{path} cannot be read: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(
        "the live node {replica} did otherwise than the core: line {line} of apply/{replica}.jsonl says {told}, and folded through the core it is {folded}"
    )]
    Departs { replica: ReplicaId, line: usize, told: String, folded: String },
}

impl FoldError {
    const fn verdict(&self) -> Verdict {
        match self {
            Self::Io { .. } => Verdict::Unknown,
            Self::Log(_) | Self::Departs { .. } => Verdict::Fail,
        }
    }
}

/// A line that says where the replica stood.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Mark {
    records: usize,
    digest: String,
}

/// One life of a node, as it told it.
struct Life<'a> {
    started: (usize, Mark),
    lines: Vec<(usize, &'a [u8])>,
    stopped: Option<(usize, Mark)>,
}

fn fold(
    folder: &Path,
    replica: ReplicaId,
    config: Arc<Config>,
    durable: bool,
) -> Result<Option<Folded>, FoldError> {
    let (apply, wal) = (
        folder.join("apply").join(format!("{replica}.jsonl")),
        folder.join("nodes").join(format!("{replica}.wal")),
    );
    if !apply.exists() || !wal.exists() {
        return Ok(None);
    }
    let text = fs::read(&apply).map_err(|source| FoldError::Io { path: apply, source })?;
    let lives = lives(&text);
    if lives.is_empty() {
        return Ok(None);
    }
    let records = WriteAheadLog::read(&wal)?.records;
    let core = Replica::new(config, replica);
    let mut fold = Fold { core, records, at: 0, durable, folded: Folded::default(), out: Vec::new() };
    for (number, life) in lives.iter().enumerate() {
        // Where the next life begins, this one has ended.
        let end = match (lives.get(number + 1), &life.stopped) {
            (Some(next), _) => next.started.1.records,
            (None, Some((_, stopped))) => stopped.records,
            (None, None) => fold.records.len(),
        };
        fold.life(life, end)?;
    }
    Ok(Some(fold.folded))
}

/// Takes the lines apart. What is before the first beginning is the header.
fn lives(text: &[u8]) -> Vec<Life<'_>> {
    let mut lives: Vec<Life<'_>> = Vec::new();
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let mark = || serde_json::from_slice::<Mark>(line).ok().map(|mark| (number + 1, mark));
        match (event(line), lives.last_mut()) {
            (b"started", _) => {
                lives.extend(mark().map(|started| Life { started, lines: Vec::new(), stopped: None }));
            }
            (b"stopped", Some(life)) => life.stopped = mark(),
            // What no store takes, the log of records does not tell.
            (b"home" | b"truncated" | b"stalled", _) | (_, None) => {}
            (_, Some(life)) if !line.is_empty() => life.lines.push((number + 1, line)),
            _ => {}
        }
    }
    lives
}

/// The name of a line's event; the first field after the times.
fn event(line: &[u8]) -> &[u8] {
    const NAME: &[u8] = b"\"event\":\"";
    let Some(at) = line.windows(NAME.len()).position(|window| window == NAME) else { return b"" };
    let rest = &line[at + NAME.len()..];
    rest.split(|&byte| byte == b'"').next().unwrap_or_default()
}

/// A replica on its way through its log.
struct Fold {
    core: Replica,
    records: Vec<Record>,
    at: usize,
    durable: bool,
    folded: Folded,
    out: Outputs,
}

impl Fold {
    fn life(&mut self, life: &Life<'_>, end: usize) -> Result<(), FoldError> {
        self.stands(&life.started)?;
        let killed = life.stopped.is_none();
        // The last line of a life that was killed may be half a line; what it says is lost.
        let torn = |line: &&(usize, &[u8])| killed && !line.1.ends_with(b"}");
        let whole = life.lines.len() - usize::from(life.lines.last().filter(torn).is_some());
        let mut lines = life.lines[..whole].iter();
        while self.at < end && self.at < self.records.len() {
            for event in self.next()? {
                match lines.next() {
                    None if killed => self.folded.untold += 1,
                    line => self.agrees(life, line, &event)?,
                }
            }
        }
        // What was told and then lost with the tail of the log.
        if let Some(&(line, told)) = lines.next().filter(|_| !killed || self.durable) {
            return Err(self.departs(line, text(told), "nothing"));
        }
        life.stopped.as_ref().map_or(Ok(()), |stopped| self.stands(stopped))
    }

    /// What the next record did.
    fn next(&mut self) -> Result<Vec<TraceEvent>, FoldError> {
        let (index, record) = (self.at, self.records[self.at].clone());
        self.at += 1;
        self.out.clear();
        if let Err(error) = self.core.retrace(index, record, &mut self.out) {
            return Err(self.departs(0, "what follows from its log of records", error));
        }
        let events = self.out.drain(..).filter_map(|output| match output {
            Output::Trace(event) => Some(event),
            _ => None,
        });
        Ok(events.collect())
    }

    fn agrees(
        &mut self,
        life: &Life<'_>,
        told: Option<&(usize, &[u8])>,
        event: &TraceEvent,
    ) -> Result<(), FoldError> {
        // The event is an object of its own; its fields go on where the times end.
        let folded = serde_json::to_string(event).unwrap_or_default();
        match told {
            Some((_, line)) if line.ends_with(&folded.as_bytes()[1..]) => {
                self.folded.lines += 1;
                Ok(())
            }
            Some((number, line)) => Err(self.departs(*number, text(line), folded)),
            None => {
                let end = life.stopped.as_ref().map_or(0, |(number, _)| *number);
                Err(self.departs(end, "nothing", folded))
            }
        }
    }

    /// Whether the core stands where the node says that it stood.
    fn stands(&self, (line, mark): &(usize, Mark)) -> Result<(), FoldError> {
        let digest = format!("{:016x}", self.core.digest());
        if (mark.records, &mark.digest) == (self.at, &digest) {
            return Ok(());
        }
        let told = format!("that its {} records made it {}", mark.records, mark.digest);
        Err(self.departs(*line, told, format!("{digest} after {} records", self.at)))
    }

    fn departs(&self, line: usize, told: impl ToString, folded: impl ToString) -> FoldError {
        let (told, folded) = (told.to_string(), folded.to_string());
        FoldError::Departs { replica: self.core.id(), line, told, folded }
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}
