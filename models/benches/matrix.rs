//! The whole matrix, with its figures: `cargo bench -p quarrel-models --bench matrix`.
//!
//! Prints the lines of `tests/matrix.txt` to standard output, and to standard error for each cell the states, the
//! seconds, the states a CPU second and the bytes a state. With `UPDATE=1` it writes the file. With the argument `rate`
//! it measures larger worlds instead, one at a time; with `rate 4 4` only that of so many leaders and writes, once.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints figures"
)]

mod cpu;
#[path = "../tests/matrix/lines.rs"]
mod lines;

use cpu::cpu;
use quarrel_models::{
    check::{
        Limits, Property, Reductions, Scope, World, explore,
        matrix::{cells, explore_all},
    },
    strategy::{LastWriteWins, Strategy},
    topology::Topology,
};
use std::{
    fs,
    time::{Duration, Instant},
};

fn main() {
    if std::env::args().any(|argument| argument == "rate") { rates() } else { matrix() }
}

/// Last write wins, all to all, writes that take no time, no faults; first every state, then with reductions.
/// The smaller worlds several times, a new one each time, so that the tables are filled anew.
fn rates() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    if let &[leaders, writes] = &*numbers {
        return rate((leaders, u8::try_from(writes).unwrap()), 1, Reductions::NONE);
    }
    let symmetry = Reductions { symmetry: true, ..Reductions::NONE };
    let sync_points = Reductions { sync_points: true, ..Reductions::NONE };
    for reductions in [Reductions::NONE, symmetry, sync_points, Reductions::ALL] {
        println!("{reductions:?}");
        for (leaders, writes, times) in [(3, 3, 50), (3, 4, 20), (3, 5, 1), (4, 3, 10), (4, 4, 1)] {
            rate((leaders, writes), times, reductions);
        }
        // Linux tells the most memory that the process ever held; elsewhere the line is missing.
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
    }
}

fn rate((leaders, writes): (usize, u8), times: usize, reductions: Reductions) {
    let begin = Instant::now();
    let strategy = Strategy::Lww(LastWriteWins::default());
    let shape = Scope::new(strategy, Topology::AllToAll);
    let scope = Scope { leaders, clients: leaders, writes, overlap: false, ..shape };
    let time = Duration::from_secs(300);
    let limits = Limits { states: 100_000_000, time, reductions, ..Limits::default() };
    let explored = || explore(&World::new(scope.clone()).unwrap(), &[Property::Converged], limits);
    let before = cpu(begin);
    (1..times).for_each(|_| drop(explored()));
    let last = explored();
    let seconds = (cpu(begin) - before).as_secs_f64() / times as f64;
    let (states, depth) = (last.states, last.depth);
    println!(
        "{leaders} leaders, {writes} writes: {}, {states} states, {depth} deep, {seconds:.4} CPU s, {:.0} a CPU s, \
         {} bytes a state",
        last.verdicts[0].name(),
        states as f64 / seconds,
        last.bytes / states
    );
}

fn matrix() {
    let begin = Instant::now();
    let (mut table, mut total, mut largest) = (String::new(), 0, 0);
    let mut last = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    explore_all(&cells(), Limits::default(), threads, |cell, explored| {
        let explored = explored.unwrap();
        let line = lines::of(cell, &explored);
        println!("{line}");
        let (states, bytes) = (explored.states, explored.bytes);
        eprintln!(
            "{cell}: {states} states, {:?} after the one before, {} bytes a state",
            last.elapsed(),
            bytes / states
        );
        last = Instant::now();
        table += &line;
        table.push('\n');
        total += states;
        largest = largest.max(states);
    });
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!("{total} states, at most {largest} a cell, in {seconds:.1} s on {threads} threads");
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/matrix.txt");
        fs::write(path, lines::HEADER.to_owned() + table.as_str()).unwrap();
    }
}
