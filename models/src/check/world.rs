//! What happens: each action carried out by the replicas and sessions themselves.

use super::{
    action::Action,
    scope::{Acknowledgements, MAX_SLOTS, Scope, ScopeError},
    state::{Budgets, Call, Client, Issued, IssuedState, Node, Phase, State, Trail, Wire, place},
};
use crate::{
    clock::Now,
    id::{ClientId, LinkId, ReplicaId},
    message::{Input, Message, Output, Record, Request, RequestId},
    operation::KeyedOperation,
    replica::{Config, Replica},
    session::{Outcome, Session, SessionInput, SessionOutput, SessionOutputs},
    topology::Graph,
    value::Key,
    witness::{BEGINNING_US, TICK_US},
};
use alloc::{sync::Arc, vec, vec::Vec};
use smallvec::SmallVec;

/// The record.
const KEY: &str = "k";

/// A small world: its bounds, laid out and ready to run.
#[derive(Debug, Clone)]
pub struct World {
    scope: Scope,
    config: Arc<Config>,
}

impl World {
    /// Lays out a world.
    ///
    /// # Errors
    /// [`ScopeError`] if the cluster cannot work, or the bounds do not fit or contradict each other.
    pub fn new(scope: Scope) -> Result<Self, ScopeError> {
        if scope.clients * usize::from(scope.writes) > MAX_SLOTS {
            return Err(ScopeError::TooManyWrites { clients: scope.clients, writes: scope.writes });
        }
        if scope.faults.in_flight && !scope.overlap {
            return Err(ScopeError::InFlightWithoutOverlap);
        }
        let graph = Graph::new(&scope.topology, scope.leaders, Vec::new(), scope.propagation)?;
        let config = Arc::new(Config::new(graph, scope.strategy.clone()));
        Ok(Self { scope, config })
    }

    /// Its bounds.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The directed links of its cluster, in order.
    #[must_use]
    pub fn links(&self) -> &[LinkId] {
        self.config.graph.links()
    }

    /// The slot of a client's write: slots do not depend on the order in which clients begin.
    fn slot(&self, client: ClientId, sequence: u32) -> usize {
        client.0 as usize * usize::from(self.scope.writes) + sequence as usize - 1
    }

    /// The slot of a write.
    pub(super) fn slot_of(&self, write: crate::id::WriteId) -> usize {
        self.slot(write.client, write.sequence)
    }

    /// The client of a slot's write.
    pub(super) fn client_of(&self, slot: usize) -> usize {
        slot / usize::from(self.scope.writes)
    }

    /// The beginning: every link is up, every hello has been heard, nothing is written.
    #[must_use]
    pub fn initial(&self) -> State {
        let node = |id| Node {
            replica: Arc::new(Replica::new(Arc::clone(&self.config), id)),
            phase: Phase::Live,
            offset_ms: 0,
            disk: Arc::default(),
            form: None,
        };
        let client = |index: usize| {
            #[expect(clippy::cast_possible_truncation, reason = "at most 16")]
            let id = ClientId(index as u32);
            Arc::new(Client {
                session: Session::new(id, self.scope.strategy.read_handler(), self.scope.tokens),
                at: ReplicaId::from_index(index % self.scope.leaders),
                pending: None,
                calls: SmallVec::new(),
                requests: 0,
                slot: None,
            })
        };
        let mut state = State {
            nodes: self.config.graph.replicas().map(node).collect(),
            wires: vec![Wire::default(); self.links().len()],
            clients: (0..self.scope.clients).map(client).collect(),
            issued: vec![None; self.scope.clients * usize::from(self.scope.writes)],
            entries: Vec::new(),
            budgets: Budgets::new(self.scope.writes, &self.scope.faults),
            trail: None,
        };
        for &link in self.links() {
            self.connect(&mut state, link);
        }
        state
    }

    /// What may happen next: enabled actions only, in a fixed order.
    pub fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (wire, &link) in state.wires.iter().zip(self.links()) {
            if !wire.forth.is_empty() {
                actions.push(Action::Deliver { link });
            }
            if !wire.back.is_empty() {
                actions.push(Action::Acknowledge { link });
            }
        }
        for client in &state.clients {
            let name = client.session.client();
            actions.extend(client.calls.iter().map(|call| Action::Arrive { client: name, at: call.at }));
            if state.budgets.writes > 0 && client.session.is_idle() && state.is_live(client.at) {
                actions.push(Action::Call { client: name });
            }
            self.relocations(state, client, actions);
        }
        for node in &state.nodes {
            self.node_faults(state, node, actions);
        }
    }

    fn relocations(&self, state: &State, client: &Client, actions: &mut Vec<Action>) {
        let busy = !client.session.is_idle();
        let of_use = if busy { self.scope.faults.in_flight } else { state.budgets.writes > 0 };
        if state.budgets.relocations == 0 || !of_use {
            return;
        }
        // A second stray to the same place would be told from the first by nobody.
        let strays = |to: ReplicaId| client.calls.iter().any(|call| call.at == to);
        for to in
            self.config.graph.leaders().filter(|&to| to != client.at && state.is_live(to) && !strays(to))
        {
            for token in [true, false] {
                let choice = token || self.scope.tokens && self.scope.faults.loses_token;
                if choice {
                    let token = token && self.scope.tokens;
                    actions.push(Action::Relocate { client: client.session.client(), to, token });
                }
            }
        }
    }

    fn node_faults(&self, state: &State, node: &Node, actions: &mut Vec<Action>) {
        let replica = node.replica.id();
        let others_live = state.live().count() > 1;
        let budgets = state.budgets;
        if node.phase == Phase::Down {
            actions.push(Action::Restart { replica });
        }
        if node.phase != Phase::Live {
            return;
        }
        // A clock that nobody will read again need not be set.
        if budgets.clock_changes > 0
            && (budgets.writes > 0 || !state.clients.iter().all(|c| c.calls.is_empty()))
        {
            let offsets = self.scope.faults.offsets_ms.iter().filter(|&&offset| offset != node.offset_ms);
            actions.extend(offsets.map(|&offset_ms| Action::Clock { replica, offset_ms }));
        }
        if budgets.crashes > 0 && others_live {
            actions.push(Action::Crash { replica });
        }
        if budgets.restarts > 0 {
            actions.push(Action::Stop { replica });
        }
    }

    /// What then is.
    #[must_use]
    pub fn next(&self, state: &State, action: Action) -> State {
        let mut state = state.clone();
        state.trail = Some(Arc::new(Trail { last: action, before: state.trail.take() }));
        let s = &mut state;
        match action {
            Action::Call { client } => self.call(s, client),
            Action::Arrive { client, at } => {
                let calls = &mut Arc::make_mut(&mut s.clients[client.0 as usize]).calls;
                if let Some(place) = calls.iter().position(|call| call.at == at) {
                    let Call { id, request, .. } = calls.remove(place);
                    self.feed(s, at, Input::Request { id, request });
                }
            }
            Action::Deliver { link } => {
                let message = s.wires[place(self.links(), link)].forth.remove(0);
                self.feed(s, link.to, Input::Peer { link, message: Arc::unwrap_or_clone(message) });
            }
            Action::Acknowledge { link } => {
                let message = s.wires[place(self.links(), link)].back.remove(0);
                self.feed(s, link.from, Input::Peer { link, message: Arc::unwrap_or_clone(message) });
            }
            Action::Clock { replica, offset_ms } => {
                s.budgets.clock_changes -= 1;
                s.nodes[replica.index()].offset_ms = offset_ms;
            }
            Action::Relocate { client, to, token } => self.relocate(s, client, to, token),
            Action::Crash { replica } => {
                s.budgets.crashes -= 1;
                self.kill(s, replica, Phase::Gone);
            }
            Action::Stop { replica } => {
                s.budgets.restarts -= 1;
                self.kill(s, replica, Phase::Down);
            }
            Action::Restart { replica } => self.restart(s, replica),
        }
        state.nodes.iter_mut().for_each(Node::keep_form);
        state
    }

    /// The true time when so many entries have been made, microseconds: witnesses count it likewise.
    pub(super) fn time_us(entries: usize) -> i64 {
        BEGINNING_US + i64::try_from(entries).unwrap_or(i64::MAX / TICK_US / 2) * TICK_US
    }

    // Replicas.

    /// Lets a live replica take an input, and sends what is pending.
    fn feed(&self, state: &mut State, at: ReplicaId, input: Input) {
        for input in [input, Input::Flush] {
            let true_us = Self::time_us(state.entries.len());
            let node = &mut state.nodes[at.index()];
            // Timeouts are not modelled, so the time that they look at stands still.
            let now = Now { wall_us: true_us + i64::from(node.offset_ms) * 1000, monotonic_us: 0 };
            node.form = None;
            let mut outputs = Vec::new();
            Arc::make_mut(&mut node.replica).step(now, input, &mut outputs);
            for output in outputs {
                self.carry_out(state, at, output);
            }
        }
    }

    fn carry_out(&self, state: &mut State, at: ReplicaId, output: Output) {
        match output {
            Output::Persist(record) => {
                if let Record::Entry(entry) = &record
                    && entry.version.dot.origin == at
                {
                    let dot = entry.version.dot;
                    assert!(!state.has_entry(dot), "{at} gave the position {dot} away twice");
                    state.entries.push(Arc::clone(entry));
                }
                if self.scope.faults.restarts > 0 {
                    Arc::make_mut(&mut state.nodes[at.index()].disk).push(record);
                }
            }
            Output::Send { link, message } => self.send(state, at, link, message),
            Output::Reply { id, reply } => {
                let waits = |client: &Arc<Client>| client.pending == Some((at, id));
                if let Some(index) = state.clients.iter().position(waits) {
                    self.session(state, index, SessionInput::Reply(reply));
                }
            }
            Output::Trace(_) => {}
        }
    }

    fn send(&self, state: &mut State, at: ReplicaId, link: LinkId, message: Message) {
        if !state.is_live(link.from) || !state.is_live(link.to) {
            return;
        }
        let wire = &mut state.wires[place(self.links(), link)];
        if at == link.from {
            wire.forth.push(Arc::new(message));
        } else if let Message::Hello { .. } = message {
            self.feed(state, link.from, Input::Peer { link, message });
        } else if self.scope.acknowledgements == Acknowledgements::Delivered {
            wire.back.push(Arc::new(message));
        }
    }

    /// Brings a link up: the hello is heard at once.
    fn connect(&self, state: &mut State, link: LinkId) {
        if state.is_live(link.from) && state.is_live(link.to) {
            self.feed(state, link.to, Input::Connected { from: link.from });
        }
    }

    /// A replica dies, and what is under way to and from it is lost.
    fn kill(&self, state: &mut State, replica: ReplicaId, phase: Phase) {
        state.nodes[replica.index()].phase = phase;
        for (place, &link) in self.links().iter().enumerate() {
            if link.from == replica || link.to == replica {
                state.wires[place] = Wire::default();
            }
            if link.to == replica && state.is_live(link.from) {
                self.feed(state, link.from, Input::Disconnected { to: replica });
            }
        }
        for index in 0..state.clients.len() {
            if state.clients[index].calls.iter().any(|call| call.at == replica) {
                Arc::make_mut(&mut state.clients[index]).calls.retain(|call| call.at != replica);
            }
            // Its connection broke: no answer will come from there.
            if state.clients[index].pending.is_some_and(|(at, _)| at == replica) {
                self.session(state, index, SessionInput::Unanswered);
            }
        }
    }

    fn restart(&self, state: &mut State, replica: ReplicaId) {
        let node = &mut state.nodes[replica.index()];
        let records = node.disk.iter().cloned();
        match Replica::recover(Arc::clone(&self.config), replica, records) {
            Ok(recovered) => node.replica = Arc::new(recovered),
            Err(error) => panic!("{replica} does not understand its own log: {error}"),
        }
        (node.phase, node.form) = (Phase::Live, None);
        for &link in self.links() {
            if link.from == replica || link.to == replica {
                self.connect(state, link);
            }
        }
    }

    // Clients.

    fn call(&self, state: &mut State, client: ClientId) {
        let index = client.0 as usize;
        let slot = self.slot_of(state.clients[index].session.next_write());
        let after = state.acknowledged().fold(0, |after, (slot, _)| after | 1 << slot);
        state.issued[slot] = Some(Arc::new(Issued { state: IssuedState::Open, after, moved: false }));
        state.budgets.writes -= 1;
        #[expect(clippy::cast_possible_truncation, reason = "below 16")]
        {
            Arc::make_mut(&mut state.clients[index]).slot = Some(slot as u8);
        }
        self.session(state, index, SessionInput::Start(self.write_in(slot)));
    }

    /// The write of a slot.
    pub(super) fn write_in(&self, slot: usize) -> KeyedOperation {
        KeyedOperation { key: Key::new_static(KEY), operation: self.scope.workload.operation(slot) }
    }

    fn relocate(&self, state: &mut State, client: ClientId, to: ReplicaId, token: bool) {
        state.budgets.relocations -= 1;
        let index = client.0 as usize;
        let client = Arc::make_mut(&mut state.clients[index]);
        client.at = to;
        if let Some(issued) = client.slot.and_then(|slot| state.issued[usize::from(slot)].as_mut()) {
            Arc::make_mut(issued).moved = true;
        }
        self.session(state, index, SessionInput::Relocated { token });
    }

    fn session(&self, state: &mut State, index: usize, input: SessionInput) {
        let client = Arc::make_mut(&mut state.clients[index]);
        client.pending = None;
        let outputs: SessionOutputs = client.session.step(input);
        for output in outputs {
            match output {
                SessionOutput::Send(request) => self.request(state, index, request),
                SessionOutput::Done(outcome) => finish(state, index, outcome),
                SessionOutput::Resolved(_) => {}
            }
        }
    }

    fn request(&self, state: &mut State, index: usize, request: Request) {
        let client = Arc::make_mut(&mut state.clients[index]);
        client.requests += 1;
        let id = RequestId((index as u64) << 16 | u64::from(client.requests));
        let at = client.at;
        client.pending = Some((at, id));
        if self.scope.overlap {
            client.calls.push(Call { at, id, request });
        } else {
            self.feed(state, at, Input::Request { id, request });
        }
    }
}

fn finish(state: &mut State, index: usize, outcome: Outcome) {
    let Some(slot) = Arc::make_mut(&mut state.clients[index]).slot.take() else { return };
    if let Some(issued) = &mut state.issued[usize::from(slot)] {
        Arc::make_mut(issued).state = match outcome {
            Outcome::Written(written) => IssuedState::Acknowledged(written),
            Outcome::Failed(_) | Outcome::Unsent => IssuedState::Failed,
            Outcome::Unknown(_) | Outcome::Read { .. } => IssuedState::Unknown,
        };
    }
}
