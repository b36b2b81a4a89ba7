//! Several runs side by side: strategies, topologies, versions. As text here, as a page in `html/compare`.
//!
//! The first run is what the others are measured against.

use super::{
    Paint, Summary, Table,
    figures::{grouped, latency},
    text::indented,
};
use quarrel_models::fate::Fate;
use quarrel_workloads::verdict::Anomaly;
use std::{
    collections::BTreeSet,
    io::{self, Write},
};

/// A run that is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// How the store calls it: `<scenario>/<utc time>-<seed>`.
    pub name: String,
    /// The version of quarrel that made it.
    pub version: String,
    /// What was said of it.
    pub summary: Summary,
}

/// Runs that are compared, the one that the others are measured against first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Comparison {
    /// The runs.
    pub runs: Vec<Compared>,
}

/// What one run shows and another one does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Losses and anomalies that only this run has.
    pub new: Vec<String>,
    /// Those that only the first run has.
    pub gone: Vec<String>,
}

/// A row of figures, one for each run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What is counted.
    pub name: String,
    /// A cell for each run; empty where there is nothing.
    pub cells: Vec<String>,
}

impl Comparison {
    /// What each run shows and the first one does not, and the other way round; nothing for the first one itself.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        let kinds = |run: &Compared| -> BTreeSet<String> {
            run.summary.anomalies.iter().map(|found| found.kind.clone()).collect()
        };
        let Some(first) = self.runs.first().map(kinds) else { return Vec::new() };
        let difference = |run: &Compared| {
            let own = kinds(run);
            Difference {
                new: own.difference(&first).cloned().collect(),
                gone: first.difference(&own).cloned().collect(),
            }
        };
        self.runs.iter().map(difference).collect()
    }

    /// How many acknowledged writes met each fate: all losses, and the other fates that occur.
    #[must_use]
    pub fn fates(&self) -> Vec<Row> {
        let shown = |fate: &Fate| fate.is_loss() || self.runs.iter().any(|run| run.summary.fate(*fate) > 0);
        let row = |fate: Fate| self.row(fate.name(), |run| count(run.fate(fate)));
        let acknowledged = self.row("acknowledged", |run| count(run.fates.values().sum()));
        std::iter::once(acknowledged).chain(Fate::ALL.into_iter().filter(shown).map(row)).collect()
    }

    /// What was found beside fates.
    #[must_use]
    pub fn anomalies(&self) -> Vec<Row> {
        let found = |anomaly: &Anomaly| self.runs.iter().any(|run| run.summary.found(anomaly.name()) > 0);
        let row = |anomaly: Anomaly| self.row(anomaly.name(), |run| count(run.found(anomaly.name())));
        Anomaly::ALL.into_iter().filter(found).map(row).collect()
    }

    /// How often each situation arose that some run required.
    #[must_use]
    pub fn marks(&self) -> Vec<Row> {
        let marks = self.runs.iter().flat_map(|run| &run.summary.marks);
        let mut names: Vec<&str> = Vec::new();
        for mark in marks.filter(|mark| mark.required) {
            if !names.contains(&mark.name.as_str()) {
                names.push(&mark.name);
            }
        }
        let times = |run: &Summary, name: &str| {
            let mark = run.marks.iter().find(|mark| mark.name == name);
            mark.map_or(String::new(), |mark| match (mark.count, mark.required) {
                (0, true) => "missing".to_owned(),
                (times, _) => count(times),
            })
        };
        names.into_iter().map(|name| self.row(name, |run| times(run, name))).collect()
    }

    /// Latencies, and how many operations there were.
    #[must_use]
    pub fn latencies(&self) -> Vec<Row> {
        let of = |run: &Summary, get: fn(&super::Latencies) -> f64| {
            run.latency.as_ref().map_or(String::new(), |latencies| latency(get(latencies)))
        };
        vec![
            self.row("operations", |run| grouped(run.operations.total())),
            self.row("failed", |run| count(run.operations.fail)),
            self.row("unknown", |run| count(run.operations.info)),
            self.row("write p50", |run| of(run, |latencies| latencies.write_p50)),
            self.row("write p99", |run| of(run, |latencies| latencies.write_p99)),
            self.row("read p50", |run| of(run, |latencies| latencies.read_p50)),
            self.row("read p99", |run| of(run, |latencies| latencies.read_p99)),
        ]
    }

    fn row(&self, name: &str, cell: impl Fn(&Summary) -> String) -> Row {
        let cells = self.runs.iter().map(|run| cell(&run.summary)).collect();
        Row { name: name.to_owned(), cells }
    }

    /// Writes the comparison as text.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn write(&self, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
        self.heads(paint, out)?;
        writeln!(out)?;
        let numbers: Vec<String> = (1..=self.runs.len()).map(|n| n.to_string()).collect();
        let header = std::iter::once("").chain(numbers.iter().map(String::as_str));
        let mut table = Table::new(header).of_numbers();
        let rows = [self.fates(), self.anomalies(), self.marks(), self.latencies()].concat();
        for row in rows {
            let cells = row.cells.into_iter().map(|cell| if cell.is_empty() { "-".to_owned() } else { cell });
            table.row(std::iter::once(row.name).chain(cells));
        }
        table.write(2, out)?;
        writeln!(out)?;
        for (n, difference) in self.differences().iter().enumerate().skip(1) {
            indented(&format!("{} against 1: {}", n + 1, difference.told()), 2, out)?;
        }
        Ok(())
    }

    fn heads(&self, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
        for (n, run) in self.runs.iter().enumerate() {
            let summary = &run.summary;
            let verdict = paint.verdict(summary.verdict, &summary.verdict.to_string());
            writeln!(out, "  {} {}  {verdict}", n + 1, paint.bold(&run.name))?;
            indented(&run.told(), 4, out)?;
        }
        Ok(())
    }
}

impl Compared {
    /// What was run, in a line.
    #[must_use]
    pub fn told(&self) -> String {
        let run = &self.summary;
        let variant = if run.variant.is_empty() { String::new() } else { format!(" ({})", run.variant) };
        format!(
            "{}{variant}, {} x{}, {}, seed {}, quarrel {}",
            run.strategy, run.topology, run.leaders, run.system, run.seed, self.version
        )
    }

    /// How many acknowledged writes were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        Fate::ALL.into_iter().filter(|fate| fate.is_loss()).map(|fate| self.summary.fate(fate)).sum()
    }
}

impl Difference {
    /// In a sentence.
    #[must_use]
    pub fn told(&self) -> String {
        match (self.new.is_empty(), self.gone.is_empty()) {
            (true, true) => "the same kinds of findings".to_owned(),
            (false, true) => format!("new: {}", self.new.join(", ")),
            (true, false) => format!("gone: {}", self.gone.join(", ")),
            (false, false) => format!("new: {}; gone: {}", self.new.join(", "), self.gone.join(", ")),
        }
    }
}

fn count(count: u64) -> String {
    if count == 0 { String::new() } else { grouped(count) }
}
