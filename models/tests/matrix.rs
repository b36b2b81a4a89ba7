//! The matrix is what the committed table says, and the table says nothing else.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "matrix/lines.rs"]
mod lines;

use quarrel_models::{
    check::{
        Limits,
        matrix::{Cell, cells, explore_all, strategies},
    },
    strategy::Strategy,
    topology::Topology,
};
use std::collections::BTreeSet;

const TABLE: &str = include_str!("matrix.txt");

fn expected() -> Vec<&'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#')).collect()
}

/// Whether a debug build checks the cell: on a ring, and of so few states.
fn is_cheap(cell: &Cell, line: &str) -> bool {
    let states = line.split('|').nth(4).and_then(|states| states.trim().parse::<usize>().ok());
    cell.scope.topology == Topology::Ring && states.is_some_and(|states| states < 3_000)
}

#[test]
fn the_table_has_a_line_for_each_cell_and_no_other() {
    let named: Vec<String> = cells().iter().map(Cell::to_string).collect();
    let lines: Vec<String> = expected()
        .iter()
        .map(|line| line.split('|').take(4).collect::<Vec<_>>().join("|").trim().to_owned())
        .collect();
    assert_eq!(named, lines);
    assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len(), "two cells have one name");
}

/// In a debug build only the cells that are cheap: a release build checks all.
#[test]
fn every_cell_finds_what_the_table_says() {
    let checked = |(cell, line): &(Cell, &str)| !cfg!(debug_assertions) || is_cheap(cell, line);
    let (cells, expected): (Vec<Cell>, Vec<&str>) =
        cells().into_iter().zip(expected()).filter(checked).unzip();
    assert!(cells.len() >= 50, "only {} cells are checked", cells.len());
    let mut found = Vec::new();
    explore_all(&cells, Limits::default(), 2, |cell, explored| {
        found.push(lines::of(cell, &explored.unwrap()));
    });
    assert_eq!(found, expected);
}

/// The cells that are told come in their order, each once, whoever is ready first.
#[test]
fn any_number_of_threads_tells_the_same() {
    let limits = Limits { states: 300, ..Limits::default() };
    let told = |threads| {
        let mut told = Vec::new();
        explore_all(&cells()[..24], limits, threads, |cell, explored| {
            let verdicts: Vec<String> = explored.unwrap().verdicts.iter().map(|v| format!("{v:?}")).collect();
            told.push((cell.clone(), verdicts));
        });
        told
    };
    let one = told(1);
    assert_eq!(one.len(), 24);
    assert_eq!(one, told(3));
    assert_eq!(one, told(0), "at least one thread works");
}

#[test]
fn every_strategy_is_in_the_matrix() {
    let there: BTreeSet<&str> = strategies().iter().map(|(strategy, _)| strategy.name()).collect();
    assert_eq!(there, BTreeSet::from(Strategy::NAMES));
}

#[test]
fn no_cell_ran_into_a_bound() {
    assert!(expected().iter().all(|line| !line.contains("unknown")));
}
