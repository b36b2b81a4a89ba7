//! The shapes of partitions: from a name to the directed links that are taken.

use crate::scenario::nemesis::{Partition, Shape};
use quarrel_models::{
    id::{LinkId, ReplicaId},
    random::Stream,
    topology::Graph,
};
use std::collections::BTreeSet;

/// How often halves are drawn until some link lies between them.
const ATTEMPTS: usize = 16;

/// The links that the partition takes. Empty if its shape takes none in this graph.
pub(super) fn links_of(partition: &Partition, graph: &Graph, choices: &mut Stream) -> Vec<LinkId> {
    match partition.shape {
        Shape::Isolate | Shape::Flapping => {
            isolate(graph, partition.replica.unwrap_or_else(|| some_leader(graph, choices)))
        }
        Shape::OneWay => {
            let from = partition.replica.unwrap_or_else(|| some_leader(graph, choices));
            graph.links().iter().copied().filter(|link| link.from == from).collect()
        }
        Shape::Halves => halves(graph, None, choices),
        Shape::Bridge => {
            let bridge = partition.replica.or_else(|| some_bridge(graph, choices));
            bridge.map_or_else(Vec::new, |bridge| halves(graph, Some(bridge), choices))
        }
        Shape::Links => {
            let named: BTreeSet<LinkId> = partition.links.iter().copied().collect();
            graph.links().iter().copied().filter(|link| named.contains(link)).collect()
        }
    }
}

/// All links of one replica, both ways.
pub(super) fn isolate(graph: &Graph, replica: ReplicaId) -> Vec<LinkId> {
    graph.links().iter().copied().filter(|link| link.from == replica || link.to == replica).collect()
}

/// A leader, drawn.
pub(super) fn some_leader(graph: &Graph, choices: &mut Stream) -> ReplicaId {
    let index = choices.below(graph.leader_count() as u64);
    ReplicaId::from_index(usize::try_from(index).unwrap_or(0))
}

/// A replica that two others can be on both sides of.
fn some_bridge(graph: &Graph, choices: &mut Stream) -> Option<ReplicaId> {
    let apart =
        |bridge: &ReplicaId| graph.links().iter().any(|link| link.from != *bridge && link.to != *bridge);
    let mut bridges: Vec<ReplicaId> = graph.leaders().filter(apart).collect();
    if bridges.is_empty() {
        bridges = graph.replicas().filter(apart).collect();
    }
    let index = choices.below(bridges.len().max(1) as u64);
    bridges.get(usize::try_from(index).unwrap_or(0)).copied()
}

/// All links between two halves of the replicas, drawn; the bridge belongs to neither.
fn halves(graph: &Graph, bridge: Option<ReplicaId>, choices: &mut Stream) -> Vec<LinkId> {
    for _ in 0..ATTEMPTS {
        let mut others: Vec<ReplicaId> =
            graph.replicas().filter(|&replica| Some(replica) != bridge).collect();
        shuffle(&mut others, choices);
        let left: BTreeSet<ReplicaId> = others.iter().take(others.len() / 2).copied().collect();
        let between = |link: &LinkId| {
            let sees_both = Some(link.from) == bridge || Some(link.to) == bridge;
            !sees_both && left.contains(&link.from) != left.contains(&link.to)
        };
        let links: Vec<LinkId> = graph.links().iter().copied().filter(between).collect();
        if !links.is_empty() {
            return links;
        }
    }
    Vec::new()
}

/// Fisher and Yates.
pub(super) fn shuffle<T>(items: &mut [T], choices: &mut Stream) {
    for at in (1..items.len()).rev() {
        let other = choices.below(at as u64 + 1);
        items.swap(at, usize::try_from(other).unwrap_or(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarrel_models::topology::{Propagation, Topology};

    fn links(shape: Shape, topology: &Topology, leaders: usize, replica: Option<u8>) -> Vec<String> {
        let graph = Graph::new(topology, leaders, vec![], Propagation::Relay).unwrap();
        let partition = Partition { shape, replica: replica.map(ReplicaId), ..Partition::default() };
        let mut choices = Stream::new(1, "shapes", 0);
        links_of(&partition, &graph, &mut choices).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn isolating_takes_the_links_that_the_topology_has() {
        assert_eq!(links(Shape::Isolate, &Topology::Ring, 3, Some(1)), ["A>B", "B>C"]);
        assert_eq!(links(Shape::Isolate, &Topology::Star, 3, Some(1)), ["A>B", "B>A"]);
        assert_eq!(links(Shape::Isolate, &Topology::AllToAll, 3, Some(1)), ["A>B", "B>A", "B>C", "C>B"]);
    }

    #[test]
    fn one_way_leaves_the_links_towards_the_replica() {
        assert_eq!(links(Shape::OneWay, &Topology::AllToAll, 3, Some(0)), ["A>B", "A>C"]);
    }

    #[test]
    fn a_bridge_sees_both_sides() {
        assert_eq!(links(Shape::Bridge, &Topology::AllToAll, 3, Some(0)), ["B>C", "C>B"]);
        assert_eq!(links(Shape::Bridge, &Topology::Ring, 3, Some(0)), ["B>C"]);
    }

    #[test]
    fn halves_of_a_star_are_cut_at_the_hub() {
        let cut = links(Shape::Halves, &Topology::Star, 4, None);
        assert!(!cut.is_empty() && cut.iter().all(|link| link.contains('A')), "{cut:?}");
    }
}
