//! What each replica held of a record, as strips of colour over time.

use super::{
    chart::{self, Chart, Dots, Shape, label},
    markup::Markup,
    view::View,
};
use quarrel_models::id::{ReplicaId, WriteId};
use std::{collections::BTreeMap, fmt::Write as _};

/// The height of a replica's strip.
const STRIP: f64 = 18.0;
/// The height of the row of writes.
const WRITES: f64 = 30.0;
/// The number of colours; what is told apart by them changes over time, so that neighbours differ.
const COLOURS: usize = 8;
/// The columns of a strip. Where a replica changed more often than that, the column is hatched.
const COLUMNS: usize = 455;

/// What a replica held from when on.
pub(super) type Strip = Vec<(u64, Vec<WriteId>)>;
/// The strips of all replicas.
pub(super) type Strips = BTreeMap<ReplicaId, Strip>;

/// The replicas whose apply log does not lead to what they were read to hold.
pub(super) fn astray(view: &View<'_>, key: u32, strips: &Strips) -> Vec<String> {
    let differs = |replica: &ReplicaId, strip: &Strip| {
        let read = view.run.history.finals.get(&(key, *replica))?;
        let mut versions = read.versions.clone();
        versions.sort_unstable();
        let (_, held) = strip.last()?;
        (!versions.is_empty() && *held != versions).then(|| replica.to_string())
    };
    strips.iter().filter_map(|(replica, strip)| differs(replica, strip)).collect()
}

/// What each replica held, over time.
pub(super) fn strips(view: &View<'_>, key: u32) -> Strips {
    let mut strips: Strips = BTreeMap::new();
    for line in view.applied_on_key(key) {
        let strip = strips.entry(line.replica).or_default();
        let held = strip.last().map_or(&[][..], |(_, held)| held.as_slice());
        let next = view.after(held, line);
        if next != held {
            strip.push((line.t, next));
        }
    }
    strips
}

#[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
pub(super) fn drawing(view: &View<'_>, key: u32, replicas: &[ReplicaId], strips: &Strips) -> Markup {
    let name = view.run.history.keys.name(key);
    let says = format!("Writes to record {name}, and what each replica held, over the time of the run");
    let height = (replicas.len() as f64).mul_add(STRIP, WRITES + STRIP);
    let mut chart = Chart::new(height, view.run.history.end, &says);
    chart.shade(&view.bands);
    chart.time_axis();
    let (top, _) = chart.plot();
    writes(&mut chart, view, key, top);
    let colours = colours(strips);
    for (row, replica) in replicas.iter().enumerate() {
        let y = (row as f64).mul_add(STRIP, top + WRITES);
        label(&mut chart.svg, chart::LEFT - 6.0, y + 13.0, "end strong", &replica.to_string());
        if let Some(strip) = strips.get(replica) {
            draw_strip(&mut chart, strip, &colours, y);
        }
    }
    let y = (replicas.len() as f64).mul_add(STRIP, top + WRITES);
    label(&mut chart.svg, chart::LEFT - 6.0, y + 13.0, "end dim", "differ");
    differences(&mut chart, strips, y);
    chart.end()
}

/// The row of writes: a dot for each that stays or was rightly replaced, a cross for each that was lost.
fn writes(chart: &mut Chart, view: &View<'_>, key: u32, top: f64) {
    let (mut fine, mut lost) = (Dots::default(), Dots::default());
    for op in view.on_key(key) {
        let Some(fate) = op.write.and_then(|write| view.fate(write)) else { continue };
        if fate.is_loss() {
            lost.add(chart.at(op.ended), top + 20.0);
        } else {
            fine.add(chart.at(op.ended), top + 8.0);
        }
    }
    label(&mut chart.svg, chart::LEFT - 6.0, top + 12.0, "end dim", "kept");
    label(&mut chart.svg, chart::LEFT - 6.0, top + 24.0, "end dim", "lost");
    fine.draw(&mut chart.svg, Shape::Dot, "write dots");
    lost.draw(&mut chart.svg, Shape::Cross, "fail crosses");
}

/// A colour for each state, in the order of their first appearance anywhere.
fn colours(strips: &Strips) -> BTreeMap<&[WriteId], usize> {
    let mut all: Vec<(u64, &[WriteId])> =
        strips.values().flatten().map(|(t, held)| (*t, held.as_slice())).collect();
    all.sort();
    let mut colours = BTreeMap::new();
    for (_, held) in all {
        let next = colours.len() % COLOURS;
        colours.entry(held).or_insert(next);
    }
    colours
}

/// The state of a strip in each column: `None` before the first, `Err` where it changed more than once.
fn columns<'a>(strip: &'a Strip, chart: &Chart) -> Vec<Option<Result<&'a [WriteId], ()>>> {
    let width = (chart::RIGHT - chart::LEFT) / f64::from(u32::try_from(COLUMNS).unwrap_or(u32::MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a column of the drawing")]
    let column = |t: u64| (((chart.at(t) - chart::LEFT) / width) as usize).min(COLUMNS - 1);
    let mut columns = vec![None; COLUMNS];
    for (n, (t, held)) in strip.iter().enumerate() {
        let from = column(*t);
        let to = strip.get(n + 1).map_or(COLUMNS, |(next, _)| column(*next));
        let again = n > 0 && column(strip[n - 1].0) == from;
        columns[from] = Some(if again { Err(()) } else { Ok(held.as_slice()) });
        columns[(from + 1).min(to)..to].fill(Some(Ok(held.as_slice())));
    }
    columns
}

fn draw_strip(chart: &mut Chart, strip: &Strip, colours: &BTreeMap<&[WriteId], usize>, y: f64) {
    const CLASSES: [&str; COLOURS + 1] = [
        "version v0",
        "version v1",
        "version v2",
        "version v3",
        "version v4",
        "version v5",
        "version v6",
        "version v7",
        "version busy",
    ];
    let mut paths = vec![String::new(); CLASSES.len()];
    let columns = columns(strip, chart);
    let width = (chart::RIGHT - chart::LEFT) / f64::from(u32::try_from(COLUMNS).unwrap_or(u32::MAX));
    let mut at = 0;
    while at < columns.len() {
        let state = columns[at];
        let run = columns[at..].iter().take_while(|other| **other == state).count();
        let class = match state {
            None => None,
            Some(Ok(held)) => colours.get(held).copied(),
            Some(Err(())) => Some(COLOURS),
        };
        if let Some(class) = class {
            let from = |column: usize| {
                f64::from(u32::try_from(column).unwrap_or(u32::MAX)).mul_add(width, chart::LEFT)
            };
            let (left, right) = (from(at), from(at + run));
            let _ = write!(paths[class], "M{left:.0} {:.0}H{right:.0}v14H{left:.0}z", y + 2.0);
        }
        at += run;
    }
    for (path, class) in paths.iter().zip(CLASSES) {
        if !path.is_empty() {
            chart.svg.empty("path", &[("class", class), ("d", path)]);
        }
    }
}

/// When not all replicas held the same.
fn differences(chart: &mut Chart, strips: &Strips, y: f64) {
    let mut changes: Vec<(u64, ReplicaId, &[WriteId])> = strips
        .iter()
        .flat_map(|(replica, strip)| strip.iter().map(|(t, held)| (*t, *replica, held.as_slice())))
        .collect();
    changes.sort();
    let mut now: BTreeMap<ReplicaId, &[WriteId]> = BTreeMap::new();
    let mut since: Option<f64> = None;
    let mut path = String::new();
    let mut end = |since: &mut Option<f64>, to: f64| {
        if let Some(from) = since.take() {
            let _ = write!(path, "M{from:.1} {:.0}H{:.1}v8H{from:.1}z", y + 5.0, to.max(from + 1.0));
        }
    };
    for (t, replica, held) in changes {
        now.insert(replica, held);
        let first = now.values().next();
        let differ = now.len() < strips.len() || now.values().any(|held| Some(held) != first);
        match (differ, since) {
            (true, None) => since = Some(chart.at(t)),
            (false, Some(_)) => end(&mut since, chart.at(t)),
            _ => {}
        }
    }
    end(&mut since, chart::RIGHT);
    if !path.is_empty() {
        chart.svg.empty("path", &[("class", "differ"), ("d", &path)]);
    }
}
