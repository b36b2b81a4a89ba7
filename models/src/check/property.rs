//! What is asked of a world: one property a search.

use super::{
    fates::{Judge, cell, fates_in, resolved},
    parts::{Issued, IssuedState},
    scope::{Scope, Workload},
    session::Guarantee,
    state::{State, View},
    world::World,
};
use crate::{
    fate::{Fate, Knowledge},
    operation::holders,
    replica::Replica,
    value::Value,
};
use alloc::vec::Vec;
use core::{fmt, str::FromStr};

/// A property of all states. Each speaks only of states in which it could be violated, so that one that never could
/// is not taken for one that holds. All but the guarantees and the double effect speak of quiescent states only, since
/// every other one may still change for the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// When nothing is under way, all live replicas show the same. A record that is not there is not there, whether a
    /// tombstone says so or not.
    Converged,
    /// When nothing is under way, all live replicas have applied the same writes.
    Delivered,
    /// No acknowledged write meets this fate.
    No(Fate),
    /// No acknowledged write meets any losing fate.
    NothingLost,
    /// When nothing is under way, every live replica counts every acknowledged addition once, and no other more often.
    NoCounterDrift,
    /// When nothing is under way, no live replica shows what an acknowledged deletion, removal or cancellation knew of
    /// and took away, unless it was put there again: no value is written twice, so it never is. Speaks of states with
    /// such a deletion. What was written concurrently is no resurrection: there, adding wins or loses by contract.
    NoResurrection,
    /// When nothing is under way, no live replica shows the slot of a calendar as held by two. Speaks of states in which
    /// two bookings were acknowledged.
    NoDoubleBooking,
    /// At no time does a live replica count an addition more than once. Speaks of states in which that is possible:
    /// after a message came twice, or a client moved with its request under way.
    NoDoubleEffect,
    /// No session is told what breaks this promise. Speaks of states in which a session was told what could have.
    Keeps(Guarantee),
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
    pub const ALL: [Self; 18] = [
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
        Self::NoResurrection,
        Self::NoDoubleBooking,
        Self::NoDoubleEffect,
        Self::Keeps(Guarantee::ReadYourWrites),
        Self::Keeps(Guarantee::MonotonicReads),
        Self::Keeps(Guarantee::MonotonicWrites),
        Self::Keeps(Guarantee::WritesFollowReads),
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
            Self::NoResurrection => "no-resurrection",
            Self::NoDoubleBooking => "no-double-booking",
            Self::NoDoubleEffect => "no-double-effect",
            Self::Keeps(guarantee) => guarantee.name(),
        }
    }

    /// Whether the property says anything of such a world.
    #[must_use]
    pub const fn speaks_of(self, scope: &Scope) -> bool {
        let Scope { workload, faults, .. } = scope;
        match self {
            Self::NoCounterDrift => matches!(workload, Workload::Counter),
            Self::NoResurrection => {
                matches!(workload, Workload::Document | Workload::Cart | Workload::Calendar)
            }
            Self::NoDoubleBooking => matches!(workload, Workload::Calendar),
            Self::NoDoubleEffect => {
                matches!(workload, Workload::Counter) && (faults.duplicates > 0 || faults.in_flight)
            }
            Self::Keeps(_) => scope.reads > 0,
            Self::Converged | Self::Delivered | Self::No(_) | Self::NothingLost => true,
        }
    }

    /// Whether it speaks of quiescent states only: then a search may leave out how messages arrive.
    #[must_use]
    pub const fn waits_for_quiescence(self) -> bool {
        match self {
            Self::Converged
            | Self::Delivered
            | Self::No(_)
            | Self::NothingLost
            | Self::NoCounterDrift
            | Self::NoResurrection
            | Self::NoDoubleBooking => true,
            Self::NoDoubleEffect | Self::Keeps(_) => false,
        }
    }

    /// What the state says about it.
    #[must_use]
    pub fn judge(self, world: &World, state: &State) -> Judgement {
        self.judge_in(world.engine().view(state))
    }

    pub(super) fn judge_in(self, view: View<'_>) -> Judgement {
        match self {
            Self::Keeps(guarantee) => keeps(view, guarantee),
            Self::NoDoubleEffect => no_double_effect(view),
            // Without two acknowledged writes there is nothing to tell apart.
            _ if !view.is_quiescent() || view.acknowledged().nth(1).is_none() => Judgement::Silent,
            Self::NoResurrection => no_resurrection(view),
            Self::NoDoubleBooking => no_double_booking(view),
            Self::Converged => Judgement::of(converged(view)),
            Self::Delivered => Judgement::of(all_equal(view.live().map(Replica::applied))),
            Self::No(fate) => Judgement::of(fates_in(view).iter().all(|&(_, met)| met != fate)),
            Self::NothingLost => Judgement::of(fates_in(view).iter().all(|&(_, met)| !met.is_loss())),
            Self::NoCounterDrift => Judgement::of(view.live().all(|replica| counts_well(view, replica))),
        }
    }
}

impl Judgement {
    const fn of(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Violated }
    }

    /// Of several states of affairs each could violate a property: none does, or one; or there is none.
    fn of_occasions(kept: impl IntoIterator<Item = bool>) -> Self {
        kept.into_iter().fold(Self::Silent, |judgement, kept| match (judgement, kept) {
            (Self::Violated, _) | (_, false) => Self::Violated,
            (Self::Silent | Self::Holds, true) => Self::Holds,
        })
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

/// Replicas with equal digests hold the same; others may still show the same, one with a tombstone that another forgot.
fn converged(view: View<'_>) -> bool {
    let holds = |replica: &Replica, key: u8| {
        let held = cell(replica, key).filter(|cell| !cell.is_deleted())?;
        let versions = held.versions.iter().map(|held| (held.write, held.dot, held.value.clone()));
        Some((versions.collect::<Vec<_>>(), held.merged.clone()))
    };
    let shown = |replica| (0..view.laws.scope.keys).map(|key| holds(replica, key)).collect::<Vec<_>>();
    all_equal(view.live().map(Replica::digest)) || all_equal(view.live().map(shown))
}

fn counts_well(view: View<'_>, replica: &Replica) -> bool {
    let value = resolved(view, replica, 0);
    (0..view.slots()).all(|slot| {
        let count = view.laws.scope.workload.count(slot, value.as_deref());
        match view.issued_at(slot).map(|issued| &issued.state) {
            Some(IssuedState::Acknowledged(_)) => count == 1,
            Some(IssuedState::Open | IssuedState::Unknown) => count <= 1,
            Some(IssuedState::Failed | IssuedState::Resolution { .. }) | None => count == 0,
        }
    })
}

fn no_resurrection(view: View<'_>) -> Judgement {
    let judge = Judge(view);
    let knew = |deletion: usize, other: usize| judge.knowledge(deletion, other) != Knowledge::None;
    let stays_away =
        |key: u8, other: usize| view.live().all(|replica| !judge.shows(&judge.shown(replica, key), other));
    let deletions = view.acknowledged().filter_map(|(slot, issued)| Some((slot, issued, issued.erases?)));
    let occasions = deletions.flat_map(|(deletion, issued, erased)| {
        let whole = usize::from(erased) == deletion;
        let puts = view.issued().filter(move |&(slot, put)| {
            let deleted = if whole { put.key == issued.key } else { slot == usize::from(erased) };
            deleted && put.erases.is_none() && knew(deletion, slot)
        });
        puts.map(move |(slot, _)| stays_away(issued.key, slot))
    });
    Judgement::of_occasions(occasions)
}

fn no_double_booking(view: View<'_>) -> Judgement {
    let bookings = view.acknowledged().filter(|(_, issued)| issued.erases.is_none());
    if bookings.count() < 2 {
        return Judgement::Silent;
    }
    let booked_once = |replica: &Replica| {
        let value = resolved(view, replica, 0);
        let mut fields = value.as_deref().and_then(Value::as_map).into_iter().flatten();
        fields.all(|(_, field)| holders(Some(field)).len() < 2)
    };
    Judgement::of(view.live().all(booked_once))
}

fn no_double_effect(view: View<'_>) -> Judgement {
    let doubled = view.budgets().duplicates < view.laws.scope.faults.duplicates;
    let moved = |(_, issued): (usize, &Issued)| issued.moved;
    if !doubled && !view.issued().any(moved) {
        return Judgement::Silent;
    }
    let counted_once = |replica: &Replica| {
        let value = resolved(view, replica, 0);
        (0..view.slots()).all(|slot| view.laws.scope.workload.count(slot, value.as_deref()) <= 1)
    };
    Judgement::of(view.live().all(counted_once))
}

fn keeps(view: View<'_>, guarantee: Guarantee) -> Judgement {
    let witnessed = view.clients().map(|(_, client)| client.witnessed);
    let asked = witnessed.filter(|witnessed| witnessed.asked & guarantee.bit() != 0);
    Judgement::of_occasions(asked.map(|witnessed| witnessed.broken & guarantee.bit() == 0))
}
