//! The search: breadth first, so that the first state met in violation is a nearest one.
//!
//! Of a state that was met only a fingerprint stays, and by which action of which state it was met: 64 bits, 32 and 16.
//! Whole rows are kept of two layers, the one that is expanded and the next. A path is found by going back from state
//! to state and then forth again from the beginning, so every witness has been run twice.

use super::{
    action::Action,
    facade::{Bound, Limits},
    met::Met,
    state::{Layout, Row, State, View},
    world::Engine,
};
use alloc::{vec, vec::Vec};
use core::{hint::black_box, mem::size_of, ops::ControlFlow};
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

/// A search through a world.
#[derive(Debug)]
pub(super) struct Search<'a> {
    engine: Engine<'a>,
    layout: Layout,
    limits: Limits,
    deadline: Option<Instant>,
    met: Met,
    /// By the number of a state: the one it was met from, and by which of the actions that were enabled there.
    parents: Vec<u32>,
    actions: Vec<u16>,
    /// The rows of the next layer.
    next: Vec<u32>,
    /// The number of the layer whose states were met last.
    depth: usize,
    peak_rows: usize,
}

/// The successors of one state, in the order of the actions that lead to them.
#[derive(Debug, Default)]
struct Successors {
    enabled: Vec<Action>,
    fingerprints: Vec<u64>,
    rows: Vec<u32>,
}

impl<'a> Search<'a> {
    pub(super) fn new(mut engine: Engine<'a>, limits: Limits) -> Self {
        Self {
            layout: engine.initial().layout,
            engine,
            limits,
            deadline: Instant::now().checked_add(limits.time),
            met: Met::default(),
            parents: Vec::new(),
            actions: Vec::new(),
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
        self.met.peak_bytes() + origins + rows + self.engine.tables().bytes()
    }

    /// Meets every state once, and shows it to `judge` with its number, from 0 in the order of meeting.
    pub(super) fn run<J>(&mut self, mut judge: J) -> Ended
    where
        J: FnMut(View<'_>, usize) -> ControlFlow<()>,
    {
        let initial = self.engine.initial();
        self.met.insert(initial.fingerprint());
        if self.keep(&initial.row, (0, 0), &mut judge).is_break() {
            return Ended::Enough;
        }
        let (mut number, mut layer, mut successors) = (0, Vec::new(), Successors::default());
        for depth in 0.. {
            core::mem::swap(&mut layer, &mut self.next);
            self.next.clear();
            for row in layer.chunks_exact(self.layout.words()) {
                if let Some(bound) = self.bound(number) {
                    return Ended::Bound(bound);
                }
                self.expand(row, &mut successors);
                if depth >= self.limits.depth {
                    if !successors.fingerprints.iter().all(|&fingerprint| self.met.contains(fingerprint)) {
                        return Ended::Bound(Bound::Depth);
                    }
                } else if self.meet(number, &successors, &mut judge).is_break() {
                    return Ended::Enough;
                }
                number += 1;
            }
            self.peak_rows = self.peak_rows.max(layer.capacity() + self.next.capacity());
            if self.next.is_empty() {
                break;
            }
            self.depth = depth + 1;
        }
        Ended::Complete
    }

    /// Works out what may follow a state.
    fn expand(&mut self, row: &[u32], into: &mut Successors) {
        let state = self.state(row);
        let Successors { enabled, fingerprints, rows } = into;
        enabled.clear();
        fingerprints.clear();
        rows.clear();
        self.engine.view(&state).actions(enabled);
        for &action in &*enabled {
            let next = self.engine.next(&state, action);
            let fingerprint = next.fingerprint();
            // While the next one is worked out, memory brings what tells whether this one is known.
            black_box(self.met.fetch(fingerprint));
            fingerprints.push(fingerprint);
            rows.extend_from_slice(&next.row);
        }
    }

    /// Notes those that are new, and has them judged.
    fn meet<J>(&mut self, parent: usize, successors: &Successors, judge: &mut J) -> ControlFlow<()>
    where
        J: FnMut(View<'_>, usize) -> ControlFlow<()>,
    {
        let rows = successors.rows.chunks_exact(self.layout.words());
        for (action, (row, &fingerprint)) in rows.zip(&successors.fingerprints).enumerate() {
            if self.met.insert(fingerprint) {
                self.keep(row, (parent, action), judge)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn keep<J>(&mut self, row: &[u32], (parent, action): (usize, usize), judge: &mut J) -> ControlFlow<()>
    where
        J: FnMut(View<'_>, usize) -> ControlFlow<()>,
    {
        let (Ok(parent), Ok(action)) = (u32::try_from(parent), u16::try_from(action)) else {
            panic!("state {parent} or its action {action} has no number: narrow the scope")
        };
        let number = self.parents.len();
        self.parents.push(parent);
        self.actions.push(action);
        self.next.extend_from_slice(row);
        let state = self.state(row);
        judge(self.engine.view(&state), number)
    }

    fn state(&self, row: &[u32]) -> State {
        State { layout: self.layout, row: Row::from_slice(row) }
    }

    /// The bound that forbids expanding one more state.
    fn bound(&self, expanded: usize) -> Option<Bound> {
        if expanded >= self.limits.states {
            return Some(Bound::States);
        }
        let look = expanded.is_multiple_of(STATES_PER_LOOK);
        (look && self.deadline.is_some_and(|at| Instant::now() >= at)).then_some(Bound::Time)
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
