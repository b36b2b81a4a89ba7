//! Paths as witnesses, and back.
//!
//! What an action is as a step stands in one place, [`act`]; the way back compares steps with the steps that the
//! enabled actions would be, so it needs no table of its own.

use super::{
    action::Action,
    fates::fates_and_winners,
    scope::{Acknowledgements, Scope},
    state::{Phase, State},
    world::World,
};
use crate::{
    fault::{ClockChange, Fault},
    id::{ClientId, ReplicaId, WriteId},
    witness::{
        self, Act, ClientStart, Cluster, Digest, End, Finder, Found, Frame, Kind, Problem, Step, Version1,
        Witness, WitnessError, WriteEnd, play,
    },
};
use alloc::{collections::BTreeMap, format, string::String, string::ToString, vec::Vec};

/// The witness of a path: what happens, the digests on the way, and how it ends. It has been played, so it is known
/// to do what the path does.
///
/// # Panics
/// If the path is not one of this world, or if a witness played does otherwise than the model: a defect of ours.
#[must_use]
pub fn witness(world: &World, path: &[Action], found: Found) -> Witness {
    let mut state = world.initial();
    let mut steps = Vec::new();
    for (index, &action) in path.iter().enumerate() {
        let next = world.next(&state, action);
        let changed = replicas(world).filter_map(|replica| {
            let digest = |state| Digest(world.replica(state, replica).digest());
            (digest(&state) != digest(&next)).then(|| (replica, digest(&next)))
        });
        steps.push(Step {
            step: u32::try_from(index + 1).ok(),
            act: act(world, &state, &next, action),
            at_us: None,
            digests: changed.collect(),
        });
        state = next;
    }
    let scope = world.scope();
    let mut witness = Witness {
        quarrel: Kind::Witness,
        v: Version1,
        found,
        cluster: cluster(scope),
        clients: clients(scope),
        workload: scope.workload.to_string(),
        steps,
        end: None,
    };
    match play(&witness) {
        Ok(played) => witness.end = Some(End { replicas: played.replicas, fates: ends(world, &state) }),
        Err(error) => panic!("a path of the model cannot be played: {error}"),
    }
    witness
}

/// What the model checker says of itself in the witnesses that it writes: the property, and the world.
#[must_use]
pub fn found(world: &World, shows: impl Into<String>) -> Found {
    let Scope { strategy, workload, topology, leaders, writes, .. } = world.scope();
    let within = format!("{strategy} | {workload} | {}, {leaders} leaders, {writes} writes", topology.name());
    Found { by: Finder::Model, shows: shows.into(), within: Some(within) }
}

/// The path of a witness in a world.
///
/// # Errors
/// [`WitnessError`] names the first step that cannot happen, comes out otherwise, or is beyond the bounds of the world.
pub fn path(world: &World, witness: &Witness) -> Result<Vec<Action>, WitnessError> {
    let played = play(witness)?;
    let (mut state, mut path) = (world.initial(), Vec::new());
    for (index, (step, seen)) in witness.steps.iter().zip(&played.steps).enumerate() {
        let in_step = |problem| WitnessError::Step { step: index + 1, problem };
        let now_us = world.true_us(&state);
        if seen.at_us != now_us {
            let time = format!("the true time is {} us, and in the model it is {now_us} us", seen.at_us);
            return Err(in_step(Problem::NotInModel(time)));
        }
        let mut enabled = Vec::new();
        world.actions(&state, &mut enabled);
        let fitting = enabled.iter().find_map(|&action| {
            let next = world.next(&state, action);
            is(&step.act, &act(world, &state, &next, action)).then_some((action, next))
        });
        let Some((action, next)) = fitting else {
            let names: Vec<String> = enabled.iter().map(ToString::to_string).collect();
            return Err(in_step(Problem::NotEnabled(names.join("; "))));
        };
        path.push(action);
        state = next;
    }
    compare(witness, &ends(world, &state))?;
    Ok(path)
}

/// Holds the fates that a witness states against those of the model.
fn compare(witness: &Witness, found: &BTreeMap<WriteId, WriteEnd>) -> Result<(), WitnessError> {
    let in_words = |end: Option<&WriteEnd>| match end {
        None => "unknown".to_string(),
        Some(WriteEnd { fate, winner: None }) => fate.to_string(),
        Some(WriteEnd { fate, winner: Some(winner) }) => format!("{fate}, {winner} won"),
    };
    for (write, expected) in witness.end.iter().flat_map(|end| &end.fates) {
        let found = found.get(write);
        if found != Some(expected) {
            let (expected, found) = (in_words(Some(expected)), in_words(found));
            return Err(WitnessError::End { what: format!("the fate of {write}"), expected, found });
        }
    }
    Ok(())
}

/// What an action is as a step, given the states before and after it.
fn act(world: &World, state: &State, next: &State, action: Action) -> Act {
    match action {
        Action::Call { client } => begin(world, state, next, client),
        Action::Arrive { client, at } => Act::Arrive { client, at },
        Action::Deliver { link } => {
            let message = world.under_way(state, link).first().map(|message| Frame::of(message));
            Act::Deliver { link, message, copy: false }
        }
        Action::Acknowledge { link } => Act::Acknowledge { link },
        Action::Clock { replica, offset_ms } => {
            let change = ClockChange::Offset { us: i64::from(offset_ms) * 1000 };
            Act::Fault(Fault::Clock(replica, change))
        }
        Action::Relocate { client, to, token } => Act::Fault(Fault::Relocate { client, to, token }),
        Action::Crash { replica } => Act::Lose { replica },
        Action::Stop { replica } => Act::Fault(Fault::Kill(replica)),
        Action::Restart { replica } => Act::Fault(Fault::Restart(replica)),
    }
}

fn begin(world: &World, state: &State, next: &State, client: ClientId) -> Act {
    let (before, after) = (world.issued(state), world.issued(next));
    let begun = before.iter().zip(&after).position(|(before, after)| before.is_none() && after.is_some());
    let Some(slot) = begun else { panic!("{client} called, and no write has begun") };
    let keyed = world.write_in(slot);
    let (key, operation, write) = (keyed.key, keyed.operation, Some(world.write_of(slot)));
    Act::Begin { client, key, operation, write, at_once: !world.scope().overlap }
}

/// Whether a step is the one that the model would write; what a person left out fits anything.
fn is(step: &Act, model: &Act) -> bool {
    let mut whole = step.clone();
    match (&mut whole, model) {
        (Act::Begin { write: said @ None, .. }, Act::Begin { write, .. }) => *said = *write,
        (Act::Deliver { message: said @ None, .. }, Act::Deliver { message, .. }) => said.clone_from(message),
        _ => {}
    }
    whole == *model
}

fn replicas(world: &World) -> impl Iterator<Item = ReplicaId> + use<> {
    (0..world.scope().leaders).map(ReplicaId::from_index)
}

fn cluster(scope: &Scope) -> Cluster {
    Cluster {
        strategy: scope.strategy.clone(),
        topology: scope.topology.clone(),
        propagation: scope.propagation,
        leaders: scope.leaders,
        followers: Vec::new(),
        coarse_us: 0,
        reserve: 0,
        acknowledgements: match scope.acknowledgements {
            Acknowledgements::Dropped => witness::Acknowledgements::Dropped,
            Acknowledgements::Delivered => witness::Acknowledgements::Delivered,
        },
    }
}

fn clients(scope: &Scope) -> BTreeMap<ClientId, ClientStart> {
    let start = |index: usize| {
        let at = ReplicaId::from_index(index % scope.leaders);
        #[expect(clippy::cast_possible_truncation, reason = "at most 16")]
        (ClientId(index as u32), ClientStart { at, tokens: scope.tokens })
    };
    (0..scope.clients).map(start).collect()
}

/// The fates, where nothing can change them any more.
fn ends(world: &World, state: &State) -> BTreeMap<WriteId, WriteEnd> {
    if !state.is_quiescent() {
        return BTreeMap::new();
    }
    let end = |(slot, met): (usize, super::fates::Met)| {
        let winner = met.winner.map(|winner| world.write_of(winner));
        (world.write_of(slot), WriteEnd { fate: met.fate, winner })
    };
    fates_and_winners(world, state).into_iter().map(end).collect()
}

impl From<Phase> for witness::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Live => Self::Live,
            Phase::Down => Self::Down,
            Phase::Gone => Self::Gone,
        }
    }
}
