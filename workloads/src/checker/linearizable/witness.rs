//! The smallest contradiction: which operations cannot be ordered, whatever the others do.
//!
//! An operation that is not part of the contradiction is not left out (its effect may be what the others need), but
//! relaxed: it may take effect or not. Relaxing more never turns an order into none, so that leaving operations relaxed
//! one by one ends in a set of which none can be spared.

use super::{
    budget::Budget,
    search::{Found, search},
    specification::{Specification, Step},
};

/// Steps that a witness may always cost, so that small histories get the smallest one.
const FLOOR: u64 = 100_000;

/// The operations that cannot be ordered, as indices of `input`, ascending.
///
/// What returned up to the event `until` cannot be ordered. What `budget` says was spent is what it cost to find out: the witness costs no more again, and is larger than
/// need be if that is too little.
pub(super) fn smallest(
    specification: &mut impl Specification,
    input: &[Step],
    until: u32,
    budget: &Budget<'_>,
) -> Vec<usize> {
    let mut budget = budget.part(budget.spent().max(FLOOR));
    // What was called later plays no part, and what returned later is relaxed already.
    let called: Vec<usize> = (0..input.len()).filter(|&index| input[index].call < until).collect();
    let mut needed: Vec<usize> =
        called.iter().copied().filter(|&index| input[index].ret.is_some_and(|ret| ret <= until)).collect();
    needed.sort_by_key(|&index| input[index].ret);
    let mut contradicts = |kept: &[usize]| {
        let mut strict = vec![false; input.len()];
        for &index in kept {
            strict[index] = true;
        }
        let relaxed: Vec<Step> = called
            .iter()
            .map(|&index| Step { ret: input[index].ret.filter(|_| strict[index]), ..input[index] })
            .collect();
        budget.spend(relaxed.len() as u64 / 8).is_some()
            && matches!(search(specification, &relaxed, &mut budget), Found::None { .. })
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
