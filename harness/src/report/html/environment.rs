//! Where and with what the run was made, and the files that it left.

use super::{
    block::{self, Cell, number, words},
    markup::Markup,
    view::View,
};
use crate::report::grouped;

/// What the files of a run hold, by the beginning of their path.
const CONTENTS: [(&str, &str); 10] = [
    ("run.json", "what was settled before the run"),
    ("verdict.json", "verdict, properties, all that was found"),
    ("history.jsonl", "every operation, every fault, the final reads"),
    ("ledger.jsonl", "the fate of every acknowledged write"),
    ("nemesis.jsonl", "what the nemesis did"),
    ("latency.hlog", "HDR histograms of latencies"),
    ("apply/", "what a replica did with each version"),
    ("junit.xml", "properties and marks as test cases"),
    ("log/", "what a node said on standard error"),
    ("nodes/", "a node's settings, write-ahead log and clock"),
];

/// Writes the section.
pub(super) fn write(page: &mut Markup, view: &View<'_>) {
    block::section(page, "environment", "Environment and files", "");
    let record = &view.run.record;
    let host = &record.host;
    let facts = [
        ("started", record.started.clone()),
        ("command", record.command.join(" ")),
        ("quarrel", record.versions.quarrel.clone()),
        ("host", format!("{} {} on {}, {} cores", host.system, host.release, host.architecture, host.cores)),
        ("folder", view.run.summary.results.clone().unwrap_or_default()),
    ];
    let rows: Vec<Vec<Cell>> =
        facts.into_iter().map(|(name, value)| vec![words(name), words(value)]).collect();
    block::table(page, "The run", &["", ""], &rows);
    figures(page, view);
    files(page, view);
    let mut scenario = Markup::default();
    let text = serde_json::to_string_pretty(&record.scenario).unwrap_or_default();
    scenario.leaf("pre", &[("tabindex", "0")], &text);
    block::folded(page, "The scenario as it was resolved", &scenario);
    let text =
        "Real processes are not deterministic: the seed fixes load and faults, but not how they interleave.";
    block::note(page, text);
    page.close("section");
}

/// Counts and durations that are no breach.
fn figures(page: &mut Markup, view: &View<'_>) {
    let Some(figures) = view.run.judgement.get("figures").and_then(serde_json::Value::as_object) else {
        return;
    };
    let rows: Vec<Vec<Cell>> = figures
        .iter()
        .filter_map(|(name, value)| Some(vec![words(name), number(grouped(value.as_u64()?))]))
        .collect();
    if !rows.is_empty() {
        let mut inner = Markup::default();
        block::table(&mut inner, "Figures that are no breach", &["figure", ""], &rows);
        block::folded(page, "Figures that are no breach", &inner);
    }
}

fn files(page: &mut Markup, view: &View<'_>) {
    let rows: Vec<Vec<Cell>> = view
        .run
        .files
        .iter()
        .filter(|(path, _)| path != "report.html")
        .map(|(path, bytes)| {
            let mut link = Markup::default();
            link.leaf("a", &[("href", path)], path);
            let about =
                CONTENTS.iter().find(|(start, _)| path.starts_with(start)).map_or("", |(_, about)| about);
            vec![Cell::Piece(link), number(grouped(*bytes)), words(about)]
        })
        .collect();
    block::table(page, "Files beside this page", &["file", "bytes", "what it holds"], &rows);
}
