//! Symmetry: leaders that are alike may change names, and their clients with them, and nothing else changes.
//!
//! A state and its images under all such changes of names have one fingerprint, so a search goes on from one of them
//! only. Nothing here knows how to rename what is inside a replica or a message. Images are learnt by doing: the image
//! of what a step made is what the image of the step makes. Every part of a state was made by some step from parts that
//! were there before, down to the beginning, where only names differ; see [`Birth`](super::tables::Birth). So an image
//! is always a part of a real state, and a strategy that treats leaders differently is caught where its steps do not
//! match.
//!
//! Emerson and Sistla, "Symmetry and Model Checking", 1996.

use super::{
    parts::{Call, Client, Issued, IssuedState, Issues, Made, Node, Wire},
    state::State,
    table::{Id, fingerprint},
    tables::{Birth, Occasion, Said, Tables, Wish},
    world::{Laws, narrow},
};
use crate::{
    id::{ClientId, LinkId, ReplicaId},
    message::{Entry, Input, Request, RequestId},
    operation::KeyedOperation,
    replica::Replica,
    session::{Outcome, Session, SessionInput},
};
use alloc::{sync::Arc, vec::Vec};

/// A change of names that leaves the world as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Renaming {
    replicas: Vec<ReplicaId>,
    clients: Vec<ClientId>,
    /// The places of links.
    places: Vec<u8>,
    slots: Vec<usize>,
}

/// The images of parts under one renaming, by the numbers of the parts; 0 as long as nobody asked.
#[derive(Debug, Default)]
struct Images {
    nodes: Vec<u32>,
    /// The classes of the images of nodes.
    classes: Vec<u32>,
    replicas: Vec<u32>,
    inputs: Vec<u32>,
    answers: Vec<u32>,
    sessions: Vec<u32>,
    requests: Vec<u32>,
    outcomes: Vec<u32>,
    entries: Vec<u32>,
    made: Vec<u32>,
    issued: Vec<u32>,
    issues: Vec<u32>,
    wires: Vec<u32>,
    clients: Vec<u32>,
}

/// The group of renamings, and what is known of images.
#[derive(Debug)]
pub(super) struct Symmetry {
    renamings: Vec<(Renaming, Images)>,
    /// Kept from state to state, so that memory is asked for once.
    row: Vec<u32>,
    candidates: Vec<usize>,
}

impl Symmetry {
    /// All changes of names of leaders, and of clients with those where they begin, that map links to links.
    pub(super) fn of(laws: &Laws) -> Self {
        let leaders = permutations(laws.config.graph.replica_count());
        let clients = permutations(laws.scope.clients);
        let pairs = leaders.iter().flat_map(|leaders| clients.iter().map(move |clients| (leaders, clients)));
        let renamings = pairs.filter_map(|(leaders, clients)| Renaming::of(laws, leaders, clients));
        let renamings = renamings.map(|renaming| (renaming, Images::default())).collect();
        Self { renamings, row: Vec::new(), candidates: Vec::new() }
    }

    /// How many renamings there are, the one that changes nothing among them.
    pub(super) fn order(&self) -> usize {
        self.renamings.len()
    }

    /// The least fingerprint among those of the state's images: one for all of them.
    pub(super) fn fingerprint(&mut self, tables: &mut Tables, laws: &Laws, state: &State) -> u64 {
        // What was written tells most images apart: only those that are first by that are looked at whole.
        let mut least = u64::MAX;
        self.candidates.clear();
        for (number, (renaming, images)) in self.renamings.iter_mut().enumerate() {
            let mut imaging = Imaging { tables, laws, renaming, images };
            let made = imaging.made(state.made()).word();
            let issues = imaging.issues(state.issues()).word();
            let rank = fingerprint(&[made, issues]);
            if rank < least {
                least = rank;
                self.candidates.clear();
            }
            if rank == least {
                self.candidates.push(number);
            }
        }
        let mut least = u64::MAX;
        for &number in &self.candidates {
            let (renaming, images) = &mut self.renamings[number];
            self.row.clear();
            self.row.resize(state.layout.canonical(), 0);
            Imaging { tables, laws, renaming, images }.row(state, &mut self.row);
            least = least.min(fingerprint(&self.row));
        }
        least
    }
}

#[cfg(test)]
impl Symmetry {
    /// The canonical forms of all images.
    pub(super) fn images(&mut self, tables: &mut Tables, laws: &Laws, state: &State) -> Vec<Vec<u32>> {
        let image = |(renaming, images): &mut (Renaming, Images)| {
            let mut row = Vec::from_iter(core::iter::repeat_n(0, state.layout.canonical()));
            Imaging { tables, laws, renaming, images }.row(state, &mut row);
            row
        };
        self.renamings.iter_mut().map(image).collect()
    }
}

/// All orders of so many things. No more than a handful: the number of orders grows as their factorial.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    let mut all = Vec::from([Vec::new()]);
    for next in 0..count {
        let longer = |order: &Vec<usize>| {
            let order = order.clone();
            (0..=order.len()).map(move |at| {
                let mut order = order.clone();
                order.insert(at, next);
                order
            })
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

impl Renaming {
    fn of(laws: &Laws, leaders: &[usize], clients: &[usize]) -> Option<Self> {
        let replicas: Vec<ReplicaId> = leaders.iter().map(|&leader| ReplicaId::from_index(leader)).collect();
        let home = |client: usize| client % laws.scope.leaders;
        let at_home = |(client, &image): (usize, &usize)| home(image) == leaders[home(client)];
        let links = laws.links();
        let image =
            |link: &LinkId| LinkId { from: replicas[link.from.index()], to: replicas[link.to.index()] };
        if !clients.iter().enumerate().all(at_home) || !links.iter().all(|link| links.contains(&image(link)))
        {
            return None;
        }
        let writes = laws.scope.writes_of_a_client();
        let slot = |slot: usize| clients[slot / writes] * writes + slot % writes;
        Some(Self {
            places: links.iter().map(|link| laws.place(image(link))).collect(),
            slots: (0..clients.len() * writes).map(slot).collect(),
            clients: laws.clients().zip(clients).map(|(_, &image)| client_of(image)).collect(),
            replicas,
        })
    }

    fn replica(&self, replica: ReplicaId) -> ReplicaId {
        self.replicas[replica.index()]
    }

    fn client(&self, client: ClientId) -> ClientId {
        self.clients[client.0 as usize]
    }

    fn request_id(&self, RequestId(id): RequestId) -> RequestId {
        let client = client_of(usize::try_from(id >> 16).unwrap_or(usize::MAX));
        RequestId(u64::from(self.client(client).0) << 16 | id & 0xffff)
    }
}

fn client_of(index: usize) -> ClientId {
    match u32::try_from(index) {
        Ok(index) => ClientId(index),
        Err(_) => panic!("there is no client of number {index}"),
    }
}

/// Parts, and one renaming.
struct Imaging<'a> {
    tables: &'a mut Tables,
    laws: &'a Laws,
    renaming: &'a Renaming,
    images: &'a mut Images,
}

/// The image of a part: as it is known, or as it is found out and then noted.
macro_rules! image {
    ($self:ident, $kind:ident, $id:ident, $found:expr) => {{
        let index = $id.word() as usize;
        match $self.images.$kind.get(index) {
            Some(&known) if known != 0 => Id::of_word(known),
            _ => {
                let found = $found;
                if $self.images.$kind.len() <= index {
                    $self.images.$kind.resize(index + 1, 0);
                }
                $self.images.$kind[index] = found.word();
                found
            }
        }
    }};
}

impl Imaging<'_> {
    /// The canonical form of the state's image.
    fn row(&mut self, state: &State, row: &mut [u32]) {
        let layout = state.layout;
        let (replicas, clients) = (self.laws.config.graph.replicas(), self.laws.clients());
        for replica in replicas {
            row[self.renaming.replica(replica).index()] = self.class(state.node(replica));
        }
        for place in 0..usize::from(layout.wires) {
            let image = usize::from(self.renaming.places[place]);
            row[layout.wire_at(image)] = self.wire(state.wire(place)).word();
        }
        for client in clients {
            row[layout.client_at(self.renaming.client(client))] = self.client(state.client(client)).word();
        }
        let [issues, made, budgets] = layout.singles_at();
        row[issues] = self.issues(state.issues()).word();
        row[made] = self.made(state.made()).word();
        row[budgets] = state.budgets().word();
    }

    fn class(&mut self, id: Id<Node>) -> u32 {
        let index = id.word() as usize;
        if let Some(&known) = self.images.classes.get(index)
            && known != 0
        {
            return known;
        }
        let image = self.node(id);
        let class = self.tables.class(self.laws, image);
        if self.images.classes.len() <= index {
            self.images.classes.resize(index + 1, 0);
        }
        self.images.classes[index] = class;
        class
    }

    fn node(&mut self, id: Id<Node>) -> Id<Node> {
        image!(self, nodes, id, {
            let node = self.tables.nodes[id];
            assert!(node.disk.is_none(), "disks have no images");
            let replica = self.replica(node.replica);
            self.tables.nodes.id(Node { replica, ..node })
        })
    }

    fn replica(&mut self, id: Id<Arc<Replica>>) -> Id<Arc<Replica>> {
        image!(self, replicas, id, {
            match self.tables.births.replicas.of(id) {
                Birth::Beginning => {
                    let me = self.renaming.replica(self.tables.replicas[id].id());
                    let fresh = Replica::new(Arc::clone(&self.laws.config), me);
                    self.tables.replicas.id(Arc::new(fresh))
                }
                Birth::Step(occasion) => {
                    let node = self.effect(occasion).0;
                    self.tables.nodes[node].replica
                }
                birth => panic!("no replica is born so: {birth:?}"),
            }
        })
    }

    /// The image of a step: the node after it, and its wishes.
    fn effect(&mut self, Occasion { node, input, tick }: Occasion) -> (Id<Node>, Vec<Wish>) {
        let (node, input) = (self.node(node), self.input(input));
        let effect = self.tables.effect(self.laws, node, input, tick);
        let wishes = effect.wishes().map(|at| self.tables.wish(at)).collect();
        (effect.node, wishes)
    }

    /// What the image of a step wished where the step itself made a wish.
    fn wish(&mut self, occasion: Occasion, is_it: impl Fn(Wish) -> bool) -> Wish {
        let effect = self.tables.effect(self.laws, occasion.node, occasion.input, occasion.tick);
        let wishes: Vec<Wish> = effect.wishes().map(|at| self.tables.wish(at)).collect();
        let Some(&wish) = wishes.iter().find(|&&wish| is_it(wish)) else {
            panic!("a step did not make this")
        };
        let images = self.effect(occasion).1;
        let mut fitting = images.into_iter().filter(|&image| self.fits(wish, image));
        let Some(image) = fitting.next() else { panic!("the leaders are not alike: {wish:?} has no image") };
        assert!(fitting.next().is_none(), "the image of {wish:?} is one of several");
        image
    }

    /// Whether a wish may be the image of another, by where it goes.
    fn fits(&self, wish: Wish, image: Wish) -> bool {
        let place = |place: u8| self.renaming.places[usize::from(place)];
        match (wish, image) {
            (Wish::Made(_), Wish::Made(_)) => true,
            (Wish::Forth { place: of, .. }, Wish::Forth { place: is, .. })
            | (Wish::Back { place: of, .. }, Wish::Back { place: is, .. })
            | (Wish::Hello { place: of, .. }, Wish::Hello { place: is, .. }) => place(of) == is,
            (Wish::Reply { id: of, .. }, Wish::Reply { id: is, .. }) => self.renaming.request_id(of) == is,
            _ => false,
        }
    }

    fn input(&mut self, id: Id<Input>) -> Id<Input> {
        image!(self, inputs, id, {
            match self.tables.inputs[id].clone() {
                Input::Flush | Input::Tick | Input::Collect | Input::Forget | Input::TakeHome { .. } => id,
                Input::Connected { from } => {
                    self.tables.inputs.id(Input::Connected { from: self.renaming.replica(from) })
                }
                Input::Disconnected { to } => {
                    self.tables.inputs.id(Input::Disconnected { to: self.renaming.replica(to) })
                }
                Input::Request { id, request } => {
                    let request = self.tables.requests.id(request);
                    let request = self.request(request);
                    self.tables.arrival(self.renaming.request_id(id), request)
                }
                Input::Peer { .. } => match self.tables.births.inputs.of(id) {
                    Birth::Step(occasion) => match self.wish(occasion, |wish| wish.input() == Some(id)) {
                        Wish::Forth { input, .. } | Wish::Back { input, .. } | Wish::Hello { input, .. } => {
                            input
                        }
                        Wish::Made(_) | Wish::Reply { .. } => panic!("that is no message"),
                    },
                    birth => panic!("no message is born so: {birth:?}"),
                },
            }
        })
    }

    fn entry(&mut self, id: Id<Arc<Entry>>) -> Id<Arc<Entry>> {
        image!(self, entries, id, {
            let Birth::Step(occasion) = self.tables.births.entries.of(id) else { panic!("no step made it") };
            let Wish::Made(entry) = self.wish(occasion, |wish| wish == Wish::Made(id)) else {
                panic!("that is no entry")
            };
            entry
        })
    }

    fn made(&mut self, id: Id<Made>) -> Id<Made> {
        image!(self, made, id, {
            let Made { count, last } = self.tables.made[id];
            let last = last.map(|(before, entry)| (self.made(before), self.entry(entry)));
            self.tables.made.id(Made { count, last })
        })
    }

    fn answer(&mut self, id: Id<SessionInput>) -> Id<SessionInput> {
        image!(self, answers, id, {
            match self.tables.answers[id].clone() {
                SessionInput::Relocated { .. } | SessionInput::Unanswered | SessionInput::Unsent => id,
                SessionInput::Start(keyed) => {
                    let workload = self.laws.scope.workload;
                    let is_it = |&slot: &usize| workload.operation(slot) == keyed.operation;
                    let slot = (0..self.renaming.slots.len()).find(is_it);
                    let Some(slot) = slot else { panic!("no slot has the operation {keyed:?}") };
                    let operation = workload.operation(self.renaming.slots[slot]);
                    let keyed = KeyedOperation { operation, ..keyed };
                    self.tables.answers.id(SessionInput::Start(keyed))
                }
                SessionInput::Reply(_) => {
                    let Birth::Step(occasion) = self.tables.births.answers.of(id) else {
                        panic!("no step made this reply")
                    };
                    let is_it = |wish: Wish| matches!(wish, Wish::Reply { reply, .. } if reply == id);
                    let Wish::Reply { reply, .. } = self.wish(occasion, is_it) else {
                        panic!("that is no reply")
                    };
                    reply
                }
            }
        })
    }

    fn session(&mut self, id: Id<Session>) -> Id<Session> {
        image!(self, sessions, id, {
            match self.tables.births.sessions.of(id) {
                Birth::Talk(session, told) => self.talk(session, told).0,
                Birth::Beginning => {
                    let client = self.renaming.client(self.tables.sessions[id].client());
                    let session = self.laws.session(client);
                    self.tables.sessions.id(session)
                }
                birth => panic!("no session is born so: {birth:?}"),
            }
        })
    }

    fn talk(&mut self, session: Id<Session>, told: Id<SessionInput>) -> (Id<Session>, Option<Said>) {
        let (session, told) = (self.session(session), self.answer(told));
        let (session, _, said) = self.tables.talk(session, told);
        (session, said)
    }

    fn request(&mut self, id: Id<Request>) -> Id<Request> {
        image!(self, requests, id, {
            let Birth::Talk(session, told) = self.tables.births.requests.of(id) else {
                panic!("nobody asked this")
            };
            let (_, Some(Said::Ask(request))) = self.talk(session, told) else {
                panic!("that is no request")
            };
            request
        })
    }

    fn outcome(&mut self, id: Id<Outcome>) -> Id<Outcome> {
        image!(self, outcomes, id, {
            let Birth::Talk(session, told) = self.tables.births.outcomes.of(id) else {
                panic!("nobody ended so")
            };
            let (_, Some(Said::Done(outcome))) = self.talk(session, told) else {
                panic!("that is no outcome")
            };
            outcome
        })
    }

    fn issued(&mut self, id: Id<Issued>) -> Id<Issued> {
        image!(self, issued, id, {
            let Issued { state, after, moved, key, erases, read } = self.tables.issued[id].clone();
            let slots = self.renaming.slots.iter().enumerate();
            let after = slots.fold(0, |image, (slot, &to)| image | (after >> slot & 1) << to);
            let state = match state {
                IssuedState::Acknowledged(_) => {
                    let Birth::End(outcome) = self.tables.births.issued.of(id) else {
                        panic!("nothing ended so")
                    };
                    let outcome = self.outcome(outcome);
                    IssuedState::of(&self.tables.outcomes[outcome])
                }
                other => other,
            };
            self.tables.issued.id(Issued { state, after, moved, key, erases, read })
        })
    }

    fn issues(&mut self, id: Id<Issues>) -> Id<Issues> {
        image!(self, issues, id, {
            let issues = self.tables.issues[id].clone();
            let mut image = Issues::from_elem(None, issues.len());
            for (slot, issued) in issues.into_iter().enumerate() {
                image[self.renaming.slots[slot]] = issued.map(|issued| self.issued(issued));
            }
            self.tables.issues.id(image)
        })
    }

    fn wire(&mut self, id: Id<Wire>) -> Id<Wire> {
        image!(self, wires, id, {
            let Wire { forth, back } = self.tables.wires[id].clone();
            let forth = forth.into_iter().map(|input| self.input(input)).collect();
            let back = back.into_iter().map(|input| self.input(input)).collect();
            self.tables.wires.id(Wire { forth, back })
        })
    }

    fn client(&mut self, id: Id<Client>) -> Id<Client> {
        image!(self, clients, id, {
            let Client { session, at, slot, requests, pending, calls, reading, witnessed } =
                self.tables.clients[id].clone();
            let slot = slot.map(|slot| narrow(self.renaming.slots[usize::from(slot)]));
            let pending = pending.map(|(at, id)| (self.renaming.replica(at), self.renaming.request_id(id)));
            let call = |Call { at, input }| Call { at: self.renaming.replica(at), input: self.input(input) };
            let calls = calls.into_iter().map(call).collect();
            let (session, at) = (self.session(session), self.renaming.replica(at));
            self.tables.clients.id(Client { session, at, slot, requests, pending, calls, reading, witnessed })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Faults, Limits, Property, Reductions, Scope, State, Workload, World, explore},
        *,
    };
    use crate::{
        handler::Handler,
        strategy::{LastWriteWins, OnRead, Strategy},
        topology::Topology,
    };
    use alloc::vec;
    use std::collections::{BTreeMap, BTreeSet};

    fn every_state(world: &World) -> BTreeMap<Vec<u32>, State> {
        let (mut states, mut open) = (BTreeMap::new(), vec![world.initial()]);
        while let Some(state) = open.pop() {
            if states.insert(state.canonical().to_vec(), state.clone()).is_none() {
                let mut actions = Vec::new();
                world.actions(&state, &mut actions);
                open.extend(actions.into_iter().map(|action| world.next(&state, action)));
            }
        }
        states
    }

    fn worlds() -> Vec<World> {
        let lww = Strategy::Lww(LastWriteWins::default());
        let siblings = Strategy::OnRead(OnRead { handler: Handler::Union });
        let of = |strategy, topology| Scope { writes: 2, ..Scope::new(strategy, topology) };
        let crash = Faults { crashes: 1, ..Faults::default() };
        let moves = Faults { relocations: 1, in_flight: true, ..Faults::default() };
        let scopes = [
            Scope { faults: crash, overlap: false, ..of(lww.clone(), Topology::AllToAll) },
            Scope { faults: moves, clients: 2, leaders: 2, ..of(lww, Topology::AllToAll) },
            Scope { workload: Workload::Set, ..of(siblings, Topology::Ring) },
        ];
        scopes.into_iter().map(|scope| World::new(scope).unwrap()).collect()
    }

    /// Beside brute force: every image of a state is a state, all images have one fingerprint and no others have it,
    /// and a search meets one state of each orbit.
    #[test]
    fn images_are_states_and_a_search_meets_one_of_each_orbit() {
        for (world, order) in worlds().into_iter().zip([6, 2, 3]) {
            let states = every_state(&world);
            let mut symmetry = Symmetry::of(world.laws());
            assert_eq!(symmetry.order(), order);
            let (mut orbits, mut engine) = (BTreeMap::<Vec<u32>, u64>::new(), world.engine());
            for state in states.values() {
                let fingerprint = engine.fingerprint(&mut symmetry, state);
                let images: BTreeSet<Vec<u32>> = engine.images(&mut symmetry, state).into_iter().collect();
                assert!(images.iter().all(|image| states.contains_key(image)), "an image is no state");
                assert!(images.contains(state.canonical()), "nothing is its own image");
                let least = images.first().unwrap().clone();
                let known = *orbits.entry(least).or_insert(fingerprint);
                assert_eq!(known, fingerprint, "two states of an orbit have two fingerprints");
            }
            drop(engine);
            let fingerprints: BTreeSet<u64> = orbits.values().copied().collect();
            assert_eq!(fingerprints.len(), orbits.len(), "two orbits have one fingerprint");
            let limits =
                Limits { reductions: Reductions { symmetry: true, ..Reductions::NONE }, ..Limits::default() };
            let explored = explore(&world, &Property::ALL[..10], limits);
            assert!(explored.verdicts.iter().any(|verdict| verdict.name() == "holds"));
            assert_eq!(explored.states, orbits.len());
        }
    }

    #[test]
    fn there_are_as_many_orders_as_the_factorial_tells() {
        for (count, orders) in [(0, 1), (1, 1), (3, 6), (5, 120)] {
            let all = permutations(count);
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), orders);
            assert_eq!(all.len(), orders);
        }
    }
}
