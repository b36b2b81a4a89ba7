//! What a node is told when it is started: one JSON file, written by the runner.

use quarrel_models::{id::ReplicaId, strategy::Strategy, witness};
use quarrel_workloads::scenario::Cluster;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

/// Everything that a node needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Which replica it is.
    pub replica: ReplicaId,
    /// The cluster.
    pub cluster: Cluster,
    /// The conflict strategy.
    pub strategy: Strategy,
    /// Where to connect for each outgoing link: the link's proxy.
    pub peers: BTreeMap<ReplicaId, SocketAddr>,
    /// The write-ahead log; created if missing, recovered from if not.
    pub log: PathBuf,
    /// The clock file, written by the nemesis.
    pub clock: PathBuf,
    /// The apply log, one JSON object per line; absent for none.
    pub apply: Option<PathBuf>,
    /// What control requests and peers must show.
    pub secret: String,
    /// The cluster of a witness, if the node is a part of one that is played: then it is stepped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stepped: Option<witness::Cluster>,
}

/// What a node says on standard output once it listens: one line of JSON.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Listening {
    /// Where clients and the harness reach it.
    pub http: SocketAddr,
    /// Where its peers' links reach it.
    pub replication: SocketAddr,
}
