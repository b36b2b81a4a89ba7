//! What the replicas held in the end: the final reads, equal ones stored once.

use crate::history::{Event, FinalVersion, Quiescence};
use quarrel_models::{
    id::{Dot, MAX_REPLICAS, ReplicaId},
    value::{Key, Value},
    version::VersionVector,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A set of replicas, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replicas(u32);

impl Replicas {
    /// Adds one.
    pub const fn insert(&mut self, replica: ReplicaId) {
        self.0 |= 1 << (replica.0 % 32);
    }

    /// Whether it is in.
    #[must_use]
    pub const fn contains(self, replica: ReplicaId) -> bool {
        self.0 >> (replica.0 % 32) & 1 == 1
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are in `self` and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those that are in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Each of them, in order.
    pub fn iter(self) -> impl Iterator<Item = ReplicaId> {
        (0..MAX_REPLICAS).map(ReplicaId::from_index).filter(move |&replica| self.contains(replica))
    }

    /// Their names, such as `A, C`.
    #[must_use]
    pub fn names(self) -> String {
        let names: Vec<String> = self.iter().map(|replica| replica.to_string()).collect();
        names.join(", ")
    }
}

/// What some replicas hold of one record: the same for all of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View<'a> {
    /// Who holds it.
    pub replicas: Replicas,
    /// The one value shown; `None` for a tombstone, no record, and siblings.
    pub value: Option<&'a Value>,
    /// The versions held; empty if the system does not tell, or has no record. Only siblings keep their own values.
    pub versions: &'a [FinalVersion],
}

/// The same, as it is kept.
#[derive(Debug)]
struct Held {
    replicas: Replicas,
    value: Option<Value>,
    versions: Vec<FinalVersion>,
}

impl Held {
    /// Of a version that has a value to stand for it, the value is not kept a second time.
    fn is(&self, value: Option<&Value>, versions: &[FinalVersion]) -> bool {
        let same = |(held, other): (&FinalVersion, &FinalVersion)| {
            (held.write, held.dot, held.stamp) == (other.write, other.dot, other.stamp)
                && (value.is_some() || held.value == other.value)
        };
        self.value.as_ref() == value
            && self.versions.len() == versions.len()
            && self.versions.iter().zip(versions).all(same)
    }
}

impl<'a> View<'a> {
    /// No record.
    #[must_use]
    pub const fn absent(replicas: Replicas) -> Self {
        Self { replicas, value: None, versions: &[] }
    }

    /// Whether versions stand side by side, without one value.
    #[must_use]
    pub const fn has_siblings(&self) -> bool {
        self.value.is_none() && self.versions.len() > 1
    }

    /// What a reader sees, without regard to metadata: one value, or a set of siblings. Nothing is a record that is
    /// not there, whether a tombstone says so or not.
    #[must_use]
    pub fn shown(&self) -> BTreeSet<Option<&'a Value>> {
        if self.has_siblings() {
            self.versions.iter().map(|version| version.value.as_ref()).collect()
        } else {
            BTreeSet::from([self.value])
        }
    }

    /// The same in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        let one =
            |value: Option<&Value>| value.map_or("no record".to_owned(), |value| brief(&value.to_string()));
        let shown: Vec<String> = self.shown().into_iter().map(one).collect();
        let writes: Vec<String> = self.versions.iter().map(|version| version.write.to_string()).collect();
        let by =
            if writes.is_empty() { String::new() } else { format!(" (by {})", brief(&writes.join(", "))) };
        format!("{}{by}", shown.join(" beside "))
    }
}

/// The beginning of a long text.
pub(crate) fn brief(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let start: String = text.chars().take(MOST).collect();
    format!("{start}...")
}

/// The final reads of all replicas.
#[derive(Debug, Default)]
pub struct Finals {
    keys: HashMap<Key, usize>,
    views: Vec<(Key, Vec<Held>)>,
    lines: BTreeMap<ReplicaId, u64>,
    whole: BTreeMap<ReplicaId, (u64, VersionVector)>,
    unread: BTreeMap<ReplicaId, String>,
    quiescence: Option<Quiescence>,
}

impl Finals {
    /// Sees the next event.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Final { replica, key, value, versions } => {
                *self.lines.entry(*replica).or_default() += 1;
                self.add(*replica, key, value.as_ref(), versions);
            }
            Event::FinalEnd { replica, records, applied } => {
                self.whole.insert(*replica, (*records, applied.clone()));
            }
            Event::Unread { replica, why } => {
                self.unread.insert(*replica, why.clone());
            }
            Event::End { quiescence, .. } => self.quiescence = Some(quiescence.clone()),
            _ => {}
        }
    }

    fn add(&mut self, replica: ReplicaId, key: &Key, value: Option<&Value>, versions: &[FinalVersion]) {
        let slot = match self.keys.get(key) {
            Some(&slot) => slot,
            None => {
                self.keys.insert(key.clone(), self.views.len());
                self.views.push((key.clone(), Vec::new()));
                self.views.len() - 1
            }
        };
        let views = &mut self.views[slot].1;
        if let Some(view) = views.iter_mut().find(|view| view.is(value, versions)) {
            view.replicas.insert(replica);
            return;
        }
        let mut replicas = Replicas::default();
        replicas.insert(replica);
        let kept = |version: &FinalVersion| FinalVersion {
            value: version.value.clone().filter(|_| value.is_none()),
            ..*version
        };
        let versions = versions.iter().map(kept).collect();
        views.push(Held { replicas, value: value.cloned(), versions });
    }

    /// The replicas that were read whole.
    #[must_use]
    pub fn live(&self) -> Replicas {
        let mut live = Replicas::default();
        for replica in self.whole.keys().filter(|replica| !self.unread.contains_key(replica)) {
            live.insert(*replica);
        }
        live
    }

    /// The replicas that could not be read, and why.
    #[must_use]
    pub const fn unread(&self) -> &BTreeMap<ReplicaId, String> {
        &self.unread
    }

    /// The replicas whose final read does not hold as many records as it says.
    pub fn incomplete(&self) -> impl Iterator<Item = (ReplicaId, u64, u64)> + '_ {
        self.whole.iter().filter_map(|(&replica, &(records, _))| {
            let lines = self.lines.get(&replica).copied().unwrap_or(0);
            (lines != records).then_some((replica, lines, records))
        })
    }

    /// Whether replication came to rest; `None` if the history was cut short.
    #[must_use]
    pub const fn quiescence(&self) -> Option<&Quiescence> {
        self.quiescence.as_ref()
    }

    /// Whether replication came to rest.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        self.quiescence.as_ref().is_some_and(super::is_rest)
    }

    /// The records of which something was read, in the order of their first appearance.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.views.iter().map(|(key, _)| key)
    }

    /// What live replicas hold of a record, equal ones together; those that have no record last.
    #[must_use]
    pub fn live_views(&self, key: &str) -> Vec<View<'_>> {
        let live = self.live();
        let mut views = self.views_within(key, live);
        let held = views.iter().fold(Replicas::default(), |held, view| held.or(view.replicas));
        let rest = live.without(held);
        if !rest.is_empty() {
            views.push(View::absent(rest));
        }
        views
    }

    /// What replicas that count as dead or cut off were still seen to hold.
    #[must_use]
    pub fn cut_off_views(&self, key: &str) -> Vec<View<'_>> {
        let mut unread = Replicas::default();
        for replica in self.unread.keys() {
            unread.insert(*replica);
        }
        self.views_within(key, unread)
    }

    fn views_within(&self, key: &str, replicas: Replicas) -> Vec<View<'_>> {
        let Some(&slot) = self.keys.get(key) else { return Vec::new() };
        let within = |held: &'_ Held| held.replicas.and(replicas);
        self.views[slot]
            .1
            .iter()
            .filter(|held| !within(held).is_empty())
            .map(|held| View { replicas: within(held), value: held.value.as_ref(), versions: &held.versions })
            .collect()
    }

    /// Whether a live replica has applied the write at `dot`; `None` if none of them tells.
    #[must_use]
    pub fn reached(&self, dot: Dot) -> Option<bool> {
        let mut told = None;
        for (_, applied) in
            self.whole.iter().filter(|(replica, _)| !self.unread.contains_key(replica)).map(|(_, read)| read)
        {
            if !applied.as_slice().is_empty() {
                told = Some(told.unwrap_or(false) || applied.covers(dot));
            }
        }
        told
    }
}
