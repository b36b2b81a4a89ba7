//! A witness told to people: a numbered sentence a step, and in the end what is lost, to whom and why.
//!
//! What is told was seen while the witness was played: the decisions are those that the replicas themselves report.
//! The rooms: `words` times, values and lists, `lead` what is done in a step, `step` its sentence, `conclusion` the end.

mod conclusion;
mod lead;
mod step;
mod words;

use super::{Happening, Played, Witness, WitnessError, play};
use crate::{id::WriteId, operation::Operation, value::Key};
use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::fmt;

pub(crate) use words::{effect_words, length, stamp, standing};

/// A witness in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narration {
    /// What is said of each step.
    pub steps: Vec<Sentence>,
    /// What is so in the end: first what the replicas hold, then what is lost and why.
    pub conclusion: Vec<String>,
}

/// What is said of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// What is done.
    pub lead: String,
    /// What was seen of it; what goes without saying is left out.
    pub facts: Vec<String>,
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lead)?;
        for (n, fact) in self.facts.iter().enumerate() {
            write!(f, "{}{fact}", if n == 0 { ": " } else { "; " })?;
        }
        f.write_str(".")
    }
}

/// One line a step, with its number, and the conclusion after an empty line.
impl fmt::Display for Narration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.steps.len().max(1).ilog10() as usize + 1;
        for (index, sentence) in self.steps.iter().enumerate() {
            writeln!(f, "{:>width$}. {sentence}", index + 1)?;
        }
        writeln!(f)?;
        self.conclusion.iter().try_for_each(|sentence| writeln!(f, "{sentence}"))
    }
}

/// Plays a witness and tells what happens.
///
/// # Errors
/// [`WitnessError`] if it cannot be played, or does not end as it says.
pub fn narrate(witness: &Witness) -> Result<Narration, WitnessError> {
    Ok(tell(witness, &play(witness)?))
}

/// Tells what happens in a witness that was played.
#[must_use]
pub fn tell(witness: &Witness, played: &Played) -> Narration {
    let known = Known::of(played);
    let steps = witness.steps.iter().zip(&played.steps);
    Narration {
        steps: steps.map(|(step, seen)| step::sentence(witness, &known, step, seen)).collect(),
        conclusion: conclusion::sentences(witness, &known, played),
    }
}

/// What a sentence may have to recall.
struct Known {
    /// The record and operation of each write, as its client first asked.
    writes: BTreeMap<WriteId, (Key, Operation)>,
    /// What each message carries.
    messages: BTreeMap<usize, Vec<String>>,
}

impl Known {
    fn of(played: &Played) -> Self {
        let mut known = Self { writes: BTreeMap::new(), messages: BTreeMap::new() };
        for happening in played.steps.iter().flat_map(|step| &step.happenings) {
            match happening {
                Happening::Began { write: Some(write), key, operation, .. } => {
                    known.writes.insert(*write, (key.clone(), operation.clone()));
                }
                // A session that resolves siblings writes without being asked.
                Happening::Asked { request, .. } => {
                    if let Some(write) = request.write {
                        let asked = (request.key.clone(), request.operation.clone());
                        known.writes.entry(write).or_insert(asked);
                    }
                }
                Happening::Sent { message, frame, writes, .. } => {
                    let names = writes.iter().map(ToString::to_string);
                    let names = if writes.is_empty() { vec![frame.to_string()] } else { names.collect() };
                    known.messages.insert(*message, names);
                }
                _ => {}
            }
        }
        known
    }

    /// A write with what it does, such as `c0.2 (k = 1)`.
    fn write(&self, write: WriteId) -> String {
        match self.writes.get(&write) {
            Some((key, operation)) => alloc::format!("{write} ({})", effect_words(key, operation)),
            None => alloc::format!("{write}"),
        }
    }

    fn of_message(&self, message: usize) -> &[String] {
        self.messages.get(&message).map_or(&[], Vec::as_slice)
    }
}
