//! How long the checkers of linearizability and of transactions take: `cargo bench -p quarrel-workloads --bench
//! orders [NAME]`.
//!
//! Prints wall time, best of a few; histories are generated, reading them is timed apart. With `QUARREL_CORPUS` also
//! the files of that corpus, best of twenty each.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and may stop at what is wrong"
)]

use quarrel_models::random::Stream;
use quarrel_workloads::{
    checker::standalone::{self, Options},
    history::recorded::{ReadOptions, Recorded, read},
};
use std::{
    collections::VecDeque,
    env,
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

fn main() {
    let wanted = env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let benches: [(&str, &dyn Fn()); 6] = [
        ("register-one-key", &|| register("30,000 operations, 1 key", 30_000, 1)),
        ("register-keys", &|| register("1,000,000 operations, 1000 keys", 1_000_000, 1000)),
        ("register-damaged", &damaged),
        ("list-append", &|| transactions("list-append", 100_000)),
        ("rw-register", &|| transactions("rw-register", 100_000)),
        ("corpus", &corpus),
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

/// A register per key with unique values and ten clients. Every operation takes effect when it returns.
fn registers(operations: u64, keys: u64) -> String {
    let mut random = Stream::new(1, "bench", 0);
    let mut values = vec![0_u64; usize::try_from(keys).unwrap()];
    let mut open: VecDeque<(u64, u64, Option<u64>)> = VecDeque::new();
    let mut edn = String::new();
    for n in 0..operations + 10 {
        if n >= 10 || open.len() == 10 {
            let (process, key, write) = open.pop_front().unwrap();
            let value = &mut values[usize::try_from(key).unwrap()];
            let f = if let Some(written) = write {
                *value = written;
                "write"
            } else {
                "read"
            };
            let shown = if *value == 0 { "nil".to_owned() } else { value.to_string() };
            let _ = writeln!(edn, "{{:process {process}, :type :ok, :f :{f}, :key {key}, :value {shown}}}");
        }
        if n < operations {
            let (process, key) = (n % 10, random.below(keys));
            let write = random.below(2).eq(&0).then_some(n + 1);
            let (f, value) = write.map_or(("read", "nil".to_owned()), |value| ("write", value.to_string()));
            let _ =
                writeln!(edn, "{{:process {process}, :type :invoke, :f :{f}, :key {key}, :value {value}}}");
            open.push_back((process, key, write));
        }
    }
    edn
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

/// Transactions of two steps on a few hundred keys at a time, one after the other, up to twenty overlapping.
fn transactions(checker: &str, count: u64) {
    let mut random = Stream::new(1, "bench", 1);
    let mut lists: Vec<Vec<u64>> = vec![Vec::new(); usize::try_from(count / 50).unwrap()];
    let mut open: VecDeque<(u64, String)> = VecDeque::new();
    let mut edn = String::new();
    for n in 0..count {
        if open.len() == 20 {
            let (process, done) = open.pop_front().unwrap();
            let _ = writeln!(edn, "{{:process {process}, :type :ok, :f :txn, :value [{done}]}}");
        }
        let (mut asked, mut done) = (String::new(), String::new());
        for step in 0..2 {
            let key = (n / 50).saturating_sub(random.below(20)).min(count / 50 - 1);
            let list = &mut lists[usize::try_from(key).unwrap()];
            let lists = checker == "list-append";
            if random.below(2) == 0 {
                let element = 2 * n + step + 1;
                list.push(element);
                let f = if lists { "append" } else { "w" };
                let _ = write!(asked, "[:{f} {key} {element}]");
                let _ = write!(done, "[:{f} {key} {element}]");
            } else {
                let _ = write!(asked, "[:r {key} nil]");
                let last = list.last().map_or("nil".to_owned(), u64::to_string);
                let shown = if lists { format!("{list:?}") } else { last };
                let _ = write!(done, "[:r {key} {shown}]");
            }
        }
        let process = n % 20;
        let _ = writeln!(edn, "{{:process {process}, :type :invoke, :f :txn, :value [{asked}]}}");
        open.push_back((process, done));
    }
    for (process, done) in open {
        let _ = writeln!(edn, "{{:process {process}, :type :ok, :f :txn, :value [{done}]}}");
    }
    check(checker, "strict-serializable, 100,000 transactions of 2 steps", &edn);
}

fn corpus() {
    let Some(corpus) = env::var_os("QUARREL_CORPUS") else { return };
    for folder in ["porcupine/etcd", "porcupine/kv", "knossos/cas-register/good", "cas-register-own"] {
        let mut times: Vec<(Duration, String)> = Vec::new();
        let mut paths: Vec<_> = fs::read_dir(Path::new(&corpus).join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        for path in paths {
            let history: Recorded =
                read(fs::File::open(&path).unwrap(), None, ReadOptions::default()).unwrap();
            let checker = standalone::find("linearizable").unwrap();
            let (took, _) = best(20, || checker.check(&history, &Options::DEFAULT).unwrap());
            times.push((took, path.file_name().unwrap().display().to_string()));
        }
        times.sort();
        let total: Duration = times.iter().map(|(took, _)| *took).sum();
        let (median, slowest) = (&times[times.len() / 2], &times[times.len() - 1]);
        println!(
            "{folder}: {} files in {total:.1?}, median {:.1?}, slowest {} in {:.1?}",
            times.len(),
            median.0,
            slowest.1,
            slowest.0
        );
    }
}
