//! The faults: can each of them happen, and would it do anything?

use super::{Problems, cluster::check_quality};
use crate::scenario::{
    Scenario, Span, Workload,
    nemesis::{Chore, Clock, Kill, Link, Maintenance, Partition, Relocate, Shape, Skew},
};
use quarrel_models::{
    id::{LinkId, ReplicaId},
    strategy::Strategy,
    topology::Graph,
};

/// Checks all faults.
pub(super) fn check(scenario: &Scenario, graph: &Graph, problems: &mut Problems) {
    let nemesis = &scenario.nemesis;
    let mut faults = Faults { graph, scenario, problems };
    for (path, partition) in entries("partition", &nemesis.partition.0) {
        faults.partition(&path, partition);
    }
    for (path, link) in entries("link", &nemesis.link.0) {
        faults.link(&path, link);
    }
    for (path, clock) in entries("clock", &nemesis.clock.0) {
        faults.clock(&path, clock);
    }
    for (path, relocate) in entries("relocate", &nemesis.relocate.0) {
        faults.relocate(&path, relocate);
    }
    for (path, kill) in entries("kill", &nemesis.kill.0) {
        faults.kill(&path, kill);
    }
    for (path, pause) in entries("pause", &nemesis.pause.0) {
        faults.timing(&path, &pause.at, pause.every, Occasion::Stated);
        faults.lasting(&path, "for", pause.lasts);
        faults.replica(&path, pause.replica);
    }
    for (path, offline) in entries("offline", &nemesis.offline.0) {
        faults.timing(&path, &offline.at, offline.every, Occasion::Stated);
        faults.lasting(&path, "for", offline.lasts);
        faults.leader(&path, offline.replica, "only a leader has clients that go on without a network");
        faults.several_leaders(&path);
    }
    for (path, restore) in entries("restore", &nemesis.restore.0) {
        faults.timing(&path, &restore.at, restore.every, Occasion::Stated);
        faults.lasting(&path, "down", restore.down);
        faults.replica(&path, restore.replica);
    }
    for (path, maintenance) in entries("maintenance", &nemesis.maintenance.0) {
        faults.maintenance(&path, maintenance);
    }
}

fn entries<'a, T>(kind: &'static str, faults: &'a [T]) -> impl Iterator<Item = (String, &'a T)> {
    faults.iter().enumerate().map(move |(index, fault)| (format!("nemesis.{kind}[{index}]"), fault))
}

/// Whether a fault must say when it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    Stated,
    /// Absent means all the time.
    Optional,
}

#[derive(Debug)]
struct Faults<'a> {
    graph: &'a Graph,
    scenario: &'a Scenario,
    problems: &'a mut Problems,
}

impl Faults<'_> {
    fn timing(&mut self, path: &str, at: &[Span], every: Option<Span>, occasion: Occasion) {
        const EXAMPLE: &str =
            "write `at = [\"1s\", \"4s\"]` for fixed times or `every = \"2s\"` for drawn ones";
        if at.is_empty() && every.is_none() && occasion == Occasion::Stated {
            self.problems.add(
                path,
                "this fault does not say when it happens",
                "needs `at` or `every`",
                EXAMPLE,
            );
        }
        if let Some(every) = every {
            if !at.is_empty() {
                let path = format!("{path}.every");
                self.problems.add(
                    path,
                    "a fault has either `at` or `every`",
                    "beside `at`",
                    "remove one of them",
                );
            } else if every.duration().is_zero() {
                let path = format!("{path}.every");
                self.problems.add(path, "a fault cannot happen every 0s", "no time between", EXAMPLE);
            }
        }
        let storm = self.scenario.phases.storm;
        for (index, &time) in at.iter().enumerate().filter(|(_, time)| **time >= storm) {
            self.problems.add(
                format!("{path}.at[{index}]"),
                format!("at {time} the storm is over: it lasts {storm}, and `at` counts from its start"),
                "never happens",
                format!("write a time below {storm}, or a longer `storm` in `[phases]`"),
            );
        }
    }

    fn lasting(&mut self, path: &str, key: &str, lasts: Span) {
        if lasts.duration().is_zero() {
            self.problems.add(
                format!("{path}.{key}"),
                format!("`{key}` says how long this fault lasts, and must be more than 0s"),
                format!("needs `{key}`"),
                format!("write `{key} = \"2s\"`"),
            );
        }
    }

    fn replica(&mut self, path: &str, replica: Option<ReplicaId>) -> bool {
        let Some(replica) = replica else { return true };
        let count = self.graph.replica_count();
        if replica.index() < count {
            return true;
        }
        let last = ReplicaId::from_index(count - 1);
        self.problems.add(
            format!("{path}.replica"),
            format!("there is no replica {replica}: this cluster has A to {last}"),
            "no such replica",
            format!("write one of A to {last}, or leave the line out to have one drawn"),
        );
        false
    }

    fn leader(&mut self, path: &str, replica: Option<ReplicaId>, why: &str) {
        if !self.replica(path, replica) {
            return;
        }
        if let Some(replica) = replica.filter(|&replica| !self.graph.is_leader(replica)) {
            let last = ReplicaId::from_index(self.graph.leader_count() - 1);
            self.problems.add(
                format!("{path}.replica"),
                format!("replica {replica} is a follower: {why}"),
                "not a leader",
                format!("write one of the leaders A to {last}"),
            );
        }
    }

    fn maintenance(&mut self, path: &str, maintenance: &Maintenance) {
        self.timing(path, &maintenance.at, maintenance.every, Occasion::Stated);
        if maintenance.what != Chore::TakeHome {
            self.replica(path, maintenance.replica);
            return;
        }
        self.leader(path, maintenance.replica, "only a leader can be a record's home");
        if !matches!(self.scenario.strategy, Strategy::HomeLeader(_)) {
            self.problems.add(
                format!("{path}.what"),
                "only the strategy `home-leader` has homes that can be taken",
                "not with this strategy",
                "write `[strategy.home-leader]`, or another `what`",
            );
        }
        let is_named = matches!(self.scenario.workload, Workload::Set(_) | Workload::Calendar(_));
        if is_named && maintenance.key.is_none() {
            self.problems.add(
                path,
                "the records of this workload come and go: say whose home is taken",
                "needs `key`",
                "write `key = \"s0/g0\"`",
            );
        }
    }

    fn several_leaders(&mut self, path: &str) {
        if self.graph.leader_count() < 2 {
            self.problems.add(
                path,
                "this fault needs a second leader",
                "one leader only",
                "write `leaders = 3` in `[cluster]`",
            );
        }
    }

    fn links(&mut self, path: &str, links: &[LinkId]) {
        let graph = self.graph.links();
        for (index, link) in links.iter().enumerate().filter(|(_, link)| !graph.contains(link)) {
            let names: Vec<String> = graph.iter().map(|link| format!("\"{link}\"")).collect();
            self.problems.add(
                format!("{path}.links[{index}]"),
                format!("this cluster has no link {link}"),
                "no such link",
                format!("its links are {}", names.join(", ")),
            );
        }
    }

    fn partition(&mut self, path: &str, partition: &Partition) {
        self.timing(path, &partition.at, partition.every, Occasion::Stated);
        self.lasting(path, "for", partition.lasts);
        self.links(path, &partition.links);
        self.several_leaders(path);
        let named = partition.shape == Shape::Links;
        if named && partition.links.is_empty() {
            let example = self.graph.links().first().map_or_else(|| "A>B".to_owned(), ToString::to_string);
            self.problems.add(
                path,
                "the shape `links` needs the links that it takes",
                "needs `links`",
                format!("write `links = [\"{example}\"]`"),
            );
        } else if !named && !partition.links.is_empty() {
            self.problems.add(
                format!("{path}.links"),
                "only the shape `links` takes named links",
                "has no effect",
                "write `shape = \"links\"`, or remove the line",
            );
        }
        self.partition_replica(path, partition);
    }

    fn partition_replica(&mut self, path: &str, partition: &Partition) {
        if !self.replica(path, partition.replica) {
            return;
        }
        match (partition.shape, partition.replica) {
            (Shape::Halves | Shape::Links, Some(_)) => self.problems.add(
                format!("{path}.replica"),
                "this shape is not about one replica",
                "has no effect",
                "remove the line, or write `shape = \"isolate\"`",
            ),
            (Shape::OneWay, replica) => self.leader(path, replica, "it sends nothing that could be cut"),
            (Shape::Bridge, replica) if !self.can_bridge(replica) => self.problems.add(
                path,
                "no link joins two other replicas: a bridge between halves cuts nothing here",
                "cuts nothing",
                "write `shape = \"isolate\"`, or choose another replica or topology",
            ),
            _ => {}
        }
    }

    /// Whether cutting off one half from the other but for this replica (or some replica) takes any link.
    fn can_bridge(&self, bridge: Option<ReplicaId>) -> bool {
        let apart = |bridge| self.graph.links().iter().any(|link| link.from != bridge && link.to != bridge);
        bridge.map_or_else(|| self.graph.replicas().any(apart), apart)
    }

    fn link(&mut self, path: &str, link: &Link) {
        self.timing(path, &link.at, link.every, Occasion::Stated);
        self.lasting(path, "for", link.lasts);
        self.links(path, &link.links);
        check_quality(&format!("{path}.quality"), &link.quality, self.problems);
        if link.quality == quarrel_models::fault::LinkQuality::default() {
            self.problems.add(
                path,
                "this fault does not say how the links become worse",
                "needs `quality`",
                "write `quality = { latency_us = 200000 }` for 200 ms",
            );
        }
    }

    fn clock(&mut self, path: &str, clock: &Clock) {
        self.timing(path, &clock.at, clock.every, Occasion::Optional);
        self.leader(path, clock.replica, "its clock stamps no writes");
        let (needs_by, needs_ppm) = match clock.how {
            Skew::Offset | Skew::Step | Skew::Strobe => (true, false),
            Skew::Drift => (false, true),
            Skew::Freeze => (false, false),
        };
        let keys = [
            ("by", needs_by, !clock.by.duration().is_zero(), "by = \"500ms\""),
            ("ppm", needs_ppm, clock.ppm > 0, "ppm = 50000"),
        ];
        for (key, needed, given, example) in keys {
            if needed && !given {
                let message = format!("this clock fault needs `{key}`, above 0");
                self.problems.add(path, message, format!("needs `{key}`"), format!("write `{example}`"));
            } else if given && !needed {
                let message = format!("`{key}` means nothing to this kind of clock fault");
                self.problems.add(
                    format!("{path}.{key}"),
                    message,
                    "has no effect",
                    "remove the line, or write `how = \"offset\"` with `by`, `how = \"drift\"` with `ppm`",
                );
            }
        }
    }

    fn relocate(&mut self, path: &str, relocate: &Relocate) {
        self.timing(path, &relocate.at, relocate.every, Occasion::Stated);
        self.several_leaders(path);
        let count = self.scenario.clients.count;
        if relocate.clients.is_some_and(|clients| clients == 0 || clients > count) {
            self.problems.add(
                format!("{path}.clients"),
                format!("from 1 to {count} clients can move at once: the scenario has no more"),
                "impossible",
                "write `clients = 1`, or a greater `count` in `[clients]`",
            );
        }
        if relocate.token && !self.scenario.clients.token {
            self.problems.add(
                format!("{path}.token"),
                "clients carry no session token that they could take along",
                "no token to take",
                "write `token = true` in `[clients]`, or remove the line here",
            );
        }
    }

    fn kill(&mut self, path: &str, kill: &Kill) {
        self.timing(path, &kill.at, kill.every, Occasion::Stated);
        self.replica(path, kill.replica);
        if !kill.for_good {
            self.lasting(path, "down", kill.down);
            return;
        }
        if !kill.down.duration().is_zero() {
            self.problems.add(
                format!("{path}.down"),
                "a process that is killed for good is not started again",
                "has no effect",
                "remove the line, or remove `for_good`",
            );
        }
        if kill.every.is_some() {
            self.problems.add(
                format!("{path}.every"),
                "killing for good again and again leaves nobody to judge",
                "use `at`",
                "write `at = [\"2s\"]`",
            );
        }
    }
}
