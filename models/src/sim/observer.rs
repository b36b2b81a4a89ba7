//! Who is told of a run: whoever makes a history of it, counts, or looks for situations.

use super::schedule::Errand;
use crate::{
    fault::Fault,
    id::{ClientId, ReplicaId, WriteId},
    message::{Input, Output, TraceEvent},
    operation::KeyedOperation,
    replica::Replica,
    session::{Outcome, Resolution, SessionInput},
};

/// Is told what happens, in order of time. Times are microseconds since the beginning.
pub trait Observer {
    /// A client begins an operation at a replica; a write has an identity.
    fn invoked(
        &mut self,
        _at_us: u64,
        _client: ClientId,
        _replica: ReplicaId,
        _operation: &KeyedOperation,
        _write: Option<WriteId>,
    ) {
    }

    /// The operation of a client has ended. `writes` says whether it was a write.
    fn completed(&mut self, _at_us: u64, _client: ClientId, _writes: bool, _outcome: Outcome) {}

    /// A session has resolved siblings that it read.
    fn resolved(&mut self, _at_us: u64, _client: ClientId, _resolution: Resolution) {}

    /// A fault has struck, or was undone. A replica that restarts may do so on an old backup.
    fn fault(&mut self, _at_us: u64, _fault: &Fault, _backup_us: Option<u64>) {}

    /// A replica has done something.
    fn trace(&mut self, _at_us: u64, _replica: ReplicaId, _event: TraceEvent) {}

    /// A replica is about to take an input.
    fn feeds(&mut self, _at_us: u64, _replica: ReplicaId, _input: &Input) {}

    /// It has taken it, and this comes of it.
    fn fed(&mut self, _replica: &Replica, _outputs: &[Output]) {}

    /// A client has sent a request, the one with this number of its own.
    fn asked(&mut self, _client: ClientId, _number: u32) {}

    /// A session is about to be told something, but for the beginning of an operation.
    fn tells(&mut self, _at_us: u64, _client: ClientId, _input: &SessionInput) {}

    /// A replica that was killed has lost the last records of its log: at once, or by starting on an old backup.
    fn lost_records(&mut self, _replica: ReplicaId, _records: usize) {}

    /// Somebody sees to a replica.
    fn errand(&mut self, _at_us: u64, _replica: ReplicaId, _errand: &Errand) {}

    /// All faults are undone.
    fn healed(&mut self, _at_us: u64) {}

    /// Clients begin no operation any more; those under way still end.
    fn load_ended(&mut self, _at_us: u64) {}
}

/// Whom nothing interests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
