//! The report of one run as a page: one HTML file that asks for nothing, works from a file, in light and dark, and on
//! paper. One section a file; a new one is a file and a line in [`SECTIONS`].
//!
//! Drawings are SVG, written here. Whatever is drawn is also told, in a table or a sentence.

mod block;
mod case;
mod chart;
mod clients;
mod compare;
mod convergence;
mod diagram;
mod environment;
mod evidence;
mod faults;
mod held;
mod keys;
mod latency;
mod ledger;
mod list;
mod markup;
mod rate;
mod scale;
mod strips;
mod topologies;
mod verdict;
mod view;

pub use compare::compare;
pub use list::list;
pub use topologies::topologies;

use super::Summary;
use super::recorded::{Recorded, RecordedError};
use markup::Markup;
use serde_json::Value;
use std::path::Path;
use view::View;

/// The most bytes that a page should have.
pub const MAX_BYTES: usize = 3_000_000;

/// Sections after the head, in order: the anchor, the name in the table of contents, and what writes it.
type Section = (&'static str, &'static str, fn(&mut Markup, &View<'_>));
const SECTIONS: [Section; 9] = [
    ("evidence", "Evidence", evidence::write),
    ("faults", "Faults", faults::write),
    ("ledger", "Ledger", ledger::write),
    ("latency", "Latency", latency::write),
    ("convergence", "Convergence", convergence::write),
    ("keys", "Records", keys::write),
    ("rate", "Rate", rate::write),
    ("clients", "Clients", clients::write),
    ("environment", "Environment", environment::write),
];

/// What a comparison needs of a run that is complete.
///
/// # Errors
/// [`RecordedError`] if `run.json` or `verdict.json` is missing, damaged, or of a newer format.
pub fn compared(folder: &Path, name: String) -> Result<super::Compared, RecordedError> {
    let record = super::recorded::read_record(folder)?;
    let (summary, _) = super::recorded::read_verdict(folder)?;
    Ok(super::Compared { name, version: record.versions.quarrel, summary })
}

/// Renders the page of a run that is complete: its `verdict.json` is there.
///
/// # Errors
/// [`RecordedError`] if a file that the page cannot do without is missing, damaged, or of a newer format.
pub fn of_folder(folder: &Path) -> Result<String, RecordedError> {
    Recorded::read(folder, None).map(|run| page(&run))
}

/// Renders the page of a run that is about to be completed.
///
/// # Errors
/// As [`of_folder`].
pub fn of_run(folder: &Path, summary: &Summary, judgement: Value) -> Result<String, RecordedError> {
    Recorded::read(folder, Some((summary.clone(), judgement))).map(|run| page(&run))
}

/// Renders a run.
fn page(run: &Recorded) -> String {
    let view = View::new(run);
    let mut body = Markup::default();
    contents(&mut body);
    body.raw("<main>");
    verdict::write(&mut body, &view);
    for (_, _, write) in SECTIONS {
        write(&mut body, &view);
    }
    body.raw("</main>");
    let title = format!("{} {} \u{2013} quarrel", run.summary.verdict, run.summary.scenario);
    document(&title, &body).into_string()
}

fn contents(page: &mut Markup) {
    page.raw("<nav aria-label=\"sections\"><ul><li><a href=\"#verdict\">Verdict</a></li>");
    page.raw("<li><a href=\"#contract\">Contract</a></li>");
    for (anchor, name, _) in SECTIONS {
        page.raw("<li>").leaf("a", &[("href", &format!("#{anchor}"))], name).raw("</li>");
    }
    page.raw("</ul></nav>");
}

/// A whole page. Its policy forbids every request: even a mistake in it could not make one.
fn document(title: &str, body: &Markup) -> Markup {
    let mut page = Markup::default();
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ");
    page.raw("style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">");
    page.leaf("title", &[], title);
    page.raw("<style>").raw(include_str!("style.css")).raw("</style></head>\n<body>");
    page.add(body);
    page.raw("\n<script>").raw(include_str!("script.js")).raw("</script></body></html>\n");
    page
}

#[cfg(test)]
mod tests;
