//! The face of the search: what is asked of a world, within which limits, and what came out.
//!
//! A search is complete, or it says what it ran into: [`Verdict::Bounded`] is no proof.

use super::{
    action::Action,
    property::{Judgement, Property},
    reduce::{Obstacle, Reduction, Reductions},
    search::{Ended, Search},
    state::State,
    world::World,
};
use alloc::{boxed::Box, vec::Vec};
use core::{fmt, ops::ControlFlow, time::Duration};

/// How far a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most states that are expanded.
    pub states: usize,
    /// The most actions from the beginning.
    pub depth: usize,
    /// The most time.
    pub time: Duration,
    /// What may be left out where that is valid. The rest of the limits then speak of what is left.
    pub reductions: Reductions,
}

impl Default for Limits {
    fn default() -> Self {
        Self { states: 1_000_000, depth: 200, time: Duration::from_secs(60), reductions: Reductions::NONE }
    }
}

/// Why a search proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// So many states were expanded, and more were left.
    States,
    /// There are states beyond the depth.
    Depth,
    /// The time was up.
    Time,
    /// The search was complete, but the property spoke of no state: nothing was shown.
    Vacuous,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::States => "the bound on states was reached",
            Self::Depth => "the bound on depth was reached",
            Self::Time => "the time was up",
            Self::Vacuous => "no state came about of which the property speaks",
        })
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The property holds in every state of the world.
    Holds {
        /// The states.
        states: usize,
        /// The most actions from the beginning to a state, by the shortest way.
        depth: usize,
        /// The states of which the property spoke.
        judged: usize,
        /// The odds that two different states had one fingerprint, so that one was overlooked: one in so many.
        collision_odds: u128,
    },
    /// Nothing was violated as far as the search went. No proof.
    Bounded {
        /// What it ran into.
        why: Bound,
        /// The states met.
        states: usize,
        /// The actions from the beginning to the farthest of them.
        depth: usize,
    },
    /// A shortest way to a state that violates it.
    Violated {
        /// What happens, from the beginning.
        path: Vec<Action>,
        /// Where it ends.
        end: Box<State>,
        /// The states looked into before.
        states: usize,
    },
}

impl Verdict {
    /// The word of reports: `holds`, `bounded`, `violated`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Holds { .. } => "holds",
            Self::Bounded { .. } => "bounded",
            Self::Violated { .. } => "violated",
        }
    }

    /// The states met.
    #[must_use]
    pub const fn states(&self) -> usize {
        match self {
            Self::Holds { states, .. } | Self::Bounded { states, .. } | Self::Violated { states, .. } => {
                *states
            }
        }
    }

    /// The length of the shortest witness, if the property is violated.
    #[must_use]
    pub fn witness_steps(&self) -> Option<usize> {
        if let Self::Violated { path, .. } = self { Some(path.len()) } else { None }
    }
}

/// Asks one property of a world.
///
/// # Panics
/// With whatever a replica or a session panicked with on the way: a broken invariant of ours.
#[must_use]
pub fn check(world: &World, property: Property, limits: Limits) -> Verdict {
    explore(world, &[property], limits).verdicts.remove(0)
}

/// Asks several properties of a world in one search through all of it. Breadth first, so the first violation that is
/// met of each is a nearest one. The verdicts are those of [`check`], in the order of the properties.
///
/// # Panics
/// As [`check`].
#[must_use]
pub fn survey(world: &World, properties: &[Property], limits: Limits) -> Vec<Verdict> {
    explore(world, properties, limits).verdicts
}

/// What a search has found, and what it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exploration {
    /// The verdict on each property, in the order asked.
    pub verdicts: Vec<Verdict>,
    /// The states met. All there are, unless every property was violated or a bound was reached.
    pub states: usize,
    /// The most actions from the beginning to a state that was met, by the shortest way.
    pub depth: usize,
    /// The most memory that states and tables took, bytes.
    pub bytes: usize,
    /// What was left out.
    pub reductions: Vec<Reduction>,
    /// What was wanted and is not valid here, and why.
    pub obstacles: Vec<(Reduction, Obstacle)>,
}

impl Exploration {
    /// The odds that two different states had one fingerprint, so that one was overlooked: one in so many.
    #[must_use]
    pub const fn collision_odds(&self) -> u128 {
        collision_odds(self.states)
    }
}

/// What is known of one property.
#[derive(Default)]
struct Finding {
    judged: usize,
    /// The nearest state that violates it: its number, which is how many were met before, and its distance.
    violated: Option<(usize, usize)>,
}

/// Asks several properties as [`survey`] does, and tells what the search took.
///
/// # Panics
/// As [`check`].
#[must_use]
pub fn explore(world: &World, properties: &[Property], limits: Limits) -> Exploration {
    let wanted = Reduction::ALL.into_iter().filter(|reduction| reduction.is_wanted(limits.reductions));
    let (mut reductions, mut obstacles) = (Vec::new(), Vec::new());
    for reduction in wanted {
        match reduction.obstacle(world, properties) {
            None => reductions.push(reduction),
            Some(obstacle) => obstacles.push((reduction, obstacle)),
        }
    }
    let mut findings: Vec<Finding> = properties.iter().map(|_| Finding::default()).collect();
    let mut open = properties.len();
    let mut search = Search::new(world.engine(), limits, &reductions);
    let ended = search.run(|view, number, length| {
        for (property, finding) in properties.iter().zip(&mut findings) {
            if finding.violated.is_some_and(|(_, nearest)| nearest <= length) {
                continue;
            }
            let judgement = property.judge_in(view);
            finding.judged += usize::from(judgement != Judgement::Silent);
            if judgement == Judgement::Violated {
                open -= usize::from(finding.violated.is_none());
                finding.violated = Some((number, length));
            }
        }
        // Where states are not met in the order of their distance, the first violation need not be the nearest.
        if open == 0 && !reductions.contains(&Reduction::SyncPoints) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let (states, depth) = (search.states(), search.depth());
    let mut verdict = |finding: &Finding| {
        if let Some((number, _)) = finding.violated {
            let (path, end) = search.path_to(number);
            return Verdict::Violated { path, end: Box::new(end), states: number };
        }
        match (ended, finding.judged) {
            (Ended::Bound(why), _) => Verdict::Bounded { why, states, depth },
            (_, 0) => Verdict::Bounded { why: Bound::Vacuous, states, depth },
            (_, judged) => Verdict::Holds { states, depth, judged, collision_odds: collision_odds(states) },
        }
    };
    let verdicts = findings.iter().map(&mut verdict).collect();
    Exploration { verdicts, states, depth, bytes: search.bytes(), reductions, obstacles }
}

/// By the birthday bound for fingerprints of 64 bits, n states collide with odds of n^2 / 2^65.
const fn collision_odds(states: usize) -> u128 {
    let states = states as u128;
    (1 << 65) / (states * states)
}

#[cfg(test)]
mod tests {
    use super::{super::Scope, *};
    use crate::{
        strategy::{Arrival, LastWriteWins, Strategy},
        topology::Topology,
    };
    use alloc::collections::VecDeque;
    use std::collections::BTreeSet;

    fn small(strategy: Strategy) -> World {
        let scope = Scope { leaders: 2, clients: 2, writes: 2, ..Scope::new(strategy, Topology::AllToAll) };
        World::new(scope).unwrap()
    }

    fn arrival() -> World {
        small(Strategy::Arrival(Arrival::default()))
    }

    fn lww() -> World {
        small(Strategy::Lww(LastWriteWins::default()))
    }

    /// The search as it stands in every book: how many states there are, how deep they lie, and how far the nearest
    /// violation is. No fingerprints, no library.
    fn by_the_book(world: &World, property: Property) -> (usize, usize, Option<usize>) {
        let mut met = BTreeSet::from([world.initial().canonical().to_vec()]);
        let mut open = VecDeque::from([(world.initial(), 0)]);
        let (mut deepest, mut nearest) = (0, None);
        while let Some((state, depth)) = open.pop_front() {
            deepest = depth;
            if nearest.is_none() && property.judge(world, &state) == Judgement::Violated {
                nearest = Some(depth);
            }
            let mut actions = Vec::new();
            world.actions(&state, &mut actions);
            for action in actions {
                let next = world.next(&state, action);
                if met.insert(next.canonical().to_vec()) {
                    open.push_back((next, depth + 1));
                }
            }
        }
        (met.len(), deepest, nearest)
    }

    #[test]
    fn a_search_meets_every_state_and_its_witness_is_the_shortest() {
        for world in [arrival(), lww()] {
            for property in Property::ALL {
                let (states, depth, nearest) = by_the_book(&world, property);
                match check(&world, property, Limits::default()) {
                    Verdict::Holds { states: met, depth: reached, .. } => {
                        assert_eq!((met, reached, None), (states, depth, nearest), "{property}");
                    }
                    verdict => assert_eq!(verdict.witness_steps(), nearest, "{property}"),
                }
            }
        }
    }

    #[test]
    fn a_search_cut_short_never_holds() {
        let Verdict::Holds { states, depth, .. } = check(&lww(), Property::Converged, Limits::default())
        else {
            panic!("the property holds")
        };
        let bounded = |limits| match check(&lww(), Property::Converged, limits) {
            Verdict::Bounded { why, .. } => Some(why),
            _ => None,
        };
        let limits = Limits::default();
        for states in 1..states {
            assert_eq!(bounded(Limits { states, ..limits }), Some(Bound::States));
        }
        for depth in 0..depth {
            assert_eq!(bounded(Limits { depth, ..limits }), Some(Bound::Depth));
        }
        assert_eq!(bounded(Limits { states, depth, ..limits }), None, "the limits are just enough");
    }

    #[test]
    fn the_time_is_up_with_one_thread_too() {
        let verdict =
            check(&lww(), Property::Converged, Limits { time: Duration::ZERO, ..Limits::default() });
        assert_eq!(verdict, Verdict::Bounded { why: Bound::Time, states: 1, depth: 0 });
    }

    /// The actions of a path are looked up again by their numbers, when a bound may have emptied the list.
    #[test]
    fn a_violation_found_after_a_bound_was_reached_has_its_path() {
        let whole = check(&arrival(), Property::Converged, Limits::default());
        let Verdict::Violated { path, states, .. } = whole else { panic!("arrival diverges") };
        let mut found_late = 0;
        for limit in 1..states {
            match check(&arrival(), Property::Converged, Limits { states: limit, ..Limits::default() }) {
                Verdict::Violated { path: found, .. } => {
                    assert_eq!(found, path);
                    found_late += 1;
                }
                verdict => assert_eq!(verdict.name(), "bounded"),
            }
        }
        assert!(found_late > 0, "some limit lies between meeting the violation and looking into it");
    }

    #[test]
    fn two_searches_find_the_same() {
        let once = || check(&arrival(), Property::Converged, Limits::default());
        assert_eq!(once(), once());
    }

    /// A word of 64 bits and the way back for each state at least; and more of everything in a larger world.
    #[test]
    fn a_search_says_what_it_took() {
        let explore = |writes| {
            let world = World::new(Scope { writes, ..lww().scope().clone() }).unwrap();
            super::explore(&world, &[Property::Converged, Property::Delivered], Limits::default())
        };
        let (small, large) = (explore(2), explore(3));
        for explored in [&small, &large] {
            let Verdict::Holds { states, depth, collision_odds, .. } = explored.verdicts[1] else {
                panic!("it converges")
            };
            assert_eq!(
                (explored.states, explored.depth, explored.collision_odds()),
                (states, depth, collision_odds)
            );
            assert!(explored.bytes > states * 14);
        }
        assert!(large.states > 2 * small.states && large.depth > small.depth && large.bytes > small.bytes);
    }

    #[test]
    fn a_property_that_speaks_of_no_state_is_not_shown() {
        let scope = Scope { writes: 1, ..lww().scope().clone() };
        let verdict = check(&World::new(scope).unwrap(), Property::Converged, Limits::default());
        assert!(matches!(verdict, Verdict::Bounded { why: Bound::Vacuous, .. }), "{verdict:?}");
    }

    #[test]
    fn a_survey_says_what_each_search_says() {
        for world in [arrival(), lww()] {
            let surveyed = survey(&world, &Property::ALL, Limits::default());
            for (property, verdict) in Property::ALL.into_iter().zip(surveyed) {
                assert_eq!(verdict, check(&world, property, Limits::default()), "{property}");
            }
        }
    }

    #[test]
    fn a_million_states_collide_once_in_tens_of_millions() {
        assert_eq!(collision_odds(1_000_000), 36_893_488);
    }
}
