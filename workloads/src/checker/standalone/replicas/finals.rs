//! Which reads are the final ones, and of which node.

use super::values::{Kinds, name};
use crate::{
    checker::standalone::{FinalReads, Unfit},
    history::{
        Event, FinalVersion,
        recorded::{Datum, FinalRead, Function, Operation, Recorded},
    },
};
use quarrel_models::{
    clock::Stamp,
    id::{Dot, MAX_REPLICAS, ReplicaId, WriteId},
    version::VersionVector,
};
use std::collections::{BTreeMap, BTreeSet};

/// The final reads of a history.
#[derive(Debug)]
pub(in super::super) struct Finally {
    /// The nodes, or the processes where no node is told, in the order of their names.
    pub(in super::super) nodes: Vec<String>,
    /// By record and node: what it showed. Several are siblings.
    shown: BTreeMap<Datum, BTreeMap<usize, Vec<Datum>>>,
    /// By record: the operations that read it in the end.
    operations: BTreeMap<Datum, Vec<usize>>,
    /// Nodes that told all: what they did not show is not there.
    whole: BTreeSet<usize>,
    /// Records that some nodes did not read in the end.
    pub(in super::super) passed_over: usize,
}

/// One final read, with the operation that made it, if one did.
type Found = (String, FinalRead, Option<usize>);

impl Finally {
    pub(super) fn of(history: &Recorded, which: FinalReads) -> Result<Self, Unfit> {
        let show = |node| history.values.show(node).to_string();
        let mut found: Vec<Found> =
            history.finals.iter().map(|read| (show(read.node), *read, None)).collect();
        for (at, op) in history.operations.iter().enumerate().filter(|(_, op)| op.is_ok()) {
            let is_named = history.function_name(op.function).starts_with("final-read");
            if op.is_final || is_named || which == FinalReads::Last {
                found.extend(reads(history, at, op));
            }
        }
        let mut names: BTreeSet<String> = found.iter().map(|(node, ..)| node.clone()).collect();
        names.extend(history.read_whole.iter().map(|&node| show(node)));
        let nodes: Vec<String> = names.into_iter().collect();
        if nodes.len() > MAX_REPLICAS {
            return Err(Unfit {
                event: None,
                what: format!("{} nodes were read in the end", nodes.len()),
                expected: format!(
                    "at most {MAX_REPLICAS} are expected; mark the final reads, and name their `node`"
                ),
            });
        }
        let place = |node: &str| nodes.iter().position(|other| other == node).unwrap_or(0);
        let mut finally = Self {
            shown: BTreeMap::new(),
            operations: BTreeMap::new(),
            whole: history.read_whole.iter().map(|&node| place(&show(node))).collect(),
            passed_over: 0,
            nodes: Vec::new(),
        };
        for (node, read, at) in found {
            let values = finally.shown.entry(read.key).or_default().entry(place(&node)).or_default();
            if at.is_some() {
                // A later read of the same node says more.
                values.clear();
            }
            values.push(read.value);
            finally.operations.entry(read.key).or_default().extend(at);
        }
        finally.nodes = nodes;
        finally.keep_complete();
        Ok(finally)
    }

    /// Where a node did not read a record, nobody can say whether it has it.
    fn keep_complete(&mut self) {
        let Self { nodes, shown, whole, passed_over, .. } = self;
        shown.retain(|_, by_node| {
            let complete = (0..nodes.len()).all(|node| by_node.contains_key(&node) || whole.contains(&node));
            *passed_over += usize::from(!complete);
            complete
        });
    }

    /// Whether the record was read at all nodes, or is known not to be at those that did not.
    pub(in super::super) fn judges(&self, key: Datum) -> bool {
        self.shown.contains_key(&key) || !self.nodes.is_empty() && self.whole.len() == self.nodes.len()
    }

    pub(super) fn reads(&self) -> impl Iterator<Item = FinalRead> + '_ {
        self.shown.iter().flat_map(|(&key, by_node)| {
            by_node.values().flatten().map(move |&value| FinalRead { node: Datum::NIL, key, value })
        })
    }

    /// The node that an operation went to, if final reads name it.
    pub(super) fn replica_of(&self, history: &Recorded, operation: usize) -> Option<ReplicaId> {
        let node = history.values.show(history.node(operation)).to_string();
        self.nodes.iter().position(|other| *other == node).map(ReplicaId::from_index)
    }

    /// The operations that read a record in the end, by its name.
    pub(in super::super) fn operations_of(&self, history: &Recorded, key: &str) -> Vec<usize> {
        let of = self.operations.iter().find(|(other, _)| name(history, **other) == key);
        of.map(|(_, operations)| operations.clone()).unwrap_or_default()
    }

    /// `A is n1, B is n2`: how the ledger's names are to be read. Nothing where that is what they are called.
    pub(in super::super) fn legend(&self) -> Option<String> {
        let names = self.nodes.iter().enumerate();
        let parts: Vec<String> =
            names.map(|(at, node)| format!("{} is {node}", ReplicaId::from_index(at))).collect();
        let are_alike =
            self.nodes.iter().enumerate().all(|(at, node)| *node == ReplicaId::from_index(at).to_string());
        (!are_alike).then(|| parts.join(", "))
    }

    /// The final reads as events.
    pub(super) fn events(
        &self,
        history: &Recorded,
        kinds: &Kinds,
        write_of: impl Fn(Datum, Datum) -> Option<WriteId>,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let mut records = vec![0; self.nodes.len()];
        for (&key, by_node) in &self.shown {
            for (&node, shown) in by_node {
                let replica = ReplicaId::from_index(node);
                let mut values: Vec<_> =
                    shown.iter().map(|&value| (value, kinds.shown(&history.values, key, value))).collect();
                values.retain(|(_, value)| value.is_some());
                let version = |(n, (datum, value)): (usize, &(Datum, _))| {
                    let write = write_of(key, *datum)?;
                    // The history tells no stamps and no log; these are told apart by their place.
                    let dot = Dot { origin: replica, position: u32::try_from(n + 1).unwrap_or(u32::MAX) };
                    Some(FinalVersion {
                        write,
                        dot,
                        stamp: Stamp { time_us: 0, logical: 0 },
                        value: Option::clone(value),
                    })
                };
                let versions = if values.len() > 1 {
                    values.iter().enumerate().filter_map(version).collect()
                } else {
                    Vec::new()
                };
                let value = if values.len() == 1 { values.remove(0).1 } else { None };
                if value.is_some() || !versions.is_empty() {
                    records[node] += 1;
                    events.push(Event::Final { replica, key: name(history, key), value, versions });
                }
            }
        }
        for (node, records) in records.into_iter().enumerate() {
            let replica = ReplicaId::from_index(node);
            events.push(Event::FinalEnd { replica, records, applied: VersionVector::new() });
        }
        events
    }
}

/// What an answered operation read, of which node.
fn reads(history: &Recorded, at: usize, op: &Operation) -> Vec<Found> {
    let values = &history.values;
    let sent_to = history.node(at);
    let node = if sent_to.is_nil() {
        format!("process {}", history.process_name(op.process))
    } else {
        values.show(sent_to).to_string()
    };
    let found = |key, value| (node.clone(), FinalRead { node: sent_to, key, value }, Some(at));
    match op.function {
        Function::TXN | Function::NONE => {
            let micro = values.as_items(op.output).unwrap_or_default().iter();
            let parts = micro.filter_map(|&item| <[Datum; 3]>::try_from(values.as_items(item)?).ok());
            let reads = parts.filter(|[f, ..]| matches!(values.as_text(*f), Some("r" | "read")));
            reads.map(|[_, key, value]| found(key, value)).collect()
        }
        Function::READ | Function::GET => vec![found(op.key, op.output)],
        function if history.function_name(function).starts_with("final-read") => {
            vec![found(op.key, op.output)]
        }
        _ => Vec::new(),
    }
}
