//! Stand-alone checkers: what can be said of a recorded history of any origin, without its scenario. One a file.
//!
//! A new one is a file that implements [`StandaloneChecker`] and a line in [`CHECKERS`].

mod bank;
mod causal;
mod causality;
mod convergence;
mod counter;
mod keys;
mod ledger;
mod long_fork;
mod replicas;
mod sessions;
mod set;
mod set_full;
mod total_queue;
mod unique_ids;

use crate::{history::recorded::Recorded, verdict::Verdict};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// All stand-alone checkers, in the order in which they are listed.
pub static CHECKERS: &[&dyn StandaloneChecker] = &[
    &super::linearizable::Linearizable,
    &super::transactions::ListAppend,
    &super::transactions::RwRegister,
    &sessions::Sessions,
    &causal::Causal,
    &ledger::Ledger,
    &convergence::Convergence,
    &set::Set,
    &set_full::SetFull,
    &counter::Counter,
    &bank::Bank,
    &long_fork::LongFork,
    &unique_ids::UniqueIds,
    &total_queue::TotalQueue,
];

/// The checker of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static dyn StandaloneChecker> {
    CHECKERS.iter().copied().find(|checker| checker.name() == name)
}

/// What judges a recorded history.
pub trait StandaloneChecker: Sync {
    /// The name, as the command line spells it.
    fn name(&self) -> &'static str;

    /// What it looks for, in half a sentence.
    fn about(&self) -> &'static str;

    /// The models that it knows, the default first; empty if there is nothing to choose.
    fn models(&self) -> &'static [&'static str] {
        &[]
    }

    /// Judges.
    ///
    /// # Errors
    /// [`Unfit`] if the history does not have what the checker needs.
    fn check(&self, history: &Recorded, options: &Options<'_>) -> Result<Findings, Unfit>;
}

/// What a checker may be told beside the history.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The model, one of [`StandaloneChecker::models`]; `None` for the default.
    pub model: Option<&'a str>,
    /// Whether the time for the check is over: asked now and then by what may take long, which then answers unknown.
    pub out_of_time: &'a (dyn Fn() -> bool + Sync),
    /// Which reads are the final ones.
    pub final_reads: FinalReads,
}

impl Options<'_> {
    /// No model chosen, and all the time in the world.
    pub const DEFAULT: Options<'static> =
        Options { model: None, out_of_time: &|| false, final_reads: FinalReads::Marked };
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("model", &self.model).finish_non_exhaustive()
    }
}

/// Which reads tell what the replicas held in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FinalReads {
    /// Those that the history marks.
    #[default]
    Marked,
    /// The last acknowledged read of each record at each node, or of each process where no node is told.
    Last,
}

/// A history that a checker cannot judge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {expected}")]
pub struct Unfit {
    /// The index of the event at which it shows, if it is one event.
    pub event: Option<u32>,
    /// What is wrong.
    pub what: String,
    /// What was expected, and how to mend it.
    pub expected: String,
}

/// What a checker found.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Findings {
    /// The verdict.
    pub verdict: Verdict,
    /// What breaches the checker's rules, by kind, the worst first.
    pub anomalies: Vec<FoundAnomaly>,
    /// Counts, and durations in nanoseconds, that are no breach.
    pub figures: BTreeMap<&'static str, i64>,
    /// What else is to be known, a sentence each: why a verdict is unknown, what was left out.
    pub notes: Vec<String>,
}

/// One kind of breach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundAnomaly {
    /// The kind, as the field names it.
    pub kind: &'static str,
    /// How often it was seen.
    pub count: u64,
    /// The first few.
    pub witnesses: Vec<Witness>,
    /// Of each witness that is a cycle of its operations: why each comes before the next, and the last before the
    /// first. Empty for all other kinds.
    pub relations: Vec<Vec<&'static str>>,
}

/// One breach, and the operations that show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Witness {
    /// A sentence that says what cannot be.
    pub why: String,
    /// The operations, as places in [`Recorded::operations`], in the order in which they explain it.
    pub operations: Vec<usize>,
}

impl FoundAnomaly {
    /// None seen yet.
    #[must_use]
    pub const fn new(kind: &'static str) -> Self {
        Self { kind, count: 0, witnesses: Vec::new(), relations: Vec::new() }
    }

    /// Counts one, and keeps its witness if it is among the first.
    pub fn add(&mut self, witness: impl FnOnce() -> Witness) {
        self.count += 1;
        if self.witnesses.len() < super::MAX_EXAMPLES {
            self.witnesses.push(witness());
        }
    }
}

impl Findings {
    /// Takes up a kind of breach, if it was seen at all; the verdict is then fail.
    pub fn fail(&mut self, anomaly: FoundAnomaly) {
        if anomaly.count > 0 {
            self.anomalies.push(anomaly);
            self.verdict = Verdict::Fail;
        }
    }

    /// Says why nothing can be said; a verdict of fail stays.
    pub fn unknown(&mut self, why: impl Into<String>) {
        self.notes.push(why.into());
        self.verdict = self.verdict.merge(Verdict::Unknown);
    }

    /// Notes a figure.
    pub fn figure(&mut self, name: &'static str, value: impl TryInto<i64>) {
        self.figures.insert(name, value.try_into().unwrap_or(i64::MAX));
    }
}
