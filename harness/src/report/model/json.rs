//! The model checker's report as one JSON object with a version and stable keys.

use super::{Matrix, Modelled, Record};
use crate::{
    model::Reason,
    report::{VERSION, write_json},
};
use quarrel_workloads::verdict::Verdict;
use serde::Serialize;
use std::io::{self, Write};

/// JSON.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

#[derive(Serialize)]
struct Cells<'a> {
    v: u32,
    cells: &'a [Record],
    seconds: f64,
}

#[derive(Serialize)]
struct Scenarios<'a> {
    v: u32,
    runs: Vec<Scenario<'a>>,
    cells: Vec<&'a Record>,
}

#[derive(Serialize)]
struct Scenario<'a> {
    scenario: &'a str,
    strategy: &'a str,
    topology: &'a str,
    verdict: Verdict,
    reasons: &'a [Reason],
    scaled: &'a [String],
    seconds: f64,
    results: &'a Option<String>,
    again: &'a str,
    replay: &'a Option<String>,
    cells: &'a [Record],
}

impl<'a> Scenario<'a> {
    fn of(modelled: &'a Modelled) -> Self {
        Self {
            scenario: &modelled.scenario,
            strategy: &modelled.strategy,
            topology: &modelled.topology,
            verdict: modelled.outcome.verdict,
            reasons: &modelled.outcome.reasons,
            scaled: &modelled.scaled,
            seconds: modelled.seconds,
            results: &modelled.results,
            again: &modelled.again,
            replay: &modelled.replay,
            cells: &modelled.records,
        }
    }
}

impl Json {
    /// The matrix.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn matrix(self, matrix: &Matrix, out: &mut dyn Write) -> io::Result<()> {
        write_json(&Cells { v: VERSION, cells: &matrix.records, seconds: matrix.seconds }, out)
    }

    /// Scenarios.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn scenarios(self, modelled: &[Modelled], out: &mut dyn Write) -> io::Result<()> {
        let cells = modelled.iter().flat_map(|one| &one.records).collect();
        write_json(&Scenarios { v: VERSION, runs: modelled.iter().map(Scenario::of).collect(), cells }, out)
    }

    /// What `verdict.json` says of one scenario.
    ///
    /// # Errors
    /// What serde reports.
    pub fn verdict(self, modelled: &Modelled) -> serde_json::Result<serde_json::Value> {
        Ok(serde_json::json!({ "v": VERSION, "run": serde_json::to_value(Scenario::of(modelled))? }))
    }
}
