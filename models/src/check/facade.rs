//! The search: stateright behind a face of ours, which knows its traps.
//!
//! One property a search, breadth first, one thread: else stateright 0.31 returns paths that are not the shortest. Our
//! own bounds, since its time-out does nothing with one thread and a search cut short looks like a proof: once a bound
//! is reached no state has actions any more, so the queue drains, and the verdict is [`Verdict::Bounded`].

use super::{
    action::Action,
    property::{Judgement, Property},
    state::State,
    world::World,
};
use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    time::Duration,
};
use stateright::{Checker, Model};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// How far a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most states that are expanded.
    pub states: usize,
    /// The most actions from the beginning.
    pub depth: usize,
    /// The most time.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { states: 1_000_000, depth: 200, time: Duration::from_secs(60) }
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
    explore(world, move |world, state, _| property.judge(world, state), limits)
}

/// What a survey has found of one property.
#[derive(Default)]
struct Finding {
    judged: AtomicUsize,
    /// The first state that violates it, and how many were looked into before.
    violated: Mutex<Option<(State, usize)>>,
}

/// Asks several properties of a world in one search through all of it. Breadth first, so the first violation that is
/// met of each is a nearest one. The verdicts are those of [`check`], in the order of the properties.
///
/// # Panics
/// As [`check`].
#[must_use]
pub fn survey(world: &World, properties: &[Property], limits: Limits) -> Vec<Verdict> {
    let findings: Arc<Vec<Finding>> = Arc::new(properties.iter().map(|_| Finding::default()).collect());
    let (found, asked) = (Arc::clone(&findings), properties.to_vec());
    let judge = move |world: &World, state: &State, before: usize| {
        for (property, finding) in asked.iter().zip(found.iter()) {
            let judgement = property.judge(world, state);
            if judgement != Judgement::Silent {
                finding.judged.fetch_add(1, Ordering::Relaxed);
            }
            if judgement == Judgement::Violated {
                locked(&finding.violated).get_or_insert_with(|| (state.clone(), before));
            }
        }
        Judgement::Holds
    };
    let whole = explore(world, judge, limits);
    let verdict = |finding: &Finding| {
        if let Some((end, states)) = locked(&finding.violated).take() {
            return Verdict::Violated { path: end.path(), end: Box::new(end), states };
        }
        match (&whole, finding.judged.load(Ordering::Relaxed)) {
            (&Verdict::Holds { states, depth, .. }, 0) => {
                Verdict::Bounded { why: Bound::Vacuous, states, depth }
            }
            (&Verdict::Holds { states, depth, collision_odds, .. }, judged) => {
                Verdict::Holds { states, depth, judged, collision_odds }
            }
            (bounded, _) => bounded.clone(),
        }
    };
    findings.iter().map(verdict).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is common to the search thread and the one that waits for it.
#[derive(Default)]
struct Progress {
    expanded: AtomicUsize,
    judged: AtomicUsize,
    /// Which bound was reached; 0 if none.
    stopped: AtomicU8,
    /// Whether paths are being rebuilt: then no bound counts, or the actions would not be those of the search.
    rebuilding: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

const BY_STATES: u8 = 1;
const BY_TIME: u8 = 2;
const BY_PANIC: u8 = 3;

/// How often the clock is read: every so many states.
const STATES_PER_LOOK: usize = 64;

struct Search<J> {
    world: World,
    judge: J,
    limits: Limits,
    deadline: Option<Instant>,
    progress: Arc<Progress>,
}

impl<J> Search<J> {
    /// Whether the search goes on at this state.
    fn goes_on(&self) -> bool {
        let progress = &self.progress;
        if progress.rebuilding.load(Ordering::Relaxed) {
            return true;
        }
        let expanded = progress.expanded.fetch_add(1, Ordering::Relaxed);
        if expanded >= self.limits.states {
            self.stop(BY_STATES);
        } else if expanded.is_multiple_of(STATES_PER_LOOK)
            && self.deadline.is_some_and(|at| Instant::now() >= at)
        {
            self.stop(BY_TIME);
        }
        progress.stopped.load(Ordering::Relaxed) == 0
    }

    fn stop(&self, why: u8) {
        // The first reason stays.
        let _ = self.progress.stopped.compare_exchange(0, why, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Keeps the message of a panic: stateright would lose it.
    fn guarded<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(work));
        result
            .map_err(|message| {
                self.stop(BY_PANIC);
                locked(&self.progress.panic).get_or_insert(message);
            })
            .ok()
    }
}

impl<J> Model for Search<J>
where
    J: Fn(&World, &State, usize) -> Judgement + Send + Sync + 'static,
{
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.world.initial()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.goes_on() {
            self.world.actions(state, actions);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.guarded(|| self.world.next(state, action))
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        vec![stateright::Property::always("property", |search: &Self, state| {
            let before = search.progress.expanded.load(Ordering::Relaxed);
            let judgement = search.guarded(|| (search.judge)(&search.world, state, before));
            if judgement.is_some_and(|judgement| judgement != Judgement::Silent) {
                search.progress.judged.fetch_add(1, Ordering::Relaxed);
            }
            judgement != Some(Judgement::Violated)
        })]
    }
}

/// Searches for a state that a judge finds in violation.
fn explore<J>(world: &World, judge: J, limits: Limits) -> Verdict
where
    J: Fn(&World, &State, usize) -> Judgement + Send + Sync + 'static,
{
    let progress = Arc::new(Progress::default());
    let deadline = Instant::now().checked_add(limits.time);
    let search = Search { world: world.clone(), judge, limits, deadline, progress: Arc::clone(&progress) };
    // Stateright counts states where we count actions, and leaves out the states at its bound.
    let done =
        search.checker().threads(1).target_max_depth(limits.depth.saturating_add(2)).spawn_bfs().join();
    if let Some(message) = locked(&progress.panic).take() {
        resume_unwind(message);
    }
    let states = done.unique_state_count();
    let depth = done.max_depth().saturating_sub(1);
    progress.rebuilding.store(true, Ordering::Relaxed);
    if let Some(path) = done.discovery("property") {
        let path = path.into_actions();
        let end =
            replay(world, &path).unwrap_or_else(|at| panic!("action {at} of a path found is not enabled"));
        let states = progress.expanded.load(Ordering::Relaxed);
        let judgement = (done.model().judge)(world, &end, states);
        assert_eq!(judgement, Judgement::Violated, "a path found ends where nothing is violated");
        return Verdict::Violated { path, end: Box::new(end), states };
    }
    let judged = progress.judged.load(Ordering::Relaxed);
    let why = match progress.stopped.load(Ordering::Relaxed) {
        BY_STATES => Bound::States,
        BY_TIME => Bound::Time,
        _ if depth > limits.depth => Bound::Depth,
        _ if judged == 0 => Bound::Vacuous,
        _ => return Verdict::Holds { states, depth, judged, collision_odds: collision_odds(states) },
    };
    Verdict::Bounded { why, states, depth: depth.min(limits.depth) }
}

/// Where the actions lead; the number of the first that is not enabled, if one is not.
fn replay(world: &World, path: &[Action]) -> Result<State, usize> {
    let mut state = world.initial();
    let mut enabled = Vec::new();
    for (number, &action) in path.iter().enumerate() {
        enabled.clear();
        world.actions(&state, &mut enabled);
        if !enabled.contains(&action) {
            return Err(number);
        }
        state = world.next(&state, action);
    }
    Ok(state)
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
    use alloc::{collections::VecDeque, string::String};
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
        let mut met = BTreeSet::from([world.initial().canonical()]);
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
                if met.insert(next.canonical()) {
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
    fn the_message_of_a_panic_is_not_lost() {
        let judge = |_: &World, state: &State, _| {
            assert!(state.acknowledged().count() < 2, "two were acknowledged");
            Judgement::Holds
        };
        let panic = catch_unwind(|| explore(&lww(), judge, Limits::default())).unwrap_err();
        let message = panic.downcast_ref::<&str>().map(|message| String::from(*message));
        assert_eq!(message.as_deref(), Some("two were acknowledged"));
    }

    #[test]
    fn a_million_states_collide_once_in_tens_of_millions() {
        assert_eq!(collision_odds(1_000_000), 36_893_488);
    }
}
