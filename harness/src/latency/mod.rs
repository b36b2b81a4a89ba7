//! Latency per topology: the same load for several clusters, in turns, and what became visible where and when.
//!
//! The rooms: `plan` what is to be measured; `load` the open loop; `observe` one repetition on the reference cluster,
//! `target` one on a cluster that is not ours, `saturation` throughput against offered rate; `visibility` the apply
//! logs; `metric` names and histograms, `threshold` bounds on them; `outcome` what is reported; `files` the formats of
//! HdrHistogram's plotters.
//!
//! What may not enter: rendering, and the command line.

mod files;
mod load;
mod metric;
mod observe;
mod outcome;
mod plan;
mod saturation;
mod target;
mod threshold;
mod visibility;

pub use metric::{Figures, known as known_metrics, rank};
pub use observe::Tally;
pub use outcome::{COMPARED, Difference, Measured, Metric, Outcome, Scalar, Weight};
pub use plan::{Arrivals, Phase, Plan, Setup};
pub use saturation::Step;
pub use target::{Target, TargetError};
pub use threshold::{Held, Threshold};

use crate::runner::{Interrupt, RunError};
use files::Interval;
use metric::Latencies;
use observe::{Observed, Place};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Threads for all that is not the clients' own work.
const THREADS: usize = 2;

/// A measurement to be made.
#[derive(Debug, Clone)]
pub struct Request {
    /// The clusters.
    pub setups: Vec<Setup>,
    /// A cluster that is not ours; then there is one setup, for its workload.
    pub target: Option<Target>,
    /// The load.
    pub plan: Plan,
    /// What must be kept.
    pub thresholds: Vec<Threshold>,
    /// The folder of the results; it exists.
    pub folder: PathBuf,
    /// The program that has the subcommand `node`.
    pub program: PathBuf,
    /// The wish to stop early.
    pub interrupt: Interrupt,
}

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The setup.
    pub setup: String,
    /// Which of so many.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// Whether it is the search for saturation.
    pub ramp: bool,
}

/// What was gathered of one setup.
#[derive(Default)]
struct Gathered {
    latencies: Latencies,
    scalars: BTreeMap<&'static str, Vec<f64>>,
    tally: Tally,
    steps: Vec<Step>,
}

/// Makes a measurement: every setup once, then every setup again, so that a change of the machine meets all of them.
/// Writes `latency.hlog` and the tables of percentiles. Blocks until every process that it started has ended.
///
/// # Errors
/// [`RunError`] if a cluster could not be had, or failed. The logs of its nodes are then in the folder.
pub fn measure(request: &Request, told: &mut dyn FnMut(&Stage)) -> Result<Outcome, RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|error| RunError::Environment(format!("cannot start threads: {error}")))?;
    let mut gathered: Vec<Gathered> = request.setups.iter().map(|_| Gathered::default()).collect();
    let mut intervals: Vec<Interval> = Vec::new();
    runtime.block_on(gather(request, told, &mut gathered, &mut intervals))?;
    drop(runtime);
    let disk = |error: std::io::Error| RunError::Environment(format!("cannot write the results: {error}"));
    files::write_intervals(&request.folder.join("latency.hlog"), intervals).map_err(disk)?;
    for (setup, of) in request.setups.iter().zip(&gathered) {
        files::write_percentiles(&request.folder.join("percentiles"), &setup.name, &of.latencies)
            .map_err(disk)?;
    }
    let is_target = request.target.is_some();
    let measured =
        request.setups.iter().zip(gathered).map(|(setup, of)| {
            Measured::new(setup, is_target, &of.latencies, of.scalars, of.steps, of.tally)
        });
    let interrupted = request.interrupt.is_requested();
    Ok(Outcome::new(measured.collect(), &request.thresholds, &request.plan, interrupted))
}

async fn gather(
    request: &Request,
    told: &mut dyn FnMut(&Stage),
    gathered: &mut [Gathered],
    intervals: &mut Vec<Interval>,
) -> Result<(), RunError> {
    let Request { setups, plan, interrupt, .. } = request;
    let ramps = if plan.ramp.is_zero() || request.target.is_some() { 0 } else { setups.len() };
    let of = setups.len() * plan.repetitions as usize + ramps;
    let mut number = 0;
    for repetition in 0..plan.repetitions {
        for turn in 0..setups.len() {
            // Nobody is always the first after a pause.
            let at = (turn + repetition as usize) % setups.len();
            if interrupt.is_requested() {
                return Ok(());
            }
            number += 1;
            told(&Stage { setup: setups[at].name.clone(), number, of, ramp: false });
            let observed = once(request, &setups[at], repetition).await?;
            // A repetition that was cut short is no repetition.
            if !interrupt.is_requested() {
                gathered[at].take(&setups[at].name, observed, intervals);
            }
        }
    }
    for (at, setup) in setups.iter().enumerate().take(ramps) {
        if interrupt.is_requested() {
            return Ok(());
        }
        number += 1;
        told(&Stage { setup: setup.name.clone(), number, of, ramp: true });
        let scratch = Scratch::new(&request.folder, &format!("{}-ramp", slug(&setup.name)))?;
        gathered[at].steps = saturation::search(setup, plan, &request.place(&scratch.0)).await?;
        scratch.remove();
    }
    Ok(())
}

async fn once(request: &Request, setup: &Setup, repetition: u32) -> Result<Observed, RunError> {
    let Request { plan, interrupt, .. } = request;
    if let Some(target) = &request.target {
        return target::observe(target, setup, plan, repetition, interrupt).await;
    }
    let scratch = Scratch::new(&request.folder, &format!("{}-{repetition}", slug(&setup.name)))?;
    let observed = observe::observe(setup, plan, repetition, &request.place(&scratch.0)).await?;
    scratch.remove();
    Ok(observed)
}

impl Request {
    fn place<'a>(&'a self, folder: &'a Path) -> Place<'a> {
        Place { folder, program: &self.program, interrupt: &self.interrupt }
    }
}

impl Gathered {
    fn take(&mut self, setup: &str, observed: Observed, intervals: &mut Vec<Interval>) {
        for (name, values) in &observed.values {
            self.latencies.entry(name.clone()).or_default().add(values.iter().map(|value| value.ns));
        }
        intervals.extend(files::intervals(setup, &observed.values));
        for (name, value) in observed.scalars {
            self.scalars.entry(name).or_default().push(value);
        }
        self.tally.add(observed.tally);
    }
}

/// The files of one cluster: they go once it has been measured, and stay if that failed.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: &Path, name: &str) -> Result<Self, RunError> {
        let path = folder.join("clusters").join(name);
        fs::create_dir_all(&path)
            .map_err(|error| RunError::Environment(format!("cannot create {}: {error}", path.display())))?;
        Ok(Self(path))
    }

    fn remove(self) {
        // What cannot be removed is only in the way.
        let _ = fs::remove_dir_all(&self.0);
        if let Some(parent) = self.0.parent() {
            let _ = fs::remove_dir(parent);
        }
    }
}

/// A setup's name as a file's, and as a tag.
fn slug(name: &str) -> String {
    name.replace(' ', "-")
}

#[cfg(test)]
mod tests;
