//! A handler in the simulator: many seeds of a small storm.

use super::cluster::strategy;
use quarrel_models::handler::{Handler, Schema, Script};
use quarrel_workloads::{
    mark::Mark,
    scenario::{Overrides, Resolved, Scenario},
    simulation::simulate,
    verdict::Verdict,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What came of the seeds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SeedsReport {
    /// The seeds that were run, from 1.
    pub seeds: u64,
    /// Those that violate the contract.
    pub failed: u64,
    /// The first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// What was found, and in how many seeds.
    pub findings: BTreeMap<String, u64>,
    /// Why no seed was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// What a scenario writes for a handler of this kind; nothing where no scenario does.
const fn workload(schema: Schema) -> Option<&'static str> {
    match schema {
        Schema::Register => Some("[workload.register]\nkeys = 6\n"),
        Schema::Document => Some("[workload.register]\nkeys = 6\ndelete_share = 0.2\n"),
        Schema::Set => Some("[workload.set]\nkeys = 6\n"),
        Schema::Cart => Some("[workload.set]\nkeys = 6\ndelete_share = 0.25\n"),
        Schema::Counter => Some("[workload.counter]\nkeys = 6\n"),
        Schema::Calendar => Some("[workload.calendar]\nrooms = 4\nslots = 24\n"),
        Schema::Text | Schema::Bank => None,
    }
}

/// The storm of every seed: a partition that halves the cluster, and clients that move.
fn scenario(handler: Handler, script: &Script) -> Result<Option<Scenario>, String> {
    let Some(workload) = workload(script.workload) else { return Ok(None) };
    let text = format!(
        "name = \"handler-check\"\n[strategy.arrival]\n{workload}[clients]\ncount = 6\nthink = \"20ms\"\n\
         [phases]\nwarm_up = \"200ms\"\nstorm = \"1500ms\"\nrecovery = \"200ms\"\n\
         [nemesis.partition]\nshape = \"halves\"\nevery = \"600ms\"\nfor = \"300ms\"\n\
         [contract]\nallow = [\"session-inversion\", \"real-time-inversion\"]\n"
    );
    let (plain, marks) = (Overrides::default(), Mark::ALL.map(Mark::name));
    let resolved = Resolved::resolve("handler-check.toml", &text, &plain, &plain, &marks);
    let mut scenario = resolved.map_err(|error| error.render(false))?.scenario;
    scenario.contract.allow.clear();
    scenario.strategy = strategy(handler, script.site);
    Ok(Some(scenario))
}

/// Runs so many seeds.
///
/// # Errors
/// In words, if the scenario cannot be simulated: a defect of ours.
pub fn seeds(handler: Handler, script: &Script, seeds: u64) -> Result<SeedsReport, String> {
    let Some(scenario) = scenario(handler, script)? else {
        let skipped = format!("no scenario writes the values of a {}", script.workload.name());
        return Ok(SeedsReport { skipped: Some(skipped), ..SeedsReport::default() });
    };
    let mut report = SeedsReport::default();
    for seed in 1..=seeds {
        let judged = simulate(&scenario, seed).map_err(|error| error.to_string())?.judgement;
        report.seeds += 1;
        if judged.verdict != Verdict::Fail {
            continue;
        }
        report.failed += 1;
        report.first.get_or_insert(seed);
        for reason in judged.reasons.iter().filter(|reason| reason.verdict == Verdict::Fail) {
            *report.findings.entry(reason.property.clone()).or_default() += 1;
        }
    }
    Ok(report)
}
