//! When each write became visible at each replica.
//!
//! Nobody asks the replicas: a question costs time where it is answered. Every replica notes in its apply log when a
//! write met its store, on the machine's monotonic clock, the one by which the clients note when they began; a note
//! costs about a microsecond and is written out later. It is taken before the write is on disk: a reader sees the
//! write a little later, after the log's write that is shared by all of one batch.

use quarrel_models::id::{Dot, ReplicaId, WriteId};
use serde::Deserialize;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

/// Where and when a write was applied for the first time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spread {
    /// The replica that took it, and when: nanoseconds of the machine's monotonic clock.
    pub(super) taken: Option<(ReplicaId, i64)>,
    /// The others.
    pub(super) applied: Vec<(ReplicaId, i64)>,
}

/// All writes that the apply logs tell of.
#[derive(Debug, Default)]
pub(super) struct Spreads(BTreeMap<WriteId, Spread>);

#[derive(Deserialize)]
struct Line<'a> {
    monotonic_us: i64,
    #[serde(borrow)]
    event: Cow<'a, str>,
    write: Option<WriteId>,
    dot: Option<Dot>,
}

impl Spreads {
    /// Reads the apply logs under a folder.
    ///
    /// # Errors
    /// If a log cannot be read.
    pub(super) fn read(folder: &Path, replicas: impl Iterator<Item = ReplicaId>) -> io::Result<Self> {
        let mut spreads = Self::default();
        for replica in replicas {
            let path = folder.join("apply").join(format!("{replica}.jsonl"));
            let mut input = BufReader::with_capacity(1 << 20, File::open(path)?);
            let mut line = Vec::new();
            // The header says nothing that matters here, and the last line of a node that was killed is torn.
            while input.read_until(b'\n', &mut line)? > 0 {
                if let Ok(read) = serde_json::from_slice::<Line<'_>>(&line) {
                    spreads.take(replica, &read);
                }
                line.clear();
            }
        }
        Ok(spreads)
    }

    fn take(&mut self, replica: ReplicaId, line: &Line<'_>) {
        let (Some(write), Some(dot), "apply") = (line.write, line.dot, line.event.as_ref()) else { return };
        let spread = self.0.entry(write).or_default();
        let at = line.monotonic_us * 1000;
        if dot.origin == replica {
            spread.taken.get_or_insert((replica, at));
        } else if spread.applied.iter().all(|(known, _)| *known != replica) {
            spread.applied.push((replica, at));
        }
    }

    pub(super) fn get(&self, write: WriteId) -> Option<&Spread> {
        self.0.get(&write)
    }

    /// When the last write that was taken before this moment was applied at the last replica.
    pub(super) fn complete_at(&self, taken_before: i64) -> Option<i64> {
        let before = self.0.values().filter(|spread| spread.taken.is_some_and(|(_, at)| at < taken_before));
        before.flat_map(|spread| spread.applied.iter().map(|(_, at)| *at)).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_counts_and_torn_lines_do_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("apply")).unwrap();
        let apply = |us: u32, event: &str| {
            format!(
                r#"{{"monotonic_us":{us},"wall_us":1,"event":"{event}","write":"c1.1","dot":"A:1","key":"k"}}"#
            )
        };
        let header = r#"{"quarrel":"apply","v":1}"#;
        let log = |name: &str, lines: &[String]| {
            let text = format!("{header}\n{}\n", lines.join("\n"));
            std::fs::write(folder.path().join("apply").join(name), text).unwrap();
        };
        log("A.jsonl", &[apply(10, "apply"), apply(90, "apply")]);
        log("B.jsonl", &[apply(25, "stalled"), apply(30, "apply"), apply(99, "apply"), "{\"mono".to_owned()]);
        let [a, b] = [0, 1].map(ReplicaId::from_index);
        let spreads = Spreads::read(folder.path(), [a, b].into_iter()).unwrap();
        let expected = Spread { taken: Some((a, 10_000)), applied: vec![(b, 30_000)] };
        assert_eq!(spreads.get("c1.1".parse().unwrap()), Some(&expected));
        assert_eq!((spreads.complete_at(10_001), spreads.complete_at(10_000)), (Some(30_000), None));
    }
}
