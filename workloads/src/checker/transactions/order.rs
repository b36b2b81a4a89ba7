//! The orders beside the dependencies: of each process, and of real time.

use super::{
    dependencies::Dependencies,
    graph::{Edge, Relation},
    transaction::Transactions,
};
use crate::{
    checker::table::Table,
    history::recorded::{Operation, Outcome},
};

/// Draws an edge from each transaction of a process to its next one.
pub(super) fn process(transactions: &Transactions<'_>, dependencies: &mut Dependencies) {
    let mut last: Table<u32, u32> = Table::default();
    for (at, transaction) in (0..).zip(&transactions.all) {
        if transaction.outcome == Outcome::Fail {
            continue;
        }
        if let Some(&before) = last.get(&transaction.process) {
            dependencies.push(Edge::order(before, at, Relation::Process));
        }
        if transaction.returned == Operation::NEVER {
            // Whether it ever took effect, and when, its process cannot tell.
            last.remove(&transaction.process);
        } else {
            last.insert(transaction.process, at);
        }
    }
}

/// Draws the order of real time: from what returned to what was called later.
///
/// Calls and returns alternate in runs. Between a run of returns and the next run of calls stands a joint: all that
/// returned lead to it, it leads to all that are called next and to the next joint. Three edges a transaction, however
/// many overlap.
pub(super) fn realtime(transactions: &Transactions<'_>, dependencies: &mut Dependencies) {
    let mut events: Vec<(u32, bool, u32)> = Vec::with_capacity(2 * transactions.all.len());
    for (at, transaction) in (0..).zip(&transactions.all) {
        if transaction.outcome == Outcome::Fail {
            continue;
        }
        events.push((transaction.invoked, false, at));
        if transaction.returned != Operation::NEVER {
            events.push((transaction.returned, true, at));
        }
    }
    events.sort_unstable();
    let mut joint = None;
    let mut returned: Vec<u32> = Vec::new();
    for (_, is_return, at) in events {
        if is_return {
            returned.push(at);
            continue;
        }
        if !returned.is_empty() {
            let next = dependencies.joint();
            dependencies.extend(joint.map(|before| Edge::order(before, next, Relation::Realtime)));
            dependencies.extend(returned.drain(..).map(|at| Edge::order(at, next, Relation::Realtime)));
            joint = Some(next);
        }
        dependencies.extend(joint.map(|joint| Edge::order(joint, at, Relation::Realtime)));
    }
}
