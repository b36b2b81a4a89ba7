//! What decides a replica's future, for the model checker's fingerprints.

use super::{Replica, links::OutLink};
use core::hash::{Hash, Hasher};

impl Replica {
    /// Hashes what decides all that this replica will do and show, in a world without ticks, in which everything
    /// pending has been flushed and every position names one entry for ever.
    ///
    /// Left out is what follows from the rest there: the logs and the clock (from `applied` and the entries), how far
    /// links have sent what was applied (all of it, if they are up), and what only ticks look at.
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
        }
        self.seen.hash(hasher);
        self.homes.hash(hasher);
        self.waiting.hash(hasher);
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
