//! What a search may cost: configurations in memory, and time, as whoever asks for the check keeps it.

use std::fmt;

/// How many steps are taken between two looks at the clock.
const STEPS_PER_LOOK: u64 = 4096;

/// Counts the steps of searches and says when to stop.
pub(super) struct Budget<'a> {
    spent: u64,
    limit: u64,
    out_of_time: &'a dyn Fn() -> bool,
}

impl fmt::Debug for Budget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("spent", &self.spent)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<'a> Budget<'a> {
    /// As many steps as `out_of_time` leaves time for.
    pub(super) const fn until(out_of_time: &'a dyn Fn() -> bool) -> Self {
        Self { spent: 0, limit: u64::MAX, out_of_time }
    }

    /// A part of this budget.
    pub(super) const fn part(&self, limit: u64) -> Self {
        Self { spent: 0, limit, out_of_time: self.out_of_time }
    }

    /// The steps taken so far.
    pub(super) const fn spent(&self) -> u64 {
        self.spent
    }

    /// Takes some steps; none if that is too much.
    pub(super) fn spend(&mut self, steps: u64) -> Option<()> {
        let before = self.spent / STEPS_PER_LOOK;
        self.spent += steps;
        let is_over =
            self.spent > self.limit || self.spent / STEPS_PER_LOOK != before && (self.out_of_time)();
        (!is_over).then_some(())
    }
}
