//! The causal order: session order and reads-from, closed transitively. One clock a write: how many writes of every
//! session it knew of, itself included.
//!
//! Sessions are followed until they wait for a write that was not yet met; whoever is left waiting in the end stands on
//! a cycle. O(accesses x sessions) time, O(writes x sessions) memory, no recursion.
//!
//! A clock only grows while its session goes on, and not by much from one write to the next: it is kept as what it is
//! above an earlier clock of its session, a byte a session. Where a byte does not do, a new such base begins.

use super::{Access, Accesses, INITIAL, THIN_AIR, WriteNumber};
use crate::history::recorded::DatumMap;

/// Clocks of all writes.
#[derive(Debug)]
pub(in super::super) struct CausalOrder {
    sessions: usize,
    /// The clocks that others are told by, one after the other.
    bases: Vec<u32>,
    /// Of every write, which of them tells its clock, or [`NOT_MET`].
    base_of: Vec<u32>,
    /// Of every write, what its clock is above its base.
    above: Vec<u8>,
    /// The accesses on which a cycle was found: each read waits for the write that comes next, or is of its session.
    pub(in super::super) cycle: Vec<Access>,
}

/// No base: the write was not met.
const NOT_MET: u32 = u32::MAX;

/// What a write knew of: for every session, how many of its writes.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Clock<'a> {
    base: &'a [u32],
    above: &'a [u8],
}

impl Clock<'_> {
    /// How many writes of this session.
    pub(in super::super) fn at(&self, session: u32) -> u32 {
        self.base[session as usize] + u32::from(self.above[session as usize])
    }

    /// Takes up all that this knew.
    fn join_to(&self, own: &mut [u32]) {
        for ((own, &base), &above) in own.iter_mut().zip(self.base).zip(self.above) {
            *own = (*own).max(base + u32::from(above));
        }
    }
}

/// What is called for every read, in an order in which causes come before their effects.
pub(in super::super) trait Visitor {
    /// A session reads; its clock tells what it knew of before.
    fn read(&mut self, order: &CausalOrder, session: usize, access: Access, clock: &[u32]);
    /// A session has read or written; its clock has it.
    fn done(&mut self, order: &CausalOrder, session: usize, access: Access);
}

/// How many bytes the clocks may take.
const MOST_CLOCKS: usize = 4 << 30;

impl CausalOrder {
    /// Follows all sessions. `None` if the clocks of so many sessions would not fit into memory.
    pub(in super::super) fn follow(accesses: &Accesses, visitor: &mut dyn Visitor) -> Option<Self> {
        let sessions = accesses.session_count();
        let size = accesses.writes.len().checked_mul(sessions).filter(|&size| size <= MOST_CLOCKS)?;
        let mut order = Self {
            sessions,
            bases: Vec::new(),
            base_of: vec![NOT_MET; accesses.writes.len()],
            above: vec![0; size],
            cycle: Vec::new(),
        };
        let mut walk = Walk {
            accesses,
            next: vec![0; accesses.sessions.len()],
            clocks: vec![0; accesses.sessions.len() * sessions],
            waiting: DatumMap::default(),
            waits_for: vec![None; accesses.sessions.len()],
            base: vec![NOT_MET; accesses.sessions.len()],
        };
        let mut ready: Vec<usize> = (0..accesses.sessions.len()).rev().collect();
        while let Some(session) = ready.pop() {
            walk.run(session, &mut order, visitor, &mut ready);
            if order.bases.len() * size_of::<u32>() > MOST_CLOCKS {
                return None;
            }
        }
        order.cycle = walk.cycle();
        Some(order)
    }

    /// What the write knew of. It was met.
    pub(in super::super) fn clock(&self, write: WriteNumber) -> Clock<'_> {
        let start = write as usize * self.sessions;
        let base = self.base_of[write as usize] as usize * self.sessions;
        Clock {
            base: &self.bases[base..base + self.sessions],
            above: &self.above[start..start + self.sessions],
        }
    }

    /// Whether the write was met, and so has a clock.
    pub(in super::super) fn has(&self, write: WriteNumber) -> bool {
        self.base_of.get(write as usize).is_some_and(|&base| base != NOT_MET)
    }

    /// Notes the clock of a write, by this base if that does; the base that did.
    fn meet(&mut self, write: WriteNumber, clock: &[u32], base: u32) -> u32 {
        let start = write as usize * self.sessions;
        let above = &mut self.above[start..start + self.sessions];
        if base != NOT_MET {
            let base_clock = &self.bases[base as usize * self.sessions..][..self.sessions];
            let mut most = 0;
            for ((above, &now), &then) in above.iter_mut().zip(clock).zip(base_clock) {
                let difference = now - then;
                most |= difference;
                *above = difference as u8;
            }
            if most <= u32::from(u8::MAX) {
                self.base_of[write as usize] = base;
                return base;
            }
        }
        above.fill(0);
        let next = u32::try_from(self.bases.len() / self.sessions).unwrap_or(NOT_MET);
        self.bases.extend_from_slice(clock);
        self.base_of[write as usize] = next;
        next
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
        self.clock(second).at(write.session) >= write.position
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
    /// Of every session, the base of its last write's clock.
    base: Vec<u32>,
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
        while let Some(&access) = self.accesses.sessions.of(session).get(self.next[session]) {
            let clock = &mut self.clocks[session * width..(session + 1) * width];
            if access.is_write() {
                self.write(session, access, order, ready);
            } else if access.write != INITIAL && access.write != THIN_AIR && !order.has(access.write) {
                self.waiting.entry(access.write).or_default().push(session);
                self.waits_for[session] = Some(access.write);
                return;
            } else {
                visitor.read(order, session, access, clock);
                if order.has(access.write) {
                    order.clock(access.write).join_to(clock);
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
        let before = std::mem::replace(&mut clock[write.session as usize], write.position);
        let base = order.meet(access.write, clock, self.base[session]);
        if self.accesses.is_lone(&write) {
            // Of a write without an answer, its session does not know.
            clock[write.session as usize] = before;
        } else {
            self.base[session] = base;
        }
        if !self.waiting.is_empty() {
            ready.extend(self.waiting.remove(&access.write).unwrap_or_default());
        }
    }

    /// From one session that waits to the session of the write that it waits for, until one comes again.
    fn cycle(&self) -> Vec<Access> {
        let Some(start) = self.waits_for.iter().position(Option::is_some) else { return Vec::new() };
        // The write stands in its client's order, even if its session is one of its own.
        let home = |write: WriteNumber| {
            let find = |accesses: &[Access]| accesses.iter().any(|a| a.is_write() && a.write == write);
            self.accesses.sessions.iter().position(find)
        };
        let mut seen = vec![None; self.accesses.sessions.len()];
        let mut path = Vec::new();
        let mut session = start;
        while seen[session].is_none() {
            seen[session] = Some(path.len());
            let read = self.accesses.sessions.of(session)[self.next[session]];
            let Some(target) = self.waits_for[session].and_then(home) else { break };
            let write =
                self.accesses.sessions.of(target).iter().find(|a| a.is_write() && a.write == read.write);
            path.extend([Some(read), write.copied()].into_iter().flatten());
            session = target;
        }
        path.split_off(seen[session].unwrap_or(0))
    }
}
