//! What the nemesis may do beyond the plain faults: jumping clocks, frames that come twice or too early, cut links,
//! homes that move by themselves, logs that lose their tails, and what replicas forget.

use super::{
    action::Action,
    engine::Change,
    parts::{Node, Phase, Wire},
    scope::{Faults, KEYS},
    state::View,
};
use crate::{
    id::{LinkId, ReplicaId},
    message::{Input, Record},
    strategy::Reroute,
    value::Key,
    version::Cell,
};
use alloc::vec::Vec;

impl<'a> View<'a> {
    fn faults(self) -> &'a Faults {
        &self.laws.scope.faults
    }

    /// Whether anybody will still write, or something is under way: a fault that nobody can feel need not come.
    fn is_busy(self) -> bool {
        self.budgets().writes > 0 || !self.is_quiescent()
    }

    fn is_cut(self, link: LinkId) -> bool {
        self.budgets().cut >> self.laws.place(link) & 1 == 1
    }

    /// Whether both ends of a link are alive, and it is not cut.
    pub(super) fn is_open(self, link: LinkId) -> bool {
        self.is_live(link.from) && self.is_live(link.to) && !self.is_cut(link)
    }

    /// Whether the receiver of a link has lost something that the sender thinks it has sent: a message that came too
    /// early. Only when nothing else is under way there.
    pub(super) fn lacks(self, link: LinkId) -> bool {
        if !self.faults().unordered || !self.is_open(link) {
            return false;
        }
        let graph = &self.laws.config.graph;
        let (sender, receiver) = (self.replica(link.from).applied(), self.replica(link.to).applied());
        let missing = |origin: ReplicaId| {
            graph.forwards(link.from, link.to, origin) && sender.get(origin) > receiver.get(origin)
        };
        self.wire(usize::from(self.laws.place(link))).forth.is_empty() && graph.leaders().any(missing)
    }

    pub(super) fn link_faults(self, actions: &mut Vec<Action>) {
        for (link, wire) in self.wires() {
            if self.budgets().duplicates > 0 && !wire.forth.is_empty() {
                actions.push(Action::Duplicate { link });
            }
            if self.faults().unordered {
                let ahead = (1_u8..).zip(wire.forth.iter().skip(1));
                actions.extend(ahead.map(|(ahead, _)| Action::Overtake { link, ahead }));
            }
            if self.lacks(link) {
                actions.push(Action::Reconnect { link });
            }
            if self.is_cut(link) {
                actions.push(Action::Heal { link });
            } else if self.budgets().cuts > 0 && self.is_open(link) && self.is_busy() {
                actions.push(Action::Cut { link });
            }
        }
    }

    /// The jumps of a clock: called only while somebody will read it.
    pub(super) fn clock_steps(self, replica: ReplicaId, node: &Node, actions: &mut Vec<Action>) {
        let possible = |&&by_ms: &&i8| by_ms != 0 && node.offset_ms.checked_add(by_ms).is_some();
        let steps = self.faults().steps_ms.iter().filter(possible);
        actions.extend(steps.map(|&by_ms| Action::Step { replica, by_ms }));
    }

    /// The tails that a replica may lose: of one record, of two, and so on.
    pub(super) fn tail_losses(self, replica: ReplicaId, node: &Node, actions: &mut Vec<Action>) {
        if self.budgets().tail_losses > 0 {
            let records = self.tables.records(node.disk);
            let loose = records.iter().filter(|record| !matches!(record, Record::Reserve(_)));
            let tails = (1..=self.faults().tail_records).zip(loose);
            actions.extend(tails.map(|(records, _)| Action::LoseTail { replica, records }));
        }
    }

    /// The homes that may move: only where they follow, and only to where they are not.
    pub(super) fn hand_overs(self, replica: ReplicaId, actions: &mut Vec<Action>) {
        let strategy = self.laws.scope.strategy.home_leader();
        let follows = strategy.is_some_and(|strategy| strategy.reroute == Reroute::Follow);
        if follows && self.budgets().hand_overs > 0 && self.is_busy() {
            let home = self.replica(replica).home(&Key::new_static(KEYS[0]));
            if home != Some(replica) {
                actions.push(Action::TakeHome { replica });
            }
        }
    }

    /// What a replica may forget, if it has anything of the kind.
    pub(super) fn forgettings(self, replica: ReplicaId, actions: &mut Vec<Action>) {
        let budgets = self.budgets();
        if budgets.collections + budgets.forgettings == 0 || !self.is_busy() {
            return;
        }
        let cells = || self.replica(replica).cells().map(|(_, cell)| cell);
        if budgets.collections > 0 && cells().any(Cell::is_deleted) {
            actions.push(Action::Collect { replica });
        }
        let remembers = |cell: &Cell| cell.versions.iter().any(|held| !held.is_forgotten());
        if budgets.forgettings > 0 && cells().any(remembers) {
            actions.push(Action::Forget { replica });
        }
    }
}

impl Change<'_> {
    /// Carries out what stands in this file.
    pub(super) fn strike(&mut self, action: Action) {
        match action {
            Action::Step { replica, by_ms } => {
                self.change_budgets(|budgets| budgets.clock_changes -= 1);
                self.change_node(replica, |node| node.offset_ms = node.offset_ms.saturating_add(by_ms));
            }
            Action::Duplicate { link } => {
                self.change_budgets(|budgets| budgets.duplicates -= 1);
                let input = self.change_wire(link, |wire| wire.forth[0]);
                self.feed(link.to, input);
            }
            Action::Overtake { link, ahead } => {
                let input = self.change_wire(link, |wire| wire.forth.remove(usize::from(ahead)));
                self.feed(link.to, input);
            }
            Action::Reconnect { link } => {
                self.disconnect(link);
                self.connect(link);
            }
            Action::Cut { link } => {
                let bit = 1 << self.laws.place(link);
                self.change_budgets(|budgets| {
                    (budgets.cuts, budgets.cut) = (budgets.cuts - 1, budgets.cut | bit)
                });
                self.disconnect(link);
            }
            Action::Heal { link } => {
                let bit = 1 << self.laws.place(link);
                self.change_budgets(|budgets| budgets.cut &= !bit);
                self.connect(link);
            }
            Action::TakeHome { replica } => {
                self.change_budgets(|budgets| budgets.hand_overs -= 1);
                self.input(replica, Input::TakeHome { key: Key::new_static(KEYS[0]) });
            }
            Action::LoseTail { replica, records } => {
                self.change_budgets(|budgets| budgets.tail_losses -= 1);
                self.kill(replica, Phase::Down);
                let disk = self.view().node(replica).disk;
                let disk = self.tables.without_tail(disk, records);
                self.change_node(replica, |node| node.disk = disk);
                // What is lost is gone at once, so that the dead replica is what it will be when it restarts.
                self.recover(replica);
            }
            Action::Collect { replica } => {
                self.change_budgets(|budgets| budgets.collections -= 1);
                self.input(replica, Input::Collect);
            }
            Action::Forget { replica } => {
                self.change_budgets(|budgets| budgets.forgettings -= 1);
                self.input(replica, Input::Forget);
            }
            other => panic!("{other} is carried out elsewhere"),
        }
    }

    fn input(&mut self, replica: ReplicaId, input: Input) {
        let input = self.tables.inputs.id(input);
        self.feed(replica, input);
    }

    /// The connection of a link breaks, and what is under way on it is lost.
    fn disconnect(&mut self, link: LinkId) {
        self.change_wire(link, |wire| *wire = Wire::default());
        self.input(link.from, Input::Disconnected { to: link.to });
    }
}
