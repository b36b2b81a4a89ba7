//! What the nemesis did, drawn over time and told in a table.

use super::{
    block::{self, words},
    chart::{self, Chart, label, rectangle},
    markup::Markup,
    scale::{duration, seconds},
    view::View,
};
use crate::report::recorded::{Band, BandKind};
use quarrel_workloads::history::Phase;

/// The height of one row of stretches.
const ROW: f64 = 20.0;
/// The most rows of one kind.
const MOST_ROWS: usize = 6;
/// The most stretches that the table tells one by one.
const MOST_LINES: usize = 60;

/// Writes the section.
pub(super) fn write(page: &mut Markup, view: &View<'_>) {
    let intro = "When links, clocks and processes were disturbed. The same stretches lie shaded behind every \
                 drawing over time below.";
    block::section(page, "faults", "Faults", intro);
    let rows = rows(&view.bands);
    let moves = view.run.history.faults.iter().filter(|fault| fault.fault.kind() == "relocate").count();
    if rows.is_empty() {
        block::note(page, "The nemesis disturbed no link, clock or process.");
    } else {
        drawing(page, view, &rows);
        table(page, view);
    }
    if moves > 0 {
        let times = if moves == 1 { "once".to_owned() } else { format!("{moves} times") };
        page.leaf("p", &[], &format!("Clients were moved to another replica {times}: see Clients."));
    }
    page.close("section");
}

/// Stretches of one kind in as few rows as keep them apart.
fn rows(bands: &[Band]) -> Vec<(BandKind, Vec<&Band>)> {
    let mut rows: Vec<(BandKind, Vec<&Band>)> = Vec::new();
    for kind in BandKind::ALL {
        let first = rows.len();
        for band in bands.iter().filter(|band| band.kind == kind) {
            let free = |(_, row): &(BandKind, Vec<&Band>)| row.last().is_none_or(|last| last.to <= band.from);
            match rows.iter().skip(first).position(free) {
                Some(at) => rows[first + at].1.push(band),
                None if rows.len() - first < MOST_ROWS => rows.push((kind, vec![band])),
                None => rows[first].1.push(band),
            }
        }
    }
    rows
}

#[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
fn drawing(page: &mut Markup, view: &View<'_>, rows: &[(BandKind, Vec<&Band>)]) {
    let height = (rows.len() as f64).mul_add(ROW, 18.0);
    let mut chart = Chart::new(height, view.run.history.end, "Stretches of faults over the time of the run");
    let (top, bottom) = chart.plot();
    phases(&mut chart, view, top, bottom);
    for (n, (kind, row)) in rows.iter().enumerate() {
        let y = (n as f64).mul_add(ROW, top + 16.0);
        let is_first = n == 0 || rows[n - 1].0 != *kind;
        if is_first {
            label(&mut chart.svg, chart::LEFT - 6.0, y + 14.0, "end", kind.name());
        }
        for band in row {
            let (from, to) = (chart.at(band.from), chart.at(band.to));
            let class = match kind {
                BandKind::Partition => "bar partition",
                BandKind::Link => "bar link",
                BandKind::Clock => "bar clock",
                BandKind::Process => "bar process",
            };
            rectangle(&mut chart.svg, (from, y + 2.0), ((to - from).max(2.0), ROW - 4.0), class);
            // About seven units a letter: a label that does not fit is in the table.
            if to - from > 7.0 * band.label.chars().count() as f64 {
                label(&mut chart.svg, from + 5.0, y + 14.0, "on-bar", &band.label);
            }
        }
    }
    chart.time_axis();
    block::figure(page, "Faults over time", &chart.end());
}

fn phases(chart: &mut Chart, view: &View<'_>, top: f64, bottom: f64) {
    let mut free = chart::LEFT;
    for (t, phase) in &view.run.history.phases {
        let x = chart.at(*t);
        chart::line(&mut chart.svg, (x, top), (x, bottom), "phase");
        let name = phase_name(*phase);
        if x >= free && x + 90.0 < chart::RIGHT {
            label(&mut chart.svg, x + 3.0, top + 10.0, "dim", name);
            free = x + 80.0;
        }
    }
}

/// A phase, as people call it.
pub(super) const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::WarmUp => "warm-up",
        Phase::Storm => "storm",
        Phase::Heal => "recovery",
        Phase::Quiesce => "quiesce",
        Phase::ReadAll => "read all",
    }
}

fn table(page: &mut Markup, view: &View<'_>) {
    let rows: Vec<Vec<block::Cell>> = view
        .bands
        .iter()
        .take(MOST_LINES)
        .map(|band| {
            vec![
                words(&band.label),
                words(band.kind.name()),
                block::number(format!("{:.3} s", seconds(band.from))),
                block::number(format!("{:.3} s", seconds(band.to))),
                block::number(duration(seconds(band.to - band.from))),
            ]
        })
        .collect();
    let mut inner = Markup::default();
    block::table(&mut inner, "Faults", &["what", "kind", "from", "to", "for"], &rows);
    if view.bands.len() > MOST_LINES {
        block::note(&mut inner, &format!("{} more are in nemesis.jsonl.", view.bands.len() - MOST_LINES));
    }
    block::folded(page, "As a table", &inner);
}
