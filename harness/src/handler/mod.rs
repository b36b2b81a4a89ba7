//! Conflict handlers of users: whether one is lawful, and whether it is safe in a cluster.
//!
//! The rooms: `values` small inputs, `laws` what a merge is asked, `cluster` the model checker's part, `seeds` the
//! simulator's, `samples` inputs from files and runs, `template` handlers to begin with.

mod cluster;
mod laws;
mod samples;
mod seeds;
mod template;
mod values;

pub use cluster::{Cell, ClusterReport, Size, Trace, cluster, strategy};
pub use laws::{Broken, Finding, Law};
pub use samples::{Sampled, samples};
pub use seeds::{SeedsReport, seeds};
pub use template::Template;
pub use values::{Inputs, size};

use quarrel_models::{
    check::ScopeError,
    handler::{Handler, Old, Script, rhai::LoadError},
    value::Value,
};

/// What is to be tried.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Inputs beside the small ones.
    pub samples: Vec<Inputs>,
    /// The size of the worlds.
    pub size: Size,
    /// How many seeds are run in the simulator.
    pub seeds: u64,
    /// An older version that one leader still runs.
    pub old: Option<Handler>,
}

/// What came of it all.
#[derive(Debug, Clone)]
pub struct Report {
    /// What the laws say.
    pub laws: Vec<Finding>,
    /// What happens in a cluster.
    pub cluster: ClusterReport,
    /// What happens where one leader runs an older version.
    pub mixed: Option<ClusterReport>,
    /// What happens in the simulator.
    pub seeds: SeedsReport,
}

impl Report {
    /// Whether every law holds.
    #[must_use]
    pub fn is_lawful(&self) -> bool {
        self.laws.iter().all(|finding| finding.broken.is_none())
    }

    /// Whether nothing is broken anywhere.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let mixed = self.mixed.as_ref().is_some_and(ClusterReport::is_broken);
        self.is_lawful() && !self.cluster.is_broken() && !mixed && self.seeds.failed == 0
    }

    /// What was not shown, in words: a law that spoke of no input, a search that was cut short.
    #[must_use]
    pub fn open(&self) -> Vec<String> {
        let silent = self.laws.iter().filter(|finding| finding.broken.is_none() && finding.held == 0);
        let mut open: Vec<String> =
            silent.map(|finding| format!("{}: the handler answered no input", finding.law.name())).collect();
        let searches = self.cluster.bounded().chain(self.mixed.iter().flat_map(ClusterReport::bounded));
        open.extend(searches.map(|cell| {
            let Cell { property, topology, workload, states, .. } = cell;
            format!("{property} ({workload}, {topology}): {states} states are not all of them")
        }));
        open
    }
}

/// Why a handler cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// It does not load.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// The size makes no world.
    #[error("{0}")]
    Scope(#[from] ScopeError),
    /// The simulator does not take it.
    #[error("{0}")]
    Simulation(String),
}

/// Tries a handler: the laws, the cluster, the seeds, in this order.
///
/// # Errors
/// [`TrialError`].
pub fn try_handler(handler: Handler, script: &Script, plan: &Plan) -> Result<Report, TrialError> {
    let laws = laws::Trial::new(handler, script)?.laws(&plan.samples);
    let cluster = cluster(handler, script, plan.size)?;
    let mixed = match plan.old {
        None => None,
        Some(old) => {
            let replicas = vec![quarrel_models::id::ReplicaId(1)];
            let beside = quarrel_models::handler::rhai::load_once(
                &script.file,
                &script.text,
                Some(Old { handler: old, replicas }),
            )?;
            Some(self::cluster::cluster(beside, script, plan.size)?)
        }
    };
    let seeds = seeds(handler, script, plan.seeds).map_err(TrialError::Simulation)?;
    Ok(Report { laws, cluster, mixed, seeds })
}

/// What a handler makes of versions, in words; an error is one too.
///
/// # Errors
/// The refusal, in words.
pub fn run(handler: Handler, sides: &[Option<Value>], base: Option<&Value>) -> Result<Option<Value>, String> {
    let sides: Vec<(usize, Option<Value>)> = sides.iter().cloned().enumerate().collect();
    laws::say(handler, &sides, base).map_err(|refused| refused.to_string())
}

#[cfg(test)]
mod tests;
