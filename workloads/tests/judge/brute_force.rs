//! A second opinion on the ledger: the definitions, applied word by word to every pair of writes.

use crate::script::{LWW, header, judge_events};
use proptest::prelude::*;
use quarrel_models::{
    clock::Stamp,
    fate::{Fate, Knowledge, Relation, fate_of_loser},
    id::{ClientId, Dot, ReplicaId, WriteId},
    operation::Operation,
    version::VersionVector,
};
use quarrel_workloads::history::{Event, FinalVersion, OperationResult, Quiescence};
use std::collections::BTreeMap;

const LEADERS: u8 = 3;

/// One drawn operation.
#[derive(Debug, Clone)]
struct Drawn {
    client: u32,
    leader: u8,
    key: u8,
    kind: u8,
    gap: u64,
    lasts: u64,
    answered: bool,
    knew: [u8; 3],
    reads: prop::sample::Index,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let who = (0..3_u32, 0..LEADERS, 0..2_u8, 0..10_u8);
    let when = (1..30_u64, 1..30_u64, prop::bool::weighted(0.85));
    (who, when, any::<[u8; 3]>(), any::<prop::sample::Index>()).prop_map(|(who, when, knew, reads)| Drawn {
        client: who.0,
        leader: who.1,
        key: who.2,
        kind: who.3,
        gap: when.0,
        lasts: when.1,
        answered: when.2,
        knew,
        reads,
    })
}

/// A write, as the naive ledger sees it.
#[derive(Debug, Clone)]
struct Naive {
    id: WriteId,
    key: u8,
    delete: bool,
    call: u64,
    ack: Option<u64>,
    dot: Dot,
    knew: VersionVector,
    /// What its session had read before.
    read: Vec<WriteId>,
}

#[derive(Debug, Default)]
struct Run {
    events: Vec<(u64, Event)>,
    writes: Vec<Naive>,
}

fn key_name(key: u8) -> String {
    format!("k{key}")
}

/// Lays the operations out in time, each client's one after another.
fn lay_out(operations: &[Drawn]) -> Run {
    let mut run = Run::default();
    let mut free: BTreeMap<u32, u64> = BTreeMap::new();
    let mut sequences: BTreeMap<u32, u32> = BTreeMap::new();
    let mut positions = [0_u32; 3];
    let mut read: BTreeMap<u32, Vec<WriteId>> = BTreeMap::new();
    for drawn in operations {
        let client = ClientId(drawn.client);
        let call = free.get(&drawn.client).copied().unwrap_or(0) + drawn.gap;
        let end = call + drawn.lasts;
        free.insert(drawn.client, end);
        let (at, key) = (ReplicaId(drawn.leader), key_name(drawn.key).into());
        let known: Vec<WriteId> =
            run.writes.iter().filter(|w| w.key == drawn.key && w.call < end).map(|w| w.id).collect();
        let mut result = OperationResult::default();
        let (op, write) = if drawn.kind < 3 {
            if !known.is_empty() && drawn.answered {
                let seen = *drawn.reads.get(&known);
                result.versions.push(seen);
                read.entry(drawn.client).or_default().push(seen);
            }
            (Operation::Read, None)
        } else {
            let sequence = sequences.entry(drawn.client).or_default();
            *sequence += 1;
            let id = WriteId { client, sequence: *sequence };
            let mut knew = VersionVector::new();
            for (leader, (&most, &share)) in (0..).zip(positions.iter().zip(&drawn.knew)) {
                knew.advance(ReplicaId(leader), u32::from(share) % (most + 1));
            }
            positions[usize::from(drawn.leader)] += 1;
            let dot = Dot { origin: at, position: positions[usize::from(drawn.leader)] };
            knew.advance(dot.origin, dot.position);
            result.dot = Some(dot);
            result.stamp = Some(Stamp { time_us: 1, logical: 0 });
            result.knew = Some(knew.clone());
            let delete = drawn.kind == 3;
            run.writes.push(Naive {
                id,
                key: drawn.key,
                delete,
                call,
                ack: drawn.answered.then_some(end),
                dot,
                knew: if drawn.answered { knew } else { VersionVector::new() },
                read: read.get(&drawn.client).cloned().unwrap_or_default(),
            });
            (
                if delete { Operation::Delete } else { Operation::Put(id.to_string().as_str().into()) },
                Some(id),
            )
        };
        run.events.push((call, Event::Invoke { t: call, client, at, key, op, write }));
        let completion = if drawn.answered {
            Event::Ok { t: end, client, result }
        } else {
            Event::Info { t: end, client, error: "timeout".to_owned() }
        };
        run.events.push((end, completion));
    }
    run.events.sort_by_key(|(t, _)| *t);
    run
}

/// The final version of a key at each leader: the one drawn for all, or at one of them another one.
fn finals(run: &Run, key: u8, picks: &[prop::sample::Index; 2], split: bool) -> [Option<Naive>; 3] {
    let held: Vec<&Naive> = run.writes.iter().filter(|write| write.key == key).collect();
    let mut options: Vec<Option<Naive>> = held.into_iter().cloned().map(Some).collect();
    options.push(None);
    let all = picks[0].get(&options).clone();
    let other = if split { picks[1].get(&options).clone() } else { all.clone() };
    [all.clone(), other, all]
}

fn worse(fate: Fate) -> usize {
    Fate::ALL.iter().position(|&other| other == fate).unwrap_or(0)
}

fn naive_relation(lost: &Naive, won: &Naive) -> Fate {
    let session = |later: &Naive, earlier: &Naive| {
        later.id.client == earlier.id.client && earlier.id.sequence < later.id.sequence
            || later.read.contains(&earlier.id)
    };
    let leader = |later: &Naive, earlier: &Naive| later.knew.covers(earlier.dot);
    let knowledge = |of: &Naive, other: &Naive| {
        if leader(of, other) {
            Knowledge::Leader
        } else if session(of, other) {
            Knowledge::Session
        } else {
            Knowledge::None
        }
    };
    fate_of_loser(Relation {
        loser_knew: knowledge(lost, won),
        winner_knew: knowledge(won, lost),
        winner_first: won.ack.is_some_and(|ack| ack < lost.call),
        loser_first: lost.ack.is_some_and(|ack| ack < won.call),
        replaces: true,
        keeps: false,
    })
}

fn naive_fate(run: &Run, write: &Naive, held: &[Option<Naive>; 3]) -> Fate {
    let shows = |held: &Option<Naive>| match held {
        Some(held) => held.id == write.id || held.delete && write.delete,
        None => write.delete,
    };
    let by_itself = |held: &Option<Naive>| held.as_ref().is_none_or(|held| held.id == write.id);
    let count = held.iter().filter(|held| shows(held)).count();
    match count {
        3 if held.iter().all(by_itself) => return Fate::Visible,
        3 => return Fate::Merged,
        1 | 2 => return Fate::Partial,
        _ => {}
    }
    let against = |held: &Option<Naive>| match held {
        Some(won) => naive_relation(write, won),
        None => {
            let deletes = run.writes.iter().filter(|other| other.key == write.key && other.delete);
            let mildest = deletes
                .map(|won| {
                    // Nobody told where an unanswered delete went.
                    let untold =
                        Naive { dot: Dot { origin: won.dot.origin, position: u32::MAX }, ..won.clone() };
                    naive_relation(write, if won.ack.is_some() { won } else { &untold })
                })
                .min_by_key(|&fate| worse(fate));
            mildest.unwrap_or(Fate::Vanished)
        }
    };
    held.iter().map(against).max_by_key(|&fate| worse(fate)).unwrap_or(Fate::Vanished)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn the_ledger_agrees_with_the_definitions_word_by_word(
        operations in prop::collection::vec(drawn(), 1..25),
        picks in any::<[[prop::sample::Index; 2]; 2]>(),
        split in prop::bool::weighted(0.2),
    ) {
        let run = lay_out(&operations);
        let held: [[Option<Naive>; 3]; 2] = [finals(&run, 0, &picks[0], split), finals(&run, 1, &picks[1], split)];
        let mut events: Vec<Event> = run.events.iter().map(|(_, event)| event.clone()).collect();
        for replica in 0..LEADERS {
            let mut records = 0;
            for key in 0..2_u8 {
                let Some(write) = &held[usize::from(key)][usize::from(replica)] else { continue };
                let value = (!write.delete).then(|| write.id.to_string().as_str().into());
                records += 1;
                let stamp = Stamp { time_us: 1, logical: 0 };
                let version = FinalVersion { write: write.id, dot: write.dot, stamp, value: value.clone() };
                events.push(Event::Final {
                    replica: ReplicaId(replica),
                    key: key_name(key).into(),
                    value,
                    versions: vec![version],
                });
            }
            let applied = VersionVector::new();
            events.push(Event::FinalEnd { replica: ReplicaId(replica), records, applied });
        }
        events.push(Event::End { t: 1 << 40, quiescence: Quiescence::Positions { after_ns: 1 } });
        let (_, entries) = judge_events(&header(LWW), &events);
        let acknowledged: Vec<&Naive> = run.writes.iter().filter(|write| write.ack.is_some()).collect();
        prop_assert_eq!(entries.len(), acknowledged.len());
        for write in acknowledged {
            let entry = entries.iter().find(|entry| entry.write == write.id).expect("every write has an entry");
            let expected = naive_fate(&run, write, &held[usize::from(write.key)]);
            prop_assert_eq!(entry.fate, expected, "{:?}", entry);
        }
    }
}
