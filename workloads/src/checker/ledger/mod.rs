//! The ledger: exactly one fate for every acknowledged write.
//!
//! One pass over the events fills a compact table of writes ([`Writes`]); at the end each record is judged by itself,
//! and its entries are streamed to a sink. Only counts and the worst losses stay in memory.

mod case;
pub(crate) mod effect;
mod entry;
mod known;
mod lineage;
mod rules;
pub(crate) mod sums;
mod writes;

pub use entry::{LedgerEntry, Winner};
pub use writes::{Kind, State, Write, Writes};

pub(crate) use case::{Case, Material};

use super::{Evidence, finals::Finals};
use crate::history::{Event, Quiescence};
use lineage::Lineage;
use quarrel_models::{fate::Fate, strategy::Strategy};
use rules::{Rules, severity};
use serde::Serialize;
use std::{collections::BTreeMap, io};

/// The most losses that are kept in memory, the worst first.
pub const MAX_WORST: usize = 10;

/// Where entries go, one by one.
pub trait LedgerSink {
    /// Takes an entry.
    ///
    /// # Errors
    /// What the place that it goes to reports.
    fn entry(&mut self, entry: &LedgerEntry) -> io::Result<()>;
}

/// The version of the format of `ledger.jsonl`.
pub const FORMAT_VERSION: u32 = 1;

/// Writes `ledger.jsonl`: a header line with the format's version, then one entry a line.
#[derive(Debug)]
pub struct JsonLines<W: io::Write>(W);

impl<W: io::Write> JsonLines<W> {
    /// Begins a ledger.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn new(mut out: W) -> io::Result<Self> {
        writeln!(out, r#"{{"quarrel":"ledger","v":{FORMAT_VERSION}}}"#)?;
        Ok(Self(out))
    }

    /// Hands on what is buffered.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: io::Write> LedgerSink for JsonLines<W> {
    fn entry(&mut self, entry: &LedgerEntry) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, entry)?;
        self.0.write_all(b"\n")
    }
}

/// Keeps all entries: for tests and small histories.
impl LedgerSink for Vec<LedgerEntry> {
    fn entry(&mut self, entry: &LedgerEntry) -> io::Result<()> {
        self.push(entry.clone());
        Ok(())
    }
}

/// Keeps no entries.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSink;

impl LedgerSink for NoSink {
    fn entry(&mut self, _entry: &LedgerEntry) -> io::Result<()> {
        Ok(())
    }
}

/// The ledger of a history.
#[derive(Debug)]
pub struct Ledger {
    writes: Writes,
}

/// What the ledger says in sum.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Summary {
    /// How many acknowledged writes met each fate; those that none met are absent.
    pub fates: BTreeMap<Fate, u64>,
    /// Losses that nobody was told of.
    pub silent: u64,
    /// Losses that a reader or an operator was told of.
    pub recorded: u64,
    /// Losses by fate that hang on an unanswered operation: nothing is proven.
    pub uncertain: BTreeMap<Fate, u64>,
    /// The worst losses, worst first.
    pub worst: Vec<LedgerEntry>,
    /// The first loss of each fate that hangs on no unanswered operation.
    pub first: BTreeMap<Fate, LedgerEntry>,
    /// The first loss of each fate that does.
    pub first_uncertain: BTreeMap<Fate, LedgerEntry>,
    /// Whether there was enough to judge by: the run came to its end, and a live replica was read.
    pub judged: bool,
}

impl Ledger {
    /// An empty ledger of a cluster with this many leaders.
    #[must_use]
    pub fn new(leaders: usize) -> Self {
        Self { writes: Writes::new(leaders) }
    }

    /// Sees the next event.
    pub fn observe(&mut self, event: &Event) {
        self.writes.observe(event);
    }

    /// All writes seen, ready for questions.
    #[must_use]
    pub fn into_writes(mut self) -> Writes {
        self.writes.settle();
        self.writes
    }

    /// Gives every acknowledged write its fate, record by record.
    ///
    /// # Errors
    /// What the sink reports.
    pub fn finish(
        self,
        finals: &Finals,
        strategy: &Strategy,
        sink: &mut dyn LedgerSink,
    ) -> io::Result<Summary> {
        let writes = self.into_writes();
        judge(&Evidence { finals, writes: &writes, strategy }, sink)
    }
}

/// Gives every acknowledged write its fate, record by record.
///
/// # Errors
/// What the sink reports.
pub fn judge(evidence: &Evidence<'_>, sink: &mut dyn LedgerSink) -> io::Result<Summary> {
    let mut summary = Summary::default();
    let ended = !matches!(evidence.finals.quiescence(), None | Some(Quiescence::Interrupted));
    if !ended || evidence.finals.live().is_empty() {
        return Ok(summary);
    }
    summary.judged = true;
    let mut lineage = Lineage::new(evidence.writes.len());
    for_each_case(evidence, |case| {
        let mut rules = Rules::new(case, &mut lineage);
        for &number in case.numbers {
            if evidence.writes.get(number).is_acknowledged() {
                let outcome = rules.judge(number);
                let entry = LedgerEntry::new(evidence.writes, case.name, number, &outcome);
                sink.entry(&entry)?;
                summary.count(entry);
            }
        }
        Ok(())
    })?;
    Ok(summary)
}

/// Looks at each record that was written.
pub(crate) fn for_each_case(
    evidence: &Evidence<'_>,
    mut look: impl FnMut(&Case<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let (order, starts) = evidence.writes.by_key();
    for (key, bounds) in (0..).zip(starts.windows(2)) {
        let numbers = &order[bounds[0] as usize..bounds[1] as usize];
        let name = evidence.writes.key_name(key);
        let material = Material::of(evidence, name);
        look(&Case::new(evidence, &material, name, numbers))?;
    }
    Ok(())
}

impl Summary {
    fn count(&mut self, entry: LedgerEntry) {
        *self.fates.entry(entry.fate).or_default() += 1;
        if !entry.fate.is_loss() {
            return;
        }
        if entry.recorded {
            self.recorded += 1;
        } else {
            self.silent += 1;
        }
        if entry.hangs_on.is_some() {
            *self.uncertain.entry(entry.fate).or_default() += 1;
            self.first_uncertain.entry(entry.fate).or_insert_with(|| entry.clone());
        } else {
            self.first.entry(entry.fate).or_insert_with(|| entry.clone());
        }
        let worse = |held: &LedgerEntry| severity(held.fate) >= severity(entry.fate);
        let place = self.worst.partition_point(worse);
        if place < MAX_WORST {
            self.worst.insert(place, entry);
            self.worst.truncate(MAX_WORST);
        }
    }
}
