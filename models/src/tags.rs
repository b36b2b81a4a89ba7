//! Observed-remove sets: which additions of an element are there, and which were taken back.
//!
//! Every addition has a tag of its own; a removal takes back the tags that its leader had seen, and no others, so an
//! addition that it had not seen survives it. The set is the one of Shapiro et al., "A comprehensive study of
//! Convergent and Commutative Replicated Data Types" (2011), with tombstones: additions and removals may come in any
//! order and any number of times. The tag of an addition is the identity of its write, not the place where it entered
//! the cluster: the copies of a retry that two leaders took are one addition.

use crate::{
    id::{ClientId, WriteId},
    value::Value,
};
use alloc::{collections::BTreeSet, vec::Vec};
use serde::{Deserialize, Serialize};

/// One addition of one element.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tag {
    /// The element.
    pub element: Value,
    /// The write that added it.
    pub write: WriteId,
}

/// The state of an observed-remove set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Tags {
    live: BTreeSet<Tag>,
    /// Kept, since a removal may come before what it removes, and a copy of that after it.
    removed: BTreeSet<Tag>,
}

impl Tags {
    /// Adds an element, unless this addition was taken back.
    pub fn add(&mut self, tag: Tag) {
        if !self.removed.contains(&tag) {
            self.live.insert(tag);
        }
    }

    /// Takes an addition back.
    pub fn remove(&mut self, tag: Tag) {
        self.live.remove(&tag);
        self.removed.insert(tag);
    }

    /// The additions of an element that are there.
    pub fn of<'a>(&'a self, element: &'a Value) -> impl Iterator<Item = &'a Tag> {
        let least = WriteId { client: ClientId(0), sequence: 0 };
        let from = Tag { element: element.clone(), write: least };
        self.live.range(from..).take_while(move |tag| tag.element == *element)
    }

    /// Whether the element is in the set.
    #[must_use]
    pub fn contains(&self, element: &Value) -> bool {
        self.of(element).next().is_some()
    }

    /// All additions that are there.
    #[must_use]
    pub fn all(&self) -> Vec<Tag> {
        self.live.iter().cloned().collect()
    }

    /// The elements of the set.
    #[must_use]
    pub fn elements(&self) -> BTreeSet<Value> {
        self.live.iter().map(|tag| tag.element.clone()).collect()
    }

    /// Forgets what was taken back; returns how many additions that were. One that comes only now is taken for new.
    pub fn forget_removed(&mut self) -> usize {
        core::mem::take(&mut self.removed).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Change {
        Add(Tag),
        Remove(Tag),
    }

    fn any_changes() -> impl Strategy<Value = Vec<Change>> {
        let tag = (0..3_i64, 0..4_u32).prop_map(|(element, sequence)| Tag {
            element: element.into(),
            write: WriteId { client: ClientId(0), sequence },
        });
        let change = (tag, any::<bool>())
            .prop_map(|(tag, adds)| if adds { Change::Add(tag) } else { Change::Remove(tag) });
        prop::collection::vec(change, 0..12)
    }

    fn after<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Tags {
        let mut tags = Tags::default();
        for change in changes {
            match change.clone() {
                Change::Add(tag) => tags.add(tag),
                Change::Remove(tag) => tags.remove(tag),
            }
        }
        tags
    }

    proptest! {
        #[test]
        fn neither_the_order_of_changes_nor_their_number_matters(
            (changes, shuffled) in any_changes().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
        ) {
            prop_assert_eq!(after(&changes), after(&shuffled));
            prop_assert_eq!(after(&changes), after(changes.iter().chain(&shuffled)));
        }

        #[test]
        fn an_element_is_there_if_one_of_its_additions_was_not_taken_back(changes in any_changes()) {
            let tags = after(&changes);
            let removed: Vec<&Tag> = changes.iter().filter_map(|change| match change {
                Change::Remove(tag) => Some(tag),
                Change::Add(_) => None,
            }).collect();
            for element in (0..3_i64).map(Value::Int) {
                let there = changes.iter().any(|change| {
                    matches!(change, Change::Add(tag) if tag.element == element && !removed.contains(&tag))
                });
                prop_assert_eq!(tags.contains(&element), there);
                prop_assert_eq!(tags.elements().contains(&element), there);
            }
        }
    }

    #[test]
    fn the_law_of_order_fails_where_removals_are_forgotten() {
        let tag = Tag { element: 1.into(), write: WriteId { client: ClientId(0), sequence: 1 } };
        let [mut early, mut late] = [Tags::default(), Tags::default()];
        early.add(tag.clone());
        early.remove(tag.clone());
        late.remove(tag.clone());
        assert_eq!(late.forget_removed(), 1);
        late.add(tag);
        assert_ne!(early.elements(), late.elements());
    }
}
