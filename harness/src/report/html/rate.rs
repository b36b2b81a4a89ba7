//! Rate and availability of each leader.

use super::{
    block::{self, Cell, number, words},
    chart::{self, Chart, label},
    latency::column,
    markup::Markup,
    scale::{duration, seconds},
    verdict::share,
    view::View,
};
use crate::report::{
    grouped,
    recorded::{Op, Outcome},
};
use quarrel_models::id::ReplicaId;
use std::fmt::Write as _;

/// The height of one replica's row.
const ROW: f64 = 46.0;
/// The columns of time.
const COLUMNS: usize = 150;

/// Writes the section.
pub(super) fn write(page: &mut Markup, view: &View<'_>) {
    let intro = "Operations by the replica that the client was bound to, when they ended. A gap is a time in which \
                 nobody was answered there.";
    block::section(page, "rate", "Rate and availability", intro);
    drawing(page, view);
    table(page, view);
    page.close("section");
}

/// The replicas that clients asked: all leaders, and followers that were read.
fn asked(view: &View<'_>) -> Vec<ReplicaId> {
    let mut asked = view.leaders();
    for op in &view.run.history.operations {
        if !asked.contains(&op.at) {
            asked.push(op.at);
        }
    }
    asked.sort();
    asked
}

#[expect(clippy::cast_precision_loss, reason = "counts to be drawn")]
fn drawing(page: &mut Markup, view: &View<'_>) {
    let replicas = asked(view);
    let end = view.run.history.end.max(1);
    let mut counts = vec![[[0_u32; 3]; COLUMNS]; replicas.len()];
    for op in &view.run.history.operations {
        let Some(row) = replicas.iter().position(|replica| *replica == op.at) else { continue };
        counts[row][column(op.ended, end, COLUMNS)][op.outcome as usize] += 1;
    }
    let most = counts.iter().flatten().map(|cell| cell.iter().sum::<u32>()).max().unwrap_or(1).max(1);
    let mut chart = Chart::new(
        replicas.len() as f64 * ROW,
        end,
        "Operations per leader over the time of the run, stacked by outcome",
    );
    chart.shade(&view.bands);
    chart.time_axis();
    let (top, _) = chart.plot();
    let width = (chart::RIGHT - chart::LEFT) / COLUMNS as f64;
    for (row, replica) in replicas.iter().enumerate() {
        let base = (row as f64 + 1.0).mul_add(ROW, top);
        label(&mut chart.svg, chart::LEFT - 6.0, base - ROW / 2.0 + 4.0, "end strong", &replica.to_string());
        chart::line(&mut chart.svg, (chart::LEFT, base), (chart::RIGHT, base), "axis");
        let mut paths = [String::new(), String::new(), String::new()];
        for (at, cell) in counts[row].iter().enumerate() {
            let x = (at as f64).mul_add(width, chart::LEFT);
            let mut y = base;
            for (outcome, path) in paths.iter_mut().enumerate() {
                let count = f64::from(cell[outcome]);
                if count > 0.0 {
                    // The least is a line that can be seen: one failure among a thousand shows.
                    let high = (count / f64::from(most) * (ROW - 6.0)).max(1.5);
                    y -= high;
                    let _ = write!(path, "M{x:.1} {y:.1}h{:.1}v{high:.1}h-{:.1}z", width - 0.6, width - 0.6);
                }
            }
        }
        for (path, class) in paths.iter().zip(["bar ok", "bar info", "bar fail"]) {
            if !path.is_empty() {
                chart.svg.empty("path", &[("class", class), ("d", path)]);
            }
        }
    }
    let every = seconds(end) / COLUMNS as f64;
    let highest = f64::from(most) / every;
    let caption = format!(
        "Operations per leader: a column is {}, the highest {} a second",
        duration(every),
        grouped(whole(highest))
    );
    block::figure(page, &caption, &chart.end());
    block::legend(page, &[("bar ok", "ok"), ("bar info", "unknown"), ("bar fail", "failed")]);
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for people")]
fn whole(value: f64) -> u64 {
    value.round().max(0.0) as u64
}

fn table(page: &mut Markup, view: &View<'_>) {
    let rows: Vec<Vec<Cell>> = asked(view)
        .into_iter()
        .map(|replica| {
            let at: Vec<&Op> = view.run.history.operations.iter().filter(|op| op.at == replica).collect();
            let count = |outcome| at.iter().filter(|op| op.outcome == outcome).count() as u64;
            let ok = count(Outcome::Ok);
            vec![
                words(replica.to_string()),
                number(grouped(at.len() as u64)),
                number(grouped(ok)),
                number(grouped(count(Outcome::Info))),
                number(grouped(count(Outcome::Fail))),
                number(if at.is_empty() {
                    "-".to_owned()
                } else {
                    format!("{:.2} %", 100.0 * share(ok, at.len() as u64))
                }),
                number(longest_gap(&at)),
            ]
        })
        .collect();
    let header =
        ["replica", "operations", "ok", "unknown", "failed", "answered ok", "longest time without one"];
    block::table(page, "Availability by replica", &header, &rows);
}

/// The longest time between two operations that ended well here.
fn longest_gap(operations: &[&Op]) -> String {
    let mut ends: Vec<u64> =
        operations.iter().filter(|op| op.outcome == Outcome::Ok).map(|op| op.ended).collect();
    ends.sort_unstable();
    let gap = ends.windows(2).map(|pair| pair[1] - pair[0]).max();
    gap.map_or_else(|| "-".to_owned(), |gap| duration(seconds(gap)))
}
