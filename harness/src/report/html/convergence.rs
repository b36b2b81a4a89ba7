//! How long writes took to be everywhere, from the apply logs.

use super::{
    block::{self, Cell, number, words},
    chart::{Chart, Dots, Shape},
    latency::Sorted,
    markup::Markup,
    scale::{Scale, duration, seconds},
    view::View,
};
use crate::report::grouped;
use quarrel_models::id::ReplicaId;
use quarrel_workloads::history::Quiescence;
use std::collections::BTreeMap;

/// The height of the plot.
const PLOT: f64 = 200.0;

/// When one write was taken, and how long it took to each other replica.
struct Spread {
    origin: ReplicaId,
    taken: u64,
    arrived: Vec<(ReplicaId, u64)>,
}

/// Writes the section.
pub(super) fn write(page: &mut Markup, view: &View<'_>) {
    let intro = "From the moment a leader took a write to the moment every replica had met it, whatever became \
                 of it there.";
    block::section(page, "convergence", "Convergence", intro);
    rest(page, view);
    if view.run.applies.is_empty() {
        let why = "There are no apply logs: the scenario keeps none (`cluster.apply_log`), or they were taken away.";
        block::note(page, why);
    } else {
        let spreads = spreads(view);
        drawing(page, view, &spreads);
        table(page, view, &spreads);
    }
    page.close("section");
}

fn rest(page: &mut Markup, view: &View<'_>) {
    let after = |ns: u64| duration(seconds(ns));
    let text = match &view.run.history.quiescence {
        None => "The history has no end: whether replication came to rest is not known.".to_owned(),
        Some(Quiescence::Positions { after_ns }) => format!(
            "Replication came to rest {} after the load had ended: every live link had delivered all it had to.",
            after(*after_ns)
        ),
        Some(Quiescence::EqualDigests { after_ns, times }) => format!(
            "Replication came to rest {} after the load had ended: all replicas were equal {times} times in a row.",
            after(*after_ns)
        ),
        Some(Quiescence::NotReached { why }) => format!("Replication did not come to rest: {why}."),
        Some(Quiescence::Interrupted) => {
            "The run was interrupted before replication came to rest.".to_owned()
        }
    };
    page.leaf("p", &[], &text);
}

fn spreads(view: &View<'_>) -> Vec<Spread> {
    let of = |(dot, seen): (quarrel_models::id::Dot, &[(ReplicaId, u64)])| {
        let taken = seen.iter().find(|(replica, _)| *replica == dot.origin)?.1;
        let others = seen.iter().filter(|(replica, _)| *replica != dot.origin);
        let arrived = others.map(|&(replica, t)| (replica, t.saturating_sub(taken))).collect();
        Some(Spread { origin: dot.origin, taken, arrived })
    };
    view.run.applies.writes().filter_map(of).collect()
}

fn drawing(page: &mut Markup, view: &View<'_>, spreads: &[Spread]) {
    let others = view.run.applies.replicas.len().saturating_sub(1);
    let says = "Time until each write was at every replica, over the time of the run, on a logarithmic axis";
    let mut chart = Chart::new(PLOT, view.run.history.end, says);
    let (top, bottom) = chart.plot();
    let everywhere = |spread: &Spread| {
        let last = spread.arrived.iter().map(|(_, lag)| *lag).max()?;
        (spread.arrived.len() >= others).then(|| seconds(last).max(1e-5))
    };
    let lags = Sorted::new(spreads.iter().filter_map(everywhere).collect());
    let y = Scale::logarithmic((lags.at(0.0).max(1e-5) * 0.8, lags.at(1.0).max(1e-3) * 1.3), (bottom, top));
    chart.shade(&view.bands);
    chart.value_axis(&y, duration);
    chart.time_axis();
    let (mut arrived, mut never) = (Dots::default(), Dots::default());
    for spread in spreads {
        match everywhere(spread) {
            Some(lag) => arrived.add(chart.at(spread.taken), y.at(lag)),
            None => never.add(chart.at(spread.taken), top + 4.0),
        }
    }
    arrived.draw(&mut chart.svg, Shape::Dot, "write dots");
    never.draw(&mut chart.svg, Shape::Cross, "fail crosses");
    block::figure(page, "Time until a write was at every replica", &chart.end());
    block::legend(
        page,
        &[("write dots", "at every replica after"), ("fail crosses", "never at every replica")],
    );
}

fn table(page: &mut Markup, view: &View<'_>, spreads: &[Spread]) {
    let mut lags: BTreeMap<(ReplicaId, ReplicaId), Vec<f64>> = BTreeMap::new();
    let mut taken: BTreeMap<ReplicaId, u64> = BTreeMap::new();
    for spread in spreads {
        *taken.entry(spread.origin).or_default() += 1;
        for (replica, lag) in &spread.arrived {
            lags.entry((spread.origin, *replica)).or_default().push(seconds(*lag));
        }
    }
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for (&from, &count) in &taken {
        for &to in view.run.applies.replicas.iter().filter(|to| **to != from) {
            let sorted = Sorted::new(lags.remove(&(from, to)).unwrap_or_default());
            let missing = count.saturating_sub(sorted.len() as u64);
            let mut row = vec![words(format!("{from} to {to}"))];
            row.extend(sorted.cells());
            row.push(number(grouped(missing)));
            rows.push(row);
        }
    }
    let header = ["way", "writes", "p50", "p90", "p99", "p99.9", "max", "never"];
    block::table(
        page,
        "Replication lag, by the leader that took the write and where it arrived",
        &header,
        &rows,
    );
}
