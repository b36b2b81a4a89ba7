//! What the nemesis may do beyond the plain faults: jumping clocks, frames that come twice or too early, cut links,
//! homes that move by themselves, logs that lose their tails.

use super::{
    action::Action,
    scope::Faults,
    state::{Node, Phase, State, Wire, place},
    world::{KEY, World},
};
use crate::{
    id::{LinkId, ReplicaId},
    message::{Input, Record},
    strategy::Reroute,
    value::Key,
    version::Cell,
};
use alloc::{sync::Arc, vec::Vec};

impl World {
    fn faults(&self) -> &Faults {
        &self.scope().faults
    }

    /// Whether anybody will still write: a fault that nobody can feel any more need not come.
    fn is_busy(state: &State) -> bool {
        state.budgets.writes > 0 || !state.is_quiescent()
    }

    /// The bit of a link among those that are cut.
    fn bit(&self, link: LinkId) -> u64 {
        1 << place(self.links(), link)
    }

    pub(super) fn is_cut(&self, state: &State, link: LinkId) -> bool {
        state.cut & self.bit(link) != 0
    }

    /// Whether nothing can change for the better any more.
    #[must_use]
    pub fn is_quiescent(&self, state: &State) -> bool {
        state.is_quiescent() && !self.links().iter().any(|&link| self.lacks(state, link))
    }

    /// Whether the receiver of a link has lost something that the sender thinks it has sent: a message that came too
    /// early. Only while nothing else is under way there.
    fn lacks(&self, state: &State, link: LinkId) -> bool {
        if !self.faults().unordered || !state.is_live(link.from) || !state.is_live(link.to) {
            return false;
        }
        let applied = |replica: ReplicaId| state.nodes[replica.index()].replica.applied();
        let graph = &self.config().graph;
        let missing = |origin: ReplicaId| {
            graph.forwards(link.from, link.to, origin)
                && applied(link.from).get(origin) > applied(link.to).get(origin)
        };
        state.wires[place(self.links(), link)].forth.is_empty()
            && !self.is_cut(state, link)
            && graph.leaders().any(missing)
    }

    pub(super) fn link_faults(&self, state: &State, actions: &mut Vec<Action>) {
        for (wire, &link) in state.wires.iter().zip(self.links()) {
            if state.budgets.duplicates > 0 && !wire.forth.is_empty() {
                actions.push(Action::Duplicate { link });
            }
            if self.faults().unordered {
                let ahead = (1_u8..).zip(wire.forth.iter().skip(1));
                actions.extend(ahead.map(|(ahead, _)| Action::Overtake { link, ahead }));
            }
            if self.lacks(state, link) {
                actions.push(Action::Reconnect { link });
            }
            let both_live = state.is_live(link.from) && state.is_live(link.to);
            if self.is_cut(state, link) {
                actions.push(Action::Heal { link });
            } else if state.budgets.cuts > 0 && both_live && Self::is_busy(state) {
                actions.push(Action::Cut { link });
            }
        }
    }

    /// The jumps of a clock: called only while somebody will read it.
    pub(super) fn clock_steps(&self, node: &Node, actions: &mut Vec<Action>) {
        let replica = node.replica.id();
        let possible = |&&by_ms: &&i8| by_ms != 0 && node.offset_ms.checked_add(by_ms).is_some();
        let steps = self.faults().steps_ms.iter().filter(possible);
        actions.extend(steps.map(|&by_ms| Action::Step { replica, by_ms }));
    }

    /// The tails that a replica may lose: of one record, of two, and so on.
    pub(super) fn tail_losses(&self, state: &State, node: &Node, actions: &mut Vec<Action>) {
        if state.budgets.tail_losses > 0 {
            let replica = node.replica.id();
            let loose = node.disk.iter().filter(|record| !is_reservation(record));
            let most = (1..=self.faults().tail_records).zip(loose);
            actions.extend(most.map(|(records, _)| Action::LoseTail { replica, records }));
        }
    }

    /// The homes that may move: only where they follow, and only to where they are not.
    pub(super) fn hand_overs(&self, state: &State, node: &Node, actions: &mut Vec<Action>) {
        let strategy = self.scope().strategy.home_leader();
        let follows = strategy.is_some_and(|strategy| strategy.reroute == Reroute::Follow);
        if follows && state.budgets.hand_overs > 0 && Self::is_busy(state) {
            let replica = node.replica.id();
            if node.replica.home(&Key::new_static(KEY)) != Some(replica) {
                actions.push(Action::TakeHome { replica });
            }
        }
    }

    /// What a replica may forget, if it has anything of the kind.
    pub(super) fn forgettings(state: &State, node: &Node, actions: &mut Vec<Action>) {
        let replica = node.replica.id();
        if !Self::is_busy(state) {
            return;
        }
        if state.budgets.collections > 0 && node.replica.cells().any(|(_, cell)| cell.is_deleted()) {
            actions.push(Action::Collect { replica });
        }
        let remembers = |cell: &Cell| cell.versions.iter().any(|held| !held.is_forgotten());
        if state.budgets.forgettings > 0 && node.replica.cells().any(|(_, cell)| remembers(cell)) {
            actions.push(Action::Forget { replica });
        }
    }

    /// Carries out what stands in this file.
    pub(super) fn strike(&self, state: &mut State, action: Action) {
        match action {
            Action::Step { replica, by_ms } => {
                state.budgets.clock_changes -= 1;
                let offset_ms = &mut state.nodes[replica.index()].offset_ms;
                *offset_ms = offset_ms.saturating_add(by_ms);
            }
            Action::Duplicate { link } => {
                state.budgets.duplicates -= 1;
                let message = Arc::clone(&state.wires[place(self.links(), link)].forth[0]);
                self.feed(state, link.to, Input::Peer { link, message: Arc::unwrap_or_clone(message) });
            }
            Action::Overtake { link, ahead } => {
                let message = state.wires[place(self.links(), link)].forth.remove(usize::from(ahead));
                self.feed(state, link.to, Input::Peer { link, message: Arc::unwrap_or_clone(message) });
            }
            Action::Reconnect { link } => {
                self.disconnect(state, link);
                self.connect(state, link);
            }
            Action::Cut { link } => {
                state.budgets.cuts -= 1;
                state.cut |= self.bit(link);
                self.disconnect(state, link);
            }
            Action::Heal { link } => {
                state.cut &= !self.bit(link);
                self.connect(state, link);
            }
            Action::TakeHome { replica } => {
                state.budgets.hand_overs -= 1;
                self.feed(state, replica, Input::TakeHome { key: Key::new_static(KEY) });
            }
            Action::LoseTail { replica, records } => {
                state.budgets.tail_losses -= 1;
                self.kill(state, replica, Phase::Down);
                let node = &mut state.nodes[replica.index()];
                lose_tail(Arc::make_mut(&mut node.disk), records);
                // What is lost is gone at once, so that the dead replica is what it will be when it restarts.
                self.recover(node);
            }
            Action::Collect { replica } => {
                state.budgets.collections -= 1;
                self.feed(state, replica, Input::Collect);
            }
            Action::Forget { replica } => {
                state.budgets.forgettings -= 1;
                self.feed(state, replica, Input::Forget);
            }
            other => panic!("{other} is carried out elsewhere"),
        }
    }

    /// The connection of a link breaks, and what is under way on it is lost.
    fn disconnect(&self, state: &mut State, link: LinkId) {
        state.wires[place(self.links(), link)] = Wire::default();
        self.feed(state, link.from, Input::Disconnected { to: link.to });
    }
}

const fn is_reservation(record: &Record) -> bool {
    matches!(record, Record::Reserve(_))
}

/// The last records go, but for reservations: those are durable at once.
fn lose_tail(disk: &mut Vec<Record>, records: u8) {
    for _ in 0..records {
        if let Some(last) = disk.iter().rposition(|record| !is_reservation(record)) {
            disk.remove(last);
        }
    }
}
