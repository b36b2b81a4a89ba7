//! Whether replication has come to rest: by positions, seen twice in a row, since what is on its way between two looks
//! shows at the second.

use super::{
    observer::Observer,
    queue::Event,
    world::{Rest, World},
};
use crate::{id::LinkId, replica::Replica, version::VersionVector};
use alloc::{format, string::String, vec::Vec};

/// How often it is looked.
const LOOK_US: u64 = 10_000;

/// What each replica had applied at the last look; none where it is dead.
pub(super) type Positions = Vec<Option<VersionVector>>;

impl<O: Observer> World<'_, O> {
    /// Looks, and says how the run ended if it has; else plans another look.
    pub(super) fn look(&mut self) -> Option<Rest> {
        let pending = self.under_way();
        if pending.is_none() {
            let applied = |replica: &Replica| replica.applied().clone();
            let positions: Positions =
                self.nodes.iter().map(|node| node.replica.as_ref().map(applied)).collect();
            if self.before.as_ref() == Some(&positions) {
                return Some(Rest::Reached { after_us: self.now_us - self.schedule.phases.load_us });
            }
            self.before = Some(positions);
        } else {
            self.before = None;
        }
        let phases = self.schedule.phases;
        if self.now_us >= phases.load_us.saturating_add(phases.converge_us) {
            let why = pending.unwrap_or_else(|| String::from("positions still move"));
            return Some(Rest::NotReached { why });
        }
        self.queue.push(self.now_us + LOOK_US, Event::Look);
        None
    }

    /// What is still under way, in words.
    fn under_way(&self) -> Option<String> {
        if let Some(busy) = self.clients.iter().find(|client| !client.session.is_idle()) {
            return Some(format!("{} has an operation under way", busy.session.client()));
        }
        let live = || self.nodes.iter().filter_map(|node| node.replica.as_ref());
        if let Some(replica) = live().find(|replica| replica.waiting() > 0) {
            return Some(format!("{} requests wait at {}", replica.waiting(), replica.id()));
        }
        let graph = &self.config.graph;
        for &LinkId { from, to } in graph.links() {
            let ends = (&self.nodes[from.index()].replica, &self.nodes[to.index()].replica);
            let (Some(sender), Some(receiver)) = ends else { continue };
            let behind = |dot: &crate::id::Dot| {
                graph.forwards(from, to, dot.origin) && !receiver.applied().covers(*dot)
            };
            if let Some(dot) = sender.applied().iter().find(behind) {
                let known = receiver.applied().get(dot.origin);
                return Some(format!(
                    "{to} has {}'s log up to {known}, {from} up to {}",
                    dot.origin, dot.position
                ));
            }
        }
        None
    }
}
