//! A replica with what it stands on: its wall clock, its disk, its process.

use super::{network::share_of, schedule::Durability};
use crate::{
    clock::{ClockSetting, Now},
    fault::ClockChange,
    id::ReplicaId,
    message::{Input, Output, Record},
    random::Stream,
    replica::{Config, Outputs, Replica},
};
use alloc::{sync::Arc, vec::Vec};

/// What the real wall clock shows when the run begins: any time that is not near the beginning of all clocks.
pub(super) const EPOCH_US: i64 = 1_700_000_000_000_000;

/// A log of records, of which the last ones may not be durable.
#[derive(Debug)]
struct Disk {
    records: Vec<Record>,
    /// When each was written.
    written_us: Vec<u64>,
    /// So many survive the process.
    durable: usize,
    tears: Stream,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: ReplicaId,
    /// Absent while the process is dead.
    pub(super) replica: Option<Replica>,
    clock: ClockSetting,
    tick_us: i64,
    disk: Disk,
    durability: Durability,
    /// While the process is stopped: what has reached its machine.
    pub(super) inbox: Option<Vec<Input>>,
    /// What the process would have sent while it was stopped.
    pub(super) late: Vec<Outputs>,
    /// The number of the process's life: what an earlier one had not yet sent is never sent.
    pub(super) life: u32,
    /// When the disk has written out all that it was given so far.
    synced_us: u64,
    /// Whether a tick is planned.
    pub(super) ticks: bool,
    /// Whether the disk is to write out what it has.
    pub(super) syncs: bool,
}

impl Disk {
    /// Keeps so many records, which are then durable. Gives back how many it lost.
    fn keep(&mut self, records: usize) -> usize {
        let before = self.records.len();
        self.records.truncate(records);
        self.written_us.truncate(records);
        self.durable = records;
        before - self.records.len()
    }
}

impl Node {
    pub(super) fn new(
        config: &Arc<Config>,
        id: ReplicaId,
        seed: u64,
        durability: Durability,
        clock_tick_us: u64,
    ) -> Self {
        Self {
            id,
            replica: Some(Replica::new(Arc::clone(config), id)),
            clock: ClockSetting::default(),
            tick_us: i64::try_from(clock_tick_us).unwrap_or(i64::MAX).max(1),
            disk: Disk {
                records: Vec::new(),
                written_us: Vec::new(),
                durable: 0,
                tears: Stream::new(seed, "sim disk tears", id.0.into()),
            },
            durability,
            inbox: None,
            late: Vec::new(),
            life: 0,
            synced_us: 0,
            ticks: false,
            syncs: false,
        }
    }

    /// Whether it runs, or is stopped and may go on.
    pub(super) const fn is_alive(&self) -> bool {
        self.replica.is_some()
    }

    pub(super) fn now(&self, now_us: u64) -> Now {
        let (real_ns, monotonic_ns) = times(now_us);
        let wall_us = self.clock.wall_ns(real_ns, monotonic_ns).div_euclid(1000);
        Now { wall_us: wall_us.div_euclid(self.tick_us) * self.tick_us, monotonic_us: now_us }
    }

    pub(super) fn set_clock(&mut self, now_us: u64, change: ClockChange) {
        let (real_ns, monotonic_ns) = times(now_us);
        self.clock = change.upon(self.clock, real_ns, monotonic_ns);
    }

    pub(super) fn is_clock_right(&self) -> bool {
        self.clock == ClockSetting::default()
    }

    /// Writes the records among the outputs. Gives back when what follows them may leave the replica, and after how long
    /// the disk must write out what need not be durable, if nothing of the kind is planned.
    pub(super) fn persist(&mut self, now_us: u64, outputs: &mut Outputs) -> (u64, Option<u64>) {
        let before = self.disk.records.len();
        outputs.retain_mut(|output| {
            let Output::Persist(record) = output else { return true };
            self.disk.records.push(record.clone());
            self.disk.written_us.push(now_us);
            // A reservation is made durable at once, and with it all that was written before it.
            if matches!(record, Record::Reserve(_)) {
                self.disk.durable = self.disk.records.len();
            }
            false
        });
        let written = self.disk.records.len() > before;
        match self.durability {
            Durability::Sync { sync_us } => {
                if written {
                    self.synced_us = self.synced_us.max(now_us).saturating_add(sync_us);
                }
                if self.synced_us <= now_us {
                    self.disk.durable = self.disk.records.len();
                }
                let waits = self.replica.as_ref().is_none_or(Replica::persists_first);
                (if waits { self.synced_us.max(now_us) } else { now_us }, None)
            }
            Durability::Lazy { flush_us } => {
                let plans = written && !core::mem::replace(&mut self.syncs, true);
                (now_us, plans.then_some(flush_us))
            }
        }
    }

    /// So many records are written.
    pub(super) fn records(&self) -> usize {
        self.disk.records.len()
    }

    /// So many of the records are durable now.
    pub(super) fn sync(&mut self, records: usize) {
        self.disk.durable = self.disk.durable.max(records);
    }

    /// The process dies. Of what was not durable, the machine had happened to write out some. Gives back how many records
    /// are lost.
    pub(super) fn kill(&mut self, now_us: u64) -> usize {
        self.replica = None;
        self.inbox = None;
        self.late.clear();
        self.life += 1;
        self.synced_us = 0;
        let unsafe_records = (self.disk.records.len() - self.disk.durable) as u64;
        let saved = share_of(&self.disk.tears, now_us, unsafe_records + 1);
        self.disk.keep(self.disk.durable + usize::try_from(saved).unwrap_or(0))
    }

    /// The process starts again on what its disk holds, or held before that time. Gives back how many records the backup
    /// lacks.
    ///
    /// # Panics
    /// If the replica cannot have written that: a broken invariant of ours.
    pub(super) fn restart(&mut self, config: &Arc<Config>, backup_us: Option<u64>) -> usize {
        let lost = backup_us.map_or(0, |before_us| {
            self.disk.keep(self.disk.written_us.partition_point(|&written_us| written_us < before_us))
        });
        self.syncs = false;
        match Replica::recover(Arc::clone(config), self.id, self.disk.records.iter().cloned()) {
            Ok(replica) => self.replica = Some(replica),
            Err(error) => panic!("{} does not understand its own log: {error}", self.id),
        }
        lost
    }
}

/// The real and the monotonic time in nanoseconds.
fn times(now_us: u64) -> (i64, i64) {
    let now_us = i64::try_from(now_us).unwrap_or(i64::MAX / 4000);
    (EPOCH_US.saturating_add(now_us).saturating_mul(1000), now_us.saturating_mul(1000))
}
