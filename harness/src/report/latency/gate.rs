//! Latencies for pipelines: JUnit with a case for each threshold and setup, and a step summary.

use super::{LatencyReport, text::plain};
use crate::report::{
    figures::latency,
    markdown::{capped, escaped, sign},
};
use quarrel_workloads::verdict::Verdict;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::io::{self, Write};

/// `JUnit`.
#[derive(Debug, Clone, Copy, Default)]
pub struct LatencyJunit {
    /// Whether what is unknown is a failure.
    pub ci: bool,
}

/// Markdown.
#[derive(Debug, Clone, Copy, Default)]
pub struct LatencyMarkdown;

impl LatencyJunit {
    /// Writes one suite.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn write(&self, report: &LatencyReport, out: &mut dyn Write) -> io::Result<()> {
        let mut suite = TestSuite::new("latency");
        for (name, verdict, detail) in cases(report) {
            let mut case = TestCase::new(name, self.status(verdict, &detail, &report.again));
            case.set_classname("quarrel.latency");
            if let Some(results) = &report.results {
                case.set_system_out(format!("run: {results}"));
            }
            suite.add_test_case(case);
        }
        let mut whole = Report::new("quarrel latency");
        whole.add_test_suite(suite);
        whole.serialize(out).map_err(io::Error::other)
    }

    fn status(self, verdict: Verdict, detail: &str, again: &str) -> TestCaseStatus {
        let mut status = match verdict {
            Verdict::Pass => return TestCaseStatus::success(),
            Verdict::Unknown if !self.ci => {
                let mut skipped = TestCaseStatus::skipped();
                skipped.set_message(format!("unknown: {detail}"));
                return skipped;
            }
            _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
        };
        let kind = if verdict == Verdict::Fail { "violated" } else { "unknown" };
        status.set_message(detail).set_type(kind).set_description(format!("again: {again}"));
        status
    }
}

/// What was held against the measurement: that writes arrive, and each threshold.
fn cases(report: &LatencyReport) -> Vec<(String, Verdict, String)> {
    let outcome = &report.outcome;
    let mut cases =
        vec![("every acknowledged write arrives".to_owned(), outcome.verdict, outcome.reasons.join("; "))];
    for held in &outcome.thresholds {
        let measured = match held.measured {
            Some(seconds) if held.is_time => format!("measured {}", latency(seconds)),
            Some(number) => format!("measured {}", plain(number)),
            None => "nothing was measured".to_owned(),
        };
        cases.push((format!("{} ({})", held.threshold, held.setup), held.verdict, measured));
    }
    cases
}

impl LatencyMarkdown {
    /// Writes a table of the setups and one of the thresholds.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn write(&self, report: &LatencyReport, out: &mut dyn Write) -> io::Result<()> {
        let mut text = String::from("## quarrel latency\n\n");
        text.push_str("| cluster | write.ack p50 | p99 | visible everywhere p50 | p99 | throughput |\n");
        text.push_str("|---|---:|---:|---:|---:|---:|\n");
        for measured in &report.outcome.topologies {
            let of = |name: &str| {
                let metric = measured.metrics.get(name);
                metric.map_or(["-".to_owned(), "-".to_owned()], |of| [of.p50, of.p99].map(latency))
            };
            let ([p50, p99], [all_p50, all_p99]) = (of("write.ack"), of("visibility.all"));
            let throughput = measured.scalars.get("throughput").map_or("-".to_owned(), |of| plain(of.median));
            let name = escaped(&measured.name());
            text.push_str(&format!("| {name} | {p50} | {p99} | {all_p50} | {all_p99} | {throughput}/s |\n"));
        }
        text.push_str("\n| | held against it | |\n|---|---|---|\n");
        for (name, verdict, detail) in cases(report) {
            text.push_str(&format!("| {} | {} | {} |\n", sign(verdict), escaped(&name), escaped(&detail)));
        }
        text.push_str(&format!("\n{}; {}. Again: `{}`\n", report.load, report.machine, report.again));
        out.write_all(capped(text).as_bytes())
    }
}
