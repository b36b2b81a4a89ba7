//! Records over time: who wrote, and what each replica held, as strips of colour.

use super::{block, held, markup::Markup, strips, view::View};
use std::collections::{BTreeMap, BTreeSet};

/// The most records that are drawn, unless more of them diverge.
const MOST_KEYS: usize = 8;
/// The most that are drawn even so.
const MOST_DIVERGENT: usize = 24;
/// The most bytes of drawings; after that records are told without.
const MOST_BYTES: usize = 400_000;

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
    let strips = if drawn { strips::strips(view, key) } else { BTreeMap::new() };
    let replicas = view.replicas();
    let groups = view.run.history.disagreement(key);
    if !strips.is_empty() {
        let drawing = strips::drawing(view, key, &replicas, &strips);
        let diverged = if groups.is_empty() { "" } else { ": the replicas disagree in the end" };
        block::figure(page, &format!("Record {name}{diverged}"), &drawing);
        let astray = strips::astray(view, key, &strips);
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
    held::table(&mut inner, view, key);
    if groups.is_empty() {
        block::folded(page, &format!("{name} in the end: all replicas that were read show the same"), &inner);
    } else {
        page.add(&inner);
    }
}
