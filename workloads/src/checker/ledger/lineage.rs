//! Which writes the final value was built on, and where a lost write left that line.
//!
//! An acknowledgement says which versions the write was executed on. From the final versions backwards these make a
//! graph; each write in it knows the next one towards the end. All walks are loops over marks, and bounded.

use super::writes::{NONE, State, Writes};
use std::collections::VecDeque;

/// How far a lost write is followed back to the winning line.
const MAX_STEPS: usize = 4096;

/// The winning line of one record. Made once and used for record after record.
#[derive(Debug)]
pub(crate) struct Lineage {
    /// For each write on the winning line, the next one towards the end; itself for a final version.
    toward: Vec<u32>,
    touched: Vec<u32>,
    root: u32,
}

/// How a write stands to the winning line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fork {
    /// There is no winning line to be seen.
    Unknown,
    /// It is on it.
    Within,
    /// It was made on the final version.
    AfterFinal(u32),
    /// It left the line at `ancestor`, where the line went on with `next`.
    At {
        /// The last write that both have in common; `None` if both began on an empty record.
        ancestor: Option<u32>,
        /// The first write on the winning line after it.
        next: u32,
    },
}

impl Lineage {
    pub(crate) fn new(writes: usize) -> Self {
        Self { toward: vec![NONE; writes], touched: Vec::new(), root: NONE }
    }

    /// Follows the final versions back to the beginning of the record.
    pub(crate) fn follow(&mut self, writes: &Writes, finals: &[u32]) {
        for number in self.touched.drain(..) {
            self.toward[number as usize] = NONE;
        }
        self.root = NONE;
        let mut open = VecDeque::new();
        for &number in finals {
            self.mark(number, number, &mut open);
        }
        while let Some(number) = open.pop_front() {
            let parents = writes.parents(number);
            if parents.is_empty() {
                self.root = self.root.min(number);
            }
            for &parent in parents {
                self.mark(parent, number, &mut open);
            }
        }
    }

    fn mark(&mut self, number: u32, toward: u32, open: &mut VecDeque<u32>) {
        let mark = &mut self.toward[number as usize];
        if *mark == NONE {
            *mark = toward;
            self.touched.push(number);
            open.push_back(number);
        }
    }

    /// Whether the final value was built on this write.
    pub(crate) fn contains(&self, number: u32) -> bool {
        self.toward[number as usize] != NONE
    }

    /// The next write towards the end; `None` for a final version.
    pub(crate) fn next(&self, number: u32) -> Option<u32> {
        let next = self.toward[number as usize];
        (next != NONE && next != number).then_some(next)
    }

    /// The first write on the winning line after this one of which two leaders may have made copies, the other one
    /// without it; else the next write.
    pub(crate) fn copy_after(&self, writes: &Writes, number: u32) -> Option<u32> {
        let mut at = number;
        for _ in 0..MAX_STEPS {
            match self.next(at) {
                Some(next) if writes.get(next).was_moved() => return Some(next),
                Some(next) => at = next,
                None => break,
            }
        }
        self.next(number)
    }

    /// Whether this final version is another one than that which the write led to.
    pub(crate) fn beside(&self, number: u32, held: u32) -> bool {
        let mut at = number;
        for _ in 0..MAX_STEPS {
            match self.next(at) {
                Some(next) => at = next,
                None => return at != held,
            }
        }
        false
    }

    /// How the write stands to the winning line.
    pub(crate) fn fork(&self, writes: &Writes, number: u32) -> Fork {
        if self.contains(number) {
            return Fork::Within;
        }
        let mut open: VecDeque<u32> = writes.parents(number).iter().copied().collect();
        let mut steps = 0;
        while let Some(ancestor) = open.pop_front() {
            if self.contains(ancestor) {
                return match self.next(ancestor) {
                    Some(next) => Fork::At { ancestor: Some(ancestor), next },
                    None => Fork::AfterFinal(ancestor),
                };
            }
            steps += 1;
            if steps == MAX_STEPS {
                return Fork::Unknown;
            }
            open.extend(writes.parents(ancestor));
        }
        if self.root == NONE { Fork::Unknown } else { Fork::At { ancestor: None, next: self.root } }
    }

    /// The place on the winning line, after this write, where several versions were made one: the result, and the
    /// side that this write was on.
    pub(crate) fn merge_after(&self, writes: &Writes, number: u32) -> Option<(u32, u32)> {
        let mut side = number;
        for _ in 0..MAX_STEPS {
            let next = self.next(side)?;
            if writes.get(next).state == State::Resolution || writes.parents(next).len() > 1 {
                return Some((next, side));
            }
            side = next;
        }
        None
    }
}
