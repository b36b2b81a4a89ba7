//! Whether real processes are what the player's replicas are: what is under way, what waits, digests, and records.

use super::{Conductor, Difference, Stop};
use quarrel_models::{
    id::{LinkId, ReplicaId},
    value::Key,
    witness::{Digest, Frame, PlayedStep, RecordEnd},
};
use std::collections::{BTreeMap, BTreeSet};

type Records = BTreeMap<Key, RecordEnd>;

impl Conductor<'_> {
    /// After a step: digests of all replicas that run, and the records of those that the step changed.
    pub(super) async fn compare(&mut self, seen: &PlayedStep) -> Result<(), Stop> {
        for link in self.player.graph().links().to_vec() {
            self.compare_link(link, false)?;
            self.compare_link(link, true)?;
        }
        for replica in self.running() {
            self.compare_replica(replica).await?;
            if seen.digests.contains_key(&replica) {
                self.compare_records(replica).await?;
            }
        }
        Ok(())
    }

    /// In the end: all records of all replicas that run.
    pub(super) async fn compare_all(&mut self) -> Result<(), Stop> {
        for replica in self.running() {
            self.compare_records(replica).await?;
        }
        Ok(())
    }

    fn running(&self) -> Vec<ReplicaId> {
        self.player.graph().replicas().filter(|&replica| self.player.runs(replica)).collect()
    }

    fn compare_link(&self, link: LinkId, back: bool) -> Result<(), Stop> {
        let mut expected = self.player.under_way(link, back).map(Frame::of);
        let mut found = self.exchange.waiting(link, back).map(Frame::of);
        loop {
            let (expected, found) = (expected.next(), found.next());
            if expected != found {
                let name =
                    |frame: Option<Frame>| frame.map_or("nothing".to_owned(), |frame| frame.to_string());
                let sender = if back { link.to } else { link.from };
                let what = if back { "against" } else { "on" };
                let what = format!("what {sender} has under way {what} {link}");
                return Err(self.differs(sender, what, name(expected), name(found)));
            }
            if expected.is_none() {
                return Ok(());
            }
        }
    }

    async fn compare_replica(&mut self, replica: ReplicaId) -> Result<(), Stop> {
        let given = self.given.get(&replica).copied().unwrap_or(0);
        let look = self.cluster.look(replica, given).await?;
        if look.taken != given {
            let what = format!("the number of inputs that {replica} has taken");
            return Err(self.differs(replica, what, given, look.taken));
        }
        let Some(core) = self.player.cores().find(|core| core.id() == replica) else { return Ok(()) };
        let (waiting, digest) = (core.waiting(), Digest(core.digest()).to_string());
        if look.waiting != waiting {
            let what = format!("the number of requests that wait at {replica}");
            return Err(self.differs(replica, what, waiting, look.waiting));
        }
        if look.digest != digest {
            // Which record it is says more.
            self.compare_records(replica).await?;
            return Err(self.differs(replica, format!("the digest of {replica}"), digest, look.digest));
        }
        Ok(())
    }

    async fn compare_records(&self, replica: ReplicaId) -> Result<(), Stop> {
        let mut found = Records::new();
        let keep = |key, cell| {
            found.insert(key, RecordEnd::of(&cell));
        };
        self.cluster.read_all(replica, keep).await?;
        let expected = self.player.replicas().remove(&replica).map(|end| end.records).unwrap_or_default();
        let keys: BTreeSet<&Key> = expected.keys().chain(found.keys()).collect();
        let Some(key) = keys.into_iter().find(|key| expected.get(*key) != found.get(*key)) else {
            return Ok(());
        };
        let name = |record: Option<&RecordEnd>| record.map_or("absent".to_owned(), ToString::to_string);
        Err(Stop::Difference(Box::new(Difference {
            step: self.number,
            replica: Some(replica),
            key: Some(key.clone()),
            what: format!("record {key} at {replica}"),
            expected: name(expected.get(key)),
            found: name(found.get(key)),
        })))
    }
}
