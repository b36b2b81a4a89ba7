//! Which writes the final value was built on.

use super::Judge;
use alloc::{collections::VecDeque, vec, vec::Vec};

/// The winning line: the final versions, and all that they were built on.
pub(super) struct Line {
    /// For each write on it, the next one towards the end; itself for a final version.
    toward: Vec<Option<usize>>,
    finals: Vec<usize>,
    /// The first of those that were made on an empty record.
    pub(super) root: Option<usize>,
}

impl Line {
    pub(super) fn of(judge: &Judge<'_>, finals: &[usize]) -> Self {
        let mut line = Self { toward: vec![None; judge.0.slots()], finals: finals.to_vec(), root: None };
        let mut open: VecDeque<(usize, usize)> = finals.iter().map(|&slot| (slot, slot)).collect();
        while let Some((slot, toward)) = open.pop_front() {
            if line.toward[slot].is_some() {
                continue;
            }
            line.toward[slot] = Some(toward);
            let parents = judge.parents(slot);
            if parents.is_empty() {
                line.root = Some(line.root.map_or(slot, |root| root.min(slot)));
            }
            open.extend(parents.into_iter().map(|parent| (parent, slot)));
        }
        line
    }

    pub(super) fn contains(&self, slot: usize) -> bool {
        self.toward[slot].is_some()
    }

    pub(super) fn is_final(&self, slot: usize) -> bool {
        self.toward[slot] == Some(slot)
    }

    /// The next write towards the end; `None` for a final version and off the line.
    pub(super) fn next(&self, slot: usize) -> Option<usize> {
        self.toward[slot].filter(|&next| next != slot)
    }

    /// From here on towards the end.
    pub(super) fn onward(&self, slot: usize) -> impl Iterator<Item = usize> + '_ {
        core::iter::successors(self.next(slot), |&at| self.next(at))
    }

    /// A final version other than the one that this write led to.
    pub(super) fn beside(&self, slot: usize) -> Option<usize> {
        let end = self.onward(slot).last().unwrap_or(slot);
        self.finals.iter().copied().find(|&held| held != end)
    }
}
