//! What a session is promised, whichever replicas it talks to: the four session guarantees of Terry et al., "Session
//! Guarantees for Weakly Consistent Replicated Data" (PDIS 1994), as far as a session can observe them.
//!
//! A read is *behind* a write if the record as it was returned is strictly older: no version returned is that write or
//! was made in the knowledge of it, and the write was made in the knowledge of all of them. A read that returns no
//! version is behind a write unless the replica had applied it, or a version of it that knew of it. Versions that know
//! nothing of each other are never behind each other: to be shown the other side of a conflict breaks no promise. What a
//! version knew of is what it says itself, its context. Of a write that two leaders took there are two copies; in doubt
//! a read is not behind.

use super::{parts::Witnessed, scope::KEYS, state::View};
use crate::{
    id::ClientId,
    message::Entry,
    version::{Version, VersionVector},
};
use alloc::{sync::Arc, vec::Vec};
use smallvec::SmallVec;

/// A promise to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarantee {
    /// No read of a session is behind a write that the session was told is done.
    ReadYourWrites,
    /// No read of a session is behind a version that an earlier read of the session returned.
    MonotonicReads,
    /// Whoever has read a write of a session is not behind an earlier, acknowledged write of that session. Breaches of
    /// the two promises above are not counted here: the earlier write is another's, and was never read.
    MonotonicWrites,
    /// Whoever has read a write is not behind a version that the session of that write had read before. Breaches of the
    /// first two promises are not counted here either.
    WritesFollowReads,
}

impl Guarantee {
    /// All guarantees, in the order of reports.
    pub const ALL: [Self; 4] =
        [Self::ReadYourWrites, Self::MonotonicReads, Self::MonotonicWrites, Self::WritesFollowReads];

    /// The name, as reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadYourWrites => "read-your-writes",
            Self::MonotonicReads => "monotonic-reads",
            Self::MonotonicWrites => "monotonic-writes",
            Self::WritesFollowReads => "writes-follow-reads",
        }
    }

    /// Its bit among those asked and those broken.
    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What a read returned.
pub(super) struct Reading<'a> {
    pub(super) key: u8,
    /// The slots of the versions.
    pub(super) slots: SmallVec<[usize; 2]>,
    /// What the replica had applied.
    pub(super) applied: &'a VersionVector,
}

impl<'a> View<'a> {
    /// What a session has been told after one more read.
    pub(super) fn witnessed(self, client: ClientId, reading: &Reading<'_>) -> Witnessed {
        let mut witnessed = self.client(client).witnessed;
        for guarantee in Guarantee::ALL {
            let promised = self.promised(guarantee, client, witnessed.seen, reading.key);
            let kept = promised.iter().all(|&slot| !self.is_behind(reading, slot));
            witnessed.asked |= if promised.is_empty() { 0 } else { guarantee.bit() };
            witnessed.broken |= if kept { 0 } else { guarantee.bit() };
        }
        witnessed.seen |= reading.slots.iter().fold(0, |seen, slot| seen | 1 << slot);
        witnessed
    }

    /// The writes to a record that a read of this session must not be behind, since this guarantee says so.
    fn promised(self, guarantee: Guarantee, client: ClientId, seen: u16, key: u8) -> Vec<usize> {
        let read = |slot: usize| seen >> slot & 1 == 1;
        let own = |slot: usize| self.laws.client_of(slot) == client.0 as usize;
        let acknowledged =
            |slot: usize| self.issued_at(slot).is_some_and(|issued| issued.written().is_some());
        let of_record = |&slot: &usize| self.issued_at(slot).is_some_and(|issued| issued.key == key);
        let before = |slot: usize| {
            let others = |&later: &usize| match guarantee {
                Guarantee::MonotonicWrites => {
                    slot < later && self.laws.client_of(slot) == self.laws.client_of(later)
                }
                _ => self.issued_at(later).is_some_and(|issued| issued.read >> slot & 1 == 1),
            };
            (0..self.slots()).filter(|&later| read(later)).any(|later| others(&later))
        };
        let demands = |&slot: &usize| match guarantee {
            Guarantee::ReadYourWrites => own(slot) && acknowledged(slot),
            Guarantee::MonotonicReads => read(slot),
            Guarantee::MonotonicWrites => acknowledged(slot) && !own(slot) && !read(slot) && before(slot),
            Guarantee::WritesFollowReads => !own(slot) && !read(slot) && before(slot),
        };
        (0..self.slots()).filter(of_record).filter(demands).collect()
    }

    /// Whether a record as it was read is strictly older than a write.
    fn is_behind(self, reading: &Reading<'_>, slot: usize) -> bool {
        let copies = self.copies(slot);
        if copies.is_empty() {
            return false;
        }
        let knew = |version: &Version, other: &[&Version]| other.iter().any(|other| version.knew(other));
        if reading.slots.is_empty() {
            let covers = |entry: &Arc<Entry>| {
                let version = &entry.version;
                entry.key == KEYS[usize::from(reading.key)]
                    && reading.applied.covers(version.dot)
                    && (self.laws.slot_of(version.write) == slot || knew(version, &copies))
            };
            return !self.entries().any(covers);
        }
        reading.slots.iter().all(|&returned| {
            let others = self.copies(returned);
            returned != slot
                && !others.iter().any(|version| knew(version, &copies))
                && copies.iter().all(|version| knew(version, &others))
        })
    }

    fn entries(self) -> impl Iterator<Item = &'a Arc<Entry>> {
        self.tables.entries_of(self.state.made())
    }

    /// The versions that a write has made: two, if two leaders took it.
    fn copies(self, slot: usize) -> Vec<&'a Version> {
        let versions = self.entries().map(|entry| &entry.version);
        versions.filter(|version| self.laws.slot_of(version.write) == slot).collect()
    }
}
