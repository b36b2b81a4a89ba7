//! What real processes cannot be made to do, known before anything starts.

use super::LiveError;
use quarrel_models::{
    fault::Fault,
    id::{LinkId, ReplicaId},
    witness::{Act, Happening, Player, Witness},
};
use std::collections::BTreeSet;

/// Refuses a witness with a step that real processes cannot take, by name.
///
/// A process that is stopped takes nothing in, so that it neither greets nor is greeted, and does not notice that a
/// connection has broken; the player's replicas do.
pub(super) fn check(witness: &Witness) -> Result<(), LiveError> {
    let mut player = Player::new(witness)?;
    let mut paused: BTreeSet<ReplicaId> = BTreeSet::new();
    for (index, step) in witness.steps.iter().enumerate() {
        let seen = player.step(step)?;
        match &step.act {
            Act::Fault(Fault::Pause(replica)) => drop(paused.insert(*replica)),
            Act::Fault(Fault::Resume(replica) | Fault::Kill(replica))
            | Act::Lose { replica }
            | Act::LoseTail { replica, .. } => drop(paused.remove(replica)),
            _ => {}
        }
        let cannot = |what: &str, link: LinkId| {
            let why = format!(
                "{what} {link}, and one of its ends is paused: a stopped process cannot notice; resume it first"
            );
            Err(LiveError::Cannot { step: index + 1, why })
        };
        for happening in &seen.happenings {
            match *happening {
                Happening::Connected { link }
                    if [link.from, link.to].iter().any(|end| paused.contains(end)) =>
                {
                    return cannot("it connects", link);
                }
                Happening::Disconnected { link } if paused.contains(&link.from) => {
                    return cannot("it breaks", link);
                }
                _ => {}
            }
        }
        // A tick may greet again whoever has not answered.
        if let Act::Tick { replica } = &step.act {
            let sender =
                player.graph().links().iter().find(|link| link.to == *replica && paused.contains(&link.from));
            if let Some(link) = sender {
                return cannot("it may greet over", *link);
            }
        }
    }
    Ok(())
}
