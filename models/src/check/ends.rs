//! The ends of a world, and a way to each: what a conformance test plays on real processes.

use super::{
    action::Action,
    facade::{Bound, Limits},
    fates::fates_in,
    parts::Phase,
    search::{Ended, Search},
    state::View,
    world::World,
};
use crate::fate::Fate;
use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::ControlFlow;

/// What tells one end from another: what clients can see at each replica, whether it lives, and the fates of the
/// acknowledged writes.
type End = (Vec<(Phase, u64)>, Vec<(usize, Fate)>);

/// The ways to the ends of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// For each distinct end one of the shortest paths to it, in the order in which a breadth-first search meets them.
    pub paths: Vec<Vec<Action>>,
    /// The states met.
    pub states: usize,
    /// What the search ran into: then there may be other ends.
    pub bound: Option<Bound>,
}

/// Finds one path to each distinct end: a state in which all writes were begun, nothing is under way, and no fault could
/// change anything but by what is left of its budget.
///
/// # Panics
/// As [`check`](super::check).
#[must_use]
pub fn ends(world: &World, limits: Limits) -> Ends {
    let mut search = Search::new(world.engine(), limits, &[]);
    let mut met: BTreeMap<End, usize> = BTreeMap::new();
    let ended = search.run(|view, number, _| {
        if is_end(view) {
            met.entry(end(view)).or_insert(number);
        }
        ControlFlow::Continue(())
    });
    let mut numbers: Vec<usize> = met.into_values().collect();
    numbers.sort_unstable();
    let paths = numbers.into_iter().map(|number| search.path_to(number).0).collect();
    let bound = if let Ended::Bound(why) = ended { Some(why) } else { None };
    Ends { paths, states: search.states(), bound }
}

fn is_end(view: View<'_>) -> bool {
    view.is_quiescent() && view.issued().count() >= usize::from(view.laws.scope.writes)
}

fn end(view: View<'_>) -> End {
    let replicas = view.nodes().map(|(id, node)| (node.phase, view.replica(id).digest()));
    (replicas.collect(), fates_in(view))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Scope, found, witness},
        *,
    };
    use crate::{
        strategy::{Arrival, LastWriteWins, Strategy},
        topology::Topology,
        witness::play,
    };
    use alloc::collections::BTreeSet;

    fn pair(strategy: Strategy) -> World {
        let scope = Scope { leaders: 2, clients: 2, writes: 2, ..Scope::new(strategy, Topology::AllToAll) };
        World::new(scope).unwrap()
    }

    /// Every end there is, by walking through all states without fingerprints.
    fn by_the_book(world: &World) -> BTreeSet<End> {
        let mut met = BTreeSet::from([world.initial().canonical().to_vec()]);
        let (mut open, mut found) = (Vec::from([world.initial()]), BTreeSet::new());
        while let Some(state) = open.pop() {
            let engine = world.engine();
            if is_end(engine.view(&state)) {
                found.insert(end(engine.view(&state)));
            }
            drop(engine);
            let mut actions = Vec::new();
            world.actions(&state, &mut actions);
            let next = actions.into_iter().map(|action| world.next(&state, action));
            open.extend(next.filter(|next| met.insert(next.canonical().to_vec())));
        }
        found
    }

    #[test]
    fn there_is_a_path_to_each_end_and_to_no_other() {
        for strategy in [Strategy::Arrival(Arrival::default()), Strategy::Lww(LastWriteWins::default())] {
            let world = pair(strategy);
            let found_ends = ends(&world, Limits::default());
            assert_eq!(found_ends.bound, None);
            let reached: BTreeSet<End> = found_ends
                .paths
                .iter()
                .map(|path| {
                    let state =
                        path.iter().fold(world.initial(), |state, &action| world.next(&state, action));
                    let engine = world.engine();
                    end(engine.view(&state))
                })
                .collect();
            assert_eq!(reached.len(), found_ends.paths.len(), "two paths lead to one end");
            assert_eq!(reached, by_the_book(&world));
            assert!(reached.len() > 3);
        }
    }

    #[test]
    fn each_path_is_a_witness_that_can_be_played() {
        let world = pair(Strategy::Arrival(Arrival::default()));
        for path in ends(&world, Limits::default()).paths {
            assert!(play(&witness(&world, &path, found(&world, "an end"))).is_ok());
        }
    }

    #[test]
    fn a_search_that_was_cut_short_says_so() {
        let bounded =
            ends(&pair(Strategy::Lww(LastWriteWins::default())), Limits { states: 3, ..Limits::default() });
        assert_eq!(bounded.bound, Some(Bound::States));
    }
}
