//! How fast recorded histories are read and judged: a million operations, from bytes to verdict.
//!
//! `cargo bench -p quarrel-workloads --bench recorded`.

mod generated;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use generated::{causal, edn, json_lines};
use quarrel_workloads::{
    checker::standalone::{Options, find},
    history::recorded::{Format, ReadOptions, Recorded, read},
    verdict::Verdict,
};

const OPERATIONS: u64 = 1_000_000;

fn load(text: &str, format: Format) -> Recorded {
    read(text.as_bytes(), Some(format), ReadOptions::default()).expect("it is a history")
}

fn judge(checker: &str, history: &Recorded) {
    let checker = find(checker).expect("there is such a checker");
    let findings = checker.check(history, &Options::DEFAULT).expect("it fits");
    assert_eq!(findings.verdict, Verdict::Pass);
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recorded");
    group.sample_size(10).throughput(Throughput::Elements(OPERATIONS));
    let ten = causal(OPERATIONS, 10);
    for (name, text, format) in [("edn", edn(&ten), Format::Edn), ("jsonl", json_lines(&ten), Format::Jsonl)]
    {
        group.bench_function(format!("read {name}"), |bench| bench.iter(|| load(&text, format)));
    }
    for (sessions, operations) in [(10, ten), (50, causal(OPERATIONS, 50))] {
        let history = load(&edn(&operations), Format::Edn);
        for checker in ["causal", "sessions"] {
            group.bench_function(format!("{checker}, {sessions} sessions"), |bench| {
                bench.iter(|| judge(checker, &history))
            });
        }
    }
    group.finish();
}

criterion_group!(recorded, benches);
criterion_main!(recorded);
