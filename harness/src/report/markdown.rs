//! Markdown: the step summary of GitHub, and what one pastes into an issue.

use super::{Format, Report, Summary, figures::grouped};
use quarrel_models::fate::Fate;
use quarrel_workloads::verdict::Verdict;
use std::io::{self, Write};

/// GitHub aborts the upload of a summary above 1 MiB; nobody reads a fifth of that.
pub const MAX_BYTES: usize = 200_000;
/// What stands where a summary was cut.
const CUT: &str = "\n\n(cut: the rest is in the run's folder; see the artifact)\n";

/// Markdown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Markdown;

impl Format for Markdown {
    fn write(&self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let mut text = String::from("## quarrel\n\n");
        text.push_str("| | scenario | strategy | topology | seed | acknowledged | lost |\n");
        text.push_str("|---|---|---|---|---|---:|---:|\n");
        for run in &report.runs {
            text.push_str(&row(run));
        }
        for run in &report.runs {
            text.push_str(&details(run));
        }
        out.write_all(capped(text).as_bytes())
    }
}

fn row(run: &Summary) -> String {
    let lost: u64 = Fate::ALL.into_iter().filter(|fate| fate.is_loss()).map(|fate| run.fate(fate)).sum();
    format!(
        "| {} | {} | {} | {} x{} | {} | {} | {} |\n",
        sign(run.verdict),
        escaped(&run.scenario),
        escaped(&run.strategy),
        run.topology,
        run.leaders,
        run.seed,
        grouped(run.fates.values().sum()),
        grouped(lost)
    )
}

fn details(run: &Summary) -> String {
    let mut text = format!("\n### {} {}\n\n", sign(run.verdict), escaped(&run.scenario));
    for property in run.of(Verdict::Fail).chain(run.of(Verdict::Unknown)) {
        text.push_str(&format!("- **{}**: {}\n", property.name, escaped(&property.detail)));
        for case in &property.evidence {
            text.push_str(&format!("  - {}\n", escaped(case)));
        }
    }
    for mark in run.marks.iter().filter(|mark| mark.required && mark.count == 0) {
        text.push_str(&format!("- **{}** never arose: {}\n", mark.name, escaped(&mark.about)));
    }
    let fates: Vec<String> = Fate::ALL
        .into_iter()
        .filter(|&fate| run.fate(fate) > 0)
        .map(|fate| format!("{} {}", fate.name(), grouped(run.fate(fate))))
        .collect();
    if !fates.is_empty() {
        text.push_str(&format!("- fates: {}\n", fates.join(", ")));
    }
    if let Some(results) = &run.results {
        text.push_str(&format!("- run: `{results}`\n"));
    }
    text.push_str(&format!("- again: `{}`\n", run.again));
    text
}

pub(super) const fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Unknown => "**unknown**",
        Verdict::Fail => "**FAIL**",
    }
}

/// Keys and values are the user's: they must not become markup.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '[' | '<' | '\\' => safe.extend(['\\', c]),
            '\n' | '\r' => safe.push(' '),
            _ => safe.push(c),
        }
    }
    safe
}

pub(super) fn capped(mut text: String) -> String {
    if text.len() > MAX_BYTES {
        // The end of a line is the end of a character, too.
        let room = &text.as_bytes()[..MAX_BYTES - CUT.len()];
        let end = room.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
        text.truncate(end);
        text.push_str(CUT);
    }
    text
}
