//! What may have happened up to some event: one configuration, and the antichain of all that are worth keeping.

use super::mask::Mask;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// One way in which the operations so far may have been ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Configuration<const N: usize> {
    /// The state that the order leads to.
    pub(super) state: u32,
    /// Open operations that have taken effect.
    pub(super) done: Mask<N>,
    /// Open overwrites that may return without a further effect: an overwrite that took effect after they were
    /// called hides them. They may still take effect once more visibly instead.
    pub(super) optional: Mask<N>,
    /// How many of each class of crashed operations have taken effect: (class, count), ascending.
    pub(super) crashed: SmallVec<[(u32, u32); 2]>,
    /// The last step was an overwrite that nobody has observed yet. Another one on top would only hide it.
    pub(super) bare: bool,
}

impl<const N: usize> Configuration<N> {
    pub(super) fn initial(state: u32) -> Self {
        let (done, optional) = (Mask::EMPTY, Mask::EMPTY);
        Self { state, done, optional, crashed: SmallVec::new(), bare: false }
    }

    pub(super) fn crashed_used(&self, class: u32) -> u32 {
        let found = self.crashed.binary_search_by_key(&class, |&(class, _)| class);
        found.map_or(0, |at| self.crashed[at].1)
    }

    pub(super) fn use_crashed(&mut self, class: u32) {
        match self.crashed.binary_search_by_key(&class, |&(class, _)| class) {
            Ok(at) => self.crashed[at].1 += 1,
            Err(at) => self.crashed.insert(at, (class, 1)),
        }
    }

    /// Whether everything that can follow `other` can follow this one too. Both stand in the same group.
    fn dominates(&self, other: &Self, open: &OpenKinds<N>) -> bool {
        let fewer_observed = other.done.and(open.observers).minus(self.done);
        let differing = self.done.differs(other.done).or(self.optional.differs(other.optional));
        let worse = differing.and(open.overwrites).minus(self.optional);
        fewer_observed.is_empty()
            && worse.is_empty()
            && self.crashed.iter().all(|&(class, count)| other.crashed_used(class) >= count)
    }
}

/// Which of the open operations are of which kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenKinds<const N: usize> {
    pub(super) observers: Mask<N>,
    pub(super) overwrites: Mask<N>,
    pub(super) updates: Mask<N>,
}

impl<const N: usize> OpenKinds<N> {
    pub(super) const NONE: Self =
        Self { observers: Mask::EMPTY, overwrites: Mask::EMPTY, updates: Mask::EMPTY };
}

/// Configurations of which none dominates another one of its group, in a fixed order.
///
/// A group shares the state, the updates that took effect, and whether the last overwrite is still bare: all that is
/// incomparable. A few configurations are compared one by one; many are found by their group.
#[derive(Debug, Clone)]
pub(super) struct Antichain<const N: usize> {
    few: Vec<Configuration<N>>,
    many: BTreeMap<Group<N>, Vec<Configuration<N>>>,
    size: usize,
}

type Group<const N: usize> = (u32, Mask<N>, bool);

/// Up to this many configurations are compared one by one.
const FEW: usize = 16;

impl<const N: usize> Antichain<N> {
    pub(super) const fn new() -> Self {
        Self { few: Vec::new(), many: BTreeMap::new(), size: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.size
    }

    /// Takes up a configuration, and says whether it is new. Those that it dominates go.
    pub(super) fn insert(&mut self, configuration: Configuration<N>, open: &OpenKinds<N>) -> bool {
        let group_of = |of: &Configuration<N>| -> Group<N> { (of.state, of.done.and(open.updates), of.bare) };
        let key = group_of(&configuration);
        if self.many.is_empty() {
            let same = |kept: &Configuration<N>| group_of(kept) == key;
            if self.few.iter().any(|kept| same(kept) && kept.dominates(&configuration, open)) {
                return false;
            }
            self.few.retain(|kept| !(same(kept) && configuration.dominates(kept, open)));
            self.few.push(configuration);
            self.size = self.few.len();
            if self.size > FEW {
                for kept in self.few.drain(..) {
                    self.many.entry(group_of(&kept)).or_default().push(kept);
                }
            }
            return true;
        }
        let group = self.many.entry(key).or_default();
        if group.iter().any(|kept| kept.dominates(&configuration, open)) {
            return false;
        }
        let before = group.len();
        group.retain(|kept| !configuration.dominates(kept, open));
        group.push(configuration);
        self.size = self.size + group.len() - before;
        true
    }

    pub(super) fn into_configurations(self) -> Vec<Configuration<N>> {
        if self.many.is_empty() { self.few } else { self.many.into_values().flatten().collect() }
    }
}
