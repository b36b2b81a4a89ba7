//! `JUnit` XML: a suite per scenario, a case per property and per required mark.

use super::{Format, Mark, Property, Report, Summary};
use quarrel_workloads::verdict::Verdict;
use quick_junit::{NonSuccessKind, Report as Junits, TestCase, TestCaseStatus, TestSuite};
use std::{
    io::{self, Write},
    time::Duration,
};

/// `JUnit` XML.
#[derive(Debug, Clone, Copy, Default)]
pub struct Junit {
    /// Whether an unknown verdict is a failure; otherwise it is a skipped case.
    pub ci: bool,
}

impl Format for Junit {
    fn write(&self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let mut junits = Junits::new("quarrel");
        for run in &report.runs {
            junits.add_test_suite(self.suite(run));
        }
        junits.serialize(out).map_err(io::Error::other)
    }
}

impl Junit {
    pub(super) fn suite(self, run: &Summary) -> TestSuite {
        let mut suite = TestSuite::new(&run.scenario);
        suite.set_time(Duration::try_from_secs_f64(run.seconds).unwrap_or_default());
        suite.add_property(("seed", run.seed.to_string().as_str()));
        suite.add_property(("strategy", run.strategy.as_str()));
        suite.add_property(("topology", run.topology.as_str()));
        for property in &run.properties {
            suite.add_test_case(self.property(run, property));
        }
        for mark in run.marks.iter().filter(|mark| mark.required) {
            suite.add_test_case(self.mark(run, mark));
        }
        suite
    }

    fn property(self, run: &Summary, property: &Property) -> TestCase {
        let status = self.status(property.verdict, &property.detail, &property.evidence, run);
        case(run, &property.name, status)
    }

    fn mark(self, run: &Summary, mark: &Mark) -> TestCase {
        let verdict = if mark.count > 0 { Verdict::Pass } else { Verdict::Unknown };
        let detail = format!("never arose: {}", mark.about);
        case(run, &format!("mark: {}", mark.name), self.status(verdict, &detail, &[], run))
    }

    fn status(self, verdict: Verdict, detail: &str, evidence: &[String], run: &Summary) -> TestCaseStatus {
        let kind = match verdict {
            Verdict::Pass => return TestCaseStatus::success(),
            Verdict::Unknown if !self.ci => {
                let mut skipped = TestCaseStatus::skipped();
                skipped.set_message(format!("unknown: {detail}"));
                return skipped;
            }
            Verdict::Unknown => "unknown",
            Verdict::Fail => "violated",
        };
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let mut text = String::new();
        evidence.iter().for_each(|case| text.push_str(&format!("{case}\n")));
        text.push_str(&format!("again: {}", run.again));
        status.set_message(detail).set_type(kind).set_description(text);
        status
    }
}

fn case(run: &Summary, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("quarrel.{}", run.scenario));
    if let Some(results) = &run.results {
        case.set_system_out(format!("run: {results}"));
    }
    case
}
