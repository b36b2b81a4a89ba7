//! The matrix is what the committed table says, and the table says nothing else.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "matrix/lines.rs"]
mod lines;

use quarrel_models::{
    check::{
        Limits,
        matrix::{Cell, cells, strategies},
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
    cell.scope.topology == Topology::Ring && states.is_some_and(|states| states < 11_000)
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
    let mut checked = 0;
    for (cell, line) in cells().iter().zip(expected()) {
        if !cfg!(debug_assertions) || is_cheap(cell, line) {
            assert_eq!(lines::of(cell, Limits::default()).text, line);
            checked += 1;
        }
    }
    assert!(checked >= 50, "only {checked} cells were checked");
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
