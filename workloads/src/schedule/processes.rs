//! Processes that are killed, started again, stopped and resumed.

use super::{
    Cause, Plan, Planned,
    shapes::some_leader,
    sweep::{Spell, State, sweep},
};
use quarrel_models::{fault::Fault, id::ReplicaId};

/// What is wrong with a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Paused,
    Down,
}

impl State for Trouble {
    fn rank(&self) -> u8 {
        match self {
            Self::Paused => 0,
            Self::Down => 1,
        }
    }
}

pub(super) fn plan(plan: &Plan<'_>) -> Vec<Planned> {
    let mut spells = kills(plan);
    spells.extend(pauses(plan));
    spells.extend(restores(plan));
    let mut planned = Vec::new();
    for change in sweep(&spells) {
        let replica = change.thing;
        let before = change.before.map(|(trouble, _)| trouble);
        let after = change.after.map(|(trouble, _)| trouble);
        let blame = |held: Option<(Trouble, Cause)>| held.map(|(_, cause)| cause);
        let (ended, begun) = (blame(change.before), blame(change.after));
        // A process that is killed while it is stopped needs no undoing first: SIGKILL takes it as it is.
        let undo = match (before, after) {
            (Some(Trouble::Down), _) => Some(Fault::Restart(replica)),
            (Some(Trouble::Paused), None) => Some(Fault::Resume(replica)),
            _ => None,
        };
        let done = match after {
            Some(Trouble::Down) => Some(Fault::Kill(replica)),
            Some(Trouble::Paused) => Some(Fault::Pause(replica)),
            None => None,
        };
        let entry = |fault, undo, cause| Planned::fault(change.at, fault, undo, cause);
        planned.extend(undo.zip(ended).map(|(fault, cause)| entry(fault, true, cause)));
        planned.extend(done.zip(begun).map(|(fault, cause)| entry(fault, false, cause)));
    }
    planned
}

fn kills(plan: &Plan<'_>) -> Vec<Spell<ReplicaId, Trouble>> {
    let mut spells = Vec::new();
    for (index, kill) in plan.scenario.nemesis.kill.0.iter().enumerate() {
        let cause = Cause { table: "kill", index };
        for mut occasion in plan.occasions().of(cause, &kill.at, kill.every) {
            let thing = kill.replica.unwrap_or_else(|| some_leader(plan.graph, &mut occasion.choices));
            let to = (!kill.for_good).then(|| (occasion.at + kill.down.duration()).min(plan.storm()));
            spells.push(Spell { thing, from: occasion.at, to, state: Trouble::Down, cause });
        }
    }
    spells
}

/// Kills, as far as processes go: what the restart finds is another matter.
fn restores(plan: &Plan<'_>) -> Vec<Spell<ReplicaId, Trouble>> {
    let mut spells = Vec::new();
    for (index, restore) in plan.scenario.nemesis.restore.0.iter().enumerate() {
        let cause = Cause { table: "restore", index };
        for mut occasion in plan.occasions().of(cause, &restore.at, restore.every) {
            let thing = restore.replica.unwrap_or_else(|| some_leader(plan.graph, &mut occasion.choices));
            let to = Some((occasion.at + restore.down.duration()).min(plan.storm()));
            spells.push(Spell { thing, from: occasion.at, to, state: Trouble::Down, cause });
        }
    }
    spells
}

fn pauses(plan: &Plan<'_>) -> Vec<Spell<ReplicaId, Trouble>> {
    let mut spells = Vec::new();
    for (index, pause) in plan.scenario.nemesis.pause.0.iter().enumerate() {
        let cause = Cause { table: "pause", index };
        for mut occasion in plan.occasions().of(cause, &pause.at, pause.every) {
            let thing = pause.replica.unwrap_or_else(|| some_leader(plan.graph, &mut occasion.choices));
            let to = Some((occasion.at + pause.lasts.duration()).min(plan.storm()));
            spells.push(Spell { thing, from: occasion.at, to, state: Trouble::Paused, cause });
        }
    }
    spells
}
