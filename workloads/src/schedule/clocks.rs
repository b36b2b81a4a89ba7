//! Wall clocks that go wrong. Of several faults of one clock, the one that began last holds.

use super::{
    Cause, Plan, Planned,
    shapes::some_leader,
    sweep::{Change, Spell, State, sweep},
};
use crate::scenario::nemesis::{Clock, Direction, Skew};
use quarrel_models::{
    fault::{ClockChange, Fault},
    id::ReplicaId,
    random::Stream,
};
use std::time::Duration;

/// How often a strobing clock jumps.
pub(super) const STROBE_PERIOD: Duration = Duration::from_millis(20);

/// How a clock goes wrong, once drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// By one change.
    Once(ClockChange),
    /// Ahead by this and behind by this in turn, microseconds.
    Strobe { us: i64 },
}

impl State for Wrong {
    fn rank(&self) -> u8 {
        0
    }
}

pub(super) fn plan(plan: &Plan<'_>) -> Vec<Planned> {
    let mut spells = Vec::new();
    for (index, clock) in plan.scenario.nemesis.clock.0.iter().enumerate() {
        spells.extend(spells_of(plan, Cause { table: "clock", index }, clock));
    }
    let changes = sweep(&spells);
    let mut planned = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        let next = changes[index + 1..].iter().find(|later| later.thing == change.thing);
        act(change, next.map_or(plan.storm(), |next| next.at), &mut planned);
    }
    planned
}

fn spells_of(plan: &Plan<'_>, cause: Cause, clock: &Clock) -> Vec<Spell<ReplicaId, Wrong>> {
    let from_start = [crate::scenario::Span::default()];
    let at = if clock.at.is_empty() && clock.every.is_none() { &from_start[..] } else { &clock.at };
    let mut spells = Vec::new();
    for mut occasion in plan.occasions().of(cause, at, clock.every) {
        let thing = clock.replica.unwrap_or_else(|| some_leader(plan.graph, &mut occasion.choices));
        let lasts = clock.lasts.duration();
        let end = if lasts.is_zero() { plan.storm() } else { (occasion.at + lasts).min(plan.storm()) };
        let state = wrong(clock, &mut occasion.choices);
        spells.push(Spell { thing, from: occasion.at, to: Some(end), state, cause });
    }
    spells
}

fn wrong(clock: &Clock, choices: &mut Stream) -> Wrong {
    let ahead = match clock.direction {
        Direction::Ahead => true,
        Direction::Behind => false,
        Direction::Either => choices.below(2) == 0,
    };
    let signed = |size: i64| if ahead { size } else { -size };
    let by_us = i64::try_from(clock.by.duration().as_micros()).unwrap_or(i64::MAX);
    match clock.how {
        Skew::Offset => Wrong::Once(ClockChange::Offset { us: signed(by_us) }),
        Skew::Step => Wrong::Once(ClockChange::Step { us: signed(by_us) }),
        Skew::Drift => Wrong::Once(ClockChange::Drift { ppm: signed(clock.ppm.into()) }),
        Skew::Freeze => Wrong::Once(ClockChange::Freeze),
        Skew::Strobe => Wrong::Strobe { us: by_us },
    }
}

/// The clock is set right before it goes wrong in another way: changes are relative to the right time.
fn act(change: &Change<ReplicaId, Wrong>, until: Duration, planned: &mut Vec<Planned>) {
    let mut add = |at, to, undo, cause| {
        planned.push(Planned::fault(at, Fault::Clock(change.thing, to), undo, cause));
    };
    if let Some((_, cause)) = change.before {
        add(change.at, ClockChange::Reset, true, cause);
    }
    match change.after {
        Some((Wrong::Once(how), cause)) => add(change.at, how, false, cause),
        Some((Wrong::Strobe { us }, cause)) => {
            let mut at = change.at;
            let mut us = us;
            while at < until {
                add(at, ClockChange::Offset { us }, false, cause);
                at += STROBE_PERIOD;
                us = -us;
            }
        }
        None => {}
    }
}
