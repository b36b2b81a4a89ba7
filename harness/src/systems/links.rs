//! The replication links of a system under test: a proxy for each, and the faults that they can have.

use super::reference::{SystemError, failed};
use crate::proxy::{Counters, Gate, Kind, LinkOptions, Proxy, ProxyRuntime, Shape};
use quarrel_models::{
    fault::{Fault, LinkQuality},
    id::{LinkId, ReplicaId},
    topology::Graph,
};
use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroU64, time::Duration};

/// A proxy for every directed replication link.
#[derive(Debug, Default)]
pub(crate) struct Links {
    proxies: BTreeMap<LinkId, Proxy>,
    base: LinkQuality,
}

impl Links {
    /// Opens a proxy for every link of the graph, with the quality that links have when no fault is on.
    pub(super) fn open(
        runtime: &ProxyRuntime,
        graph: &Graph,
        kind: Kind,
        base: LinkQuality,
        seed: u64,
    ) -> Result<Self, SystemError> {
        let mut proxies = BTreeMap::new();
        for &link in graph.links() {
            proxies.insert(link, open_proxy(runtime, link.to_string(), kind, seed)?);
        }
        let links = Self { proxies, base };
        links.shape(graph.links(), links.healthy())?;
        Ok(links)
    }

    /// Where each link begins.
    pub(super) fn addresses(&self) -> BTreeMap<LinkId, SocketAddr> {
        self.proxies.iter().map(|(&link, proxy)| (link, proxy.address())).collect()
    }

    /// Leads some of the links elsewhere, or nowhere.
    pub(super) fn set_target(&self, of: impl Fn(LinkId) -> bool, target: Option<SocketAddr>) {
        for (_, proxy) in self.proxies.iter().filter(|(link, _)| of(**link)) {
            proxy.set_target(target);
        }
    }

    /// Does what a fault asks of links, and says what that did; `None` if it asks nothing of them.
    pub(super) fn apply(&self, fault: &Fault) -> Option<Result<String, SystemError>> {
        let gate = |gate| Shape { gate, ..self.healthy() };
        let (links, shape) = match fault {
            Fault::Cut(links) => (links, gate(Gate::Cut)),
            Fault::Stall(links) => (links, gate(Gate::Stall)),
            Fault::Degrade(links, quality) => (links, shape_of(quality)),
            Fault::Heal(links) => {
                let effect = self.describe(links);
                return Some(self.shape(links, self.healthy()).map(|()| effect));
            }
            _ => return None,
        };
        Some(self.shape(links, shape).map(|()| String::new()))
    }

    /// What mends the links that are not as they should be, if there are any.
    pub(super) fn remedy(&self) -> Option<Fault> {
        let ill = |(_, proxy): &(&LinkId, &Proxy)| proxy.shape() != self.healthy();
        let broken: Vec<LinkId> = self.proxies.iter().filter(ill).map(|(link, _)| *link).collect();
        (!broken.is_empty()).then_some(Fault::Heal(broken))
    }

    /// What the links have carried since the start, both ways: frames, and bytes.
    pub(super) fn traffic(&self) -> (u64, u64) {
        let sum = |(frames, bytes): (u64, u64), proxy: &Proxy| {
            let counters = proxy.counters();
            (
                frames + counters.frames_forward + counters.frames_back,
                bytes + counters.bytes_forward + counters.bytes_back,
            )
        };
        self.proxies.values().fold((0, 0), sum)
    }

    fn healthy(&self) -> Shape {
        shape_of(&self.base)
    }

    fn shape(&self, links: &[LinkId], shape: Shape) -> Result<(), SystemError> {
        for proxy in links.iter().filter_map(|link| self.proxies.get(link)) {
            proxy.set(shape).map_err(|error| failed("change a link")(std::io::Error::other(error)))?;
        }
        Ok(())
    }

    /// What the faults of these links have done since the start.
    fn describe(&self, links: &[LinkId]) -> String {
        let mut sum = Counters::default();
        for counters in links.iter().filter_map(|link| self.proxies.get(link)).map(Proxy::counters) {
            sum.resets += counters.resets;
            sum.refused += counters.refused;
            sum.held += counters.held;
            sum.dropped += counters.dropped;
            sum.duplicated += counters.duplicated;
            sum.reordered += counters.reordered;
        }
        let parts = [
            (sum.resets, "connections reset"),
            (sum.refused, "refused"),
            (sum.held, "bytes held"),
            (sum.dropped, "frames lost"),
            (sum.duplicated, "frames doubled"),
            (sum.reordered, "frames overtaken"),
        ];
        let told: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if told.is_empty() { String::new() } else { format!("so far {}", told.join(", ")) }
    }
}

/// A proxy between each replica and its clients.
pub(super) fn open_client_links(
    runtime: &ProxyRuntime,
    graph: &Graph,
    seed: u64,
) -> Result<BTreeMap<ReplicaId, Proxy>, SystemError> {
    let open = |replica| Ok((replica, open_proxy(runtime, format!("clients>{replica}"), Kind::Bytes, seed)?));
    graph.replicas().map(open).collect()
}

fn open_proxy(runtime: &ProxyRuntime, name: String, kind: Kind, seed: u64) -> Result<Proxy, SystemError> {
    runtime.start(LinkOptions { name, kind, seed, target: None }).map_err(failed("open a link proxy"))
}

fn shape_of(quality: &LinkQuality) -> Shape {
    Shape {
        gate: Gate::Open,
        latency: Duration::from_micros(quality.latency_us),
        jitter: Duration::from_micros(quality.jitter_us),
        bandwidth_bytes_per_second: NonZeroU64::new(quality.bandwidth_bytes_per_second),
        loss_ppm: quality.loss_ppm,
        duplicate_ppm: quality.duplicate_ppm,
        reorder_ppm: quality.reorder_ppm,
    }
}
