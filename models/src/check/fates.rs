//! The ledger in small: the fate of each acknowledged write in a quiescent state.
//!
//! Which write won is found here, as the ledger of a recorded history finds it; what that makes of the lost one is
//! decided by [`fate_of_loser`] alone. Less is needed than there: nothing is deleted, undone or read, every version is
//! told, and nothing but a move of its client makes two copies of a write.

use super::{
    parts::Issued,
    scope::Workload,
    state::{State, View},
    world::World,
};
use crate::{
    fate::{Fate, Knowledge, Relation, fate_of_loser},
    id::{Dot, WriteId},
    replica::Replica,
    value::Value,
    version::Cell,
};
use alloc::{borrow::Cow, collections::VecDeque, vec, vec::Vec};

/// The fates of all acknowledged writes, by slot. Meaningful in a quiescent state.
#[must_use]
pub fn fates(world: &World, state: &State) -> Vec<(usize, Fate)> {
    fates_in(world.engine().view(state))
}

pub(super) fn fates_in(view: View<'_>) -> Vec<(usize, Fate)> {
    view.acknowledged().map(|(slot, _)| (slot, Judge(view).fate(slot))).collect()
}

/// What a reader of this replica gets of the record.
pub(super) fn resolved<'a>(view: View<'_>, replica: &'a Replica) -> Option<Cow<'a, Value>> {
    let (_, cell) = replica.cells().next()?;
    let siblings = cell.merged.is_none() && cell.versions.len() > 1;
    match view.laws.scope.strategy.read_handler() {
        Some(handler) if siblings => handler.merge(&cell.versions).map(Cow::Owned),
        _ => cell.value().map(Cow::Borrowed),
    }
}

fn severity(fate: Fate) -> usize {
    Fate::ALL.iter().position(|&other| other == fate).unwrap_or(Fate::ALL.len())
}

struct Judge<'a>(View<'a>);

impl<'a> Judge<'a> {
    fn issued(&self, slot: usize) -> Option<&'a Issued> {
        self.0.issued_at(slot)
    }

    fn fate(&self, slot: usize) -> Fate {
        let live = || self.0.live();
        let showing = live().filter(|replica| self.shows(replica, slot)).count();
        if showing == live().count() {
            return Fate::Visible;
        }
        if showing > 0 {
            return Fate::Partial;
        }
        let lost = |replica| {
            if self.replaces() { self.lost_record(slot, replica) } else { self.lost_effect(slot, replica) }
        };
        let worst = live().map(lost).max_by_key(|&fate| severity(fate)).unwrap_or(Fate::Vanished);
        self.beyond_conflict(slot, worst)
    }

    fn replaces(&self) -> bool {
        self.0.laws.scope.workload == Workload::Register
    }

    /// Whether a reader of the replica gets the effect of the write.
    fn shows(&self, replica: &Replica, slot: usize) -> bool {
        let held = versions(replica).any(|write| self.0.laws.slot_of(write) == slot);
        let siblings =
            replica.cells().next().is_some_and(|(_, cell)| cell.merged.is_none() && cell.versions.len() > 1);
        let value = resolved(self.0, replica);
        let shown = self.0.laws.scope.workload.count(slot, value.as_deref()) > 0;
        siblings && held || shown && (held || !self.replaces())
    }

    /// Where the write entered, as its acknowledgement told: a retry may be known without that.
    fn dot(&self, slot: usize) -> Option<Dot> {
        let written = self.issued(slot)?.written();
        written.map(|written| written.dot).filter(|dot| dot.position > 0)
    }

    fn knowledge(&self, of: usize, other: usize) -> Knowledge {
        let written = self.issued(of).and_then(|issued| issued.written());
        let leader = written.zip(self.dot(other)).is_some_and(|(written, dot)| written.knew.covers(dot));
        if leader {
            Knowledge::Leader
        } else if other < of && self.0.laws.client_of(of) == self.0.laws.client_of(other) {
            Knowledge::Session
        } else {
            Knowledge::None
        }
    }

    fn relation(&self, loser: usize, winner: usize) -> Relation {
        let after =
            |of: usize, other: usize| self.issued(of).is_some_and(|issued| issued.after >> other & 1 == 1);
        let moved = self.issued(winner).is_some_and(|issued| issued.moved);
        Relation {
            loser_knew: self.knowledge(loser, winner),
            // The copy that won may be the one whose leader lacked the loser.
            winner_knew: match self.knowledge(winner, loser) {
                Knowledge::Leader if moved => Knowledge::Session,
                knew => knew,
            },
            winner_first: after(loser, winner),
            loser_first: after(winner, loser),
            replaces: self.replaces(),
            keeps: self.0.laws.scope.strategy.keeps(self.0.laws.scope.workload.effect()),
        }
    }

    fn against(&self, loser: usize, winner: usize) -> Fate {
        fate_of_loser(self.relation(loser, winner))
    }

    fn held(&self, replica: &Replica) -> Vec<usize> {
        versions(replica).map(|write| self.0.laws.slot_of(write)).collect()
    }

    /// A write of the whole record that this replica does not show.
    fn lost_record(&self, slot: usize, replica: &Replica) -> Fate {
        let others: Vec<usize> = self.held(replica).into_iter().filter(|&other| other != slot).collect();
        let mut winners: Vec<usize> =
            others.iter().copied().filter(|&other| self.shows(replica, other)).collect();
        if winners.is_empty() {
            winners = others;
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
        fates.max_by_key(|&fate| severity(fate)).unwrap_or(Fate::Vanished)
    }

    /// An effect that this replica does not show.
    fn lost_effect(&self, slot: usize, replica: &Replica) -> Fate {
        let line = Line::of(self, &self.held(replica));
        if line.toward[slot].is_some() {
            return self.lost_on_the_line(slot, &line);
        }
        let mut open: VecDeque<usize> = self.parents(slot).into();
        let mut seen = vec![false; line.toward.len()];
        while let Some(ancestor) = open.pop_front() {
            if core::mem::replace(&mut seen[ancestor], true) {
                continue;
            }
            match line.toward[ancestor] {
                // It was made on the final version.
                Some(next) if next == ancestor => return self.against(slot, ancestor),
                // The line went on without it at a leader that had it: there the ancestor had beaten it.
                Some(next) if self.made_on(next, slot) => return self.against(slot, ancestor),
                Some(next) => return self.against(slot, next),
                None => open.extend(self.parents(ancestor)),
            }
        }
        line.root.map_or(Fate::Vanished, |root| self.against(slot, root))
    }

    fn made_on(&self, write: usize, other: usize) -> bool {
        let moved = self.issued(write).is_some_and(|issued| issued.moved);
        !moved && self.knowledge(write, other) == Knowledge::Leader
    }

    /// The final value was built on it, and yet lacks its effect: it was dropped where versions were made one, or
    /// nobody knows where.
    fn lost_on_the_line(&self, slot: usize, line: &Line) -> Fate {
        let mut side = slot;
        while let Some(next) = line.toward[side].filter(|&next| next != side) {
            let parents = self.parents(next);
            if parents.len() > 1 {
                return match parents.into_iter().find(|&other| other != side) {
                    Some(winner) if !self.relation(slot, winner).keeps => Fate::ConcurrentDiscard,
                    Some(winner) => self.against(slot, winner),
                    None => self.against(slot, next),
                };
            }
            side = next;
        }
        // A handler dropped it where the final versions were merged, or nobody knows where.
        let beside = line.finals.iter().copied().find(|&held| held != side);
        let copy = || {
            let mut at = slot;
            let next = |at: usize| line.toward[at].filter(|&next| next != at);
            while let Some(later) = next(at) {
                if self.issued(later).is_some_and(|issued| issued.moved) {
                    return Some(later);
                }
                at = later;
            }
            next(slot)
        };
        beside.or_else(copy).map_or(Fate::Vanished, |winner| self.against(slot, winner))
    }

    /// The writes that a write was executed on, as its acknowledgement told.
    fn parents(&self, slot: usize) -> Vec<usize> {
        let written = self.issued(slot).and_then(|issued| issued.written());
        written
            .map_or_else(Vec::new, |written| written.on.iter().map(|&on| self.0.laws.slot_of(on)).collect())
    }

    /// What no conflict explains: the write is on a dead replica, or nowhere.
    fn beyond_conflict(&self, slot: usize, fate: Fate) -> Fate {
        let Some(dot) = self.dot(slot).filter(|_| fate.is_loss()) else { return fate };
        if self.0.gone().any(|replica| self.shows(replica, slot)) {
            return Fate::Stranded;
        }
        let reached = self.0.live().any(|replica| replica.applied().covers(dot));
        if reached {
            return fate;
        }
        let gone = self.0.gone().any(|replica| replica.id() == dot.origin);
        if gone { Fate::Stranded } else { Fate::Vanished }
    }
}

fn versions(replica: &Replica) -> impl Iterator<Item = WriteId> + '_ {
    let cell: Option<&Cell> = replica.cells().next().map(|(_, cell)| cell);
    cell.into_iter().flat_map(|cell| &cell.versions).map(|version| version.write)
}

/// Which writes the final value was built on.
struct Line {
    /// For each write on it, the next one towards the end; itself for a final version.
    toward: Vec<Option<usize>>,
    finals: Vec<usize>,
    /// The first of those that were made on an empty record.
    root: Option<usize>,
}

impl Line {
    fn of(judge: &Judge<'_>, finals: &[usize]) -> Self {
        let mut line = Self { toward: vec![None; judge.0.slots()], finals: finals.to_vec(), root: None };
        let mut open: VecDeque<(usize, usize)> = finals.iter().map(|&slot| (slot, slot)).collect();
        while let Some((slot, toward)) = open.pop_front() {
            if line.toward[slot].is_some() {
                continue;
            }
            line.toward[slot] = Some(toward);
            let parents = judge.parents(slot);
            if parents.is_empty() {
                line.root = Some(line.root.map_or(slot, |root| root.min(slot)));
            }
            open.extend(parents.into_iter().map(|parent| (parent, slot)));
        }
        line
    }
}
