//! Shrinking: what remains of a storm is a story that fits on a screen, and nothing in it can be left out.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod storm;

use quarrel_models::{
    fault::{ClockChange, Fault},
    id::{ClientId, ReplicaId, WriteId},
    operation::{KeyedOperation, Operation},
    replica::Replica,
    session::Outcome as Answered,
    sim::{Observer, Outcome, Schedule, Shrunk, Silent, TimedFault, run, shrink},
    strategy::{Arrival, Strategy},
    value::{Key, Value},
};
use std::collections::BTreeMap;
use storm::{lww, stormy};

/// The operations that were acknowledged.
#[derive(Debug, Default)]
struct Acknowledged {
    open: BTreeMap<ClientId, KeyedOperation>,
    writes: Vec<KeyedOperation>,
}

impl Observer for Acknowledged {
    fn invoked(
        &mut self,
        _at_us: u64,
        client: ClientId,
        _replica: ReplicaId,
        operation: &KeyedOperation,
        _write: Option<WriteId>,
    ) {
        self.open.insert(client, operation.clone());
    }

    fn completed(&mut self, _at_us: u64, client: ClientId, _writes: bool, outcome: Answered) {
        let operation = self.open.remove(&client);
        self.writes.extend(operation.filter(|_| matches!(outcome, Answered::Written(_))));
    }
}

fn differ(outcome: &Outcome) -> bool {
    let mut digests = outcome.replicas.iter().flatten().map(Replica::digest);
    let first = digests.next();
    digests.any(|digest| Some(digest) != first)
}

fn diverges(schedule: &Schedule) -> bool {
    run(schedule, &mut Silent).is_ok_and(|outcome| differ(&outcome))
}

/// An acknowledged element that no replica holds, although all replicas agree.
fn loses_an_element(schedule: &Schedule) -> bool {
    let mut told = Acknowledged::default();
    let Ok(outcome) = run(schedule, &mut told) else { return false };
    let held = |key: &Key, element: &Value| {
        outcome.replicas.iter().flatten().flat_map(Replica::cells).any(|(held, cell)| {
            held == key && matches!(cell.value(), Some(Value::Set(elements)) if elements.contains(element))
        })
    };
    let lost = |keyed: &KeyedOperation| match &keyed.operation {
        Operation::Insert(element) => !held(&keyed.key, element),
        _ => false,
    };
    !differ(&outcome) && told.writes.iter().any(lost)
}

/// Whether no single event can be left out: by trying each.
fn is_minimal(schedule: &Schedule, shows: impl Fn(&Schedule) -> bool) -> bool {
    let without = |kind: usize, index: usize| {
        let mut less = schedule.clone();
        if kind == 0 {
            drop(less.faults.remove(index))
        } else {
            drop(less.operations.remove(index))
        }
        shows(&less)
    };
    !(0..schedule.faults.len()).any(|index| without(0, index))
        && !(0..schedule.operations.len()).any(|index| without(1, index))
}

fn storms(strategy: &Strategy, shows: impl Fn(&Schedule) -> bool, count: usize) -> Vec<Schedule> {
    let found = (0..200).map(|seed| stormy(strategy.clone(), seed)).filter(|schedule| shows(schedule));
    let found: Vec<Schedule> = found.take(count).collect();
    assert_eq!(found.len(), count, "too few storms show it");
    found
}

/// Two writes, or one whose client moves while it is in flight: then it is written at two leaders.
#[test]
fn two_events_are_all_it_takes_to_diverge_by_arrival() {
    for schedule in storms(&Strategy::Arrival(Arrival::default()), diverges, 5) {
        let Shrunk { schedule: small, runs, minimal } = shrink(&schedule, diverges, 5000);
        assert!(minimal && diverges(&small) && is_minimal(&small, diverges), "{small:#?}");
        assert_eq!(small.operations.len() + small.faults.len(), 2, "{small:#?}");
        assert!(runs < 1500, "{runs} runs");
    }
}

#[test]
fn what_last_write_wins_loses_fits_on_a_screen() {
    for schedule in storms(&lww(), loses_an_element, 8) {
        let Shrunk { schedule: small, minimal, .. } = shrink(&schedule, loses_an_element, 5000);
        assert!(minimal && loses_an_element(&small) && is_minimal(&small, loses_an_element), "{small:#?}");
        let events = small.operations.len() + small.faults.len();
        assert!(events <= 6, "{small:#?}");
        assert!(small.clients.at.len() <= 3 && small.cluster.followers.is_empty(), "{small:#?}");
    }
}

#[test]
fn shrinking_is_deterministic_and_keeps_to_its_bound() {
    let schedule = storms(&lww(), loses_an_element, 1).remove(0);
    let shrunk = shrink(&schedule, loses_an_element, 5000);
    assert_eq!(shrunk, shrink(&schedule, loses_an_element, 5000));
    for max_runs in [0, 1, 10] {
        let cut_short = shrink(&schedule, loses_an_element, max_runs);
        assert!(cut_short.runs <= max_runs && !cut_short.minimal);
        assert!(loses_an_element(&cut_short.schedule), "whatever the bound, it still shows it");
    }
    // What is small already stays as it is.
    assert_eq!(shrink(&shrunk.schedule, loses_an_element, 5000).schedule, shrunk.schedule);
}

/// The story of a clock that was set back, told in three lines.
#[test]
fn a_story_reads_well() {
    let clocks_only = |seed| {
        let mut schedule = stormy(lww(), seed);
        schedule.faults.retain(|timed| matches!(timed.fault, Fault::Clock(..)));
        schedule
    };
    let wrong = |schedule: &Schedule| {
        let back = |timed: &TimedFault| matches!(timed.fault, Fault::Clock(_, ClockChange::Offset { us } | ClockChange::Step { us }) if us < 0);
        schedule.faults.iter().any(back) && loses_an_element(schedule)
    };
    let schedule = (0..100).map(clocks_only).find(wrong).unwrap();
    let small = shrink(&schedule, wrong, 5000).schedule;
    let mut lines: Vec<(u64, String)> = small
        .operations
        .iter()
        .map(|op| {
            (
                op.at_us,
                format!("{} at {}: {:?}", op.client, small.clients.at[op.client.0 as usize], op.operation),
            )
        })
        .chain(small.faults.iter().map(|timed| (timed.at_us, timed.fault.to_string())))
        .collect();
    lines.sort();
    insta::assert_debug_snapshot!(lines);
}
