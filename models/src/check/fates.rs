//! The ledger in small: the fate of each acknowledged write in a quiescent state.
//!
//! Which write won is found here, as the ledger of a recorded history finds it; what that makes of the lost one is
//! decided by [`fate_of_loser`] alone. Less is needed than there: every version is told, all values are small, and
//! nothing but a move of its client makes two copies of a write. That both ledgers agree is tested where both can be
//! seen, on every path of small worlds.

mod line;

use super::{
    parts::{Issued, IssuedState},
    scope::{KEYS, Workload},
    state::{State, View},
    world::World,
};
use crate::{
    fate::{Fate, Knowledge, Relation, fate_of_loser},
    handler::{Conflict, Resolution, side_by_side},
    id::{Dot, WriteId},
    replica::Replica,
    value::Value,
    version::{Cell, VersionVector},
};
use alloc::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    vec,
    vec::Vec,
};
use line::Line;

/// The fates of all acknowledged writes, by slot. Meaningful in a quiescent state.
#[must_use]
pub fn fates(world: &World, state: &State) -> Vec<(usize, Fate)> {
    fates_in(world.engine().view(state))
}

pub(super) fn fates_in(view: View<'_>) -> Vec<(usize, Fate)> {
    fates_and_winners(view).map(|(slot, met)| (slot, met.fate)).collect()
}

/// The fates, and the slots of the writes that won.
pub(super) fn fates_and_winners(view: View<'_>) -> impl Iterator<Item = (usize, Met)> + '_ {
    view.acknowledged().map(move |(slot, _)| (slot, Judge(view).fate(slot)))
}

/// What a write met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) fate: Fate,
    /// The write that won over it, if one did.
    pub(super) winner: Option<usize>,
}

impl Met {
    const fn without_winner(fate: Fate) -> Self {
        Self { fate, winner: None }
    }
}

const VANISHED: Met = Met::without_winner(Fate::Vanished);

/// What a replica holds of a record.
pub(super) fn cell(replica: &Replica, key: u8) -> Option<&Cell> {
    replica.cells().find(|(name, _)| *name == KEYS[usize::from(key)]).map(|(_, cell)| cell)
}

fn has_siblings(cell: &Cell) -> bool {
    cell.merged.is_none() && cell.versions.len() > 1
}

/// What a reader of this replica gets of a record.
pub(super) fn resolved<'a>(view: View<'_>, replica: &'a Replica, key: u8) -> Option<Cow<'a, Value>> {
    let cell = cell(replica, key)?;
    match view.laws.scope.strategy.read_handler() {
        Some(handler) if has_siblings(cell) => {
            let name = crate::value::Key::new_static(KEYS[usize::from(key)]);
            match handler.resolve(&Conflict { key: &name, versions: &cell.versions, past: None }) {
                Resolution::Value(value) => Some(Cow::Owned(value)),
                Resolution::Delete => None,
                Resolution::Refused(_) => Some(Cow::Owned(side_by_side(&cell.versions))),
            }
        }
        _ => cell.value().map(Cow::Borrowed),
    }
}

const fn discarded_for(winner: usize) -> Met {
    Met { fate: Fate::ConcurrentDiscard, winner: Some(winner) }
}

fn severity(fate: Fate) -> usize {
    Fate::ALL.iter().position(|&other| other == fate).unwrap_or(Fate::ALL.len())
}

/// What one replica shows of one record.
pub(super) struct Shown<'a> {
    /// The versions held.
    held: Vec<usize>,
    /// The same, each resolution replaced by what it went over; and whether through one.
    pub(super) carried: BTreeMap<usize, bool>,
    siblings: bool,
    value: Option<Cow<'a, Value>>,
}

pub(super) struct Judge<'a>(pub(super) View<'a>);

impl<'a> Judge<'a> {
    fn issued(&self, slot: usize) -> Option<&'a Issued> {
        self.0.issued_at(slot)
    }

    fn key(&self, slot: usize) -> u8 {
        self.issued(slot).map_or(0, |issued| issued.key)
    }

    const fn workload(&self) -> Workload {
        self.0.laws.scope.workload
    }

    fn fate(&self, slot: usize) -> Met {
        let shown: Vec<Shown<'_>> =
            self.0.live().map(|replica| self.shown(replica, self.key(slot))).collect();
        let showing = shown.iter().filter(|shown| self.shows(shown, slot)).count();
        if showing == shown.len() {
            let alone =
                |shown: &Shown<'_>| shown.held == [slot] || shown.siblings && shown.held.contains(&slot);
            let untold = |shown: &Shown<'_>| shown.held.is_empty() && self.workload().replaces();
            let whole = shown.iter().all(|shown| alone(shown) || untold(shown));
            return Met::without_winner(if whole { Fate::Visible } else { Fate::Merged });
        }
        if showing > 0 {
            return Met::without_winner(Fate::Partial);
        }
        let lost = |shown: &Shown<'_>| {
            if self.workload().replaces() {
                self.lost_record(slot, shown)
            } else {
                self.lost_effect(slot, shown)
            }
        };
        let worst = shown.iter().map(lost).max_by_key(|met| severity(met.fate)).unwrap_or(VANISHED);
        self.beyond_conflict(slot, worst)
    }

    pub(super) fn shown<'r>(&self, replica: &'r Replica, key: u8) -> Shown<'r> {
        let cell = cell(replica, key);
        let slot_of = |write: WriteId| self.0.laws.slot_of(write);
        let held: Vec<usize> =
            cell.iter().flat_map(|cell| &cell.versions).map(|held| slot_of(held.write)).collect();
        let (mut carried, mut seen) = (BTreeMap::new(), vec![false; self.0.slots()]);
        let mut open: Vec<(usize, bool)> = held.iter().map(|&slot| (slot, false)).collect();
        while let Some((slot, through)) = open.pop() {
            if core::mem::replace(&mut seen[slot], true) {
                continue;
            }
            match self.issued(slot).map(|issued| &issued.state) {
                Some(IssuedState::Resolution { over, .. }) => {
                    open.extend(over.iter().map(|&write| (slot_of(write), true)));
                }
                _ => {
                    carried.insert(slot, through);
                }
            }
        }
        let siblings = cell.is_some_and(has_siblings);
        Shown { held, carried, siblings, value: resolved(self.0, replica, key) }
    }

    /// Whether a reader gets the effect of the write.
    pub(super) fn shows(&self, shown: &Shown<'_>, slot: usize) -> bool {
        if shown.siblings && shown.held.contains(&slot) {
            return true;
        }
        let has = |slot: usize| self.workload().count(slot, shown.value.as_deref()) > 0;
        match (self.workload(), self.issued(slot).and_then(|issued| issued.erases)) {
            (Workload::Register | Workload::Document, None) => shown.carried.contains_key(&slot) && has(slot),
            // Absent is absent, whichever deletion brought it about.
            (Workload::Document, Some(_)) => !shown.siblings && shown.value.is_none(),
            (_, Some(of)) => !has(usize::from(of)),
            (_, None) => has(slot),
        }
    }

    /// Where the write entered, as its acknowledgement told, or else as a live replica tells that holds it: a retry may
    /// be known without that.
    fn dot(&self, slot: usize) -> Option<Dot> {
        let written = self.issued(slot)?.written().map(|written| written.dot);
        written.filter(|dot| dot.position > 0).or_else(|| {
            let cells = self.0.live().flat_map(Replica::cells);
            let mut held = cells.flat_map(|(_, cell)| &cell.versions);
            held.find(|held| self.0.laws.slot_of(held.write) == slot).map(|held| held.dot)
        })
    }

    pub(super) fn knowledge(&self, of: usize, other: usize) -> Knowledge {
        let same_client = self.0.laws.client_of(of) == self.0.laws.client_of(other);
        let had_read = self.issued(of).is_some_and(|issued| issued.read >> other & 1 == 1);
        if self.leader_had(of, other) || self.dot(other).is_some_and(|dot| self.known(of).covers(dot)) {
            Knowledge::Leader
        } else if other < of && same_client || had_read {
            Knowledge::Session
        } else {
            Knowledge::None
        }
    }

    /// Whether the leader that took the one write had applied the other then.
    fn leader_had(&self, of: usize, other: usize) -> bool {
        let written = self.issued(of).and_then(Issued::written);
        written.zip(self.dot(other)).is_some_and(|(written, dot)| written.knew.covers(dot))
    }

    /// All that a write was made in the knowledge of: what its leader had applied, and what the versions that it was
    /// executed on had known, which may have come there before what they were made on themselves. What the
    /// acknowledgement of a moved write tells holds for one of its copies only, and is not handed on.
    fn known(&self, slot: usize) -> VersionVector {
        let (mut known, mut seen) = (VersionVector::new(), 0_u16);
        let mut open = vec![slot];
        while let Some(at) = open.pop() {
            if seen >> at & 1 == 1 {
                continue;
            }
            seen |= 1 << at;
            if let Some(written) = self.issued(at).and_then(Issued::written) {
                known.join(&written.knew);
            }
            let parents = self.parents(at).into_iter().filter(|&parent| !self.was_moved(parent));
            for parent in parents {
                known.extend(self.dot(parent));
                open.push(parent);
            }
        }
        known
    }

    fn relation(&self, loser: usize, winner: usize) -> Relation {
        let after =
            |of: usize, other: usize| self.issued(of).is_some_and(|issued| issued.after >> other & 1 == 1);
        let erases = self.issued(loser).is_some_and(|issued| issued.erases.is_some());
        Relation {
            loser_knew: self.knowledge(loser, winner),
            // The copy that won may be the one whose leader lacked the loser.
            winner_knew: match self.knowledge(winner, loser) {
                Knowledge::Leader if self.was_moved(winner) => Knowledge::Session,
                knew => knew,
            },
            winner_first: after(loser, winner),
            loser_first: after(winner, loser),
            replaces: self.workload().replaces(),
            keeps: self.0.laws.scope.strategy.keeps(self.workload().effect(erases)),
        }
    }

    fn was_moved(&self, slot: usize) -> bool {
        self.issued(slot).is_some_and(|issued| issued.moved)
    }

    fn against(&self, loser: usize, winner: usize) -> Met {
        Met { fate: fate_of_loser(self.relation(loser, winner)), winner: Some(winner) }
    }

    /// A write of the whole record that this replica does not show.
    fn lost_record(&self, slot: usize, shown: &Shown<'_>) -> Met {
        let others = || shown.carried.keys().copied().filter(|&other| other != slot);
        if shown.carried.get(&slot) == Some(&true) {
            // A reader was told of it and of the version that it resolved to.
            return others().next().map_or(VANISHED, discarded_for);
        }
        let mut winners: Vec<usize> = others().filter(|&other| self.shows(shown, other)).collect();
        if winners.is_empty() {
            winners = others().collect();
        }
        if winners.is_empty() && shown.held.is_empty() {
            return self.lost_untold(slot, shown);
        }
        // Among versions side by side, the one that rightly replaced it explains its absence.
        let rightly = |&winner: &usize| {
            let relation = self.relation(slot, winner);
            relation.winner_knew != Knowledge::None && relation.loser_knew == Knowledge::None
        };
        if let Some(winner) = winners.iter().copied().find(rightly) {
            return self.against(slot, winner);
        }
        let fates = winners.into_iter().map(|winner| self.against(slot, winner));
        fates.max_by_key(|met| severity(met.fate)).unwrap_or(VANISHED)
    }

    /// The replica has no record: any deletion may be the winner. Of several, the one that blames the system least,
    /// since nothing tells them apart.
    fn lost_untold(&self, slot: usize, shown: &Shown<'_>) -> Met {
        let winners = self.others(slot).filter(|&other| self.shows(shown, other));
        let fates = winners.map(|winner| self.against(slot, winner));
        fates.min_by_key(|met| severity(met.fate)).unwrap_or(VANISHED)
    }

    /// All other writes of the record that happened or may have happened.
    fn others(&self, slot: usize) -> impl Iterator<Item = usize> + '_ {
        let possible =
            |issued: &Issued| !matches!(issued.state, IssuedState::Failed | IssuedState::Resolution { .. });
        let key = self.key(slot);
        self.0
            .issued()
            .filter(move |&(other, issued)| other != slot && issued.key == key && possible(issued))
            .map(|(other, _)| other)
    }

    /// An effect that this replica does not show.
    fn lost_effect(&self, slot: usize, shown: &Shown<'_>) -> Met {
        if self.was_undone(slot) {
            return Met::without_winner(Fate::Superseded);
        }
        let line = Line::of(self, &shown.held);
        if line.contains(slot) {
            return self.lost_on_the_line(slot, &line);
        }
        let mut open: VecDeque<usize> = self.parents(slot).into();
        let mut seen = vec![false; self.0.slots()];
        while let Some(ancestor) = open.pop_front() {
            if core::mem::replace(&mut seen[ancestor], true) {
                continue;
            }
            match line.next(ancestor) {
                // It was made on the final version.
                None if line.is_final(ancestor) => return self.against_effect(slot, ancestor),
                None => open.extend(self.parents(ancestor)),
                // The line went on without it at a leader that had it: there the ancestor had beaten it.
                Some(next) if self.made_on(next, slot) => return self.against_effect(slot, ancestor),
                Some(next) => return self.against_effect(slot, next),
            }
        }
        match line.root {
            Some(root) => self.against_effect(slot, root),
            None => self.lost_without_line(slot, shown),
        }
    }

    /// Whether a later write asserted the opposite: took back what it added, or added what it took away.
    fn was_undone(&self, slot: usize) -> bool {
        let erases = |by: usize, of: usize| {
            let erased = self.issued(by).and_then(|issued| issued.erases);
            erased.is_some_and(|erased| usize::from(erased) == of)
        };
        self.others(slot).any(|other| {
            let relation = self.relation(slot, other);
            (erases(other, slot) || erases(slot, other))
                && relation.loser_knew == Knowledge::None
                && (relation.winner_knew != Knowledge::None || relation.loser_first)
        })
    }

    fn made_on(&self, write: usize, other: usize) -> bool {
        !self.was_moved(write) && self.leader_had(write, other)
    }

    /// An effect against the write that went on without it. Where handlers merge, an effect is never beaten by a
    /// version, only dropped at a merge with one.
    fn against_effect(&self, slot: usize, winner: usize) -> Met {
        if self.0.laws.scope.strategy.handler().is_some() {
            self.dropped_at_a_merge(slot, winner)
        } else {
            self.against(slot, winner)
        }
    }

    fn dropped_at_a_merge(&self, slot: usize, other: usize) -> Met {
        if self.relation(slot, other).keeps { self.against(slot, other) } else { discarded_for(other) }
    }

    /// The final value was built on it, and yet lacks its effect: it was dropped where versions were made one, or
    /// nobody knows where.
    fn lost_on_the_line(&self, slot: usize, line: &Line) -> Met {
        let mut side = slot;
        for next in line.onward(slot) {
            let parents = self.parents(next);
            if parents.len() > 1 {
                let other = parents.into_iter().find(|&other| other != side);
                return other
                    .map_or_else(|| self.against(slot, next), |other| self.dropped_at_a_merge(slot, other));
            }
            side = next;
        }
        if let Some(winner) = line.beside(slot) {
            // It was dropped where the final versions were made one.
            return self.dropped_at_a_merge(slot, winner);
        }
        // Of a write that was moved, two leaders may have made copies, the other one without this effect.
        let copy = line.onward(slot).find(|&later| self.was_moved(later)).or_else(|| line.next(slot));
        copy.map_or(VANISHED, |winner| self.against_effect(slot, winner))
    }

    /// Nothing tells what the final value was built on: any write that neither knew of could have displaced it.
    fn lost_without_line(&self, slot: usize, shown: &Shown<'_>) -> Met {
        let candidate = |&other: &usize| {
            let relation = self.relation(slot, other);
            relation.winner_knew == Knowledge::None
                && relation.loser_knew == Knowledge::None
                && !relation.winner_first
                && !relation.loser_first
                && self.shows(shown, other)
        };
        let winner = self.others(slot).find(candidate);
        winner.map_or(VANISHED, |winner| self.against(slot, winner))
    }

    /// The writes that a write was executed on, as its acknowledgement told; of a resolution, those that it replaced.
    fn parents(&self, slot: usize) -> Vec<usize> {
        let on = match self.issued(slot).map(|issued| &issued.state) {
            Some(IssuedState::Acknowledged(written)) => &written.on[..],
            Some(IssuedState::Resolution { over, .. }) => &over[..],
            _ => &[],
        };
        on.iter().map(|&on| self.0.laws.slot_of(on)).collect()
    }

    /// What no conflict explains: the write is on a dead replica, or nowhere.
    fn beyond_conflict(&self, slot: usize, met: Met) -> Met {
        let Some(dot) = self.dot(slot).filter(|_| met.fate.is_loss()) else { return met };
        let reached = self.0.live().any(|replica| replica.applied().covers(dot));
        if reached {
            return met;
        }
        let gone = self.0.gone().any(|replica| replica.id() == dot.origin);
        Met::without_winner(if gone { Fate::Stranded } else { Fate::Vanished })
    }
}
