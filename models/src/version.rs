//! Version vectors, versions of a record, and the cell that holds them.

use crate::{
    clock::Stamp,
    handler::{Past, Refused},
    id::{Dot, LogPosition, MAX_REPLICAS, ReplicaId, WriteId},
    tags::Tags,
    value::Value,
};
use alloc::boxed::Box;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use smallvec::SmallVec;

/// How much of each leader's log is known: one position per leader, trailing zeros left out.
///
/// Positions of one origin are applied in order everywhere, so a vector describes a set of writes exactly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct VersionVector(SmallVec<[LogPosition; 4]>);

impl VersionVector {
    /// The vector that knows nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(SmallVec::new_const())
    }

    /// How far the log of `origin` is known.
    #[must_use]
    pub fn get(&self, origin: ReplicaId) -> LogPosition {
        self.0.get(origin.index()).copied().unwrap_or(0)
    }

    /// Whether the write at `dot` is known.
    #[must_use]
    pub fn covers(&self, dot: Dot) -> bool {
        self.get(dot.origin) >= dot.position
    }

    /// Learns the log of `origin` up to `position`; never forgets.
    pub fn advance(&mut self, origin: ReplicaId, position: LogPosition) {
        if position == 0 {
            return;
        }
        if self.0.len() <= origin.index() {
            self.0.resize(origin.index() + 1, 0);
        }
        let known = &mut self.0[origin.index()];
        *known = (*known).max(position);
    }

    /// Learns all that `other` knows.
    pub fn join(&mut self, other: &Self) {
        for (index, &position) in other.0.iter().enumerate() {
            self.advance(ReplicaId::from_index(index), position);
        }
    }

    /// Whether everything that `other` knows is known here.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        other.iter().all(|dot| self.covers(dot))
    }

    /// The newest known dot of every origin of which something is known.
    pub fn iter(&self) -> impl Iterator<Item = Dot> + '_ {
        self.0
            .iter()
            .enumerate()
            .filter(|(_, position)| **position > 0)
            .map(|(index, &position)| Dot { origin: ReplicaId::from_index(index), position })
    }

    /// The sum of all positions: the number of entries known.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|&position| u64::from(position)).sum()
    }

    /// The positions by replica index, trailing zeros left out.
    #[must_use]
    pub fn as_slice(&self) -> &[LogPosition] {
        &self.0
    }
}

/// By hand, since vectors also come from strangers: no more positions than there are names, no trailing zeros.
impl<'de> Deserialize<'de> for VersionVector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut positions = SmallVec::<[LogPosition; 4]>::deserialize(deserializer)?;
        if positions.len() > MAX_REPLICAS {
            return Err(D::Error::custom("a version vector has at most 26 positions, one a leader"));
        }
        while positions.last() == Some(&0) {
            positions.pop();
        }
        Ok(Self(positions))
    }
}

impl Extend<Dot> for VersionVector {
    fn extend<I: IntoIterator<Item = Dot>>(&mut self, dots: I) {
        for dot in dots {
            self.advance(dot.origin, dot.position);
        }
    }
}

impl FromIterator<Dot> for VersionVector {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        let mut vector = Self::new();
        vector.extend(dots);
        vector
    }
}

impl fmt::Display for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<")?;
        for (n, dot) in self.iter().enumerate() {
            write!(f, "{}{dot}", if n == 0 { "" } else { " " })?;
        }
        f.write_str(">")
    }
}

/// One version of a record: what was written, by whom, when, and what was known then.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The write that made it.
    pub write: WriteId,
    /// Where that write entered the cluster.
    pub dot: Dot,
    /// The stamp of the leader that took it.
    pub stamp: Stamp,
    /// What the write knew of: everything that its leader had applied and what the versions of this record there had
    /// known, or, where clients hand a context back (siblings), what the client had read of this record.
    pub context: VersionVector,
    /// The value; `None` is a tombstone.
    pub value: Option<Value>,
    /// How often the record had been updated with this write, where the strategy counts that; else 0.
    #[serde(default)]
    pub updates: u32,
}

impl Version {
    /// Whether this version was made in the knowledge of `other`.
    #[must_use]
    pub fn knew(&self, other: &Self) -> bool {
        self.context.covers(other.dot)
    }

    /// Whether neither version was made in the knowledge of the other.
    #[must_use]
    pub fn is_concurrent_with(&self, other: &Self) -> bool {
        !self.knew(other) && !other.knew(self)
    }

    /// Forgets the metadata by which conflicts are detected and decided, as when a row is frozen, reloaded or its
    /// history purged: the version is older than any other ([`Stamp::UNKNOWN`]), knew of nothing and counts no updates.
    /// What comes later may still know of it, by its dot.
    pub fn forget(&mut self) {
        self.stamp = Stamp::UNKNOWN;
        self.context = VersionVector::new();
        self.updates = 0;
    }

    /// Whether the version's metadata were forgotten.
    #[must_use]
    pub fn is_forgotten(&self) -> bool {
        self.stamp == Stamp::UNKNOWN
    }
}

/// Versions side by side; nearly always one.
pub type Versions = SmallVec<[Version; 1]>;

/// What a replica holds of one record.
///
/// Strategies that pick a winner hold one version. Siblings are several versions. A merge on write holds the versions
/// that it merged (their values emptied where the merged value stands for them) and the merged value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Cell {
    /// The versions held, in the order of their dots.
    pub versions: Versions,
    /// The value that a handler made of the versions, if one did. `Some(None)` is a deletion by a handler.
    pub merged: Option<Option<Value>>,
    /// The additions to the record, if it is an observed-remove set.
    pub tags: Option<Box<Tags>>,
    /// The versions that were replaced, where a handler asks for what versions were made from.
    #[serde(default)]
    pub past: Option<Box<Past>>,
    /// Why no one value stands for the versions, if a handler refused.
    #[serde(default)]
    pub refused: Option<Box<Refused>>,
}

impl Cell {
    /// A cell of one version.
    #[must_use]
    pub fn of(version: Version) -> Self {
        Self { versions: SmallVec::from_iter([version]), ..Self::default() }
    }

    /// The one value to show: the merged one, else that of the first version. Siblings have no one value: see
    /// [`Cell::versions`].
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        match &self.merged {
            Some(merged) => merged.as_ref(),
            None => self.versions.first().and_then(|version| version.value.as_ref()),
        }
    }

    /// Whether nothing is left but tombstones.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.merged.as_ref().is_none_or(Option::is_none)
            && self.versions.iter().all(|held| held.value.is_none())
    }

    /// What a client that has read this cell knows of the record: its versions and all that they knew.
    #[must_use]
    pub fn context(&self) -> VersionVector {
        let mut known = VersionVector::new();
        for version in &self.versions {
            known.join(&version.context);
            known.advance(version.dot.origin, version.dot.position);
        }
        known
    }

    /// Puts a version in its place: versions are ordered by dot, so that equal cells are equal bytes.
    pub fn insert(&mut self, version: Version) {
        let at = self.versions.partition_point(|held| held.dot < version.dot);
        self.versions.insert(at, version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn dot(origin: u8, position: u32) -> Dot {
        Dot { origin: ReplicaId(origin), position }
    }

    #[test]
    fn a_vector_covers_what_it_has_joined_and_nothing_else() {
        let mut left: VersionVector = [dot(0, 3)].into_iter().collect();
        let right: VersionVector = [dot(2, 1)].into_iter().collect();
        assert!(!left.includes(&right));
        left.join(&right);
        assert!(left.includes(&right));
        assert!(left.covers(dot(0, 3)) && !left.covers(dot(0, 4)) && !left.covers(dot(1, 1)));
        assert_eq!(left.to_string(), "<A:3 C:1>");
        assert_eq!(left.total(), 4);
    }

    #[test]
    fn equal_knowledge_is_equal_vectors() {
        let mut padded = VersionVector::new();
        padded.advance(ReplicaId(5), 0);
        assert_eq!(padded, VersionVector::new());
    }
}
