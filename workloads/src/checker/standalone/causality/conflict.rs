//! Conflicts: a read that knew of one write and read another demands that the one come before the other. With the
//! causal order, these demands must not go round in a circle.

use super::{Access, Accesses, CausalOrder, WriteNumber};
use crate::history::recorded::DatumMap;

/// The read knew of `before`, and read `after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Conflict {
    pub(in super::super) before: WriteNumber,
    pub(in super::super) after: WriteNumber,
    /// The operation that read.
    pub(in super::super) read: u32,
}

/// A circle of conflicts: each `after` comes causally before, or is, the next one's `before`. `None` if there is none.
/// Conflicts may be given in any order.
pub(in super::super) fn cycle(
    accesses: &Accesses,
    order: &CausalOrder,
    conflicts: &mut [Conflict],
) -> Option<Vec<Conflict>> {
    if conflicts.is_empty() {
        return None;
    }
    conflicts.sort_unstable_by_key(|conflict| (conflict.before, conflict.after, conflict.read));
    let mut walk = Walk::new(accesses, conflicts);
    let mut ready: Vec<usize> = (0..accesses.sessions.len()).rev().collect();
    while let Some(session) = ready.pop() {
        walk.run(session, &mut ready);
    }
    let circle = walk.circle()?;
    Some(shortest(accesses, order, &circle))
}

/// Follows all sessions as the causal order does; a write also waits until all that must come before it are done.
struct Walk<'a> {
    accesses: &'a Accesses,
    /// By their `before`.
    conflicts: &'a [Conflict],
    next: Vec<usize>,
    done: Vec<bool>,
    /// Of every write, how many conflicts it still waits for.
    pending: Vec<u32>,
    /// Sessions that wait for a write: to read it, or to do it themselves.
    waiting: DatumMap<WriteNumber, Vec<usize>>,
    /// Writes without an answer that were reached: their sessions went on.
    reached: DatumMap<WriteNumber, usize>,
}

impl<'a> Walk<'a> {
    fn new(accesses: &'a Accesses, conflicts: &'a [Conflict]) -> Self {
        let mut pending = vec![0; accesses.writes.len()];
        for conflict in conflicts {
            pending[conflict.after as usize] += 1;
        }
        Self {
            accesses,
            conflicts,
            next: vec![0; accesses.sessions.len()],
            done: vec![false; accesses.writes.len()],
            pending,
            waiting: DatumMap::default(),
            reached: DatumMap::default(),
        }
    }

    fn run(&mut self, session: usize, ready: &mut Vec<usize>) {
        while let Some(&access) = self.accesses.sessions.of(session).get(self.next[session]) {
            let is_open = if access.is_write() {
                self.pending[access.write as usize] > 0
            } else {
                !self.is_done(access.write)
            };
            let is_lone =
                access.is_write() && self.accesses.is_lone(&self.accesses.writes[access.write as usize]);
            if is_open && is_lone {
                self.reached.insert(access.write, session);
            } else if is_open {
                self.waiting.entry(access.write).or_default().push(session);
                return;
            } else if access.is_write() {
                self.finish(access.write, ready);
            }
            self.next[session] += 1;
        }
    }

    /// A read of nothing in the history waits for nobody.
    fn is_done(&self, write: WriteNumber) -> bool {
        self.done.get(write as usize).copied().unwrap_or(true)
    }

    fn finish(&mut self, write: WriteNumber, ready: &mut Vec<usize>) {
        let mut finished = vec![write];
        while let Some(write) = finished.pop() {
            self.done[write as usize] = true;
            ready.extend(self.waiting.remove(&write).unwrap_or_default());
            let start = self.conflicts.partition_point(|conflict| conflict.before < write);
            for conflict in self.conflicts[start..].iter().take_while(|conflict| conflict.before == write) {
                let after = conflict.after;
                self.pending[after as usize] -= 1;
                if self.pending[after as usize] > 0 {
                    continue;
                }
                if self.reached.remove(&after).is_some() {
                    finished.push(after);
                } else {
                    ready.extend(self.waiting.remove(&after).unwrap_or_default());
                }
            }
        }
    }

    /// From what waits to what it waits for, until something comes again.
    fn circle(&self) -> Option<Vec<Conflict>> {
        let stuck = |session: usize| self.accesses.sessions.of(session).get(self.next[session]).copied();
        let mut here = (0..self.accesses.sessions.len()).find_map(stuck).or_else(|| self.any_reached())?;
        let mut seen: DatumMap<(u32, u32), usize> = DatumMap::default();
        let mut path = Vec::new();
        loop {
            if let Some(&start) = seen.get(&(here.operation, here.write)) {
                let mut circle = path.split_off(start);
                // It was followed against the order.
                circle.reverse();
                return Some(circle);
            }
            seen.insert((here.operation, here.write), path.len());
            let target = if here.is_write() {
                let waits_for = |conflict: &&Conflict| {
                    conflict.after == here.write && !self.done[conflict.before as usize]
                };
                let conflict = *self.conflicts.iter().find(waits_for)?;
                path.push(conflict);
                conflict.before
            } else {
                here.write
            };
            here = self.holds_up(target)?;
        }
    }

    /// What keeps a write from being done: itself, if it was reached, or what its session waits at before.
    fn holds_up(&self, write: WriteNumber) -> Option<Access> {
        let mine = |access: &Access| access.is_write() && access.write == write;
        let session = self.accesses.sessions.iter().position(|session| session.iter().any(mine))?;
        if self.reached.contains_key(&write) {
            return self.accesses.sessions.of(session).iter().copied().find(mine);
        }
        self.accesses.sessions.of(session).get(self.next[session]).copied()
    }

    fn any_reached(&self) -> Option<Access> {
        let is_reached = |access: &&Access| access.is_write() && self.reached.contains_key(&access.write);
        self.accesses.sessions.iter().flatten().find(is_reached).copied()
    }
}

/// The shortest part of a circle that is a circle itself.
fn shortest(accesses: &Accesses, order: &CausalOrder, circle: &[Conflict]) -> Vec<Conflict> {
    let len = circle.len();
    // Long circles are rare, and the square of their length is looked at.
    for parts in 2..len.min(200) {
        for start in 0..len {
            let (first, last) = (circle[start], circle[(start + parts - 1) % len]);
            if order.up_to(accesses, last.after, first.before) {
                return (0..parts).map(|n| circle[(start + n) % len]).collect();
            }
        }
    }
    circle.to_vec()
}
