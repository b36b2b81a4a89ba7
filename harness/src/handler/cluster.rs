//! A handler in a cluster: every interleaving of a few writes, by the model checker, in every shape.

use crate::model::{Answer, Question, WitnessFile, ask};
use quarrel_models::{
    check::{Faults, Limits, Property, Reductions, Scope, ScopeError, Verdict, Workload, World},
    fate::Fate,
    handler::{Handler, RunSite, Schema, Script},
    strategy::{OnRead, OnWrite, Strategy},
    topology::Topology,
    witness::narrate,
};
use serde::Serialize;
use std::{thread, time::Duration};

/// How large the worlds are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The leaders, each with a client.
    pub leaders: usize,
    /// The writes.
    pub writes: u8,
    /// The most time of one search.
    pub time: Duration,
}

/// One property in one world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The shape of the cluster.
    pub topology: String,
    /// What clients write.
    pub workload: String,
    /// What may go wrong.
    pub fault: String,
    /// What is asked.
    pub property: String,
    /// `holds`, `violated` or `bounded`.
    pub verdict: String,
    /// The states that were met.
    pub states: usize,
    /// The steps of the shortest way to a violation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness_steps: Option<usize>,
    /// Whether the property spoke of no state of this world: nothing was shown.
    pub vacuous: bool,
}

/// The shortest trace.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The property that it violates.
    pub property: String,
    /// Its name.
    pub title: String,
    /// It, in words.
    pub told: String,
    /// It, as a file and a picture.
    pub file: WitnessFile,
}

/// What came of the cluster check.
#[derive(Debug, Clone, Default)]
pub struct ClusterReport {
    /// All that was asked.
    pub cells: Vec<Cell>,
    /// The shortest trace to a violation.
    pub trace: Option<Trace>,
}

impl ClusterReport {
    /// Whether something is violated.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.cells.iter().any(|cell| cell.verdict == "violated")
    }

    /// What a search did not finish.
    pub fn bounded(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| cell.verdict == "bounded" && !cell.vacuous)
    }
}

/// The strategy that runs the handler.
#[must_use]
pub fn strategy(handler: Handler, site: RunSite) -> Strategy {
    match site {
        RunSite::Write | RunSite::InPlace => Strategy::OnWrite(OnWrite { handler }),
        RunSite::Read => Strategy::OnRead(OnRead { handler }),
    }
}

/// What the clients of the model write for a handler of this kind. Removals have a world of their own: the model's
/// clients also remove what their leader never saw, and that no handler can keep.
const fn workloads(schema: Schema) -> &'static [Workload] {
    match schema {
        Schema::Register => &[Workload::Register],
        Schema::Document => &[Workload::Register, Workload::Document],
        Schema::Set => &[Workload::Set],
        Schema::Cart => &[Workload::Set, Workload::Cart],
        Schema::Counter => &[Workload::Counter],
        Schema::Calendar => &[Workload::Calendar],
        Schema::Text => &[Workload::Text],
        // Nothing in the model moves money between accounts; a lone balance is a counter.
        Schema::Bank => &[Workload::Counter],
    }
}

fn asked(property: Property, scope: &Scope, permits: &[Fate]) -> bool {
    let erases = matches!(scope.workload, Workload::Cart | Workload::Document);
    property.speaks_of(scope)
        && match property {
            Property::Converged
            | Property::Delivered
            | Property::NoCounterDrift
            | Property::NoDoubleBooking
            | Property::NoResurrection => true,
            Property::No(Fate::ConcurrentDiscard | Fate::Vanished) if erases => false,
            Property::No(fate) => !permits.contains(&fate),
            Property::NothingLost | Property::NoDoubleEffect | Property::Keeps(_) => false,
        }
}

/// The worlds in which a handler is tried. A client that moves while a request is under way would be counted twice by
/// any handler, so it moves between requests.
fn questions(handler: Handler, script: &Script, size: Size) -> Result<Vec<Question>, ScopeError> {
    let faults = [
        ("none", true, Faults::default()),
        ("relocation", false, Faults { relocations: 1, ..Faults::default() }),
    ];
    let mut questions = Vec::new();
    for &workload in workloads(script.workload) {
        for topology in [Topology::Ring, Topology::Star, Topology::AllToAll] {
            for (fault, overlap, faults) in &faults {
                let scope = Scope {
                    workload,
                    leaders: size.leaders,
                    clients: size.leaders,
                    writes: size.writes,
                    overlap: *overlap,
                    // Who moves takes the session along: else it takes away what its new leader never saw.
                    tokens: faults.relocations > 0,
                    faults: faults.clone(),
                    ..Scope::new(strategy(handler, script.site), topology.clone())
                };
                let properties =
                    Property::ALL.into_iter().filter(|&property| asked(property, &scope, &script.permits));
                let properties = properties.collect();
                questions.push(Question {
                    fault: (*fault).to_owned(),
                    world: World::new(scope)?,
                    properties,
                });
            }
        }
    }
    Ok(questions)
}

fn cell(question: &Question, property: Property, verdict: &Verdict) -> Cell {
    let scope = question.world.scope();
    let why = match verdict {
        Verdict::Bounded { why, .. } => Some(*why),
        _ => None,
    };
    Cell {
        topology: scope.topology.name().to_owned(),
        workload: scope.workload.name().to_owned(),
        fault: question.fault.clone(),
        property: property.name().to_owned(),
        verdict: verdict.name().to_owned(),
        states: verdict.states(),
        witness_steps: verdict.witness_steps(),
        vacuous: why == Some(quarrel_models::check::Bound::Vacuous),
    }
}

/// Divergence first, then what is lost most plainly: of equally short traces the first is shown.
fn rank(name: &str) -> usize {
    let order = ["converged", "no-counter-drift", "no-double-booking", "no-resurrection"];
    order.iter().position(|known| *known == name).unwrap_or(order.len())
}

/// Tries a handler in all worlds.
///
/// # Errors
/// [`ScopeError`] if the size makes no world.
pub fn cluster(handler: Handler, script: &Script, size: Size) -> Result<ClusterReport, ScopeError> {
    let limits = Limits { time: size.time, reductions: Reductions::ALL, ..Limits::default() };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut answers: Vec<Answer> = Vec::new();
    ask(questions(handler, script, size)?, limits, threads, |answer| answers.push(answer));
    let mut report = ClusterReport::default();
    let mut shortest: Option<((usize, usize), usize, Property)> = None;
    for (number, answer) in answers.iter().enumerate() {
        for (property, verdict) in answer.iter() {
            report.cells.push(cell(&answer.question, property, verdict));
            let Some(steps) = verdict.witness_steps() else { continue };
            let key = (rank(property.name()), steps);
            if shortest.is_none_or(|(least, ..)| key < least) {
                shortest = Some((key, number, property));
            }
        }
    }
    report.trace = shortest.and_then(|((_, steps), number, property)| {
        let mut place = answers[number].iter().filter(|(_, verdict)| verdict.witness_steps().is_some());
        let place = place.position(|(other, _)| other == property)?;
        let file = WitnessFile::of(&answers[number]).into_iter().nth(place)?;
        let told = narrate(&file.witness).ok()?.to_string();
        let topology = answers[number].question.world.scope().topology.name();
        let title = format!("{property} in {steps} steps, {topology}");
        Some(Trace { property: property.name().to_owned(), title, told, file })
    });
    Ok(report)
}
