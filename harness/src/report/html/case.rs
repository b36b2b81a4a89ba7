//! What is shown closely: every violation, and one example of everything that was found although it is permitted.

use super::view::View;
use crate::report::recorded::{Entry, Op};
use quarrel_models::{id::WriteId, operation::Operation};
use quarrel_workloads::verdict::Verdict;
use std::collections::BTreeMap;

/// The most examples of one violation that are shown closely; the others are told in a sentence.
const MOST_EXAMPLES: usize = 3;
/// The most operations that one example shows.
const MOST_OPERATIONS: usize = 8;

/// One finding, shown by an example.
#[derive(Debug)]
pub(super) struct Case<'a> {
    /// Its kind, such as `causal-inversion`.
    pub(super) kind: String,
    /// What the contract says of it.
    pub(super) verdict: Verdict,
    /// How often it was found.
    pub(super) count: u64,
    /// The example in a sentence.
    pub(super) sentence: String,
    /// The ledger's entry of the write that it is about.
    pub(super) entry: Option<&'a Entry>,
    /// The record.
    pub(super) key: Option<u32>,
    /// The operations that show it, in order of time.
    pub(super) operations: Vec<&'a Op>,
    /// Further examples, a sentence each.
    pub(super) others: Vec<String>,
}

/// All of them, violations first.
pub(super) fn all<'a>(view: &View<'a>) -> Vec<Case<'a>> {
    let summary = &view.run.summary;
    let told: BTreeMap<&str, &'a Entry> = view
        .run
        .ledger
        .iter()
        .filter(|entry| !entry.why.is_empty())
        .map(|entry| (entry.why.as_str(), entry))
        .collect();
    let mut cases = Vec::new();
    for property in summary.properties.iter().filter(|property| property.verdict != Verdict::Pass) {
        let count = summary.found(&property.name);
        for sentence in property.evidence.iter().take(MOST_EXAMPLES) {
            cases.push(case(view, &told, &property.name, property.verdict, count, sentence));
        }
        if let Some(last) = cases.last_mut().filter(|last| last.kind == property.name) {
            last.others = property.evidence.iter().skip(MOST_EXAMPLES).cloned().collect();
        }
    }
    for found in &summary.anomalies {
        if cases.iter().all(|case| case.kind != found.kind) {
            let entry = if found.witness.is_empty() { plainest(view, &found.kind) } else { None };
            let sentence = entry.map_or(&found.witness, |entry| &entry.why);
            cases.push(case(view, &told, &found.kind, Verdict::Pass, found.count, sentence));
        }
    }
    cases
}

/// The loss of this kind that is easiest to see: the two writes lie closest together.
fn plainest<'a>(view: &View<'a>, kind: &str) -> Option<&'a Entry> {
    let losses = view.run.ledger.iter().filter(|entry| entry.fate.name() == kind);
    losses.min_by_key(|entry| {
        let winner = entry.winner.as_ref().and_then(|winner| winner.call_ns);
        (winner.is_none(), winner.map_or(0, |call| call.abs_diff(entry.call_ns)))
    })
}

fn case<'a>(
    view: &View<'a>,
    told: &BTreeMap<&str, &'a Entry>,
    kind: &str,
    verdict: Verdict,
    count: u64,
    sentence: &str,
) -> Case<'a> {
    let entry = told.get(sentence).copied();
    let key = match entry {
        Some(entry) => view.run.history.keys.find(&entry.key),
        None => key_in(view, sentence),
    };
    let operations = match (entry, key) {
        (Some(entry), _) => of_loss(view, entry),
        (None, Some(key)) => of_sentence(view, key, sentence),
        (None, None) => Vec::new(),
    };
    Case {
        kind: kind.to_owned(),
        verdict,
        count,
        sentence: sentence.to_owned(),
        entry,
        key,
        operations,
        others: Vec::new(),
    }
}

/// The words of a sentence, without what surrounds them.
fn tokens(sentence: &str) -> impl Iterator<Item = &str> {
    let edge = |c: char| !(c.is_alphanumeric() || "-_/.".contains(c));
    sentence.split(edge).map(|word| word.trim_matches('.')).filter(|word| !word.is_empty())
}

/// The record that a sentence speaks of: it begins with its name, or names it somewhere.
fn key_in(view: &View<'_>, sentence: &str) -> Option<u32> {
    let keys = &view.run.history.keys;
    let first = sentence.split_once(": ").and_then(|(name, _)| keys.find(name));
    first.or_else(|| tokens(sentence).find_map(|word| keys.find(word))).or_else(|| {
        let write: WriteId = tokens(sentence).find_map(|word| word.parse().ok())?;
        match view.written(write)? {
            super::view::Written::Op(op) => Some(op.key),
            super::view::Written::Resolution(resolution) => Some(resolution.key),
        }
    })
}

/// The operations that a loss is made of: the write, the winner, and how the one could know of the other.
fn of_loss<'a>(view: &View<'a>, entry: &Entry) -> Vec<&'a Op> {
    let Some(key) = view.run.history.keys.find(&entry.key) else { return Vec::new() };
    let winner = entry.winner.as_ref().map(|winner| winner.write);
    let mut wanted: Vec<WriteId> =
        [Some(entry.write), winner, entry.hangs_on].into_iter().flatten().collect();
    // Where replicas disagree there is no winner: what they show instead is what there is to see.
    if winner.is_none() {
        let finals = view.run.history.finals.iter().filter(|((of, _), _)| *of == key);
        wanted.extend(finals.flat_map(|(_, held)| held.versions.iter().copied()));
    }
    let mut operations: Vec<&Op> =
        view.on_key(key).filter(|op| op.write.is_some_and(|write| wanted.contains(&write))).collect();
    // A session that read the winner before it wrote knew of it: the last such read tells.
    let reads = view.on_key(key).filter(|op| {
        op.client == entry.client
            && op.ended <= entry.call_ns
            && !op.is_write()
            && winner.is_some_and(|winner| op.versions.contains(&winner))
    });
    operations.extend(reads.last());
    thinned(operations, Some(entry.write), winner)
}

/// The operations on a record that a sentence mentions: by their name, their value or the place they take; if it
/// mentions none, those whose versions replicas held in the end.
fn of_sentence<'a>(view: &View<'a>, key: u32, sentence: &str) -> Vec<&'a Op> {
    let words: Vec<&str> = tokens(sentence).collect();
    let name = view.run.history.keys.name(key);
    let is_told = |word: &str| word != name && words.contains(&word);
    let mentioned = view.on_key(key).filter(|op| {
        let by_name = op.write.is_some_and(|write| is_told(&write.to_string()));
        by_name || mentions(&op.operation).iter().any(|word| is_told(word))
    });
    let mentioned: Vec<&Op> = mentioned.collect();
    if !mentioned.is_empty() {
        return thinned(mentioned, None, None);
    }
    let finals = view.run.history.finals.iter().filter(|((of, _), _)| *of == key);
    let held: Vec<WriteId> = finals.flat_map(|(_, held)| held.versions.iter().copied()).collect();
    let of_held = view.on_key(key).filter(|op| op.write.is_some_and(|write| held.contains(&write)));
    thinned(of_held.collect(), None, None)
}

/// What a sentence may call an operation: its value.
fn mentions(operation: &Operation) -> Vec<String> {
    match operation {
        Operation::Put(value)
        | Operation::Insert(value)
        | Operation::Remove(value)
        | Operation::Append(value)
        | Operation::Claim { value, .. }
        | Operation::Release { value, .. }
        | Operation::Move { value, .. } => vec![value.to_string()],
        Operation::Read | Operation::Delete | Operation::Add(_) => Vec::new(),
    }
}

/// At most as many as one example shows, the two main ones among them, in order of time.
fn thinned(mut operations: Vec<&Op>, lost: Option<WriteId>, won: Option<WriteId>) -> Vec<&Op> {
    let is_main = |op: &Op| op.write.is_some() && (op.write == lost || op.write == won);
    operations.sort_by_key(|op| (!is_main(op), std::cmp::Reverse(op.began)));
    operations.truncate(MOST_OPERATIONS);
    operations.sort_by_key(|op| op.began);
    operations.dedup_by_key(|op| (op.began, op.client));
    operations
}
