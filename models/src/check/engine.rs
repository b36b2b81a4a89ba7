//! What happens: each action carried out by the replicas and sessions themselves.

use super::{
    action::Action,
    parts::{Budgets, Call, Client, Issued, IssuedState, Issues, Made, Node, Phase, Wire, Witnessed},
    scope::{Acknowledgements, KEYS},
    state::{Row, State, View},
    symmetry::Symmetry,
    table::Id,
    tables::{Birth, Said, Tables, Wish},
    world::{Laws, narrow},
};
use crate::{
    id::{ClientId, LinkId, ReplicaId},
    message::{Input, Request, RequestId},
    operation::{KeyedOperation, Operation},
    replica::Replica,
    session::{Outcome, SessionInput},
    value::Key,
};
use alloc::{sync::Arc, vec::Vec};
use smallvec::SmallVec;
use std::sync::MutexGuard;

impl View<'_> {
    /// What may happen next: enabled actions only, in a fixed order.
    pub(super) fn actions(self, actions: &mut Vec<Action>) {
        for (link, wire) in self.wires() {
            if !wire.forth.is_empty() {
                actions.push(Action::Deliver { link });
            }
            if !wire.back.is_empty() {
                actions.push(Action::Acknowledge { link });
            }
        }
        self.link_faults(actions);
        for (name, client) in self.clients() {
            actions.extend(client.calls.iter().map(|call| Action::Arrive { client: name, at: call.at }));
            if self.budgets().writes > 0 && self.is_idle(client) && self.is_live(client.at) {
                actions.push(Action::Call { client: name });
            }
            self.errands(name, client, actions);
            self.relocations(name, client, actions);
        }
        for (replica, node) in self.nodes() {
            self.node_faults(replica, node, actions);
        }
    }

    pub(super) fn is_idle(self, client: &Client) -> bool {
        self.tables.sessions[client.session].is_idle()
    }

    fn relocations(self, name: ClientId, client: &Client, actions: &mut Vec<Action>) {
        let (scope, budgets) = (&self.laws.scope, self.budgets());
        if budgets.relocations == 0 {
            return;
        }
        let to_come = budgets.writes + budgets.reads > 0;
        let of_use = if self.is_idle(client) { to_come } else { scope.faults.in_flight };
        if !of_use {
            return;
        }
        // A second stray to the same place would be told from the first by nobody.
        let strays = |to: ReplicaId| client.calls.iter().any(|call| call.at == to);
        let leaders = self.laws.config.graph.leaders();
        for to in leaders.filter(|&to| to != client.at && self.is_live(to) && !strays(to)) {
            for token in [true, false] {
                let choice = token || scope.tokens && scope.faults.loses_token;
                if choice {
                    let token = token && scope.tokens;
                    actions.push(Action::Relocate { client: name, to, token });
                }
            }
        }
    }

    fn node_faults(self, replica: ReplicaId, node: &Node, actions: &mut Vec<Action>) {
        let budgets = self.budgets();
        if node.phase == Phase::Down {
            actions.push(Action::Restart { replica });
        }
        if node.phase != Phase::Live {
            return;
        }
        // A clock that nobody will read again need not be set.
        if budgets.clock_changes > 0
            && (budgets.writes > 0 || !self.clients().all(|(_, client)| client.calls.is_empty()))
        {
            let offsets = &self.laws.scope.faults.offsets_ms;
            let offsets = offsets.iter().filter(|&&offset| offset != node.offset_ms);
            actions.extend(offsets.map(|&offset_ms| Action::Clock { replica, offset_ms }));
            self.clock_steps(replica, node, actions);
        }
        if budgets.crashes > 0 && self.live().count() > 1 {
            actions.push(Action::Crash { replica });
        }
        if budgets.restarts > 0 {
            actions.push(Action::Stop { replica });
        }
        self.tail_losses(replica, node, actions);
        self.hand_overs(replica, actions);
        self.forgettings(replica, actions);
    }
}

/// A world at work.
#[derive(Debug)]
pub(super) struct Engine<'a> {
    laws: &'a Laws,
    tables: MutexGuard<'a, Tables>,
}

impl<'a> Engine<'a> {
    pub(super) const fn new(laws: &'a Laws, tables: MutexGuard<'a, Tables>) -> Self {
        Self { laws, tables }
    }

    pub(super) const fn laws(&self) -> &'a Laws {
        self.laws
    }

    pub(super) fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(super) fn view<'b>(&'b self, state: &'b State) -> View<'b> {
        View { laws: self.laws, tables: &self.tables, state }
    }

    fn change(&mut self, state: State) -> Change<'_> {
        Change { laws: self.laws, tables: &mut self.tables, state, touched: 0 }
    }

    pub(super) fn initial(&mut self) -> State {
        let Laws { scope, config, layout } = self.laws;
        let mut state = State { layout: *layout, row: Row::from_elem(0, layout.words()) };
        let tables = &mut *self.tables;
        for replica in config.graph.replicas() {
            let fresh = tables.replicas.id(Arc::new(Replica::new(Arc::clone(config), replica)));
            tables.births.replicas.note(fresh, Birth::Beginning);
            let node = Node { replica: fresh, phase: Phase::Live, offset_ms: 0, disk: None };
            state.set_node(replica, tables.nodes.id(node));
        }
        for place in 0..self.laws.links().len() {
            state.set_wire(place, tables.silent);
        }
        for client in self.laws.clients() {
            let session = tables.sessions.id(self.laws.session(client));
            tables.births.sessions.note(session, Birth::Beginning);
            let is = Client {
                session,
                at: ReplicaId::from_index(client.0 as usize % scope.leaders),
                slot: None,
                requests: 0,
                pending: None,
                calls: SmallVec::new(),
                reading: None,
                witnessed: Witnessed::default(),
            };
            state.set_client(client, tables.clients.id(is));
        }
        state.set_issues(tables.issues.id(Issues::from_elem(None, self.laws.slots())));
        state.set_made(tables.made.id(Made { count: 0, last: None }));
        state.set_budgets(tables.budgets.id(Budgets::new(scope)));
        let mut change = self.change(state);
        for &link in change.laws.links() {
            change.connect(link);
        }
        change.done()
    }

    /// The fingerprint of a state and all its images.
    pub(super) fn fingerprint(&mut self, symmetry: &mut Symmetry, state: &State) -> u64 {
        symmetry.fingerprint(&mut self.tables, self.laws, state)
    }

    #[cfg(test)]
    pub(super) fn images(&mut self, symmetry: &mut Symmetry, state: &State) -> Vec<Vec<u32>> {
        symmetry.images(&mut self.tables, self.laws, state)
    }

    /// What is after several actions.
    pub(super) fn follow(&mut self, state: &State, actions: &[Action]) -> State {
        let mut change = self.change(state.clone());
        actions.iter().for_each(|&action| change.act(action));
        change.done()
    }

    /// What is after an action.
    pub(super) fn next(&mut self, state: &State, action: Action) -> State {
        self.follow(state, &[action])
    }
}

/// A state on its way to the next one.
pub(super) struct Change<'a> {
    pub(super) laws: &'a Laws,
    pub(super) tables: &'a mut Tables,
    state: State,
    /// The nodes that are not what they were, a bit each: their classes are to be told anew.
    touched: u32,
}

impl Change<'_> {
    fn act(&mut self, action: Action) {
        match action {
            Action::Call { client } => self.write(client, 0, None),
            Action::Ask { client, errand } => self.run(client, errand),
            Action::Arrive { client, at } => {
                if let Some(input) = self.change_client(client, |client| {
                    let place = client.calls.iter().position(|call| call.at == at)?;
                    Some(client.calls.remove(place).input)
                }) {
                    self.feed(at, input);
                }
            }
            Action::Deliver { link } => {
                let place = usize::from(self.laws.place(link));
                let (input, rest) = self.tables.first_of(self.state.wire(place));
                self.state.set_wire(place, rest);
                self.feed(link.to, input);
            }
            Action::Acknowledge { link } => {
                let input = self.change_wire(link, |wire| wire.back.remove(0));
                self.feed(link.from, input);
            }
            Action::Clock { replica, offset_ms } => {
                self.change_budgets(|budgets| budgets.clock_changes -= 1);
                self.change_node(replica, |node| node.offset_ms = offset_ms);
            }
            Action::Relocate { client, to, token } => self.relocate(client, to, token),
            Action::Crash { replica } => {
                self.change_budgets(|budgets| budgets.crashes -= 1);
                self.kill(replica, Phase::Gone);
            }
            Action::Stop { replica } => {
                self.change_budgets(|budgets| budgets.restarts -= 1);
                self.kill(replica, Phase::Down);
            }
            Action::Restart { replica } => self.restart(replica),
            Action::Step { .. }
            | Action::Duplicate { .. }
            | Action::Overtake { .. }
            | Action::Reconnect { .. }
            | Action::Cut { .. }
            | Action::Heal { .. }
            | Action::TakeHome { .. }
            | Action::LoseTail { .. }
            | Action::Collect { .. }
            | Action::Forget { .. } => self.strike(action),
        }
    }

    /// The state, once all of it has been changed.
    fn done(mut self) -> State {
        while self.touched != 0 {
            let replica = ReplicaId::from_index(self.touched.trailing_zeros() as usize);
            let class = self.tables.class(self.laws, self.state.node(replica));
            self.state.set_class(replica, class);
            self.touched &= self.touched - 1;
        }
        self.state
    }

    fn set_node(&mut self, replica: ReplicaId, node: Id<Node>) {
        self.state.set_node(replica, node);
        self.touched |= 1 << replica.0;
    }

    // Parts: each is taken out, changed, and the changed one put in its place.

    pub(super) fn view(&self) -> View<'_> {
        View { laws: self.laws, tables: self.tables, state: &self.state }
    }

    fn is_live(&self, replica: ReplicaId) -> bool {
        self.view().is_live(replica)
    }

    pub(super) fn change_node<R>(&mut self, replica: ReplicaId, change: impl FnOnce(&mut Node) -> R) -> R {
        let mut node = *self.view().node(replica);
        let result = change(&mut node);
        let node = self.tables.nodes.id(node);
        self.set_node(replica, node);
        result
    }

    pub(super) fn change_wire<R>(&mut self, link: LinkId, change: impl FnOnce(&mut Wire) -> R) -> R {
        self.change_wire_at(usize::from(self.laws.place(link)), change)
    }

    fn change_wire_at<R>(&mut self, place: usize, change: impl FnOnce(&mut Wire) -> R) -> R {
        let mut wire = self.view().wire(place).clone();
        let result = change(&mut wire);
        self.state.set_wire(place, self.tables.wires.id(wire));
        result
    }

    pub(super) fn change_client<R>(&mut self, client: ClientId, change: impl FnOnce(&mut Client) -> R) -> R {
        let mut is = self.view().client(client).clone();
        let result = change(&mut is);
        self.state.set_client(client, self.tables.clients.id(is));
        result
    }

    pub(super) fn change_budgets(&mut self, change: impl FnOnce(&mut Budgets)) {
        let mut budgets = *self.view().budgets();
        change(&mut budgets);
        self.state.set_budgets(self.tables.budgets.id(budgets));
    }

    pub(super) fn set_issued(&mut self, slot: usize, issued: Issued) -> Id<Issued> {
        let mut issues = self.tables.issues[self.state.issues()].clone();
        let issued = self.tables.issued.id(issued);
        issues[slot] = Some(issued);
        self.state.set_issues(self.tables.issues.id(issues));
        issued
    }

    // Replicas.

    /// Lets a live replica take an input, and sends what is pending.
    pub(super) fn feed(&mut self, at: ReplicaId, input: Id<Input>) {
        if !self.step(at, input) {
            self.step(at, self.tables.flush);
        }
    }

    /// Lets a live replica take an input. Tells whether what was pending has been sent.
    fn step(&mut self, at: ReplicaId, input: Id<Input>) -> bool {
        let tick = self.tables.made[self.state.made()].count;
        let effect = self.tables.effect(self.laws, self.state.node(at), input, tick);
        self.set_node(at, effect.node);
        for wish in effect.wishes() {
            self.carry_out(at, self.tables.wish(wish));
        }
        effect.flushed
    }

    fn carry_out(&mut self, at: ReplicaId, wish: Wish) {
        match wish {
            Wish::Made(entry) => {
                let made = self.tables.make(self.state.made(), entry);
                self.state.set_made(made);
            }
            Wish::Forth { place, input } => {
                if self.is_open(place) {
                    let place = usize::from(place);
                    let longer = self.tables.with_last(self.state.wire(place), input);
                    self.state.set_wire(place, longer);
                }
            }
            Wish::Back { place, input } => {
                if self.laws.scope.acknowledgements == Acknowledgements::Delivered && self.is_open(place) {
                    self.change_wire_at(usize::from(place), |wire| wire.back.push(input));
                }
            }
            Wish::Hello { place, input } => {
                if self.is_open(place) {
                    self.feed(self.laws.links()[usize::from(place)].from, input);
                }
            }
            Wish::Reply { id, reply } => {
                let waits = |client: &ClientId| self.view().client(*client).pending == Some((at, id));
                if let Some(client) = self.laws.clients().find(waits) {
                    self.session(client, reply);
                }
            }
        }
    }

    fn is_open(&self, place: u8) -> bool {
        self.view().is_open(self.laws.links()[usize::from(place)])
    }

    /// Brings a link up: the hello is heard at once.
    pub(super) fn connect(&mut self, link: LinkId) {
        if self.view().is_open(link) {
            let input = self.tables.inputs.id(Input::Connected { from: link.from });
            self.feed(link.to, input);
        }
    }

    /// A replica dies, and what is under way to and from it is lost.
    pub(super) fn kill(&mut self, replica: ReplicaId, phase: Phase) {
        self.change_node(replica, |node| node.phase = phase);
        for &link in self.laws.links() {
            if link.from == replica || link.to == replica {
                self.change_wire(link, |wire| *wire = Wire::default());
            }
            if link.to == replica && self.is_live(link.from) {
                let input = self.tables.inputs.id(Input::Disconnected { to: replica });
                self.feed(link.from, input);
            }
        }
        for client in self.laws.clients() {
            self.change_client(client, |client| client.calls.retain(|call| call.at != replica));
            // Its connection broke: no answer will come from there.
            if self.view().client(client).pending.is_some_and(|(at, _)| at == replica) {
                self.tell(client, SessionInput::Unanswered);
            }
        }
    }

    /// Brings a replica to where its disk says that it was.
    pub(super) fn recover(&mut self, replica: ReplicaId) {
        let records = self.tables.records(self.view().node(replica).disk);
        let recovered = match Replica::recover(Arc::clone(&self.laws.config), replica, records) {
            Ok(recovered) => self.tables.replicas.id(Arc::new(recovered)),
            Err(error) => panic!("{replica} does not understand its own log: {error}"),
        };
        self.change_node(replica, |node| node.replica = recovered);
    }

    fn restart(&mut self, replica: ReplicaId) {
        self.recover(replica);
        self.change_node(replica, |node| node.phase = Phase::Live);
        for &link in self.laws.links() {
            if link.from == replica || link.to == replica {
                self.connect(link);
            }
        }
    }

    // Clients.

    /// A client begins its next write: of what its slot puts into a record, or of what takes something back.
    pub(super) fn write(&mut self, client: ClientId, key: u8, erases: Option<usize>) {
        let session = self.view().client(client).session;
        let slot = self.laws.slot_of(self.tables.sessions[session].next_write());
        let after = self.view().acknowledged().fold(0, |after, (slot, _)| after | 1 << slot);
        let read = self.view().client(client).witnessed.seen;
        let erased = erases.map(narrow);
        let issued = Issued { state: IssuedState::Open, after, moved: false, key, erases: erased, read };
        self.set_issued(slot, issued);
        self.change_budgets(|budgets| budgets.writes -= 1);
        self.change_client(client, |client| client.slot = Some(narrow(slot)));
        let workload = self.laws.scope.workload;
        self.start(client, key, workload.write(slot, erases));
    }

    pub(super) fn start(&mut self, client: ClientId, key: u8, operation: Operation) {
        let key = Key::new_static(KEYS[usize::from(key)]);
        self.tell(client, SessionInput::Start(KeyedOperation { key, operation }));
    }

    fn relocate(&mut self, client: ClientId, to: ReplicaId, token: bool) {
        self.change_budgets(|budgets| budgets.relocations -= 1);
        self.change_client(client, |client| client.at = to);
        if let Some(slot) = self.view().client(client).slot.map(usize::from)
            && let Some(issued) = self.view().issued_at(slot).cloned()
        {
            self.set_issued(slot, Issued { moved: true, ..issued });
        }
        self.tell(client, SessionInput::Relocated { token });
    }

    fn tell(&mut self, client: ClientId, input: SessionInput) {
        let told = self.tables.answers.id(input);
        self.session(client, told);
    }

    fn session(&mut self, client: ClientId, told: Id<SessionInput>) {
        let session = self.view().client(client).session;
        let (session, resolved, said) = self.tables.talk(session, told);
        self.change_client(client, |client| (client.session, client.pending) = (session, None));
        if let Some(resolution) = resolved {
            self.resolved(resolution);
        }
        match said {
            Some(Said::Ask(request)) => self.request(client, request),
            Some(Said::Done(outcome)) => self.finish(client, outcome),
            None => {}
        }
    }

    fn request(&mut self, client: ClientId, request: Id<Request>) {
        let (at, id) = self.change_client(client, |is| {
            is.requests += 1;
            let id = RequestId(u64::from(client.0) << 16 | u64::from(is.requests));
            is.pending = Some((is.at, id));
            (is.at, id)
        });
        let input = self.tables.arrival(id, request);
        if self.laws.scope.overlap {
            self.change_client(client, |client| client.calls.push(Call { at, input }));
        } else {
            self.feed(at, input);
        }
    }

    fn finish(&mut self, client: ClientId, outcome: Id<Outcome>) {
        let (slot, reading) =
            self.change_client(client, |client| (client.slot.take(), client.reading.take()));
        if let (Some(key), Outcome::Read { versions, applied, .. }) =
            (reading, &self.tables.outcomes[outcome])
        {
            let (versions, applied) = (versions.clone(), applied.clone());
            return self.has_read(client, key, &versions, &applied);
        }
        if let Some(slot) = slot.map(usize::from)
            && let Some(issued) = self.view().issued_at(slot).cloned()
        {
            let state = IssuedState::of(&self.tables.outcomes[outcome]);
            let issued = self.set_issued(slot, Issued { state, ..issued });
            self.tables.births.issued.note(issued, Birth::End(outcome));
        }
    }
}
