//! The cluster: can every write reach every replica?

use super::Problems;
use crate::scenario::Cluster;
use quarrel_models::{
    fault::LinkQuality,
    topology::{Graph, Propagation, TopologyError},
};

/// Checks the cluster, and lays it out if that can be done.
pub(super) fn check(cluster: &Cluster, problems: &mut Problems) -> Option<Graph> {
    check_quality("cluster.link", &cluster.link, problems);
    match cluster.graph() {
        Ok(graph) => Some(graph),
        Err(error) => {
            explain(cluster, &error, problems);
            None
        }
    }
}

/// Shares of frames are per million.
pub(super) fn check_quality(path: &str, quality: &LinkQuality, problems: &mut Problems) {
    let shares = [
        ("loss_ppm", quality.loss_ppm),
        ("duplicate_ppm", quality.duplicate_ppm),
        ("reorder_ppm", quality.reorder_ppm),
    ];
    for (name, ppm) in shares.into_iter().filter(|&(_, ppm)| ppm > 1_000_000) {
        problems.add(
            format!("{path}.{name}"),
            format!("`{name}` counts frames per million, and {ppm} is more than a million"),
            "at most 1000000",
            format!("one frame in a hundred is `{name} = 10000`"),
        );
    }
    if quality.loss_ppm == 1_000_000 {
        problems.add(
            format!("{path}.loss_ppm"),
            "a link that loses every frame is a partition",
            "nothing passes",
            "write `[nemesis.partition]` with `how = \"stall\"` instead",
        );
    }
}

fn explain(cluster: &Cluster, error: &TopologyError, problems: &mut Problems) {
    let message = error.to_string();
    match error {
        TopologyError::Size { .. } => {
            problems.add("cluster.leaders", message, "does not work", "write `leaders = 3`");
        }
        TopologyError::Unreachable { from, to, .. } if cluster.propagation() == Propagation::Direct => {
            problems.add(
                if cluster.propagation.is_some() { "cluster.propagation" } else { "cluster.topology" },
                message,
                format!("no way from {from} to {to}"),
                "write `propagation = \"relay\"`",
            );
        }
        TopologyError::Unreachable { from, to, .. } => {
            problems.add(
                "cluster.topology",
                message,
                format!("no way from {from} to {to}"),
                format!("add the link `\"{from}>{to}\"`, or a way through other leaders"),
            );
        }
        TopologyError::BadLink { last, .. } => {
            problems.add(
                "cluster.topology",
                message,
                "no such link is possible",
                format!("name two different leaders out of A to {last}, such as `\"A>{last}\"`"),
            );
        }
        TopologyError::BadFollower { follower, .. } => {
            let index = follower.index() - cluster.leaders;
            problems.add(
                format!("cluster.followers[{index}].of"),
                message,
                "not the leaders of this cluster",
                "write `of = [\"A\"]`",
            );
        }
    }
}
