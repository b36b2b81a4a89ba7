//! The ledger as a table. Its first rows stand in the page; a small script filters, sorts and pages through all of
//! them.

use super::{
    block::{self, Cell, number, words},
    markup::Markup,
    scale::seconds,
    view::View,
};
use crate::report::{grouped, recorded::Entry};
use quarrel_models::fate::Fate;
use quarrel_workloads::verdict::Verdict;
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _};

/// The rows that stand in the page itself.
const ROWS: usize = 100;
/// The most bytes that the rows for the script may take.
const MOST_BYTES: usize = 1_900_000;
/// What a row takes at most, but for rare ones.
const ROW_BYTES: usize = 26;

/// The ledger for the script: a column a field. Numbers are base 36; `|` ends those of more than one digit. Times,
/// and the numbers of writes within a client, are differences to the row before (of the same client).
#[derive(Debug, Default, Serialize)]
struct Columns<'a> {
    v: u32,
    rows: usize,
    keys: Vec<&'a str>,
    operations: Vec<&'a str>,
    fates: Vec<&'static str>,
    losses: Vec<bool>,
    /// Who wrote.
    client: String,
    /// The number of the write within its client.
    sequence: String,
    /// The record.
    key: String,
    /// What it asked: the first word.
    operation: String,
    /// The leader: one character a row, as are fates and what follows.
    leader: String,
    fate: String,
    /// `r` if the loss was recorded.
    recorded: String,
    /// When it was acknowledged, milliseconds.
    acknowledged: String,
    /// The winner's client, or nothing.
    winner_client: String,
    /// The winner's number, as a difference to the write's own.
    winner_sequence: String,
    /// The winner's leader, or `-`.
    winner_leader: String,
    /// How much later the winner's stamp is, milliseconds, or nothing.
    stamp_lead: String,
    /// How much later it was written, milliseconds, or nothing.
    real_lead: String,
}

/// Writes the section.
pub(super) fn write(page: &mut Markup, view: &View<'_>) {
    let intro = "The fate of every acknowledged write. Lost ones come first; without a script, those are all that \
                 there is room for here.";
    block::section(page, "ledger", "Ledger", intro);
    if view.run.ledger.is_empty() {
        block::note(page, "No write was acknowledged.");
        page.close("section");
        return;
    }
    let kept = kept(view);
    controls(page, view);
    static_rows(page, view);
    thinned(page, view, kept.len());
    page.data("ledger-data", &columns(&kept));
    page.close("section");
}

fn controls(page: &mut Markup, view: &View<'_>) {
    page.raw("<form id=\"ledger-controls\" class=\"controls\" hidden>");
    page.raw(
        "<label>search <input id=\"ledger-search\" type=\"search\" placeholder=\"write, record, leader\">",
    );
    page.raw("</label> <label>fate <select id=\"ledger-fate\"><option value=\"\">all</option>");
    page.raw("<option value=\"lost\">lost, of any kind</option>");
    for fate in Fate::ALL.into_iter().filter(|&fate| view.run.summary.fate(fate) > 0) {
        page.leaf("option", &[("value", fate.name())], fate.name());
    }
    page.raw("</select></label> <label>leader <select id=\"ledger-leader\"><option value=\"\">all</option>");
    for leader in view.leaders() {
        let name = leader.to_string();
        page.leaf("option", &[("value", &name)], &name);
    }
    page.raw("</select></label> <output id=\"ledger-count\"></output></form>");
}

/// How a row is weighed: violations first, other losses next, then the rest.
fn weight(view: &View<'_>, entry: &Entry) -> u8 {
    let violates = || {
        let mut properties = view.run.summary.properties.iter();
        properties.any(|property| property.verdict == Verdict::Fail && property.name == entry.fate.name())
    };
    match entry.fate.is_loss() {
        true if violates() => 0,
        true => 1,
        false => 2,
    }
}

/// The rows that there is room for, in order of time. What there is no room for is sampled evenly.
fn kept<'a>(view: &View<'a>) -> Vec<&'a Entry> {
    let mut by_weight: [Vec<usize>; 3] = Default::default();
    for (at, entry) in view.run.ledger.iter().enumerate() {
        by_weight[usize::from(weight(view, entry))].push(at);
    }
    let mut room = MOST_BYTES / ROW_BYTES;
    let mut kept = Vec::new();
    for rows in by_weight {
        let step = rows.len().div_ceil(room.max(1)).max(1);
        let taken = rows.iter().step_by(step).copied().take(room);
        let before = kept.len();
        kept.extend(taken);
        room -= kept.len() - before;
    }
    kept.sort_unstable();
    kept.into_iter().map(|at| &view.run.ledger[at]).collect()
}

fn thinned(page: &mut Markup, view: &View<'_>, kept: usize) {
    let all = view.run.ledger.len();
    if kept < all {
        let (all, kept) = (grouped(all as u64), grouped(kept as u64));
        let text = format!(
            "The table has {kept} of {all} writes, to keep the page small: violations first, then other losses, \
             then an even sample of the rest. All of them are in ledger.jsonl."
        );
        block::note(page, &text);
    }
}

fn static_rows(page: &mut Markup, view: &View<'_>) {
    let mut order: Vec<&Entry> = view.run.ledger.iter().collect();
    order.sort_by_key(|entry| weight(view, entry));
    let rows: Vec<Vec<Cell>> = order.into_iter().take(ROWS).map(row).collect();
    let header = [
        "write",
        "record",
        "asked",
        "leader",
        "acknowledged",
        "fate",
        "lost to",
        "its stamp",
        "it was written",
    ];
    page.raw("<div id=\"ledger-table\">");
    let caption = format!("{} acknowledged writes", grouped(view.run.ledger.len() as u64));
    block::table(page, &caption, &header, &rows);
    page.raw("</div><p><button type=\"button\" id=\"ledger-more\" hidden>show more</button></p>");
}

fn row(entry: &Entry) -> Vec<Cell> {
    let mut fate = Markup::default();
    block::fate(&mut fate, entry.fate);
    if entry.recorded {
        fate.raw(" <small>recorded</small>");
    }
    let winner = entry.winner.as_ref();
    let lead = |us: Option<i64>| {
        us.map_or(String::new(), |us| {
            format!("{} ms {}", grouped(us.unsigned_abs() / 1000), if us < 0 { "earlier" } else { "later" })
        })
    };
    vec![
        words(entry.write.to_string()),
        words(entry.key.as_str()),
        words(first_word(&entry.op)),
        words(entry.leader.to_string()),
        number(format!("{:.3} s", seconds(entry.ack_ns))),
        Cell::Piece(fate),
        words(winner.map_or(String::new(), |winner| format!("{} of {}", winner.write, winner.leader))),
        number(lead(winner.and_then(|winner| winner.stamp_lead_us))),
        number(lead(winner.and_then(|winner| winner.real_lead_us))),
    ]
}

fn first_word(operation: &str) -> &str {
    operation.split(' ').next().unwrap_or_default()
}

fn columns<'a>(kept: &[&'a Entry]) -> Columns<'a> {
    let mut columns = Columns {
        v: 1,
        rows: kept.len(),
        fates: Fate::ALL.map(Fate::name).to_vec(),
        losses: Fate::ALL.map(Fate::is_loss).to_vec(),
        ..Columns::default()
    };
    let (mut keys, mut operations) = (Words::default(), Words::default());
    let mut before: BTreeMap<u32, u32> = BTreeMap::new();
    let mut time = 0;
    for entry in kept {
        let (client, sequence) = (entry.client.0, entry.write.sequence);
        number_to(&mut columns.client, i64::from(client));
        let last = before.insert(client, sequence).unwrap_or(0);
        number_to(&mut columns.sequence, i64::from(sequence) - i64::from(last));
        number_to(&mut columns.key, keys.number(&entry.key));
        number_to(&mut columns.operation, operations.number(first_word(&entry.op)));
        columns.leader.push_str(&entry.leader.to_string());
        let fate = Fate::ALL.into_iter().position(|fate| fate == entry.fate).unwrap_or(0);
        columns.fate.push(char::from_digit(u32::try_from(fate).unwrap_or(0), 36).unwrap_or('0'));
        columns.recorded.push(if entry.recorded { 'r' } else { '-' });
        let now = i64::try_from(entry.ack_ns / 1_000_000).unwrap_or(i64::MAX);
        number_to(&mut columns.acknowledged, now - time);
        time = now;
        let winner = entry.winner.as_ref();
        columns.winner_leader.push_str(&winner.map_or("-".to_owned(), |winner| winner.leader.to_string()));
        if let Some(winner) = winner {
            number_to(&mut columns.winner_client, i64::from(winner.write.client.0));
            let apart = i64::from(winner.write.sequence) - i64::from(sequence);
            number_to(&mut columns.winner_sequence, apart);
            maybe_to(&mut columns.stamp_lead, winner.stamp_lead_us.map(|us| us / 1000));
            maybe_to(&mut columns.real_lead, winner.real_lead_us.map(|us| us / 1000));
        }
    }
    (columns.keys, columns.operations) = (keys.list, operations.list);
    columns
}

/// Words by number.
#[derive(Debug, Default)]
struct Words<'a> {
    numbers: BTreeMap<&'a str, i64>,
    list: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn number(&mut self, word: &'a str) -> i64 {
        let next = i64::try_from(self.list.len()).unwrap_or(i64::MAX);
        let list = &mut self.list;
        *self.numbers.entry(word).or_insert_with(|| {
            list.push(word);
            next
        })
    }
}

/// A number in base 36: a lone digit stands alone, everything else ends in `|`.
fn number_to(column: &mut String, value: i64) {
    if let Some(digit) = u32::try_from(value).ok().and_then(|value| char::from_digit(value, 36)) {
        column.push(digit);
        return;
    }
    // What is not a lone digit begins with a sign, so that the two cannot be mistaken for each other.
    column.push(if value < 0 { '-' } else { '+' });
    let (mut rest, mut digits) = (value.unsigned_abs(), Vec::new());
    while rest > 0 {
        digits.push(char::from_digit(u32::try_from(rest % 36).unwrap_or(0), 36).unwrap_or('0'));
        rest /= 36;
    }
    column.extend(digits.into_iter().rev());
    let _ = write!(column, "|");
}

fn maybe_to(column: &mut String, value: Option<i64>) {
    match value {
        Some(value) => number_to(column, value),
        None => column.push('_'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_the_script_are_short_and_unmistakable() {
        let mut column = String::new();
        [0, 35, 36, -1, 1_000_000].into_iter().for_each(|value| number_to(&mut column, value));
        maybe_to(&mut column, None);
        assert_eq!(column, "0z+10|-1|+lfls|_");
    }
}
