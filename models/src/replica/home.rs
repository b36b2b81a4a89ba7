//! Homes of records: who takes a record's writes, passing writes on to the home, and moving the home.
//!
//! A hand-over goes like this. The leader where the writer now is asks the home (`HomeRequest`). The home answers with
//! what it has applied (`HomeGrant`), or says where the home has gone (`HomeMoved`). The new home takes writes once it
//! has applied as much. With the fenced hand-over the old home gives the record up before it answers, under a new
//! epoch; an answer that got lost is given again, since the old home remembers to whom it gave the record. A new home
//! that gave up before the answer came does not know that it is one: whoever is sent there and finds that out tells it
//! so, and it asks again. What others say makes no replica a home; only the old home's grant does.
//!
//! What is kept: a line for each record that ever moved, since forgetting one would send its writers to a leader that
//! gave it away; writes that wait, until their deadline.

use super::{Outputs, Replica};
use crate::{
    clock::Now,
    id::{LinkId, ReplicaId, WriteId},
    message::{Message, Output, Record, Refusal, Reply, Request, RequestId, Routed, RoutedBody, TraceEvent},
    mutant::Mutant,
    random::fnv1a,
    strategy::{HandOver, Reroute},
    value::Key,
    version::VersionVector,
};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

/// Where a record's home is, as far as this replica knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Home {
    pub(super) leader: ReplicaId,
    /// The number of the hand-over that made it the home.
    pub(super) epoch: u32,
    /// Whether this replica gave the record to that leader, and so may say it again.
    pub(super) given: bool,
}

/// A write that waits for the home to come here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Parked {
    id: RequestId,
    request: Request,
    deadline_us: u64,
}

/// A home on its way here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Acquiring {
    /// The grant, once it has come: its epoch, and what must be applied first.
    granted: Option<(u32, VersionVector)>,
    parked: Vec<Parked>,
    ask_again_us: u64,
    /// How long the grant is awaited although no write waits: others may.
    until_us: u64,
}

/// A write that was passed on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Forwarded {
    home: ReplicaId,
    request: Request,
    deadline_us: u64,
    ask_again_us: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Homes {
    /// Records whose home is not the one that their key hashes to.
    moved: BTreeMap<Key, Home>,
    acquiring: BTreeMap<Key, Acquiring>,
    forwarded: BTreeMap<RequestId, Forwarded>,
}

impl Homes {
    /// Learns that the home of a record is there: from the log, from the old home, or by taking or giving it.
    pub(super) fn set(&mut self, key: Key, home: Home) {
        self.moved.insert(key, home);
    }

    /// Whether something is asked for or passed on.
    pub(super) fn awaits_tick(&self) -> bool {
        !self.forwarded.is_empty() || !self.acquiring.is_empty()
    }

    /// The number of client writes that wait for something.
    pub(super) fn waiting(&self) -> usize {
        self.forwarded.len() + self.acquiring.values().map(|acquiring| acquiring.parked.len()).sum::<usize>()
    }
}

/// The home of a record that never moved: FNV-1a of its key, modulo the leaders.
fn first_home(key: &Key, leaders: usize) -> ReplicaId {
    #[expect(clippy::cast_possible_truncation, reason = "below the number of leaders")]
    ReplicaId::from_index((fnv1a(key.as_bytes()) % leaders as u64) as usize)
}

impl Replica {
    fn home_of(&self, key: &Key) -> Home {
        let first =
            || Home { leader: first_home(key, self.config.graph.leader_count()), epoch: 0, given: false };
        self.homes.moved.get(key).copied().unwrap_or_else(first)
    }

    fn hand_over(&self) -> HandOver {
        self.config.strategy.home_leader().map_or(HandOver::Immediate, |strategy| strategy.hand_over)
    }

    /// Takes care of a write whose home is elsewhere. Gives it back if this replica is home, or has just become it.
    pub(super) fn route_home(
        &mut self,
        now: Now,
        id: RequestId,
        request: Request,
        out: &mut Outputs,
    ) -> Option<Request> {
        let Some(reroute) = self.config.strategy.home_leader().map(|strategy| strategy.reroute) else {
            return Some(request);
        };
        let home = self.home_of(&request.key);
        if home.leader == self.me {
            return Some(request);
        }
        match (reroute, self.hand_over()) {
            (Reroute::Forward, _) => {
                let forwarded = Forwarded {
                    home: home.leader,
                    request,
                    deadline_us: now.monotonic_us.saturating_add(self.config.home_wait_us),
                    ask_again_us: now.monotonic_us.saturating_add(self.config.retransmit_us),
                };
                self.forward(id, &forwarded, out);
                self.homes.forwarded.insert(id, forwarded);
                None
            }
            (Reroute::Follow, HandOver::Immediate) => {
                self.become_home(request.key.clone(), home.epoch.saturating_add(1), out);
                Some(request)
            }
            (Reroute::Follow, HandOver::Drained | HandOver::Fenced) => {
                self.park_for_home(now, id, request, home, out);
                None
            }
        }
    }

    /// Where the home of a record is, as far as this replica knows; `None` where records have no homes.
    #[must_use]
    pub fn home(&self, key: &Key) -> Option<ReplicaId> {
        self.config.strategy.home_leader().map(|_| self.home_of(key).leader)
    }

    /// This leader is asked to become the home of a record although no write came here: as if a writer had come.
    pub(super) fn take_home(&mut self, now: Now, key: Key, out: &mut Outputs) {
        let follows = self.config.strategy.home_leader().is_some_and(|s| s.reroute == Reroute::Follow);
        let home = self.home_of(&key);
        if !follows || home.leader == self.me || !self.config.graph.is_leader(self.me) {
            return;
        }
        match self.hand_over() {
            HandOver::Immediate => self.become_home(key, home.epoch.saturating_add(1), out),
            HandOver::Drained | HandOver::Fenced => self.ask_home(now, key, home, out),
        }
    }

    fn park_for_home(&mut self, now: Now, id: RequestId, request: Request, home: Home, out: &mut Outputs) {
        let key = request.key.clone();
        let deadline_us = now.monotonic_us.saturating_add(self.config.home_wait_us);
        self.ask_home(now, key.clone(), home, out);
        if let Some(acquiring) = self.homes.acquiring.get_mut(&key) {
            acquiring.parked.push(Parked { id, request, deadline_us });
        }
    }

    /// Asks the home for a record, unless that is under way.
    fn ask_home(&mut self, now: Now, key: Key, home: Home, out: &mut Outputs) {
        if !self.homes.acquiring.contains_key(&key) {
            let ask_again_us = now.monotonic_us.saturating_add(self.config.retransmit_us);
            let until_us = now.monotonic_us.saturating_add(self.config.home_wait_us);
            let acquiring = Acquiring { granted: None, parked: Vec::new(), ask_again_us, until_us };
            self.homes.acquiring.insert(key.clone(), acquiring);
            self.route(home.leader, RoutedBody::HomeRequest { key }, out);
        }
    }

    /// Takes note of where a record's home is, so that a restart does not forget it.
    fn move_home(&mut self, key: &Key, leader: ReplicaId, epoch: u32, given: bool, out: &mut Outputs) {
        self.homes.set(key.clone(), Home { leader, epoch, given });
        out.push(Output::Persist(Record::Home { key: key.clone(), leader, epoch, given }));
    }

    fn become_home(&mut self, key: Key, epoch: u32, out: &mut Outputs) {
        self.move_home(&key, self.me, epoch, false, out);
        out.push(Output::Trace(TraceEvent::Home { key, epoch }));
    }

    /// A write of another leader was applied: without fencing, that is how the news of a new home spreads.
    pub(super) fn home_seen_at(&mut self, key: &Key, origin: ReplicaId) {
        let follows = self.config.strategy.home_leader().is_some_and(|s| s.reroute == Reroute::Follow);
        if follows && self.hand_over() != HandOver::Fenced {
            let home = self.home_of(key);
            if home.leader != origin {
                self.homes.set(key.clone(), Home { leader: origin, epoch: home.epoch, given: false });
            }
        }
    }

    fn forward(&self, id: RequestId, forwarded: &Forwarded, out: &mut Outputs) {
        self.route(forwarded.home, RoutedBody::Forward { id, request: forwarded.request.clone() }, out);
    }

    /// Sends a message to a leader that need not be a neighbour.
    fn route(&self, to: ReplicaId, body: RoutedBody, out: &mut Outputs) {
        self.pass_on(Box::new(Routed { from: self.me, to, body }), out);
    }

    fn pass_on(&self, routed: Box<Routed>, out: &mut Outputs) {
        if let Some(hop) = self.config.graph.next_hop(self.me, routed.to) {
            let link = LinkId { from: self.me, to: hop };
            out.push(Output::Send { link, message: Message::Routed(routed) });
        }
    }

    pub(super) fn routed(&mut self, now: Now, routed: Box<Routed>, out: &mut Outputs) {
        let graph = &self.config.graph;
        // Names that decode need not be leaders of this cluster.
        if !graph.is_leader(routed.from) || !graph.is_leader(routed.to) {
            return;
        }
        if routed.to != self.me {
            return self.pass_on(routed, out);
        }
        let from = routed.from;
        match routed.body {
            RoutedBody::Forward { id, request } => {
                let write = request.write;
                let reply = self.take_forwarded(now, request, out);
                self.route(from, RoutedBody::ForwardReply { id, write, reply }, out);
            }
            RoutedBody::ForwardReply { id, write, reply } => self.forward_answered(id, write, reply, out),
            RoutedBody::HomeRequest { key } => self.hand_out(from, key, out),
            RoutedBody::HomeGrant { key, epoch, applied } => {
                self.home_granted(now, from, key, (epoch, applied), out);
            }
            RoutedBody::HomeMoved { key, leader, epoch } if self.config.graph.is_leader(leader) => {
                self.home_moved(now, from, key, (leader, epoch), out);
            }
            RoutedBody::HomeMoved { .. } => {}
        }
    }

    /// The home has answered. Handles begin anew when a node restarts, so the answer must also be to the same write.
    fn forward_answered(&mut self, id: RequestId, write: Option<WriteId>, reply: Reply, out: &mut Outputs) {
        if self.homes.forwarded.get(&id).is_some_and(|forwarded| forwarded.request.write == write) {
            self.homes.forwarded.remove(&id);
            out.push(Output::Reply { id, reply });
        }
    }

    fn home_granted(
        &mut self,
        now: Now,
        from: ReplicaId,
        key: Key,
        grant: (u32, VersionVector),
        out: &mut Outputs,
    ) {
        let home = self.home_of(&key);
        if grant.0 <= home.epoch && self.hand_over() == HandOver::Fenced {
            return self.tell_home(from, key, home, out);
        }
        if let Some(acquiring) = self.homes.acquiring.get_mut(&key) {
            acquiring.granted = Some(grant);
        }
        self.settle_homes(now, out);
    }

    fn home_moved(
        &mut self,
        now: Now,
        from: ReplicaId,
        key: Key,
        (leader, epoch): (ReplicaId, u32),
        out: &mut Outputs,
    ) {
        let home = self.home_of(&key);
        let fenced = self.hand_over() == HandOver::Fenced;
        if epoch < home.epoch && fenced {
            self.tell_home(from, key.clone(), home, out);
        }
        if leader == self.me {
            // The record was given to this replica, and the grant did not arrive before it gave up. Others depend on
            // it now. Hearsay makes no home: it asks whom it has always asked.
            if epoch > home.epoch && home.leader != self.me && fenced {
                self.ask_home(now, key, home, out);
            }
            return;
        }
        if epoch > home.epoch {
            self.move_home(&key, leader, epoch, false, out);
        }
        let home = self.home_of(&key).leader;
        if home != self.me && home != from && self.homes.acquiring.contains_key(&key) {
            self.route(home, RoutedBody::HomeRequest { key }, out);
        }
    }

    /// The leader that is home by all that is known here has just shown that it does not know. It is told.
    fn tell_home(&self, from: ReplicaId, key: Key, home: Home, out: &mut Outputs) {
        if home.leader == from {
            self.route(from, RoutedBody::HomeMoved { key, leader: from, epoch: home.epoch }, out);
        }
    }

    fn take_forwarded(&mut self, now: Now, request: Request, out: &mut Outputs) -> Reply {
        if let Err(refusal) = self.admit(&request) {
            return Reply::Refused(refusal);
        }
        match request.write.and_then(|write| self.retry_reply(write)) {
            Some(reply) => reply,
            None if request.operation.is_write() => self.take_write(now, &request, out),
            None => Reply::Read(self.view(&request.key)),
        }
    }

    /// Another leader asks for a record.
    fn hand_out(&mut self, to: ReplicaId, key: Key, out: &mut Outputs) {
        let home = self.home_of(&key);
        let fenced = self.hand_over() == HandOver::Fenced;
        let body = if home.leader == self.me {
            let epoch = home.epoch.saturating_add(1);
            if fenced && !self.config.suffers(Mutant::FenceIgnored) {
                self.move_home(&key, to, epoch, true, out);
            }
            RoutedBody::HomeGrant { key, epoch, applied: self.applied.clone() }
        } else if home.leader == to && (home.given || !fenced) {
            // It was given away before, and the answer may be lost. What this replica has applied since is not less.
            // Behind a fence only the old home may say so: nobody else has surely applied all its writes.
            RoutedBody::HomeGrant { key, epoch: home.epoch, applied: self.applied.clone() }
        } else {
            RoutedBody::HomeMoved { key, leader: home.leader, epoch: home.epoch }
        };
        self.route(to, body, out);
    }

    /// Completes the hand-overs whose writes have all been applied here.
    pub(super) fn settle_homes(&mut self, now: Now, out: &mut Outputs) {
        let ready = |(key, acquiring): (&Key, &Acquiring)| {
            let (epoch, applied) = acquiring.granted.as_ref()?;
            self.applied.includes(applied).then(|| (key.clone(), *epoch))
        };
        let settled: Vec<(Key, u32)> = self.homes.acquiring.iter().filter_map(ready).collect();
        for (key, epoch) in settled {
            self.become_home(key.clone(), epoch, out);
            let parked =
                self.homes.acquiring.remove(&key).map(|acquiring| acquiring.parked).unwrap_or_default();
            for Parked { id, request, .. } in parked {
                self.write(now, id, request, out);
            }
        }
    }

    /// Gives up on what has waited too long, and asks again where an answer may have been lost.
    pub(super) fn tick_homes(&mut self, now: Now, out: &mut Outputs) {
        let again_us = now.monotonic_us.saturating_add(self.config.retransmit_us);
        let mut asks: Vec<(ReplicaId, RoutedBody)> = Vec::new();
        let mut expired: Vec<(RequestId, Refusal)> = Vec::new();
        for (id, forwarded) in &mut self.homes.forwarded {
            if now.monotonic_us >= forwarded.deadline_us {
                expired.push((*id, Refusal::HomeSilent));
            } else if now.monotonic_us >= forwarded.ask_again_us {
                forwarded.ask_again_us = again_us;
                let request = forwarded.request.clone();
                asks.push((forwarded.home, RoutedBody::Forward { id: *id, request }));
            }
        }
        self.homes.forwarded.retain(|_, forwarded| now.monotonic_us < forwarded.deadline_us);
        let keys: Vec<Key> = self.homes.acquiring.keys().cloned().collect();
        for key in keys {
            let home = self.home_of(&key).leader;
            let Some(acquiring) = self.homes.acquiring.get_mut(&key) else { continue };
            let late = |parked: &Parked| now.monotonic_us >= parked.deadline_us;
            expired.extend(
                acquiring.parked.iter().filter(|p| late(p)).map(|p| (p.id, Refusal::HomeUnavailable)),
            );
            acquiring.parked.retain(|parked| !late(parked));
            let given_up = acquiring.parked.is_empty() && now.monotonic_us >= acquiring.until_us;
            if given_up && acquiring.granted.is_none() {
                self.homes.acquiring.remove(&key);
            } else if acquiring.granted.is_none() && now.monotonic_us >= acquiring.ask_again_us {
                acquiring.ask_again_us = again_us;
                asks.push((home, RoutedBody::HomeRequest { key }));
            }
        }
        for (to, body) in asks {
            self.route(to, body, out);
        }
        for (id, refusal) in expired {
            out.push(Output::Reply { id, reply: Reply::Refused(refusal) });
        }
    }
}
