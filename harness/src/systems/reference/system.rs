//! The reference cluster as a system under test.

use super::{ReferenceCluster, SystemError, failed};
use crate::{
    runner::Transport,
    systems::{Carrier, Progress, System},
};
use quarrel_models::{
    fault::Fault,
    id::{LinkId, ReplicaId},
    topology::Graph,
};
use quarrel_workloads::history::Event;
use std::time::Duration;

impl System for ReferenceCluster {
    fn graph(&self) -> &Graph {
        Self::graph(self)
    }

    fn carrier(&self, patience: Duration) -> Result<Carrier, SystemError> {
        Transport::new(self.endpoints(), patience)
            .map(Carrier::Http)
            .map_err(|error| failed("make an HTTP client")(std::io::Error::other(error)))
    }

    fn live(&self) -> Vec<ReplicaId> {
        Self::live(self).collect()
    }

    fn check_alive(&mut self) -> Result<(), SystemError> {
        Self::check_alive(self)
    }

    async fn apply(&mut self, fault: &Fault) -> Result<String, SystemError> {
        Self::apply(self, fault).await
    }

    fn remedies(&self) -> Vec<Fault> {
        Self::remedies(self)
    }

    fn give_up(&mut self, replica: ReplicaId) {
        Self::give_up(self, replica);
    }

    async fn progress(&self) -> Result<Progress, SystemError> {
        let mut progress = Progress::default();
        for replica in System::live(self) {
            let status = self.status(replica).await?;
            if status.waiting > 0 {
                progress.pending = Some(format!("{} requests wait at {replica}", status.waiting));
            }
            progress.applied.insert(replica, status.applied);
        }
        for &LinkId { from, to } in Self::graph(self).links() {
            let (Some(sender), Some(receiver)) = (progress.applied.get(&from), progress.applied.get(&to))
            else {
                continue;
            };
            let behind = sender
                .iter()
                .find(|dot| Self::graph(self).forwards(from, to, dot.origin) && !receiver.covers(*dot));
            if let Some(dot) = behind {
                let at = receiver.get(dot.origin);
                progress.pending =
                    Some(format!("{to} has {}'s log up to {at}, {from} up to {}", dot.origin, dot.position));
            }
        }
        Ok(progress)
    }

    async fn read_all(&self, replica: ReplicaId, record: &mut dyn FnMut(Event)) -> Result<u64, SystemError> {
        Self::read_all(self, replica, |key, cell| record(Event::holding(replica, key, cell))).await
    }

    async fn stop(&mut self) {
        Self::stop(self).await;
    }
}
