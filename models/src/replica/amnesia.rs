//! Forgetting: what maintenance takes away that conflict resolution may still need.
//!
//! Both kinds are repeated by recovery, touch nothing but the store, and change neither what was applied, nor the
//! idempotency keys, nor the entries that are still to be sent: those go out as they were written.

use super::{Outputs, Replica};
use crate::message::{Output, Record, TraceEvent};

impl Replica {
    /// Forgets every tombstone, as a purge job does whose grace period is over, whatever the peers have seen: each
    /// record of which nothing but deleted versions is held is as if it had never been here. A live record stays with
    /// all its versions, deleted siblings among them; but a set forgets the additions that were taken back.
    pub(super) fn collect(&mut self, mut out: Option<&mut Outputs>) {
        let mut forgot = false;
        self.store.retain(|key, cell| {
            let kept = !cell.is_deleted();
            if let Some(out) = out.as_mut().filter(|_| !kept) {
                for version in &cell.versions {
                    let (key, write, dot) = (key.clone(), version.write, version.dot);
                    out.push(Output::Trace(TraceEvent::Collected { key, write, dot }));
                }
            }
            forgot |= !kept || cell.tags.as_mut().is_some_and(|tags| tags.forget_removed() > 0);
            kept
        });
        if let Some(out) = out.filter(|_| forgot) {
            out.push(Output::Persist(Record::Collect));
        }
    }

    /// Forgets what every version held knew and when it was written: see [`Version::forget`]. Identities and values
    /// stay, so nothing changes for readers.
    ///
    /// [`Version::forget`]: crate::version::Version::forget
    pub(super) fn forget(&mut self, out: Option<&mut Outputs>) {
        let mut records = 0;
        for cell in
            self.store.values_mut().filter(|cell| cell.versions.iter().any(|held| !held.is_forgotten()))
        {
            cell.versions.iter_mut().for_each(crate::version::Version::forget);
            cell.past = None;
            records += 1;
        }
        if let Some(out) = out.filter(|_| records > 0) {
            out.push(Output::Persist(Record::Forget));
            out.push(Output::Trace(TraceEvent::Forgot { records }));
        }
    }
}
