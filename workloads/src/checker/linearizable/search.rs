//! The general search: just-in-time linearization with sets of configurations.
//!
//! Events are taken in order. An operation takes effect at the last moment: when something returns that needs it
//! (Lowe, "Testing for linearizability", 2017). Between events stands an antichain of configurations. What keeps it
//! small, each rule by an exchange of two operations in a given order of all:
//!
//! - an observer takes effect as soon as it is legal;
//! - of interchangeable open operations, the one that returns first takes effect first, and crashed ones last;
//! - an overwrite that nobody observes is not tried. It is hidden just before the next overwrite, so that one
//!   overwrite excuses all that are open;
//! - more observers satisfied, more overwrites excused and fewer crashed operations used are never worse.

use super::{
    budget::Budget,
    configuration::{Antichain, Configuration, OpenKinds},
    specification::{Kind, Specification, Step},
};
use smallvec::SmallVec;

/// What the search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// There is an order.
    Order,
    /// There is none.
    None {
        /// The operations that returned up to this event cannot be ordered.
        until: u32,
    },
    /// The budget is used up.
    Exhausted,
}

/// The widest history that is searched: open operations at once that returned later.
pub(super) const MAX_OPEN: usize = 1024;

/// The most configurations that are kept at one return: about 150 bytes each.
const MAX_CONFIGURATIONS: usize = 1 << 20;

/// Searches for an order of the operations whose events are given.
pub(super) fn search(
    specification: &mut impl Specification,
    input: &[Step],
    events: &[Event],
    budget: &mut Budget<'_>,
) -> Found {
    match width(events) {
        0..=64 => Search::<_, 1>::new(specification, input).run(events, budget),
        65..=128 => Search::<_, 2>::new(specification, input).run(events, budget),
        129..=MAX_OPEN => Search::<_, 16>::new(specification, input).run(events, budget),
        _ => Found::Exhausted,
    }
}

/// A call or a return, by the index of its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// It is called, and will return.
    Call(u32),
    /// It is called, and never returns.
    Crash(u32),
    /// It returns.
    Return(u32),
}

/// All events in order. Crashed observers tell nothing and are left out.
pub(super) fn events(specification: &impl Specification, input: &[Step]) -> Vec<Event> {
    let mut events = Vec::with_capacity(2 * input.len());
    for (index, step) in (0..).zip(input) {
        match step.ret {
            Some(ret) => events.extend([(step.call, Event::Call(index)), (ret, Event::Return(index))]),
            None if specification.kind(step.class) == Kind::Observer => {}
            None => events.push((step.call, Event::Crash(index))),
        }
    }
    events.sort_by_key(|&(at, _)| at);
    events.into_iter().map(|(_, event)| event).collect()
}

/// The most operations that are open at once and return later.
fn width(events: &[Event]) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for event in events {
        match event {
            Event::Call(_) => open += 1,
            Event::Return(_) => open -= 1,
            Event::Crash(_) => {}
        }
        most = most.max(open);
    }
    most
}

/// An open operation.
#[derive(Debug, Clone, Copy)]
struct Open {
    slot: usize,
    class: u32,
    kind: Kind,
    ret: u32,
}

/// Crashed operations of one class that have been called.
#[derive(Debug, Clone, Copy)]
struct Crashed {
    class: u32,
    kind: Kind,
    called: u32,
}

/// What one more effect can lead to.
type Successors<const N: usize> = SmallVec<[Configuration<N>; 4]>;

struct Search<'a, S, const N: usize> {
    specification: &'a mut S,
    input: &'a [Step],
    /// Ascending by return.
    open: Vec<Open>,
    slots: Vec<usize>,
    free: Vec<usize>,
    kinds: OpenKinds<N>,
    crashed: Vec<Crashed>,
    /// From each event on: the least return of observers called later, and the next call of an overwrite.
    ahead: Vec<(u32, u32)>,
    now: usize,
    /// The last return of an observer for whose sake configurations were given up early.
    given_up: u32,
}

impl<'a, S: Specification, const N: usize> Search<'a, S, N> {
    fn new(specification: &'a mut S, input: &'a [Step]) -> Self {
        Self {
            specification,
            input,
            open: Vec::new(),
            slots: vec![0; input.len()],
            free: (0..64 * N).rev().collect(),
            kinds: OpenKinds::NONE,
            crashed: Vec::new(),
            ahead: Vec::new(),
            now: 0,
            given_up: 0,
        }
    }

    fn run(mut self, events: &[Event], budget: &mut Budget<'_>) -> Found {
        if S::CAN_DIE {
            self.look_ahead(events);
        }
        let mut layer = vec![Configuration::initial(self.specification.initial())];
        for (now, &event) in events.iter().enumerate() {
            self.now = now;
            match event {
                Event::Call(index) => self.call(index as usize, &mut layer),
                Event::Crash(index) => self.crash(index as usize),
                Event::Return(index) => {
                    let Some(next) = self.ret(index as usize, layer, budget) else { return Found::Exhausted };
                    if next.is_empty() {
                        let ret = self.input[index as usize].ret.unwrap_or_default();
                        return Found::None { until: ret.max(self.given_up) };
                    }
                    layer = next;
                }
            }
        }
        Found::Order
    }

    /// Notes for each event what comes after it.
    fn look_ahead(&mut self, events: &[Event]) {
        let mut next = (u32::MAX, u32::MAX);
        self.ahead = vec![next; events.len()];
        for (now, event) in events.iter().enumerate().rev() {
            self.ahead[now] = next;
            if let &(Event::Call(index) | Event::Crash(index)) = event {
                let step = self.input[index as usize];
                match (self.specification.kind(step.class), step.ret) {
                    (Kind::Observer, Some(ret)) => next.0 = next.0.min(ret),
                    (Kind::Overwrite, _) => next.1 = step.call,
                    _ => {}
                }
            }
        }
    }

    fn call(&mut self, index: usize, layer: &mut [Configuration<N>]) {
        let step = self.input[index];
        let (Some(ret), Some(slot)) = (step.ret, self.free.pop()) else {
            unreachable!("only what returns is called, and the width was measured");
        };
        let kind = self.specification.kind(step.class);
        let at = self.open.partition_point(|open| open.ret < ret);
        self.open.insert(at, Open { slot, class: step.class, kind, ret });
        self.slots[index] = slot;
        match kind {
            Kind::Overwrite => self.kinds.overwrites.insert(slot),
            Kind::Update => self.kinds.updates.insert(slot),
            Kind::Observer => {
                self.kinds.observers.insert(slot);
                for configuration in layer {
                    if self.specification.step(configuration.state, step.class).is_some() {
                        configuration.done.insert(slot);
                    }
                }
            }
        }
    }

    fn crash(&mut self, index: usize) {
        let class = self.input[index].class;
        match self.crashed.binary_search_by_key(&class, |crashed| crashed.class) {
            Ok(at) => self.crashed[at].called += 1,
            Err(at) => {
                let kind = self.specification.kind(class);
                self.crashed.insert(at, Crashed { class, kind, called: 1 });
            }
        }
    }

    /// What is left when an operation has returned. None if the budget is used up.
    fn ret(
        &mut self,
        index: usize,
        mut layer: Vec<Configuration<N>>,
        budget: &mut Budget<'_>,
    ) -> Option<Vec<Configuration<N>>> {
        budget.spend(layer.len() as u64)?;
        let slot = self.slots[index];
        let after = self.without(slot);
        if let [only] = &mut layer[..]
            && only.done.has(slot)
        {
            // By far the most common case.
            only.done.remove(slot);
            self.close(slot, after);
            return Some(layer);
        }
        let mut kept = Antichain::new();
        let mut waiting = Vec::new();
        for configuration in layer {
            let optional = configuration.optional.has(slot);
            if !configuration.done.has(slot) {
                waiting.push(configuration.clone());
            }
            if configuration.done.has(slot) || optional {
                kept.insert(leave(configuration, slot), &after);
            }
        }
        let mut seen = Antichain::new();
        while let Some(configuration) = waiting.pop() {
            budget.spend(1)?;
            if kept.len() + seen.len() > MAX_CONFIGURATIONS {
                return None;
            }
            for next in self.successors(&configuration) {
                if next.done.has(slot) {
                    kept.insert(leave(next, slot), &after);
                } else if seen.insert(next.clone(), &self.kinds) {
                    waiting.push(next);
                }
            }
        }
        self.close(slot, after);
        Some(kept.into_configurations())
    }

    /// Frees the slot of an operation that has returned.
    fn close(&mut self, slot: usize, after: OpenKinds<N>) {
        self.kinds = after;
        self.open.retain(|open| open.slot != slot);
        self.free.push(slot);
    }

    fn without(&self, slot: usize) -> OpenKinds<N> {
        let mut kinds = self.kinds;
        kinds.observers.remove(slot);
        kinds.overwrites.remove(slot);
        kinds.updates.remove(slot);
        kinds
    }

    /// All that one more effect can lead to.
    fn successors(&mut self, from: &Configuration<N>) -> Successors<N> {
        let mut tried: SmallVec<[u32; 16]> = SmallVec::new();
        let mut found: Successors<N> = SmallVec::new();
        for at in 0..self.open.len() {
            let Open { slot, class, kind, .. } = self.open[at];
            if kind == Kind::Observer || from.done.has(slot) || tried.contains(&class) {
                continue;
            }
            tried.push(class);
            // Most updates are illegal in most states: that is found out before anything is copied.
            let Some(state) = self.state_after(from, class, kind) else { continue };
            let mut next = from.clone();
            next.done.insert(slot);
            next.optional.remove(slot);
            found.extend(self.take_effect(next, state, kind));
        }
        for at in 0..self.crashed.len() {
            let Crashed { class, kind, called } = self.crashed[at];
            let Some(state) = self.state_after(from, class, kind) else { continue };
            if from.crashed_used(class) < called && !tried.contains(&class) {
                let mut next = from.clone();
                next.use_crashed(class);
                found.extend(self.take_effect(next, state, kind));
            }
        }
        found
    }

    /// The state after an update, if it is legal and not in vain.
    fn state_after(&mut self, from: &Configuration<N>, class: u32, kind: Kind) -> Option<u32> {
        if kind == Kind::Overwrite && from.bare {
            return None;
        }
        self.specification.step(from.state, class)
    }

    /// The configuration after an update, unless it is hopeless.
    fn take_effect(
        &mut self,
        mut next: Configuration<N>,
        state: u32,
        kind: Kind,
    ) -> Option<Configuration<N>> {
        next.state = state;
        if kind == Kind::Overwrite {
            next.optional = next.optional.or(self.kinds.overwrites.minus(next.done));
        }
        let mut observed = false;
        for open in &self.open {
            if open.kind == Kind::Observer
                && !next.done.has(open.slot)
                && self.specification.step(next.state, open.class).is_some()
            {
                next.done.insert(open.slot);
                observed = true;
            }
        }
        next.bare = kind == Kind::Overwrite && !observed;
        if let Some(observer) = self.hopeless_at(&next) {
            self.given_up = self.given_up.max(observer);
            return None;
        }
        Some(next)
    }

    /// The return of an observer that comes before anything can make it legal.
    fn hopeless_at(&self, configuration: &Configuration<N>) -> Option<u32> {
        if !S::CAN_DIE || !self.specification.is_dead(configuration.state) {
            return None;
        }
        let can_overwrite = !self.kinds.overwrites.minus(configuration.done).is_empty()
            || self.crashed.iter().any(|crashed| {
                crashed.kind == Kind::Overwrite && configuration.crashed_used(crashed.class) < crashed.called
            });
        if can_overwrite {
            return None;
        }
        let mut observers =
            self.open.iter().filter(|open| open.kind == Kind::Observer && !configuration.done.has(open.slot));
        let (later_observer, next_overwrite) = self.ahead[self.now];
        let next_observer = observers.next().map_or(later_observer, |open| open.ret.min(later_observer));
        (next_observer < next_overwrite).then_some(next_observer)
    }
}

/// The configuration after the operation in this slot has returned.
fn leave<const N: usize>(mut configuration: Configuration<N>, slot: usize) -> Configuration<N> {
    configuration.done.remove(slot);
    configuration.optional.remove(slot);
    // What had to take effect may be hidden by what follows.
    configuration.bare = false;
    configuration
}
