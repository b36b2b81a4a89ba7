//! What sessions and replicas say, as events of a history: for live runs and for simulated ones.

use super::{Event, FinalVersion, OperationResult};
use quarrel_models::{
    id::{ClientId, ReplicaId, WriteId},
    message::TraceEvent,
    session::{Outcome, Resolution},
    strategy::Decision,
    value::Key,
    version::Cell,
};

impl Event {
    /// The event with which a client's operation ends. `writes` says whether it was a write.
    #[must_use]
    pub fn completion(t: u64, client: ClientId, writes: bool, outcome: Outcome) -> Self {
        match outcome {
            Outcome::Written(written) => Self::Ok {
                t,
                client,
                result: OperationResult {
                    dot: (written.dot.position > 0).then_some(written.dot),
                    stamp: (written.dot.position > 0).then_some(written.stamp),
                    knew: (written.dot.position > 0).then_some(written.knew),
                    versions: written.on.to_vec(),
                    value: None,
                    duplicate: written.duplicate,
                },
            },
            Outcome::Read { value, versions, applied } => Self::Ok {
                t,
                client,
                result: OperationResult {
                    knew: Some(applied),
                    versions: versions.to_vec(),
                    value,
                    ..OperationResult::default()
                },
            },
            Outcome::Failed(refusal) => Self::Fail { t, client, error: refusal.to_string() },
            Outcome::Unsent => {
                Self::Fail { t, client, error: "not sent: the replica could not be reached".to_owned() }
            }
            // A read that was not answered has no effect that could still come.
            Outcome::Unknown(_) if !writes => Self::Fail { t, client, error: "no answer in time".to_owned() },
            Outcome::Unknown(refusal) => {
                let error =
                    refusal.map_or_else(|| "no answer in time".to_owned(), |refusal| refusal.to_string());
                Self::Info { t, client, error }
            }
        }
    }

    /// The same, without what stands for positions where a system tells none.
    #[must_use]
    pub fn without_positions(mut self) -> Self {
        if let Self::Ok { result, .. } = &mut self {
            (result.dot, result.stamp, result.knew) = (None, None, None);
        }
        self
    }

    /// The event of siblings that a session has resolved.
    #[must_use]
    pub fn resolution(t: u64, client: ClientId, resolution: Resolution) -> Self {
        let Resolution { key, write, over, value, dot } = resolution;
        Self::Resolve { t, client, key, write, over: over.to_vec(), value, dot }
    }

    /// What a replica holds of a record in the end.
    #[must_use]
    pub fn holding(replica: ReplicaId, key: Key, cell: Cell) -> Self {
        let one_value = cell.merged.is_some() || cell.versions.len() < 2;
        let value = if one_value { cell.value().cloned() } else { None };
        // A merged value and a lone version's value stand in `value`; only siblings need their own.
        let versions = cell
            .versions
            .into_iter()
            .map(|version| FinalVersion {
                write: version.write,
                dot: version.dot,
                stamp: version.stamp,
                value: if one_value { None } else { version.value },
            })
            .collect();
        Self::Final { replica, key, value, versions }
    }
}

/// The conflict that a replica's own log records: the record, the version that lost and the one that won.
#[must_use]
pub fn recorded_conflict(event: TraceEvent) -> Option<(Key, WriteId, WriteId)> {
    match event {
        TraceEvent::Apply { key, write, against: Some(against), decision, recorded: true, .. } => {
            match decision {
                Decision::Discarded => Some((key, write, against)),
                Decision::Applied => Some((key, against, write)),
                Decision::Merged | Decision::Sibling | Decision::Skipped => None,
            }
        }
        _ => None,
    }
}
