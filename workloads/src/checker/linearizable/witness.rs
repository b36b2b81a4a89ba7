//! The smallest contradiction: which operations cannot be ordered, whatever the others do.
//!
//! An operation that is not part of the contradiction is not left out (its effect may be what the others need), but
//! relaxed: it may take effect or not. Relaxing more never turns an order into none, so that leaving operations relaxed
//! one by one ends in a set of which none can be spared.

use super::{
    budget::Budget,
    search::{Event, Found, search},
    specification::{Kind, Specification, Step},
};

/// Steps that a witness may always cost, so that small histories get the smallest one.
const FLOOR: u64 = 4_000;

/// The operations that cannot be ordered, as indices of `input`, ascending.
///
/// What returned up to the event `until` cannot be ordered. The witness costs no more steps again than `budget` says were
/// spent to find that out, and is larger than need be if that is too little.
pub(super) fn smallest(
    specification: &mut impl Specification,
    input: &[Step],
    events: &[Event],
    until: u32,
    budget: &Budget<'_>,
) -> Vec<usize> {
    let mut budget = budget.part(budget.spent().max(FLOOR));
    // What was called later plays no part, and what returned later is relaxed from the start.
    let is_early = |event: &&Event| match **event {
        Event::Call(index) | Event::Crash(index) => input[index as usize].call < until,
        Event::Return(index) => input[index as usize].ret <= Some(until),
    };
    let events: Vec<Event> = events.iter().filter(is_early).copied().collect();
    let returned = events.iter().filter_map(|event| match event {
        Event::Return(index) => Some(*index as usize),
        _ => None,
    });
    let mut needed: Vec<usize> = returned.collect();
    let mut strict = vec![false; input.len()];
    let mut relaxed: Vec<Event> = Vec::with_capacity(events.len());
    let mut contradicts = |kept: &[usize]| {
        strict.fill(false);
        for &index in kept {
            strict[index] = true;
        }
        relaxed.clear();
        relaxed.extend(events.iter().filter_map(|&event| match event {
            Event::Call(index) | Event::Return(index) if strict[index as usize] => Some(event),
            Event::Call(index) => {
                let is_observer = specification.kind(input[index as usize].class) == Kind::Observer;
                (!is_observer).then_some(Event::Crash(index))
            }
            Event::Crash(_) => Some(event),
            Event::Return(_) => None,
        }));
        budget.spend(relaxed.len() as u64 / 16).is_some()
            && matches!(search(specification, input, &relaxed, &mut budget), Found::None { .. })
    };
    let mut width = 4;
    while width < needed.len() {
        let tail = &needed[needed.len() - width..];
        if contradicts(tail) {
            needed = tail.to_vec();
            break;
        }
        width *= 4;
    }
    let mut chunk = needed.len().div_ceil(2);
    while chunk > 0 {
        let mut at = 0;
        while at < needed.len() {
            let fewer = [&needed[..at], &needed[(at + chunk).min(needed.len())..]].concat();
            if !fewer.is_empty() && contradicts(&fewer) {
                needed = fewer;
            } else {
                at += chunk;
            }
        }
        chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
    }
    needed.sort_unstable();
    needed
}
