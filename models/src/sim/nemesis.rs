//! Faults, and their undoing.

use super::{
    client::Answer,
    network::Gate,
    observer::Observer,
    queue::Event,
    schedule::{Errand, TimedErrand},
    world::World,
};
use crate::{
    fault::{ClockChange, Fault, LinkQuality},
    id::{LinkId, ReplicaId},
    message::Input,
};
use alloc::vec::Vec;

/// After how long a link that may connect does.
const RECONNECT_US: u64 = 10_000;

impl<O: Observer> World<'_, O> {
    pub(super) fn strike(&mut self, index: usize) {
        let timed = &self.schedule.faults[index];
        if let Fault::Relocate { client, to, token } = timed.fault {
            // It is told of when the client moves.
            return self.order(client, to, token, timed.in_flight);
        }
        self.apply(&timed.fault, timed.backup_us);
    }

    fn apply(&mut self, fault: &Fault, backup_us: Option<u64>) {
        self.observer.fault(self.now_us, fault, backup_us);
        let base = self.schedule.cluster.link;
        match fault {
            Fault::Cut(links) => links.iter().for_each(|&link| self.cut(link)),
            Fault::Stall(links) => links.iter().for_each(|&link| self.stall(link)),
            Fault::Degrade(links, quality) => links.iter().for_each(|&link| self.open(link, *quality)),
            Fault::Heal(links) => links.iter().for_each(|&link| self.open(link, base)),
            Fault::Clock(replica, change) => self.nodes[replica.index()].set_clock(self.now_us, *change),
            Fault::Relocate { .. } => {}
            Fault::Kill(replica) => self.kill(*replica),
            Fault::Restart(replica) => self.restart(*replica, backup_us),
            Fault::Pause(replica) => self.pause(*replica),
            Fault::Resume(replica) => self.resume(*replica),
        }
    }

    /// Undoes what is still on. Whom nobody restarted is dead for good.
    pub(super) fn heal(&mut self) {
        let base = self.schedule.cluster.link;
        let broken = self.wires.iter().filter(|wire| wire.gate != Gate::Open || wire.quality != base);
        let broken: Vec<LinkId> = broken.map(|wire| wire.link).collect();
        if !broken.is_empty() {
            self.apply(&Fault::Heal(broken), None);
        }
        for index in 0..self.nodes.len() {
            let replica = ReplicaId::from_index(index);
            if !self.nodes[index].is_clock_right() {
                self.apply(&Fault::Clock(replica, ClockChange::Reset), None);
            }
            if self.nodes[index].inbox.is_some() {
                self.apply(&Fault::Resume(replica), None);
            }
        }
        self.observer.healed(self.now_us);
    }

    // Links.

    fn cut(&mut self, link: LinkId) {
        let place = self.place(link);
        self.wires[place].gate = Gate::Cut;
        self.disconnect(place);
    }

    fn stall(&mut self, link: LinkId) {
        let (place, base) = (self.place(link), self.schedule.cluster.link);
        let wire = &mut self.wires[place];
        (wire.gate, wire.quality) = (Gate::Stalled, base);
    }

    /// Lets a link carry data like this. What a stall held back arrives now.
    fn open(&mut self, link: LinkId, quality: LinkQuality) {
        let place = self.place(link);
        let wire = &mut self.wires[place];
        (wire.gate, wire.quality) = (Gate::Open, quality);
        for (messages, at) in wire.release().into_iter().zip([link.to, link.from]) {
            for message in messages {
                self.feed(at, Input::Peer { link, message });
            }
        }
        self.plan_connection(place, RECONNECT_US);
    }

    fn disconnect(&mut self, place: usize) {
        let link = self.wires[place].link;
        if self.wires[place].disconnect() {
            self.feed(link.from, Input::Disconnected { to: link.to });
        }
    }

    /// Plans that a link which is down connects.
    pub(super) fn plan_connection(&mut self, place: usize, after_us: u64) {
        let wire = &self.wires[place];
        if !wire.up {
            let event = Event::Connect { wire: place, connection: wire.connection };
            self.queue.push(self.now_us + after_us, event);
        }
    }

    /// A link connects, if it still can: its sender is the one that tries.
    pub(super) fn connect(&mut self, place: usize, connection: u32) {
        let wire = &mut self.wires[place];
        let link = wire.link;
        let (from, to) = (&self.nodes[link.from.index()], &self.nodes[link.to.index()]);
        let can = from.is_alive() && from.inbox.is_none() && to.is_alive() && wire.gate == Gate::Open;
        if can && !wire.up && wire.connection == connection {
            wire.up = true;
            self.feed(link.to, Input::Connected { from: link.from });
        }
    }

    fn connections_of(&mut self, replica: ReplicaId, after_us: u64) {
        for place in 0..self.wires.len() {
            let link = self.wires[place].link;
            if link.from == replica || link.to == replica {
                self.plan_connection(place, after_us);
            }
        }
    }

    // Processes.

    fn kill(&mut self, replica: ReplicaId) {
        if !self.nodes[replica.index()].is_alive() {
            return;
        }
        let lost = self.nodes[replica.index()].kill(self.now_us);
        self.observer.lost_records(replica, lost);
        for place in 0..self.wires.len() {
            let link = self.wires[place].link;
            if link.from == replica || link.to == replica {
                self.disconnect(place);
            }
        }
        for index in 0..self.clients.len() {
            let client = &self.clients[index];
            if let Some(number) = client.waits_for(replica) {
                let id = client.session.client();
                self.answer(id, number, Answer::Nothing);
            }
        }
    }

    fn restart(&mut self, replica: ReplicaId, backup_us: Option<u64>) {
        let node = &mut self.nodes[replica.index()];
        if !node.is_alive() {
            let lost = node.restart(&self.config, backup_us);
            self.observer.lost_records(replica, lost);
            self.connections_of(replica, RECONNECT_US);
        }
    }

    /// Somebody sees to a replica. One that is dead is left alone.
    pub(super) fn run_errand(&mut self, index: usize) {
        let TimedErrand { replica, errand, .. } = &self.schedule.errands[index];
        if !self.nodes[replica.index()].is_alive() {
            return;
        }
        self.observer.errand(self.now_us, *replica, errand);
        let input = match errand {
            Errand::Collect => Input::Collect,
            Errand::Forget => Input::Forget,
            Errand::TakeHome(key) => Input::TakeHome { key: key.clone() },
        };
        self.feed(*replica, input);
    }

    fn pause(&mut self, replica: ReplicaId) {
        let node = &mut self.nodes[replica.index()];
        if node.is_alive() && node.inbox.is_none() {
            node.inbox = Some(Vec::new());
        }
    }

    fn resume(&mut self, replica: ReplicaId) {
        let node = &mut self.nodes[replica.index()];
        let Some(inbox) = node.inbox.take() else { return };
        for outputs in core::mem::take(&mut node.late) {
            self.let_out(replica, outputs);
        }
        for input in inbox {
            self.feed(replica, input);
        }
        // Its own time has passed meanwhile.
        self.feed(replica, Input::Tick);
        self.connections_of(replica, RECONNECT_US);
    }
}
