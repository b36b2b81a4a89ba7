//! A world as stateright sees it: for its Explorer, and for a second opinion on our search.
//!
//! Only this room knows stateright. Traps of version 0.31 for whoever searches with it: its paths are not the shortest
//! with several properties or threads, a search cut short passes, and its time-out does nothing with one thread.

use super::{
    action::Action,
    property::{Judgement, Property},
    state::State,
    world::World,
};
use alloc::{format, string::String, vec, vec::Vec};
use stateright::Model;

/// Whether the property of this number is not violated: stateright takes no closures.
fn holds<const N: usize>(world: &World, state: &State) -> bool {
    Property::ALL[N].judge(world, state) != Judgement::Violated
}

type Condition = fn(&World, &State) -> bool;

const CONDITIONS: [Condition; Property::ALL.len()] = [
    holds::<0>,
    holds::<1>,
    holds::<2>,
    holds::<3>,
    holds::<4>,
    holds::<5>,
    holds::<6>,
    holds::<7>,
    holds::<8>,
    holds::<9>,
    holds::<10>,
    holds::<11>,
    holds::<12>,
    holds::<13>,
    holds::<14>,
    holds::<15>,
    holds::<16>,
    holds::<17>,
];

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.initial()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        World::actions(self, state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.next(state, action))
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        let asked = Property::ALL.into_iter().zip(CONDITIONS);
        let asked = asked.filter(|(property, _)| property.speaks_of(self.scope()));
        asked.map(|(property, holds)| stateright::Property::always(property.name(), holds)).collect()
    }

    fn format_action(&self, action: &Action) -> String {
        format!("{action}")
    }

    fn format_step(&self, state: &State, action: Action) -> Option<String> {
        Some(self.describe(&self.next(state, action)))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Acknowledgements, Faults, Limits, Scope, Verdict, Workload, check, explore},
        *,
    };
    use crate::{
        clock::ClockKind,
        handler::Handler,
        strategy::{Arrival, HandOver, HomeLeader, LastWriteWins, LocalWrite, OnRead, OnWrite, Strategy},
        topology::{Propagation, Topology},
    };
    use stateright::Checker;

    /// One property a search: else stateright overwrites what it found first.
    #[derive(Debug)]
    struct Asked(World, Option<Property>);

    impl Model for Asked {
        type State = State;
        type Action = Action;
        fn init_states(&self) -> Vec<State> {
            self.0.init_states()
        }
        fn actions(&self, state: &State, actions: &mut Vec<Action>) {
            Model::actions(&self.0, state, actions);
        }
        fn next_state(&self, state: &State, action: Action) -> Option<State> {
            self.0.next_state(state, action)
        }
        fn properties(&self) -> Vec<stateright::Property<Self>> {
            let holds = |asked: &Self, state: &State| {
                asked.1.is_none_or(|asks| asks.judge(&asked.0, state) != Judgement::Violated)
            };
            vec![stateright::Property::always("asked", holds)]
        }
    }

    /// States and depth of the whole world.
    fn size(world: &World) -> (usize, usize) {
        let done = Asked(world.clone(), None).checker().threads(1).spawn_bfs().join();
        (done.unique_state_count(), done.max_depth() - 1)
    }

    /// The shortest way to a violation.
    fn nearest(world: &World, property: Property) -> Option<usize> {
        let done = Asked(world.clone(), Some(property)).checker().threads(1).spawn_bfs().join();
        done.discovery("asked").map(|path| path.into_actions().len())
    }

    /// A dozen small worlds: each family of strategies, each fault, each shape.
    fn worlds() -> Vec<World> {
        let small = |strategy, topology| Scope { clients: 2, writes: 2, ..Scope::new(strategy, topology) };
        let (ring, all) = (Topology::Ring, Topology::AllToAll);
        let lww = || Strategy::Lww(LastWriteWins::default());
        let careless = LastWriteWins { local_write: LocalWrite::Unconditional, ..LastWriteWins::default() };
        let hybrid = LastWriteWins { clock: ClockKind::Hybrid, ..LastWriteWins::default() };
        let siblings = Strategy::OnRead(OnRead { handler: Handler::Union });
        let delta = Strategy::OnWrite(OnWrite { handler: Handler::Delta });
        let home = |hand_over| Strategy::HomeLeader(HomeLeader { hand_over, ..HomeLeader::default() });
        let none = Faults::default;
        let skew = || Faults { offsets_ms: vec![-10, -1], clock_changes: 1, ..none() };
        let moves = || Faults { relocations: 1, in_flight: true, ..none() };
        let quick = |scope| Scope { overlap: false, ..scope };
        let faulty = |faults, scope| Scope { faults, ..scope };
        let relay = |scope| Scope { propagation: Propagation::Relay, ..scope };
        let acks = |scope| Scope { acknowledgements: Acknowledgements::Delivered, ..scope };
        let of = |workload, scope| Scope { workload, ..scope };
        let scopes = [
            small(Strategy::Arrival(Arrival::default()), ring.clone()),
            small(lww(), all.clone()),
            Scope { writes: 3, clients: 3, ..quick(small(lww(), all.clone())) },
            faulty(skew(), quick(small(Strategy::Lww(careless), ring.clone()))),
            faulty(skew(), quick(small(Strategy::Lww(hybrid), Topology::Star))),
            faulty(moves(), small(lww(), ring.clone())),
            faulty(moves(), Scope { clients: 1, ..small(home(HandOver::Fenced), ring.clone()) }),
            Scope { clients: 1, ..small(home(HandOver::Drained), all.clone()) },
            faulty(Faults { crashes: 1, ..none() }, quick(small(lww(), all.clone()))),
            faulty(Faults { restarts: 1, ..none() }, quick(relay(small(lww(), all.clone())))),
            acks(quick(relay(small(lww(), all.clone())))),
            of(Workload::Set, small(siblings, ring.clone())),
            of(Workload::Counter, small(delta, ring)),
        ];
        scopes.into_iter().map(|scope| World::new(scope).unwrap()).collect()
    }

    #[test]
    fn stateright_meets_as_many_states_as_deep_and_finds_violations_as_near() {
        let mut violations = 0;
        for world in worlds() {
            let whole = explore(&world, &[Property::Delivered, Property::NothingLost], Limits::default());
            if whole.verdicts.iter().any(|verdict| matches!(verdict, Verdict::Holds { .. })) {
                assert_eq!((whole.states, whole.depth), size(&world), "{:?}", world.scope());
            }
            for property in [Property::Converged, Property::Delivered, Property::NothingLost] {
                let steps = check(&world, property, Limits::default()).witness_steps();
                assert_eq!(steps, nearest(&world, property), "{property} of {:?}", world.scope());
                violations += usize::from(steps.is_some());
            }
        }
        assert!(violations >= 8, "only {violations} violations were compared");
    }
}
