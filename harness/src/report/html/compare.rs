//! Several runs side by side, as a page.

use super::{
    block::{self, Cell, number, words},
    chart, document,
    markup::{Markup, px},
    verdict::{fate_class, share},
};
use crate::report::{
    compare::{Compared, Comparison, Row},
    grouped,
};
use quarrel_models::fate::Fate;

/// Renders the comparison. `link` says where a run's own page is, if it has one.
#[must_use]
pub fn compare(comparison: &Comparison, link: impl Fn(&Compared) -> Option<String>) -> String {
    let mut body = Markup::default();
    body.raw("<main><h1>Runs side by side</h1>");
    runs(&mut body, comparison, &link);
    matrix(&mut body, comparison);
    fates(&mut body, comparison);
    for (id, title, intro, rows) in [
        ("anomalies", "Anomalies", "What was found beside fates.", comparison.anomalies()),
        ("marks", "Marks", "How often the situations arose that some run required.", comparison.marks()),
        ("latency", "Latency", "From invocation to answer.", comparison.latencies()),
    ] {
        block::section(&mut body, id, title, intro);
        table(&mut body, title, comparison, &rows);
        body.close("section");
    }
    body.raw("</main>");
    document("runs side by side \u{2013} quarrel", &body).into_string()
}

fn runs(page: &mut Markup, comparison: &Comparison, link: &dyn Fn(&Compared) -> Option<String>) {
    let differences = comparison.differences();
    let rows: Vec<Vec<Cell>> = comparison
        .runs
        .iter()
        .enumerate()
        .map(|(n, run)| {
            let mut name = Markup::default();
            match link(run) {
                Some(address) => name.leaf("a", &[("href", &address)], &run.name),
                None => name.text(&run.name),
            };
            let mut verdict = Markup::default();
            block::verdict(&mut verdict, run.summary.verdict);
            let against = match differences.get(n) {
                Some(difference) if n > 0 => difference.told(),
                _ => "what the others are measured against".to_owned(),
            };
            vec![
                words((n + 1).to_string()),
                Cell::Piece(name),
                words(run.told()),
                Cell::Piece(verdict),
                words(against),
            ]
        })
        .collect();
    block::table(page, "The runs", &["", "run", "what was run", "verdict", "against run 1"], &rows);
}

/// Strategies by topologies, if the runs differ in either.
fn matrix(page: &mut Markup, comparison: &Comparison) {
    let (mut strategies, mut topologies): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for run in &comparison.runs {
        let (strategy, topology) = place(run);
        if !strategies.contains(&strategy) {
            strategies.push(strategy);
        }
        if !topologies.contains(&topology) {
            topologies.push(topology);
        }
    }
    if strategies.len() + topologies.len() < 3 {
        return;
    }
    block::section(page, "matrix", "Strategies and topologies", "Acknowledged writes that were lost.");
    let rows: Vec<Vec<Cell>> = strategies
        .iter()
        .map(|strategy| {
            let cell = |topology: &String| {
                let here = (strategy.clone(), topology.clone());
                let mut cell = Markup::default();
                for run in comparison.runs.iter().filter(|run| place(run) == here) {
                    cell.raw("<div>");
                    block::verdict(&mut cell, run.summary.verdict);
                    let all: u64 = run.summary.fates.values().sum();
                    let (lost, percent) = (grouped(run.lost()), 100.0 * share(run.lost(), all));
                    cell.raw(" ").text(&format!("{lost} of {} ({percent:.1} %)", grouped(all))).raw("</div>");
                }
                Cell::Piece(cell)
            };
            std::iter::once(words(strategy)).chain(topologies.iter().map(cell)).collect()
        })
        .collect();
    let header: Vec<&str> = std::iter::once("").chain(topologies.iter().map(String::as_str)).collect();
    block::table(page, "Strategies by topologies", &header, &rows);
    page.close("section");
}

/// Strategy and topology, with what tells them apart from others of their name.
fn place(run: &Compared) -> (String, String) {
    let summary = &run.summary;
    let variant = if summary.variant.is_empty() { String::new() } else { format!(" ({})", summary.variant) };
    (format!("{}{variant}", summary.strategy), format!("{} x{}", summary.topology, summary.leaders))
}

#[expect(clippy::cast_precision_loss, reason = "a handful of runs")]
fn fates(page: &mut Markup, comparison: &Comparison) {
    const ROW: f64 = 26.0;
    block::section(page, "fates", "Fates", "What became of the acknowledged writes, as shares.");
    let height = comparison.runs.len() as f64 * ROW;
    let mut svg = chart::begin(height, "The fates of acknowledged writes as shares, a bar a run");
    for (n, run) in comparison.runs.iter().enumerate() {
        let y = n as f64 * ROW;
        chart::label(&mut svg, 4.0, y + 17.0, "strong", &(n + 1).to_string());
        let all: u64 = run.summary.fates.values().sum();
        let mut at = 28.0;
        for fate in Fate::ALL {
            let width = share(run.summary.fate(fate), all) * (chart::WIDTH - 28.0);
            if width > 0.0 {
                let [x, top, wide, high] = [at, y + 3.0, width.max(2.0), ROW - 6.0].map(px);
                let class = fate_class(fate);
                let place =
                    [("x", x.as_str()), ("y", &top), ("width", &wide), ("height", &high), ("class", class)];
                svg.open("rect", &place);
                svg.leaf("title", &[], &format!("{fate}: {}", grouped(run.summary.fate(fate)))).close("rect");
                at += width;
            }
        }
    }
    svg.close("svg");
    block::figure(page, "Fates of acknowledged writes, a bar a run", &svg);
    table(page, "Fates of acknowledged writes", comparison, &comparison.fates());
    page.close("section");
}

fn table(page: &mut Markup, caption: &str, comparison: &Comparison, rows: &[Row]) {
    if rows.is_empty() {
        page.leaf("p", &[], "None.");
        return;
    }
    let numbers: Vec<String> = (1..=comparison.runs.len()).map(|n| n.to_string()).collect();
    let header: Vec<&str> = std::iter::once("").chain(numbers.iter().map(String::as_str)).collect();
    let rows: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| {
            let cells = row.cells.iter().map(|cell| number(if cell.is_empty() { "-" } else { cell }));
            std::iter::once(words(&row.name)).chain(cells).collect()
        })
        .collect();
    block::table(page, caption, &header, &rows);
}
