//! The end of a run: waiting until replication comes to rest, reading every replica, collecting the conflict logs.

use super::{interrupt::Interrupt, recorder::Recorder};
use crate::systems::{Progress, System, reference::SystemError};
use quarrel_models::{
    id::{ReplicaId, WriteId},
    message::TraceEvent,
};
use quarrel_workloads::history::{Event, Quiescence, recorded_conflict};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
    time::{Duration, Instant},
};

/// How often positions are looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until every live link has delivered everything and no request waits, seen twice in a row: what was on its
/// way between two looks shows at the second.
pub(crate) async fn quiesce(
    cluster: &mut impl System,
    budget: Duration,
    interrupt: &Interrupt,
) -> Result<Quiescence, SystemError> {
    let began = Instant::now();
    let mut before: Option<Progress> = None;
    loop {
        cluster.check_alive()?;
        let looked = Instant::now();
        let progress = cluster.progress().await?;
        if progress.pending.is_none() && before.as_ref() == Some(&progress) {
            let after_ns = u64::try_from(looked.duration_since(began).as_nanos()).unwrap_or(u64::MAX);
            return Ok(Quiescence::Positions { after_ns });
        }
        if interrupt.is_requested() {
            return Ok(Quiescence::Interrupted);
        }
        if began.elapsed() >= budget {
            let why = progress.pending.unwrap_or_else(|| "positions still move".to_owned());
            return Ok(Quiescence::NotReached { why });
        }
        before = progress.pending.is_none().then_some(progress);
        tokio::time::sleep(LOOK).await;
    }
}

/// Reads every replica whole, and records what it holds. Says if replication moved meanwhile: then the reads are of
/// different times, and their differences mean nothing.
pub(super) async fn read_all(
    cluster: &impl System,
    recorder: &Recorder,
) -> Result<Option<String>, SystemError> {
    let live: BTreeSet<ReplicaId> = cluster.live().into_iter().collect();
    let before = cluster.progress().await?;
    let mut counts = BTreeMap::new();
    for replica in cluster.graph().replicas() {
        if !live.contains(&replica) {
            recorder.record(|_| Event::Unread { replica, why: "dead".to_owned() });
            continue;
        }
        let records = cluster.read_all(replica, &mut |held| recorder.record(|_| held)).await?;
        counts.insert(replica, records);
    }
    let after = cluster.progress().await?;
    for (replica, records) in counts {
        let applied = after.applied.get(&replica).cloned().unwrap_or_default();
        recorder.record(|_| Event::FinalEnd { replica, records, applied });
    }
    let moved = live.iter().find(|replica| {
        before.applied.get(replica) != after.applied.get(replica)
            || before.changes.get(replica) != after.changes.get(replica)
    });
    let moved = moved.map(|replica| format!("{replica} applied a late write while the replicas were read"));
    Ok(moved.or(after.pending))
}

#[derive(Deserialize)]
struct ApplyLine {
    #[serde(flatten)]
    event: TraceEvent,
}

/// Records the conflicts that the replicas' own logs tell of, each loser once.
pub(super) fn read_conflict_logs(
    folder: &Path,
    replicas: impl Iterator<Item = ReplicaId>,
    recorder: &Recorder,
) -> io::Result<()> {
    let mut told: BTreeSet<WriteId> = BTreeSet::new();
    for replica in replicas {
        let file = match File::open(folder.join("apply").join(format!("{replica}.jsonl"))) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if let Some((key, loser, winner)) = conflict_in(&line)
                && told.insert(loser)
            {
                recorder.record(|_| Event::Recorded { replica, key, loser, winner });
            }
            line.clear();
        }
    }
    Ok(())
}

/// The conflict that a line of an apply log records. A killed node's last line may be torn; it then records nothing.
fn conflict_in(line: &[u8]) -> Option<(quarrel_models::value::Key, WriteId, WriteId)> {
    // Most lines record nothing, and looking is much cheaper than reading.
    let marker = b"\"recorded\":true";
    if !line.windows(marker.len()).any(|window| window == marker) {
        return None;
    }
    recorded_conflict(serde_json::from_slice::<ApplyLine>(line).ok()?.event)
}
