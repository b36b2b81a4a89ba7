//! The links of a played witness: messages wait until a step delivers them.

use super::{Done, Player};
use crate::{
    id::{LinkId, ReplicaId, WriteId},
    message::{Input, Message},
    witness::{Acknowledgements, Frame, Happening, Problem},
};
use alloc::boxed::Box;

impl Player {
    pub(super) fn send(&mut self, at: ReplicaId, link: LinkId, message: Message) {
        let live = self.is_live(link.from) && self.is_live(link.to);
        let Some(wire) = self.wires.get_mut(&link).filter(|wire| live && !wire.cut) else { return };
        let back = at == link.to;
        if let (true, Message::Hello { .. }) = (back, &message) {
            return self.feed(link.from, Input::Peer { link, message });
        }
        if back && self.acknowledgements == Acknowledgements::Dropped {
            return;
        }
        let (frame, writes) = (Frame::of(&message), writes_of(&message));
        self.messages += 1;
        let number = self.messages;
        if back { &mut wire.back } else { &mut wire.forth }.push((number, message));
        self.happened.push(Happening::Sent { message: number, link, back, frame, writes });
    }

    pub(super) fn deliver(&mut self, link: LinkId, frame: Option<&Frame>, copy: bool) -> Done {
        let wire = self.wire(link)?;
        if wire.cut || wire.stalled {
            return Err(Problem::Blocked(link));
        }
        if wire.forth.is_empty() {
            return Err(Problem::NothingToDeliver(link));
        }
        let fits = |message: &Message| frame.is_none_or(|frame| *frame == Frame::of(message));
        let Some(place) = wire.forth.iter().position(|(_, message)| fits(message)) else {
            let under_way = wire.forth.iter().map(|(_, message)| Frame::of(message)).collect();
            let frame = frame.cloned().unwrap_or(Frame::Hello);
            return Err(Problem::NotUnderWay { link, frame, under_way });
        };
        self.running(link.to)?;
        let wire = self.wire(link)?;
        let (number, message) = if copy { wire.forth[place].clone() } else { wire.forth.remove(place) };
        self.hand_over(link.to, link, number, message);
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, link: LinkId) -> Done {
        let wire = self.wire(link)?;
        if wire.back.is_empty() {
            return Err(Problem::NothingToAcknowledge(link));
        }
        self.running(link.from)?;
        let (number, message) = self.wire(link)?.back.remove(0);
        self.hand_over(link.from, link, number, message);
        Ok(())
    }

    pub(super) fn hand_over(&mut self, to: ReplicaId, link: LinkId, number: usize, message: Message) {
        self.happened.push(Happening::Delivered {
            message: number,
            link,
            back: to == link.from,
            frame: Frame::of(&message),
            writes: writes_of(&message),
        });
        self.feed(to, Input::Peer { link, message });
    }

    /// Brings a link up: the hello is heard at once.
    pub(super) fn connect(&mut self, link: LinkId) {
        if self.is_live(link.from) && self.is_live(link.to) && !self.wires[&link].cut {
            self.happened.push(Happening::Connected { link });
            self.feed(link.to, Input::Connected { from: link.from });
        }
    }

    /// The sender of a link notices that its connection has broken.
    pub(super) fn notice(&mut self, link: LinkId) {
        if self.is_live(link.from) {
            self.happened.push(Happening::Disconnected { link });
            self.feed(link.from, Input::Disconnected { to: link.to });
        }
    }

    /// What is under way on a link is lost.
    pub(super) fn break_off(&mut self, link: LinkId) {
        if let Some(wire) = self.wires.get_mut(&link) {
            let forth = core::mem::take(&mut wire.forth);
            let back = core::mem::take(&mut wire.back);
            let lost = forth.into_iter().chain(back);
            self.happened.extend(lost.map(|(message, _)| Happening::Lost { message, link }));
        }
    }
}

fn writes_of(message: &Message) -> Box<[WriteId]> {
    match message {
        Message::Entries { entries, .. } => entries.iter().map(|entry| entry.version.write).collect(),
        Message::Routed(routed) => routed.body.write().into_iter().collect(),
        Message::Hello { .. } | Message::Ack { .. } => Box::default(),
    }
}
