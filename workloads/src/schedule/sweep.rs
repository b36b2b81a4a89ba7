//! Overlapping spells of one thing, made consistent: a sweep over time that knows what holds at every instant.

use super::Cause;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What a spell does to a thing.
pub(super) trait State: Clone + Eq {
    /// Of several spells, that of the greatest rank holds; among equals, the one that began last.
    fn rank(&self) -> u8;
}

/// A state of a thing for a time.
#[derive(Debug, Clone)]
pub(super) struct Spell<T, S> {
    pub(super) thing: T,
    pub(super) from: Duration,
    /// The end; absent means for ever.
    pub(super) to: Option<Duration>,
    pub(super) state: S,
    pub(super) cause: Cause,
}

/// The state of a thing changes. `None` is "as it should be".
#[derive(Debug, Clone)]
pub(super) struct Change<T, S> {
    pub(super) at: Duration,
    pub(super) thing: T,
    pub(super) before: Option<(S, Cause)>,
    pub(super) after: Option<(S, Cause)>,
}

impl<T, S> Change<T, S> {
    /// The table that is to blame: that of the new state, or of the one that ended.
    pub(super) fn cause(&self) -> Cause {
        let (_, cause) = self.after.as_ref().or(self.before.as_ref()).expect("something changed");
        *cause
    }
}

/// All changes, in order of time and, at one instant, of things. Spells that change nothing leave no trace.
pub(super) fn sweep<T: Copy + Ord, S: State>(spells: &[Spell<T, S>]) -> Vec<Change<T, S>> {
    let mut edges: BTreeMap<Duration, Vec<usize>> = BTreeMap::new();
    for (index, spell) in
        spells.iter().enumerate().filter(|(_, spell)| spell.to.is_none_or(|to| to > spell.from))
    {
        edges.entry(spell.from).or_default().push(index);
        if let Some(to) = spell.to {
            edges.entry(to).or_default().push(index);
        }
    }
    let mut active: BTreeMap<T, BTreeSet<(u8, Duration, usize)>> = BTreeMap::new();
    let mut holding: BTreeMap<T, (S, Cause)> = BTreeMap::new();
    let mut changes = Vec::new();
    for (at, touched) in edges {
        let mut things = BTreeSet::new();
        for index in touched {
            let spell = &spells[index];
            let entry = (spell.state.rank(), spell.from, index);
            let on_thing = active.entry(spell.thing).or_default();
            if spell.from == at {
                on_thing.insert(entry);
            } else {
                on_thing.remove(&entry);
            }
            things.insert(spell.thing);
        }
        for thing in things {
            let winner = active.get(&thing).and_then(BTreeSet::last).map(|&(_, _, index)| &spells[index]);
            let after = winner.map(|spell| (spell.state.clone(), spell.cause));
            let before = holding.get(&thing).cloned();
            if before.as_ref().map(|(state, _)| state) == after.as_ref().map(|(state, _)| state) {
                continue;
            }
            match &after {
                Some(state) => holding.insert(thing, state.clone()),
                None => holding.remove(&thing),
            };
            changes.push(Change { at, thing, before, after });
        }
    }
    changes
}
