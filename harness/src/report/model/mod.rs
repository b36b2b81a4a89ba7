//! What the model checker found, as records: the matrix, and scenarios in the model.

mod json;
mod markdown;
mod text;

pub use json::Json as ModelJson;
pub use markdown::Markdown as ModelMarkdown;
pub use text::Text as ModelText;
pub(super) use text::line;

use crate::model::{Answer, Outcome, variant};
use quarrel_models::check::{Bound, Exploration, Property, Verdict};
use serde::Serialize;

/// One property of one world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The strategy's name.
    pub strategy: String,
    /// Its parameters in a few words; empty for the plain form.
    pub variant: String,
    /// What is written.
    pub workload: String,
    /// The shape.
    pub topology: String,
    /// The leaders.
    pub leaders: usize,
    /// The writes.
    pub writes: u8,
    /// What may go wrong.
    pub fault: String,
    /// What was asked.
    pub property: &'static str,
    /// `holds`, `violated` or `bounded`.
    pub verdict: &'static str,
    /// The states met.
    pub states: usize,
    /// What may be left out of a search where that is valid, and was here.
    pub reductions: Vec<&'static str>,
    /// The most memory that the search of this world took, bytes: all properties are asked in one search.
    pub bytes: usize,
    /// The most actions from the beginning to a state; of a violated property, to the state that violates it.
    pub depth: usize,
    /// The steps of the shortest witness, if it is violated.
    pub witness_steps: Option<usize>,
    /// What the search ran into, if it proves nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
    /// Whether all that it ran into is that the property spoke of no state.
    #[serde(skip)]
    pub vacuous: bool,
}

impl Record {
    /// The records of an answer, in the order of its properties.
    #[must_use]
    pub fn of(answer: &Answer) -> Vec<Self> {
        answer.iter().map(|(property, verdict)| Self::one(answer, property, verdict)).collect()
    }

    fn one(answer: &Answer, property: Property, verdict: &Verdict) -> Self {
        let (scope, exploration) = (answer.question.world.scope(), &answer.exploration);
        let (depth, bound) = match verdict {
            Verdict::Holds { depth, .. } => (*depth, None),
            Verdict::Bounded { why, depth, .. } => (*depth, Some(*why)),
            Verdict::Violated { path, .. } => (path.len(), None),
        };
        Self {
            strategy: scope.strategy.name().to_owned(),
            variant: variant(&scope.strategy),
            workload: scope.workload.to_string(),
            topology: scope.topology.name().to_owned(),
            leaders: scope.leaders,
            writes: scope.writes,
            fault: answer.question.fault.clone(),
            property: property.name(),
            verdict: verdict.name(),
            states: verdict.states(),
            reductions: exploration.reductions.iter().map(|reduction| reduction.name()).collect(),
            bytes: exploration.bytes,
            depth,
            witness_steps: verdict.witness_steps(),
            bound: bound.map(|bound| bound.to_string()),
            vacuous: bound == Some(Bound::Vacuous),
        }
    }
}

/// What searches took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// All states met.
    pub states: usize,
    /// The most states of one world.
    pub most_states: usize,
    /// The most memory of one world, bytes.
    pub most_bytes: usize,
    /// The least odds that two different states of a world had one fingerprint: one in so many. 0 if nothing was
    /// searched.
    pub collision_odds: u128,
}

impl Taken {
    /// One search more.
    pub fn add(&mut self, exploration: &Exploration) {
        self.states += exploration.states;
        if exploration.states > self.most_states {
            (self.most_states, self.collision_odds) = (exploration.states, exploration.collision_odds());
        }
        self.most_bytes = self.most_bytes.max(exploration.bytes);
    }
}

/// The matrix, or the part of it that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// All records, in the order of the cells.
    pub records: Vec<Record>,
    /// The worlds that were searched.
    pub cells: usize,
    /// What the searches took.
    pub taken: Taken,
    /// How long it took.
    pub seconds: f64,
    /// The folder of the witnesses, if they were written.
    pub witnesses: Option<String>,
    /// The command that shows it again.
    pub again: String,
}

/// A scenario in the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Modelled {
    /// The scenario's name.
    pub scenario: String,
    /// The strategy, with its parameters.
    pub strategy: String,
    /// The shape.
    pub topology: String,
    /// The leaders in the model.
    pub leaders: usize,
    /// What was made smaller.
    pub scaled: Vec<String>,
    /// Verdict and reasons.
    pub outcome: Outcome,
    /// All records.
    pub records: Vec<Record>,
    /// The shortest witness of the worst finding, told: its title and its lines.
    pub told: Option<(String, String)>,
    /// How long it took.
    pub seconds: f64,
    /// Where the witnesses are.
    pub results: Option<String>,
    /// The command that shows it again.
    pub again: String,
    /// The command that plays the witness that is told on real processes, if one is.
    pub replay: Option<String>,
}

#[cfg(test)]
mod tests;
