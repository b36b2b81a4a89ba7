//! The reference cluster, stepped: whoever plays a witness carries its frames and says what time it is.

use super::{CONTROL_TIMEOUT, ReferenceCluster, SECRET_HEADER, SystemError, failed};
use crate::node::{Look, Order, WriteAheadLog};
use quarrel_models::{
    clock::{ClockSetting, Now},
    id::{LinkId, ReplicaId},
    message::Record,
    witness,
};
use quarrel_workloads::scenario::{Durability, Scenario};
use std::{collections::BTreeMap, net::SocketAddr, path::Path};

impl ReferenceCluster {
    /// A cluster whose nodes are stepped and connect their links to these addresses. Nothing runs yet: see
    /// [`ReferenceCluster::start_node`].
    ///
    /// # Errors
    /// [`SystemError`] if a file could not be had.
    pub fn stepped(
        scenario: &Scenario,
        cluster: &witness::Cluster,
        folder: &Path,
        program: &Path,
        peers: &BTreeMap<LinkId, SocketAddr>,
    ) -> Result<Self, SystemError> {
        Self::prepare(scenario, folder, program, peers, Some(cluster))
    }

    /// Starts a node, on the log that it left if it has run before.
    ///
    /// # Errors
    /// [`SystemError`] if the process could not be had.
    pub async fn start_node(&mut self, replica: ReplicaId) -> Result<(), SystemError> {
        self.spawn(replica).await
    }

    /// Where a node takes the connections of its peers; `None` if it does not run.
    #[must_use]
    pub fn replication(&self, replica: ReplicaId) -> Option<SocketAddr> {
        self.nodes[replica.index()].process.as_ref().map(super::process::NodeProcess::replication)
    }

    /// Puts both clocks of a stepped node somewhere.
    ///
    /// # Errors
    /// [`SystemError`] if the clock file cannot be written.
    pub fn set_time(&mut self, replica: ReplicaId, now: Now) -> Result<(), SystemError> {
        let (clock, setting) = (&mut self.nodes[replica.index()].clock, ClockSetting::standing(now));
        if clock.setting() == setting {
            return Ok(());
        }
        clock.set(setting).map_err(failed("write a clock file"))
    }

    /// How far a stepped node is, as soon as it has taken so many inputs.
    ///
    /// # Errors
    /// [`SystemError::Control`] if it does not take as many in time.
    pub async fn look(&self, replica: ReplicaId, taken: u64) -> Result<Look, SystemError> {
        self.ask(replica, &format!("/v1/stepped?taken={taken}")).await.map_err(|error| match error {
            SystemError::Control { why, .. } => SystemError::Control {
                replica,
                why: format!("{taken} inputs taken within {} s: {why}", CONTROL_TIMEOUT.as_secs()),
            },
            other => other,
        })
    }

    /// Tells a stepped node to do something.
    ///
    /// # Errors
    /// [`SystemError::Control`] if it does not answer.
    pub async fn order(&self, replica: ReplicaId, order: &Order) -> Result<(), SystemError> {
        let error = |why: String| SystemError::Control { replica, why };
        let url = self.control_url(replica, "/v1/stepped")?;
        let asked = self.control.post(url).header(SECRET_HEADER, &self.secret).json(order).send().await;
        asked.and_then(reqwest::Response::error_for_status).map_err(|e| error(e.to_string()))?;
        Ok(())
    }

    /// Takes the last records off the log of a node that is down; reservations stay, as they were durable at once.
    ///
    /// # Errors
    /// [`SystemError`] if the log cannot be read or written.
    pub fn lose_tail(&self, replica: ReplicaId, records: u32) -> Result<(), SystemError> {
        let path = &self.nodes[replica.index()].wal;
        let what = "take the tail off a log";
        let other = |error: crate::node::LogError| failed(what)(std::io::Error::other(error));
        let (_, recovered) = WriteAheadLog::open(path, Durability::Os).map_err(other)?;
        let mut kept = recovered.records;
        for _ in 0..records {
            if let Some(last) = kept.iter().rposition(|record| !matches!(record, Record::Reserve(_))) {
                kept.remove(last);
            }
        }
        std::fs::remove_file(path).map_err(failed(what))?;
        let (mut log, _) = WriteAheadLog::open(path, Durability::Os).map_err(other)?;
        kept.iter().try_for_each(|record| log.append(record)).map_err(failed(what))?;
        log.flush().map_err(failed(what))
    }
}
