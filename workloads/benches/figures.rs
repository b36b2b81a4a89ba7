//! The figures that are promised for foreign histories, from the file to the verdict, in one table: `cargo bench -p
//! quarrel-workloads --bench figures [WORD]` measures the rows that have the word in them.
//!
//! Every run is a process of its own, on one core, so that the peak of memory is its own; medians of five. Files lie in
//! the page cache. With `QUARREL_CORPUS` also that corpus, best of twenty each.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and may stop at what is wrong"
)]

mod generated;

use generated::{causal, edn, json_lines, registers, set, transactions};
use quarrel_workloads::{
    checker::standalone::{self, Options},
    history::recorded::{ReadOptions, read, write_binary},
};
use std::{
    env, fs,
    io::BufReader,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// One row: a history, the checkers that judge it, and what was promised.
struct Row {
    what: &'static str,
    checkers: &'static [&'static str],
    formats: &'static [&'static str],
    operations: u64,
    history: fn(u64) -> String,
}

const MILLION: u64 = 1_000_000;

const ROWS: &[Row] = &[
    Row {
        what: "register, 1000 keys",
        checkers: &["linearizable"],
        formats: &["binary", "edn", "jsonl"],
        operations: MILLION,
        history: |operations| registers(operations, 1000),
    },
    Row {
        what: "register, 1 key",
        checkers: &["linearizable"],
        formats: &["binary", "edn"],
        operations: MILLION,
        history: |operations| registers(operations, 1),
    },
    Row {
        what: "register, 1000 keys",
        checkers: &["linearizable"],
        formats: &["binary"],
        operations: 10 * MILLION,
        history: |operations| registers(operations, 1000),
    },
    Row {
        what: "register, 1 key",
        checkers: &["linearizable"],
        formats: &["edn"],
        operations: 30_000,
        history: |operations| registers(operations, 1),
    },
    Row {
        what: "10 sessions",
        checkers: &["causal", "sessions"],
        formats: &["binary", "edn", "jsonl"],
        operations: MILLION,
        history: |operations| edn(&causal(operations, 10)),
    },
    Row {
        what: "50 sessions",
        checkers: &["causal", "sessions"],
        formats: &["edn"],
        operations: MILLION,
        history: |operations| edn(&causal(operations, 50)),
    },
    Row {
        what: "set, read once",
        checkers: &["set", "set-full"],
        formats: &["edn"],
        operations: MILLION,
        history: set,
    },
    Row {
        what: "transactions of 2 steps",
        checkers: &["list-append"],
        formats: &["edn"],
        operations: 100_000,
        history: |operations| transactions(true, operations),
    },
    Row {
        what: "transactions of 2 steps",
        checkers: &["rw-register"],
        formats: &["edn"],
        operations: 100_000,
        history: |operations| transactions(false, operations),
    },
];

/// What one process measured: seconds, and bytes an operation.
#[derive(Debug, Clone, Copy)]
struct Measured {
    read: f64,
    check: f64,
    cpu: f64,
    bytes: f64,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let [word, checker, file] = arguments.as_slice()
        && word == "judge"
    {
        return judge(checker, Path::new(file));
    }
    let wanted = arguments.first().map_or("", String::as_str);
    let folder = env::temp_dir().join(format!("quarrel-figures-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    println!(
        "{:<24} {:>10} {:<7} {:<13} {:>7} {:>7} {:>7} {:>7} {:>9}",
        "history", "operations", "format", "checker", "read s", "check s", "both s", "CPU s", "bytes/op"
    );
    for row in ROWS {
        let line = format!("{} {} {:?} {:?}", row.what, row.operations, row.checkers, row.formats);
        if line.contains(wanted) {
            measure(row, &folder);
        }
    }
    fs::remove_dir_all(&folder).unwrap();
    corpus();
}

fn measure(row: &Row, folder: &Path) {
    let text = (row.history)(row.operations);
    for format in row.formats {
        let file = folder.join(format!("history.{format}"));
        write(row, format, &text, &file);
        for checker in row.checkers {
            let mut runs: Vec<Measured> =
                (0..5).map(|_| in_its_own_process(checker, &file, row.operations)).collect();
            let mut median = |of: fn(&Measured) -> f64| {
                runs.sort_by(|one, other| of(one).total_cmp(&of(other)));
                of(&runs[runs.len() / 2])
            };
            println!(
                "{:<24} {:>10} {format:<7} {checker:<13} {:>7.3} {:>7.3} {:>7.3} {:>7.3} {:>9.0}",
                row.what,
                row.operations,
                median(|run| run.read),
                median(|run| run.check),
                median(|run| run.read + run.check),
                median(|run| run.cpu),
                median(|run| run.bytes),
            );
        }
        fs::remove_file(&file).unwrap();
    }
}

fn write(row: &Row, format: &str, text: &str, file: &Path) {
    match format {
        "binary" => {
            let history = read(text.as_bytes(), None, ReadOptions::default()).unwrap();
            let mut out = std::io::BufWriter::new(fs::File::create(file).unwrap());
            write_binary(&history, &mut out).unwrap();
        }
        // Sessions have a shape of their own in JSON; all else is the same history again.
        "jsonl" if row.what.ends_with("sessions") => {
            fs::write(file, json_lines(&causal(row.operations, 10))).unwrap();
        }
        "jsonl" => fs::write(file, as_json(text)).unwrap(),
        _ => fs::write(file, text).unwrap(),
    }
}

/// The same events, one JSON object a line.
fn as_json(edn: &str) -> String {
    let mut json = String::with_capacity(edn.len() * 5 / 4);
    for word in edn.split_inclusive([' ', '\n']) {
        let end = word.trim_end();
        let body = end.trim_matches(['{', '}', ',']);
        let shown = match body.strip_prefix(':') {
            Some(name) if end.starts_with('{') || !end.ends_with([',', '}']) => format!("\"{name}\":"),
            Some(name) => format!("\"{name}\""),
            None if body == "nil" => "null".to_owned(),
            None => body.to_owned(),
        };
        json.push_str(&end.replace(body, &shown));
        json.push_str(if word.ends_with('\n') { "\n" } else { "" });
    }
    json
}

fn in_its_own_process(checker: &str, file: &Path, operations: u64) -> Measured {
    let out = Command::new(env::current_exe().unwrap()).args(["judge", checker]).arg(file).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let words: Vec<f64> =
        String::from_utf8(out.stdout).unwrap().split_whitespace().map(|word| word.parse().unwrap()).collect();
    let [read, check, cpu, bytes] = words[..] else { panic!("{words:?}") };
    #[expect(clippy::cast_precision_loss, reason = "a count of operations has fewer than 53 bits")]
    let bytes = bytes / operations as f64;
    Measured { read, check, cpu, bytes }
}

/// Reads and judges one file, and tells seconds, CPU seconds, and bytes at the peak.
fn judge(checker: &str, file: &Path) {
    let began = Instant::now();
    let input = BufReader::with_capacity(1 << 20, fs::File::open(file).unwrap());
    let history = read(input, None, ReadOptions::default()).unwrap();
    let read = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let findings = standalone::find(checker).unwrap().check(&history, &Options::DEFAULT).unwrap();
    let check = began.elapsed().as_secs_f64();
    assert_eq!(findings.verdict.to_string(), "pass", "{findings:?}");
    let nanoseconds: f64 =
        fs::read_to_string("/proc/self/schedstat").unwrap().split(' ').next().unwrap().parse().unwrap();
    println!("{read} {check} {} {}", nanoseconds / 1e9, peak_bytes());
}

/// The peak of this process's resident memory, as Linux tells it.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

/// The best of some times.
fn best(times: u32, run: impl Fn()) -> Duration {
    let took = (0..times).map(|_| {
        let began = Instant::now();
        run();
        began.elapsed()
    });
    took.min().unwrap()
}

fn corpus() {
    let Some(corpus) = env::var_os("QUARREL_CORPUS") else { return };
    let folders = ["porcupine/etcd", "porcupine/kv", "knossos/cas-register/good", "cas-register-own"];
    println!(
        "\n{:<28} {:>5} {:>10} {:>10} {:>10}  slowest file",
        "corpus, check alone", "files", "total ms", "median ms", "slowest ms"
    );
    let mut rows: Vec<(&str, &str, Vec<PathBuf>)> =
        folders.map(|folder| (folder, "linearizable", files(&Path::new(&corpus).join(folder)))).to_vec();
    rows.push(("jepsen-la", "list-append", files(&Path::new(&corpus).join("jepsen-la"))));
    rows.push(("jepsen-rw", "rw-register", files(&Path::new(&corpus).join("jepsen-rw"))));
    for (folder, checker, paths) in rows {
        let mut times: Vec<(Duration, &Path)> = Vec::new();
        for path in &paths {
            let history = read(fs::File::open(path).unwrap(), None, ReadOptions::default()).unwrap();
            let checker = standalone::find(checker).unwrap();
            let took = best(20, || drop(checker.check(&history, &Options::DEFAULT)));
            times.push((took, path));
        }
        times.sort();
        let total: Duration = times.iter().map(|(took, _)| *took).sum();
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let (slowest, path) = times[times.len() - 1];
        println!(
            "{folder:<28} {:>5} {:>10.2} {:>10.3} {:>10.2}  {}",
            times.len(),
            ms(total),
            ms(times[times.len() / 2].0),
            ms(slowest),
            path.file_name().unwrap().display()
        );
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
