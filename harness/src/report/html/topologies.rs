//! Latencies of several clusters, as a page: curves of percentiles, one a cluster; prediction and measurement;
//! throughput against offered rate.

use super::{
    block::{self, Cell, number, words},
    chart::{self, curve, label, line},
    document,
    markup::Markup,
    scale::{Scale, duration},
};
use crate::{
    latency::{COMPARED, Measured, Metric, Weight, rank},
    report::{LatencyReport, grouped},
};

/// The classes of the curves, in the order of the clusters: they differ in colour and in dashes.
const CLASSES: [&str; 6] = [
    "series-1 curve",
    "series-2 curve",
    "series-3 curve",
    "series-4 curve",
    "series-5 curve",
    "series-6 curve",
];
/// The top and the bottom of the plots.
const PLOT: (f64, f64) = (8.0, 208.0);

/// Renders a measurement.
#[must_use]
pub fn topologies(report: &LatencyReport) -> String {
    let mut body = Markup::default();
    body.raw("<main>");
    head(&mut body, report);
    curves(&mut body, report);
    figures(&mut body, report);
    predictions(&mut body, report);
    differences(&mut body, report);
    saturation(&mut body, report);
    block::section(&mut body, "again", "Again", "");
    block::note(&mut body, &format!("{}; {}; seed {}.", report.load, report.machine, report.seed));
    block::command(&mut body, &report.again);
    body.close("section").raw("</main>");
    let verdict = report.outcome.verdict.merge(report.outcome.threshold_verdict());
    document(&format!("{verdict} latency \u{2013} quarrel"), &body).into_string()
}

fn head(page: &mut Markup, report: &LatencyReport) {
    let outcome = &report.outcome;
    page.raw("<h1>Latency ");
    block::verdict(page, outcome.verdict.merge(outcome.threshold_verdict()));
    page.raw("</h1>").leaf("p", &[("class", "intro")], &report.load);
    for reason in &outcome.reasons {
        block::note(page, reason);
    }
    if outcome.thresholds.is_empty() {
        return;
    }
    block::section(page, "thresholds", "Thresholds", "Each is held against every cluster.");
    let rows: Vec<Vec<Cell>> = outcome
        .thresholds
        .iter()
        .map(|held| {
            let mut verdict = Markup::default();
            block::verdict(&mut verdict, held.verdict);
            let measured = match held.measured {
                Some(seconds) if held.is_time => duration(seconds),
                Some(other) => format!("{other:.1}"),
                None => "nothing was measured".to_owned(),
            };
            vec![words(&held.threshold), words(&held.setup), words(measured), Cell::Piece(verdict)]
        })
        .collect();
    block::table(page, "Thresholds", &["threshold", "cluster", "measured", ""], &rows);
    page.close("section");
}

fn class(at: usize) -> &'static str {
    CLASSES[at % CLASSES.len()]
}

fn legend(page: &mut Markup, measured: &[Measured]) {
    let names: Vec<String> = measured.iter().map(Measured::name).collect();
    let entries: Vec<(&'static str, &str)> =
        names.iter().enumerate().map(|(at, name)| (class(at), name.as_str())).collect();
    block::legend(page, &entries);
}

fn curves(page: &mut Markup, report: &LatencyReport) {
    let intro = "How many operations took no longer than that: each further nine takes as much room as the one \
                 before. Latencies count from when an operation was due.";
    block::section(page, "percentiles", "Percentiles", intro);
    for name in COMPARED {
        let drawn: Vec<(usize, &Metric)> = report
            .outcome
            .topologies
            .iter()
            .enumerate()
            .filter_map(|(at, measured)| Some((at, measured.metrics.get(name)?)))
            .filter(|(_, metric)| metric.curve.len() > 1)
            .collect();
        if drawn.is_empty() {
            continue;
        }
        block::figure(page, name, &percentile_plot(name, &drawn));
        legend(page, &report.outcome.topologies);
    }
    page.close("section");
}

fn percentile_plot(name: &str, drawn: &[(usize, &Metric)]) -> Markup {
    let points = || drawn.iter().flat_map(|(_, metric)| &metric.curve);
    let nines = points().map(|(nines, _)| *nines).fold(2.0, f64::max);
    let most = points().map(|(_, seconds)| *seconds).fold(1e-4, f64::max);
    let least = points().map(|(_, seconds)| *seconds).fold(most, f64::min).max(1e-6);
    let x = Scale::linear((0.0, nines), (chart::LEFT, chart::RIGHT));
    let y = Scale::logarithmic((least * 0.8, most * 1.2), (PLOT.1, PLOT.0));
    let mut svg = chart::begin(PLOT.1 + chart::FOOT, &format!("{name} by percentile, a curve a cluster"));
    chart::percentile_axes(&mut svg, &x, &y, nines, PLOT);
    for (at, metric) in drawn {
        curve(
            &mut svg,
            metric.curve.iter().map(|(nines, seconds)| (x.at(*nines), y.at(*seconds))),
            class(*at),
        );
    }
    svg.close("svg");
    svg
}

fn figures(page: &mut Markup, report: &LatencyReport) {
    let intro =
        "Over all repetitions; the last column says how far apart the medians of the repetitions are.";
    block::section(page, "figures", "Figures", intro);
    for measured in &report.outcome.topologies {
        let mut names: Vec<&String> = measured.metrics.keys().collect();
        names.sort_by_key(|name| rank(name));
        let rows: Vec<Vec<Cell>> = names
            .into_iter()
            .map(|name| {
                let metric = &measured.metrics[name];
                let mut row = vec![words(name), number(grouped(metric.count))];
                let values = [metric.p50, metric.p90, metric.p99, metric.p999, metric.max];
                row.extend(values.map(|seconds| number(duration(seconds))));
                let (least, most) = metric.p50_spread;
                row.push(number(format!("{} - {}", duration(least), duration(most))));
                row
            })
            .collect();
        let caption = format!("{}, {}", measured.name(), measured.strategy);
        let header = ["", "count", "p50", "p90", "p99", "p99.9", "max", "p50 from - to"];
        block::table(page, &caption, &header, &rows);
        let scalars: Vec<String> =
            measured.scalars.iter().map(|(name, scalar)| format!("{name} {:.1}", scalar.median)).collect();
        block::note(page, &scalars.join(", "));
    }
    page.close("section");
}

fn predictions(page: &mut Markup, report: &LatencyReport) {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for measured in &report.outcome.topologies {
        for hops in 1..=measured.leaders {
            let of = |kind: &str| measured.metrics.get(&format!("{kind}.hops-{hops}"));
            let (Some(visibility), Some(lag)) = (of("visibility"), of("lag")) else { continue };
            let predicted = visibility.predicted.unwrap_or(0.0);
            rows.push(vec![
                words(measured.name()),
                number(hops.to_string()),
                number(duration(predicted)),
                number(duration(visibility.p50)),
                number(duration(lag.p50)),
                number(format!("{:+.2} ms", (visibility.p50 - predicted) * 1e3)),
            ]);
        }
    }
    if rows.is_empty() {
        return;
    }
    let intro = "What the links let expect, hops times link delay, beside the medians that were measured.";
    block::section(page, "prediction", "Prediction", intro);
    let header = ["cluster", "hops", "predicted", "visibility", "lag", "visibility is off by"];
    block::table(page, "Prediction and measurement", &header, &rows);
    page.close("section");
}

fn differences(page: &mut Markup, report: &LatencyReport) {
    let Some(first) = report.outcome.differences.first() else { return };
    let intro = "A difference that is not greater than the repetitions of one cluster are apart is noise.";
    block::section(page, "differences", &format!("Against {}", first.first), intro);
    let rows: Vec<Vec<Cell>> = report
        .outcome
        .differences
        .iter()
        .map(|difference| {
            let judgement = match difference.judgement {
                Weight::Real if difference.seconds > 0.0 => "slower",
                Weight::Real => "faster",
                Weight::Noise => "noise",
                Weight::Unknown => "one repetition: unknown",
            };
            vec![
                words(&difference.other),
                words(format!("{} {}", difference.figure, difference.metric)),
                number(format!("{:+.2} ms", difference.seconds * 1e3)),
                number(duration(difference.spread)),
                words(judgement),
            ]
        })
        .collect();
    block::table(page, "Differences", &["cluster", "figure", "slower by", "spread", ""], &rows);
    page.close("section");
}

fn saturation(page: &mut Markup, report: &LatencyReport) {
    let steps = || report.outcome.topologies.iter().flat_map(|measured| &measured.saturation);
    if steps().next().is_none() {
        return;
    }
    let intro = "The offered rate is doubled until the cluster answers less than 95 % of it.";
    block::section(page, "saturation", "Throughput", intro);
    let offered = || steps().map(|step| step.offered);
    let domain = (offered().fold(f64::INFINITY, f64::min), offered().fold(1.0, f64::max));
    let most = steps().map(|step| step.achieved).fold(1.0, f64::max);
    let x = Scale::logarithmic(domain, (chart::LEFT, chart::RIGHT));
    let y = Scale::linear((0.0, most * 1.1), (PLOT.1, PLOT.0));
    let mut svg =
        chart::begin(PLOT.1 + chart::FOOT, "Achieved throughput against offered rate, a curve a cluster");
    for at in y.ticks(4) {
        line(&mut svg, (chart::LEFT, y.at(at)), (chart::RIGHT, y.at(at)), "grid");
        label(&mut svg, chart::LEFT - 6.0, y.at(at) + 4.0, "end", &format!("{at:.0}"));
    }
    let mut shown: Vec<f64> = offered().collect();
    shown.sort_by(f64::total_cmp);
    shown.dedup();
    for at in shown {
        label(&mut svg, x.at(at), PLOT.1 + 15.0, "middle", &format!("{at:.0}"));
    }
    label(&mut svg, chart::RIGHT, PLOT.1 + 31.0, "dim end", "operations offered a second");
    for (at, measured) in report.outcome.topologies.iter().enumerate() {
        let points = measured.saturation.iter().map(|step| (x.at(step.offered), y.at(step.achieved)));
        curve(&mut svg, points, class(at));
    }
    svg.close("svg");
    block::figure(page, "Achieved throughput against offered rate", &svg);
    legend(page, &report.outcome.topologies);
    let rows: Vec<Vec<Cell>> = report
        .outcome
        .topologies
        .iter()
        .flat_map(|measured| measured.saturation.iter().map(move |step| (measured, step)))
        .map(|(measured, step)| {
            vec![
                words(measured.name()),
                number(format!("{:.0}", step.offered)),
                number(format!("{:.0}", step.achieved)),
                number(duration(step.latency.p50)),
                number(duration(step.latency.p99)),
                words(if step.keeps_up() { "keeps up" } else { "saturated" }),
            ]
        })
        .collect();
    let header = ["cluster", "offered/s", "achieved/s", "p50", "p99", ""];
    block::table(page, "Throughput against offered rate", &header, &rows);
    page.close("section");
}
