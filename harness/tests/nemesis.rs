//! Every fault reaches the processes: short runs on real nodes, in whose histories and apply logs each fault has left
//! its trace. What a fault does to verdicts is told in `live.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use quarrel::runner::{Interrupt, Live, RunRequest, run};
use quarrel_models::{
    fault::{ClockChange, Fault},
    id::{ClientId, Dot, ReplicaId, WriteId},
};
use quarrel_workloads::{
    history::{Event, OperationResult, Quiescence, Reader},
    mark::Mark,
    scenario::parse,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::BufReader,
    sync::Arc,
};
use tempfile::TempDir;

const A: ReplicaId = ReplicaId(0);
const B: ReplicaId = ReplicaId(1);
const C: ReplicaId = ReplicaId(2);
const D: ReplicaId = ReplicaId(3);
/// What is under way when a fault begins or ends belongs to neither side. On a busy machine that takes its time.
const BEGIN_NS: u64 = 120_000_000;
const END_NS: u64 = 40_000_000;
const SECOND_US: i64 = 1_000_000;

/// A run that has ended: its events, and where its files are.
struct Ran {
    folder: TempDir,
    events: Vec<Event>,
}

/// An acknowledged operation.
struct Acknowledged<'a> {
    called: u64,
    returned: u64,
    client: ClientId,
    write: Option<WriteId>,
    result: &'a OperationResult,
}

/// A line of an apply log.
struct Applied {
    /// Nanoseconds since the start of the run.
    t: u64,
    write: String,
    dot: Dot,
}

/// Runs last write wins on a register with this nemesis and whatever else the text says.
fn ran(text: &str) -> Ran {
    let text = format!(
        "name = 'nemesis'\nworkload.register.keys = 12\n\
         phases = {{ warm_up = '100ms', storm = '1s', recovery = '100ms' }}\n{text}"
    );
    let scenario =
        parse("nemesis", &text, &Mark::ALL.map(Mark::name)).unwrap_or_else(|error| panic!("{error}"));
    let folder = tempfile::tempdir().unwrap();
    run(&RunRequest {
        live: Arc::new(Live::new(&scenario.name)),
        scenario,
        seed: 11,
        folder: folder.path().to_owned(),
        program: env!("CARGO_BIN_EXE_quarrel").into(),
        interrupt: Interrupt::new(),
    })
    .unwrap();
    let file = File::open(folder.path().join("history.jsonl")).unwrap();
    let events: Vec<Event> = Reader::new(BufReader::new(file)).unwrap().map(Result::unwrap).collect();
    let rested = matches!(events.last(), Some(Event::End { quiescence: Quiescence::Positions { .. }, .. }));
    assert!(rested, "replication did not come to rest: {:?}", events.last());
    Ran { folder, events }
}

impl Ran {
    /// When the first fault of this kind struck, and what it did.
    #[track_caller]
    fn first(&self, what: &str, is_it: impl Fn(&Fault) -> bool) -> (u64, &str) {
        let found = self.events.iter().find_map(|event| match event {
            Event::Nemesis { t, fault, effect } if is_it(fault) => Some((*t, effect.as_str())),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no {what}"))
    }

    /// The time from one fault to another, without what was under way at its ends.
    #[track_caller]
    fn between(&self, begin: impl Fn(&Fault) -> bool, end: impl Fn(&Fault) -> bool) -> (u64, u64) {
        let window =
            (self.first("begin", begin).0 + BEGIN_NS, self.first("end", end).0.saturating_sub(END_NS));
        assert!(window.0 + END_NS < window.1, "the fault was over at once: {window:?}");
        window
    }

    /// All acknowledged operations, in the order of their answers.
    fn acknowledged(&self) -> Vec<Acknowledged<'_>> {
        let mut open = BTreeMap::new();
        let mut done = Vec::new();
        for event in &self.events {
            match event {
                Event::Invoke { t, client, write, .. } => drop(open.insert(*client, (*t, *write))),
                Event::Ok { t, client, result } => {
                    let (called, write) = open.remove(client).unwrap();
                    done.push(Acknowledged { called, returned: *t, client: *client, write, result });
                }
                _ => {}
            }
        }
        done
    }

    /// The stamps of the writes that this leader took within a window.
    fn stamps(&self, leader: ReplicaId, (from, to): (u64, u64)) -> Vec<(u64, i64)> {
        let within = |op: &Acknowledged<'_>| op.called >= from && op.returned <= to;
        let by = |op: Acknowledged<'_>| {
            let dot = op.result.dot.filter(|dot| dot.origin == leader)?;
            (!op.result.duplicate && dot.position > 0).then_some((op.returned, op.result.stamp?.time_us))
        };
        self.acknowledged().into_iter().filter(within).filter_map(by).collect()
    }

    /// What the replica's apply log says that it installed, from clients or from peers.
    fn apply_log(&self, replica: ReplicaId, site: &str) -> Vec<Applied> {
        let text = fs::read_to_string(self.folder.path().join(format!("apply/{replica}.jsonl"))).unwrap();
        // The logs' monotonic clock and the history's differ by a constant: an answer follows its apply closely.
        let answers: BTreeMap<Dot, u64> =
            self.acknowledged().iter().filter_map(|op| Some((op.result.dot?, op.returned))).collect();
        let lines: Vec<(i128, Value)> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|line| line["event"] == "apply")
            .map(|line| (i128::from(line["monotonic_us"].as_i64().unwrap()) * 1000, line))
            .collect();
        let dot = |line: &Value| line["dot"].as_str().unwrap().parse::<Dot>().unwrap();
        let shift = lines
            .iter()
            .filter(|(_, line)| line["site"] == "local")
            .filter_map(|(at, line)| Some(at - i128::from(*answers.get(&dot(line))?)))
            .max()
            .unwrap();
        lines
            .iter()
            .filter(|(_, line)| line["site"] == site)
            .map(|(at, line)| Applied {
                t: u64::try_from(at - shift).unwrap_or(0),
                write: line["write"].as_str().unwrap().to_owned(),
                dot: dot(line),
            })
            .collect()
    }

    /// How many writes of `origin` came to `replica` within a window.
    fn arrived(&self, origin: ReplicaId, replica: ReplicaId, (from, to): (u64, u64)) -> usize {
        let log = self.apply_log(replica, "remote");
        log.iter()
            .filter(|applied| applied.dot.origin == origin && from <= applied.t && applied.t <= to)
            .count()
    }
}

fn is_clock(replica: ReplicaId) -> impl Fn(&Fault) -> bool {
    move |fault| matches!(fault, Fault::Clock(at, change) if *at == replica && *change != ClockChange::Reset)
}

fn is_reset(replica: ReplicaId) -> impl Fn(&Fault) -> bool {
    move |fault| *fault == Fault::Clock(replica, ClockChange::Reset)
}

/// Writes that a client carried to a second leader, and that both took.
fn taken_twice(ran: &Ran, leaders: &[ReplicaId]) -> usize {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let logs = leaders.iter().flat_map(|&leader| ran.apply_log(leader, "local"));
    logs.filter(|applied| !taken.insert(applied.write.clone())).count()
}

#[test]
fn a_client_that_moves_in_flight_leaves_its_request_with_the_old_leader() {
    // Two leaders take a write if the copy that was left behind arrives before the other is replicated.
    let ran = ran("clients = { count = 6, think = '20ms' }\n\
         cluster = { link = { latency_us = 100000 }, durability = 'os' }\n\
         strategy.lww = {}\n\
         nemesis.relocate = { in_flight = true, every = '30ms' }");
    let moves = ran
        .events
        .iter()
        .filter(|event| matches!(event, Event::Nemesis { effect, .. } if effect.contains("in flight")))
        .count();
    let twice = taken_twice(&ran, &[A, B, C]);
    assert!(moves > 15, "only {moves} moves in flight");
    assert!(3 * twice > moves, "only {twice} of {moves} requests had left");
}

#[test]
fn clocks_stand_still_stand_beside_jump_gain_and_strobe() {
    let ran = ran("cluster = { leaders = 4, durability = 'os' }\n\
         clients = { count = 8, think = '2ms' }\n\
         workload.register.read_share = 0.1\n\
         strategy.lww = {}\n\
         [[nemesis.clock]]\nreplica = 'A'\nhow = 'freeze'\nat = ['200ms']\nfor = '500ms'\n\
         [[nemesis.clock]]\nreplica = 'B'\nhow = 'step'\nby = '60m'\ndirection = 'behind'\nat = ['200ms']\nfor = '500ms'\n\
         [[nemesis.clock]]\nreplica = 'C'\nhow = 'drift'\nppm = 500000\ndirection = 'ahead'\nat = ['200ms']\nfor = '500ms'\n\
         [[nemesis.clock]]\nreplica = 'D'\nhow = 'strobe'\nby = '10s'\nat = ['200ms']\nfor = '500ms'\n");
    let all = |leader| ran.stamps(leader, (0, u64::MAX));
    let during = |leader| {
        let stamps = ran.stamps(leader, ran.between(is_clock(leader), is_reset(leader)));
        assert!(stamps.len() > 5, "only {} writes at {leader}", stamps.len());
        stamps
    };
    // What a right clock shows when the history says 0, by the writes of all leaders in the warm-up.
    let right = all(A).first().map(|(t, stamp)| stamp - i64::try_from(t / 1000).unwrap()).unwrap();
    let off = |(t, stamp): &(u64, i64)| stamp - i64::try_from(t / 1000).unwrap() - right;

    let frozen: BTreeSet<i64> = during(A).iter().map(|(_, stamp)| *stamp).collect();
    assert_eq!(frozen.len(), 1, "{frozen:?}");
    assert!(during(B).iter().all(|stamp| (off(stamp) + 3600 * SECOND_US).abs() < SECOND_US));
    let gained = during(C);
    let (first, last) = (gained.first().unwrap(), gained.last().unwrap());
    let rate = (off(last) - off(first)) * 1_000_000_000 / i64::try_from(last.0 - first.0).unwrap();
    assert!((250_000..750_000).contains(&rate), "{rate} ppm");
    assert!(off(last) > 0);
    let (ahead, behind): (Vec<i64>, Vec<i64>) = during(D).iter().map(off).partition(|off| *off > 0);
    assert!(!ahead.is_empty() && !behind.is_empty());
    assert!(ahead.iter().chain(&behind).all(|off| (off.abs() - 10 * SECOND_US).abs() < SECOND_US));
    // Afterwards all are right again.
    for leader in [A, B, C, D] {
        let healed = ran.first("reset", is_reset(leader)).0 + END_NS;
        let after = ran.stamps(leader, (healed, u64::MAX));
        assert!(!after.is_empty() && after.iter().all(|stamp| off(stamp).abs() < SECOND_US), "{leader}");
    }
}

#[test]
fn a_stalled_and_a_cut_link_deliver_nothing_a_bad_one_loses_and_doubles_and_the_others_go_on() {
    let ran = ran("clients = { count = 6, think = '3ms' }\n\
         cluster.durability = 'os'\n\
         strategy.lww = {}\n\
         [[nemesis.partition]]\nshape = 'links'\nlinks = ['A>B']\nhow = 'stall'\nat = ['200ms']\nfor = '500ms'\n\
         [[nemesis.partition]]\nshape = 'links'\nlinks = ['C>A']\nhow = 'cut'\nat = ['200ms']\nfor = '500ms'\n\
         [[nemesis.link]]\nlinks = ['B>C']\nquality = { loss_ppm = 300000, duplicate_ppm = 300000 }\n\
         at = ['200ms']\nfor = '500ms'\n");
    let heals = |from, to| move |fault: &Fault| matches!(fault, Fault::Heal(links) if links.iter().any(|link| (link.from, link.to) == (from, to)));
    let stall = ran.between(|fault| matches!(fault, Fault::Stall(_)), heals(A, B));
    let cut = ran.between(|fault| matches!(fault, Fault::Cut(_)), heals(C, A));
    assert_eq!((ran.arrived(A, B, stall), ran.arrived(C, A, cut)), (0, 0));
    for (origin, replica) in [(A, C), (B, A), (C, B)] {
        assert!(ran.arrived(origin, replica, stall) > 5, "{origin}>{replica} carried nothing either");
    }
    // What waited arrives.
    assert!(ran.arrived(A, B, (stall.1, u64::MAX)) > 5 && ran.arrived(C, A, (cut.1, u64::MAX)) > 5);
    assert!(ran.first("heal", heals(C, A)).1.contains("connections reset"));
    let effect = ran.first("heal", heals(B, C)).1;
    assert!(effect.contains("frames lost") && effect.contains("frames doubled"), "{effect}");
}

#[test]
fn who_is_paused_or_dead_acknowledges_nothing_and_a_device_without_network_goes_on_alone() {
    let ran = ran("cluster = { leaders = 4, durability = 'os' }\n\
         clients = { count = 8, think = '3ms', timeout = '300ms' }\n\
         strategy.lww = {}\n\
         [[nemesis.pause]]\nreplica = 'B'\nat = ['200ms']\nfor = '500ms'\n\
         [[nemesis.kill]]\nreplica = 'C'\nat = ['200ms']\ndown = '500ms'\n\
         [[nemesis.offline]]\nreplica = 'D'\nat = ['200ms']\nfor = '500ms'\n");
    let paused = ran.between(|fault| *fault == Fault::Pause(B), |fault| *fault == Fault::Resume(B));
    let dead = ran.between(|fault| *fault == Fault::Kill(C), |fault| *fault == Fault::Restart(C));
    let alone = ran.between(
        |fault| matches!(fault, Fault::Cut(_)),
        |fault| matches!(fault, Fault::Heal(links) if links.iter().any(|link| link.to == D)),
    );
    assert_eq!((ran.stamps(B, paused).len(), ran.stamps(C, dead).len()), (0, 0));
    assert!(ran.stamps(A, paused).len() > 5 && ran.stamps(D, alone).len() > 5);
    assert_eq!((ran.arrived(D, A, alone), ran.arrived(A, D, alone)), (0, 0));
    for (replica, window) in [(B, paused), (C, dead), (D, alone)] {
        let after = (window.1 + 2 * END_NS, u64::MAX);
        assert!(!ran.stamps(replica, after).is_empty(), "{replica} takes no writes afterwards");
        assert!(ran.arrived(replica, A, after) > 0, "{replica} is not heard afterwards");
    }
}

/// Answers that do not know of their client's own last acknowledged write.
fn forgetful(ran: &Ran) -> usize {
    let mut last: BTreeMap<ClientId, Dot> = BTreeMap::new();
    let mut forgetful = 0;
    for Acknowledged { client, write, result, .. } in ran.acknowledged() {
        if let (Some(knew), Some(own)) = (&result.knew, last.get(&client)) {
            forgetful += usize::from(!knew.covers(*own));
        }
        if let (Some(_), Some(dot)) = (write, result.dot) {
            last.insert(client, dot);
        }
    }
    forgetful
}

#[test]
fn a_client_that_moves_with_its_token_always_finds_its_own_writes_and_one_without_does_not() {
    let moving = |token| {
        ran(&format!(
            "clients = {{ count = 6, think = '5ms', token = true }}\n\
             cluster = {{ link = {{ latency_us = 20000 }}, durability = 'os' }}\n\
             strategy.lww = {{}}\n\
             nemesis.relocate = {{ token = {token}, every = '15ms' }}"
        ))
    };
    let (with, without) = (moving(true), moving(false));
    assert_eq!(forgetful(&with), 0);
    assert!(forgetful(&without) > 5, "only {} answers were behind", forgetful(&without));
}
