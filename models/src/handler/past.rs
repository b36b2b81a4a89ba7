//! What both sides of a conflict were made from.
//!
//! A handler that sees two values only cannot tell "removed here" from "not yet seen there". One that also sees the
//! value from which both were made can: what that had and one side lacks was removed. So for handlers that ask, each
//! record keeps the versions that were replaced, and replicas apply a version after all that it knew of
//! (see [`Strategy::waits_for_causes`](crate::strategy::Strategy::waits_for_causes)).
//!
//! Several versions are merged two by two. What two sides have in common is every version that both know; the newest of
//! those is the base. There may be several newest, when sides have merged the same versions on their own: then the base
//! is what the handler makes of them, as the merge of text files does it ("recursive" in git).

use super::conflict::{Refused, RefusedKind};
use crate::{
    value::Value,
    version::{Version, VersionVector},
};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The most replaced versions that are kept of a record.
const KEPT: usize = 128;
/// How often a base may be made of several that are made of several.
const LEVELS: u8 = 6;

/// The replaced versions of a record: the newest by how much they knew, which is an order that all replicas share
/// whatever the order in which versions come.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Past {
    versions: Vec<Version>,
    /// What was kept once and is not any more.
    dropped: VersionVector,
}

impl Past {
    /// Takes up a version that was replaced.
    pub(crate) fn record(&mut self, version: Version) {
        let rank = |version: &Version| (version.context.total(), version.dot);
        let at = self.versions.partition_point(|held| rank(held) < rank(&version));
        if self.versions.get(at).is_some_and(|held| held.dot == version.dot) {
            return;
        }
        self.versions.insert(at, version);
        if self.versions.len() > KEPT {
            let oldest = self.versions.remove(0);
            self.dropped.advance(oldest.dot.origin, oldest.dot.position);
        }
    }

    /// How many versions are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// The newest versions that both sides know, or a refusal if one of them may be among those that were dropped.
    fn common(&self, left: &VersionVector, right: &VersionVector) -> Result<Vec<&Version>, Refused> {
        let common: Vec<&Version> =
            self.versions.iter().filter(|held| left.covers(held.dot) && right.covers(held.dot)).collect();
        let mut known = VersionVector::new();
        for held in &common {
            known.join(&knowledge(held));
        }
        let lost = |dropped: crate::id::Dot| {
            let both = left.get(dropped.origin).min(right.get(dropped.origin)).min(dropped.position);
            both > known.get(dropped.origin)
        };
        if self.dropped.iter().any(lost) {
            let why = "what both sides were made from is no longer kept";
            return Err(Refused::new(RefusedKind::NoBase, why));
        }
        let newest = |held: &&&Version| !common.iter().any(|other| other.dot != held.dot && other.knew(held));
        Ok(common.iter().filter(newest).copied().collect())
    }
}

impl FromIterator<Version> for Past {
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Self {
        let mut past = Self::default();
        versions.into_iter().for_each(|version| past.record(version));
        past
    }
}

/// What whoever holds a version knows.
pub(super) fn knowledge(version: &Version) -> VersionVector {
    let mut known = version.context.clone();
    known.advance(version.dot.origin, version.dot.position);
    known
}

/// What a handler makes of two sides and of what both were made from.
pub(super) type Step<'a> =
    &'a mut dyn FnMut(Option<&Value>, Option<&Value>, Option<&Value>) -> Result<Option<Value>, Refused>;

/// Merges versions two by two, in their order, each time with the base of the two sides.
pub(super) fn fold(
    versions: &[Version],
    past: Option<&Past>,
    step: Step<'_>,
) -> Result<Option<Value>, Refused> {
    fold_from(&versions.iter().collect::<Vec<_>>(), past, step, LEVELS)
}

fn fold_from(
    versions: &[&Version],
    past: Option<&Past>,
    step: Step<'_>,
    levels: u8,
) -> Result<Option<Value>, Refused> {
    let Some((first, rest)) = versions.split_first() else { return Ok(None) };
    let (mut value, mut known) = (first.value.clone(), knowledge(first));
    for next in rest {
        let base = base(&known, &next.context, past, step, levels)?;
        value = step(value.as_ref(), next.value.as_ref(), base.as_ref())?;
        known.join(&knowledge(next));
    }
    Ok(value)
}

/// The base of all versions at once: what every one of them knows.
pub(super) fn base_of_all(
    versions: &[Version],
    past: Option<&Past>,
    step: Step<'_>,
) -> Result<Option<Value>, Refused> {
    let Some((first, rest)) = versions.split_first() else { return Ok(None) };
    let mut shared = first.context.clone();
    for next in rest {
        let both = |dot: crate::id::Dot| crate::id::Dot {
            position: dot.position.min(next.context.get(dot.origin)),
            ..dot
        };
        shared = shared.iter().map(both).collect();
    }
    base(&shared, &shared, past, step, LEVELS)
}

fn base(
    left: &VersionVector,
    right: &VersionVector,
    past: Option<&Past>,
    step: Step<'_>,
    levels: u8,
) -> Result<Option<Value>, Refused> {
    let Some(past) = past else { return Ok(None) };
    let newest = past.common(left, right)?;
    match (&newest[..], levels) {
        ([], _) => Ok(None),
        ([one], _) => Ok(one.value.clone()),
        (_, 0) => Err(Refused::new(RefusedKind::NoBase, "the sides were merged too often on their own")),
        (several, _) => fold_from(several, Some(past), step, levels - 1),
    }
}
