//! What the versions that transactions read and wrote say: dependencies, and what is wrong without any cycle.

use super::{
    anomaly::Direct,
    graph::{Edge, Graph, Relation},
};
use crate::{
    checker::standalone::{FoundAnomaly, Witness},
    history::recorded::Datum,
};
use std::collections::BTreeMap;

/// What was inferred from a history.
#[derive(Debug)]
pub(super) struct Dependencies {
    transactions: usize,
    vertices: u32,
    edges: Vec<Edge>,
    /// What is wrong without any cycle.
    pub(super) anomalies: BTreeMap<Direct, FoundAnomaly>,
}

impl Dependencies {
    pub(super) fn new(transactions: usize) -> Self {
        let vertices = u32::try_from(transactions).expect("a history has fewer than 2^32 operations");
        Self { transactions, vertices, edges: Vec::new(), anomalies: BTreeMap::new() }
    }

    /// Whether nothing at all was inferred.
    pub(super) fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    pub(super) fn push(&mut self, edge: Edge) {
        if edge.from != edge.to {
            self.edges.push(edge);
        }
    }

    pub(super) fn extend(&mut self, edges: impl IntoIterator<Item = Edge>) {
        for edge in edges {
            self.push(edge);
        }
    }

    /// A new vertex that is no transaction.
    pub(super) fn joint(&mut self) -> u32 {
        self.vertices += 1;
        self.vertices - 1
    }

    pub(super) fn note(&mut self, kind: Direct, witness: impl FnOnce() -> Witness) {
        self.anomalies.entry(kind).or_insert_with(|| FoundAnomaly::new(kind.name())).add(witness);
    }

    pub(super) fn graph(&self) -> Graph {
        Graph::new(self.transactions, self.vertices as usize, &self.edges)
    }

    /// Draws an anti-dependency from every reader of a version to every writer of a later one, but not from a
    /// transaction to itself.
    ///
    /// Where that would be many edges they run through joints: one for each beginning of the list of writers and one
    /// for each end of it, so that a reader which is a writer too reaches those before and those after it.
    pub(super) fn everyone_before(
        &mut self,
        key: u32,
        before: Datum,
        readers: &[u32],
        writers: &mut Vec<(u32, Datum)>,
    ) {
        writers.sort_unstable();
        writers.dedup_by_key(|writer| writer.0);
        let edge = |from, to, relation, after| Edge { from, to, relation, key, before, after };
        if readers.len() * writers.len() <= 4 * (readers.len() + writers.len()) {
            for &reader in readers {
                let edges = writers.iter().map(|&(to, after)| edge(reader, to, Relation::ReadWrite, after));
                self.extend(edges);
            }
            return;
        }
        let upwards = self.chain(writers.iter().map(|&(to, after)| edge(0, to, Relation::Joined, after)));
        let downwards =
            self.chain(writers.iter().rev().map(|&(to, after)| edge(0, to, Relation::Joined, after)));
        for &reader in readers {
            let (at_most, at_least) = match writers.binary_search_by_key(&reader, |writer| writer.0) {
                Ok(place) => (place, writers.len() - 1 - place),
                Err(_) => (writers.len(), 0),
            };
            let ends = [(at_most, &upwards), (at_least, &downwards)];
            for (length, chain) in ends {
                if let Some(last) = length.checked_sub(1) {
                    self.push(edge(reader, chain[last], Relation::ReadWrite, Datum::NIL));
                }
            }
        }
    }

    /// Joints of which each leads to its edge's end and to the joint before.
    fn chain(&mut self, ends: impl Iterator<Item = Edge>) -> Vec<u32> {
        let mut joints: Vec<u32> = Vec::new();
        for end in ends {
            let joint = self.joint();
            self.push(Edge { from: joint, ..end });
            if let Some(&before) = joints.last() {
                self.push(Edge { from: joint, to: before, after: Datum::NIL, ..end });
            }
            joints.push(joint);
        }
        joints
    }
}
