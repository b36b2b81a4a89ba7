//! A small world, laid out and ready to run, and what never changes in it.

use super::{
    action::Action,
    engine::Engine,
    parts::{Call, Issued, Phase},
    scope::{KEYS, MAX_SLOTS, Scope, ScopeError},
    state::{Layout, State},
    table::Id,
    tables::Tables,
};
use crate::{
    id::{ClientId, LinkId, ReplicaId, WriteId},
    message::{Input, Message, Request},
    operation::KeyedOperation,
    replica::{Config, Replica},
    session::Session,
    topology::Graph,
    value::Key,
    witness::{BEGINNING_US, TICK_US},
};
use alloc::{
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use std::sync::{Mutex, PoisonError};

/// A small world: its bounds, laid out and ready to run. Clones share what they know, and each other's states.
#[derive(Debug, Clone)]
pub struct World {
    laws: Arc<Laws>,
    tables: Arc<Mutex<Tables>>,
}

/// What never changes in a world.
#[derive(Debug)]
pub(super) struct Laws {
    pub(super) scope: Scope,
    pub(super) config: Arc<Config>,
    pub(super) layout: Layout,
}

impl World {
    /// Lays out a world.
    ///
    /// # Errors
    /// [`ScopeError`] if the cluster cannot work, or the bounds do not fit or contradict each other.
    pub fn new(scope: Scope) -> Result<Self, ScopeError> {
        let writes = scope.writes_of_a_client();
        if scope.clients * writes > MAX_SLOTS {
            return Err(ScopeError::TooManyWrites { clients: scope.clients, writes });
        }
        if !(1..=KEYS.len()).contains(&usize::from(scope.keys)) {
            return Err(ScopeError::Keys(scope.keys));
        }
        if scope.faults.in_flight && !scope.overlap {
            return Err(ScopeError::InFlightWithoutOverlap);
        }
        let graph = Graph::new(&scope.topology, scope.leaders, Vec::new(), scope.propagation)?;
        let config = Config {
            reserve: scope.reserve(),
            #[cfg(any(test, feature = "mutants"))]
            mutant: scope.mutant,
            ..Config::new(graph, scope.strategy.clone())
        };
        let config = Arc::new(config);
        let layout = Layout {
            nodes: narrow(config.graph.replica_count()),
            wires: narrow(config.graph.links().len()),
            clients: narrow(scope.clients),
        };
        let laws = Arc::new(Laws { scope, config, layout });
        Ok(Self { laws, tables: Arc::default() })
    }

    /// The same world, before anybody looked: it shares no states with this one, and no memory.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { laws: Arc::clone(&self.laws), tables: Arc::default() }
    }

    /// Its bounds.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.laws.scope
    }

    pub(super) fn laws(&self) -> &Laws {
        &self.laws
    }

    /// Itself at work: whoever searches keeps it so, and others wait.
    pub(super) fn engine(&self) -> Engine<'_> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        Engine::new(&self.laws, tables)
    }

    /// The beginning: every link is up, every hello has been heard, nothing is written.
    #[must_use]
    pub fn initial(&self) -> State {
        self.engine().initial()
    }

    /// What may happen next: enabled actions only, in a fixed order.
    pub fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.engine().view(state).actions(actions);
    }

    /// What then is.
    #[must_use]
    pub fn next(&self, state: &State, action: Action) -> State {
        self.engine().next(state, action)
    }

    /// The directed links of its cluster, in order.
    #[must_use]
    pub fn links(&self) -> &[LinkId] {
        self.laws.links()
    }

    /// The name of a slot's write.
    #[must_use]
    pub fn write_of(&self, slot: usize) -> WriteId {
        self.laws.write_of(slot)
    }

    // What there is to see of a state.

    /// The true time, microseconds: what a clock shows that nobody has set off.
    #[must_use]
    pub fn true_us(&self, state: &State) -> i64 {
        let engine = self.engine();
        time_us(engine.tables().made[state.made()].count)
    }

    /// A replica, as it is or as it was when it died.
    #[must_use]
    pub fn replica(&self, state: &State, replica: ReplicaId) -> Arc<Replica> {
        Arc::clone(self.engine().view(state).replica(replica))
    }

    /// Whether a replica runs.
    #[must_use]
    pub fn phase(&self, state: &State, replica: ReplicaId) -> Phase {
        self.engine().view(state).phase(replica)
    }

    /// How far a replica's wall clock is from the truth, milliseconds.
    #[must_use]
    pub fn offset_ms(&self, state: &State, replica: ReplicaId) -> i8 {
        self.engine().view(state).node(replica).offset_ms
    }

    /// What is under way with a link's direction, the oldest first.
    #[must_use]
    pub fn under_way(&self, state: &State, link: LinkId) -> Vec<Arc<Message>> {
        let engine = self.engine();
        let wire = engine.view(state).wire(usize::from(self.laws.place(link)));
        let message = |&input: &Id<Input>| match &engine.tables().inputs[input] {
            Input::Peer { message, .. } => Some(Arc::new(message.clone())),
            _ => None,
        };
        wire.forth.iter().filter_map(message).collect()
    }

    /// What has become of the writes begun, by slot.
    #[must_use]
    pub fn issued(&self, state: &State) -> Vec<Option<Arc<Issued>>> {
        let engine = self.engine();
        (0..self.laws.slots()).map(|slot| engine.view(state).issued_at(slot).cloned().map(Arc::new)).collect()
    }

    /// The write of a slot that was begun: its name, and what it asked.
    #[must_use]
    pub fn asked(&self, slot: usize, issued: &Issued) -> (WriteId, KeyedOperation) {
        let workload = self.laws.scope.workload;
        let erasure = issued.erases.and_then(|of| workload.erasure(usize::from(of)));
        let operation = erasure.unwrap_or_else(|| workload.operation(slot));
        let key = Key::new_static(KEYS[usize::from(issued.key)]);
        (self.laws.write_of(slot), KeyedOperation { key, operation })
    }

    /// The writes whose versions a client has read of its own accord.
    #[must_use]
    pub fn seen(&self, state: &State, client: ClientId) -> Vec<WriteId> {
        let seen = self.engine().view(state).client(client).witnessed.seen;
        (0..self.laws.slots())
            .filter(|slot| seen >> slot & 1 == 1)
            .map(|slot| self.laws.write_of(slot))
            .collect()
    }

    /// Where a client is.
    #[must_use]
    pub fn client_at(&self, state: &State, client: ClientId) -> ReplicaId {
        self.engine().view(state).client(client).at
    }

    /// The requests of a client that have not arrived, and where they go.
    #[must_use]
    pub fn calls(&self, state: &State, client: ClientId) -> Vec<(ReplicaId, Request)> {
        let engine = self.engine();
        let request = |call: &Call| match &engine.tables().inputs[call.input] {
            Input::Request { request, .. } => Some((call.at, request.clone())),
            _ => None,
        };
        engine.view(state).client(client).calls.iter().filter_map(request).collect()
    }

    /// Whether nothing is under way that could still arrive, and every replica that restarts has done so.
    #[must_use]
    pub fn is_quiescent(&self, state: &State) -> bool {
        self.engine().view(state).is_quiescent()
    }

    /// What each replica shows, and what is under way, in one line.
    #[must_use]
    pub fn describe(&self, state: &State) -> String {
        self.engine().view(state).to_string()
    }
}

/// The true time when so many entries have been made, microseconds: witnesses count it likewise.
pub(super) fn time_us(entries: u8) -> i64 {
    BEGINNING_US + i64::from(entries) * TICK_US
}

pub(super) fn narrow(count: usize) -> u8 {
    u8::try_from(count).unwrap_or_else(|_| panic!("{count} parts of one kind are too many for a small world"))
}

impl Laws {
    pub(super) fn links(&self) -> &[LinkId] {
        self.config.graph.links()
    }

    /// The place of a link among the links, which are in order.
    pub(super) fn place(&self, link: LinkId) -> u8 {
        match self.links().binary_search(&link) {
            Ok(place) => narrow(place),
            Err(_) => panic!("there is no link {link} in this cluster"),
        }
    }

    pub(super) fn clients(&self) -> impl Iterator<Item = ClientId> + use<> {
        (0..u32::from(self.layout.clients)).map(ClientId)
    }

    /// The session of a client that has done nothing.
    pub(super) fn session(&self, client: ClientId) -> Session {
        Session::new(client, self.scope.strategy.read_handler(), self.scope.tokens)
    }

    /// Whether a restart may need what was persisted.
    pub(super) const fn keeps_disks(&self) -> bool {
        self.scope.faults.restarts > 0 || self.loses_tails()
    }

    /// Whether it matters in which order a replica persisted what it did.
    pub(super) const fn loses_tails(&self) -> bool {
        self.scope.faults.tail_losses > 0
    }

    /// Whether a session may answer a reply with a request that arrives at once.
    pub(super) const fn asks_back(&self) -> bool {
        !self.scope.overlap && self.scope.strategy.read_handler().is_some()
    }

    /// The slot of a write: slots do not depend on the order in which clients begin.
    pub(super) fn slot_of(&self, write: WriteId) -> usize {
        write.client.0 as usize * self.scope.writes_of_a_client() + write.sequence as usize - 1
    }

    /// The client of a slot's write.
    pub(super) fn client_of(&self, slot: usize) -> usize {
        slot / self.scope.writes_of_a_client()
    }

    /// The write of a slot.
    pub(super) fn write_of(&self, slot: usize) -> WriteId {
        let writes = self.scope.writes_of_a_client();
        #[expect(clippy::cast_possible_truncation, reason = "below 16")]
        WriteId { client: ClientId((slot / writes) as u32), sequence: (slot % writes) as u32 + 1 }
    }

    /// The number of a record.
    pub(super) fn key(&self, name: &str) -> u8 {
        narrow(KEYS.iter().position(|key| *key == name).unwrap_or_default())
    }

    /// How many slots for writes there are.
    pub(super) const fn slots(&self) -> usize {
        self.scope.clients * self.scope.writes_of_a_client()
    }
}
