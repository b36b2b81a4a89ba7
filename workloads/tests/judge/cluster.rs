//! Sets in a small cluster of last write wins, under any stamps and any order of delivery: the ledger explains every
//! loss, and reports none that is none.

use crate::script::{SET, UNION, header, judge_events};
use proptest::prelude::*;
use quarrel_models::{
    clock::Stamp,
    fate::Fate,
    id::{ClientId, Dot, ReplicaId, WriteId},
    operation::Operation,
    value::Value,
    version::VersionVector,
};
use quarrel_workloads::history::{Event, FinalVersion, OperationResult, Quiescence};

/// A version of the one record.
#[derive(Debug, Clone)]
struct Version {
    write: WriteId,
    dot: Dot,
    stamp: Stamp,
    value: Value,
}

#[derive(Debug, Default)]
struct Leader {
    held: Option<Version>,
    applied: VersionVector,
}

impl Leader {
    fn apply(&mut self, version: &Version) {
        self.applied.advance(version.dot.origin, version.dot.position);
        if self.held.as_ref().is_none_or(|held| (held.stamp, held.dot) < (version.stamp, version.dot)) {
            self.held = Some(version.clone());
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert { leader: usize, stamp: i64 },
    Deliver { from: usize, to: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, 0..40_i64).prop_map(|(leader, stamp)| Step::Insert { leader, stamp }),
        (0..3_usize, 0..3_usize).prop_map(|(from, to)| Step::Deliver { from, to }),
    ]
}

#[derive(Debug, Default)]
struct Cluster {
    leaders: [Leader; 3],
    logs: [Vec<Version>; 3],
    events: Vec<Event>,
    clock: u64,
}

impl Cluster {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Insert { leader, stamp } => self.insert(leader, stamp),
            Step::Deliver { from, to } => self.deliver(from, to),
        }
    }

    /// One client a leader, so that sessions explain nothing.
    fn insert(&mut self, index: usize, stamp: i64) {
        let (at, client) =
            (ReplicaId::from_index(index), ClientId(u32::from(ReplicaId::from_index(index).0)));
        let position = u32::try_from(self.logs[index].len()).expect("a short log") + 1;
        let write = WriteId { client, sequence: position };
        let op = Operation::Insert(write.to_string().as_str().into());
        let leader = &mut self.leaders[index];
        let value =
            op.execute(leader.held.as_ref().map(|held| &held.value)).expect("a set").expect("a value");
        let stamp = Stamp { time_us: stamp, logical: 0 };
        let version = Version { write, dot: Dot { origin: at, position }, stamp, value };
        let versions = leader.held.iter().map(|held| held.write).collect();
        leader.apply(&version);
        let result = OperationResult {
            dot: Some(version.dot),
            stamp: Some(stamp),
            knew: Some(leader.applied.clone()),
            versions,
            ..OperationResult::default()
        };
        self.logs[index].push(version);
        let t = self.clock;
        self.clock += 10;
        self.events.push(Event::Invoke { t, client, at, key: "k".into(), op, write: Some(write) });
        self.events.push(Event::Ok { t: t + 5, client, result });
    }

    /// The next write that `to` lacks of the log of `from`.
    fn deliver(&mut self, from: usize, to: usize) {
        let next = self.leaders[to].applied.get(ReplicaId::from_index(from)) as usize;
        if let Some(version) = self.logs[from].get(next) {
            self.leaders[to].apply(version);
        }
    }

    fn finish(mut self) -> Vec<Event> {
        for (from, to) in (0..9).map(|pair| (pair / 3, pair % 3)) {
            for _ in 0..self.logs[from].len() {
                self.deliver(from, to);
            }
        }
        for (replica, leader) in (0..).map(ReplicaId).zip(&self.leaders) {
            let records = u64::from(leader.held.is_some());
            if let Some(Version { write, dot, stamp, value }) = leader.held.clone() {
                let value = Some(value);
                let versions = vec![FinalVersion { write, dot, stamp, value: value.clone() }];
                self.events.push(Event::Final { replica, key: "k".into(), value, versions });
            }
            self.events.push(Event::FinalEnd { replica, records, applied: leader.applied.clone() });
        }
        self.events.push(Event::End { t: 1 << 40, quiescence: Quiescence::Positions { after_ns: 1 } });
        self.events
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_element_that_is_missing_was_lost_to_a_write_that_explains_it(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut cluster = Cluster::default();
        steps.iter().for_each(|step| cluster.step(step));
        let winner = cluster.leaders.iter().filter_map(|leader| leader.held.as_ref());
        prop_assume!(winner.count() > 0);
        let events = cluster.finish();
        let finals = events.iter().find_map(|event| match event {
            Event::Final { value: Some(Value::Set(elements)), .. } => Some(elements.clone()),
            _ => None,
        });
        let there = finals.expect("somebody wrote");
        let (judgement, entries) = judge_events(&header(SET), &events);
        for entry in &entries {
            let present = there.contains(&entry.write.to_string().as_str().into());
            prop_assert_eq!(present, !entry.fate.is_loss(), "{:?}", entry);
            // Nothing was forgotten in this cluster, and nothing was removed.
            prop_assert!(!matches!(entry.fate, Fate::Vanished | Fate::Superseded | Fate::Partial), "{}", entry.why);
            prop_assert_eq!(entry.winner.is_some(), entry.fate.is_loss());
            let known_to = entry.winner.as_ref().and_then(|winner| winner.known_to);
            let inverted = entry.fate == Fate::CausalInversion;
            prop_assert_eq!(inverted, matches!(known_to, Some("leader" | "ancestor")), "{:?}", known_to);
        }
        let lost = entries.iter().filter(|entry| entry.fate.is_loss()).count();
        let counted: u64 = judgement.anomalies.iter().map(|anomaly| anomaly.count).sum();
        prop_assert_eq!(counted, lost as u64);
        // Had the strategy promised to keep both sides of a conflict, no winner would be an excuse.
        let (_, kept) = judge_events(&header(UNION), &events);
        for (entry, kept) in entries.iter().zip(&kept) {
            prop_assert_eq!(kept.fate, if entry.fate.is_loss() { Fate::Vanished } else { entry.fate });
        }
    }
}
