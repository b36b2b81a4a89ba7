//! The model arena: questions to the model checker, asked on several threads, and what a scenario makes of the answers.
//!
//! The checker itself is `quarrel_models::check`. The rooms: this one questions and answers, `small` the small worlds
//! of a scenario, `outcome` its contract held against what was found, `files` witnesses on disk.

mod files;
mod outcome;
mod small;

pub use files::{WitnessFile, write_witnesses};
pub use outcome::{Outcome, Reason, finding_of, judge};
pub use small::{Small, TooLarge, small};

use quarrel_models::check::{Limits, Property, Verdict, World, matrix, survey};
use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

/// A world, and what is asked of it, all in one search.
#[derive(Debug, Clone)]
pub struct Question {
    /// What may go wrong in it, in a word, such as `skew`.
    pub fault: String,
    /// The world.
    pub world: World,
    /// The properties.
    pub properties: Vec<Property>,
}

/// A question answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The question.
    pub question: Question,
    /// The verdicts, in the order of the question's properties.
    pub verdicts: Vec<Verdict>,
}

impl Answer {
    /// Each property with its verdict.
    pub fn iter(&self) -> impl Iterator<Item = (Property, &Verdict)> {
        self.question.properties.iter().copied().zip(&self.verdicts)
    }
}

/// Asks all questions on so many threads. `told` hears each answer in the order of the questions, as soon as all
/// before it are there; what it hears does not depend on the number of threads.
///
/// # Panics
/// With whatever a search panicked with: a defect of ours.
pub fn ask(questions: Vec<Question>, limits: Limits, threads: usize, mut told: impl FnMut(Answer)) {
    let begun = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, questions.len().max(1)) {
            let (sender, begun, questions) = (sender.clone(), &begun, &questions);
            scope.spawn(move || {
                while let Some((number, question)) = next(begun, questions) {
                    let search = || survey(&question.world, &question.properties, limits);
                    // A panic is told where it can be seen, and not lost with its thread.
                    let verdicts = catch_unwind(AssertUnwindSafe(search));
                    if sender.send((number, verdicts)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        hear(&questions, &receiver, &mut told);
    });
}

type Surveyed = Result<Vec<Verdict>, Box<dyn Any + Send>>;

fn next<'a>(begun: &AtomicUsize, questions: &'a [Question]) -> Option<(usize, &'a Question)> {
    let number = begun.fetch_add(1, Ordering::Relaxed);
    questions.get(number).map(|question| (number, question))
}

fn hear(questions: &[Question], receiver: &mpsc::Receiver<(usize, Surveyed)>, told: &mut impl FnMut(Answer)) {
    let (mut early, mut next) = (BTreeMap::new(), 0);
    for (number, surveyed) in receiver {
        early.insert(number, surveyed.unwrap_or_else(|panic| resume_unwind(panic)));
        while let Some(verdicts) = early.remove(&next) {
            told(Answer { question: questions[next].clone(), verdicts });
            next += 1;
        }
    }
}

/// What the matrix is narrowed to; nothing stated is everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Strategies: a name for all its variants, or one in full, such as `lww (hybrid clock)`.
    pub strategies: Vec<String>,
    /// Shapes.
    pub topologies: Vec<String>,
    /// Classes of faults.
    pub faults: Vec<String>,
    /// Properties.
    pub properties: Vec<Property>,
    /// The number of leaders, each with a client.
    pub leaders: Option<usize>,
    /// The number of writes.
    pub writes: Option<u8>,
}

impl Selection {
    /// The questions of the matrix that are meant.
    ///
    /// # Errors
    /// [`quarrel_models::check::ScopeError`] if leaders and writes make no world.
    pub fn questions(&self) -> Result<Vec<Question>, quarrel_models::check::ScopeError> {
        let meant =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|meant| meant == name);
        let cells = matrix::cells().into_iter().filter(|cell| {
            let strategy = &cell.scope.strategy;
            (meant(&self.strategies, strategy.name()) || meant(&self.strategies, &strategy.to_string()))
                && meant(&self.topologies, cell.scope.topology.name())
                && meant(&self.faults, cell.fault.name())
        });
        let mut questions = Vec::new();
        for cell in cells {
            let asked =
                |property: &Property| self.properties.is_empty() || self.properties.contains(property);
            let properties: Vec<Property> = cell.properties().filter(asked).collect();
            if properties.is_empty() {
                continue;
            }
            let mut scope = cell.scope;
            if let Some(leaders) = self.leaders {
                (scope.leaders, scope.clients) = (leaders, leaders);
            }
            scope.writes = self.writes.unwrap_or(scope.writes);
            let fault = cell.fault.name().to_owned();
            questions.push(Question { fault, world: World::new(scope)?, properties });
        }
        Ok(questions)
    }
}

/// The parameters of a strategy in a few words, such as `hybrid clock`.
#[must_use]
pub fn variant(strategy: &quarrel_models::strategy::Strategy) -> String {
    let whole = strategy.to_string();
    let words = whole.strip_prefix(strategy.name()).unwrap_or_default().trim();
    words.strip_prefix('(').and_then(|words| words.strip_suffix(')')).unwrap_or_default().to_owned()
}
