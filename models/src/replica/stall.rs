//! Logs that wait: entries that came, and cannot be applied before one of them that updates a row which is not here, with
//! the policy [`MissingRow::Stall`]; or before one of them that knew of something which is not here, with a strategy that
//! [waits for causes](crate::strategy::Strategy::waits_for_causes).
//!
//! What waits is neither applied nor acknowledged, so whoever sent it sends it again after a crash; it is kept in memory
//! only so that it need not come again when the row arrives by another way.

use super::{Outputs, Replica};
use crate::{
    clock::Now,
    id::{LogPosition, ReplicaId},
    message::{Entry, Output, TraceEvent},
    strategy::{MissingRow, Site},
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// The entries of one origin that wait, in order and without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Stalled {
    /// Who sent the first of them, and waits for its acknowledgement.
    from: ReplicaId,
    entries: VecDeque<Arc<Entry>>,
}

/// What waits, by origin. No queue is empty.
pub(super) type Stalls = BTreeMap<ReplicaId, Stalled>;

impl Stalled {
    /// How far the log of the origin has come here.
    pub(super) fn end(&self) -> LogPosition {
        self.entries.back().map_or(0, |entry| entry.version.dot.position)
    }
}

impl Replica {
    /// How far the log of an origin has come here, applied or waiting.
    pub(super) fn received(&self, origin: ReplicaId) -> LogPosition {
        self.stalls.get(&origin).map_or_else(|| self.applied.get(origin), Stalled::end)
    }

    /// Applies an entry of another leader that came from `from`, or lets it wait. Whether it was applied.
    pub(super) fn take_in(&mut self, from: ReplicaId, entry: Arc<Entry>, out: &mut Outputs) -> bool {
        let origin = entry.version.dot.origin;
        if let Some(stalled) = self.stalls.get_mut(&origin) {
            stalled.entries.push_back(entry);
            return false;
        }
        if self.must_wait(&entry) {
            tell_stalled(&entry, out);
            self.stalls.insert(origin, Stalled { from, entries: VecDeque::from([entry]) });
            return false;
        }
        self.apply(entry, Site::Remote, Some(out));
        true
    }

    fn must_wait(&self, entry: &Entry) -> bool {
        let misses_row = || {
            entry.update
                && self.config.strategy.resolver().rows().missing == MissingRow::Stall
                && !self.store.contains_key(&entry.key)
        };
        let misses_cause =
            || self.config.strategy.waits_for_causes() && !self.applied.includes(&entry.version.context);
        misses_row() || misses_cause()
    }

    /// Applies what waited for rows that are here now.
    pub(super) fn resume_stalled(&mut self, now: Now, out: &mut Outputs) {
        while let Some(origin) = self.stalls.keys().copied().find(|&origin| self.can_resume(origin)) {
            self.resume_log(origin, out);
            // Whoever waited for that may write rows for which others wait.
            self.serve_waiting(now, out);
            self.settle_homes(now, out);
        }
    }

    fn can_resume(&self, origin: ReplicaId) -> bool {
        let first = self.stalls.get(&origin).and_then(|stalled| stalled.entries.front());
        first.is_some_and(|entry| !self.must_wait(entry))
    }

    fn resume_log(&mut self, origin: ReplicaId, out: &mut Outputs) {
        let Some(Stalled { from, mut entries }) = self.stalls.remove(&origin) else { return };
        if !self.acks_due.contains(&from) {
            self.acks_due.push(from);
        }
        while let Some(entry) = entries.pop_front() {
            if self.must_wait(&entry) {
                tell_stalled(&entry, out);
                entries.push_front(entry);
                self.stalls.insert(origin, Stalled { from, entries });
                return;
            }
            self.apply(entry, Site::Remote, Some(out));
        }
    }
}

fn tell_stalled(entry: &Entry, out: &mut Outputs) {
    let (key, write, dot) = (entry.key.clone(), entry.version.write, entry.version.dot);
    out.push(Output::Trace(TraceEvent::Stalled { key, write, dot }));
}
