//! What decides a replica's future, for the model checker's fingerprints.

use super::{
    Replica,
    links::{Greeting, OutLink},
    log::OriginLog,
};
use crate::{id::ReplicaId, message::Entry, value::Key, version::Cell};
use alloc::{boxed::Box, sync::Arc};
use core::hash::{Hash, Hasher};

/// The entries that one node of an ordered map has room for.
pub(super) const ROOM_OF_A_NODE: usize = 11;

/// All of it, but for what all replicas of a cluster have in common.
impl Hash for Replica {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { config: _, me, clock, applied, store, logs, links, acks_due, greetings, .. } = self;
        (me, clock, applied, store, logs, links, acks_due, greetings).hash(hasher);
        let Self { seen, homes, waiting, reserved, position, .. } = self;
        (seen, homes, waiting, reserved, position).hash(hasher);
    }
}

impl Replica {
    /// Hashes what decides all that this replica will do and show, in a world without ticks, in which everything
    /// pending has been flushed and every position names one entry for ever.
    ///
    /// Left out is what follows from the rest there: the logs and the clock (from `applied` and the entries), how far
    /// links have sent what was applied (all of it, if they are up), and what only ticks look at. The position that the
    /// next write gets follows from `applied` too, but where a leader may have lost the tail of its log.
    pub(crate) fn hash_behaviour<H: Hasher>(&self, hasher: &mut H) {
        self.applied.hash(hasher);
        self.store.len().hash(hasher);
        for (key, cell) in &self.store {
            key.hash(hasher);
            cell.versions.len().hash(hasher);
            for version in &cell.versions {
                // All but what was forgotten follows from the entry at that position.
                (version.dot, version.is_forgotten()).hash(hasher);
            }
            cell.merged.hash(hasher);
            cell.tags.hash(hasher);
            if cell.versions.len() == 1 && cell.merged.is_some() {
                // A value that was merged in place knows what went into it.
                cell.versions[0].context.hash(hasher);
            }
            if cell.refused.is_some() {
                cell.versions.hash(hasher);
            }
            // What is kept of the past follows from what was applied, unless it was forgotten.
            cell.past.as_ref().map_or(0, |past| past.len()).hash(hasher);
        }
        self.seen.hash(hasher);
        self.homes.hash(hasher);
        self.waiting.hash(hasher);
        if self.config.reserve > 0 {
            (self.position, self.reserved).hash(hasher);
        }
        self.stalls.len().hash(hasher);
        for (origin, stalled) in &self.stalls {
            (origin, stalled.end()).hash(hasher);
        }
        self.links.iter().filter(|link| link.up).for_each(|link| self.hash_ahead(link, hasher));
    }

    /// Hashes what a receiver is known to have although this replica lacks it: it will not be passed on.
    fn hash_ahead<H: Hasher>(&self, link: &OutLink, hasher: &mut H) {
        let graph = &self.config.graph;
        for origin in graph.leaders().filter(|&origin| graph.forwards(self.me, link.to, origin)) {
            let (sent, applied) = (link.sent.get(origin), self.applied.get(origin));
            assert!(sent >= applied, "{} has not flushed what it applied of {origin}", self.me);
            if sent > applied {
                (link.to, origin, sent).hash(hasher);
            }
        }
        link.to.hash(hasher);
    }
}

impl Replica {
    /// The bytes that it takes, by and large: a map of a few entries is one node with room for eleven; what values
    /// point to and homes on the move are not counted.
    pub(crate) fn bytes(&self) -> usize {
        let entry = size_of::<Arc<Entry>>();
        let log = |log: &OriginLog| size_of::<OriginLog>() + log.head().next_power_of_two() as usize * entry;
        let owed = ROOM_OF_A_NODE * size_of::<(ReplicaId, u64)>();
        size_of::<Self>()
            + self.store.len().div_ceil(ROOM_OF_A_NODE) * ROOM_OF_A_NODE * size_of::<(Key, Box<Cell>)>()
            + self.store.len() * size_of::<Cell>()
            + self.logs.iter().map(log).sum::<usize>()
            + self.links.len() * (size_of::<OutLink>() + owed)
            + self.greetings.len() * size_of::<Greeting>()
            + self.seen.bytes()
    }
}
