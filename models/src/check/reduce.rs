//! Fewer states for the same verdicts: what a search may leave out, and when.
//!
//! **Synchronisation points.** Where all that a delivery does is to install a version, and the order of deliveries from
//! different links makes no difference, nobody sees when a message arrived until the receiver takes a request. So
//! messages wait: just before a replica takes a request, any number of those that came first on each of its links are
//! delivered, and every state is judged as it is when all that is under way has arrived. A path of such a search is
//! a path of the whole world, and no quiescent state is left out: take any path that ends in one, and let each message
//! come as late as it can. It comes before the next request at its receiver, or at the end; what it is delivered after
//! changes nothing. Partial-order reduction by hand; Godefroid, "Partial-Order Methods for the Verification of
//! Concurrent Systems", 1996, has the theory.
//!
//! **Symmetry.** See [`Symmetry`].
//!
//! A reduction that is not valid in a world is not applied, and the result says so: see [`Reduction::obstacle`].

use super::{
    action::Action,
    engine::Engine,
    parts::Wire,
    property::Property,
    scope::{Acknowledgements, Faults, Scope, Workload},
    state::{State, View},
    symmetry::Symmetry,
    world::{Laws, World},
};
use crate::{
    handler::Handler,
    id::{LinkId, ReplicaId},
    replica::Config,
    strategy::{OnRead, OnWrite, Rows, Strategy, TieRule},
};
use alloc::{vec, vec::Vec};
use core::fmt;

/// What a search may leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reduction {
    /// Messages arrive only where somebody would see it: before a request, and at the end.
    SyncPoints,
    /// Of states that differ in the names of leaders and clients only, one is looked into.
    Symmetry,
}

/// Which reductions are wanted, where they are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reductions {
    /// [`Reduction::SyncPoints`].
    pub sync_points: bool,
    /// [`Reduction::Symmetry`].
    pub symmetry: bool,
}

impl Reductions {
    /// Every state by itself.
    pub const NONE: Self = Self { sync_points: false, symmetry: false };
    /// All that are valid. A test compares verdicts and lengths of witnesses with the whole search.
    pub const ALL: Self = Self { sync_points: true, symmetry: true };
}

impl Reduction {
    /// All reductions.
    pub const ALL: [Self; 2] = [Self::SyncPoints, Self::Symmetry];

    /// The name, as reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SyncPoints => "sync-points",
            Self::Symmetry => "symmetry",
        }
    }

    /// Whether a search is to use it where it can.
    #[must_use]
    pub const fn is_wanted(self, wanted: Reductions) -> bool {
        match self {
            Self::SyncPoints => wanted.sync_points,
            Self::Symmetry => wanted.symmetry,
        }
    }

    /// Why the reduction is not valid in a world, asked these properties; nothing if it is.
    #[must_use]
    pub fn obstacle(self, world: &World, properties: &[Property]) -> Option<Obstacle> {
        match self {
            Self::SyncPoints => {
                let config = &world.laws().config;
                let obstacle = obstacle_to_sync_points(world.scope(), config);
                let early = || properties.iter().any(|property| !property.waits_for_quiescence());
                obstacle.or_else(|| early().then_some(Obstacle::Property))
            }
            Self::Symmetry => obstacle_to_symmetry(world.laws()),
        }
    }
}

impl fmt::Display for Reduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a reduction is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// What a replica receives it passes on, so that others see when it came.
    Relays,
    /// Acknowledgements travel, and are told from those that have not left.
    Acknowledgements,
    /// Requests wait for what their token names, so that their clients see when it came.
    Tokens,
    /// The order in which versions arrive decides, or leaders talk to each other about more than versions; or leaders
    /// are not alike.
    Strategy,
    /// Clients do more than write to one record.
    Errands,
    /// A fault that shows what would be left out: it loses messages, or tells leaders apart.
    Faults,
    /// A property that speaks of more than quiescent states.
    Property,
    /// Stamps may be equal, and then names decide.
    Ties,
    /// No change of names leaves links and clients where they are.
    Lopsided,
    /// There are too many leaders or clients to try all changes of their names.
    Size,
    /// What is written is not known to be of one kind whoever writes it.
    Workload,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relays => "replicas pass on what they receive",
            Self::Acknowledgements => "acknowledgements travel",
            Self::Tokens => "requests wait for what their tokens name",
            Self::Strategy => "the strategy is not known to treat leaders, or messages in any order, alike",
            Self::Errands => "clients do more than write to one record",
            Self::Faults => "a fault shows what would be left out",
            Self::Property => "a property speaks of states in which messages are under way",
            Self::Ties => "stamps may be equal, and then names decide",
            Self::Lopsided => "no change of names leaves links and clients where they are",
            Self::Size => "there are too many leaders or clients to try all changes of their names",
            Self::Workload => "the writes are not known to be alike",
        })
    }
}

fn obstacle_to_sync_points(scope: &Scope, config: &Config) -> Option<Obstacle> {
    let graph = &config.graph;
    let passes_on = |link: &LinkId| {
        graph.leaders().any(|origin| origin != link.from && graph.forwards(link.from, link.to, origin))
    };
    if graph.links().iter().any(passes_on) {
        return Some(Obstacle::Relays);
    }
    if scope.acknowledgements != Acknowledgements::Dropped {
        return Some(Obstacle::Acknowledgements);
    }
    if scope.tokens {
        return Some(Obstacle::Tokens);
    }
    if !is_blind_to_order(&scope.strategy) || config.mutant().is_some() {
        return Some(Obstacle::Strategy);
    }
    if scope.reads > 0 || scope.keys > 1 || scope.workload.erasure(0).is_some() {
        return Some(Obstacle::Errands);
    }
    // What is not named here is not known to be harmless.
    let others = Faults { offsets_ms: Vec::new(), clock_changes: 0, relocations: 0, ..scope.faults.clone() };
    (others != Faults::default()).then_some(Obstacle::Faults)
}

/// Whether a replica that has received the same versions holds the same, in whatever order they came from their
/// leaders, and does nothing about them. Those that are not known to be so are not.
fn is_blind_to_order(strategy: &Strategy) -> bool {
    match strategy {
        // Without a tie rule the first of two equal stamps stays; and rows may be missed, or gone without a trace.
        Strategy::Lww(lww) => lww.tie == TieRule::NodeId && lww.rows == Rows::default(),
        Strategy::OnWrite(OnWrite { handler }) => matches!(handler, Handler::Union | Handler::Delta),
        Strategy::OnRead(_) => true,
        _ => false,
    }
}

/// Above, there are more changes of names than they save states.
const MOST_NAMES: usize = 5;

fn obstacle_to_symmetry(laws: &Laws) -> Option<Obstacle> {
    let scope = &laws.scope;
    if scope.leaders.max(scope.clients) > MOST_NAMES {
        return Some(Obstacle::Size);
    }
    if !treats_leaders_alike(&scope.strategy) || laws.config.mutant().is_some() {
        return Some(Obstacle::Strategy);
    }
    if scope.reads > 0 || scope.keys > 1 {
        return Some(Obstacle::Errands);
    }
    if !matches!(scope.workload, Workload::Register | Workload::Set | Workload::Counter) {
        return Some(Obstacle::Workload);
    }
    if scope.reads > 0 || scope.keys > 1 {
        return Some(Obstacle::Workload);
    }
    if scope.faults.clock_changes > 0 || scope.faults.coarse_ms > 1 {
        return Some(Obstacle::Ties);
    }
    // What is not named here is not known to be harmless.
    let Faults { relocations, in_flight, loses_token, crashes, .. } = scope.faults;
    let named = Faults { relocations, in_flight, loses_token, crashes, ..Faults::default() };
    let others = Faults { offsets_ms: Vec::new(), ..scope.faults.clone() };
    if others != named {
        return Some(Obstacle::Faults);
    }
    (Symmetry::of(laws).order() < 2).then_some(Obstacle::Lopsided)
}

/// Whether no leader has another part than the others by its name alone. Those that are not known to be so are not.
fn treats_leaders_alike(strategy: &Strategy) -> bool {
    match strategy {
        Strategy::Arrival(arrival) => arrival.rows == Rows::default(),
        Strategy::Lww(lww) => lww.rows == Rows::default(),
        Strategy::OnWrite(OnWrite { handler }) | Strategy::OnRead(OnRead { handler }) => {
            matches!(handler, Handler::Union | Handler::Delta)
        }
        _ => false,
    }
}

/// The steps of a search, each one action or several: end to end, with the place after the last of each.
#[derive(Debug, Default)]
pub(super) struct Steps {
    actions: Vec<Action>,
    ends: Vec<usize>,
    enabled: Vec<Action>,
}

impl Steps {
    /// The steps from a state: single actions, or those between synchronisation points.
    pub(super) fn list(&mut self, view: View<'_>, sync_points: bool) {
        self.actions.clear();
        self.ends.clear();
        if sync_points {
            self.enabled.clear();
            view.actions(&mut self.enabled);
            for place in 0..self.enabled.len() {
                self.sync(view, self.enabled[place]);
            }
        } else {
            view.actions(&mut self.actions);
            self.ends.extend(1..=self.actions.len());
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[Action]> {
        let begins = core::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| &self.actions[begin..end])
    }

    /// The step of this number.
    pub(super) fn step(&self, number: usize) -> &[Action] {
        let begin = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.actions[begin..self.ends[number]]
    }

    /// The steps that end in an action.
    fn sync(&mut self, view: View<'_>, action: Action) {
        match (action, view.laws.scope.overlap) {
            // It comes with what follows it.
            (Action::Deliver { .. }, _) => {}
            (Action::Arrive { at, .. }, _) => self.sync_at(view, at, action),
            (Action::Call { client } | Action::Ask { client, .. }, false) => {
                self.sync_at(view, view.client(client).at, action);
            }
            (
                Action::Call { .. } | Action::Ask { .. } | Action::Clock { .. } | Action::Relocate { .. },
                _,
            ) => {
                self.actions.push(action);
                self.ends.push(self.actions.len());
            }
            _ => panic!("no search by synchronisation points knows what `{action}` shows"),
        }
    }

    /// The steps that deliver some of what is under way to a replica, and end in an action that shows it.
    fn sync_at(&mut self, view: View<'_>, at: ReplicaId, action: Action) {
        let inbound: Vec<(LinkId, usize)> =
            view.inbound(at).map(|(link, wire)| (link, wire.forth.len())).collect();
        let mut delivered = vec![0; inbound.len()];
        loop {
            for (&(link, _), &count) in inbound.iter().zip(&delivered) {
                self.actions.extend(core::iter::repeat_n(Action::Deliver { link }, count));
            }
            self.actions.push(action);
            self.ends.push(self.actions.len());
            // As an odometer: the first wheel that can turn turns, and those before it begin anew.
            let wheel = (0..delivered.len()).find(|&wheel| delivered[wheel] < inbound[wheel].1);
            let Some(wheel) = wheel else { break };
            delivered[wheel] += 1;
            delivered[..wheel].fill(0);
        }
    }
}

impl View<'_> {
    fn inbound(&self, at: ReplicaId) -> impl Iterator<Item = (LinkId, &Wire)> {
        self.wires().filter(move |(link, _)| link.to == at)
    }
}

impl Engine<'_> {
    /// How all that is under way arrives, where deliveries send nothing, and what then is.
    pub(super) fn drained(&mut self, state: &State) -> (Vec<Action>, State) {
        let deliver =
            |(link, wire): (LinkId, &Wire)| core::iter::repeat_n(Action::Deliver { link }, wire.forth.len());
        let arrivals: Vec<Action> = self.view(state).wires().flat_map(deliver).collect();
        let end = self.follow(state, &arrivals);
        assert!(
            self.view(&end).wires().all(|(_, wire)| wire.forth.is_empty()),
            "a delivery has sent something"
        );
        (arrivals, end)
    }

    /// Whether another order of the same deliveries leads to the same, as synchronisation points take for granted.
    pub(super) fn is_blind_to(&mut self, state: &State, step: &[Action]) -> bool {
        let arrivals = step.len() - usize::from(!matches!(step.last(), Some(Action::Deliver { .. })));
        let mut turned = step.to_vec();
        // Messages of one link keep their order, since they are told by their link alone.
        turned[..arrivals].reverse();
        self.follow(state, step) == self.follow(state, &turned)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::search::Search, *};
    use crate::{
        strategy::{Arrival, HomeLeader, Reroute},
        topology::Topology,
    };
    use core::ops::ControlFlow;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// How many states a search meets with a reduction, valid or not; nothing if it breaks off.
    fn states(scope: &Scope, reductions: &[Reduction]) -> Option<usize> {
        let world = World::new(scope.clone()).unwrap();
        let work = || {
            let mut search = Search::new(world.engine(), super::super::Limits::default(), reductions);
            search.run(|_, _, _| ControlFlow::Continue(()));
            search.states()
        };
        catch_unwind(AssertUnwindSafe(work)).ok()
    }

    /// What the obstacles keep out would be noticed if it came in.
    #[test]
    fn reductions_where_they_are_not_valid_are_caught() {
        let of = |strategy| Scope { writes: 2, overlap: false, ..Scope::new(strategy, Topology::AllToAll) };
        let forward = HomeLeader { reroute: Reroute::Forward, ..HomeLeader::default() };
        let (arrival, home) = (of(Strategy::Arrival(Arrival::default())), of(Strategy::HomeLeader(forward)));
        assert!(states(&arrival, &[Reduction::Symmetry]).is_some(), "arrival treats leaders alike");
        assert_eq!(states(&home, &[Reduction::Symmetry]), None, "only one leader is home");
        if cfg!(debug_assertions) {
            let writes = Scope { writes: 3, ..arrival };
            assert_eq!(states(&writes, &[Reduction::SyncPoints]), None, "the last to arrive wins");
        }
    }
}
