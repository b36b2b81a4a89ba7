//! The sending ends of a replica's links: what was sent, what was acknowledged, what comes next.

use super::{Outputs, Replica, log::Run};
use crate::{
    clock::Now,
    id::{LinkId, ReplicaId},
    message::{Message, Output, TraceEvent},
    version::VersionVector,
};

/// The sending end of one link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct OutLink {
    pub(super) to: ReplicaId,
    /// Whether the receiver has said hello on the connection that is up now.
    up: bool,
    sent: VersionVector,
    acked: VersionVector,
    /// When the receiver last got further, or something was sent after nothing was on its way: a long wait after that
    /// means loss.
    progress_us: u64,
    /// How often the same was sent again without success: a stalled link is not to be flooded.
    attempts: u32,
    /// Whether the receiver needs what is no longer kept; said once.
    truncated: bool,
}

impl OutLink {
    pub(super) const fn new(to: ReplicaId) -> Self {
        Self {
            to,
            up: false,
            sent: VersionVector::new(),
            acked: VersionVector::new(),
            progress_us: 0,
            attempts: 0,
            truncated: false,
        }
    }

    fn in_flight(&self) -> u64 {
        self.sent.total().saturating_sub(self.acked.total())
    }

    fn progressed(&mut self, now: Now) {
        self.progress_us = now.monotonic_us;
        self.attempts = 0;
    }
}

/// The wait before the same is sent again doubles up to this many times.
const MAX_DOUBLINGS: u32 = 4;

impl Replica {
    pub(super) fn disconnected(&mut self, to: ReplicaId) {
        if let Some(link) = self.links.iter_mut().find(|link| link.to == to) {
            link.up = false;
        }
    }

    /// The receiver of our link to `to` says how far it has come.
    pub(super) fn hello(&mut self, now: Now, to: ReplicaId, applied: VersionVector) {
        if let Some(link) = self.links.iter_mut().find(|link| link.to == to) {
            link.up = true;
            link.sent.clone_from(&applied);
            link.acked = applied;
            link.progressed(now);
            link.truncated = false;
        }
    }

    pub(super) fn acked(&mut self, now: Now, to: ReplicaId, applied: &VersionVector) {
        let Some(link) = self.links.iter_mut().find(|link| link.to == to) else { return };
        if link.acked.includes(applied) {
            return;
        }
        link.acked.join(applied);
        // What came to the receiver by another way need not be sent.
        link.sent.join(applied);
        link.progressed(now);
        self.trim();
    }

    /// The peer has these entries: it sent them.
    pub(super) fn peer_has(&mut self, peer: ReplicaId, origin: ReplicaId, position: u32) {
        if let Some(link) = self.links.iter_mut().find(|link| link.to == peer) {
            link.sent.advance(origin, position);
        }
    }

    /// Forgets entries that every receiver has.
    fn trim(&mut self) {
        for origin in self.config.graph.leaders() {
            let me = self.me;
            let graph = &self.config.graph;
            let everywhere = self
                .links
                .iter()
                .filter(|link| graph.forwards(me, link.to, origin))
                .map(|link| link.acked.get(origin))
                .min();
            if let Some(position) = everywhere {
                self.logs[origin.index()].trim(position, self.config.retention);
            }
        }
    }

    /// Sends what is pending on every link, within its window, and the acknowledgements that are due.
    pub(super) fn flush(&mut self, now: Now, out: &mut Outputs) {
        for from in core::mem::take(&mut self.acks_due) {
            let link = LinkId { from, to: self.me };
            out.push(Output::Send { link, message: Message::Ack { applied: self.applied.clone() } });
        }
        for index in 0..self.links.len() {
            if self.links[index].up {
                self.flush_link(index, now, out);
            }
        }
    }

    fn flush_link(&mut self, index: usize, now: Now, out: &mut Outputs) {
        let link = &mut self.links[index];
        let id = LinkId { from: self.me, to: link.to };
        for origin in self.config.graph.leaders() {
            let room = u64::from(self.config.window).saturating_sub(link.in_flight());
            let limit = usize::try_from(room).unwrap_or(usize::MAX).min(self.config.batch);
            if limit == 0 || !self.config.graph.forwards(self.me, link.to, origin) {
                continue;
            }
            let sent = link.sent.get(origin);
            match self.logs[origin.index()].run_after(sent, limit) {
                Run::Empty => {}
                Run::Entries { after, entries } => {
                    let Some(last) = entries.last() else { continue };
                    if link.in_flight() == 0 {
                        link.progress_us = now.monotonic_us;
                    }
                    link.sent.advance(origin, last.version.dot.position);
                    out.push(Output::Send { link: id, message: Message::Entries { origin, after, entries } });
                }
                Run::Truncated { kept_after } => {
                    if !link.truncated {
                        link.truncated = true;
                        let event = TraceEvent::Truncated { link: id, origin, after: sent, kept_after };
                        out.push(Output::Trace(event));
                    }
                }
            }
        }
    }

    /// Sends again what was not acknowledged for too long: frames may be lost although the connection stands.
    pub(super) fn retransmit(&mut self, now: Now) {
        for link in &mut self.links {
            let silent_us = now.monotonic_us.saturating_sub(link.progress_us);
            let patience_us = self.config.retransmit_us << link.attempts.min(MAX_DOUBLINGS);
            if link.up && silent_us >= patience_us && !link.acked.includes(&link.sent) {
                link.sent.clone_from(&link.acked);
                link.progress_us = now.monotonic_us;
                link.attempts += 1;
            }
        }
    }
}
