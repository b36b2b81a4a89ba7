//! What replicas held of a record in the end, in a table.

use super::{
    block::{self, words},
    markup::Markup,
    scale::seconds,
    view::{View, Written},
};
use quarrel_models::{
    fate::Fate,
    id::{ReplicaId, WriteId},
    value::Value,
};
use std::collections::BTreeSet;

/// What the replicas held of a record in the end; of sets that differ, what is not in all of them comes first.
pub(super) fn table(page: &mut Markup, view: &View<'_>, key: u32) {
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
        Some(Written::Op(op)) => Some(op.ended),
        Some(Written::Resolution(resolution)) => Some(resolution.t),
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
