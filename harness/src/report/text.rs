//! The text summary on standard output: verdict first, evidence in place, the repeat command last; 80 columns.

use super::{
    Format, Mark, Paint, Property, Report, Summary,
    figures::{grouped, latency, wrap},
    tour,
};
use quarrel_models::fate::Fate;
use quarrel_workloads::verdict::Verdict;
use std::io::{self, Write};

/// The width that lines keep to, where their words let them.
pub(crate) const WIDTH: usize = 80;
/// The width of a property's name.
const NAME: usize = 20;
/// Where a property's words begin.
const INDENT: usize = 5 + NAME + 1;
/// Where the words of a labelled line begin.
const FOOT: usize = 8;
/// The most cases that are told of one property; JSON and `ledger.jsonl` have more.
const EXAMPLES: usize = 2;

/// The text summary.
#[derive(Debug, Clone, Copy, Default)]
pub struct Text {
    /// Colours or none.
    pub paint: Paint,
    /// Whether an unknown verdict counts as a failure here.
    pub ci: bool,
}

impl Format for Text {
    fn write(&self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        for (at, run) in report.runs.iter().enumerate() {
            if at > 0 {
                writeln!(out)?;
            }
            self.run(run, out)?;
        }
        self.tour(report, out)
    }
}

impl Text {
    /// One run.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn run(&self, run: &Summary, out: &mut dyn Write) -> io::Result<()> {
        self.head(run, out)?;
        let told =
            |verdict| run.of(verdict).filter(move |property| property.notable || verdict == Verdict::Fail);
        for property in told(Verdict::Fail).chain(told(Verdict::Unknown)) {
            self.property(property, out)?;
        }
        for mark in run.marks.iter().filter(|mark| mark.required && mark.count == 0) {
            self.missing(mark, out)?;
        }
        for property in told(Verdict::Pass) {
            self.property(property, out)?;
        }
        for (verdict, one, many) in [
            (Verdict::Unknown, "property cannot be told", "properties cannot be told"),
            (Verdict::Pass, "property holds", "properties hold"),
        ] {
            let quiet = run.of(verdict).filter(|property| !property.notable).count();
            if quiet > 0 {
                let rest = if quiet == 1 { one } else { many };
                writeln!(out, "  {} {quiet} more {rest}", self.paint.verdict(verdict, sign(verdict)))?;
            }
        }
        self.foot(run, out)
    }

    /// The comparison of the strategies, if this was the tour.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn tour(&self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let Some(again) = &report.tour else { return Ok(()) };
        writeln!(out)?;
        tour::write(&report.runs, again, self.paint, out)
    }

    fn head(&self, run: &Summary, out: &mut dyn Write) -> io::Result<()> {
        let word = run.verdict.to_string().to_uppercase();
        let variant = if run.variant.is_empty() { String::new() } else { format!(" ({})", run.variant) };
        let mut parts = vec![
            format!("{} x{}", run.topology, run.leaders),
            format!("{}{variant}", run.strategy),
            format!("seed {}", run.seed),
            format!("{:.1}s", run.seconds),
        ];
        if run.interrupted {
            parts.push("interrupted".to_owned());
        }
        // The first part is measured without its colours.
        let mut lines = packed(&parts, word.len() + 1 + run.scenario.len() + 2).into_iter();
        let word = self.paint.verdict(run.verdict, &word);
        let name = self.paint.bold(&run.scenario);
        writeln!(out, "{word} {name}  {}", lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| writeln!(out, "{:FOOT$}{line}", ""))
    }

    fn property(&self, property: &Property, out: &mut dyn Write) -> io::Result<()> {
        self.line(property.verdict, &property.name, &property.detail, out)?;
        for case in property.evidence.iter().take(EXAMPLES) {
            indented(case, 7, out)?;
        }
        Ok(())
    }

    fn missing(&self, mark: &Mark, out: &mut dyn Write) -> io::Result<()> {
        let detail = format!("never arose: {}", mark.about);
        self.line(Verdict::Unknown, &mark.name, &detail, out)
    }

    fn line(&self, verdict: Verdict, name: &str, detail: &str, out: &mut dyn Write) -> io::Result<()> {
        let sign = self.paint.verdict(verdict, sign(verdict));
        let mut lines = wrap(detail, WIDTH - INDENT).into_iter();
        // A name that is too long for its column has a line of its own.
        let first = if name.len() > NAME { String::new() } else { lines.next().unwrap_or_default() };
        writeln!(out, "{}", format!("  {sign} {name:<NAME$} {first}").trim_end())?;
        lines.try_for_each(|line| writeln!(out, "{:INDENT$}{line}", ""))
    }

    fn foot(&self, run: &Summary, out: &mut dyn Write) -> io::Result<()> {
        let fates = Fate::ALL.into_iter().filter(|&fate| run.fate(fate) > 0);
        let fates: Vec<String> =
            fates.map(|fate| format!("{} {}", fate.name(), grouped(run.fate(fate)))).collect();
        if !fates.is_empty() {
            self.labelled("fates", &fates, out)?;
        }
        let operations = run.operations;
        let mut figures = vec![
            format!("{} operations", grouped(operations.total())),
            format!("ok {}", grouped(operations.ok)),
            format!("fail {}", grouped(operations.fail)),
            format!("info {}", grouped(operations.info)),
        ];
        let (hit, required) = run.marks_hit();
        if required > 0 {
            figures.insert(0, format!("marks {hit}/{required}"));
        }
        self.labelled("load", &figures, out)?;
        if let Some(times) = run.latency {
            let pair = |name: &str, p50, p99| format!("{name} p50 {} p99 {}", latency(p50), latency(p99));
            let times = [
                pair("writes", times.write_p50, times.write_p99),
                pair("reads", times.read_p50, times.read_p99),
            ];
            self.labelled("time", &times, out)?;
        }
        if let Some(results) = &run.results {
            self.labelled("run", std::slice::from_ref(results), out)?;
        }
        if run.verdict == Verdict::Unknown {
            let weight = if self.ci { "it fails, since CI=true" } else { "only a warning unless CI=true" };
            self.labelled("note", &[format!("too little was seen to say pass; {weight}")], out)?;
        }
        self.labelled("again", std::slice::from_ref(&run.again), out)
    }

    /// A label, and parts that are broken between them only.
    fn labelled(&self, label: &str, parts: &[String], out: &mut dyn Write) -> io::Result<()> {
        let label = self.paint.dim(&format!("{label:<5}"));
        let mut lines = packed(parts, FOOT).into_iter();
        writeln!(out, "  {label} {}", lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| writeln!(out, "{:FOOT$}{line}", ""))
    }
}

/// Parts in as few lines as hold them; the first begins after `taken` characters, the others after [`FOOT`].
fn packed(parts: &[String], taken: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut column = taken;
    for part in parts {
        let line = lines.last_mut().expect("there is always a line");
        let length = part.chars().count();
        if !line.is_empty() && column + 2 + length > WIDTH {
            lines.push(part.clone());
            column = FOOT + length;
            continue;
        }
        if !line.is_empty() {
            line.push_str("  ");
            column += 2;
        }
        line.push_str(part);
        column += length;
    }
    lines
}

/// A sentence in lines that begin after `indent` spaces.
pub(super) fn indented(text: &str, indent: usize, out: &mut dyn Write) -> io::Result<()> {
    wrap(text, WIDTH - indent).iter().try_for_each(|line| writeln!(out, "{:indent$}{line}", ""))
}

const fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "ok",
        Verdict::Unknown => "??",
        Verdict::Fail => "x ",
    }
}
