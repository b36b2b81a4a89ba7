//! How long the checkers of linearizability and of transactions take: `cargo bench -p quarrel-workloads --bench
//! orders [NAME]`.
//!
//! Prints wall time, best of a few; histories are generated, reading them is timed apart.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and may stop at what is wrong"
)]

mod generated;

use generated::registers;
use quarrel_workloads::{
    checker::standalone::{self, Options},
    history::recorded::{ReadOptions, read},
};
use std::{
    env,
    time::{Duration, Instant},
};

fn main() {
    let wanted = env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let benches: [(&str, &dyn Fn()); 5] = [
        ("register-one-key", &|| register("30,000 operations, 1 key", 30_000, 1)),
        ("register-keys", &|| register("1,000,000 operations, 1000 keys", 1_000_000, 1000)),
        ("register-damaged", &damaged),
        ("list-append", &|| transactions("list-append", 100_000)),
        ("rw-register", &|| transactions("rw-register", 100_000)),
    ];
    for (name, bench) in benches {
        if name.contains(&wanted) {
            bench();
        }
    }
}

/// The best of some times.
fn best<T>(times: u32, run: impl Fn() -> T) -> (Duration, T) {
    let mut best = None;
    for _ in 0..times {
        let began = Instant::now();
        let result = run();
        let took = began.elapsed();
        if best.as_ref().is_none_or(|(least, _)| took < *least) {
            best = Some((took, result));
        }
    }
    best.unwrap()
}

fn check(name: &str, what: &str, edn: &str) {
    let (reading, history) = best(2, || read(edn.as_bytes(), None, ReadOptions::default()).unwrap());
    let checker = standalone::find(name).unwrap();
    let (checking, findings) = best(3, || checker.check(&history, &Options::DEFAULT).unwrap());
    println!(
        "{name}, {what}: {} in {checking:.1?}, read in {reading:.1?} ({} MB of EDN)",
        findings.verdict,
        edn.len() / 1_000_000
    );
    for anomaly in &findings.anomalies {
        println!("  {} {}: {:?}", anomaly.count, anomaly.kind, anomaly.witnesses[0].operations);
    }
}

fn register(what: &str, operations: u64, keys: u64) {
    check("linearizable", what, &registers(operations, keys));
}

/// One read in the middle of a register of few values shows an old value.
fn damaged() {
    let edn = registers(3_000, 1);
    // Values that are not unique ask for the general search.
    let mut lines: Vec<String> = edn.lines().map(|line| line.replace(":key 0, ", "")).collect();
    for line in &mut lines {
        let at = line.find(":value ").unwrap() + 7;
        if let Ok(value) = line[at..].trim_end_matches('}').parse::<u64>() {
            line.replace_range(at.., &format!("{}}}", value % 5));
        }
    }
    check("linearizable", "3,000 operations of 5 values", &lines.join("\n"));
    let from = lines.len() * 9 / 10;
    let read = (from..).find(|&at| lines[at].contains(":ok, :f :read")).unwrap();
    lines[read] = lines[read].replace(":value ", ":value 9");
    check("linearizable", "3,000 operations of 5 values, one damaged", &lines.join("\n"));
}

fn transactions(checker: &str, count: u64) {
    let edn = generated::transactions(checker == "list-append", count);
    check(checker, "strict-serializable, 100,000 transactions of 2 steps", &edn);
}
