//! Partitions, bad links and offline devices: everything that happens to replication links.

use super::{
    Action, Cause, Plan, Planned,
    shapes::{isolate, links_of, some_leader},
    sweep::{Change, Spell, State, sweep},
};
use crate::scenario::nemesis::{How, Shape};
use quarrel_models::{
    fault::{Fault, LinkQuality},
    id::LinkId,
};
use std::time::Duration;

/// How often a flapping link goes and comes within the length of its fault.
const FLAPS: u32 = 10;

/// What is wrong with a link.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    Degraded(LinkQuality),
    Stalled,
    Cut,
}

impl State for Trouble {
    fn rank(&self) -> u8 {
        match self {
            Self::Degraded(_) => 0,
            Self::Stalled => 1,
            Self::Cut => 2,
        }
    }
}

impl Trouble {
    fn fault(&self, links: Vec<LinkId>) -> Fault {
        match self {
            Self::Degraded(quality) => Fault::Degrade(links, *quality),
            Self::Stalled => Fault::Stall(links),
            Self::Cut => Fault::Cut(links),
        }
    }
}

type Spells = Vec<Spell<LinkId, Trouble>>;

pub(super) fn plan(plan: &Plan<'_>) -> Vec<Planned> {
    let mut spells = Spells::new();
    partitions(plan, &mut spells);
    bad_links(plan, &mut spells);
    offline(plan, &mut spells);
    let changes = sweep(&spells);
    let mut planned = Vec::new();
    for together in changes.chunk_by(|left, right| left.at == right.at) {
        act(together, &mut planned);
    }
    planned
}

fn partitions(plan: &Plan<'_>, spells: &mut Spells) {
    for (index, partition) in plan.scenario.nemesis.partition.0.iter().enumerate() {
        let cause = Cause { table: "partition", index };
        let state = match partition.how {
            How::Cut => Trouble::Cut,
            How::Stall => Trouble::Stalled,
        };
        for mut occasion in plan.occasions().of(cause, &partition.at, partition.every) {
            let links = links_of(partition, plan.graph, &mut occasion.choices);
            let lasts = partition.lasts.duration();
            let (flaps, on) =
                if partition.shape == Shape::Flapping { (FLAPS, lasts / (2 * FLAPS)) } else { (1, lasts) };
            for flap in 0..flaps {
                add(plan, spells, &links, occasion.at + on * 2 * flap, on, &state, cause);
            }
        }
    }
}

fn bad_links(plan: &Plan<'_>, spells: &mut Spells) {
    for (index, link) in plan.scenario.nemesis.link.0.iter().enumerate() {
        let cause = Cause { table: "link", index };
        let links = if link.links.is_empty() { plan.graph.links() } else { &link.links };
        let state = Trouble::Degraded(link.quality);
        for occasion in plan.occasions().of(cause, &link.at, link.every) {
            add(plan, spells, links, occasion.at, link.lasts.duration(), &state, cause);
        }
    }
}

/// A device without a network: its replication links are cut, its clients are with it.
fn offline(plan: &Plan<'_>, spells: &mut Spells) {
    for (index, offline) in plan.scenario.nemesis.offline.0.iter().enumerate() {
        let cause = Cause { table: "offline", index };
        for mut occasion in plan.occasions().of(cause, &offline.at, offline.every) {
            let device = offline.replica.unwrap_or_else(|| some_leader(plan.graph, &mut occasion.choices));
            let links = isolate(plan.graph, device);
            add(plan, spells, &links, occasion.at, offline.lasts.duration(), &Trouble::Cut, cause);
        }
    }
}

fn add(
    plan: &Plan<'_>,
    spells: &mut Spells,
    links: &[LinkId],
    from: Duration,
    lasts: Duration,
    state: &Trouble,
    cause: Cause,
) {
    let to = Some((from + lasts).min(plan.storm()));
    let spell = |&thing| Spell { thing, from, to, state: state.clone(), cause };
    spells.extend(links.iter().map(spell));
}

/// One instant: links that get better are healed first, then each trouble is put on all the links that it takes.
fn act(changes: &[Change<LinkId, Trouble>], planned: &mut Vec<Planned>) {
    let better = |change: &&Change<LinkId, Trouble>| match (&change.before, &change.after) {
        (Some((before, _)), Some((after, _))) => after.rank() < before.rank(),
        (_, after) => after.is_none(),
    };
    for change in changes.iter().filter(better) {
        let cause = change.before.as_ref().map_or_else(|| change.cause(), |(_, cause)| *cause);
        group(planned, change, cause, true, Fault::Heal);
    }
    for change in changes {
        if let Some((trouble, cause)) = &change.after {
            group(planned, change, *cause, false, |links| trouble.fault(links));
        }
    }
}

/// Adds the link to the entry of the same instant, cause and kind, or makes a new one.
fn group(
    planned: &mut Vec<Planned>,
    change: &Change<LinkId, Trouble>,
    cause: Cause,
    undo: bool,
    fault: impl Fn(Vec<LinkId>) -> Fault,
) {
    let empty = fault(Vec::new());
    let same = |entry: &&mut Planned| {
        entry.cause == cause && matches!(&entry.action, Action::Fault(fault) if fault.kind() == empty.kind())
    };
    let mut instant = planned.iter_mut().rev().take_while(|entry| entry.at == change.at);
    if let Some(Planned { action: Action::Fault(fault), .. }) = instant.find(same)
        && let Fault::Cut(links) | Fault::Stall(links) | Fault::Degrade(links, _) | Fault::Heal(links) = fault
    {
        links.push(change.thing);
        return;
    }
    planned.push(Planned::fault(change.at, fault(vec![change.thing]), undo, cause));
}
