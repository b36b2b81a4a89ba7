//! How fast recorded histories are read and judged: a million operations, from bytes to verdict.
//!
//! `cargo bench -p quarrel-workloads --bench recorded`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quarrel_models::random::Stream;
use quarrel_workloads::{
    checker::standalone::{Options, find},
    history::recorded::{Format, ReadOptions, Recorded, read},
    verdict::Verdict,
};
use std::fmt::Write as _;

const OPERATIONS: u64 = 1_000_000;
const KEYS: u64 = 1000;

/// One operation: who, of what, whether it writes, and the value written or read.
struct Op {
    process: u64,
    key: usize,
    is_write: bool,
    value: Option<u64>,
}

/// Sessions that follow one log of writes, each some way behind: causally consistent.
fn causal(sessions: u64) -> Vec<Op> {
    let mut random = Stream::new(1, "bench", 0);
    let mut log: Vec<Vec<(usize, u64)>> = vec![Vec::new(); 1000];
    let mut written = 0;
    let mut seen = vec![0; usize::try_from(sessions).unwrap_or(0)];
    (1..=OPERATIONS)
        .map(|n| {
            let process = random.below(sessions);
            let key = usize::try_from(random.below(KEYS)).unwrap_or(0);
            let is_write = random.below(2) == 0;
            let view = &mut seen[usize::try_from(process).unwrap_or(0)];
            let value = if is_write {
                written += 1;
                *view = written;
                log[key].push((written, n));
                Some(n)
            } else {
                let lag = usize::try_from(random.below(1000)).unwrap_or(0);
                *view = written.saturating_sub(lag).max(*view);
                let upto = log[key].partition_point(|&(place, _)| place <= *view);
                upto.checked_sub(1).map(|at| log[key][at].1)
            };
            Op { process, key, is_write, value }
        })
        .collect()
}

fn shown(value: Option<u64>) -> String {
    value.map_or("nil".to_owned(), |value| value.to_string())
}

/// As Jepsen writes it, two lines an operation.
fn edn(operations: &[Op]) -> String {
    let mut text = String::new();
    for (n, Op { process, key, is_write, value }) in (0_u64..).zip(operations) {
        let (f, value) = (if *is_write { "write" } else { "read" }, shown(*value));
        let input = if *is_write { value.as_str() } else { "nil" };
        let (index, time) = (n * 2, n * 10_000);
        let _ = writeln!(
            text,
            "{{:index {index}, :time {time}, :type :invoke, :process {process}, :f :{f}, :key {key}, :value {input}}}\n\
             {{:index {}, :time {}, :type :ok, :process {process}, :f :{f}, :key {key}, :value {value}}}",
            index + 1,
            time + 5000,
        );
    }
    text
}

/// One JSON object a line.
fn json_lines(operations: &[Op]) -> String {
    let mut text = String::new();
    for (n, Op { process, key, is_write, value }) in (0_u64..).zip(operations) {
        let f = if *is_write { "write" } else { "read" };
        let value = value.map_or("null".to_owned(), |value| value.to_string());
        let input = if *is_write { value.as_str() } else { "null" };
        let (index, time) = (n * 2, n * 10_000);
        let _ = writeln!(
            text,
            "{{\"index\":{index},\"time\":{time},\"type\":\"invoke\",\"process\":{process},\"f\":\"{f}\",\"key\":{key},\"value\":{input}}}\n\
             {{\"index\":{},\"time\":{},\"type\":\"ok\",\"process\":{process},\"f\":\"{f}\",\"key\":{key},\"value\":{value}}}",
            index + 1,
            time + 5000,
        );
    }
    text
}

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
    let ten = causal(10);
    for (name, text, format) in [("edn", edn(&ten), Format::Edn), ("jsonl", json_lines(&ten), Format::Jsonl)]
    {
        group.bench_function(format!("read {name}"), |bench| bench.iter(|| load(&text, format)));
    }
    for (sessions, operations) in [(10, ten), (50, causal(50))] {
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
