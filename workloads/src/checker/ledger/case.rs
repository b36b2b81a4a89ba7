//! All there is to know about one record: its writes, and what the replicas show of it.

use super::{
    effect::{Fact, Lens, facts},
    writes::{Kind, State, Writes},
};
use crate::checker::{
    Evidence,
    finals::{Replicas, View},
};
use quarrel_models::value::{Key, Value};
use smol_str::SmolStr;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// What some replicas show of the record, ready for questions.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) view: &'a View<'a>,
    /// Whether its versions stand side by side.
    pub(crate) siblings: bool,
    pub(crate) lens: Lens<'a>,
    /// The versions held.
    pub(crate) direct: Vec<u32>,
    /// The versions held, each resolution replaced by what it went over; and through which resolution.
    pub(crate) carried: BTreeMap<u32, Option<u32>>,
}

impl Shown<'_> {
    /// Whether a reader of these replicas gets the effect of the write.
    pub(crate) fn shows(&self, writes: &Writes, number: u32) -> bool {
        let write = writes.get(number);
        if self.siblings && self.direct.contains(&number) {
            return true;
        }
        let told = !self.view.versions.is_empty();
        match write.kind {
            Kind::Put if told => self.carried.contains_key(&number) && self.lens.shows(writes, write),
            // Absent is absent, whichever deletion brought it about.
            Kind::Delete => !self.siblings && self.lens.shows(writes, write),
            _ => self.lens.shows(writes, write),
        }
    }
}

/// One record.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) evidence: &'a Evidence<'a>,
    pub(crate) name: &'a Key,
    /// All writes of the record, in the order in which they began.
    pub(crate) numbers: &'a [u32],
    /// What live replicas show.
    pub(crate) live: Vec<Shown<'a>>,
    /// What dead or cut-off replicas were seen to show.
    pub(crate) cut_off: Vec<Shown<'a>>,
    undoing: BTreeMap<(u32, &'a Value), Vec<u32>>,
    /// Writes that replace the whole record.
    pub(crate) replacing: Vec<u32>,
}

/// What is borrowed by a case.
#[derive(Debug)]
pub(crate) struct Material<'a> {
    live: Vec<Resolved<'a>>,
    cut_off: Vec<Resolved<'a>>,
}

/// A view, and the value that a reader gets.
type Resolved<'a> = (View<'a>, Option<Cow<'a, Value>>);

impl<'a> Material<'a> {
    pub(crate) fn of(evidence: &Evidence<'a>, key: &str) -> Self {
        let with_value = |view: View<'a>| {
            let value = evidence.resolved(key, &view);
            (view, value)
        };
        Self {
            live: evidence.finals.live_views(key).into_iter().map(with_value).collect(),
            cut_off: evidence.finals.cut_off_views(key).into_iter().map(with_value).collect(),
        }
    }
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        evidence: &'a Evidence<'a>,
        material: &'a Material<'a>,
        name: &'a SmolStr,
        numbers: &'a [u32],
    ) -> Self {
        let writes = evidence.writes;
        let mut undoing: BTreeMap<(u32, &Value), Vec<u32>> = BTreeMap::new();
        let mut replacing = Vec::new();
        let deletes = writes.has_deletes();
        for &number in numbers {
            let write = writes.get(number);
            if !write.may_have_happened() {
                continue;
            }
            if write.kind.replaces() {
                replacing.push(number);
            } else if deletes {
                for fact in facts(writes, write) {
                    undoing.entry((fact.field, fact.value)).or_default().push(number);
                }
            }
        }
        let prepare = |views: &'a [Resolved<'a>]| {
            views.iter().map(|(view, value)| prepare(evidence, view, value.as_deref())).collect()
        };
        let (live, cut_off) = (prepare(&material.live), prepare(&material.cut_off));
        Self { evidence, name, numbers, live, cut_off, undoing, replacing }
    }

    pub(crate) const fn writes(&self) -> &'a Writes {
        self.evidence.writes
    }

    /// The live replicas that show the effect of a write, and those that do not.
    pub(crate) fn showing(&self, number: u32) -> (Replicas, Replicas) {
        let (mut with, mut without) = (Replicas::default(), Replicas::default());
        for shown in &self.live {
            let side = if shown.shows(self.writes(), number) { &mut with } else { &mut without };
            *side = side.or(shown.view.replicas);
        }
        (with, without)
    }

    /// The writes that assert the opposite of what this fact says.
    pub(crate) fn opponents<'c>(&'c self, fact: Fact<'c>) -> impl Iterator<Item = u32> + 'c {
        let about = self.undoing.get(&(fact.field, fact.value)).map_or(&[][..], Vec::as_slice);
        let opposes = move |&number: &u32| {
            facts(self.writes(), self.writes().get(number)).iter().any(|other| other.contradicts(&fact))
        };
        about.iter().copied().filter(opposes)
    }
}

fn prepare<'a>(evidence: &Evidence<'_>, view: &'a View<'a>, value: Option<&'a Value>) -> Shown<'a> {
    let writes = evidence.writes;
    let direct: Vec<u32> = view.versions.iter().filter_map(|held| writes.find(held.write)).collect();
    let mut carried = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<(u32, Option<u32>)> = direct.iter().map(|&number| (number, None)).collect();
    while let Some((number, through)) = open.pop() {
        if !seen.insert(number) {
            continue;
        }
        if writes.get(number).state == State::Resolution {
            open.extend(writes.parents(number).iter().map(|&parent| (parent, Some(number))));
        } else {
            carried.insert(number, through);
        }
    }
    Shown { view, siblings: evidence.has_siblings(view), lens: Lens::new(value), direct, carried }
}
