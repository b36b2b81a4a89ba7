//! The search for cycles, shape by shape. Every search is exact: there is no limit at which a cycle is missed.

use super::{
    anomaly::{Order, Shape},
    graph::{Components, Edge, Graph, NONE, Relation, Relations},
    model::Model,
};
use std::collections::{BTreeMap, VecDeque};

/// A cycle of dependencies that a model forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cycle {
    pub(super) shape: Shape,
    pub(super) order: Order,
    /// Edges from transaction to transaction, each beginning where the one before ends.
    pub(super) edges: Vec<Edge>,
}

/// From how many vertices of a component the shortest cycle is sought.
const ATTEMPTS: usize = 32;

const DEPENDENCIES: Relations = Relations::of(&[Relation::WriteWrite, Relation::WriteRead]);
const ANTI: Relations = Relations::of(&[Relation::ReadWrite, Relation::Joined]);
const JOINED: Relations = Relations::of(&[Relation::Joined]);

/// All cycles that a model forbids: in each strongly connected component one of each shape, unless another one implies
/// it.
pub(super) fn search(graph: &Graph, model: Model) -> Vec<Cycle> {
    let mut found: Vec<Cycle> = Vec::new();
    let mut scratch = vec![NONE; graph.vertices()];
    for &order in model.orders() {
        let all = DEPENDENCIES.and(ANTI).and(relations(order));
        let components = Components::new(graph, all);
        let mut known: BTreeMap<u32, Vec<Shape>> = BTreeMap::new();
        for cycle in &found {
            known.entry(components.of[cycle.edges[0].from as usize]).or_default().push(cycle.shape);
        }
        for members in components.larger() {
            let component = components.of[members[0] as usize];
            let mut shapes = known.remove(&component).unwrap_or_default();
            let part = Part { graph: graph.part(&members, &mut scratch), order };
            for &shape in model.shapes() {
                if shapes.iter().any(|known| known.implies(shape)) {
                    continue;
                }
                if let Some(edges) = part.find(shape) {
                    shapes.push(shape);
                    let whole = |edge: Edge| Edge {
                        from: members[edge.from as usize],
                        to: members[edge.to as usize],
                        ..edge
                    };
                    let edges = edges.into_iter().map(whole).collect();
                    found.push(Cycle { shape, order, edges: without_joints(edges, graph.transactions) });
                }
            }
        }
    }
    found
}

/// The edges that an order adds.
const fn relations(order: Order) -> Relations {
    match order {
        Order::None => Relations::of(&[]),
        Order::Process => Relations::of(&[Relation::Process]),
        Order::Realtime => Relations::of(&[Relation::Realtime]),
    }
}

/// The cycle from transaction to transaction: what runs through joints becomes one edge.
fn without_joints(mut edges: Vec<Edge>, transactions: usize) -> Vec<Edge> {
    let is_transaction = |vertex: u32| (vertex as usize) < transactions;
    if let Some(first) = edges.iter().position(|edge| is_transaction(edge.from)) {
        edges.rotate_left(first);
    }
    let mut whole: Vec<Edge> = Vec::new();
    for edge in edges {
        match whole.last_mut() {
            Some(last) if !is_transaction(edge.from) => {
                last.to = edge.to;
                if !edge.after.is_nil() {
                    last.after = edge.after;
                }
            }
            _ => whole.push(edge),
        }
    }
    whole
}

/// A strongly connected component.
struct Part {
    graph: Graph,
    order: Order,
}

impl Part {
    fn find(&self, shape: Shape) -> Option<Vec<Edge>> {
        let order = relations(self.order);
        let of = |dependencies: &[Relation]| Relations::of(dependencies).and(order);
        match shape {
            Shape::G0 => shortest(&self.graph, of(&[Relation::WriteWrite])),
            Shape::G1c => shortest(&self.graph, DEPENDENCIES.and(order)),
            Shape::Causal => self.single(of(&[Relation::WriteRead])),
            Shape::GSingle => self.single(DEPENDENCIES.and(order)),
            Shape::GNonadjacent => self.nonadjacent(DEPENDENCIES.and(order)),
            Shape::G2 => self.anti(DEPENDENCIES.and(order)),
        }
    }

    /// A cycle of one anti-dependency, and else only these relations.
    ///
    /// Which anti-dependencies are closed by a way back is found for 64 of them at once, by handing on one bit for each
    /// through the components of the other relations in their order.
    fn single(&self, others: Relations) -> Option<Vec<Edge>> {
        let others = others.and(JOINED);
        let components = Components::new(&self.graph, others);
        let mut downwards: Vec<(u32, u32)> = self
            .graph
            .edges()
            .iter()
            .filter(|edge| others.has(edge.relation))
            .map(|edge| (components.of[edge.from as usize], components.of[edge.to as usize]))
            .filter(|(from, to)| from != to)
            .collect();
        // Edges lead to smaller numbers: the greatest first.
        downwards.sort_unstable_by(|a, b| b.cmp(a));
        downwards.dedup();
        let anti: Vec<Edge> = self
            .graph
            .edges()
            .iter()
            .copied()
            .filter(|edge| edge.relation == Relation::ReadWrite)
            // No way back leads upwards.
            .filter(|edge| components.of[edge.to as usize] >= components.of[edge.from as usize])
            .collect();
        let mut reached = vec![0_u64; components.count as usize];
        for batch in anti.chunks(64) {
            reached.fill(0);
            for (bit, edge) in batch.iter().enumerate() {
                reached[components.of[edge.to as usize] as usize] |= 1 << bit;
            }
            for &(from, to) in &downwards {
                reached[to as usize] |= reached[from as usize];
            }
            let closed = batch
                .iter()
                .enumerate()
                .filter(|(bit, edge)| reached[components.of[edge.from as usize] as usize] & (1 << bit) != 0);
            let cycles = closed.take(ATTEMPTS).filter_map(|(_, edge)| {
                let back = way(&self.graph, edge.to, edge.from, others)?;
                Some([vec![*edge], back].concat())
            });
            if let Some(shortest) = cycles.min_by_key(Vec::len) {
                return Some(shortest);
            }
        }
        None
    }

    /// A cycle with any anti-dependencies: a strongly connected component has a way back from each.
    fn anti(&self, dependencies: Relations) -> Option<Vec<Edge>> {
        let anti = self.graph.edges().iter().filter(|edge| edge.relation == Relation::ReadWrite);
        anti.take(ATTEMPTS)
            .filter_map(|edge| {
                let back = way(&self.graph, edge.to, edge.from, dependencies.and(ANTI))?;
                Some([vec![*edge], back].concat())
            })
            .min_by_key(Vec::len)
    }

    /// A cycle in which no two anti-dependencies follow each other: every vertex stands twice, as reached by an
    /// anti-dependency, and as reached otherwise; from the first no further anti-dependency leads on.
    fn nonadjacent(&self, dependencies: Relations) -> Option<Vec<Edge>> {
        let half = u32::try_from(self.graph.vertices()).expect("vertices are numbered in 32 bits");
        let mut edges = Vec::with_capacity(2 * self.graph.edges().len());
        for &edge in self.graph.edges() {
            let Edge { from, to, .. } = edge;
            if dependencies.has(edge.relation) {
                edges.extend([edge, Edge { from: from + half, to, ..edge }]);
            } else if edge.relation == Relation::ReadWrite {
                edges.push(Edge { from, to: to + half, ..edge });
            } else if edge.relation == Relation::Joined {
                edges.push(Edge { from: from + half, to: to + half, ..edge });
            }
        }
        let vertices = 2 * self.graph.vertices();
        let doubled = Graph::new(vertices, vertices, &edges);
        let components = Components::new(&doubled, dependencies.and(ANTI));
        let of = |vertex: u32| components.of[vertex as usize];
        let anti = doubled.edges().iter().filter(|edge| edge.relation == Relation::ReadWrite);
        anti.filter(|edge| of(edge.from) == of(edge.to))
            .take(ATTEMPTS)
            .filter_map(|edge| {
                let back = way(&doubled, edge.to, edge.from, dependencies.and(ANTI))?;
                let walk = [vec![*edge], back].concat().into_iter();
                simple(walk.map(|edge| Edge { from: edge.from % half, to: edge.to % half, ..edge }).collect())
            })
            .min_by_key(Vec::len)
    }
}

/// The cycle that is left of a closed walk without what it goes round on the way. None if that is a cycle of plain
/// dependencies: then it is another shape.
///
/// Where a walk without two anti-dependencies in a row meets itself, one of its two parts has no two in a row either.
fn simple(mut walk: Vec<Edge>) -> Option<Vec<Edge>> {
    let is_anti = |edge: &Edge| matches!(edge.relation, Relation::ReadWrite | Relation::Joined);
    loop {
        let meeting = (0..walk.len()).find_map(|from| {
            let again = walk[from + 1..].iter().position(|edge| edge.from == walk[from].from)?;
            Some((from, from + 1 + again))
        });
        let Some((from, to)) = meeting else { break };
        let inner: Vec<Edge> = walk.drain(from..to).collect();
        let joins_anti = |part: &[Edge]| {
            part.first()
                .zip(part.last())
                .is_some_and(|(first, last)| first.relation == Relation::ReadWrite && is_anti(last))
        };
        let outer: Vec<Edge> = [&walk[from..], &walk[..from]].concat();
        walk = if joins_anti(&outer) || !joins_anti(&inner) && inner.iter().any(is_anti) {
            inner
        } else {
            outer
        };
    }
    walk.iter().any(is_anti).then_some(walk)
}

/// A short cycle over some relations: the shortest one through one of the first vertices of a component.
fn shortest(graph: &Graph, relations: Relations) -> Option<Vec<Edge>> {
    let components = Components::new(graph, relations);
    let larger = components.larger();
    let members = larger.iter().min_by_key(|members| members.len())?;
    let mut scratch = vec![NONE; graph.vertices()];
    let part = graph.part(members, &mut scratch);
    let vertices = u32::try_from(part.vertices()).expect("vertices are numbered in 32 bits");
    let attempts = (0..vertices).take(ATTEMPTS);
    let cycle = attempts.filter_map(|vertex| way(&part, vertex, vertex, relations)).min_by_key(Vec::len)?;
    let whole =
        |edge: Edge| Edge { from: members[edge.from as usize], to: members[edge.to as usize], ..edge };
    Some(cycle.into_iter().map(whole).collect())
}

/// The shortest way over some relations from one vertex to another one, of at least one edge.
fn way(graph: &Graph, from: u32, to: u32, relations: Relations) -> Option<Vec<Edge>> {
    let mut reached_by: Vec<Option<Edge>> = vec![None; graph.vertices()];
    let mut waiting = VecDeque::from([from]);
    while let Some(vertex) = waiting.pop_front() {
        for &edge in graph.from(vertex).iter().filter(|edge| relations.has(edge.relation)) {
            if reached_by[edge.to as usize].is_some() {
                continue;
            }
            reached_by[edge.to as usize] = Some(edge);
            if edge.to == to {
                let mut way = vec![edge];
                let mut at = edge.from;
                while at != from {
                    let edge = reached_by[at as usize]?;
                    way.push(edge);
                    at = edge.from;
                }
                way.reverse();
                return Some(way);
            }
            waiting.push_back(edge.to);
        }
    }
    None
}
