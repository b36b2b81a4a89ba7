//! What every generator promises.

use super::{Answer, Generator};
use crate::scenario::{Scenario, parse, shipped};
use quarrel_models::{
    id::ClientId,
    operation::{KeyedOperation, Operation},
    value::{Key, Value},
};
use std::collections::{BTreeMap, BTreeSet};

const MARKS: &[&str] = crate::scenario::TEST_MARKS;

fn scenario(workload: &str) -> Scenario {
    let text = format!("name = \"test\"\n[strategy.lww]\n[clients]\ncount = 4\n{workload}\n");
    parse("test.toml", &text, MARKS).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs all clients in turn against one perfect copy of the data. Every third answer is lost.
fn run(scenario: &Scenario, seed: u64, rounds: usize) -> Vec<(ClientId, KeyedOperation)> {
    let clients: Vec<ClientId> = scenario.clients.ids().collect();
    let mut generators: Vec<Generator> =
        clients.iter().map(|&client| Generator::new(scenario, client, seed)).collect();
    let mut records: BTreeMap<Key, Value> = BTreeMap::new();
    let mut asked = Vec::new();
    for round in 0..rounds {
        for (client, generator) in clients.iter().zip(&mut generators) {
            let next = generator.next();
            let before = records.get(&next.key).cloned();
            let outcome = next.operation.execute(before.as_ref());
            let answer = match &outcome {
                Ok(_) if next.operation == Operation::Read => Answer::Read(before.as_ref()),
                Ok(_) if round % 3 == 2 => Answer::Unknown,
                Ok(_) => Answer::Done,
                Err(_) => Answer::Refused,
            };
            generator.observe(&next, answer);
            match outcome {
                Ok(Some(value)) => drop(records.insert(next.key.clone(), value)),
                Ok(None) => drop(records.remove(&next.key)),
                Err(_) => {}
            }
            asked.push((*client, next));
        }
    }
    asked
}

/// What the operation brings into the world, if it is a value that must be new.
fn written(operation: &Operation) -> Option<&Value> {
    match operation {
        Operation::Put(value) | Operation::Insert(value) | Operation::Claim { value, .. } => Some(value),
        _ => None,
    }
}

#[test]
fn no_value_is_ever_written_twice() {
    for workload in [
        "[workload.register]\ndelete_share = 0.2",
        "[workload.set]\ndelete_share = 0.2",
        "[workload.calendar]",
    ] {
        let asked = run(&scenario(workload), 1, 500);
        let values: Vec<&Value> = asked.iter().filter_map(|(_, asked)| written(&asked.operation)).collect();
        let unique: BTreeSet<&&Value> = values.iter().collect();
        assert_eq!(unique.len(), values.len(), "{workload}");
        assert!(values.len() > 500, "{workload}: only {} values", values.len());
    }
}

#[test]
fn the_same_seed_asks_the_same_and_another_one_does_not() {
    for workload in ["register", "set", "counter", "calendar"] {
        let scenario = scenario(&format!("[workload.{workload}]"));
        assert_eq!(run(&scenario, 7, 100), run(&scenario, 7, 100), "{workload}");
        assert_ne!(run(&scenario, 7, 100), run(&scenario, 8, 100), "{workload}");
    }
}

#[test]
fn with_a_single_writer_no_record_is_shared() {
    for workload in ["register", "set", "counter"] {
        let scenario = scenario(&format!("[workload.{workload}]\nsingle_writer = true"));
        let mut owners: BTreeMap<Key, ClientId> = BTreeMap::new();
        for (client, asked) in run(&scenario, 3, 300) {
            let owner = owners.entry(asked.key.clone()).or_insert(client);
            assert_eq!(*owner, client, "{workload}: {}", asked.key);
        }
    }
}

#[test]
fn reads_writes_and_deletes_come_in_their_shares() {
    let scenario = scenario("[workload.register]\nread_share = 0.4\ndelete_share = 0.25");
    let asked = run(&scenario, 5, 2500);
    let count = |is: fn(&Operation) -> bool| asked.iter().filter(|(_, asked)| is(&asked.operation)).count();
    let reads = count(|operation| matches!(operation, Operation::Read));
    let deletes = count(|operation| matches!(operation, Operation::Delete));
    assert!((3_800..4_200).contains(&reads), "{reads}");
    assert!((1_350..1_650).contains(&deletes), "{deletes}");
}

#[test]
fn a_set_is_given_up_before_it_grows_large() {
    for single_writer in [false, true] {
        let scenario = scenario(&format!("[workload.set]\nkeys = 8\nsingle_writer = {single_writer}"));
        let mut insertions: BTreeMap<Key, usize> = BTreeMap::new();
        for (_, asked) in run(&scenario, 9, 2000) {
            if matches!(asked.operation, Operation::Insert(_)) {
                *insertions.entry(asked.key).or_default() += 1;
            }
        }
        assert!(insertions.len() > 100, "{}", insertions.len());
        assert!(insertions.values().all(|&count| count < 96), "{insertions:?}");
        let mean = insertions.values().sum::<usize>() / insertions.len();
        assert!((24..40).contains(&mean), "{mean}");
    }
}

#[test]
fn a_client_removes_only_what_it_knows_and_only_once() {
    let asked = run(&scenario("[workload.set]\ndelete_share = 0.5"), 2, 500);
    let mut added = BTreeSet::new();
    let mut removed = BTreeSet::new();
    for (client, asked) in &asked {
        match &asked.operation {
            Operation::Insert(element) => drop(added.insert(element)),
            Operation::Remove(element) => {
                assert!(added.contains(element), "{element} was never added");
                assert!(removed.insert((client, element)), "{client} removes {element} twice");
            }
            _ => {}
        }
    }
    assert!(removed.len() > 100, "{}", removed.len());
}

#[test]
fn meetings_are_booked_moved_and_cancelled_by_their_owners() {
    let asked = run(&scenario("[workload.calendar]\nread_share = 0.3\ncancel_share = 0.3"), 4, 500);
    let (mut moves, mut cancels) = (0, 0);
    for (client, asked) in &asked {
        if let Operation::Move { value, .. } | Operation::Release { value, .. } = &asked.operation {
            let Value::Text(name) = value else { panic!("{value} is no meeting") };
            assert!(name.starts_with(&format!("m{}.", client.0)), "{client} has no say over {name}");
        }
        moves += usize::from(matches!(asked.operation, Operation::Move { .. }));
        cancels += usize::from(matches!(asked.operation, Operation::Release { .. }));
    }
    assert!(moves > 50 && cancels > 50, "{moves} moves, {cancels} cancels");
}

#[test]
fn a_client_does_not_book_what_it_saw_taken() {
    let scenario = scenario(
        "[workload.calendar]\nrooms = 1\nslots = 5\nread_share = 0\nmove_share = 0\ncancel_share = 0",
    );
    let mut generator = Generator::new(&scenario, ClientId(0), 1);
    let slots = ["d1-00h", "d1-01h", "d1-02h", "d1-04h"];
    let seen = Value::Map(slots.into_iter().map(|slot| (slot.into(), "m9.1".into())).collect());
    let read = KeyedOperation { key: "room0".into(), operation: Operation::Read };
    generator.observe(&read, Answer::Read(Some(&seen)));
    let next = generator.next();
    assert!(matches!(&next.operation, Operation::Claim { field, .. } if field == "d1-03h"), "{next:?}");
    generator.observe(&next, Answer::Refused);
    assert_eq!(generator.next(), read, "a full room is looked at again");
}

#[test]
fn the_workloads_of_all_shipped_scenarios_write() {
    for (name, text) in shipped() {
        let scenario = parse(name, text, MARKS).unwrap_or_else(|error| panic!("{error}"));
        let asked = run(&scenario, 1, 50);
        let writes = asked.iter().filter(|(_, asked)| asked.operation.is_write()).count();
        assert!(writes > asked.len() / 4, "{name}: {writes} writes of {}", asked.len());
    }
}
