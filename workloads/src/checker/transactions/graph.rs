//! The graph of dependencies between transactions, and its strongly connected components.
//!
//! Vertices below [`Graph::transactions`] are transactions. Those above are joints: many edges from every one of these
//! to every one of those are drawn through a joint, so that the graph stays as large as its history.

use crate::history::recorded::Datum;

/// Why one transaction comes before another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(super) enum Relation {
    /// It wrote the version before.
    WriteWrite = 1,
    /// It wrote what the other one read.
    WriteRead = 2,
    /// It read the version that the other one replaced.
    ReadWrite = 4,
    /// It came before in the same process.
    Process = 8,
    /// It returned before the other one was called.
    Realtime = 16,
    /// The other half of an anti-dependency that is drawn through a joint.
    Joined = 32,
}

/// A set of relations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Relations(u8);

impl Relations {
    pub(super) const fn of(relations: &[Relation]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < relations.len() {
            bits |= relations[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn has(self, relation: Relation) -> bool {
        self.0 & relation as u8 != 0
    }
}

/// One dependency, and the versions that show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) relation: Relation,
    pub(super) key: u32,
    /// The version that the first one wrote or read.
    pub(super) before: Datum,
    /// The version that the second one wrote.
    pub(super) after: Datum,
}

impl Edge {
    /// An order that no version shows.
    pub(super) const fn order(from: u32, to: u32, relation: Relation) -> Self {
        Self { from, to, relation, key: 0, before: Datum::NIL, after: Datum::NIL }
    }
}

/// Edges by the vertex that they leave.
#[derive(Debug)]
pub(super) struct Graph {
    /// How many of the vertices are transactions.
    pub(super) transactions: usize,
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    pub(super) fn new(transactions: usize, vertices: usize, unsorted: &[Edge]) -> Self {
        let mut starts = vec![0_u32; vertices + 1];
        for edge in unsorted {
            starts[edge.from as usize + 1] += 1;
        }
        for at in 0..vertices {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let nothing = Edge::order(0, 0, Relation::Process);
        let mut edges = vec![nothing; unsorted.len()];
        for &edge in unsorted {
            let place = &mut next[edge.from as usize];
            edges[*place as usize] = edge;
            *place += 1;
        }
        Self { transactions, starts, edges }
    }

    pub(super) fn vertices(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    pub(super) fn from(&self, vertex: u32) -> &[Edge] {
        let (from, to) = (self.starts[vertex as usize], self.starts[vertex as usize + 1]);
        &self.edges[from as usize..to as usize]
    }

    /// The part between some vertices, which get the numbers of their places. `scratch` holds [`NONE`] for every
    /// vertex, before and after.
    pub(super) fn part(&self, members: &[u32], scratch: &mut [u32]) -> Self {
        for (place, &member) in (0..).zip(members) {
            scratch[member as usize] = place;
        }
        let mut edges = Vec::new();
        for &member in members {
            for edge in self.from(member) {
                let to = scratch[edge.to as usize];
                if to != NONE {
                    edges.push(Edge { from: scratch[member as usize], to, ..*edge });
                }
            }
        }
        let transactions = members.iter().filter(|&&member| (member as usize) < self.transactions).count();
        for &member in members {
            scratch[member as usize] = NONE;
        }
        // Members ascend, so that transactions come before joints here too.
        Self::new(transactions, members.len(), &edges)
    }
}

/// No vertex.
pub(super) const NONE: u32 = u32::MAX;

/// Strongly connected components.
#[derive(Debug)]
pub(super) struct Components {
    /// The component of each vertex. Edges between components lead to smaller numbers.
    pub(super) of: Vec<u32>,
    /// How many there are.
    pub(super) count: u32,
}

impl Components {
    /// Tarjan's algorithm (1972) over the edges of some relations, without recursion.
    pub(super) fn new(graph: &Graph, relations: Relations) -> Self {
        let vertices = graph.vertices();
        let mut tarjan = Tarjan {
            graph,
            relations,
            index: vec![NONE; vertices],
            low: vec![0; vertices],
            found: Self { of: vec![NONE; vertices], count: 0 },
            open: Vec::new(),
            path: Vec::new(),
            next: 0,
        };
        for vertex in 0..u32::try_from(vertices).expect("there are fewer than 2^32 vertices") {
            if tarjan.index[vertex as usize] == NONE {
                tarjan.visit(vertex);
            }
        }
        tarjan.found
    }

    /// The components of more than one vertex, each ascending, in the order of their first vertices.
    pub(super) fn larger(&self) -> Vec<Vec<u32>> {
        let mut sizes = vec![0_u32; self.count as usize];
        for &component in &self.of {
            sizes[component as usize] += 1;
        }
        let mut places = vec![NONE; self.count as usize];
        let mut larger: Vec<Vec<u32>> = Vec::new();
        for (vertex, &component) in (0..).zip(&self.of) {
            let component = component as usize;
            if sizes[component] < 2 {
                continue;
            }
            if places[component] == NONE {
                places[component] = u32::try_from(larger.len()).expect("fewer than vertices");
                larger.push(Vec::new());
            }
            larger[places[component] as usize].push(vertex);
        }
        larger
    }
}

struct Tarjan<'a> {
    graph: &'a Graph,
    relations: Relations,
    index: Vec<u32>,
    low: Vec<u32>,
    found: Components,
    /// Vertices whose component is not known yet.
    open: Vec<u32>,
    /// The path from the root: vertices, and how many of their edges were followed.
    path: Vec<(u32, u32)>,
    next: u32,
}

impl Tarjan<'_> {
    fn visit(&mut self, root: u32) {
        self.enter(root);
        while let Some(&(vertex, followed)) = self.path.last() {
            let Some(edge) = self.graph.from(vertex).get(followed as usize) else {
                self.leave(vertex);
                continue;
            };
            if let Some(top) = self.path.last_mut() {
                top.1 += 1;
            }
            if !self.relations.has(edge.relation) {
                continue;
            }
            let to = edge.to as usize;
            if self.index[to] == NONE {
                self.enter(edge.to);
            } else if self.found.of[to] == NONE {
                self.low[vertex as usize] = self.low[vertex as usize].min(self.index[to]);
            }
        }
    }

    fn enter(&mut self, vertex: u32) {
        self.index[vertex as usize] = self.next;
        self.low[vertex as usize] = self.next;
        self.next += 1;
        self.open.push(vertex);
        self.path.push((vertex, 0));
    }

    fn leave(&mut self, vertex: u32) {
        self.path.pop();
        let low = self.low[vertex as usize];
        if let Some(&(parent, _)) = self.path.last() {
            self.low[parent as usize] = self.low[parent as usize].min(low);
        }
        if low == self.index[vertex as usize] {
            while let Some(member) = self.open.pop() {
                self.found.of[member as usize] = self.found.count;
                if member == vertex {
                    break;
                }
            }
            self.found.count += 1;
        }
    }
}
