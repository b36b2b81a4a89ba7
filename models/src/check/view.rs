//! What there is to see of a state, for whoever tells of it: the inside of a state is nobody else's affair.

use super::{
    state::{Issued, Phase, State, place},
    world::World,
};
use crate::{
    id::{ClientId, LinkId, ReplicaId, WriteId},
    message::{Message, Request},
    replica::Replica,
};
use alloc::{sync::Arc, vec::Vec};

impl World {
    /// A replica; as it was when it died, if it is dead.
    #[must_use]
    pub fn replica(&self, state: &State, replica: ReplicaId) -> Arc<Replica> {
        Arc::clone(&state.nodes[replica.index()].replica)
    }

    /// Whether a replica runs.
    #[must_use]
    pub fn phase(&self, state: &State, replica: ReplicaId) -> Phase {
        state.phase(replica)
    }

    /// How far a replica's wall clock stands from the truth, milliseconds.
    #[must_use]
    pub fn offset_ms(&self, state: &State, replica: ReplicaId) -> i8 {
        state.nodes[replica.index()].offset_ms
    }

    /// The messages under way in the direction of a link, the oldest first.
    ///
    /// # Panics
    /// If the cluster has no such link.
    #[must_use]
    pub fn under_way(&self, state: &State, link: LinkId) -> Vec<Arc<Message>> {
        state.wires[place(self.links(), link)].forth.to_vec()
    }

    /// The writes begun, by slot.
    #[must_use]
    pub fn issued(&self, state: &State) -> Vec<Option<Arc<Issued>>> {
        state.issued.clone()
    }

    /// The replica where a client is.
    #[must_use]
    pub fn client_at(&self, state: &State, client: ClientId) -> ReplicaId {
        state.clients[client.0 as usize].at
    }

    /// A client's requests that have not arrived, the oldest first, and where they go.
    #[must_use]
    pub fn calls(&self, state: &State, client: ClientId) -> Vec<(ReplicaId, Request)> {
        let calls = &state.clients[client.0 as usize].calls;
        calls.iter().map(|call| (call.at, call.request.clone())).collect()
    }

    /// The name of a slot's write.
    #[must_use]
    pub fn write_of(&self, slot: usize) -> WriteId {
        let writes = usize::from(self.scope().writes);
        #[expect(clippy::cast_possible_truncation, reason = "slots are below 16")]
        WriteId { client: ClientId((slot / writes) as u32), sequence: (slot % writes + 1) as u32 }
    }

    /// The true time, microseconds: what a clock shows that nobody has set off.
    #[must_use]
    pub fn true_us(&self, state: &State) -> i64 {
        Self::time_us(state.entries.len())
    }
}
