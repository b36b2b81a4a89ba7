//! Shrinking: from a schedule that shows something to a small one that still shows it.
//!
//! First whatever can be left out is: delta debugging over operations and faults together (Zeller and Hildebrandt,
//! "Simplifying and Isolating Failure-Inducing Input", 2002), then faults with their undoing in pairs. Then what remains
//! is made simpler: fewer clients, records and replicas, one link instead of three, round times. All of it again until
//! nothing helps. That works because a schedule is data, and because leaving an event out shifts no draw of another.

mod simpler;

use super::schedule::Schedule;
use crate::random::mix;
use alloc::{collections::BTreeSet, vec::Vec};
use core::hash::{Hash, Hasher};

/// What shrinking came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk {
    /// The smallest schedule found.
    pub schedule: Schedule,
    /// How many schedules were tried.
    pub runs: u64,
    /// Whether no single event can be left out of it. If not, the bound on runs was reached.
    pub minimal: bool,
}

/// Shrinks a schedule as long as it shows something, in at most so many runs.
///
/// `shows` runs a schedule and says whether what is looked for is there. It must be so of the given schedule.
pub fn shrink(schedule: &Schedule, shows: impl FnMut(&Schedule) -> bool, max_runs: u64) -> Shrunk {
    let mut search = Search { best: schedule.clone(), shows, tried: BTreeSet::new(), runs: 0, max_runs };
    let mut minimal = false;
    while !search.is_spent() {
        let before = search.best.clone();
        search.leave_out();
        minimal = !search.is_spent();
        search.simplify();
        if search.best == before {
            break;
        }
        // What was made simpler may have made something needless.
        minimal = false;
    }
    let minimal = minimal && !search.is_spent();
    Shrunk { schedule: search.best, runs: search.runs, minimal }
}

struct Search<F> {
    best: Schedule,
    shows: F,
    /// Digests of what was tried in vain.
    tried: BTreeSet<u64>,
    runs: u64,
    max_runs: u64,
}

impl<F: FnMut(&Schedule) -> bool> Search<F> {
    const fn is_spent(&self) -> bool {
        self.runs >= self.max_runs
    }

    /// Takes a schedule if it still shows what is looked for.
    fn try_out(&mut self, candidate: Schedule) -> bool {
        if candidate == self.best || self.is_spent() || !self.tried.insert(digest(&candidate)) {
            return false;
        }
        // Simplifying may make what cannot be run, such as a ring of one.
        if candidate.graph().is_err() {
            return false;
        }
        self.runs += 1;
        let shows = (self.shows)(&candidate);
        if shows {
            self.best = candidate;
        }
        shows
    }

    /// Tries the best schedule with a change.
    fn try_change(&mut self, change: impl FnOnce(&mut Schedule)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        self.try_out(candidate)
    }

    /// Leaves out what can be left out, until no single event can be.
    fn leave_out(&mut self) {
        let mut size = events(&self.best).div_ceil(2);
        while size > 0 && !self.is_spent() {
            let shorter = self.leave_out_runs(size);
            if size == 1 && !shorter && !self.leave_out_pairs() {
                return;
            }
            size = if size == 1 { 1 } else { size / 2 };
        }
    }

    /// Tries without each run of so many events. Whether one was left out.
    fn leave_out_runs(&mut self, size: usize) -> bool {
        let (mut start, mut shorter) = (0, false);
        while start < events(&self.best) && !self.is_spent() {
            let gone: BTreeSet<usize> = (start..start + size).collect();
            if self.try_change(|schedule| remove(schedule, &gone)) {
                shorter = true;
            } else {
                start += size;
            }
        }
        shorter
    }

    /// Tries without each two events: a fault and its undoing often go together or not at all.
    fn leave_out_pairs(&mut self) -> bool {
        let mut first = 0;
        while first < self.best.faults.len() && !self.is_spent() {
            for second in first + 1..self.best.faults.len() {
                if self.try_change(|schedule| remove(schedule, &BTreeSet::from([first, second]))) {
                    return true;
                }
            }
            first += 1;
        }
        false
    }
}

/// The number of events: faults first, then errands, then operations.
fn events(schedule: &Schedule) -> usize {
    schedule.faults.len() + schedule.errands.len() + schedule.operations.len()
}

fn remove(schedule: &mut Schedule, gone: &BTreeSet<usize>) {
    let faults = schedule.faults.len();
    let errands = faults + schedule.errands.len();
    keep(&mut schedule.faults, |index| !gone.contains(&index));
    keep(&mut schedule.errands, |index| !gone.contains(&(faults + index)));
    keep(&mut schedule.operations, |index| !gone.contains(&(errands + index)));
}

fn keep<T>(items: &mut Vec<T>, keeps: impl Fn(usize) -> bool) {
    let mut index = 0;
    items.retain(|_| {
        index += 1;
        keeps(index - 1)
    });
}

/// A digest of a schedule, to know it again.
fn digest(schedule: &Schedule) -> u64 {
    struct Digest(u64);
    impl Hasher for Digest {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for chunk in bytes.chunks(8) {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                self.0 = mix(self.0 ^ u64::from_le_bytes(word)).wrapping_add(chunk.len() as u64);
            }
        }
    }
    let mut hasher = Digest(0);
    schedule.hash(&mut hasher);
    hasher.finish()
}
