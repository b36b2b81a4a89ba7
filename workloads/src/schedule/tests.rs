//! What every schedule promises.

use super::{Action, Planned, schedule};
use crate::scenario::{OneOrMany, Scenario, Span, TEST_MARKS, nemesis::*, parse, shipped};
use proptest::prelude::*;
use quarrel_models::{
    fault::{ClockChange, Fault, LinkQuality},
    id::{LinkId, ReplicaId},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const STORM_MS: u64 = 4000;

fn scenario(topology: &str, leaders: usize) -> Scenario {
    let text = format!(
        "name = \"test\"\n[cluster]\nleaders = {leaders}\ntopology = \"{topology}\"\n[strategy.lww]\n\
         [workload.register]\n[phases]\nstorm = \"{STORM_MS}ms\"\n"
    );
    parse("test.toml", &text, TEST_MARKS).unwrap_or_else(|error| panic!("{error}"))
}

/// What a cluster is like in the course of a schedule. Impossible entries panic.
#[derive(Debug, Default)]
struct World {
    broken: BTreeMap<LinkId, &'static str>,
    wrong: BTreeSet<ReplicaId>,
    processes: BTreeMap<ReplicaId, &'static str>,
}

impl World {
    fn act(&mut self, fault: &Fault, undo: bool) {
        match fault {
            Fault::Cut(links) | Fault::Stall(links) | Fault::Degrade(links, _) => {
                assert!(!undo && !links.is_empty());
                self.broken.extend(links.iter().map(|&link| (link, fault.kind())));
            }
            Fault::Heal(links) => {
                assert!(undo);
                assert!(
                    links.iter().all(|link| self.broken.remove(link).is_some()),
                    "{fault} is whole already"
                );
            }
            Fault::Clock(replica, ClockChange::Reset) => {
                assert!(undo && self.wrong.remove(replica), "{fault} already");
            }
            Fault::Clock(replica, _) => drop(self.wrong.insert(*replica)),
            Fault::Kill(replica) => {
                let before = self.processes.insert(*replica, "down");
                assert_ne!(before, Some("down"), "{fault}, which is dead");
            }
            Fault::Restart(replica) => assert_eq!(self.processes.remove(replica), Some("down"), "{fault}"),
            Fault::Pause(replica) => assert_eq!(self.processes.insert(*replica, "paused"), None, "{fault}"),
            Fault::Resume(replica) => assert_eq!(self.processes.remove(replica), Some("paused"), "{fault}"),
            Fault::Relocate { .. } => panic!("relocations are actions of their own"),
        }
    }

    /// Follows a schedule to its end.
    fn after(planned: &[Planned], storm: Duration) -> Self {
        let mut world = Self::default();
        let mut before = Duration::ZERO;
        for entry in planned {
            assert!(before <= entry.at && entry.at <= storm, "{entry:?} is out of time");
            assert!(entry.undo || entry.at < storm, "{entry:?} begins when the storm is over");
            before = entry.at;
            if let Action::Fault(fault) = &entry.action {
                world.act(fault, entry.undo);
            }
        }
        world
    }
}

/// Times in milliseconds, some of them after the storm.
fn times() -> impl Strategy<Value = (Vec<Span>, Option<Span>)> {
    prop_oneof![
        prop::collection::vec(0..STORM_MS + 500, 0..4)
            .prop_map(|times| (times.into_iter().map(Span::from_millis).collect(), None)),
        (50_u64..2000).prop_map(|every| (Vec::new(), Some(Span::from_millis(every)))),
    ]
}

fn span() -> impl Strategy<Value = Span> {
    (1..STORM_MS * 2).prop_map(Span::from_millis)
}

fn leader() -> impl Strategy<Value = Option<ReplicaId>> {
    prop::option::of((0_u8..4).prop_map(ReplicaId))
}

fn partition() -> impl Strategy<Value = Partition> {
    let shapes = [Shape::Isolate, Shape::Halves, Shape::Bridge, Shape::OneWay, Shape::Flapping];
    let how = prop_oneof![Just(How::Cut), Just(How::Stall)];
    (prop::sample::select(shapes.to_vec()), leader(), how, times(), span()).prop_map(
        |(shape, replica, how, (at, every), lasts)| Partition {
            shape,
            links: vec![],
            replica,
            how,
            at,
            every,
            lasts,
        },
    )
}

fn clock() -> impl Strategy<Value = Clock> {
    let kinds = [Skew::Offset, Skew::Step, Skew::Drift, Skew::Strobe, Skew::Freeze];
    let by = Span::from_millis(300);
    (prop::sample::select(kinds.to_vec()), leader(), times(), prop_oneof![Just(Span::default()), span()])
        .prop_map(move |(how, replica, (at, every), lasts)| Clock {
            replica,
            how,
            by,
            direction: Direction::Either,
            ppm: 1000,
            at,
            every,
            lasts,
        })
}

prop_compose! {
    fn nemesis()(
        partitions in prop::collection::vec(partition(), 0..3),
        links in prop::collection::vec((times(), span(), 1_u64..3), 0..3),
        clocks in prop::collection::vec(clock(), 0..3),
        moves in prop::collection::vec((times(), prop::option::of(1_u32..9)), 0..2),
        kills in prop::collection::vec((times(), leader(), span(), any::<bool>()), 0..3),
        pauses in prop::collection::vec((times(), leader(), span()), 0..3),
        offline in prop::collection::vec((times(), leader(), span()), 0..2),
        restores in prop::collection::vec((times(), leader(), span(), prop::option::of(span())), 0..2),
    ) -> Nemesis {
        let quality = |ms| LinkQuality { latency_us: ms * 1000, ..LinkQuality::default() };
        Nemesis {
            partition: OneOrMany(partitions),
            link: OneOrMany(links.into_iter().map(|((at, every), lasts, ms)| {
                Link { links: vec![], quality: quality(ms), at, every, lasts }
            }).collect()),
            clock: OneOrMany(clocks),
            relocate: OneOrMany(moves.into_iter().map(|((at, every), clients)| {
                Relocate { in_flight: false, token: false, clients, at, every }
            }).collect()),
            kill: OneOrMany(kills.into_iter().map(|((at, every), replica, down, for_good)| {
                Kill { replica, at, every, down, for_good }
            }).collect()),
            pause: OneOrMany(pauses.into_iter().map(|((at, every), replica, lasts)| {
                Pause { replica, at, every, lasts }
            }).collect()),
            offline: OneOrMany(offline.into_iter().map(|((at, every), replica, lasts)| {
                Offline { replica, at, every, lasts }
            }).collect()),
            restore: OneOrMany(restores.into_iter().map(|((at, every), replica, down, age)| {
                Restore { replica, at, every, down, age }
            }).collect()),
            maintenance: OneOrMany::default(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_done_is_undone_but_for_what_is_killed_for_good(
        nemesis in nemesis(),
        topology in prop::sample::select(vec!["ring", "star", "all-to-all"]),
        seed in any::<u64>(),
    ) {
        let mut scenario = scenario(topology, 4);
        scenario.nemesis = nemesis;
        let planned = schedule(&scenario, seed).unwrap();
        let world = World::after(&planned, Duration::from_millis(STORM_MS));
        prop_assert!(world.broken.is_empty(), "{:?}", world.broken);
        prop_assert!(world.wrong.is_empty(), "{:?}", world.wrong);
        let for_good = scenario.nemesis.kill.0.iter().any(|kill| kill.for_good);
        prop_assert!(world.processes.is_empty() || for_good, "{:?}", world.processes);
        prop_assert!(world.processes.values().all(|state| *state == "down"), "{:?}", world.processes);
        let stay = |entry: &Planned| match entry.action {
            Action::Fault(Fault::Kill(replica)) if entry.for_good => Some(replica),
            _ => None,
        };
        let stay: Vec<ReplicaId> = planned.iter().filter_map(stay).collect();
        prop_assert_eq!(stay.len(), world.processes.len());
        prop_assert!(stay.iter().all(|replica| world.processes.contains_key(replica)));
        prop_assert_eq!(&planned, &schedule(&scenario, seed).unwrap());
    }

    #[test]
    fn a_client_always_moves_to_another_leader(seed in any::<u64>(), at_once in 1_u32..9) {
        let mut scenario = scenario("all-to-all", 3);
        let every = Some(Span::from_millis(100));
        let relocate = Relocate { every, clients: Some(at_once), ..Relocate::default() };
        scenario.nemesis.relocate = OneOrMany(vec![relocate]);
        let mut bound: BTreeMap<_, _> =
            scenario.clients.ids().map(|client| (client, scenario.cluster.first_leader(client))).collect();
        let planned = schedule(&scenario, seed).unwrap();
        prop_assert!(planned.len() >= 25 * at_once as usize);
        for entry in planned {
            let Action::Relocate { client, to, .. } = entry.action else { panic!("{entry:?}") };
            prop_assert!(scenario.cluster.leaders > to.index());
            prop_assert_ne!(bound.insert(client, to), Some(to));
        }
    }
}

fn lines(scenario: &Scenario) -> Vec<String> {
    let planned = schedule(scenario, 1).unwrap();
    planned.iter().map(|entry| format!("{:>4} ms {}", entry.at.as_millis(), entry.action.fault())).collect()
}

#[test]
fn a_link_that_two_partitions_hold_is_healed_when_the_last_one_lets_go() {
    let mut scenario = scenario("ring", 3);
    let partition = |from, lasts| Partition {
        shape: Shape::Links,
        links: vec!["A>B".parse().unwrap()],
        at: vec![Span::from_millis(from)],
        lasts: Span::from_millis(lasts),
        ..Partition::default()
    };
    let stall = Partition { how: How::Stall, ..partition(500, 2500) };
    scenario.nemesis.partition = OneOrMany(vec![partition(1000, 1000), stall, partition(1500, 1000)]);
    assert_eq!(
        lines(&scenario),
        [" 500 ms stall A>B", "1000 ms cut A>B", "2500 ms heal A>B", "2500 ms stall A>B", "3000 ms heal A>B"]
    );
}

#[test]
fn a_dead_process_is_neither_killed_nor_paused_again() {
    let mut scenario = scenario("ring", 3);
    let replica = Some(ReplicaId(1));
    let at = |times: &[u64]| times.iter().copied().map(Span::from_millis).collect();
    let down = Span::from_millis(1000);
    scenario.nemesis.kill = OneOrMany(vec![Kill { replica, at: at(&[1000, 1500]), down, ..Kill::default() }]);
    let lasts = Span::from_millis(2000);
    scenario.nemesis.pause = OneOrMany(vec![Pause { replica, at: at(&[800]), lasts, ..Pause::default() }]);
    assert_eq!(
        lines(&scenario),
        [" 800 ms pause B", "1000 ms kill B", "2500 ms restart B", "2500 ms pause B", "2800 ms resume B"]
    );
}

#[test]
fn a_strobing_clock_jumps_every_20_ms_until_it_is_set_right() {
    let mut scenario = scenario("ring", 3);
    scenario.nemesis.clock = OneOrMany(vec![Clock {
        replica: Some(ReplicaId(0)),
        how: Skew::Strobe,
        by: Span::from_millis(100),
        at: vec![Span::from_millis(1000)],
        lasts: Span::from_millis(50),
        ..Clock::default()
    }]);
    assert_eq!(
        lines(&scenario),
        [
            "1000 ms clock A +100 ms",
            "1020 ms clock A -100 ms",
            "1040 ms clock A +100 ms",
            "1050 ms clock A is right again"
        ]
    );
}

#[test]
fn flapping_goes_and_comes_ten_times() {
    let mut scenario = scenario("star", 3);
    scenario.nemesis.partition = OneOrMany(vec![Partition {
        shape: Shape::Flapping,
        replica: Some(ReplicaId(2)),
        at: vec![Span::from_millis(0)],
        lasts: Span::from_millis(1000),
        ..Partition::default()
    }]);
    let lines = lines(&scenario);
    assert_eq!(lines.len(), 20);
    assert_eq!(lines[..3], ["   0 ms cut A>C C>A", "  50 ms heal A>C C>A", " 100 ms cut A>C C>A"]);
}

#[test]
fn every_shipped_scenario_has_a_sane_schedule_quick_or_not() {
    for (name, text) in shipped() {
        let scenario = parse(name, text, TEST_MARKS).unwrap_or_else(|error| panic!("{error}"));
        for scenario in [scenario.quicken(), scenario] {
            for seed in 0..20 {
                let planned = schedule(&scenario, seed).unwrap();
                // Some show what a system does without any fault: their contracts then demand no fault's mark.
                let faultless = scenario.nemesis == Nemesis::default();
                assert_eq!(planned.is_empty(), faultless, "{name}");
                let world = World::after(&planned, scenario.phases.storm.duration());
                assert!(world.broken.is_empty() && world.wrong.is_empty(), "{name}: {world:?}");
                let dead = usize::from(*name == "star-hub-death");
                assert_eq!(world.processes.len(), dead, "{name}: {world:?}");
            }
        }
    }
}
