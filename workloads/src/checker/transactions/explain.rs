//! What a cycle says, in words and as a picture of text.

use super::{
    cycles::Cycle,
    graph::{Edge, Relation},
    transaction::{Transactions, Writes},
};
use crate::checker::standalone::Witness;
use std::fmt::Write as _;

/// A cycle in words: who the transactions are, why each comes before the next, and that this cannot be.
pub(super) fn witness(transactions: &Transactions<'_>, writes: Writes, cycle: &Cycle) -> Witness {
    let operations: Vec<usize> =
        cycle.edges.iter().map(|edge| transactions.all[edge.from as usize].operation as usize).collect();
    let mut why = String::new();
    for (number, edge) in (1..).zip(&cycle.edges) {
        let next = number % cycle.edges.len() + 1;
        let reason = reason(transactions, writes, edge, number, next);
        // Writing to a text cannot fail.
        let _ = writeln!(why, "T{number} comes before T{next}, because {reason}.");
    }
    why.push_str("Each would have to come before itself:");
    for (number, edge) in (1..).zip(&cycle.edges) {
        let _ = write!(why, " T{number} -{}->", short(edge.relation));
    }
    why.push_str(" T1");
    Witness { why, operations }
}

/// Why each transaction of a cycle comes before the next, in a word each.
pub(super) fn relations(cycle: &Cycle) -> Vec<&'static str> {
    cycle.edges.iter().map(|edge| short(edge.relation)).collect()
}

/// The relation as it stands in pictures.
const fn short(relation: Relation) -> &'static str {
    match relation {
        Relation::WriteWrite => "ww",
        Relation::WriteRead => "wr",
        Relation::ReadWrite | Relation::Joined => "rw",
        Relation::Process => "process",
        Relation::Realtime => "realtime",
    }
}

fn reason(transactions: &Transactions<'_>, writes: Writes, edge: &Edge, from: usize, to: usize) -> String {
    let show = |datum| transactions.history.values.show(datum);
    let key = || format!("key {}", show(transactions.keys[edge.key as usize]));
    let (before, after) = (edge.before, edge.after);
    match (edge.relation, writes) {
        (Relation::WriteWrite, Writes::Append) => {
            format!("T{to} appended {} to {} after T{from} had appended {}", show(after), key(), show(before))
        }
        (Relation::WriteWrite, Writes::Register) => {
            format!(
                "T{to} replaced the {} that T{from} had written to {} by {}",
                show(before),
                key(),
                show(after)
            )
        }
        (Relation::WriteRead, Writes::Append) => {
            format!("T{to} read {} at the end of {}, which T{from} had appended", show(before), key())
        }
        (Relation::WriteRead, Writes::Register) => {
            format!("T{to} read {} of {}, which T{from} had written", show(before), key())
        }
        (Relation::ReadWrite | Relation::Joined, Writes::Append) if before.is_nil() => {
            format!("T{from} read {} as empty, to which T{to} appended {}", key(), show(after))
        }
        (Relation::ReadWrite | Relation::Joined, Writes::Append) => format!(
            "T{from} read {} with {} at its end, after which T{to} appended {}",
            key(),
            show(before),
            show(after)
        ),
        (Relation::ReadWrite | Relation::Joined, Writes::Register) => format!(
            "T{from} read {} of {}, which came before the {} that T{to} wrote",
            show(before),
            key(),
            show(after)
        ),
        (Relation::Process, _) => {
            let process = transactions.all[edge.from as usize].process;
            format!("process {process} ran T{from} first, and then T{to}")
        }
        (Relation::Realtime, _) => {
            let returned = transactions.all[edge.from as usize].returned;
            let invoked = transactions.all[edge.to as usize].invoked;
            format!("T{from} returned (event {returned}) before T{to} was called (event {invoked})")
        }
    }
}
