//! The sending ends of a replica's links: what was sent, what was acknowledged, what comes next.

use super::{Outputs, Replica, log::Run};
use crate::{
    clock::Now,
    id::{Dot, LinkId, ReplicaId},
    message::{Message, Output, TraceEvent},
    version::VersionVector,
};
use alloc::collections::BTreeMap;

/// The sending end of one link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct OutLink {
    pub(super) to: ReplicaId,
    /// Whether the receiver has said hello on the connection that is up now.
    pub(super) up: bool,
    pub(super) sent: VersionVector,
    acked: VersionVector,
    /// For each origin with entries in flight, since when the receiver owes an acknowledgement. One for each: a frame
    /// that is lost stops its origin only, and what goes on flowing must not hide that.
    owed_since_us: BTreeMap<ReplicaId, u64>,
    /// How often in a row something was sent again without an answer: a slow link is not helped by more of the same.
    resent: u32,
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
            owed_since_us: BTreeMap::new(),
            resent: 0,
            truncated: false,
        }
    }

    /// Whether it may send something again some day, if it hears nothing.
    pub(super) fn awaits_tick(&self) -> bool {
        self.up && !self.owed_since_us.is_empty()
    }

    /// Takes note of what the receiver has.
    fn acked(&mut self, now: Now, applied: &VersionVector) {
        if !self.acked.includes(applied) {
            self.resent = 0;
        }
        // What came to the receiver by another way need not be sent.
        self.sent.join(applied);
        let (sent, acked) = (&self.sent, &self.acked);
        self.owed_since_us.retain(|&origin, since_us| {
            if applied.get(origin) > acked.get(origin) {
                *since_us = now.monotonic_us;
            }
            sent.get(origin) > applied.get(origin)
        });
        self.acked.join(applied);
    }

    /// Forgets what was sent and not acknowledged for too long, so that it is sent again.
    fn resend(&mut self, now: Now, patience_us: u64) {
        let patience_us = patience_us.saturating_mul(1 << self.resent.min(MAX_DOUBLINGS));
        let late = |since_us: u64| now.monotonic_us.saturating_sub(since_us) >= patience_us;
        if self.up && self.owed_since_us.values().any(|&since_us| late(since_us)) {
            self.resent = self.resent.saturating_add(1);
            self.sent.clone_from(&self.acked);
            self.owed_since_us.clear();
        }
    }
}

/// The patience with a silent receiver grows up to 64-fold: 6.4 seconds with the usual limits.
const MAX_DOUBLINGS: u32 = 6;

/// A hello that the sender has not yet answered with entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Greeting {
    from: ReplicaId,
    since_us: u64,
    /// How often it was said again.
    said: u32,
}

impl Replica {
    pub(super) fn disconnected(&mut self, to: ReplicaId) {
        if let Some(link) = self.links.iter_mut().find(|link| link.to == to) {
            link.up = false;
        }
    }

    /// The receiver of our link to `to` says how far it has come.
    pub(super) fn hello(&mut self, to: ReplicaId, applied: VersionVector) {
        if let Some(link) = self.links.iter_mut().find(|link| link.to == to) {
            link.up = true;
            link.sent.clone_from(&applied);
            link.acked = applied;
            link.owed_since_us.clear();
            link.resent = 0;
            link.truncated = false;
        }
    }

    pub(super) fn acked(&mut self, now: Now, to: ReplicaId, applied: &VersionVector) {
        let Some(link) = self.links.iter_mut().find(|link| link.to == to) else { return };
        link.acked(now, applied);
        self.trim();
    }

    /// The peer has these entries, and has persisted them: it sent them. That is as good as an acknowledgement; and
    /// it will send no other, if nothing else is sent to it.
    pub(super) fn peer_has(&mut self, now: Now, peer: ReplicaId, origin: ReplicaId, position: u32) {
        if let Some(link) = self.links.iter_mut().find(|link| link.to == peer) {
            link.acked(now, &VersionVector::from_iter([Dot { origin, position }]));
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
            let in_flight = link.sent.total().saturating_sub(link.acked.total());
            let room = u64::from(self.config.window).saturating_sub(in_flight);
            let limit = usize::try_from(room).unwrap_or(usize::MAX).min(self.config.batch);
            if limit == 0 || !self.config.graph.forwards(self.me, link.to, origin) {
                continue;
            }
            let sent = link.sent.get(origin);
            match self.logs[origin.index()].run_after(sent, limit) {
                Run::Empty => {}
                Run::Entries { after, entries } => {
                    let Some(last) = entries.last() else { continue };
                    link.sent.advance(origin, last.version.dot.position);
                    link.owed_since_us.entry(origin).or_insert(now.monotonic_us);
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

    /// Sends again what was not acknowledged for too long: frames may be lost although the connection stands. So may
    /// be a hello, and without it the sender does not begin.
    pub(super) fn retransmit(&mut self, now: Now, out: &mut Outputs) {
        let patience_us = self.config.retransmit_us;
        for link in &mut self.links {
            link.resend(now, patience_us);
        }
        for greeting in &mut self.greetings {
            let patience_us = patience_us.saturating_mul(1 << greeting.said.min(MAX_DOUBLINGS));
            if now.monotonic_us.saturating_sub(greeting.since_us) >= patience_us {
                *greeting = Greeting {
                    said: greeting.said.saturating_add(1),
                    since_us: now.monotonic_us,
                    ..*greeting
                };
                let link = LinkId { from: greeting.from, to: self.me };
                out.push(Output::Send { link, message: Message::Hello { applied: self.applied.clone() } });
            }
        }
    }

    /// The connection of the link from `from` is up.
    pub(super) fn greet(&mut self, now: Now, from: ReplicaId, out: &mut Outputs) {
        self.greetings.retain(|greeting| greeting.from != from);
        self.greetings.push(Greeting { from, since_us: now.monotonic_us, said: 0 });
        let link = LinkId { from, to: self.me };
        out.push(Output::Send { link, message: Message::Hello { applied: self.applied.clone() } });
    }

    /// The sender has begun: it heard the hello.
    pub(super) fn heard(&mut self, from: ReplicaId) {
        self.greetings.retain(|greeting| greeting.from != from);
    }
}
