//! Which clients move, and where to.

use super::{Action, Cause, Plan, Planned, occasions::Occasion, shapes::shuffle};
use crate::scenario::nemesis::Relocate;
use quarrel_models::id::ReplicaId;

/// Every move is to another leader than the one that the client is bound to: the plan follows them all in time.
pub(super) fn plan(plan: &Plan<'_>) -> Vec<Planned> {
    let mut moves: Vec<(Occasion, Cause, &Relocate)> = Vec::new();
    for (index, relocate) in plan.scenario.nemesis.relocate.0.iter().enumerate() {
        let cause = Cause { table: "relocate", index };
        let occasions = plan.occasions().of(cause, &relocate.at, relocate.every);
        moves.extend(occasions.into_iter().map(|occasion| (occasion, cause, relocate)));
    }
    moves.sort_by_key(|(occasion, cause, _)| (occasion.at, *cause));
    let leaders = plan.graph.leader_count();
    let mut bound: Vec<ReplicaId> =
        plan.scenario.clients.ids().map(|client| plan.scenario.cluster.first_leader(client)).collect();
    if leaders < 2 {
        return Vec::new();
    }
    let mut planned = Vec::new();
    for (mut occasion, cause, relocate) in moves {
        let mut clients: Vec<_> = plan.scenario.clients.ids().collect();
        shuffle(&mut clients, &mut occasion.choices);
        for client in clients.into_iter().take(relocate.clients.unwrap_or(1) as usize) {
            let at = &mut bound[client.0 as usize];
            let onward = 1 + occasion.choices.below(leaders as u64 - 1);
            let to = (at.index() + usize::try_from(onward).unwrap_or(1)) % leaders;
            *at = ReplicaId::from_index(to);
            let Relocate { token, in_flight, .. } = *relocate;
            let action = Action::Relocate { client, to: *at, token, in_flight };
            planned.push(Planned { at: occasion.at, action, undo: false, for_good: false, cause });
        }
    }
    planned
}
