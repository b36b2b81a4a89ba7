//! Latency over time, a mark per operation, and as percentiles.

use super::{
    block::{self, Cell, number, words},
    chart::{self, Chart, Dots, Shape, curve},
    faults::phase_name,
    markup::Markup,
    scale::{Scale, duration, seconds},
    view::View,
};
use crate::report::{
    grouped,
    recorded::{Op, Outcome},
};

/// The height of the plots.
const PLOT: f64 = 260.0;
/// The columns of time for which percentiles are drawn.
const COLUMNS: usize = 60;
/// A percentile of fewer operations says nothing.
const FEWEST: usize = 5;

/// Latencies in ascending order, seconds.
#[derive(Debug, Default)]
pub(super) struct Sorted(Vec<f64>);

impl Sorted {
    pub(super) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The smallest value that this share of all does not exceed; 0 if there are none.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank within a list"
    )]
    pub(super) fn at(&self, quantile: f64) -> f64 {
        let rank = (quantile * self.0.len() as f64).ceil().max(1.0) as usize;
        self.0.get(rank.min(self.0.len()).saturating_sub(1)).copied().unwrap_or(0.0)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The cells of a row: how many, p50, p90, p99, p99.9, the greatest.
    pub(super) fn cells(&self) -> Vec<Cell> {
        let mut cells = vec![number(grouped(self.0.len() as u64))];
        if self.is_empty() {
            cells.extend((0..5).map(|_| number("-")));
        } else {
            cells.extend([0.5, 0.9, 0.99, 0.999, 1.0].map(|at| number(duration(self.at(at)))));
        }
        cells
    }
}

/// The names of the columns that [`Sorted::cells`] fills.
pub(super) const HEADER: [&str; 6] = ["operations", "p50", "p90", "p99", "p99.9", "max"];

/// Writes the section.
pub(super) fn write(page: &mut Markup, view: &View<'_>) {
    let intro = "How long operations took, from invocation to answer, by the harness's clock.";
    block::section(page, "latency", "Latency", intro);
    if view.run.history.operations.is_empty() {
        block::note(page, "There were no operations.");
    } else {
        over_time(page, view);
        if view.run.record.scenario.clients.rate > 0.0 {
            let text = "The load is an open loop: an operation of a client that was still busy began late, and what \
                        it waited for that is not in these figures.";
            block::note(page, text);
        }
        percentiles(page, view);
        by_phase(page, view);
    }
    page.close("section");
}

fn took(op: &Op) -> f64 {
    seconds(op.latency()).max(1e-6)
}

fn over_time(page: &mut Markup, view: &View<'_>) {
    let operations = &view.run.history.operations;
    let says = "Latency of every operation over the time of the run, on a logarithmic axis";
    let mut chart = Chart::new(PLOT, view.run.history.end, says);
    let (top, bottom) = chart.plot();
    let ok = Sorted::new(operations.iter().filter(|op| op.outcome == Outcome::Ok).map(took).collect());
    let most = operations.iter().map(took).fold(1e-3, f64::max);
    let least = if ok.is_empty() { 1e-4 } else { ok.at(0.0) };
    let y = Scale::logarithmic((least * 0.8, most * 1.2), (bottom, top));
    chart.shade(&view.bands);
    chart.value_axis(&y, duration);
    chart.time_axis();
    let mut dots = [Dots::default(), Dots::default(), Dots::default(), Dots::default()];
    for op in operations {
        let layer = match op.outcome {
            Outcome::Ok if !op.is_write() => 0,
            Outcome::Ok => 1,
            Outcome::Info => 2,
            Outcome::Fail => 3,
        };
        dots[layer].add(chart.at(op.began), y.at(took(op)));
    }
    let shapes = [Shape::Dot, Shape::Dot, Shape::Triangle, Shape::Cross];
    let classes = ["read dots", "write dots", "info triangles", "fail crosses"];
    for ((dots, shape), class) in dots.iter().zip(shapes).zip(classes) {
        dots.draw(&mut chart.svg, shape, class);
    }
    for (quantile, class) in [(0.5, "p50 curve"), (0.99, "p99 curve")] {
        let points = moving(view, &chart, &y, quantile);
        curve(&mut chart.svg, points.into_iter(), class);
    }
    block::figure(page, "Latency over time: each mark is an operation", &chart.end());
    block::legend(
        page,
        &[
            ("write dots", "write, ok"),
            ("read dots", "read, ok"),
            ("info triangles", "unknown: it may have happened"),
            ("fail crosses", "failed"),
            ("p50 curve", "median"),
            ("p99 curve", "99th percentile"),
        ],
    );
}

/// A percentile over time, as points of the chart.
fn moving(view: &View<'_>, chart: &Chart, y: &Scale, quantile: f64) -> Vec<(f64, f64)> {
    let end = view.run.history.end.max(1);
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); COLUMNS];
    for op in view.run.history.operations.iter().filter(|op| op.outcome == Outcome::Ok) {
        columns[column(op.began, end, COLUMNS)].push(took(op));
    }
    let points = columns.into_iter().enumerate().filter(|(_, values)| values.len() >= FEWEST);
    let width = end / COLUMNS as u64;
    points
        .map(|(n, values)| (chart.at(width * n as u64 + width / 2), y.at(Sorted::new(values).at(quantile))))
        .collect()
}

/// In which of as many equal stretches a time lies.
pub(super) fn column(t: u64, end: u64, columns: usize) -> usize {
    let at = u128::from(t) * columns as u128 / u128::from(end.max(1));
    usize::try_from(at).unwrap_or(usize::MAX).min(columns - 1)
}

/// Latencies of acknowledged operations: writes, then reads.
fn by_kind(view: &View<'_>) -> [(&'static str, &'static str, Sorted); 2] {
    let of = |writes: bool| {
        let ok = view.run.history.operations.iter().filter(|op| op.outcome == Outcome::Ok);
        Sorted::new(ok.filter(|op| op.is_write() == writes).map(took).collect())
    };
    [("writes", "writes curve", of(true)), ("reads", "reads curve", of(false))]
}

/// Curves over an axis on which every further nine takes as much room as the one before.
fn percentiles(page: &mut Markup, view: &View<'_>) {
    let kinds = by_kind(view);
    let most = kinds.iter().map(|(_, _, sorted)| sorted.len()).max().unwrap_or(0);
    if most < FEWEST {
        return;
    }
    let nines = f64::from(u32::try_from(most).unwrap_or(u32::MAX)).log10().clamp(2.0, 5.0);
    let x = Scale::linear((0.0, nines), (chart::LEFT, chart::RIGHT));
    let (top, bottom) = (8.0, 208.0);
    let slowest = kinds.iter().map(|(_, _, sorted)| sorted.at(1.0)).fold(1e-3, f64::max);
    let fastest =
        kinds.iter().filter(|(_, _, sorted)| !sorted.is_empty()).map(|(_, _, sorted)| sorted.at(0.0));
    let y = Scale::logarithmic((fastest.fold(1.0, f64::min) * 0.8, slowest * 1.2), (bottom, top));
    let mut svg = chart::begin(bottom + chart::FOOT, "Latency by percentile");
    chart::percentile_axes(&mut svg, &x, &y, nines, (top, bottom));
    for (_, class, sorted) in kinds.iter().filter(|(_, _, sorted)| sorted.len() >= FEWEST) {
        let own = f64::from(u32::try_from(sorted.len()).unwrap_or(u32::MAX)).log10().min(nines);
        let steps = (0..=200).map(|n| own * f64::from(n) / 200.0);
        let points = steps.map(|at| (x.at(at), y.at(sorted.at(1.0 - 10_f64.powf(-at)))));
        curve(&mut svg, points, class);
    }
    svg.close("svg");
    block::figure(page, "Percentiles of acknowledged operations", &svg);
    block::legend(page, &[("writes curve", "writes"), ("reads curve", "reads")]);
    let rows: Vec<Vec<Cell>> = kinds
        .iter()
        .map(|(name, _, sorted)| std::iter::once(words(*name)).chain(sorted.cells()).collect())
        .collect();
    let header: Vec<&str> = std::iter::once("").chain(HEADER).collect();
    block::table(page, "Latency of acknowledged operations", &header, &rows);
}

fn by_phase(page: &mut Markup, view: &View<'_>) {
    let history = &view.run.history;
    let starts = &history.phases;
    let mut rows = Vec::new();
    for (n, (from, phase)) in starts.iter().enumerate() {
        let to = starts.get(n + 1).map_or(u64::MAX, |(to, _)| *to);
        let within = history.operations.iter().filter(|op| (*from..to).contains(&op.began));
        let ok = within.filter(|op| op.outcome == Outcome::Ok);
        let sorted = Sorted::new(ok.map(took).collect());
        if !sorted.is_empty() {
            rows.push(std::iter::once(words(phase_name(*phase))).chain(sorted.cells()).collect());
        }
    }
    let header: Vec<&str> = std::iter::once("phase").chain(HEADER).collect();
    let mut inner = Markup::default();
    block::table(&mut inner, "Latency by phase, reads and writes together", &header, &rows);
    block::folded(page, "By phase", &inner);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let sorted = Sorted::new((1..=100).rev().map(f64::from).collect());
        assert_eq!([0.0, 0.5, 0.99, 0.999, 1.0].map(|at| sorted.at(at)), [1.0, 50.0, 99.0, 100.0, 100.0]);
        assert_eq!(Sorted::default().at(0.5), 0.0);
    }
}
