//! The rules that give every acknowledged write its fate. They stand here and nowhere else: the ledger of a recorded
//! history and the properties of the model both call [`fate_of_loser`].

use core::{fmt, str::FromStr};
use serde::{Deserialize, Serialize};

/// What became of an acknowledged write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Fate {
    /// It is in the final state of all live replicas.
    Visible,
    /// The final value contains its effect.
    Merged,
    /// It was replaced by a write that knew of it, or that began after it was acknowledged.
    Superseded,
    /// The winner overlapped it in real time, and neither knew of the other.
    ConcurrentDiscard,
    /// The winner was acknowledged before it began, and neither knew of the other: the older write won.
    RealTimeInversion,
    /// It knew of the winner at the leader that took it: the older write won.
    CausalInversion,
    /// Its session had written or read the winner, and the leader that took it did not know: the older write won.
    SessionInversion,
    /// Nothing in the history explains its absence.
    Vanished,
    /// Only a dead or cut-off replica has it.
    Stranded,
    /// Some live replicas show it and others do not, after quiescence.
    Partial,
}

impl Fate {
    /// All fates, in the order of reports: from harmless to worst.
    pub const ALL: [Self; 10] = [
        Self::Visible,
        Self::Merged,
        Self::Superseded,
        Self::ConcurrentDiscard,
        Self::RealTimeInversion,
        Self::SessionInversion,
        Self::CausalInversion,
        Self::Vanished,
        Self::Stranded,
        Self::Partial,
    ];

    /// The name, as contracts and reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Visible => "visible",
            Self::Merged => "merged",
            Self::Superseded => "superseded",
            Self::ConcurrentDiscard => "concurrent-discard",
            Self::RealTimeInversion => "real-time-inversion",
            Self::CausalInversion => "causal-inversion",
            Self::SessionInversion => "session-inversion",
            Self::Vanished => "vanished",
            Self::Stranded => "stranded",
            Self::Partial => "partial",
        }
    }

    /// Whether the write's effect is gone although nothing rightly replaced it.
    #[must_use]
    pub const fn is_loss(self) -> bool {
        !matches!(self, Self::Visible | Self::Merged | Self::Superseded)
    }

    /// One line for people on what the fate means.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Visible => "in the final state of all live replicas",
            Self::Merged => "its effect is in the final value",
            Self::Superseded => "replaced by a write that knew of it, or began after it was acknowledged",
            Self::ConcurrentDiscard => "lost to an overlapping write; neither knew of the other",
            Self::RealTimeInversion => "lost to a write acknowledged before it began",
            Self::CausalInversion => "lost to a write that its own leader had already applied",
            Self::SessionInversion => "lost to a write that its own session had made or read",
            Self::Vanished => "gone, and nothing in the history explains it",
            Self::Stranded => "only a dead or cut-off replica has it",
            Self::Partial => "some live replicas show it and others do not",
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a fate")]
pub struct UnknownFate;

impl FromStr for Fate {
    type Err = UnknownFate;
    fn from_str(name: &str) -> Result<Self, UnknownFate> {
        Self::ALL.into_iter().find(|fate| fate.name() == name).ok_or(UnknownFate)
    }
}

/// How one write knew of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Knowledge {
    /// It did not.
    None,
    /// Its session had written or read the other one, but the leader that took it had not applied that.
    Session,
    /// The leader that took it had applied the other one, or executed it on a version that was made in the knowledge
    /// of the other one.
    Leader,
}

/// How a lost write and the write that won stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Relation {
    /// How the lost write knew of the winner.
    pub loser_knew: Knowledge,
    /// How the winner knew of the lost write.
    pub winner_knew: Knowledge,
    /// Whether the winner was acknowledged before the lost write began. Never true of a winner whose acknowledgement
    /// was not seen: it may have happened later.
    pub winner_first: bool,
    /// Whether the lost write was acknowledged before the winner began.
    pub loser_first: bool,
    /// Whether the lost write replaced the whole record. Otherwise its effect was to accumulate with that of others,
    /// and no later write is an excuse for its absence.
    pub replaces: bool,
    /// Whether the strategy keeps such an effect in every conflict: then no other write can have won over it.
    pub keeps: bool,
}

/// The fate of an acknowledged write whose effect is absent, given the write that won over it.
///
/// Where several rules fit, the one that blames the system most is taken.
#[must_use]
pub const fn fate_of_loser(relation: Relation) -> Fate {
    if relation.keeps {
        return Fate::Vanished;
    }
    match relation.loser_knew {
        Knowledge::Leader => return Fate::CausalInversion,
        Knowledge::Session => return Fate::SessionInversion,
        Knowledge::None => {}
    }
    if relation.winner_first {
        return Fate::RealTimeInversion;
    }
    let knew = !matches!(relation.winner_knew, Knowledge::None);
    if relation.replaces {
        if knew || relation.loser_first { Fate::Superseded } else { Fate::ConcurrentDiscard }
    } else if matches!(relation.winner_knew, Knowledge::Leader) {
        // The winner was made on top of it, and yet its effect is not in the result.
        Fate::Vanished
    } else {
        Fate::ConcurrentDiscard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLAP: Relation = Relation {
        loser_knew: Knowledge::None,
        winner_knew: Knowledge::None,
        winner_first: false,
        loser_first: false,
        replaces: true,
        keeps: false,
    };

    #[test]
    fn the_rule_that_blames_most_is_taken() {
        let both = Relation { loser_knew: Knowledge::Leader, winner_first: true, ..OVERLAP };
        assert_eq!(fate_of_loser(both), Fate::CausalInversion);
        let session = Relation { loser_knew: Knowledge::Session, winner_first: true, ..OVERLAP };
        assert_eq!(fate_of_loser(session), Fate::SessionInversion);
        assert_eq!(fate_of_loser(Relation { winner_first: true, ..OVERLAP }), Fate::RealTimeInversion);
        assert_eq!(fate_of_loser(OVERLAP), Fate::ConcurrentDiscard);
    }

    #[test]
    fn a_later_write_excuses_a_replaced_record_but_not_a_lost_element() {
        let later = Relation { loser_first: true, ..OVERLAP };
        assert_eq!(fate_of_loser(later), Fate::Superseded);
        assert_eq!(fate_of_loser(Relation { replaces: false, ..later }), Fate::ConcurrentDiscard);
        let on_top = Relation { winner_knew: Knowledge::Leader, replaces: false, ..OVERLAP };
        assert_eq!(fate_of_loser(on_top), Fate::Vanished);
        // A client that moved and wrote again, at a leader that lacked its first write, did not build on that.
        let moved = Relation { winner_knew: Knowledge::Session, ..on_top };
        assert_eq!(fate_of_loser(moved), Fate::ConcurrentDiscard);
    }

    #[test]
    fn where_the_strategy_keeps_both_sides_of_a_conflict_nothing_can_have_won() {
        let kept = Relation { replaces: false, keeps: true, winner_first: true, ..OVERLAP };
        assert_eq!(fate_of_loser(kept), Fate::Vanished);
    }

    #[test]
    fn every_fate_reads_back_from_its_name() {
        for fate in Fate::ALL {
            assert_eq!(fate.name().parse(), Ok(fate));
            assert_eq!(serde_json::to_string(&fate).unwrap(), alloc::format!("\"{fate}\""));
        }
    }
}
