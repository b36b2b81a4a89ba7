//! Records over time: who wrote, and what each replica held, as strips of colour.

use super::{
    block::{self, words},
    chart::{self, Chart, Dots, Shape, label},
    markup::Markup,
    scale::seconds,
    view::View,
};
use quarrel_models::{
    fate::Fate,
    id::{ReplicaId, WriteId},
    value::Value,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// The most records that are drawn, unless more of them diverge.
const MOST_KEYS: usize = 8;
/// The most that are drawn even so.
const MOST_DIVERGENT: usize = 24;
/// The most bytes of drawings; after that records are told without.
const MOST_BYTES: usize = 400_000;
/// The height of a replica's strip.
const STRIP: f64 = 18.0;
/// The height of the row of writes.
const WRITES: f64 = 30.0;
/// The number of colours; what is told apart by them changes over time, so that neighbours differ.
const COLOURS: usize = 8;
/// The columns of a strip. Where a replica changed more often than that, the column is hatched.
const COLUMNS: usize = 455;

/// What a replica held from when on.
type Strip = Vec<(u64, Vec<WriteId>)>;

/// Writes the section.
pub(super) fn write(page: &mut Markup, view: &View<'_>) {
    let intro = "Each strip is what one replica held: equal colours in one column are equal states, so where the \
                 strips differ the replicas did. The top row has the writes, when they were acknowledged, and a \
                 cross for each that was lost.";
    block::section(page, "keys", "Records over time", intro);
    if view.run.applies.is_empty() {
        block::note(page, "There are no apply logs: only what the replicas held in the end is known.");
    }
    let (chosen, left) = chosen(view);
    let before = page.len();
    let mut untold = 0;
    for &key in &chosen {
        let has_room = page.len() - before < MOST_BYTES;
        untold += usize::from(!has_room);
        one(page, view, key, has_room);
    }
    if untold > 0 {
        block::note(page, &format!("{untold} records have no drawing, to keep the page small."));
    }
    if left > 0 {
        let records = if left == 1 { "1 more record is" } else { "more records are" };
        let count = if left == 1 { String::new() } else { format!("{left} ") };
        let text = format!("{count}{records} not drawn; those with the most losses are above.");
        block::note(page, &text);
    }
    page.close("section");
}

/// The records to be drawn, the most telling first, and how many are left out. Divergent ones are never left out
/// for others.
fn chosen(view: &View<'_>) -> (Vec<u32>, usize) {
    let keys = &view.run.history.keys;
    let mut losses: BTreeMap<u32, u64> = BTreeMap::new();
    for entry in view.run.ledger.iter().filter(|entry| entry.fate.is_loss()) {
        if let Some(key) = keys.find(&entry.key) {
            *losses.entry(key).or_default() += 1;
        }
    }
    let shown: BTreeSet<u32> = view.cases.iter().filter_map(|case| case.key).collect();
    let all = (0..).take(keys.all().len());
    let weight = |key: u32| {
        let diverges = view.run.history.came_to_rest() && !view.run.history.disagreement(key).is_empty();
        (diverges, shown.contains(&key), losses.get(&key).copied().unwrap_or(0))
    };
    let mut weighed: Vec<_> = all.map(|key: u32| (weight(key), key)).collect();
    weighed.sort_by_key(|(weight, key)| (std::cmp::Reverse(*weight), *key));
    let divergent = weighed.iter().take_while(|((diverges, ..), _)| *diverges).count();
    let most = divergent.clamp(MOST_KEYS, MOST_DIVERGENT);
    let left = weighed.len().saturating_sub(most);
    (weighed.into_iter().take(most).map(|(_, key)| key).collect(), left)
}

fn one(page: &mut Markup, view: &View<'_>, key: u32, drawn: bool) {
    let name = view.run.history.keys.name(key);
    let strips = if drawn { strips(view, key) } else { BTreeMap::new() };
    let replicas = view.replicas();
    let groups = view.run.history.disagreement(key);
    if !strips.is_empty() {
        let drawing = drawing(view, key, &replicas, &strips);
        let diverged = if groups.is_empty() { "" } else { ": the replicas disagree in the end" };
        block::figure(page, &format!("Record {name}{diverged}"), &drawing);
        let astray = astray(view, key, &strips);
        if !astray.is_empty() {
            let text = format!(
                "The strip of {} does not end with what was read there: what a killed process or a resolution did \
                 is not in its apply log.",
                astray.join(", ")
            );
            block::note(page, &text);
        }
    }
    let mut inner = Markup::default();
    held(&mut inner, view, key);
    if groups.is_empty() {
        block::folded(page, &format!("{name} in the end: all replicas that were read show the same"), &inner);
    } else {
        page.add(&inner);
    }
}

/// The replicas whose apply log does not lead to what they were read to hold.
fn astray(view: &View<'_>, key: u32, strips: &BTreeMap<ReplicaId, Strip>) -> Vec<String> {
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
fn strips(view: &View<'_>, key: u32) -> BTreeMap<ReplicaId, Strip> {
    let mut strips: BTreeMap<ReplicaId, Strip> = BTreeMap::new();
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
fn drawing(view: &View<'_>, key: u32, replicas: &[ReplicaId], strips: &BTreeMap<ReplicaId, Strip>) -> Markup {
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
fn colours(strips: &BTreeMap<ReplicaId, Strip>) -> BTreeMap<&[WriteId], usize> {
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
fn differences(chart: &mut Chart, strips: &BTreeMap<ReplicaId, Strip>, y: f64) {
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

/// What the replicas held of a record in the end; of sets that differ, what is not in all of them comes first.
pub(super) fn held(page: &mut Markup, view: &View<'_>, key: u32) {
    let name = view.run.history.keys.name(key);
    let header = ["replica", "made by", "value"];
    let rows = in_the_end(view, key, &view.replicas());
    block::table(page, &format!("What the replicas held of {name} in the end"), &header, &rows);
}

/// A value in words. Of sets that differ only what is not in all of them is told one by one.
fn value_in_words(shown: &[Value], common: Option<&BTreeSet<Value>>) -> String {
    match (shown, common) {
        ([Value::Set(elements)], Some(common)) if !common.is_empty() => {
            let own: Vec<String> = elements.difference(common).map(ToString::to_string).collect();
            let own = if own.is_empty() { "nothing".to_owned() } else { own.join(" ") };
            shortened(&format!("{own}, beside {} elements that all of them have", common.len()))
        }
        ([], _) => "deleted".to_owned(),
        _ => shortened(&shown.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")),
    }
}

/// The elements that all replicas have, if they hold sets that differ.
fn in_common(view: &View<'_>, key: u32) -> Option<BTreeSet<Value>> {
    let groups = view.run.history.disagreement(key);
    let sets = groups.iter().map(|(_, shown)| match shown.as_slice() {
        [value] => value.as_set(),
        _ => None,
    });
    let sets: Vec<&BTreeSet<Value>> = sets.collect::<Option<_>>()?;
    let (first, rest) = sets.split_first()?;
    Some(first.iter().filter(|element| rest.iter().all(|set| set.contains(element))).cloned().collect())
}

fn in_the_end(view: &View<'_>, key: u32, replicas: &[ReplicaId]) -> Vec<Vec<block::Cell>> {
    let history = &view.run.history;
    let common = in_common(view, key);
    let mut rows = Vec::new();
    for replica in replicas {
        let (by, value) = match history.finals.get(&(key, *replica)) {
            Some(held) => {
                let by: Vec<String> = held.versions.iter().map(|write| told(view, *write)).collect();
                (by.join(", "), value_in_words(&held.shown, common.as_ref()))
            }
            None if history.read.contains(replica) => (String::new(), "no record".to_owned()),
            None => {
                let why = history.unread.iter().find(|(unread, _)| unread == replica);
                (String::new(), why.map_or("not read".to_owned(), |(_, why)| format!("not read: {why}")))
            }
        };
        rows.push(vec![words(replica.to_string()), words(by), words(value)]);
    }
    rows
}

/// A write, when it was acknowledged, and what became of it if that is bad.
fn told(view: &View<'_>, write: WriteId) -> String {
    let ended = match view.written(write) {
        Some(super::view::Written::Op(op)) => Some(op.ended),
        Some(super::view::Written::Resolution(resolution)) => Some(resolution.t),
        None => None,
    };
    let when = ended.map_or(String::new(), |ended| format!(" of {:.3} s", seconds(ended)));
    let fate = view
        .fate(write)
        .filter(|fate: &Fate| fate.is_loss())
        .map_or(String::new(), |fate| format!(", {fate}"));
    format!("{write}{when}{fate}")
}

/// A value that fits in a table; the whole is in the history.
fn shortened(text: &str) -> String {
    const MOST: usize = 120;
    if text.chars().count() <= MOST {
        text.to_owned()
    } else {
        text.chars().take(MOST).collect::<String>() + "\u{2026}"
    }
}
