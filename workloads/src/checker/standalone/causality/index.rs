//! Of every register, the writes of every session, in the order of the session.

use super::{Accesses, WriteNumber};

/// The writes of one session to one register.
#[derive(Debug, Clone, Copy)]
struct Group {
    session: u32,
    start: u32,
    end: u32,
    /// Where the last search ended: the next one is near.
    hint: u32,
}

/// See the module.
#[derive(Debug)]
pub(in super::super) struct WritesByKey {
    /// Writes by register, session and position; and their positions beside them.
    writes: Vec<WriteNumber>,
    positions: Vec<u32>,
    groups: Vec<Group>,
    /// Where the groups of each register begin, and where the last ones end.
    keys: Vec<u32>,
}

impl WritesByKey {
    /// Of all writes that happened.
    pub(in super::super) fn new(accesses: &Accesses) -> Self {
        // A position of 0 is of a write that is in no session: nobody saw whether it happened.
        let mut writes: Vec<WriteNumber> = (0..)
            .zip(&accesses.writes)
            .filter(|(_, write)| write.position > 0)
            .map(|(number, _)| number)
            .collect();
        let of = |number: &WriteNumber| accesses.writes[*number as usize];
        writes.sort_unstable_by_key(|number| (of(number).key, of(number).session, of(number).position));
        let mut index = Self {
            positions: writes.iter().map(|number| of(number).position).collect(),
            groups: Vec::new(),
            keys: vec![0; accesses.keys.len() + 1],
            writes,
        };
        let mut last = None;
        for (at, number) in (0..).zip(&index.writes) {
            let write = of(number);
            if last != Some((write.key, write.session)) {
                last = Some((write.key, write.session));
                index.groups.push(Group { session: write.session, start: at, end: at, hint: at });
                index.keys[write.key as usize + 1] += 1;
            }
            if let Some(group) = index.groups.last_mut() {
                group.end = at + 1;
            }
        }
        for key in 1..index.keys.len() {
            index.keys[key] += index.keys[key - 1];
        }
        index
    }

    /// Calls `visit` with the last write to the register of every session that has one up to the position that
    /// `bound` tells of the session, and a number for the group of such writes.
    pub(in super::super) fn last_ones(
        &mut self,
        key: u32,
        bound: impl Fn(u32) -> u32,
        mut visit: impl FnMut(usize, WriteNumber),
    ) {
        let groups = self.keys[key as usize] as usize..self.keys[key as usize + 1] as usize;
        for number in groups {
            let group = &mut self.groups[number];
            let bound = bound(group.session);
            let positions = &self.positions[group.start as usize..group.end as usize];
            if positions[0] > bound {
                continue;
            }
            let mut at = (group.hint - group.start) as usize;
            let fits = |at: usize| {
                positions[at] <= bound && positions.get(at + 1).is_none_or(|&position| position > bound)
            };
            if !fits(at) {
                at = if at + 1 < positions.len() && fits(at + 1) {
                    at + 1
                } else {
                    positions.partition_point(|&position| position <= bound) - 1
                };
                // Fits: a group holds at most as many as there are writes.
                group.hint = group.start + at as u32;
            }
            visit(number, self.writes[group.start as usize + at]);
        }
    }

    /// How many groups there are.
    pub(in super::super) fn groups(&self) -> usize {
        self.groups.len()
    }
}
