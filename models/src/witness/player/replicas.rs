//! The replicas of a played witness: inputs go in, and what comes out is carried out.

use super::{Client, Node, Player, shown};
use crate::{
    clock::Now,
    id::ReplicaId,
    message::{Input, Output, Record, TraceEvent},
    replica::Replica,
    session::SessionInput,
    witness::{Applied, Happening},
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};

impl Player {
    /// The time as a replica sees it since the last step: its wall clock, and the true time.
    ///
    /// # Panics
    /// If there is no such replica.
    #[must_use]
    pub fn now(&self, at: ReplicaId) -> Now {
        let (real_ns, clock) = (self.now_us.saturating_mul(1000), self.nodes[at.index()].clock);
        let fine_us = clock.wall_ns(real_ns, real_ns).div_euclid(1000);
        let wall_us = fine_us - fine_us.rem_euclid(self.coarse_us);
        Now { wall_us, monotonic_us: self.now_us.unsigned_abs() }
    }

    /// Lets a replica take an input, and sends what is pending.
    pub(super) fn feed(&mut self, at: ReplicaId, input: Input) {
        for input in [input, Input::Flush] {
            let now = self.now(at);
            let before = self.nodes[at.index()].replica.clone();
            let mut outputs = Vec::new();
            self.nodes[at.index()].replica.step(now, input, &mut outputs);
            // A client may answer at once with its next request: by then the whole step has been carried out.
            let is_reply = |output: &Output| matches!(output, Output::Reply { .. });
            let (replies, others): (Vec<Output>, Vec<Output>) = outputs.into_iter().partition(is_reply);
            for output in others.into_iter().chain(replies) {
                self.carry_out(at, &before, output);
            }
        }
    }

    pub(super) fn carry_out(&mut self, at: ReplicaId, before: &Replica, output: Output) {
        match output {
            Output::Persist(record) => {
                if let Record::Entry(entry) = &record {
                    self.taken += i64::from(entry.version.dot.origin == at);
                    self.entry = Some(Arc::clone(entry));
                }
                self.nodes[at.index()].disk.push(record);
            }
            Output::Send { link, message } => self.send(at, link, message),
            Output::Reply { id, reply } => {
                let waits = |client: &Client| client.pending == Some((at, id));
                match self.clients.iter().find(|(_, client)| waits(client)).map(|(&name, _)| name) {
                    None => self.happened.push(Happening::Unheard { by: at }),
                    Some(client) => {
                        self.happened.push(Happening::Answered { client, by: at, reply: reply.clone() });
                        self.session(client, SessionInput::Reply(reply));
                    }
                }
            }
            Output::Trace(event) => self.traced(at, before, event),
        }
    }

    /// What a replica says of itself, beside what it held before and holds now.
    pub(super) fn traced(&mut self, at: ReplicaId, before: &Replica, event: TraceEvent) {
        let TraceEvent::Apply { key, dot, site, decision, against, recorded, .. } = &event else {
            return self.happened.push(Happening::Told { at, event });
        };
        let Some(entry) = self.entry.take().filter(|entry| entry.version.dot == *dot) else {
            return self.happened.push(Happening::Told { at, event });
        };
        let cell = |replica: &Replica| {
            replica.cells().find(|(held, _)| *held == key).map(|(_, cell)| cell.clone()).unwrap_or_default()
        };
        let node = &self.nodes[at.index()];
        let applied = Applied {
            at,
            site: *site,
            key: key.clone(),
            version: entry.version.clone(),
            decision: *decision,
            against: *against,
            recorded: *recorded,
            held: cell(before).versions,
            shown: shown(&cell(&node.replica)),
            offset_us: self.offset_us(node),
        };
        self.happened.push(Happening::Applied(Box::new(applied)));
    }

    pub(super) fn offset_us(&self, node: &Node) -> i64 {
        let real_ns = self.now_us.saturating_mul(1000);
        (node.clock.wall_ns(real_ns, real_ns) - real_ns).div_euclid(1000)
    }
}
