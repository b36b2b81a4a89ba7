//! The end of a run: waiting until replication comes to rest, reading every replica, collecting the conflict logs.

use super::{interrupt::Interrupt, recorder::Recorder};
use crate::systems::reference::{ReferenceCluster, SystemError};
use quarrel_models::{
    id::{LinkId, ReplicaId, WriteId},
    message::TraceEvent,
    version::VersionVector,
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
    cluster: &mut ReferenceCluster,
    budget: Duration,
    interrupt: &Interrupt,
) -> Result<Quiescence, SystemError> {
    let began = Instant::now();
    let mut before: Option<BTreeMap<ReplicaId, VersionVector>> = None;
    loop {
        cluster.check_alive()?;
        let looked = Instant::now();
        let (applied, pending) = look(cluster).await?;
        if pending.is_none() && before.as_ref() == Some(&applied) {
            let after_ns = u64::try_from(looked.duration_since(began).as_nanos()).unwrap_or(u64::MAX);
            return Ok(Quiescence::Positions { after_ns });
        }
        if interrupt.is_requested() {
            return Ok(Quiescence::Interrupted);
        }
        if began.elapsed() >= budget {
            let why = pending.unwrap_or_else(|| "positions still move".to_owned());
            return Ok(Quiescence::NotReached { why });
        }
        before = pending.is_none().then_some(applied);
        tokio::time::sleep(LOOK).await;
    }
}

/// The positions of all live replicas, and what is still under way, in words.
async fn look(
    cluster: &ReferenceCluster,
) -> Result<(BTreeMap<ReplicaId, VersionVector>, Option<String>), SystemError> {
    let mut applied = BTreeMap::new();
    let mut pending = None;
    let live: Vec<ReplicaId> = cluster.live().collect();
    for replica in live {
        let status = cluster.status(replica).await?;
        if status.waiting > 0 {
            pending = Some(format!("{} requests wait at {replica}", status.waiting));
        }
        applied.insert(replica, status.applied);
    }
    for &LinkId { from, to } in cluster.graph().links() {
        let (Some(sender), Some(receiver)) = (applied.get(&from), applied.get(&to)) else { continue };
        let behind = sender
            .iter()
            .find(|dot| cluster.graph().forwards(from, to, dot.origin) && !receiver.covers(*dot));
        if let Some(dot) = behind {
            let at = receiver.get(dot.origin);
            pending =
                Some(format!("{to} has {}'s log up to {at}, {from} up to {}", dot.origin, dot.position));
        }
    }
    Ok((applied, pending))
}

/// Reads every replica whole, and records what it holds. Says if replication moved meanwhile: then the reads are of
/// different times, and their differences mean nothing.
pub(super) async fn read_all(
    cluster: &ReferenceCluster,
    recorder: &Recorder,
) -> Result<Option<String>, SystemError> {
    let live: BTreeSet<ReplicaId> = cluster.live().collect();
    let (before, _) = look(cluster).await?;
    for replica in cluster.graph().replicas() {
        if !live.contains(&replica) {
            recorder.record(|_| Event::Unread { replica, why: "dead".to_owned() });
            continue;
        }
        let records = cluster
            .read_all(replica, |key, cell| recorder.record(|_| Event::holding(replica, key, cell)))
            .await?;
        let applied = cluster.status(replica).await?.applied;
        recorder.record(|_| Event::FinalEnd { replica, records, applied });
    }
    let (after, pending) = look(cluster).await?;
    let moved = after.keys().find(|replica| before.get(replica) != after.get(replica));
    let moved = moved.map(|replica| format!("{replica} applied a late write while the replicas were read"));
    Ok(moved.or(pending))
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
