//! Annotations of GitHub Actions: at most one per property that did not hold.

use super::{Format, Report, figures::shortened};
use quarrel_workloads::verdict::Verdict;
use std::{
    collections::BTreeSet,
    io::{self, Write},
};

/// GitHub keeps ten annotations of a kind per step and drops the rest.
const MOST: usize = 10;
/// Longer messages are folded away.
const MESSAGE: usize = 400;

/// Workflow commands such as `::error title=...::...`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Annotations {
    /// Whether an unknown verdict is an error; otherwise it is a warning.
    pub ci: bool,
}

impl Format for Annotations {
    fn write(&self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let mut told = BTreeSet::new();
        for verdict in [Verdict::Fail, Verdict::Unknown] {
            for run in &report.runs {
                let missing = run.marks.iter().filter(|mark| mark.required && mark.count == 0);
                let missing = missing.map(|mark| (&mark.name, format!("never arose: {}", mark.about)));
                let missing = missing.filter(|_| verdict == Verdict::Unknown);
                let cases = run.of(verdict).map(|property| {
                    let first = property.evidence.first().map_or(String::new(), |case| format!(": {case}"));
                    (&property.name, format!("{}{first}", property.detail))
                });
                for (name, message) in cases.chain(missing) {
                    if told.len() < MOST && told.insert(name.clone()) {
                        let level = if verdict == Verdict::Fail || self.ci { "error" } else { "warning" };
                        let title = property_value(&format!("{}: {name}", run.scenario));
                        let message = shortened(&message, MESSAGE);
                        let message = data(&format!("{message}\nagain: {}", run.again));
                        writeln!(out, "::{level} title={title}::{message}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// What a workflow command carries is escaped, or the user's keys could be commands themselves.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property_value(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
