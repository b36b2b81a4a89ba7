//! The causal order: session order and reads-from, closed transitively. One clock a write: how many writes of every
//! session it knew of, itself included.
//!
//! Sessions are followed until they wait for a write that was not yet met; whoever is left waiting in the end stands on
//! a cycle. O(accesses x sessions) time, O(writes x sessions) memory, no recursion.

use super::{Access, Accesses, INITIAL, THIN_AIR, WriteNumber};
use crate::history::recorded::DatumMap;

/// Clocks of all writes, and of each session as it goes.
#[derive(Debug)]
pub(in super::super) struct CausalOrder {
    sessions: usize,
    /// The clocks of writes, one after the other.
    clocks: Vec<u32>,
    /// Which writes were met.
    met: Vec<bool>,
    /// The accesses on which a cycle was found: each read waits for the write that comes next, or is of its session.
    pub(in super::super) cycle: Vec<Access>,
}

/// What is called for every read, in an order in which causes come before their effects.
pub(in super::super) trait Visitor {
    /// A session reads; its clock tells what it knew of before.
    fn read(&mut self, order: &CausalOrder, session: usize, access: Access, clock: &[u32]);
    /// A session has read or written; its clock has it.
    fn done(&mut self, order: &CausalOrder, session: usize, access: Access);
}

/// How much memory the clocks may take.
const MOST_CLOCKS: usize = 1 << 30;

impl CausalOrder {
    /// Follows all sessions. `None` if the clocks of so many sessions would not fit into memory.
    pub(in super::super) fn follow(accesses: &Accesses, visitor: &mut dyn Visitor) -> Option<Self> {
        let sessions = accesses.session_count();
        let size = accesses.writes.len().checked_mul(sessions).filter(|&size| size <= MOST_CLOCKS)?;
        let mut order = Self {
            sessions,
            clocks: vec![0; size],
            met: vec![false; accesses.writes.len()],
            cycle: Vec::new(),
        };
        let mut walk = Walk {
            accesses,
            next: vec![0; accesses.sessions.len()],
            clocks: vec![0; accesses.sessions.len() * sessions],
            waiting: DatumMap::default(),
            waits_for: vec![None; accesses.sessions.len()],
        };
        let mut ready: Vec<usize> = (0..accesses.sessions.len()).rev().collect();
        while let Some(session) = ready.pop() {
            walk.run(session, &mut order, visitor, &mut ready);
        }
        order.cycle = walk.cycle();
        Some(order)
    }

    /// What the write knew of: for every session, how many of its writes.
    pub(in super::super) fn clock(&self, write: WriteNumber) -> &[u32] {
        let start = write as usize * self.sessions;
        &self.clocks[start..start + self.sessions]
    }

    /// Whether the write was met, and so has a clock.
    pub(in super::super) fn has(&self, write: WriteNumber) -> bool {
        self.met.get(write as usize).copied().unwrap_or(false)
    }

    /// The same, or [`CausalOrder::before`].
    pub(in super::super) fn up_to(
        &self,
        accesses: &Accesses,
        first: WriteNumber,
        second: WriteNumber,
    ) -> bool {
        first == second || self.before(accesses, first, second)
    }

    /// Whether the first comes before the second. No write comes before itself.
    pub(in super::super) fn before(
        &self,
        accesses: &Accesses,
        first: WriteNumber,
        second: WriteNumber,
    ) -> bool {
        if first == second || !self.has(first) || !self.has(second) {
            return false;
        }
        let write = accesses.writes[first as usize];
        self.clock(second)[write.session as usize] >= write.position
    }
}

struct Walk<'a> {
    accesses: &'a Accesses,
    /// Of every session, its next access.
    next: Vec<usize>,
    /// Of every session, its clock.
    clocks: Vec<u32>,
    /// Of writes that were not met, the sessions that wait for it.
    waiting: DatumMap<WriteNumber, Vec<usize>>,
    waits_for: Vec<Option<WriteNumber>>,
}

impl Walk<'_> {
    /// Follows a session as far as it goes.
    fn run(
        &mut self,
        session: usize,
        order: &mut CausalOrder,
        visitor: &mut dyn Visitor,
        ready: &mut Vec<usize>,
    ) {
        let width = order.sessions;
        self.waits_for[session] = None;
        while let Some(&access) = self.accesses.sessions[session].get(self.next[session]) {
            let clock = &mut self.clocks[session * width..(session + 1) * width];
            if access.is_write {
                self.write(session, access, order, ready);
            } else if access.write != INITIAL && access.write != THIN_AIR && !order.has(access.write) {
                self.waiting.entry(access.write).or_default().push(session);
                self.waits_for[session] = Some(access.write);
                return;
            } else {
                visitor.read(order, session, access, clock);
                if order.has(access.write) {
                    for (own, &other) in clock.iter_mut().zip(order.clock(access.write)) {
                        *own = (*own).max(other);
                    }
                }
            }
            visitor.done(order, session, access);
            self.next[session] += 1;
        }
    }

    fn write(&mut self, session: usize, access: Access, order: &mut CausalOrder, ready: &mut Vec<usize>) {
        let width = order.sessions;
        let write = self.accesses.writes[access.write as usize];
        let clock = &mut self.clocks[session * width..(session + 1) * width];
        let start = access.write as usize * width;
        let own = &mut order.clocks[start..start + width];
        own.copy_from_slice(clock);
        own[write.session as usize] = write.position;
        // Of a write without an answer, its session does not know.
        if !self.accesses.is_lone(&write) {
            clock[write.session as usize] = write.position;
        }
        order.met[access.write as usize] = true;
        if !self.waiting.is_empty() {
            ready.extend(self.waiting.remove(&access.write).unwrap_or_default());
        }
    }

    /// From one session that waits to the session of the write that it waits for, until one comes again.
    fn cycle(&self) -> Vec<Access> {
        let Some(start) = self.waits_for.iter().position(Option::is_some) else { return Vec::new() };
        // The write stands in its client's order, even if its session is one of its own.
        let home = |write: WriteNumber| {
            let find = |accesses: &Vec<Access>| accesses.iter().any(|a| a.is_write && a.write == write);
            self.accesses.sessions.iter().position(find)
        };
        let mut seen = vec![None; self.accesses.sessions.len()];
        let mut path = Vec::new();
        let mut session = start;
        while seen[session].is_none() {
            seen[session] = Some(path.len());
            let read = self.accesses.sessions[session][self.next[session]];
            let Some(target) = self.waits_for[session].and_then(home) else { break };
            let write = self.accesses.sessions[target].iter().find(|a| a.is_write && a.write == read.write);
            path.extend([Some(read), write.copied()].into_iter().flatten());
            session = target;
        }
        path.split_off(seen[session].unwrap_or(0))
    }
}
