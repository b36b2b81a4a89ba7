//! What is asked of a world: one property a search.

use super::{
    fates::{fates_in, resolved},
    parts::IssuedState,
    scope::Workload,
    state::{State, View},
    world::World,
};
use crate::{fate::Fate, replica::Replica};
use core::{fmt, str::FromStr};

/// A property of all states. Each speaks of quiescent states only, since every other one may still change for the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// When nothing is under way, all live replicas show the same.
    Converged,
    /// When nothing is under way, all live replicas have applied the same writes.
    Delivered,
    /// No acknowledged write meets this fate.
    No(Fate),
    /// No acknowledged write meets any losing fate.
    NothingLost,
    /// When nothing is under way, every live replica counts every acknowledged addition once, and no other more often.
    NoCounterDrift,
}

/// What one state says about a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Judgement {
    /// The property does not speak of this state.
    Silent,
    /// It holds here.
    Holds,
    /// It does not.
    Violated,
}

impl Property {
    /// All properties, in the order of reports.
    pub const ALL: [Self; 11] = [
        Self::Converged,
        Self::Delivered,
        Self::No(Fate::ConcurrentDiscard),
        Self::No(Fate::RealTimeInversion),
        Self::No(Fate::SessionInversion),
        Self::No(Fate::CausalInversion),
        Self::No(Fate::Vanished),
        Self::No(Fate::Stranded),
        Self::No(Fate::Partial),
        Self::NothingLost,
        Self::NoCounterDrift,
    ];

    /// The name, as reports spell it; a fate's property has the name of the fate.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Delivered => "delivered",
            Self::No(fate) => fate.name(),
            Self::NothingLost => "nothing-lost",
            Self::NoCounterDrift => "no-counter-drift",
        }
    }

    /// Whether the property says anything of such a workload.
    #[must_use]
    pub fn speaks_of(self, workload: Workload) -> bool {
        self != Self::NoCounterDrift || workload == Workload::Counter
    }

    /// Whether it speaks of quiescent states only: then a search may leave out how messages arrive.
    #[must_use]
    pub const fn waits_for_quiescence(self) -> bool {
        match self {
            Self::Converged | Self::Delivered | Self::No(_) | Self::NothingLost | Self::NoCounterDrift => {
                true
            }
        }
    }

    /// What the state says about it.
    #[must_use]
    pub fn judge(self, world: &World, state: &State) -> Judgement {
        self.judge_in(world.engine().view(state))
    }

    pub(super) fn judge_in(self, view: View<'_>) -> Judgement {
        // Without two acknowledged writes there is nothing to tell apart.
        if !view.is_quiescent() || view.acknowledged().nth(1).is_none() {
            return Judgement::Silent;
        }
        let holds = match self {
            Self::Converged => all_equal(view.live().map(Replica::digest)),
            Self::Delivered => all_equal(view.live().map(Replica::applied)),
            Self::No(fate) => fates_in(view).iter().all(|&(_, met)| met != fate),
            Self::NothingLost => fates_in(view).iter().all(|&(_, met)| !met.is_loss()),
            Self::NoCounterDrift => view.live().all(|replica| counts_well(view, replica)),
        };
        if holds { Judgement::Holds } else { Judgement::Violated }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a property")]
pub struct UnknownProperty;

impl FromStr for Property {
    type Err = UnknownProperty;
    fn from_str(name: &str) -> Result<Self, UnknownProperty> {
        Self::ALL.into_iter().find(|property| property.name() == name).ok_or(UnknownProperty)
    }
}

fn all_equal<T: PartialEq>(mut items: impl Iterator<Item = T>) -> bool {
    items.next().is_none_or(|first| items.all(|item| item == first))
}

fn counts_well(view: View<'_>, replica: &Replica) -> bool {
    let value = resolved(view, replica);
    (0..view.slots()).all(|slot| {
        let count = view.laws.scope.workload.count(slot, value.as_deref());
        match view.issued_at(slot).map(|issued| &issued.state) {
            Some(IssuedState::Acknowledged(_)) => count == 1,
            Some(IssuedState::Open | IssuedState::Unknown) => count <= 1,
            Some(IssuedState::Failed) | None => count == 0,
        }
    })
}
