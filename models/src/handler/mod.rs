//! Conflict handlers: what becomes of several versions of one record that know nothing of each other.
//!
//! A handler is a pure function of the [`Conflict`]: the key, the versions in the order of their dots, and, if it asks,
//! what they were made from. Where it runs is the strategy's affair: on write at the replica that detects the conflict,
//! or on read in the client's session. Built-in ones have one file each: a new one is a file, a variant and a line in
//! [`Handler::resolve`]. Scripts that users write come in by [`Handler::Script`].

mod append;
mod bank;
mod calendar;
mod cart;
mod conflict;
mod delta;
mod latest;
mod max;
mod past;
#[cfg(feature = "script")]
pub mod rhai;
mod schema;
mod script;
mod union;

pub use conflict::{Conflict, Refused, RefusedKind, Resolution, side_by_side};
pub(crate) use delta::accumulate;
pub use past::Past;
pub use schema::Schema;
pub use script::{Old, Program, RunSite, Script};

use crate::{fate::Fate, id::ReplicaId, value::Value};

/// A conflict handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Handler {
    /// The union of sets. What one side removed and the other kept comes back.
    Union,
    /// The greatest value.
    Max,
    /// The sum of all changes: each update carries the value that it was made from.
    Delta,
    /// All items of all lists, each once, in the order of their values.
    Append,
    /// Calendars field by field; a field that two sides took is held by both, and shows as a double booking.
    Calendar,
    /// The version with the latest stamp; the others are discarded.
    Latest,
    /// The union of sets, without what one side removed of what both were made from.
    Cart,
    /// Balances: what both sides added, on top of what both were made from.
    Bank,
    /// A script of the user's.
    Script(&'static Script),
}

/// What an operation adds to a record, as far as handlers tell effects apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// An element comes into a set.
    Insert,
    /// An item comes to a list.
    Append,
    /// A number is added.
    Add,
    /// A field is taken.
    Claim,
    /// Something is taken away or replaced.
    Other,
}

impl Handler {
    /// All built-in handlers, for documentation and tests.
    pub const ALL: [Self; 8] = [
        Self::Union,
        Self::Max,
        Self::Delta,
        Self::Append,
        Self::Calendar,
        Self::Latest,
        Self::Cart,
        Self::Bank,
    ];

    /// The name, as scenarios spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Union => "union",
            Self::Max => "max",
            Self::Delta => "delta",
            Self::Append => "append",
            Self::Calendar => "calendar",
            Self::Latest => "latest",
            Self::Cart => "cart",
            Self::Bank => "bank",
            Self::Script(script) => script.name.as_str(),
        }
    }

    /// What stands for all these versions.
    ///
    /// A built-in handler resolves versions whose values are not of its kind as [`Handler::Latest`] does.
    #[must_use]
    pub fn resolve(self, conflict: &Conflict<'_>) -> Resolution {
        let versions = conflict.versions;
        let merged = match self {
            Self::Script(script) => return script.resolve(conflict),
            Self::Cart => return with_base(conflict, cart::merge),
            Self::Bank => return with_base(conflict, bank::merge),
            Self::Union => union::merge(versions),
            Self::Max => max::merge(versions),
            Self::Append => append::merge(versions),
            Self::Calendar => calendar::merge(versions),
            Self::Delta | Self::Latest => None,
        };
        Resolution::of(merged.or_else(|| latest::merge(versions)))
    }

    /// Whether it asks for what both sides of a conflict were made from.
    #[must_use]
    pub const fn wants_base(self) -> bool {
        match self {
            Self::Cart | Self::Bank => true,
            Self::Script(script) => script.wants_base,
            _ => false,
        }
    }

    /// Whether what it makes of a conflict takes the place of the versions that it was made of.
    #[must_use]
    pub const fn is_in_place(self) -> bool {
        matches!(self, Self::Script(Script { site: RunSite::InPlace, .. }))
    }

    /// What this replica runs in its stead, if that is an older version.
    #[must_use]
    pub fn at(self, replica: ReplicaId) -> Option<Self> {
        let Self::Script(script) = self else { return None };
        let old = script.old.as_ref().filter(|old| old.replicas.contains(&replica))?;
        Some(old.handler)
    }

    /// Whether the effect of such an operation is in the result whatever the other versions are.
    #[must_use]
    pub const fn keeps(self, effect: Effect) -> bool {
        match self {
            // A script promises what it does not say that it may lose.
            Self::Script(script) => script.permits.is_empty() && !matches!(effect, Effect::Other),
            _ => matches!(
                (self, effect),
                (Self::Union | Self::Cart, Effect::Insert)
                    | (Self::Append, Effect::Append)
                    | (Self::Delta | Self::Bank, Effect::Add)
                    | (Self::Calendar, Effect::Claim)
            ),
        }
    }

    /// The losing fates that a strategy with this handler permits.
    #[must_use]
    pub const fn permits(self) -> &'static [Fate] {
        match self {
            Self::Script(script) => script.permits.as_slice(),
            Self::Union | Self::Delta | Self::Append | Self::Calendar | Self::Cart | Self::Bank => &[],
            // The greater value wins, whichever was written first or by whom.
            Self::Max => &[Fate::ConcurrentDiscard, Fate::RealTimeInversion, Fate::SessionInversion],
            Self::Latest => &[Fate::ConcurrentDiscard],
        }
    }
}

/// What is made of two sides and of what both were made from; `Err` if one is of another kind.
type MergeSides = fn(Option<&Value>, Option<&Value>, Option<&Value>) -> Result<Option<Value>, ()>;

/// What a merge of two sides and their base makes of all versions, or the latest one where one is of another kind.
fn with_base(conflict: &Conflict<'_>, merge: MergeSides) -> Resolution {
    let mut fits = true;
    let merged = past::fold(conflict.versions, conflict.past, &mut |left, right, base| {
        Ok(merge(left, right, base).unwrap_or_else(|()| {
            fits = false;
            None
        }))
    });
    match merged {
        Ok(_) if !fits => Resolution::of(latest::merge(conflict.versions)),
        merged => merged.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Stamp,
        id::{ClientId, Dot, ReplicaId, WriteId},
        version::{Version, VersionVector},
    };
    use alloc::{collections::BTreeMap, vec::Vec};
    use proptest::prelude::*;
    use smol_str::SmolStr;

    fn version(origin: u8, position: u32, value: Option<Value>) -> Version {
        Version {
            write: WriteId { client: ClientId(origin.into()), sequence: position },
            dot: Dot { origin: ReplicaId(origin), position },
            stamp: Stamp { time_us: i64::from(position), logical: 0 },
            context: VersionVector::new(),
            value,
            updates: 0,
        }
    }

    fn merged(handler: Handler, values: &[Option<Value>]) -> Option<Value> {
        let versions: Vec<Version> =
            values.iter().zip(0..).map(|(value, origin)| version(origin, 1, value.clone())).collect();
        match handler.resolve(&Conflict { key: &"k".into(), versions: &versions, past: None }) {
            Resolution::Value(value) => Some(value),
            Resolution::Delete => None,
            Resolution::Refused(refused) => panic!("{refused}"),
        }
    }

    fn set(elements: &[i64]) -> Value {
        Value::Set(elements.iter().copied().map(Value::Int).collect())
    }

    fn booking(field: &str, holder: &str) -> Value {
        Value::Map(BTreeMap::from([(SmolStr::new(field), holder.into())]))
    }

    #[test]
    fn a_union_keeps_both_sides_and_survives_a_delete() {
        assert_eq!(merged(Handler::Union, &[Some(set(&[1])), Some(set(&[2])), None]), Some(set(&[1, 2])));
        assert_eq!(merged(Handler::Union, &[None, None]), None);
    }

    #[test]
    fn two_bookings_of_one_slot_are_kept_side_by_side() {
        let both = merged(Handler::Calendar, &[Some(booking("9:00", "m1")), Some(booking("9:00", "m2"))]);
        let held = both.unwrap().as_map().unwrap().get("9:00").cloned();
        assert_eq!(held, Some(Value::Set(["m1".into(), "m2".into()].into_iter().collect())));
    }

    #[test]
    fn values_of_another_kind_are_resolved_by_stamp() {
        let versions = [version(0, 1, Some("x".into())), version(1, 2, Some(set(&[1])))];
        for handler in [Handler::Union, Handler::Cart, Handler::Bank] {
            let conflict = Conflict { key: &"k".into(), versions: &versions, past: None };
            assert_eq!(handler.resolve(&conflict), Resolution::Value(set(&[1])));
        }
    }

    proptest! {
        /// The replicas hold equal versions in equal order, so merging needs no laws to converge; but a handler that
        /// keeps everything must not depend on how the versions were grouped.
        #[test]
        fn handlers_that_keep_everything_are_associative_and_idempotent(
            sides in prop::collection::vec(prop::collection::btree_set(0_i64..5, 0..4), 3)
        ) {
            let side = |n: usize| Some(Value::Set(sides[n].iter().copied().map(Value::Int).collect()));
            let left = merged(Handler::Union, &[merged(Handler::Union, &[side(0), side(1)]), side(2)]);
            let right = merged(Handler::Union, &[side(0), merged(Handler::Union, &[side(1), side(2)])]);
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(merged(Handler::Union, &[left.clone(), left.clone()]), left);
        }
    }
}
