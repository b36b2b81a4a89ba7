//! The search: breadth first, so that the first state met in violation is a nearest one.
//!
//! Of a state that was met only a fingerprint stays, and by which action of which state it was met: 64 bits, 32 and 16.
//! Whole rows are kept of two layers, the one that is expanded and the next. A path is found by going back from state
//! to state and then forth again from the beginning, so every witness has been run twice.

use super::{
    action::Action,
    engine::Engine,
    facade::{Bound, Limits},
    met::Met,
    reduce::{Reduction, Steps},
    state::{Layout, Row, State, View},
    symmetry::Symmetry,
};
use alloc::vec::Vec;
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
    sync_points: bool,
    symmetry: Option<Symmetry>,
    deadline: Option<Instant>,
    met: Met,
    /// By the number of a state: the one it was met from, and by which of the steps that were possible there.
    parents: Vec<u32>,
    steps: Vec<u16>,
    /// The rows of the next layer.
    next: Vec<u32>,
    /// Only with synchronisation points, where a step is several actions: how many lead to each state.
    lengths: Vec<u16>,
    /// The most actions that lead to a state that was judged.
    depth: usize,
    /// Whether states were left out because they lie too deep.
    is_cut: bool,
    peak_rows: usize,
}

/// The successors of one state, in the order of the steps that lead to them.
#[derive(Debug, Default)]
struct Successors {
    steps: Steps,
    fingerprints: Vec<u64>,
    rows: Vec<u32>,
}

/// Where a state was met first: from which one, by which of its steps, so many actions after the beginning.
#[derive(Debug, Clone, Copy, Default)]
struct Origin {
    parent: usize,
    step: usize,
    length: usize,
}

impl<'a> Search<'a> {
    /// A search with these reductions, which are valid.
    pub(super) fn new(mut engine: Engine<'a>, limits: Limits, reductions: &[Reduction]) -> Self {
        let symmetric = reductions.contains(&Reduction::Symmetry);
        Self {
            layout: engine.initial().layout,
            symmetry: symmetric.then(|| Symmetry::of(engine.laws())),
            sync_points: reductions.contains(&Reduction::SyncPoints),
            engine,
            limits,
            deadline: Instant::now().checked_add(limits.time),
            met: Met::default(),
            parents: Vec::new(),
            steps: Vec::new(),
            next: Vec::new(),
            lengths: Vec::new(),
            depth: 0,
            is_cut: false,
            peak_rows: 0,
        }
    }

    /// The states met.
    pub(super) fn states(&self) -> usize {
        self.parents.len()
    }

    /// The most actions that lead to a state that was judged.
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    /// The most bytes that states and tables took.
    pub(super) fn bytes(&self) -> usize {
        let origins = self.parents.capacity() * size_of::<u32>()
            + (self.steps.capacity() + self.lengths.capacity()) * size_of::<u16>();
        let rows = self.peak_rows * size_of::<u32>();
        self.met.peak_bytes() + origins + rows + self.engine.tables().bytes()
    }

    /// Meets every state once, and shows it to `judge` with its number, from 0 in the order of meeting, and with the
    /// number of actions that lead to it. That number ascends, but for synchronisation points: there what is judged
    /// is the state after all that is under way has arrived.
    pub(super) fn run<J>(&mut self, mut judge: J) -> Ended
    where
        J: FnMut(View<'_>, usize, usize) -> ControlFlow<()>,
    {
        let initial = self.engine.initial();
        let fingerprint = self.fingerprint(&initial);
        self.met.insert(fingerprint);
        if self.keep(&initial.row, Origin::default(), &mut judge).is_break() {
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
                let length = self.lengths.get(number).map_or(depth, |&length| usize::from(length));
                if self.meet((number, length), &successors, &mut judge).is_break() {
                    return Ended::Enough;
                }
                number += 1;
            }
            self.peak_rows = self.peak_rows.max(layer.capacity() + self.next.capacity());
            if self.next.is_empty() {
                break;
            }
        }
        if self.is_cut { Ended::Bound(Bound::Depth) } else { Ended::Complete }
    }

    /// Works out what may follow a state.
    fn expand(&mut self, row: &[u32], into: &mut Successors) {
        let state = self.state(row);
        let Successors { steps, fingerprints, rows } = into;
        fingerprints.clear();
        rows.clear();
        steps.list(self.engine.view(&state), self.sync_points);
        for step in steps.iter() {
            if cfg!(debug_assertions) && step.len() > 2 {
                assert!(self.engine.is_blind_to(&state, step), "the order of deliveries makes a difference");
            }
            let next = self.engine.follow(&state, step);
            let fingerprint = self.fingerprint(&next);
            // While the next one is worked out, memory brings what tells whether this one is known.
            black_box(self.met.fetch(fingerprint));
            fingerprints.push(fingerprint);
            rows.extend_from_slice(&next.row);
        }
    }

    /// Notes those that are new, and has them judged.
    fn meet<J>(
        &mut self,
        (parent, length): (usize, usize),
        successors: &Successors,
        judge: &mut J,
    ) -> ControlFlow<()>
    where
        J: FnMut(View<'_>, usize, usize) -> ControlFlow<()>,
    {
        let rows = successors.rows.chunks_exact(self.layout.words()).zip(&successors.fingerprints);
        for (step, (row, &fingerprint)) in rows.enumerate() {
            let length = length + successors.steps.step(step).len();
            if length > self.limits.depth {
                self.is_cut |= !self.met.contains(fingerprint);
            } else if self.met.insert(fingerprint) {
                self.keep(row, Origin { parent, step, length }, judge)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn keep<J>(&mut self, row: &[u32], origin: Origin, judge: &mut J) -> ControlFlow<()>
    where
        J: FnMut(View<'_>, usize, usize) -> ControlFlow<()>,
    {
        let Origin { parent, step, length } = origin;
        let (Ok(parent), Ok(step), Ok(short)) = (parent.try_into(), step.try_into(), length.try_into())
        else {
            panic!("state {parent} or its step {step} has no number: narrow the scope")
        };
        let number = self.parents.len();
        self.parents.push(parent);
        self.steps.push(step);
        self.next.extend_from_slice(row);
        let (mut state, mut length) = (self.state(row), length);
        if self.sync_points {
            self.lengths.push(short);
            let (arrivals, end) = self.engine.drained(&state);
            (state, length) = (end, length + arrivals.len());
            if length > self.limits.depth {
                self.is_cut = true;
                return ControlFlow::Continue(());
            }
        }
        self.depth = self.depth.max(length);
        judge(self.engine.view(&state), number, length)
    }

    fn fingerprint(&mut self, state: &State) -> u64 {
        match &mut self.symmetry {
            Some(symmetry) => self.engine.fingerprint(symmetry, state),
            None => state.fingerprint(),
        }
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

    /// The actions that lead to a state that was met, and the state: as it was judged.
    pub(super) fn path_to(&mut self, number: usize) -> (Vec<Action>, State) {
        let (mut at, mut taken) = (number, Vec::new());
        while at != 0 {
            taken.push(usize::from(self.steps[at]));
            at = self.parents[at] as usize;
        }
        let (mut state, mut path, mut steps) = (self.engine.initial(), Vec::new(), Steps::default());
        for &number in taken.iter().rev() {
            steps.list(self.engine.view(&state), self.sync_points);
            let step = steps.step(number);
            state = self.engine.follow(&state, step);
            path.extend_from_slice(step);
        }
        if self.sync_points {
            let (last, end) = self.engine.drained(&state);
            path.extend(last);
            state = end;
        }
        (path, state)
    }
}
