//! The fate of each acknowledged write of one record.
//!
//! What is decided here is which write won, and how the two stand to each other; what that makes of the lost one is
//! decided by [`fate_of_loser`] alone.

use super::{
    case::{Case, Shown},
    effect::facts,
    lineage::{Fork, Lineage},
    sums::{self, Sum},
    writes::{Kind, State, Write},
};
use crate::checker::finals::Replicas;
use quarrel_models::fate::{Fate, Knowledge, Relation, fate_of_loser};

/// What became of one write, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) fate: Fate,
    /// The write that won.
    pub(crate) winner: Option<u32>,
    /// How the lost write knew of the winner.
    pub(crate) knew: Knowledge,
    /// Whether a reader or an operator was told of the loss.
    pub(crate) recorded: bool,
    /// The unanswered operation that might explain it.
    pub(crate) hangs_on: Option<u32>,
    /// Where replicas disagree, those that show it and those that do not.
    pub(crate) sides: Option<(Replicas, Replicas)>,
}

impl Outcome {
    const fn fine(fate: Fate) -> Self {
        Self { fate, winner: None, knew: Knowledge::None, recorded: false, hangs_on: None, sides: None }
    }

    const fn by(fate: Fate, winner: u32, knew: Knowledge) -> Self {
        Self { winner: Some(winner), knew, ..Self::fine(fate) }
    }

    const fn told(winner: u32) -> Self {
        Self { recorded: true, ..Self::by(Fate::ConcurrentDiscard, winner, Knowledge::None) }
    }

    /// The place in the order from harmless to worst.
    fn severity(&self) -> usize {
        severity(self.fate)
    }
}

/// The place of a fate in the order from harmless to worst.
pub(crate) fn severity(fate: Fate) -> usize {
    Fate::ALL.iter().position(|&other| other == fate).unwrap_or(Fate::ALL.len())
}

/// Judges the writes of one record.
#[derive(Debug)]
pub(crate) struct Rules<'c, 'a> {
    case: &'c Case<'a>,
    lineage: &'c mut Lineage,
    /// Whether the lineage of this record was followed.
    followed: bool,
    sums: Vec<Sum>,
}

impl<'c, 'a> Rules<'c, 'a> {
    pub(crate) fn new(case: &'c Case<'a>, lineage: &'c mut Lineage) -> Self {
        let sums = case.live.iter().map(|shown| sums::judge(case, shown)).collect();
        Self { case, lineage, followed: false, sums }
    }

    /// The fate of an acknowledged write.
    pub(crate) fn judge(&mut self, number: u32) -> Outcome {
        let writes = self.case.writes();
        let write = writes.get(number);
        let at_rest = self.case.evidence.finals.at_rest();
        let (with, without) =
            if write.kind == Kind::Add { self.showing_sum(number) } else { self.case.showing(number) };
        let mut outcome = if without.is_empty() && !with.is_empty() || !with.is_empty() && !at_rest {
            self.kept(number)
        } else if !with.is_empty() {
            Outcome { sides: Some((with, without)), ..Outcome::fine(Fate::Partial) }
        } else {
            let lost = self.lost(number);
            self.beyond_conflict(number, lost)
        };
        outcome.recorded |= outcome.fate.is_loss() && write.is_recorded();
        outcome
    }

    /// Counters have no visible parts: a sum that can be explained contains all; else what it was built on.
    fn showing_sum(&mut self, number: u32) -> (Replicas, Replicas) {
        let mut with = Replicas::default();
        let mut without = with;
        for at in 0..self.case.live.len() {
            let shown = &self.case.live[at];
            let counted = match self.sums[at] {
                Sum::Explained => true,
                Sum::Unexplained if shown.direct.is_empty() => shown.lens.value().is_some(),
                Sum::Unexplained => {
                    self.follow(at);
                    self.lineage.contains(number) && !self.replaced_on_the_line(number)
                }
            };
            let side = if counted { &mut with } else { &mut without };
            *side = side.or(shown.view.replicas);
        }
        (with, without)
    }

    /// Whether a write on the winning line after this one replaced the record.
    fn replaced_on_the_line(&self, number: u32) -> bool {
        self.case
            .replacing
            .iter()
            .any(|&other| self.lineage.contains(other) && self.case.writes().leader_knew(other, number))
    }

    fn kept(&self, number: u32) -> Outcome {
        let alone =
            |shown: &Shown<'_>| shown.direct == [number] || shown.siblings && shown.direct.contains(&number);
        let untold =
            |shown: &Shown<'_>| shown.direct.is_empty() && self.case.writes().get(number).kind.replaces();
        if self.case.live.iter().all(|shown| alone(shown) || untold(shown)) {
            Outcome::fine(Fate::Visible)
        } else {
            Outcome::fine(Fate::Merged)
        }
    }

    /// No live replica shows it: the worst explanation over all of them.
    fn lost(&mut self, number: u32) -> Outcome {
        let write = self.case.writes().get(number);
        let mut worst: Option<Outcome> = None;
        for at in 0..self.case.live.len() {
            let outcome = if write.kind.replaces() {
                self.lost_record(number, at)
            } else {
                self.lost_effect(number, at)
            };
            if worst.is_none_or(|held| outcome.severity() > held.severity()) {
                worst = Some(outcome);
            }
        }
        worst.unwrap_or(Outcome::fine(Fate::Vanished))
    }

    fn relation(&self, loser: u32, winner: u32) -> Relation {
        let writes = self.case.writes();
        let (lost, won) = (writes.get(loser), writes.get(winner));
        let knowledge = |of: u32, other: u32| {
            if writes.leader_knew(of, other) {
                Knowledge::Leader
            } else if writes.session_knew(of, other) {
                Knowledge::Session
            } else {
                Knowledge::None
            }
        };
        Relation {
            loser_knew: knowledge(loser, winner),
            // The copy that won may be the one whose leader lacked the loser.
            winner_knew: match knowledge(winner, loser) {
                Knowledge::Leader if won.was_moved() => Knowledge::Session,
                knew => knew,
            },
            winner_first: won.ack < lost.call,
            loser_first: lost.ack < won.call,
            replaces: lost.kind.replaces(),
            keeps: self.case.evidence.strategy.keeps(lost.kind.effect()),
        }
    }

    fn against(&self, loser: u32, winner: u32) -> Outcome {
        let relation = self.relation(loser, winner);
        Outcome::by(fate_of_loser(relation), winner, relation.loser_knew)
    }

    /// A `put` or `delete` that these replicas do not show.
    fn lost_record(&self, number: u32, at: usize) -> Outcome {
        let writes = self.case.writes();
        let shown = &self.case.live[at];
        if shown.carried.get(&number).copied().flatten().is_some() {
            // A reader was told of it and of the version that it resolved to.
            let survivor = |&&other: &&u32| other != number && shown.lens.shows(writes, writes.get(other));
            let other = |&&other: &&u32| other != number;
            let survivor = shown.carried.keys().find(survivor).or_else(|| shown.carried.keys().find(other));
            return survivor.map_or(Outcome::fine(Fate::Vanished), |&winner| Outcome::told(winner));
        }
        let mut winners: Vec<u32> = shown
            .carried
            .keys()
            .copied()
            .filter(|&other| other != number && shown.shows(writes, other))
            .collect();
        if winners.is_empty() {
            winners = shown.carried.keys().copied().filter(|&other| other != number).collect();
        }
        if winners.is_empty() && shown.view.versions.is_empty() {
            return self.lost_untold(number, shown);
        }
        // Among versions side by side, the one that rightly replaced it explains its absence.
        let outcomes = winners.iter().map(|&winner| self.against(number, winner));
        let known = |&&winner: &&u32| {
            let relation = self.relation(number, winner);
            relation.winner_knew != Knowledge::None && relation.loser_knew == Knowledge::None
        };
        if let Some(&winner) = winners.iter().find(known) {
            return self.against(number, winner);
        }
        outcomes.max_by_key(Outcome::severity).unwrap_or(Outcome::fine(Fate::Vanished))
    }

    /// The system does not tell versions, or has no record: any write that shows there may be the winner. Of several,
    /// the one that blames the system least, since nothing tells them apart.
    fn lost_untold(&self, number: u32, shown: &Shown<'_>) -> Outcome {
        let writes = self.case.writes();
        let may_have_won = |&&other: &&u32| {
            let write = writes.get(other);
            other != number && write.may_have_happened() && shown.lens.shows(writes, write)
        };
        let winners = self.case.replacing.iter().filter(may_have_won);
        let outcomes = winners.map(|&winner| {
            let outcome = self.against(number, winner);
            let uncertain = !writes.get(winner).is_acknowledged()
                && writes.get(winner).kind == Kind::Delete
                && outcome.fate.is_loss();
            Outcome { hangs_on: uncertain.then_some(winner), ..outcome }
        });
        outcomes.min_by_key(Outcome::severity).unwrap_or(Outcome::fine(Fate::Vanished))
    }

    fn follow(&mut self, at: usize) {
        if !self.followed || self.case.live.len() > 1 {
            self.lineage.follow(self.case.writes(), &self.case.live[at].direct);
            self.followed = true;
        }
    }

    /// An effect that these replicas do not show.
    fn lost_effect(&mut self, number: u32, at: usize) -> Outcome {
        if let Some(winner) = self.undone_by(number) {
            return Outcome::by(Fate::Superseded, winner, Knowledge::None);
        }
        self.follow(at);
        let writes = self.case.writes();
        match self.lineage.fork(writes, number) {
            Fork::Within => self.lost_on_the_line(number, at),
            Fork::AfterFinal(winner) => self.against_effect(number, winner),
            Fork::At { ancestor: Some(ancestor), next } if writes.made_on(next, number) => {
                // The line went on without it at a leader that had it: there the ancestor had beaten it.
                self.against_effect(number, ancestor)
            }
            Fork::At { next, .. } => {
                let outcome = self.against_effect(number, next);
                let uncertain = writes.get(next).state == State::Unanswered;
                Outcome { hangs_on: uncertain.then_some(next), ..outcome }
            }
            Fork::Unknown => self.lost_without_lineage(number, at),
        }
    }

    /// A later write that asserts the opposite, or that replaced the record knowing of it.
    fn undone_by(&self, number: u32) -> Option<u32> {
        let writes = self.case.writes();
        let write = writes.get(number);
        let later = |other: u32| {
            let relation = self.relation(number, other);
            relation.loser_knew == Knowledge::None
                && (relation.winner_knew != Knowledge::None || relation.loser_first)
        };
        for fact in facts(writes, write) {
            if let Some(undone) = self.case.opponents(fact).find(|&other| other != number && later(other)) {
                return Some(undone);
            }
        }
        let knew = |&&other: &&u32| {
            let relation = self.relation(number, other);
            relation.loser_knew == Knowledge::None && relation.winner_knew != Knowledge::None
        };
        self.case.replacing.iter().find(knew).copied()
    }

    /// The final value was built on it, and yet lacks its effect: it was dropped where versions were made one, or
    /// nobody knows where.
    fn lost_on_the_line(&self, number: u32, at: usize) -> Outcome {
        let writes = self.case.writes();
        let Some((merge, side)) = self.lineage.merge_after(writes, number) else {
            let beside = self.case.live[at].direct.iter().find(|&&held| self.lineage.beside(number, held));
            return match (beside, self.lineage.copy_after(writes, number)) {
                // It was dropped where the final versions were made one.
                (Some(&winner), _) => self.dropped_at_a_merge(number, winner),
                (None, Some(winner)) => self.against_effect(number, winner),
                (None, None) => Outcome::fine(Fate::Vanished),
            };
        };
        let value = writes.resolution(merge);
        let lens = super::effect::Lens::new(value);
        let others = || writes.parents(merge).iter().copied().filter(|&other| other != side);
        let survivor =
            others().find(|&other| lens.shows(writes, writes.get(other))).or_else(|| others().next());
        match survivor {
            Some(winner) => self.dropped_at_a_merge(number, winner),
            None => self.against(number, merge),
        }
    }

    /// An effect against the write that went on without it.
    fn against_effect(&self, number: u32, winner: u32) -> Outcome {
        // Where handlers merge, an effect is never beaten by a version, only dropped at a merge with one.
        if self.case.evidence.strategy.merges() {
            self.dropped_at_a_merge(number, winner)
        } else {
            self.against(number, winner)
        }
    }

    /// A handler made one value of two sides and dropped the effect. No order of the two decided that, so it is no
    /// inversion. Only where readers resolve was anybody told.
    fn dropped_at_a_merge(&self, number: u32, other: u32) -> Outcome {
        if self.relation(number, other).keeps {
            return self.against(number, other);
        }
        let recorded = self.case.evidence.strategy.read_handler().is_some();
        Outcome { recorded, ..Outcome::told(other) }
    }

    /// Nothing tells what the final value was built on: any write that neither knew of could have displaced it.
    fn lost_without_lineage(&self, number: u32, at: usize) -> Outcome {
        let writes = self.case.writes();
        let shown = &self.case.live[at];
        let candidate = |&&other: &&u32| {
            let write = writes.get(other);
            let relation = self.relation(number, other);
            other != number
                && write.may_have_happened()
                && write.kind != Kind::Unknown
                && relation.winner_knew == Knowledge::None
                && relation.loser_knew == Knowledge::None
                && !relation.winner_first
                && !relation.loser_first
                && (write.kind.replaces() || shown.lens.shows(writes, write))
        };
        match self.case.numbers.iter().find(candidate) {
            Some(&winner) => {
                let uncertain = !writes.get(winner).is_acknowledged() && writes.get(winner).kind.replaces();
                Outcome { hangs_on: uncertain.then_some(winner), ..self.against(number, winner) }
            }
            None => Outcome::fine(Fate::Vanished),
        }
    }

    /// What no conflict explains: the write is on a dead replica, or nowhere.
    fn beyond_conflict(&self, number: u32, outcome: Outcome) -> Outcome {
        if !outcome.fate.is_loss() {
            return outcome;
        }
        let writes = self.case.writes();
        let write = writes.get(number);
        let finals = self.case.evidence.finals;
        if self.case.cut_off.iter().any(|shown| shown.shows(writes, number)) {
            return Outcome::fine(Fate::Stranded);
        }
        let reached = write.dot().and_then(|dot| finals.reached(dot));
        let gone = finals.unread().contains_key(&write.leader());
        match reached {
            None | Some(false) if gone => Outcome::fine(Fate::Stranded),
            // No live replica has it in its log, its own leader not either: it was forgotten, not beaten.
            Some(false) => Outcome::fine(Fate::Vanished),
            _ if outcome.fate == Fate::Vanished => Outcome {
                hangs_on: outcome.hangs_on.or_else(|| self.unanswered_that_may_explain(write)),
                ..outcome
            },
            _ => outcome,
        }
    }

    fn unanswered_that_may_explain(&self, lost: &Write) -> Option<u32> {
        let writes = self.case.writes();
        let unanswered = |&other: &u32| writes.get(other).state == State::Unanswered;
        let opposing =
            facts(writes, lost).into_iter().find_map(|fact| self.case.opponents(fact).find(unanswered));
        opposing.or_else(|| self.case.replacing.iter().copied().find(unanswered))
    }
}
