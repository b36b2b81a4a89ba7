//! What clients do beyond plain writes: they read, write to another record, and take back what was written.

use super::{
    action::{Action, Errand},
    engine::Change,
    fates::resolved,
    parts::{Client, Issued, IssuedState},
    scope::Workload,
    session::Reading,
    state::View,
    table::Id,
};
use crate::{
    id::{ClientId, WriteId},
    operation::Operation,
    session::Resolution,
    version::VersionVector,
};
use alloc::vec::Vec;

impl View<'_> {
    /// What an idle client may ask beyond a plain write. A record that nobody has begun to write need not be read.
    pub(super) fn errands(self, name: ClientId, client: &Client, actions: &mut Vec<Action>) {
        let scope = &self.laws.scope;
        let plain = scope.reads == 0 && scope.keys == 1 && scope.workload.erasure(0).is_none();
        if plain || !self.is_idle(client) || !self.is_live(client.at) {
            return;
        }
        let ask = |errand| Action::Ask { client: name, errand };
        let begun = |key: u8| self.issued().any(|(_, issued)| issued.key == key);
        if self.budgets().reads > 0 {
            actions.extend((0..scope.keys).filter(|&key| begun(key)).map(|key| ask(Errand::Read { key })));
        }
        if self.budgets().writes == 0 {
            return;
        }
        actions.extend((1..scope.keys).map(|key| ask(Errand::Write { key })));
        if scope.workload == Workload::Document {
            actions.extend((0..scope.keys).filter(|&key| begun(key)).map(|key| ask(Errand::Delete { key })));
        } else {
            let erasable = self.issued().filter(|&(slot, issued)| self.is_erasable(name, slot, issued));
            actions.extend(erasable.map(|(slot, _)| ask(Errand::Erase { of: self.laws.write_of(slot) })));
        }
    }

    /// Whether a client may take back what this write put into its record: what it knows to be there, and what nobody
    /// has begun to take back; of a calendar, only what is its own. A client knows what it has added and what it has
    /// read. Just before it takes something back it looks at the record where it stands: that takes no time, and is no
    /// step of its own.
    fn is_erasable(self, client: ClientId, slot: usize, issued: &Issued) -> bool {
        let own = self.laws.client_of(slot) == client.0 as usize
            && matches!(issued.state, IssuedState::Acknowledged(_));
        let known = match self.laws.scope.workload {
            Workload::Cart => own || self.has_seen(client, slot, issued.key),
            Workload::Calendar => own,
            Workload::Register | Workload::Document | Workload::Set | Workload::Counter | Workload::Text => {
                false
            }
        };
        let taken =
            |(_, other): (usize, &Issued)| other.erases.is_some_and(|erased| usize::from(erased) == slot);
        known && issued.erases.is_none() && !self.issued().any(taken)
    }

    /// Whether a client has read what this write put into its record, or would if it looked now.
    fn has_seen(self, client: ClientId, slot: usize, key: u8) -> bool {
        let client = self.client(client);
        let shown = || resolved(self, self.replica(client.at), key);
        client.witnessed.seen >> slot & 1 == 1 || self.laws.scope.workload.count(slot, shown().as_deref()) > 0
    }
}

impl Change<'_> {
    /// A client begins an errand.
    pub(super) fn run(&mut self, client: ClientId, errand: Errand) {
        match errand {
            Errand::Read { key } => {
                self.change_budgets(|budgets| budgets.reads -= 1);
                self.change_client(client, |client| client.reading = Some(key));
                self.start(client, key, Operation::Read);
            }
            Errand::Write { key } => self.write(client, key, None),
            Errand::Delete { key } => {
                let session = self.view().client(client).session;
                let own = self.laws.slot_of(self.tables.sessions[session].next_write());
                self.write(client, key, Some(own));
            }
            Errand::Erase { of } => {
                let slot = self.laws.slot_of(of);
                let key = self.view().issued_at(slot).map_or(0, |issued| issued.key);
                self.write(client, key, Some(slot));
            }
        }
    }

    /// A session was told what it asked to read.
    pub(super) fn has_read(
        &mut self,
        client: ClientId,
        key: u8,
        versions: &[WriteId],
        applied: &VersionVector,
    ) {
        let slots = versions.iter().map(|&write| self.laws.slot_of(write)).collect();
        let witnessed = self.view().witnessed(client, &Reading { key, slots, applied });
        self.change_client(client, |client| client.witnessed = witnessed);
    }

    /// A session resolved siblings, and wrote the result back: that is a write of its own.
    pub(super) fn resolved(&mut self, resolution: Id<Resolution>) {
        let Resolution { key, write, over, dot, .. } = self.tables.resolutions[resolution].clone();
        let key = self.laws.key(&key);
        let state = IssuedState::Resolution { over, dot };
        let issued = Issued { state, after: 0, moved: false, key, erases: None, read: 0 };
        self.set_issued(self.laws.slot_of(write), issued);
    }
}
