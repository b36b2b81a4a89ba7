//! The small worlds of a scenario: its strategy, shape and kinds of faults, and of everything else as little as shows
//! what they do. What was made smaller, or does not exist in the model, is said.

use super::Question;
use quarrel_models::{
    check::{Faults, Property, Scope, ScopeError, Workload, World},
    topology::Topology,
};
use quarrel_workloads::scenario::{
    self, Durability, Scenario,
    nemesis::{Chore, Direction, Nemesis},
};

/// The leaders that show what more of them show.
const LEADERS: usize = 3;
/// The writes that do.
const WRITES: u8 = 3;
/// The writes among more than two kinds of faults at once: a third multiplies the states beyond any patience.
const WRITES_AMONG_MANY_FAULTS: u8 = 2;
/// How far a clock is off: behind or ahead of all writes, of which each takes a millisecond.
const OFF_MS: i8 = 10;

/// A scenario made small.
#[derive(Debug, Clone)]
pub struct Small {
    /// Its worlds, and what is asked of each.
    pub questions: Vec<Question>,
    /// What was made smaller or left out, one short phrase each.
    pub scaled: Vec<String>,
    /// What the model does not have, one short phrase each: what is not found there may be found live.
    pub lacks: Vec<String>,
}

/// The small worlds of a scenario: one without faults in which writes overlap; one with all its kinds of faults, in
/// which writes take no time; and one in which clients move with a request in flight, if they do.
///
/// # Errors
/// [`ScopeError`] if so many leaders or writes make no world.
pub fn small(scenario: &Scenario, leaders: Option<usize>, writes: Option<u8>) -> Result<Small, ScopeError> {
    let mut scaled = Vec::new();
    let base = base(scenario, leaders, writes, &mut scaled);
    let faults = faults(scenario, &mut scaled);
    let mut worlds = vec![("none", base.clone())];
    let at_once = Faults { in_flight: false, ..faults.clone() };
    if at_once != Faults::default() {
        let mut scope = Scope { overlap: false, faults: at_once, ..base.clone() };
        if writes.is_none() && kinds(&scope.faults) > 2 {
            scope.writes = WRITES_AMONG_MANY_FAULTS;
            scaled.push(format!("{} writes among all its faults at once", scope.writes));
        }
        worlds.push(("faults", scope));
    }
    if faults.in_flight {
        // Each request under way multiplies the states: two clients with a write each show it.
        let moving =
            Faults { relocations: 1, in_flight: true, loses_token: faults.loses_token, ..Faults::default() };
        worlds.push(("in-flight", Scope { clients: 2, writes: 2, faults: moving, ..base }));
    }
    let question = |(fault, scope): (&str, Scope)| {
        let asks = |property: &Property| property.speaks_of(&scope);
        let properties = Property::ALL.into_iter().filter(asks).collect();
        Ok(Question { fault: fault.to_owned(), world: World::new(scope)?, properties })
    };
    let questions = worlds.into_iter().map(question).collect::<Result<Vec<_>, ScopeError>>()?;
    let lacks = lacks(scenario);
    scaled.extend(lacks.iter().map(|what| format!("no {what}")));
    Ok(Small { questions, scaled, lacks })
}

/// How many kinds of faults there are: of clocks, of clients, of processes, of links.
fn kinds(faults: &Faults) -> usize {
    let clocks = !faults.offsets_ms.is_empty() || faults.clock_changes > 0;
    let processes = faults.crashes + faults.restarts + faults.tail_losses > 0;
    let links = faults.duplicates > 0 || faults.unordered;
    [clocks, faults.relocations > 0, processes, links].into_iter().filter(|&there| there).count()
}

fn base(scenario: &Scenario, leaders: Option<usize>, writes: Option<u8>, scaled: &mut Vec<String>) -> Scope {
    let cluster = &scenario.cluster;
    // A graph of one's own has the leaders that it names.
    let fixed = matches!(cluster.topology, Topology::Custom(_));
    let fewer = if fixed { cluster.leaders } else { leaders.unwrap_or(cluster.leaders.min(LEADERS)) };
    let writes = writes.unwrap_or(WRITES);
    if fewer != cluster.leaders {
        scaled.push(format!("{} leaders → {fewer}", cluster.leaders));
    }
    if !cluster.followers.is_empty() {
        scaled.push(format!("{} followers left out", cluster.followers.len()));
    }
    scaled.push(format!("{} clients → {fewer}", scenario.clients.count));
    let deletes = |share: f64| share > 0.0;
    let (workload, records) = match &scenario.workload {
        scenario::Workload::Register(keys) if deletes(keys.delete_share) => (Workload::Document, keys.keys),
        scenario::Workload::Register(keys) => (Workload::Register, keys.keys),
        scenario::Workload::Set(keys) if deletes(keys.delete_share) => (Workload::Cart, keys.keys),
        scenario::Workload::Set(keys) => (Workload::Set, keys.keys),
        scenario::Workload::Counter(keys) => (Workload::Counter, keys.keys),
        scenario::Workload::Calendar(calendar) => {
            scaled.push(format!("{} slots → 1", calendar.slots));
            (Workload::Calendar, calendar.rooms)
        }
    };
    scaled.push(format!("{records} records → 1"));
    scaled.push(format!("its load → {writes} writes"));
    Scope {
        leaders: fewer,
        clients: fewer,
        writes,
        workload,
        propagation: cluster.propagation(),
        tokens: scenario.clients.token,
        ..Scope::new(scenario.strategy.clone(), cluster.topology.clone())
    }
}

fn faults(scenario: &Scenario, scaled: &mut Vec<String>) -> Faults {
    let nemesis = &scenario.nemesis;
    let mut faults = Faults::default();
    clocks(nemesis, &mut faults, scaled);
    let moves = || nemesis.relocate.0.iter();
    if moves().next().is_some() {
        faults.relocations = 1;
        faults.in_flight = moves().any(|relocate| relocate.in_flight);
        faults.loses_token = scenario.clients.token && moves().any(|relocate| !relocate.token);
        scaled.push("its relocations → one".to_owned());
    }
    kills(scenario, &mut faults, scaled);
    let qualities = nemesis.link.0.iter().map(|link| link.quality).chain([scenario.cluster.link]);
    for quality in qualities {
        faults.duplicates |= u8::from(quality.duplicate_ppm > 0);
        // A frame that was lost is one that is overtaken by those after it, until it is sent again.
        faults.unordered |= quality.loss_ppm + quality.reorder_ppm > 0;
    }
    maintenance(nemesis, &mut faults, scaled);
    let silent = !nemesis.partition.is_empty()
        || !nemesis.offline.is_empty()
        || !nemesis.pause.is_empty()
        || !nemesis.link.is_empty();
    if silent {
        scaled.push("cuts, stalls, pauses and delays → any order in which links deliver".to_owned());
    }
    faults
}

fn kills(scenario: &Scenario, faults: &mut Faults, scaled: &mut Vec<String>) {
    let kills = || scenario.nemesis.kill.0.iter();
    if kills().next().is_none() {
        return;
    }
    faults.crashes = u8::from(kills().any(|kill| kill.for_good));
    let restarts = u8::from(kills().any(|kill| !kill.for_good));
    if scenario.cluster.durability == Durability::None {
        (faults.tail_losses, faults.tail_records) = (restarts, 1);
        scaled.push("its kills → one, which takes the last record of a log along".to_owned());
    } else {
        faults.restarts = restarts;
        scaled.push("its kills → one".to_owned());
    }
}

fn maintenance(nemesis: &Nemesis, faults: &mut Faults, scaled: &mut Vec<String>) {
    let does = |chore| nemesis.maintenance.0.iter().any(|maintenance| maintenance.what == chore);
    (faults.collections, faults.forgettings) = (does(Chore::Collect).into(), does(Chore::Forget).into());
    faults.hand_overs = does(Chore::TakeHome).into();
    if !nemesis.maintenance.is_empty() {
        scaled.push("its maintenance → once each, at any time".to_owned());
    }
    if !nemesis.restore.is_empty() {
        (faults.tail_losses, faults.tail_records) = (1, 1);
        scaled.push("its restores → one, which lacks the last record of a log".to_owned());
    }
}

fn clocks(nemesis: &Nemesis, faults: &mut Faults, scaled: &mut Vec<String>) {
    let clocks: Vec<Direction> = nemesis.clock.0.iter().map(|clock| clock.direction).collect();
    if !clocks.is_empty() {
        let (mut behind, mut ahead) = (false, false);
        for direction in clocks {
            behind |= direction != Direction::Ahead;
            ahead |= direction != Direction::Behind;
        }
        let offsets = [(behind, -OFF_MS), (ahead, OFF_MS)];
        faults.offsets_ms = offsets.into_iter().filter(|(used, _)| *used).map(|(_, off)| off).collect();
        faults.clock_changes = 1;
        scaled
            .push(format!("its clock faults → one clock set {OFF_MS} ms off once, where a write takes 1 ms"));
    }
}

fn lacks(scenario: &Scenario) -> Vec<String> {
    let mut lacks = Vec::new();
    let mut without = |is: bool, what: &str| {
        if is {
            lacks.push(what.to_owned());
        }
    };
    let moves =
        matches!(&scenario.workload, scenario::Workload::Calendar(calendar) if calendar.move_share > 0.0);
    without(moves, "meetings moved to another slot");
    without(!scenario.cluster.followers.is_empty(), "followers");
    lacks
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarrel_workloads::scenario::{Overrides, Resolved, shipped_text};

    fn shipped(name: &str) -> Scenario {
        let plain = Overrides::default();
        let marks = quarrel_workloads::mark::Mark::ALL.map(quarrel_workloads::mark::Mark::name);
        let text = shipped_text(name).unwrap();
        Resolved::resolve(name, text, &plain, &plain, &marks).unwrap().scenario
    }

    fn faults(name: &str) -> Vec<(String, bool, Faults)> {
        let questions = small(&shipped(name), None, None).unwrap().questions;
        let of = |question: &Question| {
            let scope = question.world.scope();
            (question.fault.clone(), scope.overlap, scope.faults.clone())
        };
        questions.iter().map(of).collect()
    }

    #[test]
    fn each_kind_of_fault_of_a_scenario_is_in_its_small_worlds() {
        let skew = Faults { offsets_ms: vec![10], clock_changes: 1, relocations: 1, ..Faults::default() };
        let none = Faults::default();
        assert_eq!(
            faults("lww-skew"),
            [("none".to_owned(), true, none.clone()), ("faults".to_owned(), false, skew)]
        );
        let moved = Faults { relocations: 1, ..none.clone() };
        let in_flight = Faults { in_flight: true, ..moved.clone() };
        let expected = [("none", true, none), ("faults", false, moved), ("in-flight", true, in_flight)];
        assert_eq!(faults("home-leader-relocation"), expected.map(|(name, o, f)| (name.to_owned(), o, f)));
        assert!(faults("star-hub-death").iter().any(|(_, _, faults)| faults.crashes == 1));
        assert!(faults("kill-storm").iter().any(|(_, _, faults)| faults.restarts == 1));
        assert!(faults("kill-storm-volatile").iter().any(|(_, _, faults)| faults.tail_losses == 1));
    }

    #[test]
    fn what_is_made_smaller_is_said() {
        let small = small(&shipped("offline-calendar"), None, None).unwrap();
        assert!(small.scaled.iter().any(|phrase| phrase.ends_with("slots → 1")), "{:?}", small.scaled);
        assert_eq!(small.lacks, ["meetings moved to another slot"]);
    }
}
