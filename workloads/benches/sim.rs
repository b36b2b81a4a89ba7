//! How many seeds the simulator runs and judges: `cargo bench -p quarrel-workloads --bench sim`.
//!
//! Three leaders, two followers, 200 operations, about 20 faults, 30 simulated seconds; `-- 2000 lww` so many seeds of
//! one strategy. Says what each stage takes in CPU time of one core: expanding a seed, running the schedule, making the
//! history and judging it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints figures")]

use quarrel_models::sim::{Schedule, Silent, run};
use quarrel_workloads::{
    judge::Judgement,
    mark::Mark,
    scenario::{Scenario, parse},
    simulation::{Trial, expand, header, header_of, judge_schedule, observe},
};
use std::{collections::BTreeMap, env, fs, hint::black_box, time::Instant};

const SCENARIO: &str = r#"
name = "bench"
[cluster]
leaders = 3
followers = [{ of = ["A"], readable = true }, { of = ["B", "C"], readable = true }]
link = { latency_us = 1000, jitter_us = 4000 }
[strategy.STRATEGY]
PARAMETERS
[workload.set]
keys = 20
[clients]
count = 6
rate = 6.9
follower_reads = 0.3
[phases]
warm_up = "1s"
storm = "27s"
recovery = "1s"
[nemesis.partition]
shape = "isolate"
every = "7s"
for = "2s"
[nemesis.link]
links = ["A>B"]
quality = { latency_us = 20000, loss_ppm = 50000, duplicate_ppm = 50000, reorder_ppm = 50000 }
every = "9s"
for = "3s"
[nemesis.clock]
how = "offset"
by = "1s"
every = "8s"
for = "4s"
[nemesis.relocate]
every = "6s"
[nemesis.kill]
every = "12s"
down = "1s"
"#;

fn scenario(strategy: &str) -> Scenario {
    let parameters = if strategy.starts_with("on-") { "handler = 'union'" } else { "" };
    let text = SCENARIO.replace("STRATEGY", strategy).replace("PARAMETERS", parameters);
    parse("bench", &text, &Mark::ALL.map(Mark::name)).unwrap_or_else(|error| panic!("{error}"))
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let seeds: u64 = arguments.first().map_or(1000, |text| text.parse().unwrap());
    let all = ["lww", "home-leader", "on-write", "on-read"];
    for strategy in all.into_iter().filter(|name| arguments.get(1).is_none_or(|only| only == name)) {
        measure(&scenario(strategy), strategy, seeds);
    }
}

/// Microseconds of a seed.
fn each(seeds: u64, work: impl FnMut(u64)) -> f64 {
    let begin = (cpu_ns(), Instant::now());
    (1..=seeds).for_each(work);
    let ns = match (begin.0, cpu_ns()) {
        (Some(before), Some(after)) => (after - before) as f64,
        _ => begin.1.elapsed().as_secs_f64() * 1e9,
    };
    ns / 1e3 / seeds as f64
}

/// The CPU time of this thread in nanoseconds, where Linux tells it: on a busy machine wall time says little.
fn cpu_ns() -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}

fn measure(scenario: &Scenario, strategy: &str, seeds: u64) {
    let (mut operations, mut faults, mut events) = (0, 0, 0);
    let expanding = each(seeds, |seed| {
        let schedule = expand(scenario, seed).unwrap();
        operations += schedule.operations.len() as u64;
        faults += schedule.faults.len() as u64;
        black_box(schedule);
    });
    let schedules: Vec<_> = (1..=seeds).map(|seed| expand(scenario, seed).unwrap()).collect();
    let schedule = |seed: u64| &schedules[usize::try_from(seed - 1).unwrap()];
    let running = each(seeds, |seed| events += run(schedule(seed), &mut Silent).unwrap().traffic.events);
    let telling = each(seeds, |seed| {
        black_box(observe(schedule(seed), |event| drop(black_box(event))).unwrap().digest);
    });
    let mut verdicts: BTreeMap<String, u64> = BTreeMap::new();
    let all = each(seeds, |seed| {
        let simulated = judge_schedule(&header(scenario, seed), schedule(seed)).unwrap();
        *verdicts.entry(simulated.judgement.verdict.to_string()).or_default() += 1;
    });
    let whole = expanding + all;
    println!(
        "{strategy}: {whole:.0} us a seed, {:.0} seeds a minute and core: expand {expanding:.0}, run {running:.0} ({:.0} ns an \
         event), history {:.0}, judge {:.0}",
        60e6 / whole,
        running * 1000.0 * seeds as f64 / events as f64,
        telling - running,
        all - telling,
    );
    shrinking(scenario, &schedules[..schedules.len().min(100)]);
    println!(
        "    each {} operations, {} faults, {} events; {verdicts:?}",
        operations / seeds,
        faults / seeds,
        events / seeds
    );
}

/// What it takes to shrink the first schedules that lose a write.
fn shrinking(scenario: &Scenario, schedules: &[Schedule]) {
    let loses = |judgement: &Judgement| judgement.fates.keys().any(|fate| fate.is_loss());
    let of =
        |schedule: &Schedule| judge_schedule(&header_of(scenario, schedule), schedule).unwrap().judgement;
    let found: Vec<&Schedule> = schedules.iter().filter(|schedule| loses(&of(schedule))).take(20).collect();
    let (mut runs, mut sizes) = (0, Vec::new());
    let us = each(found.len().max(1) as u64, |number| {
        let Some(schedule) = usize::try_from(number - 1).ok().and_then(|index| found.get(index)) else {
            return;
        };
        let shrunk = Trial::new(scenario, false).shrink(schedule, loses, 10_000);
        runs += shrunk.runs;
        sizes.push(shrunk.schedule.operations.len() + shrunk.schedule.faults.len());
    });
    sizes.sort_unstable();
    if let (Some(largest), Some(median)) = (sizes.last(), sizes.get(sizes.len() / 2)) {
        println!(
            "    {} schedules shrunk, each in {:.0} ms and {} runs; to {median} events, at most {largest}",
            sizes.len(),
            us / 1000.0,
            runs / sizes.len() as u64
        );
    }
}
