//! One moment of a world, and its canonical form.

use super::{action::Action, scope::Faults};
use crate::{
    id::{Dot, LinkId, ReplicaId},
    message::{Entry, Message, Record, Request, RequestId, Written},
    replica::Replica,
    session::Session,
};
use alloc::{sync::Arc, vec::Vec};
use core::{
    fmt,
    hash::{Hash, Hasher},
};
use smallvec::SmallVec;

/// Whether a replica runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It runs.
    Live,
    /// It is dead, and will restart.
    Down,
    /// It is dead for good.
    Gone,
}

/// A replica, its clock and its disk.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) replica: Arc<Replica>,
    pub(super) phase: Phase,
    pub(super) offset_ms: i8,
    /// What it persisted; kept only where a restart may need it.
    pub(super) disk: Arc<Vec<Record>>,
    /// The replica's part of the canonical form, once it is known: most steps touch one replica of several.
    pub(super) form: Option<Arc<[u8]>>,
}

impl Node {
    fn form_of(replica: &Replica) -> Canonical {
        let mut form = Canonical::default();
        replica.hash_behaviour(&mut form);
        form
    }

    /// Makes the replica's part of the form, if it was touched.
    pub(super) fn keep_form(&mut self) {
        if self.form.is_none() {
            self.form = Some(Arc::from(&*Self::form_of(&self.replica).0));
        }
    }
}

/// What is under way on one link.
#[derive(Debug, Clone, Default)]
pub(super) struct Wire {
    /// In the link's direction: entries and routed messages.
    pub(super) forth: SmallVec<[Arc<Message>; 2]>,
    /// Against it: acknowledgements, where they travel.
    pub(super) back: SmallVec<[Arc<Message>; 2]>,
}

/// A request on its way to a replica.
#[derive(Debug, Clone, Hash)]
pub(super) struct Call {
    pub(super) at: ReplicaId,
    pub(super) id: RequestId,
    pub(super) request: Request,
}

/// A client.
#[derive(Debug, Clone, Hash)]
pub(super) struct Client {
    pub(super) session: Session,
    pub(super) at: ReplicaId,
    /// The request whose answer it waits for.
    pub(super) pending: Option<(ReplicaId, RequestId)>,
    /// Its requests that have not arrived; strays among them, after it moved.
    pub(super) calls: SmallVec<[Call; 1]>,
    pub(super) requests: u32,
    /// The write that it is at.
    pub(super) slot: Option<u8>,
}

/// How far a write has come, as its client knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IssuedState {
    /// It is under way.
    Open,
    /// It was acknowledged.
    Acknowledged(Written),
    /// It did not happen.
    Failed,
    /// It may or may not have happened.
    Unknown,
}

/// A write that a client has begun: a ghost, which decides nothing but verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issued {
    /// How far it has come.
    pub state: IssuedState,
    /// The writes that were acknowledged before it began, one bit a slot: all there is to real time.
    pub after: u16,
    /// Whether its client moved while it was under way: then two leaders may have taken it.
    pub moved: bool,
}

impl Issued {
    /// Its acknowledgement, if there was one.
    #[must_use]
    pub const fn written(&self) -> Option<&Written> {
        if let IssuedState::Acknowledged(written) = &self.state { Some(written) } else { None }
    }
}

/// What is left to writers and to the nemesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Budgets {
    pub(super) writes: u8,
    pub(super) clock_changes: u8,
    pub(super) relocations: u8,
    pub(super) crashes: u8,
    pub(super) restarts: u8,
    pub(super) duplicates: u8,
    pub(super) cuts: u8,
    pub(super) hand_overs: u8,
    pub(super) tail_losses: u8,
    pub(super) collections: u8,
    pub(super) forgettings: u8,
}

impl Budgets {
    pub(super) const fn new(writes: u8, faults: &Faults) -> Self {
        let Faults { clock_changes, relocations, crashes, restarts, duplicates, cuts, .. } = *faults;
        let Faults { hand_overs, tail_losses, collections, forgettings, .. } = *faults;
        Self {
            writes,
            clock_changes,
            relocations,
            crashes,
            restarts,
            duplicates,
            cuts,
            hand_overs,
            tail_losses,
            collections,
            forgettings,
        }
    }
}

/// How a state came about: its last action, and what led to the state before.
#[derive(Debug)]
pub(super) struct Trail {
    pub(super) last: Action,
    pub(super) before: Option<Arc<Trail>>,
}

/// One moment of a world.
#[derive(Clone)]
pub struct State {
    pub(super) nodes: Vec<Node>,
    pub(super) wires: Vec<Wire>,
    pub(super) clients: Vec<Arc<Client>>,
    pub(super) issued: Vec<Option<Arc<Issued>>>,
    /// All entries ever made, in the order of their making. Their number is the time.
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) budgets: Budgets,
    /// The links that are cut, one bit a link.
    pub(super) cut: u64,
    /// No part of the canonical form.
    pub(super) trail: Option<Arc<Trail>>,
}

impl State {
    /// The actions that led here.
    #[must_use]
    pub fn path(&self) -> Vec<Action> {
        let mut path = Vec::new();
        let mut trail = &self.trail;
        while let Some(step) = trail {
            path.push(step.last);
            trail = &step.before;
        }
        path.reverse();
        path
    }

    /// The replicas that run.
    pub fn live(&self) -> impl Iterator<Item = &Replica> {
        self.nodes.iter().filter(|node| node.phase == Phase::Live).map(|node| &*node.replica)
    }

    /// The replicas that are dead for good, as they were when they died.
    pub fn gone(&self) -> impl Iterator<Item = &Replica> {
        self.nodes.iter().filter(|node| node.phase == Phase::Gone).map(|node| &*node.replica)
    }

    /// The writes begun, by slot.
    pub fn issued(&self) -> impl Iterator<Item = (usize, &Issued)> {
        self.issued.iter().enumerate().filter_map(|(slot, issued)| Some((slot, issued.as_deref()?)))
    }

    /// The acknowledged writes, by slot.
    pub fn acknowledged(&self) -> impl Iterator<Item = (usize, &Issued)> {
        self.issued().filter(|(_, issued)| issued.written().is_some())
    }

    pub(super) fn phase(&self, replica: ReplicaId) -> Phase {
        self.nodes[replica.index()].phase
    }

    pub(super) fn is_live(&self, replica: ReplicaId) -> bool {
        self.phase(replica) == Phase::Live
    }

    /// Whether nothing is under way that could still arrive, no link is cut, and every replica that restarts has done
    /// so. Requests that wait for something that never comes do not count: all that time can still do is refuse them.
    #[must_use]
    pub fn is_quiescent(&self) -> bool {
        self.wires.iter().all(|wire| wire.forth.is_empty() && wire.back.is_empty())
            && self.clients.iter().all(|client| client.calls.is_empty())
            && self.nodes.iter().all(|node| node.phase != Phase::Down)
            && self.cut == 0
    }

    pub(super) fn has_entry(&self, dot: Dot) -> bool {
        self.entries.iter().any(|entry| entry.version.dot == dot)
    }

    /// The canonical form: states with equal forms have equal futures and equal verdicts.
    #[must_use]
    pub fn canonical(&self) -> Canonical {
        let mut form = Canonical::default();
        (self.budgets, self.cut).hash(&mut form);
        for node in &self.nodes {
            (node.phase, node.offset_ms).hash(&mut form);
            if self.budgets.tail_losses > 0 {
                hash_disk(&node.disk, &mut form);
            }
            match &node.form {
                Some(known) => form.write(known),
                None => form.write(&Node::form_of(&node.replica).0),
            }
        }
        for wire in &self.wires {
            for queue in [&wire.forth, &wire.back] {
                queue.len().hash(&mut form);
                queue.iter().for_each(|message| hash_message(message, &mut form));
            }
        }
        self.clients.hash(&mut form);
        self.issued.hash(&mut form);
        // Every position names one entry, so wherever a dot stands in this form, this says what it means.
        for entry in &self.entries {
            entry.hash(&mut form);
        }
        form
    }
}

/// Which records would be lost with a tail: replicas that are equal otherwise may have come to it in different orders.
fn hash_disk(disk: &[Record], form: &mut Canonical) {
    disk.len().hash(form);
    for record in disk {
        match record {
            Record::Entry(entry) => entry.version.dot.hash(form),
            other => other.hash(form),
        }
    }
}

fn hash_message(message: &Message, form: &mut Canonical) {
    match message {
        Message::Entries { origin, after, entries } => {
            (0_u8, origin, after, entries.len()).hash(form);
            entries.iter().for_each(|entry| entry.version.dot.position.hash(form));
        }
        Message::Routed(routed) => (1_u8, routed).hash(form),
        Message::Hello { applied } => (2_u8, applied).hash(form),
        Message::Ack { applied } => (3_u8, applied).hash(form),
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write(&self.canonical().0);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for State {}

/// What each replica shows, and what is under way: enough to read a path by.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in &self.nodes {
            write!(f, "{} {:?} {:+} ms:", node.replica.id(), node.phase, node.offset_ms)?;
            for (_, cell) in node.replica.cells() {
                for version in &cell.versions {
                    write!(f, " {}@{}", version.write, version.stamp)?;
                }
            }
            write!(f, "; ")?;
        }
        let under_way: usize = self.wires.iter().map(|wire| wire.forth.len()).sum();
        write!(f, "{under_way} under way")
    }
}

/// The bytes that stand for a state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Canonical(SmallVec<[u8; 512]>);

/// Collects what is hashed rather than hashing it: integers narrow, since nearly all are small.
impl Hasher for Canonical {
    fn finish(&self) -> u64 {
        0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }
    fn write_u64(&mut self, mut number: u64) {
        // LEB128: prefix-free, so that no two sequences of numbers are equal bytes.
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.cast_unsigned() as u64);
    }
    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }
}

/// The place of a link among the links of a graph, which are in order.
pub(super) fn place(links: &[LinkId], link: LinkId) -> usize {
    match links.binary_search(&link) {
        Ok(place) => place,
        Err(_) => panic!("a replica sent over {link}, which this cluster does not have"),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Acknowledgements, Property, Scope, Workload, World},
        *,
    };
    use crate::{
        handler::Handler,
        strategy::{HandOver, HomeLeader, LastWriteWins, OnRead, OnWrite, Strategy},
        topology::{Propagation, Topology},
    };
    use alloc::{
        collections::{BTreeMap, BTreeSet, VecDeque},
        format,
        string::String,
        vec,
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
                small(
                    Strategy::HomeLeader(HomeLeader {
                        hand_over: HandOver::Drained,
                        ..HomeLeader::default()
                    }),
                    Topology::Ring,
                ),
            ),
        ];
        scopes.into_iter().map(|scope| World::new(scope).unwrap()).collect()
    }

    fn wall() -> Strategy {
        Strategy::Lww(LastWriteWins::default())
    }

    fn links() -> Faults {
        Faults { duplicates: 1, unordered: true, cuts: 1, ..Faults::default() }
    }

    fn siblings() -> Strategy {
        Strategy::OnRead(OnRead { handler: Handler::Union })
    }

    /// All there is to a state, but for what all replicas have in common.
    fn whole(state: &State) -> String {
        let State { nodes, wires, clients, issued, entries, budgets, cut, trail: _ } = state;
        let text = format!("{nodes:?}{wires:?}{clients:?}{issued:?}{entries:?}{budgets:?}{cut}");
        let mut parts = text.split("config: Config");
        let first = String::from(parts.next().unwrap_or_default());
        parts.fold(first, |text, part| text + part.split_once("me: ").map_or(part, |(_, rest)| rest))
    }

    /// What can be done and where it leads, and what the state says about each property.
    fn future(world: &World, state: &State) -> (Vec<(Action, Canonical)>, Vec<super::super::Judgement>) {
        let mut actions = Vec::new();
        world.actions(state, &mut actions);
        let next =
            actions.into_iter().map(|action| (action, world.next(state, action).canonical())).collect();
        (next, Property::ALL.into_iter().map(|property| property.judge(world, state)).collect())
    }

    /// Every state by all there is to it, whatever its canonical form.
    fn every_state(world: &World) -> Vec<State> {
        let mut met = BTreeSet::from([whole(&world.initial())]);
        let (mut states, mut open) = (Vec::new(), VecDeque::from([world.initial()]));
        while let Some(state) = open.pop_front() {
            let mut actions = Vec::new();
            world.actions(&state, &mut actions);
            for action in actions {
                let next = world.next(&state, action);
                if met.insert(whole(&next)) {
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
                match futures.get(&state.canonical()) {
                    Some(known) => {
                        assert_eq!(known, &future, "{state:?} of {:?}", world.scope());
                        merged += 1;
                    }
                    None => {
                        futures.insert(state.canonical(), future);
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
            let mut path: Vec<(Canonical, Vec<State>)> = vec![(Canonical::default(), vec![world.initial()])];
            while let Some((_, open)) = path.last_mut() {
                let Some(state) = open.pop() else {
                    done.extend(path.pop().map(|(form, _)| form));
                    continue;
                };
                let form = state.canonical();
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

    #[test]
    fn numbers_side_by_side_are_not_mistaken_for_others() {
        let form = |numbers: &[u64]| {
            let mut form = Canonical::default();
            numbers.iter().for_each(|&number| form.write_u64(number));
            form
        };
        assert_ne!(form(&[1, 2]), form(&[1 | 2 << 7]));
        assert_ne!(form(&[128, 1]), form(&[0, 1, 1]));
    }
}
