//! Marks: named situations that a run must have been in for its verdict to mean anything.
//!
//! A new mark is a variant, a line in [`Mark::name`] and [`Mark::meaning`], and the place in [`Marks`] that hits it.

use crate::{
    checker::{Invocation, OpenOperations, finals::Replicas},
    history::{Event, OperationResult, Phase},
};
use quarrel_models::{
    clock::Stamp,
    fault::{ClockChange, Fault, LinkQuality},
    id::{ClientId, Dot, LinkId, ReplicaId},
    operation::Operation,
    topology::Graph,
    value::Key,
    version::VersionVector,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    str::FromStr,
};

/// A situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "every mark has its meaning in words, in `Mark::meaning`")]
pub enum Mark {
    ConcurrentWrites,
    Partition,
    SkewExceededEditGap,
    Relocated,
    RelocatedInFlight,
    Killed,
    KilledWithWritesInFlight,
    Restarted,
    Paused,
    OfflineWrites,
    FollowerRead,
    Siblings,
    Deleted,
    SlowLink,
    Maintained,
    AllFaultsHealed,
}

impl Mark {
    /// All marks, in the order of reports.
    pub const ALL: [Self; 16] = [
        Self::ConcurrentWrites,
        Self::Partition,
        Self::SkewExceededEditGap,
        Self::Relocated,
        Self::RelocatedInFlight,
        Self::Killed,
        Self::KilledWithWritesInFlight,
        Self::Restarted,
        Self::Paused,
        Self::OfflineWrites,
        Self::FollowerRead,
        Self::Siblings,
        Self::Deleted,
        Self::SlowLink,
        Self::Maintained,
        Self::AllFaultsHealed,
    ];

    /// The name, as contracts spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConcurrentWrites => "concurrent-writes",
            Self::Partition => "partition",
            Self::SkewExceededEditGap => "skew-exceeded-edit-gap",
            Self::Relocated => "relocated",
            Self::RelocatedInFlight => "relocated-in-flight",
            Self::Killed => "killed",
            Self::KilledWithWritesInFlight => "killed-with-writes-in-flight",
            Self::Restarted => "restarted",
            Self::Paused => "paused",
            Self::OfflineWrites => "offline-writes",
            Self::FollowerRead => "follower-read",
            Self::Siblings => "siblings",
            Self::Deleted => "deleted",
            Self::SlowLink => "slow-link",
            Self::Maintained => "maintained",
            Self::AllFaultsHealed => "all-faults-healed",
        }
    }

    /// One line on what must have happened.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::ConcurrentWrites => {
                "two leaders acknowledged writes to one record, neither knowing of the other"
            }
            Self::Partition => {
                "a link was cut or stalled while operations were acknowledged at both its ends"
            }
            Self::SkewExceededEditGap => {
                "under a clock fault, two leaders stamped two writes of one record against their real order"
            }
            Self::Relocated => "a client moved to another replica, and a write of it was acknowledged there",
            Self::RelocatedInFlight => "a client moved with an operation open that was acknowledged later",
            Self::Killed => "a process was killed",
            Self::KilledWithWritesInFlight => "a leader was killed while writes to it were open",
            Self::Restarted => "a killed process was started again",
            Self::Paused => "a process was paused",
            Self::OfflineWrites => "a leader that was cut off from all others acknowledged a write",
            Self::FollowerRead => "a follower answered a read",
            Self::Siblings => "a reader was given more than one version of a record",
            Self::Deleted => "a deletion or removal was acknowledged",
            Self::SlowLink => "a link was made slow or lossy",
            Self::Maintained => "tombstones were collected, metadata forgotten, or a record's home was taken",
            Self::AllFaultsHealed => "there were faults, and all were undone before replication was to rest",
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no mark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown mark `{name}`, expected one of {}", Mark::ALL.map(Mark::name).join(", "))]
pub struct UnknownMark {
    name: String,
}

impl FromStr for Mark {
    type Err = UnknownMark;
    fn from_str(name: &str) -> Result<Self, UnknownMark> {
        let known = Self::ALL.into_iter().find(|mark| mark.name() == name);
        known.ok_or_else(|| UnknownMark { name: name.to_owned() })
    }
}

/// Detects marks in the events.
#[derive(Debug)]
pub struct Marks {
    hits: BTreeMap<Mark, u64>,
    graph: Option<Graph>,
    leaders: usize,
    /// Links that carry nothing, and the replicas that acknowledged something since.
    cuts: BTreeMap<LinkId, Replicas>,
    slow: BTreeSet<LinkId>,
    skewed: BTreeSet<ReplicaId>,
    dead: BTreeSet<ReplicaId>,
    paused: BTreeSet<ReplicaId>,
    faults: u64,
    clients: HashMap<ClientId, Whereabouts>,
    last: HashMap<Key, Vec<LastWrite>>,
}

#[derive(Debug, Default)]
struct Whereabouts {
    at: Option<ReplicaId>,
    /// When it moved, if nothing was acknowledged to it since.
    moved: Option<u64>,
    moved_in_flight: bool,
}

/// The last write to a record that a leader acknowledged.
#[derive(Debug)]
struct LastWrite {
    leader: ReplicaId,
    call: u64,
    ack: u64,
    dot: Option<Dot>,
    stamp: Option<Stamp>,
    knew: Option<VersionVector>,
    skewed: bool,
}

impl LastWrite {
    fn knew(&self, other: &Self) -> bool {
        match (&self.knew, other.dot) {
            (Some(knew), Some(dot)) => knew.covers(dot),
            // Without vectors, what overlapped cannot have been known.
            _ => other.ack < self.call,
        }
    }
}

impl Marks {
    /// Nothing seen yet. Without a graph, nobody is ever known to be cut off.
    #[must_use]
    pub fn new(leaders: usize, graph: Option<Graph>) -> Self {
        Self {
            hits: BTreeMap::new(),
            graph,
            leaders,
            cuts: BTreeMap::new(),
            slow: BTreeSet::new(),
            skewed: BTreeSet::new(),
            dead: BTreeSet::new(),
            paused: BTreeSet::new(),
            faults: 0,
            clients: HashMap::new(),
            last: HashMap::new(),
        }
    }

    /// How often each mark was hit.
    #[must_use]
    pub fn hits(&self, mark: Mark) -> u64 {
        self.hits.get(&mark).copied().unwrap_or(0)
    }

    fn hit(&mut self, mark: Mark) {
        *self.hits.entry(mark).or_default() += 1;
    }

    /// Sees the next event, the operation that it begins or completes, and those that are under way.
    pub fn observe(&mut self, event: &Event, invocation: Option<&Invocation>, open: &OpenOperations) {
        match event {
            Event::Invoke { t, client, at, .. } => {
                let whereabouts = self.clients.entry(*client).or_default();
                if whereabouts.at.is_some_and(|before| before != *at) {
                    whereabouts.moved.get_or_insert(*t);
                }
                whereabouts.at = Some(*at);
            }
            Event::Ok { t, result, .. } => {
                if let Some(invocation) = invocation {
                    self.acknowledged(*t, invocation, result);
                }
            }
            Event::Fail { client, .. } | Event::Info { client, .. } => {
                self.clients.entry(*client).or_default().moved_in_flight = false;
            }
            Event::Nemesis { t, fault, .. } => self.fault(*t, fault, open),
            Event::Maintenance { .. } => self.hit(Mark::Maintained),
            Event::Resolve { over, .. } if over.len() > 1 => self.hit(Mark::Siblings),
            Event::Phase { phase: Phase::Quiesce, .. } if self.faults > 0 && self.is_whole() => {
                self.hit(Mark::AllFaultsHealed);
            }
            _ => {}
        }
    }

    fn is_whole(&self) -> bool {
        self.cuts.is_empty()
            && self.slow.is_empty()
            && self.skewed.is_empty()
            && self.dead.is_empty()
            && self.paused.is_empty()
    }

    fn fault(&mut self, t: u64, fault: &Fault, open: &OpenOperations) {
        self.faults += 1;
        match fault {
            Fault::Cut(links) | Fault::Stall(links) => {
                for &link in links {
                    self.cuts.entry(link).or_default();
                }
            }
            Fault::Degrade(links, quality) if *quality == LinkQuality::default() => {
                self.slow.retain(|link| !links.contains(link));
            }
            Fault::Degrade(links, _) => {
                self.slow.extend(links);
                self.hit(Mark::SlowLink);
            }
            Fault::Heal(links) => {
                self.cuts.retain(|link, _| !links.contains(link));
                self.slow.retain(|link| !links.contains(link));
            }
            Fault::Clock(replica, ClockChange::Reset | ClockChange::Offset { us: 0 }) => {
                self.skewed.remove(replica);
            }
            Fault::Clock(replica, _) => {
                self.skewed.insert(*replica);
            }
            Fault::Relocate { client, to, .. } => {
                let in_flight = open.of(*client).is_some();
                let whereabouts = self.clients.entry(*client).or_default();
                whereabouts.moved = Some(t);
                whereabouts.moved_in_flight = in_flight;
                whereabouts.at = Some(*to);
            }
            Fault::Kill(replica) => {
                self.dead.insert(*replica);
                self.hit(Mark::Killed);
                if open.any(|operation| operation.at == *replica && operation.op.is_write()) {
                    self.hit(Mark::KilledWithWritesInFlight);
                }
            }
            Fault::Restart(replica) => {
                if self.dead.remove(replica) {
                    self.hit(Mark::Restarted);
                }
            }
            Fault::Pause(replica) => {
                self.paused.insert(*replica);
                self.hit(Mark::Paused);
            }
            Fault::Resume(replica) => {
                self.paused.remove(replica);
            }
        }
    }

    fn acknowledged(&mut self, t: u64, invocation: &Invocation, result: &OperationResult) {
        let at = result.dot.map_or(invocation.at, |dot| dot.origin);
        self.across_cuts(at);
        let is_write = invocation.op.is_write();
        let whereabouts = self.clients.entry(invocation.client).or_default();
        let in_flight = std::mem::take(&mut whereabouts.moved_in_flight);
        let relocated = is_write && whereabouts.moved.is_some_and(|moved| moved <= invocation.t);
        if relocated {
            whereabouts.moved = None;
        }
        if in_flight {
            self.hit(Mark::RelocatedInFlight);
        }
        if relocated {
            self.hit(Mark::Relocated);
        }
        if !is_write {
            if invocation.at.index() >= self.leaders {
                self.hit(Mark::FollowerRead);
            }
            if result.versions.len() > 1 {
                self.hit(Mark::Siblings);
            }
            return;
        }
        if matches!(invocation.op, Operation::Delete | Operation::Remove(_) | Operation::Release { .. }) {
            self.hit(Mark::Deleted);
        }
        if !self.cuts.is_empty() && self.is_offline(at) {
            self.hit(Mark::OfflineWrites);
        }
        self.compare_with_last(at, t, invocation, result);
    }

    fn across_cuts(&mut self, at: ReplicaId) {
        let mut hits = 0;
        for (link, acknowledged) in &mut self.cuts {
            if (link.from == at || link.to == at) && !acknowledged.contains(at) {
                acknowledged.insert(at);
                hits += u64::from(acknowledged.len() == 2);
            }
        }
        if hits > 0 {
            *self.hits.entry(Mark::Partition).or_default() += hits;
        }
    }

    fn is_offline(&self, leader: ReplicaId) -> bool {
        let Some(graph) = &self.graph else { return false };
        let mut between_leaders = graph
            .links()
            .iter()
            .filter(|link| link.from == leader || link.to == leader)
            .filter(|link| graph.is_leader(link.from) && graph.is_leader(link.to))
            .peekable();
        between_leaders.peek().is_some() && between_leaders.all(|link| self.cuts.contains_key(link))
    }

    fn compare_with_last(
        &mut self,
        leader: ReplicaId,
        t: u64,
        invocation: &Invocation,
        result: &OperationResult,
    ) {
        let write = LastWrite {
            leader,
            call: invocation.t,
            ack: t,
            dot: result.dot,
            stamp: result.stamp,
            knew: result.knew.clone(),
            skewed: !self.skewed.is_empty(),
        };
        if !self.last.contains_key(&invocation.key) {
            self.last.insert(invocation.key.clone(), Vec::new());
        }
        let Some(last) = self.last.get_mut(&invocation.key) else { return };
        let others = || last.iter().filter(|other| other.leader != leader);
        let concurrent = others().filter(|other| !write.knew(other) && !other.knew(&write)).count() as u64;
        let against_time = |other: &&LastWrite| {
            let stamps = write.stamp.zip(other.stamp);
            other.ack < write.call
                && (write.skewed || other.skewed)
                && stamps.is_some_and(|(later, earlier)| later < earlier)
        };
        let against_time = others().filter(against_time).count() as u64;
        match last.iter_mut().find(|other| other.leader == leader) {
            Some(held) => *held = write,
            None => last.push(write),
        }
        for (mark, hits) in [(Mark::ConcurrentWrites, concurrent), (Mark::SkewExceededEditGap, against_time)]
        {
            if hits > 0 {
                *self.hits.entry(mark).or_default() += hits;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_reads_back_from_its_name_and_an_unknown_one_lists_them() {
        for mark in Mark::ALL {
            assert_eq!(mark.name().parse(), Ok(mark));
        }
        let error = "moved".parse::<Mark>().unwrap_err().to_string();
        assert!(error.contains("unknown mark `moved`") && error.contains("relocated-in-flight"), "{error}");
    }
}
