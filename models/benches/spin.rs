//! How fast the model checker is beside Spin: `cargo bench -p quarrel-models --bench spin`.
//!
//! The same system and the same states on both sides (`tests/spin/lww.pml`): last write wins, all to all, 3 leaders and
//! 5 writes that take no time, every state visited and none judged. Both by CPU time where the system tells, so that
//! what else the machine does weighs little. Without Spin it says so and does nothing.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints figures")]

mod cpu;
#[path = "../tests/spin/oracle.rs"]
mod oracle;

use cpu::cpu;
use oracle::{MODEL, Search, System, explore, missing};
use quarrel_models::check::{Limits, World, survey};
use std::time::{Duration, Instant};

fn main() {
    if let Some(missing) = missing() {
        println!("no comparison with Spin: {missing}");
        return;
    }
    let system = System::new(3, 5);
    println!("{system}");
    let spin = explore(MODEL, &system, None, Search::DepthFirst);
    let world = World::new(system.scope()).unwrap();
    let begin = Instant::now();
    let before = cpu(begin);
    let limits = Limits { states: 100_000_000, time: Duration::from_secs(600), ..Limits::default() };
    let verdicts = survey(&world, &["delivered".parse().unwrap()], limits);
    let seconds = (cpu(begin) - before).as_secs_f64();
    let states = verdicts[0].states();
    let rate = |name: &str, states: usize, seconds: f64| {
        let rate = states as f64 / seconds;
        println!("{name}: {states} states in {seconds:.2} CPU s, {rate:.0} a CPU s");
        rate
    };
    let (ours, spins) = (rate("ours", states, seconds), rate("spin", spin.states, spin.seconds));
    println!("ratio: {:.2} of the rate of Spin", ours / spins);
    assert_eq!(states, spin.states, "the two sides did not explore the same states");
}
