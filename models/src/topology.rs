//! Who replicates to whom: topologies, followers, and the graph that they make.

use crate::id::{LinkId, MAX_REPLICAS, ReplicaId};
use alloc::{
    collections::{BTreeSet, VecDeque},
    string::{String, ToString},
    vec,
    vec::Vec,
};
use serde::{Deserialize, Serialize};

/// The shape in which leaders replicate to each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Topology {
    /// Circular: each leader sends to the next one, the last to the first.
    Ring,
    /// The first leader is the hub: it exchanges with every other one.
    Star,
    /// Every leader sends to every other one.
    AllToAll,
    /// A directed graph of one's own: links such as `"A>B"`.
    Custom(#[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))] Vec<LinkId>),
}

impl Topology {
    /// The name of the shape, as scenarios spell it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Star => "star",
            Self::AllToAll => "all-to-all",
            Self::Custom(_) => "custom",
        }
    }

    /// Whether writes reach every leader only if leaders pass on what they received.
    #[must_use]
    pub const fn needs_relay(&self) -> bool {
        !matches!(self, Self::AllToAll)
    }
}

/// What a leader sends along a link to another leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Propagation {
    /// Only the writes that it took itself.
    Direct,
    /// Everything that it has applied or discarded, except what came from the receiver.
    Relay,
}

/// A follower: it takes no writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Follower {
    /// The leaders that send to it, such as `["A"]`.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub of: Vec<ReplicaId>,
    /// Whether clients may read from it; if not, it only replicates.
    #[serde(default)]
    pub readable: bool,
}

/// The parts of a cluster, checked and laid out: the replicas and the directed links between them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Graph {
    leaders: usize,
    followers: Vec<Follower>,
    propagation: Propagation,
    links: Vec<LinkId>,
    /// For each pair of replicas, row by row, the neighbour that the shortest path goes through.
    next_hops: Vec<Option<ReplicaId>>,
}

/// A cluster that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// Fewer than one leader, or more replicas than there are names.
    #[error(
        "a cluster has from 1 to {MAX_REPLICAS} replicas, at least one of them a leader; this one has {leaders} leaders and {followers} followers"
    )]
    Size {
        /// The leaders asked for.
        leaders: usize,
        /// The followers asked for.
        followers: usize,
    },
    /// Writes of one replica would never arrive at another.
    #[error("writes taken by {from} never reach {to}: {why}")]
    Unreachable {
        /// The leader whose writes are lost to the other.
        from: ReplicaId,
        /// The replica that they never reach.
        to: ReplicaId,
        /// What is missing.
        why: String,
    },
    /// A link between replicas that the cluster does not have.
    #[error(
        "the link {link} does not join two different leaders of this cluster, which has the leaders A to {last}"
    )]
    BadLink {
        /// The link.
        link: LinkId,
        /// The last leader.
        last: ReplicaId,
    },
    /// A follower of nobody, or of something that is no leader.
    #[error("follower {follower} must follow one or more of the leaders A to {last}; it follows {of}")]
    BadFollower {
        /// The follower.
        follower: ReplicaId,
        /// What it follows.
        of: String,
        /// The last leader.
        last: ReplicaId,
    },
}

impl Graph {
    /// Lays out the cluster and checks that every write can reach every replica.
    ///
    /// # Errors
    /// [`TopologyError`] names the pair of replicas between which there is no path, or the part that is wrong.
    pub fn new(
        topology: &Topology,
        leaders: usize,
        followers: Vec<Follower>,
        propagation: Propagation,
    ) -> Result<Self, TopologyError> {
        if leaders == 0 || leaders + followers.len() > MAX_REPLICAS {
            return Err(TopologyError::Size { leaders, followers: followers.len() });
        }
        let mut links = leader_links(topology, leaders)?;
        links.extend(follower_links(leaders, &followers)?);
        let links: Vec<LinkId> = links.into_iter().collect();
        let next_hops = shortest_paths(leaders + followers.len(), &links);
        let graph = Self { leaders, followers, propagation, links, next_hops };
        graph.check_delivery()?;
        Ok(graph)
    }

    /// The number of leaders.
    #[must_use]
    pub const fn leader_count(&self) -> usize {
        self.leaders
    }

    /// The number of replicas, followers included.
    #[must_use]
    pub fn replica_count(&self) -> usize {
        self.leaders + self.followers.len()
    }

    /// All replicas, leaders first.
    pub fn replicas(&self) -> impl Iterator<Item = ReplicaId> + use<> {
        (0..self.replica_count()).map(ReplicaId::from_index)
    }

    /// All leaders.
    pub fn leaders(&self) -> impl Iterator<Item = ReplicaId> + use<> {
        (0..self.leaders).map(ReplicaId::from_index)
    }

    /// Whether the replica takes writes.
    #[must_use]
    pub const fn is_leader(&self, replica: ReplicaId) -> bool {
        replica.index() < self.leaders
    }

    /// Whether clients may read from the replica.
    #[must_use]
    pub fn is_readable(&self, replica: ReplicaId) -> bool {
        self.is_leader(replica)
            || self.followers.get(replica.index() - self.leaders).is_some_and(|follower| follower.readable)
    }

    /// How leaders propagate.
    #[must_use]
    pub const fn propagation(&self) -> Propagation {
        self.propagation
    }

    /// All directed links, in order.
    #[must_use]
    pub fn links(&self) -> &[LinkId] {
        &self.links
    }

    /// The replicas that `from` sends to.
    pub fn targets(&self, from: ReplicaId) -> impl Iterator<Item = ReplicaId> + '_ {
        self.links.iter().filter(move |link| link.from == from).map(|link| link.to)
    }

    /// The replicas that send to `to`.
    pub fn sources(&self, to: ReplicaId) -> impl Iterator<Item = ReplicaId> + '_ {
        self.links.iter().filter(move |link| link.to == to).map(|link| link.from)
    }

    /// Whether `from` sends writes that entered at `origin` along its link to `to`.
    ///
    /// A write is never sent back to its origin. Followers get everything: what they lack, nobody else gives them.
    #[must_use]
    pub fn forwards(&self, from: ReplicaId, to: ReplicaId, origin: ReplicaId) -> bool {
        origin != to && (origin == from || self.propagation == Propagation::Relay || !self.is_leader(to))
    }

    /// The neighbour through which a request to `to` travels, or `None` if there is no path or no such
    /// replica.
    #[must_use]
    pub fn next_hop(&self, from: ReplicaId, to: ReplicaId) -> Option<ReplicaId> {
        let count = self.replica_count();
        let inside = from.index() < count && to.index() < count;
        if inside { self.next_hops[from.index() * count + to.index()] } else { None }
    }

    /// The links that a write of `origin` crosses to reach `to`, at least; `None` if it never does.
    #[must_use]
    pub fn distance(&self, origin: ReplicaId, to: ReplicaId) -> Option<usize> {
        self.distances_from(origin)[to.index()]
    }

    fn distances_from(&self, origin: ReplicaId) -> Vec<Option<usize>> {
        let mut distances = vec![None; self.replica_count()];
        distances[origin.index()] = Some(0);
        let mut queue = VecDeque::from([origin]);
        while let Some(at) = queue.pop_front() {
            let next = distances[at.index()].map(|hops: usize| hops + 1);
            for to in self.targets(at) {
                if self.forwards(at, to, origin) && distances[to.index()].is_none() {
                    distances[to.index()] = next;
                    queue.push_back(to);
                }
            }
        }
        distances
    }

    fn check_delivery(&self) -> Result<(), TopologyError> {
        for origin in self.leaders() {
            let distances = self.distances_from(origin);
            if let Some(lost) = distances.iter().position(Option::is_none) {
                let to = ReplicaId::from_index(lost);
                let why = match self.propagation {
                    Propagation::Relay => "no path of links leads there; add one".to_string(),
                    Propagation::Direct => alloc::format!(
                        "no direct link {origin}>{to}, and leaders do not pass on what they received; \
                         add the link or set propagation = \"relay\""
                    ),
                };
                return Err(TopologyError::Unreachable { from: origin, to, why });
            }
        }
        Ok(())
    }
}

fn link(from: usize, to: usize) -> LinkId {
    LinkId { from: ReplicaId::from_index(from), to: ReplicaId::from_index(to) }
}

fn leader_links(topology: &Topology, leaders: usize) -> Result<BTreeSet<LinkId>, TopologyError> {
    let pairs = || (0..leaders).flat_map(move |from| (0..leaders).map(move |to| (from, to)));
    let different = |&(from, to): &(usize, usize)| from != to;
    Ok(match topology {
        Topology::Ring => {
            (0..leaders).map(|n| (n, (n + 1) % leaders)).filter(different).map(|(a, b)| link(a, b)).collect()
        }
        Topology::Star => {
            pairs().filter(different).filter(|&(a, b)| a == 0 || b == 0).map(|(a, b)| link(a, b)).collect()
        }
        Topology::AllToAll => pairs().filter(different).map(|(a, b)| link(a, b)).collect(),
        Topology::Custom(links) => {
            let last = ReplicaId::from_index(leaders - 1);
            if let Some(&link) = links.iter().find(|l| l.from == l.to || l.from > last || l.to > last) {
                return Err(TopologyError::BadLink { link, last });
            }
            links.iter().copied().collect()
        }
    })
}

fn follower_links(leaders: usize, followers: &[Follower]) -> Result<Vec<LinkId>, TopologyError> {
    let last = ReplicaId::from_index(leaders - 1);
    let mut links = Vec::new();
    for (index, follower) in followers.iter().enumerate() {
        let to = ReplicaId::from_index(leaders + index);
        if follower.of.is_empty() || follower.of.iter().any(|&leader| leader > last) {
            let names: Vec<String> = follower.of.iter().map(ToString::to_string).collect();
            let of = if names.is_empty() { "nobody".to_string() } else { names.join(", ") };
            return Err(TopologyError::BadFollower { follower: to, of, last });
        }
        links.extend(follower.of.iter().map(|&from| LinkId { from, to }));
    }
    Ok(links)
}

fn shortest_paths(replicas: usize, links: &[LinkId]) -> Vec<Option<ReplicaId>> {
    let mut next_hops = vec![None; replicas * replicas];
    for start in 0..replicas {
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for step in links.iter().filter(|link| link.from.index() == at) {
                let to = step.to.index();
                if to != start && next_hops[start * replicas + to].is_none() {
                    next_hops[start * replicas + to] =
                        if at == start { Some(step.to) } else { next_hops[start * replicas + at] };
                    queue.push_back(to);
                }
            }
        }
    }
    next_hops
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(topology: &Topology, leaders: usize, propagation: Propagation) -> Result<Graph, TopologyError> {
        Graph::new(topology, leaders, Vec::new(), propagation)
    }

    fn hops(graph: &Graph, from: &str, to: &str) -> Option<usize> {
        graph.distance(from.parse().unwrap(), to.parse().unwrap())
    }

    #[test]
    fn a_write_crosses_a_ring_hop_by_hop_a_star_in_two_and_a_mesh_in_one() {
        let ring = graph(&Topology::Ring, 4, Propagation::Relay).unwrap();
        assert_eq!(hops(&ring, "A", "D"), Some(3));
        let star = graph(&Topology::Star, 4, Propagation::Relay).unwrap();
        assert_eq!(hops(&star, "B", "D"), Some(2));
        let mesh = graph(&Topology::AllToAll, 4, Propagation::Direct).unwrap();
        assert_eq!(hops(&mesh, "B", "D"), Some(1));
        assert_eq!(mesh.links().len(), 12);
    }

    #[test]
    fn a_graph_that_cannot_deliver_is_refused_with_the_pair_that_has_no_path() {
        let links = ["A>B", "B>A", "B>C"].iter().map(|link| link.parse().unwrap()).collect();
        let error = graph(&Topology::Custom(links), 3, Propagation::Relay).unwrap_err();
        assert_eq!(
            error.to_string(),
            "writes taken by C never reach A: no path of links leads there; add one"
        );
        let error = graph(&Topology::Ring, 3, Propagation::Direct).unwrap_err();
        assert!(error.to_string().contains("propagation = \"relay\""), "{error}");
    }

    #[test]
    fn a_follower_of_one_leader_gets_the_writes_of_all() {
        let follower = Follower { of: vec![ReplicaId(0)], readable: true };
        let graph = Graph::new(&Topology::AllToAll, 2, vec![follower], Propagation::Direct).unwrap();
        assert_eq!(hops(&graph, "B", "C"), Some(2));
        assert!(graph.is_readable(ReplicaId(2)) && !graph.is_leader(ReplicaId(2)));
    }

    #[test]
    fn a_leader_that_a_follower_names_twice_sends_to_it_once() {
        let follower = Follower { of: vec![ReplicaId(0), ReplicaId(0)], readable: true };
        let graph = Graph::new(&Topology::Ring, 1, vec![follower], Propagation::Relay).unwrap();
        assert_eq!(graph.links().len(), 1);
    }

    #[test]
    fn a_follower_of_nobody_is_refused() {
        let follower = Follower { of: vec![], readable: false };
        let error = Graph::new(&Topology::Ring, 2, vec![follower], Propagation::Relay).unwrap_err();
        assert!(error.to_string().contains("follows nobody"), "{error}");
    }

    #[test]
    fn requests_travel_round_the_ring() {
        let ring = graph(&Topology::Ring, 3, Propagation::Relay).unwrap();
        assert_eq!(ring.next_hop(ReplicaId(0), ReplicaId(2)), Some(ReplicaId(1)));
        assert_eq!(ring.next_hop(ReplicaId(1), ReplicaId(1)), None);
    }
}
