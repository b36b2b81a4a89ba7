//! The ledger in small: the fate of each acknowledged write in a quiescent state.
//!
//! Which write won is found here, as the ledger of a recorded history finds it; what that makes of the lost one is
//! decided by [`fate_of_loser`] alone. Less is needed than there: nothing is deleted, undone or read, every version is
//! told, and nothing but a move of its client makes two copies of a write.

use super::{scope::Workload, state::State, world::World};
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
    fates_and_winners(world, state).into_iter().map(|(slot, met)| (slot, met.fate)).collect()
}

/// The fates, and the slots of the writes that won.
pub(super) fn fates_and_winners(world: &World, state: &State) -> Vec<(usize, Met)> {
    let judge = Judge { world, state };
    state.acknowledged().map(|(slot, _)| (slot, judge.fate(slot))).collect()
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

/// What a reader of this replica gets of the record.
pub(super) fn resolved<'a>(world: &World, replica: &'a Replica) -> Option<Cow<'a, Value>> {
    let (_, cell) = replica.cells().next()?;
    let siblings = cell.merged.is_none() && cell.versions.len() > 1;
    match world.scope().strategy.read_handler() {
        Some(handler) if siblings => handler.merge(&cell.versions).map(Cow::Owned),
        _ => cell.value().map(Cow::Borrowed),
    }
}

fn severity(fate: Fate) -> usize {
    Fate::ALL.iter().position(|&other| other == fate).unwrap_or(Fate::ALL.len())
}

const VANISHED: Met = Met::without_winner(Fate::Vanished);

struct Judge<'a> {
    world: &'a World,
    state: &'a State,
}

impl Judge<'_> {
    fn fate(&self, slot: usize) -> Met {
        let live = || self.state.live();
        let showing = live().filter(|replica| self.shows(replica, slot)).count();
        if showing == live().count() {
            return Met::without_winner(Fate::Visible);
        }
        if showing > 0 {
            return Met::without_winner(Fate::Partial);
        }
        let lost = |replica| {
            if self.replaces() { self.lost_record(slot, replica) } else { self.lost_effect(slot, replica) }
        };
        let worst = live().map(lost).max_by_key(|met| severity(met.fate)).unwrap_or(VANISHED);
        self.beyond_conflict(slot, worst)
    }

    fn replaces(&self) -> bool {
        self.world.scope().workload == Workload::Register
    }

    /// Whether a reader of the replica gets the effect of the write.
    fn shows(&self, replica: &Replica, slot: usize) -> bool {
        let held = versions(replica).any(|write| self.world.slot_of(write) == slot);
        let siblings =
            replica.cells().next().is_some_and(|(_, cell)| cell.merged.is_none() && cell.versions.len() > 1);
        let value = resolved(self.world, replica);
        let shown = self.world.scope().workload.count(slot, value.as_deref()) > 0;
        siblings && held || shown && (held || !self.replaces())
    }

    /// Where the write entered, as its acknowledgement told: a retry may be known without that.
    fn dot(&self, slot: usize) -> Option<Dot> {
        let written = self.state.issued[slot].as_ref()?.written();
        written.map(|written| written.dot).filter(|dot| dot.position > 0)
    }

    fn knowledge(&self, of: usize, other: usize) -> Knowledge {
        let written = self.state.issued[of].as_ref().and_then(|issued| issued.written());
        let leader = written.zip(self.dot(other)).is_some_and(|(written, dot)| written.knew.covers(dot));
        if leader {
            Knowledge::Leader
        } else if other < of && self.world.client_of(of) == self.world.client_of(other) {
            Knowledge::Session
        } else {
            Knowledge::None
        }
    }

    fn relation(&self, loser: usize, winner: usize) -> Relation {
        let after = |of: usize, other: usize| {
            self.state.issued[of].as_ref().is_some_and(|issued| issued.after >> other & 1 == 1)
        };
        let moved = self.state.issued[winner].as_ref().is_some_and(|issued| issued.moved);
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
            keeps: self.world.scope().strategy.keeps(self.world.scope().workload.effect()),
        }
    }

    fn against(&self, loser: usize, winner: usize) -> Met {
        Met { fate: fate_of_loser(self.relation(loser, winner)), winner: Some(winner) }
    }

    fn held(&self, replica: &Replica) -> Vec<usize> {
        versions(replica).map(|write| self.world.slot_of(write)).collect()
    }

    /// A write of the whole record that this replica does not show.
    fn lost_record(&self, slot: usize, replica: &Replica) -> Met {
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
        fates.max_by_key(|met| severity(met.fate)).unwrap_or(VANISHED)
    }

    /// An effect that this replica does not show.
    fn lost_effect(&self, slot: usize, replica: &Replica) -> Met {
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
        line.root.map_or(VANISHED, |root| self.against(slot, root))
    }

    fn made_on(&self, write: usize, other: usize) -> bool {
        let moved = self.state.issued[write].as_ref().is_some_and(|issued| issued.moved);
        !moved && self.knowledge(write, other) == Knowledge::Leader
    }

    /// The final value was built on it, and yet lacks its effect: it was dropped where versions were made one, or
    /// nobody knows where.
    fn lost_on_the_line(&self, slot: usize, line: &Line) -> Met {
        let mut side = slot;
        while let Some(next) = line.toward[side].filter(|&next| next != side) {
            let parents = self.parents(next);
            if parents.len() > 1 {
                return match parents.into_iter().find(|&other| other != side) {
                    Some(winner) if !self.relation(slot, winner).keeps => {
                        Met { fate: Fate::ConcurrentDiscard, winner: Some(winner) }
                    }
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
                if self.state.issued[later].as_ref().is_some_and(|issued| issued.moved) {
                    return Some(later);
                }
                at = later;
            }
            next(slot)
        };
        beside.or_else(copy).map_or(VANISHED, |winner| self.against(slot, winner))
    }

    /// The writes that a write was executed on, as its acknowledgement told.
    fn parents(&self, slot: usize) -> Vec<usize> {
        let written = self.state.issued[slot].as_ref().and_then(|issued| issued.written());
        written.map_or_else(Vec::new, |written| written.on.iter().map(|&on| self.world.slot_of(on)).collect())
    }

    /// What no conflict explains: the write is on a dead replica, or nowhere.
    fn beyond_conflict(&self, slot: usize, met: Met) -> Met {
        let Some(dot) = self.dot(slot).filter(|_| met.fate.is_loss()) else { return met };
        if self.state.gone().any(|replica| self.shows(replica, slot)) {
            return Met::without_winner(Fate::Stranded);
        }
        let reached = self.state.live().any(|replica| replica.applied().covers(dot));
        if reached {
            return met;
        }
        let gone = self.state.gone().any(|replica| replica.id() == dot.origin);
        Met::without_winner(if gone { Fate::Stranded } else { Fate::Vanished })
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
        let mut line =
            Self { toward: vec![None; judge.state.issued.len()], finals: finals.to_vec(), root: None };
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
