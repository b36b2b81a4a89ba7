//! Who is told of a run: whoever makes a history of it, counts, or looks for situations.

use crate::{
    fault::Fault,
    id::{ClientId, ReplicaId, WriteId},
    message::TraceEvent,
    operation::KeyedOperation,
    session::{Outcome, Resolution},
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

    /// All faults are undone.
    fn healed(&mut self, _at_us: u64) {}

    /// Clients begin no operation any more; those under way still end.
    fn load_ended(&mut self, _at_us: u64) {}
}

/// Whom nothing interests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
