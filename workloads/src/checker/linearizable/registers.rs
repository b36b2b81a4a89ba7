//! Registers by the million: the operations of all keys in one table, 20 bytes each, object by object.
//!
//! The other objects are split into one list each, which is simpler. Of registers with unique values there are the
//! longest histories, and memory is what limits them.

use super::{
    budget::Budget,
    object::{self, Judged, Timed},
    objects::RegisterClass,
    translate::{Verdict, concerns},
    zones::Access,
};
use crate::{
    checker::{standalone::Unfit, table::Table},
    history::recorded::{Datum, Operation, Recorded},
};

/// No object.
const NONE: u32 = u32::MAX;

/// The operations of all registers.
struct Sorted {
    /// The records, in the order of their first operations.
    keys: Vec<Datum>,
    /// Where the operations of each begin, and where the last ones end.
    starts: Vec<usize>,
    accesses: Vec<Access>,
    /// Whether it has operations that are neither reads nor writes.
    has_others: Vec<bool>,
}

/// Judges all registers of a history, in the order of their first operations.
pub(super) fn judge(
    history: &Recorded,
    class: impl Fn(&Operation) -> Result<RegisterClass, Unfit>,
    budget: &mut Budget<'_>,
    tell: &mut impl FnMut(Verdict),
) -> Result<(), Unfit> {
    let Sorted { keys, starts, mut accesses, has_others } = sort(history, &class)?;
    for (number, &key) in keys.iter().enumerate() {
        let accesses = &mut accesses[starts[number]..starts[number + 1]];
        let by_zones = if has_others[number] { None } else { object::by_zones(accesses) };
        let judged = match by_zones {
            Some(judged) => judged,
            None => by_search(history, &class, accesses, budget)?,
        };
        tell(Verdict { key, judged });
    }
    Ok(())
}

fn by_search(
    history: &Recorded,
    class: impl Fn(&Operation) -> Result<RegisterClass, Unfit>,
    accesses: &mut [Access],
    budget: &mut Budget<'_>,
) -> Result<Judged, Unfit> {
    accesses.sort_unstable_by_key(Access::place);
    let timed: Result<Vec<_>, Unfit> = accesses
        .iter()
        .map(|access| {
            let op = &history.operations[access.place() as usize];
            Ok(Timed { class: class(op)?, call: op.invoked, ret: object::ret(op) })
        })
        .collect();
    let judged = object::register_by_search(&timed?, budget);
    Ok(judged.renumbered(|at| accesses[at].place() as usize))
}

/// Two passes: one counts, one puts every operation where it belongs.
fn sort(
    history: &Recorded,
    class: impl Fn(&Operation) -> Result<RegisterClass, Unfit>,
) -> Result<Sorted, Unfit> {
    let (keys, mut starts, objects) = number(history);
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut next = starts.clone();
    let mut has_others = vec![false; keys.len()];
    let mut accesses = vec![Access::default(); starts[keys.len()]];
    for ((place, op), &object) in (0..).zip(&history.operations).zip(&objects) {
        if object == NONE {
            continue;
        }
        let object = object as usize;
        let timed = Timed { class: class(op)?, call: op.invoked, ret: object::ret(op) };
        let access = Access::of(place, &timed);
        has_others[object] |= access.is_none();
        accesses[next[object]] = access.unwrap_or_else(|| Access::other(place));
        next[object] += 1;
    }
    Ok(Sorted { keys, starts, accesses, has_others })
}

/// The keys; how many operations each has, one place to the right; and of every operation, the number of its key.
fn number(history: &Recorded) -> (Vec<Datum>, Vec<usize>, Vec<u32>) {
    let mut keys: Vec<Datum> = Vec::new();
    let mut counts = vec![0];
    let mut numbers: Table<Datum, u32> = Table::default();
    let mut last: Option<(Datum, u32)> = None;
    let mut objects = Vec::with_capacity(history.operations.len());
    for op in &history.operations {
        if !concerns(op) {
            objects.push(NONE);
            continue;
        }
        let number = match last {
            Some((key, number)) if key == op.key => number,
            _ => *numbers.entry(op.key).or_insert_with(|| {
                keys.push(op.key);
                counts.push(0);
                u32::try_from(keys.len() - 1).expect("there are fewer than 2^32 - 1 operations")
            }),
        };
        last = Some((op.key, number));
        counts[number as usize + 1] += 1;
        objects.push(number);
    }
    (keys, counts, objects)
}
