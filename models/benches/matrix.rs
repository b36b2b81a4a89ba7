//! The whole matrix, with its figures: `cargo bench -p quarrel-models --bench matrix`.
//!
//! Prints the lines of `tests/matrix.txt` to standard output, and states, time and rate to standard error. With
//! `UPDATE=1` it writes the file. With the argument `rate` it measures one larger world instead.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints figures"
)]

#[path = "../tests/matrix/lines.rs"]
mod lines;

use quarrel_models::{
    check::{Limits, Property, Scope, World, check, matrix::cells},
    strategy::{LastWriteWins, Strategy},
    topology::Topology,
};
use std::{fs, time::Instant};

fn main() {
    if std::env::args().any(|argument| argument == "rate") { rate() } else { matrix() }
}

/// Last write wins, all to all, 3 leaders and 4 writes that take no time; no faults, no reductions.
fn rate() {
    let strategy = Strategy::Lww(LastWriteWins::default());
    let scope = Scope { writes: 4, overlap: false, ..Scope::new(strategy, Topology::AllToAll) };
    let begin = Instant::now();
    let verdict = check(&World::new(scope).unwrap(), Property::Converged, Limits::default());
    let seconds = begin.elapsed().as_secs_f64();
    let states = verdict.states();
    println!(
        "{}: {states} states in {seconds:.2} s, {:.0} a second",
        verdict.name(),
        states as f64 / seconds
    );
    // Linux tells; elsewhere the line is missing.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
}

fn matrix() {
    let begin = Instant::now();
    let (mut table, mut total, mut largest) = (String::new(), 0, 0);
    for cell in cells() {
        let begin = Instant::now();
        let line = lines::of(&cell, Limits::default());
        println!("{}", line.text);
        eprintln!("{cell}: {} states in {:?}", line.states, begin.elapsed());
        table += &line.text;
        table.push('\n');
        total += line.states;
        largest = largest.max(line.states);
    }
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!("{total} states, at most {largest} a cell, in {seconds:.1} s");
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/matrix.txt");
        fs::write(path, lines::HEADER.to_owned() + &table).unwrap();
    }
}
