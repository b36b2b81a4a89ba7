//! The logs of the origins, as far as this replica passes them on.

use crate::{id::LogPosition, message::Entry};
use alloc::{collections::VecDeque, sync::Arc, vec::Vec};

/// A suffix of the log of one origin.
///
/// Positions ascend, mostly by one: a leader that may have lost the tail of its log skips the positions that it may
/// have given away. So each run of entries is linked to the one before by the position of its predecessor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct OriginLog {
    /// The position of the last entry that is no longer kept.
    kept_after: LogPosition,
    entries: VecDeque<Arc<Entry>>,
}

/// A run of entries to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Nothing after that position.
    Empty,
    /// The entries after `after`.
    Entries { after: LogPosition, entries: Vec<Arc<Entry>> },
    /// The next entry is no longer kept.
    Truncated { kept_after: LogPosition },
}

impl OriginLog {
    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        assert!(
            entry.version.dot.position > self.head(),
            "positions of one origin ascend: {} after {}",
            entry.version.dot,
            self.head()
        );
        self.entries.push_back(entry);
    }

    /// The position of the newest entry.
    pub(super) fn head(&self) -> LogPosition {
        self.entries.back().map_or(self.kept_after, |entry| entry.version.dot.position)
    }

    /// At most `limit` entries after `position`.
    pub(super) fn run_after(&self, position: LogPosition, limit: usize) -> Run {
        // The usual case, after each step and for each origin: nothing new.
        if position >= self.head() {
            return Run::Empty;
        }
        let start = self.entries.partition_point(|entry| entry.version.dot.position <= position);
        if position < self.kept_after {
            return Run::Truncated { kept_after: self.kept_after };
        }
        if start == self.entries.len() {
            return Run::Empty;
        }
        let after = match start.checked_sub(1) {
            Some(previous) => self.entries[previous].version.dot.position,
            None => self.kept_after,
        };
        Run::Entries { after, entries: self.entries.iter().skip(start).take(limit).cloned().collect() }
    }

    /// Forgets entries up to `position`, but keeps the newest `retention` of them.
    pub(super) fn trim(&mut self, position: LogPosition, retention: usize) {
        while self.entries.len() > retention
            && self.entries.front().is_some_and(|entry| entry.version.dot.position <= position)
        {
            if let Some(entry) = self.entries.pop_front() {
                self.kept_after = entry.version.dot.position;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Stamp,
        id::{ClientId, Dot, ReplicaId, WriteId},
        version::{Version, VersionVector},
    };

    fn log(positions: &[LogPosition]) -> OriginLog {
        let mut log = OriginLog::default();
        for &position in positions {
            let version = Version {
                write: WriteId { client: ClientId(0), sequence: position },
                dot: Dot { origin: ReplicaId(0), position },
                stamp: Stamp::default(),
                context: VersionVector::new(),
                value: None,
                updates: 0,
            };
            log.push(Arc::new(Entry {
                key: "k".into(),
                version,
                before: None,
                removes: Vec::new(),
                update: false,
            }));
        }
        log
    }

    fn positions(run: Run) -> Option<(LogPosition, Vec<LogPosition>)> {
        match run {
            Run::Entries { after, entries } => {
                Some((after, entries.iter().map(|entry| entry.version.dot.position).collect()))
            }
            _ => None,
        }
    }

    #[test]
    fn a_run_is_linked_to_the_entry_before_it_across_skipped_positions() {
        let log = log(&[1, 2, 100, 101]);
        assert_eq!(positions(log.run_after(0, 2)), Some((0, [1, 2].into())));
        assert_eq!(positions(log.run_after(2, 9)), Some((2, [100, 101].into())));
        assert_eq!(positions(log.run_after(50, 9)), Some((2, [100, 101].into())));
        assert_eq!(log.run_after(101, 9), Run::Empty);
    }

    #[test]
    fn what_is_trimmed_is_reported_and_never_skipped() {
        let mut log = log(&[1, 2, 3]);
        log.trim(3, 1);
        assert_eq!(log.run_after(1, 9), Run::Truncated { kept_after: 2 });
        assert_eq!(positions(log.run_after(2, 9)), Some((2, [3].into())));
    }
}
