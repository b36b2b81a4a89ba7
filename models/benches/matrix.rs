//! The whole matrix, with its figures: `cargo bench -p quarrel-models --bench matrix`.
//!
//! Prints the lines of `tests/matrix.txt` to standard output, and states, time and rate to standard error. With
//! `QUARREL_UPDATE=1` it writes the file.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints figures"
)]

#[path = "../tests/matrix/lines.rs"]
mod lines;

use quarrel_models::check::{Limits, matrix::cells};
use std::time::Instant;

fn main() {
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
    if std::env::var_os("QUARREL_UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/matrix.txt");
        std::fs::write(path, lines::HEADER.to_owned() + &table).unwrap();
    }
}
