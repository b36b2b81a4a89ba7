//! What the nemesis did, as stretches of time, and how far each replica's clock stood off.

use super::FaultAt;
use quarrel_models::{
    clock::ClockSetting,
    fault::{ClockChange, Fault},
    id::{LinkId, ReplicaId},
};
use std::collections::{BTreeMap, BTreeSet};

/// Kinds of stretches, in the order in which they are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BandKind {
    /// Links that deliver nothing.
    Partition,
    /// Links that carry data badly.
    Link,
    /// A clock that is wrong.
    Clock,
    /// A process that is dead or stands still.
    Process,
}

impl BandKind {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Partition, Self::Link, Self::Clock, Self::Process];

    /// The kind in a word.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Link => "link",
            Self::Clock => "clock",
            Self::Process => "process",
        }
    }
}

/// A stretch of time in which a fault was on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Band {
    /// What kind of fault.
    pub(crate) kind: BandKind,
    /// What exactly, in a few words.
    pub(crate) label: String,
    /// When it began, nanoseconds of the run.
    pub(crate) from: u64,
    /// When it ended, or the end of the run.
    pub(crate) to: u64,
    /// The replica whose process or clock it is.
    pub(crate) replica: Option<ReplicaId>,
    /// The links.
    pub(crate) links: Vec<LinkId>,
}

/// What is on: faults of links by link, others by replica.
#[derive(Default)]
struct Open {
    links: BTreeMap<LinkId, (u64, &'static str)>,
    clocks: BTreeMap<ReplicaId, (u64, String)>,
    processes: BTreeMap<ReplicaId, (u64, &'static str)>,
    bands: Vec<Band>,
}

/// The stretches of all faults, in order of their beginning; links that began and ended together are one.
pub(crate) fn bands(faults: &[FaultAt], end: u64) -> Vec<Band> {
    let mut open = Open::default();
    for FaultAt { t, fault, .. } in faults {
        open.act(*t, fault);
    }
    open.heal(end, &open.links.keys().copied().collect::<Vec<_>>());
    for replica in open.clocks.keys().copied().collect::<Vec<_>>() {
        open.end_clock(end, replica);
    }
    for replica in open.processes.keys().copied().collect::<Vec<_>>() {
        open.end_process(end, replica);
    }
    open.bands.sort_by(|a, b| (a.from, a.kind, &a.label).cmp(&(b.from, b.kind, &b.label)));
    open.bands
}

impl Open {
    fn act(&mut self, t: u64, fault: &Fault) {
        match fault {
            Fault::Cut(links) => self.change_links(t, links, "cut"),
            Fault::Stall(links) => self.change_links(t, links, "stalled"),
            Fault::Degrade(links, _) => self.change_links(t, links, "slow or lossy"),
            Fault::Heal(links) => self.heal(t, links),
            Fault::Clock(replica, ClockChange::Reset) => self.end_clock(t, *replica),
            Fault::Clock(replica, _) => {
                self.end_clock(t, *replica);
                self.clocks.insert(*replica, (t, fault.to_string()));
            }
            Fault::Kill(replica) => self.begin_process(t, *replica, "dead"),
            Fault::Pause(replica) => self.begin_process(t, *replica, "paused"),
            Fault::Restart(replica) | Fault::Resume(replica) => self.end_process(t, *replica),
            Fault::Relocate { .. } => {}
        }
    }

    fn change_links(&mut self, t: u64, links: &[LinkId], how: &'static str) {
        self.heal(t, links);
        self.links.extend(links.iter().map(|&link| (link, (t, how))));
    }

    fn heal(&mut self, t: u64, links: &[LinkId]) {
        let mut groups: BTreeMap<(u64, &'static str), BTreeSet<LinkId>> = BTreeMap::new();
        for link in links {
            if let Some(began) = self.links.remove(link) {
                groups.entry(began).or_default().insert(*link);
            }
        }
        for ((from, how), links) in groups {
            let kind = if how == "slow or lossy" { BandKind::Link } else { BandKind::Partition };
            let label = format!("{} {how}", describe(&links));
            self.bands.push(Band {
                kind,
                label,
                from,
                to: t,
                replica: None,
                links: links.into_iter().collect(),
            });
        }
    }

    fn end_clock(&mut self, t: u64, replica: ReplicaId) {
        if let Some((from, label)) = self.clocks.remove(&replica) {
            let kind = BandKind::Clock;
            self.bands.push(Band { kind, label, from, to: t, replica: Some(replica), links: Vec::new() });
        }
    }

    fn begin_process(&mut self, t: u64, replica: ReplicaId, how: &'static str) {
        self.end_process(t, replica);
        self.processes.insert(replica, (t, how));
    }

    fn end_process(&mut self, t: u64, replica: ReplicaId) {
        if let Some((from, how)) = self.processes.remove(&replica) {
            let kind = BandKind::Process;
            self.bands.push(Band {
                kind,
                label: format!("{replica} {how}"),
                from,
                to: t,
                replica: Some(replica),
                links: Vec::new(),
            });
        }
    }
}

/// Links in both directions as one: `A-B, B-C`.
fn describe(links: &BTreeSet<LinkId>) -> String {
    let back = |link: &LinkId| LinkId { from: link.to, to: link.from };
    let one_way = |link: &&LinkId| !links.contains(&back(link)) || link.from < link.to;
    let names = links.iter().filter(one_way).map(|link| {
        if links.contains(&back(link)) { format!("{}-{}", link.from, link.to) } else { link.to_string() }
    });
    names.collect::<Vec<_>>().join(", ")
}

/// How far the clocks of all replicas stand off, over time, as the nemesis set them.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    /// From when on a clock was set how.
    settings: BTreeMap<ReplicaId, Vec<(u64, ClockSetting)>>,
}

impl Clocks {
    /// Follows the nemesis.
    pub(crate) fn new(faults: &[FaultAt]) -> Self {
        let mut clocks = Self::default();
        for FaultAt { t, fault, .. } in faults {
            let Fault::Clock(replica, change) = fault else { continue };
            // Only differences matter: the time of the run stands for real time.
            let now = i64::try_from(*t).unwrap_or(i64::MAX);
            let next = change.upon(clocks.setting(*replica, *t), now, now);
            clocks.settings.entry(*replica).or_default().push((*t, next));
        }
        clocks
    }

    fn setting(&self, replica: ReplicaId, t: u64) -> ClockSetting {
        let settings = self.settings.get(&replica).map_or(&[][..], Vec::as_slice);
        settings.iter().rev().find(|(from, _)| *from <= t).map_or_else(ClockSetting::default, |(_, set)| *set)
    }

    /// How far this replica's clock stood off at this time, microseconds: ahead when positive.
    pub(crate) fn offset_us(&self, replica: ReplicaId, t: u64) -> i64 {
        let now = i64::try_from(t).unwrap_or(i64::MAX);
        self.setting(replica, t).wall_ns(now, now).saturating_sub(now) / 1000
    }
}
