//! One moment of a world: a row of ids, and what the ids name.
//!
//! A state is small since its parts are shared: each node, link and client is kept once in [`Tables`], and the state
//! holds their ids. Parts are values: to change one is to make another and to take its id.

use super::{
    parts::{Budgets, Client, Issued, IssuedState, Issues, Made, Node, Phase, Wire},
    table::{Id, fingerprint},
    tables::Tables,
    world::Laws,
};
use crate::{
    id::{ClientId, LinkId, ReplicaId},
    replica::Replica,
};
use alloc::sync::Arc;
use core::{
    fmt,
    hash::{Hash, Hasher},
};
use smallvec::SmallVec;

/// How many parts of each kind a row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) nodes: u8,
    pub(super) wires: u8,
    pub(super) clients: u8,
}

/// The places of the parts that a state has one of, after those of the clients.
const ISSUES: usize = 0;
const MADE: usize = 1;
const BUDGETS: usize = 2;
const SINGLES: usize = 3;

impl Layout {
    const fn wires(self) -> usize {
        self.nodes as usize
    }

    const fn clients(self) -> usize {
        self.wires() + self.wires as usize
    }

    const fn singles(self) -> usize {
        self.clients() + self.clients as usize
    }

    pub(super) const fn wire_at(self, place: usize) -> usize {
        self.wires() + place
    }

    pub(super) const fn client_at(self, client: ClientId) -> usize {
        self.clients() + client.0 as usize
    }

    /// The places of the writes begun, of the entries made, of the budgets.
    pub(super) const fn singles_at(self) -> [usize; SINGLES] {
        [self.singles() + ISSUES, self.singles() + MADE, self.singles() + BUDGETS]
    }

    /// The words that make up the canonical form. After them come the ids of the nodes.
    pub(super) const fn canonical(self) -> usize {
        self.singles() + SINGLES
    }

    /// The words of a row.
    pub(super) const fn words(self) -> usize {
        self.canonical() + self.nodes as usize
    }
}

pub(super) type Row = SmallVec<[u32; 28]>;

/// One moment of a world. It means something only to the world that made it, and to that world's clones.
///
/// The row holds, in this order: the class of each node, each wire, each client, the writes begun, the entries made,
/// the budgets; and then, no part of the canonical form, each node itself. Nodes of one class behave alike, though
/// they came about in different ways.
pub struct State {
    pub(super) layout: Layout,
    pub(super) row: Row,
}

/// By hand, since the derived one copies the row word by word.
impl Clone for State {
    fn clone(&self) -> Self {
        Self { layout: self.layout, row: Row::from_slice(&self.row) }
    }
}

impl State {
    pub(super) fn node(&self, replica: ReplicaId) -> Id<Node> {
        Id::of_word(self.row[self.layout.canonical() + replica.index()])
    }

    pub(super) fn wire(&self, place: usize) -> Id<Wire> {
        Id::of_word(self.row[self.layout.wire_at(place)])
    }

    pub(super) fn client(&self, client: ClientId) -> Id<Client> {
        Id::of_word(self.row[self.layout.client_at(client)])
    }

    pub(super) fn issues(&self) -> Id<Issues> {
        Id::of_word(self.row[self.layout.singles() + ISSUES])
    }

    pub(super) fn made(&self) -> Id<Made> {
        Id::of_word(self.row[self.layout.singles() + MADE])
    }

    pub(super) fn budgets(&self) -> Id<Budgets> {
        Id::of_word(self.row[self.layout.singles() + BUDGETS])
    }

    /// Puts a node in its place. Its class comes later: see [`Self::set_class`].
    pub(super) fn set_node(&mut self, replica: ReplicaId, node: Id<Node>) {
        let place = self.layout.canonical() + replica.index();
        self.row[place] = node.word();
    }

    /// Notes the class that the table of nodes tells.
    pub(super) fn set_class(&mut self, replica: ReplicaId, class: u32) {
        self.row[replica.index()] = class;
    }

    pub(super) fn set_wire(&mut self, place: usize, wire: Id<Wire>) {
        let place = self.layout.wire_at(place);
        self.row[place] = wire.word();
    }

    pub(super) fn set_client(&mut self, client: ClientId, is: Id<Client>) {
        let place = self.layout.client_at(client);
        self.row[place] = is.word();
    }

    pub(super) fn set_issues(&mut self, issues: Id<Issues>) {
        let place = self.layout.singles() + ISSUES;
        self.row[place] = issues.word();
    }

    pub(super) fn set_made(&mut self, made: Id<Made>) {
        let place = self.layout.singles() + MADE;
        self.row[place] = made.word();
    }

    pub(super) fn set_budgets(&mut self, budgets: Id<Budgets>) {
        let place = self.layout.singles() + BUDGETS;
        self.row[place] = budgets.word();
    }

    /// The canonical form: states of one world with equal forms have equal futures and equal verdicts.
    #[must_use]
    pub fn canonical(&self) -> &[u32] {
        &self.row[..self.layout.canonical()]
    }

    /// The 64 bits by which a search knows the state again.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        fingerprint(self.canonical())
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.canonical().hash(hasher);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for State {}

/// The bare ids: [`World::describe`](super::World::describe) says what they name.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State{:?}", self.row.as_slice())
    }
}

/// A state together with what its ids name: for all who look and do not touch.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) laws: &'a Laws,
    pub(super) tables: &'a Tables,
    pub(super) state: &'a State,
}

impl<'a> View<'a> {
    pub(super) fn node(self, replica: ReplicaId) -> &'a Node {
        &self.tables.nodes[self.state.node(replica)]
    }

    pub(super) fn nodes(self) -> impl Iterator<Item = (ReplicaId, &'a Node)> {
        self.laws.config.graph.replicas().map(move |replica| (replica, self.node(replica)))
    }

    pub(super) fn replica(self, replica: ReplicaId) -> &'a Arc<Replica> {
        &self.tables.replicas[self.node(replica).replica]
    }

    pub(super) fn phase(self, replica: ReplicaId) -> Phase {
        self.node(replica).phase
    }

    pub(super) fn is_live(self, replica: ReplicaId) -> bool {
        self.phase(replica) == Phase::Live
    }

    fn in_phase(self, phase: Phase) -> impl Iterator<Item = &'a Replica> {
        let nodes = self.nodes().filter(move |(_, node)| node.phase == phase);
        nodes.map(move |(_, node)| &*self.tables.replicas[node.replica])
    }

    /// The replicas that run.
    pub(super) fn live(self) -> impl Iterator<Item = &'a Replica> {
        self.in_phase(Phase::Live)
    }

    /// The replicas that are dead for good, as they were when they died.
    pub(super) fn gone(self) -> impl Iterator<Item = &'a Replica> {
        self.in_phase(Phase::Gone)
    }

    pub(super) fn wire(self, place: usize) -> &'a Wire {
        &self.tables.wires[self.state.wire(place)]
    }

    /// The links, each with its place and what is under way on it.
    pub(super) fn wires(self) -> impl Iterator<Item = (LinkId, &'a Wire)> {
        let links = self.laws.links().iter().enumerate();
        links.map(move |(place, &link)| (link, self.wire(place)))
    }

    pub(super) fn client(self, client: ClientId) -> &'a Client {
        &self.tables.clients[self.state.client(client)]
    }

    pub(super) fn clients(self) -> impl Iterator<Item = (ClientId, &'a Client)> {
        self.laws.clients().map(move |client| (client, self.client(client)))
    }

    pub(super) fn budgets(self) -> &'a Budgets {
        &self.tables.budgets[self.state.budgets()]
    }

    /// How many slots for writes there are.
    pub(super) fn slots(self) -> usize {
        self.tables.issues[self.state.issues()].len()
    }

    /// What has become of the write in a slot, if it was begun.
    pub(super) fn issued_at(self, slot: usize) -> Option<&'a Issued> {
        let issued = self.tables.issues[self.state.issues()].get(slot).copied().flatten();
        issued.map(|issued| &self.tables.issued[issued])
    }

    /// The writes begun, by slot.
    pub(super) fn issued(self) -> impl Iterator<Item = (usize, &'a Issued)> {
        let issues = self.tables.issues[self.state.issues()].iter().enumerate();
        issues.filter_map(move |(slot, issued)| Some((slot, &self.tables.issued[(*issued)?])))
    }

    /// The acknowledged writes, by slot.
    pub(super) fn acknowledged(self) -> impl Iterator<Item = (usize, &'a Issued)> {
        self.issued().filter(|(_, issued)| matches!(issued.state, IssuedState::Acknowledged(_)))
    }

    /// Whether nothing is under way that could still arrive, no link is cut or has lost something, and every replica
    /// that restarts has done so. Requests that wait for something that never comes do not count: all that time can
    /// still do is refuse them.
    pub(super) fn is_quiescent(self) -> bool {
        let silent = self.tables.silent.word();
        let wires = self.state.layout.wires()..self.state.layout.clients();
        self.state.row[wires].iter().all(|&wire| wire == silent)
            && self.clients().all(|(_, client)| client.calls.is_empty())
            && self.nodes().all(|(_, node)| node.phase != Phase::Down)
            && self.budgets().cut == 0
            && !self.laws.links().iter().any(|&link| self.lacks(link))
    }
}

/// What each replica shows, and what is under way: enough to read a path by.
impl fmt::Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (replica, node) in self.nodes() {
            write!(f, "{replica} {:?} {:+} ms:", node.phase, node.offset_ms)?;
            for (_, cell) in self.replica(replica).cells() {
                for version in &cell.versions {
                    write!(f, " {}@{}", version.write, version.stamp)?;
                }
            }
            write!(f, "; ")?;
        }
        let under_way: usize = self.wires().map(|(_, wire)| wire.forth.len()).sum();
        write!(f, "{under_way} under way")
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Acknowledgements, Action, Faults, Property, Scope, Workload, World},
        *,
    };
    use crate::{
        handler::Handler,
        strategy::{HandOver, HomeLeader, LastWriteWins, OnRead, OnWrite, Strategy},
        topology::{Propagation, Topology},
    };
    use alloc::{
        collections::{BTreeMap, BTreeSet, VecDeque},
        vec,
        vec::Vec,
    };

    /// Two writes, and one of each fault, in the smallest clusters.
    fn worlds() -> Vec<World> {
        let lww = Strategy::Lww(LastWriteWins::default());
        let fenced = HomeLeader { hand_over: HandOver::Fenced, ..HomeLeader::default() };
        let small = |strategy, topology| Scope { clients: 1, writes: 2, ..Scope::new(strategy, topology) };
        let pair = |strategy| Scope { leaders: 2, clients: 2, ..small(strategy, Topology::AllToAll) };
        let faults = |faults: Faults, scope: Scope| Scope { faults, ..scope };
        let (none, all) = (Faults::default(), Topology::AllToAll);
        let skew = Faults { offsets_ms: vec![-1, 5], clock_changes: 1, ..none.clone() };
        let moves = Faults { relocations: 2, in_flight: true, loses_token: true, ..none.clone() };
        let restart = Faults { restarts: 1, ..none.clone() };
        let relay = Scope { propagation: Propagation::Relay, ..small(lww.clone(), all) };
        let acks = Acknowledgements::Delivered;
        let delta = Strategy::OnWrite(OnWrite { handler: Handler::Delta });
        let scopes = [
            faults(skew, pair(lww.clone())),
            faults(moves.clone(), Scope { tokens: true, ..pair(lww) }),
            faults(Faults { crashes: 1, ..none }, relay.clone()),
            faults(restart.clone(), Scope { acknowledgements: acks, ..relay }),
            faults(moves.clone(), small(Strategy::HomeLeader(fenced), Topology::Ring)),
            faults(moves, Scope { workload: Workload::Counter, ..pair(delta) }),
            faults(restart, Scope { workload: Workload::Set, ..pair(siblings()) }),
            faults(links(), Scope { acknowledgements: acks, ..pair(wall()) }),
            faults(Faults { tail_losses: 1, tail_records: 2, ..Faults::default() }, pair(wall())),
            faults(
                Faults { hand_overs: 1, duplicates: 1, ..Faults::default() },
                small(drained(), Topology::Ring),
            ),
        ];
        scopes.into_iter().map(|scope| World::new(scope).unwrap()).collect()
    }

    fn wall() -> Strategy {
        Strategy::Lww(LastWriteWins::default())
    }

    fn drained() -> Strategy {
        Strategy::HomeLeader(HomeLeader { hand_over: HandOver::Drained, ..HomeLeader::default() })
    }

    fn links() -> Faults {
        Faults { duplicates: 1, unordered: true, cuts: 1, ..Faults::default() }
    }

    fn siblings() -> Strategy {
        Strategy::OnRead(OnRead { handler: Handler::Union })
    }

    /// What can be done and where it leads, and what the state says about each property.
    fn future(world: &World, state: &State) -> (Vec<(Action, Vec<u32>)>, Vec<super::super::Judgement>) {
        let mut actions = Vec::new();
        world.actions(state, &mut actions);
        let next = actions
            .into_iter()
            .map(|action| (action, world.next(state, action).canonical().to_vec()))
            .collect();
        (next, Property::ALL.into_iter().map(|property| property.judge(world, state)).collect())
    }

    /// Every state by all there is to it, whatever its canonical form.
    fn every_state(world: &World) -> Vec<State> {
        let mut met = BTreeSet::from([world.initial().row]);
        let (mut states, mut open) = (Vec::new(), VecDeque::from([world.initial()]));
        while let Some(state) = open.pop_front() {
            let mut actions = Vec::new();
            world.actions(&state, &mut actions);
            for action in actions {
                let next = world.next(&state, action);
                if met.insert(next.row.clone()) {
                    open.push_back(next);
                }
            }
            states.push(state);
        }
        states
    }

    #[test]
    fn states_of_one_canonical_form_have_one_future_and_one_verdict() {
        let mut merged = 0;
        for world in worlds() {
            let mut futures = BTreeMap::new();
            for state in every_state(&world) {
                let future = future(&world, &state);
                match futures.get(state.canonical()) {
                    Some(known) => {
                        assert_eq!(known, &future, "{state:?} of {:?}", world.scope());
                        merged += 1;
                    }
                    None => {
                        futures.insert(state.canonical().to_vec(), future);
                    }
                }
            }
        }
        assert!(merged > 0, "no two states had one form: the test says nothing");
    }

    #[test]
    fn every_action_listed_changes_the_state_and_none_leads_back() {
        for world in worlds() {
            // Depth first with the path marked: a step to a marked state would close a circle.
            let mut done = BTreeSet::new();
            let mut path: Vec<(Vec<u32>, Vec<State>)> = vec![(Vec::new(), vec![world.initial()])];
            while let Some((_, open)) = path.last_mut() {
                let Some(state) = open.pop() else {
                    done.extend(path.pop().map(|(form, _)| form));
                    continue;
                };
                let form = state.canonical().to_vec();
                assert!(path.iter().all(|(marked, _)| *marked != form), "{state:?} comes again");
                if !done.contains(&form) {
                    let mut actions = Vec::new();
                    world.actions(&state, &mut actions);
                    let distinct: BTreeSet<&Action> = actions.iter().collect();
                    assert_eq!(distinct.len(), actions.len(), "an action is listed twice");
                    path.push((form, actions.iter().map(|&action| world.next(&state, action)).collect()));
                }
            }
        }
    }
}
