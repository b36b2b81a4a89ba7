//! The way back: a replica rebuilt from the records of its write-ahead log.

use super::{Config, Outputs, Replica, home::Home};
use crate::{id::ReplicaId, message::Record, mutant::Mutant, strategy::Site};
use alloc::{sync::Arc, vec::Vec};

/// A log that no replica can have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// An entry follows a later one of the same origin.
    #[error("record {index}: entry {dot} follows position {known} of the same log")]
    OutOfOrder {
        /// The number of the record, from 0.
        index: usize,
        /// The entry's dot.
        dot: crate::id::Dot,
        /// The position already reached.
        known: u32,
    },
    /// An entry or a home of a leader that the cluster does not have.
    #[error(
        "record {index} names the leader {leader}, which this cluster does not have: is it another run's log?"
    )]
    UnknownLeader {
        /// The number of the record, from 0.
        index: usize,
        /// The leader.
        leader: ReplicaId,
    },
}

impl Replica {
    /// The replica that wrote these records, in their order: the same decisions are made again, and nothing is sent.
    ///
    /// # Errors
    /// [`RecoveryError`] if the records are not those of one replica of this cluster.
    pub fn recover(
        config: Arc<Config>,
        me: ReplicaId,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, RecoveryError> {
        let mut replica = Self::new(config, me);
        let records = records.into_iter();
        if replica.config.suffers(Mutant::IdReused) {
            return replica.recover_without_last(&records.collect::<Vec<_>>());
        }
        for (index, record) in records.enumerate() {
            replica.replay(index, record, None)?;
        }
        // A leader may have given away any reserved position and lost the record of it.
        replica.position = replica.position.max(replica.reserved);
        Ok(replica)
    }

    /// A planted defect: the last write of this leader is forgotten, and its position given away once more.
    fn recover_without_last(mut self, records: &[Record]) -> Result<Self, RecoveryError> {
        let me = self.me;
        let is_own =
            |record: &Record| matches!(record, Record::Entry(entry) if entry.version.dot.origin == me);
        let last = records.iter().rposition(is_own);
        for (index, record) in records.iter().enumerate() {
            let known = matches!(record, Record::Entry(entry) if self.applied.covers(entry.version.dot));
            if Some(index) != last && !known {
                self.replay(index, record.clone(), None)?;
            }
        }
        Ok(self)
    }

    /// Takes one record more of the log that it was rebuilt from, `index` being its number, and tells what it did when
    /// it wrote that record: the same decisions are made again. With the replica's own account of them beside it, this
    /// shows whether that account is true.
    ///
    /// # Errors
    /// [`RecoveryError`] if the record cannot follow those before it.
    pub fn retrace(&mut self, index: usize, record: Record, out: &mut Outputs) -> Result<(), RecoveryError> {
        self.replay(index, record, Some(out))
    }

    fn replay(
        &mut self,
        index: usize,
        record: Record,
        out: Option<&mut Outputs>,
    ) -> Result<(), RecoveryError> {
        let known_leader = |leader: ReplicaId| {
            if self.config.graph.is_leader(leader) {
                Ok(())
            } else {
                Err(RecoveryError::UnknownLeader { index, leader })
            }
        };
        match record {
            Record::Entry(entry) => {
                let dot = entry.version.dot;
                known_leader(dot.origin)?;
                let known = self.applied.get(dot.origin);
                if dot.position <= known {
                    return Err(RecoveryError::OutOfOrder { index, dot, known });
                }
                let site = if dot.origin == self.me { Site::Local } else { Site::Remote };
                if site == Site::Local {
                    self.position = dot.position;
                }
                self.apply(entry, site, out);
            }
            Record::Home { key, leader, epoch, given } => {
                known_leader(leader)?;
                self.homes.set(key, Home { leader, epoch, given });
            }
            Record::Reserve(position) => self.reserved = self.reserved.max(position),
            Record::Collect => self.collect(out),
            Record::Forget => self.forget(out),
        }
        Ok(())
    }
}
