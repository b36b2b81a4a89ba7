//! The small worlds of a scenario: its strategy, shape and kinds of faults, and of everything else as little as shows
//! what they do. What was made smaller, or does not exist in the model, is said.

use super::Question;
use quarrel_models::{
    check::{Faults, Property, Scope, ScopeError, Workload, World},
    fault::LinkQuality,
    topology::Topology,
};
use quarrel_workloads::scenario::{
    self, Durability, Scenario,
    nemesis::{Direction, Nemesis},
};

/// The leaders that show what more of them show.
const LEADERS: usize = 3;
/// The writes that do.
const WRITES: u8 = 3;
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

/// A scenario of which there is no small model.
#[derive(Debug, thiserror::Error)]
pub enum TooLarge {
    /// Its workload is not modelled.
    #[error("the model has no {0} workload")]
    Workload(&'static str),
    /// The bounds make no world.
    #[error(transparent)]
    Scope(#[from] ScopeError),
}

impl TooLarge {
    /// How to mend it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Workload(_) => {
                "`quarrel run` runs the scenario live; the model knows registers, sets and counters"
            }
            Self::Scope(_) => "ask for fewer leaders or writes",
        }
    }
}

/// The small worlds of a scenario: one without faults in which writes overlap; one with all its kinds of faults, in
/// which writes take no time; and one in which clients move with a request in flight, if they do.
///
/// # Errors
/// [`TooLarge`] if there is no small model of it.
pub fn small(scenario: &Scenario, leaders: Option<usize>, writes: Option<u8>) -> Result<Small, TooLarge> {
    let mut scaled = Vec::new();
    let base = base(scenario, leaders, writes, &mut scaled)?;
    let faults = faults(&scenario.nemesis, scenario.clients.token, &mut scaled);
    let mut worlds = vec![("none", base.clone())];
    let at_once = Faults { in_flight: false, ..faults.clone() };
    if at_once != Faults::default() {
        worlds.push(("faults", Scope { overlap: false, faults: at_once, ..base.clone() }));
    }
    if faults.in_flight {
        // Each request under way multiplies the states: two clients with a write each show it.
        let moving =
            Faults { relocations: 1, in_flight: true, loses_token: faults.loses_token, ..Faults::default() };
        worlds.push(("in-flight", Scope { clients: 2, writes: 2, faults: moving, ..base }));
    }
    let question = |(fault, scope): (&str, Scope)| {
        let asks = |property: &Property| property.speaks_of(scope.workload);
        let properties = Property::ALL.into_iter().filter(asks).collect();
        Ok(Question { fault: fault.to_owned(), world: World::new(scope)?, properties })
    };
    let questions = worlds.into_iter().map(question).collect::<Result<Vec<_>, ScopeError>>()?;
    let lacks = lacks(scenario);
    scaled.extend(lacks.iter().map(|what| format!("no {what}")));
    Ok(Small { questions, scaled, lacks })
}

fn base(
    scenario: &Scenario,
    leaders: Option<usize>,
    writes: Option<u8>,
    scaled: &mut Vec<String>,
) -> Result<Scope, TooLarge> {
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
    let workload = match &scenario.workload {
        scenario::Workload::Register(keys) => (Workload::Register, keys.keys),
        scenario::Workload::Set(keys) => (Workload::Set, keys.keys),
        scenario::Workload::Counter(keys) => (Workload::Counter, keys.keys),
        scenario::Workload::Calendar(_) => return Err(TooLarge::Workload("calendar")),
    };
    scaled.push(format!("{} records → 1", workload.1));
    scaled.push(format!("its load → {writes} writes"));
    Ok(Scope {
        leaders: fewer,
        clients: fewer,
        writes,
        workload: workload.0,
        propagation: cluster.propagation(),
        tokens: scenario.clients.token,
        ..Scope::new(scenario.strategy.clone(), cluster.topology.clone())
    })
}

fn faults(nemesis: &Nemesis, tokens: bool, scaled: &mut Vec<String>) -> Faults {
    let mut faults = Faults::default();
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
    let moves = || nemesis.relocate.0.iter();
    if moves().next().is_some() {
        faults.relocations = 1;
        faults.in_flight = moves().any(|relocate| relocate.in_flight);
        faults.loses_token = tokens && moves().any(|relocate| !relocate.token);
        scaled.push("its relocations → one".to_owned());
    }
    let kills = || nemesis.kill.0.iter();
    faults.crashes = u8::from(kills().any(|kill| kill.for_good));
    faults.restarts = u8::from(kills().any(|kill| !kill.for_good));
    if kills().next().is_some() {
        scaled.push("its kills → one".to_owned());
    }
    let silent = !nemesis.partition.is_empty()
        || !nemesis.offline.is_empty()
        || !nemesis.pause.is_empty()
        || !nemesis.link.is_empty();
    if silent {
        scaled.push("cuts, stalls, pauses and delays → any order in which links deliver".to_owned());
    }
    faults
}

fn lacks(scenario: &Scenario) -> Vec<String> {
    let mut lacks = Vec::new();
    let mut without = |is: bool, what: &str| {
        if is {
            lacks.push(what.to_owned());
        }
    };
    let kills = !scenario.nemesis.kill.is_empty();
    without(
        kills && scenario.cluster.durability == Durability::None,
        "loss of what was acknowledged and not on disk",
    );
    let links = scenario.nemesis.link.0.iter().map(|link| link.quality).chain([scenario.cluster.link]);
    let lossy = |quality: LinkQuality| quality.loss_ppm + quality.duplicate_ppm + quality.reorder_ppm > 0;
    without(links.into_iter().any(lossy), "frames lost, doubled or overtaken");
    let deletes = match &scenario.workload {
        scenario::Workload::Register(keys)
        | scenario::Workload::Set(keys)
        | scenario::Workload::Counter(keys) => keys.delete_share > 0.0,
        scenario::Workload::Calendar(_) => false,
    };
    without(deletes, "deletes");
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
    }

    #[test]
    fn what_is_made_smaller_is_said() {
        let small = small(&shipped("kill-storm-volatile"), None, None).unwrap();
        assert!(small.scaled.contains(&"12 clients → 3".to_owned()), "{:?}", small.scaled);
        assert_eq!(small.lacks, ["loss of what was acknowledged and not on disk"]);
    }

    #[test]
    fn a_calendar_has_no_small_model() {
        let error = small(&shipped("offline-calendar"), None, None).unwrap_err();
        assert_eq!(error.to_string(), "the model has no calendar workload");
    }
}
