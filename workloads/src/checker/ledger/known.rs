//! All that writes were made in the knowledge of.
//!
//! An acknowledgement tells what the leader had applied. That is not all: where every leader sends its own writes to
//! every other one, a version may come before what it was made on, and what is then made on it was made in the knowledge
//! of that, too. So the vectors are joined along the lines of ancestors, for every write once. Nearly always a leader
//! has applied all that its versions knew: then nothing is kept.

use super::writes::{NONE, Writes};

/// A write that nobody has come to.
const NEW: u32 = NONE - 1;
/// A write whose parents are being looked at.
const OPEN: u32 = NONE - 2;

/// What each write knew of beyond what its leader had applied.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The number of its vector; none if it knew of nothing beyond.
    numbers: Vec<u32>,
    vectors: Vec<u32>,
    leaders: usize,
}

impl Known {
    /// Joins the vectors of all writes with those of their ancestors.
    pub(super) fn of(writes: &Writes) -> Self {
        let leaders = writes.leaders();
        let mut known = Self { numbers: vec![NEW; writes.len()], vectors: Vec::new(), leaders };
        let (mut open, mut joined) = (Vec::new(), Vec::new());
        for number in (0..).take(writes.len()) {
            open.push(number);
            // Ancestors first. No recursion: a line may be as long as the history.
            while let Some(&at) = open.last() {
                let mark = known.numbers[at as usize];
                if mark == NEW {
                    known.numbers[at as usize] = OPEN;
                    let is_new = |parent: &u32| known.numbers[*parent as usize] == NEW;
                    open.extend(hands_on(writes, at).filter(is_new));
                    continue;
                }
                if mark == OPEN {
                    known.numbers[at as usize] = known.join(writes, at, &mut joined);
                }
                open.pop();
            }
        }
        known
    }

    /// The number of the vector of a write whose ancestors have theirs. In a circle of ancestors, which no system tells
    /// that is in its senses, nothing is learnt.
    fn join(&mut self, writes: &Writes, write: u32, joined: &mut Vec<u32>) -> u32 {
        let own = writes.applied_before(write);
        joined.clear();
        joined.extend(own.iter().copied().chain(std::iter::repeat(0)).take(self.leaders));
        for parent in hands_on(writes, write) {
            let learnt = [writes.applied_before(parent), self.of_write(parent)];
            for vector in learnt {
                joined.iter_mut().zip(vector).for_each(|(known, &position)| *known = position.max(*known));
            }
            let dot = writes.get(parent).dot();
            if let Some(dot) = dot.filter(|dot| dot.origin.index() < self.leaders) {
                let known = &mut joined[dot.origin.index()];
                *known = dot.position.max(*known);
            }
        }
        if joined.iter().zip(own.iter().chain(std::iter::repeat(&0))).all(|(known, applied)| known == applied)
        {
            return NONE;
        }
        let number = self.vectors.len() / self.leaders;
        self.vectors.extend_from_slice(joined);
        u32::try_from(number).ok().filter(|&number| number < OPEN).unwrap_or(NONE)
    }

    /// What a write knew of, if that is more than its leader had applied.
    pub(super) fn of_write(&self, write: u32) -> &[u32] {
        match self.numbers.get(write as usize) {
            None | Some(&(NONE | NEW | OPEN)) => &[],
            Some(&number) => &self.vectors[number as usize * self.leaders..][..self.leaders],
        }
    }
}

/// The writes that a write was executed on, and that hand on what they knew. What the acknowledgement of a moved write
/// tells holds for one of its copies only.
fn hands_on(writes: &Writes, write: u32) -> impl Iterator<Item = u32> + '_ {
    writes.parents(write).iter().copied().filter(|&parent| !writes.get(parent).was_moved())
}
