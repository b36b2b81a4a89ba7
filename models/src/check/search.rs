//! The search: breadth first, so that the first state met in violation is a nearest one.
//!
//! Of a state that was met only a fingerprint stays, and by which action of which state it was met: 64 bits, 32 and 16.
//! Whole rows are kept of two layers, the one that is expanded and the next. A path is found by going back from state
//! to state and then forth again from the beginning, so every witness has been run twice.

use super::{
    action::Action,
    facade::{Bound, Limits},
    state::{Row, State, View},
    world::Engine,
};
use alloc::{vec, vec::Vec};
use core::{mem::size_of, ops::ControlFlow};
use hashbrown::HashTable;
use std::time::Instant;

/// How often the clock is read: every so many states.
const STATES_PER_LOOK: usize = 64;

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every state was met.
    Complete,
    /// Whoever judges had seen enough.
    Enough,
    /// It ran into a bound.
    Bound(Bound),
}

/// By which action of which state a state was met: what leads back to the beginning.
#[derive(Debug, Clone, Copy, Default)]
struct Origin {
    parent: u32,
    /// The number of the action among those enabled.
    action: u16,
}

/// A search through a world.
#[derive(Debug)]
pub(super) struct Search<'a> {
    engine: Engine<'a>,
    limits: Limits,
    deadline: Option<Instant>,
    fingerprints: HashTable<u64>,
    parents: Vec<u32>,
    actions: Vec<u16>,
    /// The rows of the layer that is expanded, and of the next one.
    layer: Vec<u32>,
    next: Vec<u32>,
    /// The number of the layer whose states were met last.
    depth: usize,
    peak_rows: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(engine: Engine<'a>, limits: Limits) -> Self {
        Self {
            engine,
            limits,
            deadline: Instant::now().checked_add(limits.time),
            fingerprints: HashTable::new(),
            parents: Vec::new(),
            actions: Vec::new(),
            layer: Vec::new(),
            next: Vec::new(),
            depth: 0,
            peak_rows: 0,
        }
    }

    /// The states met.
    pub(super) fn states(&self) -> usize {
        self.parents.len()
    }

    /// The most actions from the beginning to a state that was met, by the shortest way.
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    /// The most bytes that states and tables took.
    pub(super) fn bytes(&self) -> usize {
        let origins = self.parents.capacity() * size_of::<u32>() + self.actions.capacity() * size_of::<u16>();
        let rows = self.peak_rows * size_of::<u32>();
        self.fingerprints.allocation_size() + origins + rows + self.engine.tables().bytes()
    }

    /// Meets every state once, and shows it to `judge` with its number, from 0 in the order of meeting.
    pub(super) fn run<J>(&mut self, mut judge: J) -> Ended
    where
        J: FnMut(View<'_>, usize) -> ControlFlow<()>,
    {
        let initial = self.engine.initial();
        if self.meet(&initial, Origin::default(), &mut judge).is_break() {
            return Ended::Enough;
        }
        let (mut number, mut actions) = (0, Vec::new());
        let words = initial.row.len();
        for depth in 0.. {
            core::mem::swap(&mut self.layer, &mut self.next);
            self.next.clear();
            let layer = core::mem::take(&mut self.layer);
            for row in layer.chunks_exact(words) {
                if let Some(bound) = self.bound(number) {
                    return Ended::Bound(bound);
                }
                let state = State { layout: initial.layout, row: Row::from_slice(row) };
                actions.clear();
                self.engine.view(&state).actions(&mut actions);
                for (action, &enabled) in actions.iter().enumerate() {
                    let next = self.engine.next(&state, enabled);
                    if depth >= self.limits.depth {
                        if !self.is_known(&next) {
                            return Ended::Bound(Bound::Depth);
                        }
                        continue;
                    }
                    if self.meet(&next, Origin::of(number, action), &mut judge).is_break() {
                        return Ended::Enough;
                    }
                }
                number += 1;
            }
            self.peak_rows = self.peak_rows.max(layer.capacity() + self.next.capacity());
            self.layer = layer;
            if self.next.is_empty() {
                break;
            }
            self.depth = depth + 1;
        }
        Ended::Complete
    }

    /// The bound that forbids expanding one more state.
    fn bound(&self, expanded: usize) -> Option<Bound> {
        if expanded >= self.limits.states {
            return Some(Bound::States);
        }
        let look = expanded.is_multiple_of(STATES_PER_LOOK);
        (look && self.deadline.is_some_and(|at| Instant::now() >= at)).then_some(Bound::Time)
    }

    fn is_known(&self, state: &State) -> bool {
        let fingerprint = state.fingerprint();
        self.fingerprints.find(fingerprint, |&known| known == fingerprint).is_some()
    }

    /// Notes a state, if it is new, and has it judged.
    fn meet<J>(&mut self, state: &State, origin: Origin, judge: &mut J) -> ControlFlow<()>
    where
        J: FnMut(View<'_>, usize) -> ControlFlow<()>,
    {
        let fingerprint = state.fingerprint();
        let entry = self.fingerprints.entry(fingerprint, |&known| known == fingerprint, |&known| known);
        if let hashbrown::hash_table::Entry::Vacant(place) = entry {
            place.insert(fingerprint);
            let number = self.parents.len();
            self.parents.push(origin.parent);
            self.actions.push(origin.action);
            self.next.extend_from_slice(&state.row);
            return judge(self.engine.view(state), number);
        }
        ControlFlow::Continue(())
    }

    /// The actions that lead to a state that was met, and the state.
    pub(super) fn path_to(&mut self, number: usize) -> (Vec<Action>, State) {
        let (mut at, mut steps) = (number, Vec::new());
        while at != 0 {
            steps.push(self.actions[at]);
            at = self.parents[at] as usize;
        }
        let (mut state, mut path, mut enabled) = (self.engine.initial(), Vec::new(), vec![]);
        for &step in steps.iter().rev() {
            enabled.clear();
            self.engine.view(&state).actions(&mut enabled);
            let action = enabled[usize::from(step)];
            state = self.engine.next(&state, action);
            path.push(action);
        }
        (path, state)
    }
}

impl Origin {
    fn of(parent: usize, action: usize) -> Self {
        let (Ok(parent), Ok(action)) = (u32::try_from(parent), u16::try_from(action)) else {
            panic!("state {parent} or its action {action} has no number: narrow the scope")
        };
        Self { parent, action }
    }
}
