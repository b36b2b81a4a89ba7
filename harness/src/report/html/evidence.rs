//! The evidence: for every violation, and one example of each loss that is permitted, the few operations that show it.

use super::{
    block::{self, Cell, number, words},
    case::Case,
    diagram, held,
    markup::Markup,
    scale::seconds,
    verdict::verdict_class,
    view::View,
};
use crate::report::{
    grouped,
    recorded::{Entry, Op, Outcome, Winner},
};
use quarrel_models::{
    fate::Fate,
    id::{ReplicaId, WriteId},
};
use quarrel_workloads::verdict::Verdict;

/// Writes the section.
pub(super) fn write(page: &mut Markup, view: &View<'_>) {
    let intro = "Every violation, and one example of each kind of loss that the contract permits, with the few \
                 operations that show it.";
    block::section(page, "evidence", "Evidence", intro);
    if view.cases.is_empty() {
        page.leaf("p", &[], "Nothing was found: no acknowledged write was lost, and nothing else was amiss.");
    }
    for (n, case) in view.cases.iter().enumerate() {
        one(page, view, n, case);
    }
    page.close("section");
}

fn one(page: &mut Markup, view: &View<'_>, n: usize, case: &Case<'_>) {
    let id = format!("case-{n}");
    page.open("article", &[("class", verdict_class(case.verdict)), ("id", &id)]);
    page.raw("<h3>").text(&case.kind).raw(" <small>");
    page.text(&how_often(case)).raw("</small></h3>");
    page.leaf("p", &[("class", "sentence")], &case.sentence);
    if let Some(text) = case.entry.and_then(|entry| in_plain_words(view, entry)) {
        page.leaf("p", &[("class", "why")], &text);
    }
    if let Some(scene) = diagram::scene(view, case) {
        let mut drawing = Markup::default();
        drawing.diagram(&scene);
        block::diagram(page, "Space-time diagram: one row an event, time downwards", &drawing);
    }
    if let Some(entry) = case.entry {
        duel(page, view, entry);
    }
    if let (None, Some(key)) = (case.entry, case.key) {
        held::table(page, view, key);
    }
    operations(page, view, case);
    if !case.others.is_empty() {
        let mut inner = Markup::default();
        inner.raw("<ul>");
        for other in &case.others {
            inner.leaf("li", &[], other);
        }
        inner.raw("</ul>");
        block::folded(page, &format!("{} more examples", case.others.len()), &inner);
    }
    page.close("article");
}

fn how_often(case: &Case<'_>) -> String {
    let times = match case.count {
        0 => String::new(),
        1 => "once".to_owned(),
        count => format!("{} times", grouped(count)),
    };
    let judged = match case.verdict {
        Verdict::Pass => "permitted",
        Verdict::Unknown => "unknown",
        Verdict::Fail => "violates the contract",
    };
    if times.is_empty() { judged.to_owned() } else { format!("{times}, {judged}") }
}

/// What happened, for somebody who has not met the words before.
fn in_plain_words(view: &View<'_>, entry: &Entry) -> Option<String> {
    let lost = entry.write;
    let Some(winner) = &entry.winner else {
        return (entry.fate == Fate::Partial).then(|| {
            format!(
                "The cluster came to rest, and yet the effect of {lost} shows at {} and not at {}: these replicas \
                 will stay different.",
                entry.shown_by, entry.missing_at
            )
        });
    };
    let (won, leader, by) = (winner.write, entry.leader, winner.leader);
    let client = entry.client;
    let first = match entry.fate {
        Fate::CausalInversion => format!(
            "{leader} already had {won} when {client} wrote {lost} there, so {lost} is the newer write, made on \
             top of {won}. It was acknowledged. In the end {won} stands and {lost} is gone."
        ),
        Fate::SessionInversion => format!(
            "{client} had itself made or read {won}, and then wrote {lost} at {leader}, which had not received \
             {won} yet. {lost} was acknowledged. In the end the older {won} stands and {lost} is gone."
        ),
        Fate::RealTimeInversion => format!(
            "{won} was acknowledged before {client} even began {lost}, so {lost} is the newer write. It was \
             acknowledged. In the end the older {won} stands and {lost} is gone."
        ),
        Fate::ConcurrentDiscard => format!(
            "{leader} took {lost} and {by} took {won}, neither knowing of the other's write. Both were \
             acknowledged; only {won} stayed."
        ),
        _ => return None,
    };
    let second = clocks_in_words(view, entry, winner, by).unwrap_or_default();
    Some(format!("{first}{second}"))
}

/// Whose clock was wrong when the two writes were stamped, if one was.
fn clocks_in_words(view: &View<'_>, entry: &Entry, winner: &Winner, by: ReplicaId) -> Option<String> {
    let stamp = winner.stamp_lead_us?;
    let real = winner.real_lead_us?;
    if stamp <= 0 || real >= 0 {
        return None;
    }
    let won = winner.write;
    let stood = |leader, write| view.taken_at(write).map_or(0, |t| view.clocks.offset_us(leader, t));
    let (ahead, own) = (stood(by, won), stood(entry.leader, entry.write));
    let leader = entry.leader;
    let ms = |us: i64| grouped(us.unsigned_abs() / 1000);
    let why = match (ahead, own) {
        _ if ahead > own && by == leader => format!(
            "because {by}'s clock was {} when it took that, and {} when it took {}",
            off(ahead),
            off(own),
            entry.write
        ),
        (1.., _) if ahead > own => format!("because {by}'s clock was {} ms ahead", ms(ahead)),
        (_, ..=-1) if ahead > own => format!("because {leader}'s clock was {} ms behind", ms(own)),
        _ => format!("so {by}'s clock must have been ahead when it took that"),
    };
    let later = grouped(stamp.unsigned_abs() / 1000);
    Some(format!(" The stamps decided: {won}'s is {later} ms later, {why}."))
}

/// The lost write and the one that won, side by side.
fn duel(page: &mut Markup, view: &View<'_>, entry: &Entry) {
    let Some(winner) = &entry.winner else { return };
    let time = |ns: Option<u64>| ns.map_or("not known".to_owned(), |ns| format!("{:.3} s", seconds(ns)));
    let clock = |leader: ReplicaId, write: WriteId| {
        view.taken_at(write).map_or("not known".to_owned(), |t| off(view.clocks.offset_us(leader, t)))
    };
    let stamp = |stamp: Option<quarrel_models::clock::Stamp>| {
        stamp.map_or("not told".to_owned(), |stamp| {
            let us = stamp.time_us;
            let counter = if stamp.logical > 0 { format!(" +{}", stamp.logical) } else { String::new() };
            format!("{}.{:06} s{counter}", us.div_euclid(1_000_000), us.rem_euclid(1_000_000))
        })
    };
    let what = |write: WriteId| match view.written(write) {
        Some(super::view::Written::Op(op)) => describe(op),
        Some(super::view::Written::Resolution(_)) => "resolution of siblings".to_owned(),
        None => "not known".to_owned(),
    };
    let rows = [
        ("write", entry.write.to_string(), winner.write.to_string()),
        ("asked", what(entry.write), what(winner.write)),
        ("taken by", entry.leader.to_string(), winner.leader.to_string()),
        ("began", time(Some(entry.call_ns)), time(winner.call_ns)),
        ("acknowledged", time(Some(entry.ack_ns)), time(winner.ack_ns)),
        ("leader's clock", clock(entry.leader, entry.write), clock(winner.leader, winner.write)),
        ("stamp", stamp(entry.stamp), stamp(winner.stamp)),
    ];
    let rows: Vec<Vec<Cell>> =
        rows.into_iter().map(|(name, lost, won)| vec![words(name), words(lost), words(won)]).collect();
    let caption = format!("Record {}: the write that was lost and the write that won", entry.key);
    block::table(page, &caption, &["", "\u{2717} lost", "\u{2605} won"], &rows);
}

/// A clock's distance from real time.
pub(super) fn off(us: i64) -> String {
    match us {
        0 => "right".to_owned(),
        1.. => format!("{} ms ahead", grouped(us.unsigned_abs() / 1000)),
        _ => format!("{} ms behind", grouped(us.unsigned_abs() / 1000)),
    }
}

fn operations(page: &mut Markup, view: &View<'_>, case: &Case<'_>) {
    if case.operations.is_empty() {
        return;
    }
    let rows: Vec<Vec<Cell>> = case
        .operations
        .iter()
        .map(|op| {
            vec![
                words(name(op)),
                words(describe(op)),
                words(op.client.to_string()),
                words(taken_by(op)),
                number(format!("{:.3} s", seconds(op.began))),
                number(format!("{:.3} s", seconds(op.ended))),
                words(outcome(view, op)),
            ]
        })
        .collect();
    let key = case.key.map_or(String::new(), |key| view.run.history.keys.name(key).to_owned());
    let caption = format!("The operations on {key} that show it");
    let header = ["operation", "asked", "client", "replica", "began", "ended", "outcome"];
    block::table(page, &caption, &header, &rows);
}

/// What an operation is called.
pub(super) fn name(op: &Op) -> String {
    op.write.map_or_else(|| "read".to_owned(), |write| write.to_string())
}

fn taken_by(op: &Op) -> String {
    match op.dot {
        Some(dot) if dot.origin != op.at => format!("{}, forwarded to {}", op.at, dot.origin),
        _ => op.at.to_string(),
    }
}

fn outcome(view: &View<'_>, op: &Op) -> String {
    match op.outcome {
        Outcome::Ok => {
            let fate = op.write.and_then(|write| view.fate(write));
            let versions: Vec<String> = op.versions.iter().map(ToString::to_string).collect();
            match fate {
                Some(fate) => format!("ok, {fate}"),
                None if versions.is_empty() => "ok".to_owned(),
                None => format!("ok, saw {}", versions.join(", ")),
            }
        }
        Outcome::Fail => format!("failed: {}", op.error),
        Outcome::Info => format!("unknown: {}", op.error),
    }
}

/// What an operation asked, in a few words.
pub(super) fn describe(op: &Op) -> String {
    use quarrel_models::operation::Operation;
    match &op.operation {
        Operation::Read => "read".to_owned(),
        Operation::Put(value) => format!("put {value}"),
        Operation::Delete => "delete".to_owned(),
        Operation::Add(delta) => format!("add {delta}"),
        Operation::Insert(value) => format!("insert {value}"),
        Operation::Remove(value) => format!("remove {value}"),
        Operation::Append(value) => format!("append {value}"),
        Operation::Claim { field, value } => format!("claim {field} for {value}"),
        Operation::Release { field, value } => format!("release {field} of {value}"),
        Operation::Move { from, to, value } => format!("move {value} from {from} to {to}"),
    }
}
