//! What is left to ask of nodes that tell neither versions nor positions: what they acknowledge, what they show, and
//! when that comes to rest.

use super::Progress;
use quarrel_models::{
    clock::Stamp,
    id::{Dot, ReplicaId},
    message::{Parents, ReadView, Written},
    value::{Key, Value},
    version::VersionVector,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Nodes that show different states, and have not changed for so long, are at rest.
const SETTLED: Duration = Duration::from_secs(2);

/// What one node shows: its records.
pub(super) type State = BTreeMap<Key, Value>;

/// The states that were seen last.
#[derive(Debug)]
pub(super) struct Settled(Mutex<Seen>);

/// The states, how often each has changed, and since when nothing has.
#[derive(Debug)]
struct Seen {
    states: BTreeMap<ReplicaId, State>,
    changes: BTreeMap<ReplicaId, u64>,
    since: Instant,
}

impl Settled {
    pub(super) fn new() -> Self {
        let seen = Seen { states: BTreeMap::new(), changes: BTreeMap::new(), since: Instant::now() };
        Self(Mutex::new(seen))
    }

    /// Compares with what was seen before: at rest all show the same, or nothing has changed for a while.
    pub(super) fn look(&self, states: BTreeMap<ReplicaId, State>) -> Progress {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).look(states)
    }
}

impl Seen {
    fn look(&mut self, states: BTreeMap<ReplicaId, State>) -> Progress {
        for (&replica, state) in &states {
            if self.states.get(&replica) != Some(state) {
                *self.changes.entry(replica).or_default() += 1;
                self.since = Instant::now();
            }
        }
        let mut different = states.iter().zip(states.iter().skip(1)).filter(|(one, other)| one.1 != other.1);
        let pending =
            different.next().filter(|_| self.since.elapsed() < SETTLED).map(|((one, _), (other, _))| {
                format!("{one} and {other} show different states, which still change")
            });
        self.states = states;
        Progress { changes: self.changes.clone(), pending, ..Progress::default() }
    }
}

/// An acknowledgement that says nothing but that. The carrier's metadata are not recorded.
pub(super) const fn done(at: ReplicaId) -> Written {
    Written {
        dot: Dot { origin: at, position: 0 },
        stamp: Stamp { time_us: 0, logical: 0 },
        knew: VersionVector::new(),
        on: Parents::new_const(),
        duplicate: false,
    }
}

/// What a black box shows of a record.
pub(super) const fn shown(value: Option<Value>) -> ReadView {
    ReadView {
        value,
        versions: Vec::new(),
        resolved: true,
        context: VersionVector::new(),
        applied: VersionVector::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_at_rest_when_they_agree_or_nothing_changes_any_more() {
        let [a, b] = [ReplicaId(0), ReplicaId(1)];
        let state = |number: i64| State::from([(Key::from("n0"), Value::Int(number))]);
        let mut seen = Seen { states: BTreeMap::new(), changes: BTreeMap::new(), since: Instant::now() };
        assert_eq!(seen.look(BTreeMap::from([(a, state(1)), (b, state(1))])).pending, None);
        let moving = seen.look(BTreeMap::from([(a, state(2)), (b, state(1))]));
        assert!(moving.pending.unwrap().contains("A and B"), "they may still agree");
        assert_eq!(moving.changes, BTreeMap::from([(a, 2), (b, 1)]));
        seen.since = Instant::now().checked_sub(SETTLED).unwrap();
        assert_eq!(
            seen.look(BTreeMap::from([(a, state(2)), (b, state(1))])).pending,
            None,
            "they never will"
        );
    }
}
