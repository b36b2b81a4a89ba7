//! The page for people who choose a strategy, `harness/docs/strategies.md`: its tables are what the model checker finds.
//!
//! The words are written by hand. `UPDATE=1 cargo test --release -p quarrel-models --test strategies_page` makes the tables
//! anew, from the registry of strategies and from `matrix.txt`, and the shortest witnesses by searching for them; for a
//! strategy that is new it adds a section, in which only the words are missing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use quarrel_models::{
    check::{
        Limits, Property, Verdict, Workload, World, check,
        matrix::{Cell, FaultClass, TOPOLOGIES, cells, strategies},
    },
    fate::Fate,
    strategy::Strategy,
};
use std::{collections::BTreeSet, fmt::Write as _, fs};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../harness/docs/strategies.md");
const TABLE: &str = include_str!("matrix.txt");
const UPDATE: &str = "make it anew: UPDATE=1 cargo test --release -p quarrel-models --test strategies_page";

/// A debug build searches only cells of so few states for witnesses.
const CHEAP: usize = if cfg!(debug_assertions) { 6000 } else { usize::MAX };

/// A cell, and what is violated in it, in how many steps.
struct Found {
    cell: Cell,
    states: usize,
    violated: Vec<(Property, usize)>,
}

fn found() -> Vec<Found> {
    let read = |(cell, line): (Cell, &str)| {
        let (name, rest) = line.split_at(cell.to_string().len());
        assert_eq!(name, cell.to_string(), "the table has other cells than the matrix");
        let (states, violated) = rest.trim_start_matches(" | ").split_once(" | ").unwrap();
        let words: Vec<&str> = violated.split(' ').filter(|word| *word != "nothing").collect();
        let violated = words.chunks(2).filter(|pair| pair[1] != "silent");
        let violated = violated.map(|pair| (pair[0].parse().unwrap(), pair[1].parse().unwrap()));
        // No state is counted where everything is violated.
        Found { states: states.parse().unwrap_or(0), violated: violated.collect(), cell }
    };
    cells().into_iter().zip(TABLE.lines().filter(|line| !line.starts_with('#'))).map(read).collect()
}

/// What a variant is called within its strategy's section, such as `wall clock; register`.
fn variant(strategy: &Strategy, workload: Workload) -> String {
    let whole = strategy.to_string();
    let variant = whole.strip_prefix(strategy.name()).unwrap().trim_matches([' ', '(', ')']);
    if variant.is_empty() { workload.to_string() } else { format!("{variant}; {workload}") }
}

fn is_of(found: &Found, strategy: &Strategy, workload: Workload) -> bool {
    found.cell.scope.strategy == *strategy && found.cell.scope.workload == workload
}

/// Whether a table names it: that something is lost goes without saying beside the fate of what is lost.
fn is_told(property: Property) -> bool {
    property != Property::NothingLost
}

/// Whether a witness of it is worth its place: a write that is shown by some replicas only is one more way to say that
/// they differ.
fn has_witness(property: Property) -> bool {
    is_told(property) && property != Property::No(Fate::Partial)
}

/// All variants side by side: what their contracts permit.
fn contracts() -> String {
    let mut table = String::from(
        "| strategy | replicas become equal | fates that its contract permits |\n|---|---|---|\n",
    );
    let mut named = BTreeSet::new();
    for (strategy, _) in strategies() {
        if named.insert(strategy.to_string()) {
            let equal = if strategy.resolver().converges() { "promised" } else { "not promised" };
            let permits = strategy.resolver().permits().iter().map(|fate| format!("`{fate}`"));
            let permits = permits.collect::<Vec<_>>().join(", ");
            let permits = if permits.is_empty() { "none" } else { &permits };
            writeln!(table, "| `{strategy}` | {equal} | {permits} |").unwrap();
        }
    }
    table
}

/// What is violated in the cells of a variant under a class of faults; the shapes, where it is not all of them.
fn cell_words(all: &[Found], strategy: &Strategy, workload: Workload, fault: FaultClass) -> String {
    let those = || all.iter().filter(|found| found.cell.fault == fault && is_of(found, strategy, workload));
    let words = Property::ALL.into_iter().filter(|&property| is_told(property)).filter_map(|property| {
        let has = |found: &&Found| found.violated.iter().any(|&(violated, _)| violated == property);
        let shapes: Vec<&str> = those().filter(has).map(|found| found.cell.scope.topology.name()).collect();
        match shapes.len() {
            0 => None,
            few if few < TOPOLOGIES.len() => Some(format!("`{property}` ({})", shapes.join(", "))),
            _ => Some(format!("`{property}`")),
        }
    });
    let words = words.collect::<Vec<_>>().join(", ");
    if words.is_empty() { "-".to_owned() } else { words }
}

/// What the matrix says of a strategy: for each variant a line for all classes of faults that do the same to it.
fn matrix(all: &[Found], name: &str) -> String {
    let mut table = String::from("| variant | faults | violated |\n|---|---|---|\n");
    for (strategy, workload) in strategies().iter().filter(|(strategy, _)| strategy.name() == name) {
        let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
        for fault in FaultClass::ALL.into_iter().filter(|fault| fault.applies_to(strategy, *workload)) {
            let words = cell_words(all, strategy, *workload, fault);
            match lines.iter_mut().find(|(known, _)| *known == words) {
                Some((_, faults)) => faults.push(fault.name()),
                None => lines.push((words, vec![fault.name()])),
            }
        }
        let mut who = variant(strategy, *workload);
        for (words, faults) in lines {
            writeln!(table, "| {} | {} | {words} |", core::mem::take(&mut who), faults.join(", ")).unwrap();
        }
    }
    table
}

/// The shortest way to a violation among some cells: what is said of it, and the way itself if it is cheap to find.
fn witness<'a>(
    who: &str,
    property: Property,
    those: impl Iterator<Item = &'a Found>,
    cheap: usize,
) -> Option<(String, Option<String>)> {
    let steps = |found: &Found| {
        found.violated.iter().find(|(violated, _)| *violated == property).map(|&(_, steps)| steps)
    };
    let violated = those.filter_map(|found| Some((steps(found)?, found)));
    let (steps, nearest) = violated.min_by_key(|(steps, found)| (*steps, found.states))?;
    let head = format!("{who}: {property} in {steps} steps, {}\n", nearest.cell.scope.topology.name());
    Some((head, (nearest.states < cheap).then(|| way(&nearest.cell, property, steps))))
}

/// The shortest ways to what a strategy loses while all leaders live.
fn witnesses(all: &[Found], name: &str, cheap: usize) -> Vec<(String, Option<String>)> {
    let mut lines = Vec::new();
    for (strategy, workload) in strategies().iter().filter(|(strategy, _)| strategy.name() == name) {
        for property in Property::ALL.into_iter().filter(|&property| has_witness(property)) {
            let lives =
                |found: &&Found| found.cell.fault != FaultClass::Crash && is_of(found, strategy, *workload);
            lines.extend(witness(&variant(strategy, *workload), property, all.iter().filter(lives), cheap));
        }
    }
    lines
}

/// The shortest ways to what is lost when a leader dies, whatever the strategy.
fn deaths(all: &[Found], cheap: usize) -> Vec<(String, Option<String>)> {
    let dies = |found: &&Found| found.cell.fault == FaultClass::Crash;
    let nearest = |property| {
        let name = all
            .iter()
            .filter(dies)
            .filter_map(|found| {
                let &(_, steps) = found.violated.iter().find(|(violated, _)| *violated == property)?;
                Some((steps, found.states, &found.cell.scope.strategy))
            })
            .min_by_key(|(steps, states, _)| (*steps, *states))
            .map(|(_, _, strategy)| strategy.to_string())?;
        witness(&name, property, all.iter().filter(dies), cheap)
    };
    Property::ALL.into_iter().filter(|&property| is_told(property)).filter_map(nearest).collect()
}

fn way(cell: &Cell, property: Property, steps: usize) -> String {
    let world = World::new(cell.scope.clone()).unwrap();
    let Verdict::Violated { path, .. } = check(&world, property, Limits::default()) else {
        panic!("{cell}: {property} is not violated");
    };
    assert_eq!(path.len(), steps, "{cell}: {property}");
    let steps: Vec<String> = path.iter().map(ToString::to_string).collect();
    format!("  {}\n", steps.join("; "))
}

fn opening(what: &str) -> String {
    format!("<!-- {what}: generated -->\n")
}

const CLOSING: &str = "<!-- end -->\n";

/// What stands in a generated block of the page.
#[track_caller]
fn block<'a>(page: &'a str, what: &str) -> &'a str {
    let start = page.find(&opening(what)).unwrap_or_else(|| panic!("the page has no {what}; {UPDATE}"));
    let inside = &page[start + opening(what).len()..];
    &inside[..inside.find(CLOSING).unwrap()]
}

fn put(page: &mut String, what: &str, content: &str) {
    let opening = opening(what);
    if let Some(start) = page.find(&opening) {
        let end = start + page[start..].find(CLOSING).unwrap();
        page.replace_range(start..end, &format!("{opening}{content}"));
    } else {
        write!(page, "\n{opening}{content}{CLOSING}").unwrap();
    }
}

fn fenced(lines: &[(String, Option<String>)]) -> String {
    let text: String =
        lines.iter().flat_map(|(head, way)| [head.as_str(), way.as_deref().unwrap_or("")]).collect();
    if text.is_empty() { "Nothing is violated.\n".to_owned() } else { format!("```text\n{text}```\n") }
}

fn update() {
    let (all, mut page) = (found(), fs::read_to_string(PAGE).unwrap());
    put(&mut page, "contracts", &contracts());
    for name in Strategy::NAMES {
        if !page.contains(&format!("\n## `{name}`\n")) {
            write!(page, "\n## `{name}`\n").unwrap();
        }
        put(&mut page, &format!("matrix of {name}"), &matrix(&all, name));
        put(&mut page, &format!("witnesses of {name}"), &fenced(&witnesses(&all, name, usize::MAX)));
    }
    put(&mut page, "witnesses of deaths", &fenced(&deaths(&all, usize::MAX)));
    fs::write(PAGE, page).unwrap();
}

#[test]
fn the_page_says_of_every_strategy_what_the_model_checker_found() {
    if std::env::var_os("UPDATE").is_some() {
        update();
    }
    let (all, page) = (found(), fs::read_to_string(PAGE).unwrap());
    assert_eq!(block(&page, "contracts"), contracts(), "{UPDATE}");
    for name in Strategy::NAMES {
        assert_eq!(block(&page, &format!("matrix of {name}")), matrix(&all, name), "{UPDATE}");
        assert_witnesses(&page, name, witnesses(&all, name, CHEAP));
    }
    assert_witnesses(&page, "deaths", deaths(&all, CHEAP));
}

/// The page has these witnesses in this order, and no other.
#[track_caller]
fn assert_witnesses(page: &str, of: &str, expected: Vec<(String, Option<String>)>) {
    let mut said = block(page, &format!("witnesses of {of}"));
    let count = said.lines().filter(|line| line.starts_with("  ")).count();
    assert_eq!(count, expected.len(), "{of}: {UPDATE}");
    for (head, way) in expected {
        let place = said.find(&head).unwrap_or_else(|| panic!("not in its place: {head}{UPDATE}"));
        said = &said[place + head.len()..];
        assert!(way.is_none_or(|way| said.starts_with(&way)), "another way: {head}{UPDATE}");
    }
}

/// The words between the heading of a section and the next one that nobody generated.
fn words<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let section = page.split_once(&format!("\n## `{name}`\n")).map_or("", |(_, after)| after);
    let section = section.split("\n## ").next().unwrap();
    let mut generated = false;
    let by_hand = section.lines().filter(|line| {
        generated |= line.starts_with("<!--");
        let keep = !generated;
        generated &= *line != CLOSING.trim_end();
        keep
    });
    by_hand.flat_map(str::split_whitespace).collect()
}

#[test]
fn every_strategy_is_described_in_words() {
    let page = fs::read_to_string(PAGE).unwrap();
    for name in Strategy::NAMES {
        let count = words(&page, name).len();
        assert!(
            count > 80,
            "the section on `{name}` in harness/docs/strategies.md has {count} words of its own: say what the strategy \
             does, what it may lose under which faults in which shapes, and what removes that"
        );
    }
}

#[test]
fn the_page_names_no_strategy_that_there_is_not() {
    let page = fs::read_to_string(PAGE).unwrap();
    let headings = page.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'));
    let headings: BTreeSet<&str> = headings.collect();
    assert_eq!(headings, BTreeSet::from(Strategy::NAMES));
}
