//! Where each client was: the replica that it asked, over time.

use super::{
    block,
    chart::{self, Chart, label},
    markup::{Markup, px},
    scale::seconds,
    view::View,
};
use crate::report::recorded::Op;
use quarrel_models::{
    fault::Fault,
    id::{ClientId, ReplicaId},
};
use std::collections::BTreeMap;

/// The height of one client's strip.
const ROW: f64 = 16.0;
/// The most clients that are drawn.
const MOST_CLIENTS: usize = 40;

/// A stretch of time that a client spent at one replica.
struct Stay {
    at: ReplicaId,
    from: u64,
    to: u64,
}

/// Writes the section.
pub(super) fn write(page: &mut Markup, view: &View<'_>) {
    let intro = "The replica that each client was bound to. A letter stands where there is room for it.";
    block::section(page, "clients", "Clients", intro);
    let stays = stays(view);
    if stays.is_empty() {
        block::note(page, "There were no clients.");
    } else {
        drawing(page, view, &stays);
        table(page, &stays);
    }
    page.close("section");
}

fn stays(view: &View<'_>) -> BTreeMap<ClientId, Vec<Stay>> {
    let history = &view.run.history;
    let graph = view.graph.as_ref();
    // A read that goes to a follower does not move its client.
    let binds = |op: &&Op| graph.is_none_or(|graph| graph.is_leader(op.at));
    let starts = history.operations.iter().filter(binds).map(|op| (op.began, op.client, op.at));
    let moves = history.faults.iter().filter_map(|act| match act.fault {
        Fault::Relocate { client, to, .. } => Some((act.t, client, to)),
        _ => None,
    });
    let mut all: Vec<(u64, ClientId, ReplicaId)> = starts.chain(moves).collect();
    all.sort();
    let mut stays: BTreeMap<ClientId, Vec<Stay>> = BTreeMap::new();
    for (t, client, at) in all {
        let list = stays.entry(client).or_default();
        match list.last_mut() {
            Some(last) if last.at == at => last.to = t,
            Some(last) => {
                last.to = t;
                list.push(Stay { at, from: t, to: t });
            }
            None => list.push(Stay { at, from: t, to: t }),
        }
    }
    for list in stays.values_mut() {
        if let Some(last) = list.last_mut() {
            last.to = history.end;
        }
    }
    stays
}

/// The class of a replica's colour.
pub(super) fn replica_class(replica: ReplicaId) -> &'static str {
    const CLASSES: [&str; 8] = [
        "replica r0",
        "replica r1",
        "replica r2",
        "replica r3",
        "replica r4",
        "replica r5",
        "replica r6",
        "replica r7",
    ];
    CLASSES[replica.index() % CLASSES.len()]
}

#[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
fn drawing(page: &mut Markup, view: &View<'_>, stays: &BTreeMap<ClientId, Vec<Stay>>) {
    let rows = stays.len().min(MOST_CLIENTS);
    let says = "The replica that each client was bound to, over the time of the run";
    let mut chart = Chart::new(rows as f64 * ROW, view.run.history.end, says);
    let (top, _) = chart.plot();
    for (row, (client, stays)) in stays.iter().take(MOST_CLIENTS).enumerate() {
        let y = (row as f64).mul_add(ROW, top);
        label(&mut chart.svg, chart::LEFT - 6.0, y + 12.0, "end", &client.to_string());
        for stay in stays {
            let (from, to) = (chart.at(stay.from), chart.at(stay.to));
            let [x, top, wide] = [from, y + 1.0, (to - from).max(0.5)].map(px);
            let class = replica_class(stay.at);
            chart.svg.empty(
                "rect",
                &[("x", &x), ("y", &top), ("width", &wide), ("height", "14"), ("class", class)],
            );
            if to - from > 14.0 {
                label(
                    &mut chart.svg,
                    f64::midpoint(from, to),
                    y + 12.0,
                    "middle on-bar",
                    &stay.at.to_string(),
                );
            }
        }
    }
    chart.time_axis();
    block::figure(page, "Where each client was", &chart.end());
    if stays.len() > MOST_CLIENTS {
        block::note(page, &format!("{} more clients are not drawn.", stays.len() - MOST_CLIENTS));
    }
}

fn table(page: &mut Markup, stays: &BTreeMap<ClientId, Vec<Stay>>) {
    let rows: Vec<Vec<block::Cell>> = stays
        .iter()
        .take(MOST_CLIENTS)
        .map(|(client, stays)| {
            let way = stays.iter().map(|stay| format!("{} from {:.2} s", stay.at, seconds(stay.from)));
            let mut way: Vec<String> = way.take(12).collect();
            if stays.len() > 12 {
                way.push(format!("and {} more", stays.len() - 12));
            }
            let moves = stays.len() - 1;
            vec![
                block::words(client.to_string()),
                block::number(moves.to_string()),
                block::words(way.join(", ")),
            ]
        })
        .collect();
    let mut inner = Markup::default();
    block::table(&mut inner, "Moves of clients", &["client", "moves", "way"], &rows);
    block::folded(page, "As a table", &inner);
}
