//! The report as one JSON object with a version and stable keys.

use super::{Format, Found, Report, Summary};
use quarrel_workloads::verdict::Verdict;
use serde::Serialize;
use std::io::{self, Write};

/// The version of these objects.
pub(crate) const VERSION: u32 = 1;

/// JSON.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

#[derive(Serialize)]
struct Runs<'a> {
    v: u32,
    runs: &'a [Summary],
}

#[derive(Serialize)]
struct Check<'a> {
    v: u32,
    verdict: Verdict,
    anomalies: &'a [Found],
    /// How many there are.
    operations: u64,
    seconds: f64,
    /// The same history in the form of a run.
    run: &'a Summary,
}

impl Format for Json {
    fn write(&self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        write(&Runs { v: VERSION, runs: &report.runs }, out)
    }
}

impl Json {
    /// The outcome of `check`.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn check(self, run: &Summary, out: &mut dyn Write) -> io::Result<()> {
        let check = Check {
            v: VERSION,
            verdict: run.verdict,
            anomalies: &run.anomalies,
            operations: run.operations.total(),
            seconds: run.seconds,
            run,
        };
        write(&check, out)
    }
}

/// Any object, indented, with a newline at the end.
pub(crate) fn write(object: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, object)?;
    writeln!(out)
}
