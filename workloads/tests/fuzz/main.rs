//! A fuzzer of our own over the targets of `fuzz/`, for any toolchain: every reader and every checker comes back from
//! whatever it is given, within a stated bound of memory.
//!
//! Inputs are mutations of seeds, and the same in every run. `QUARREL_FUZZ_INPUTS=100000 cargo test -p
//! quarrel-workloads --release --test fuzz` tries more of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and says what hangs")]

mod memory;
mod mutate;
#[path = "../../fuzz/src/targets.rs"]
#[expect(unreachable_pub, reason = "cargo-fuzz shares this file")]
mod targets;

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// What a target may hold for an input: a window to read through and tables that start at some size, and so many
/// bytes for every byte of the input. The shortest event, of 12 bytes, becomes an operation of 64; and tables double.
const ALWAYS: usize = 4 << 20;
const PER_BYTE: usize = 200;

/// Past any doubt: an input takes microseconds.
const ENDLESS: Duration = Duration::from_secs(120);

/// What a target did with an input that it must not do.
#[derive(Debug)]
struct Finding {
    input: Vec<u8>,
    what: String,
}

fn seeds(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let of_kind = paths.iter().filter(|path| path.extension().is_some_and(|found| found == extension));
    let seeds: Vec<Vec<u8>> = of_kind.map(|path| fs::read(path).unwrap()).collect();
    assert!(!seeds.is_empty(), "there are seeds that end in {extension}");
    seeds
}

/// The same histories in the binary form.
fn binary(texts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    use quarrel_workloads::history::recorded::{ReadOptions, read, write_binary};
    let encoded = texts.iter().map(|text| {
        let history = read(text.as_slice(), None, ReadOptions::default()).unwrap();
        let mut bytes = Vec::new();
        write_binary(&history, &mut bytes).unwrap();
        bytes
    });
    encoded.collect()
}

/// Why a target cannot be called good on this input, if it cannot.
fn wrong_with(target: fn(&[u8]), input: &[u8]) -> Option<String> {
    let (peak, result) = memory::peak(|| catch_unwind(AssertUnwindSafe(|| target(input))));
    if let Err(panic) = result {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        return Some(format!("it panics: {text}"));
    }
    let most = ALWAYS + PER_BYTE * input.len();
    (peak > most).then(|| format!("it holds {peak} bytes for {} bytes of input", input.len()))
}

/// Aborts the tests, with the input, if one takes for ever: a thread cannot be stopped from outside.
#[derive(Debug, Default, Clone)]
struct Watchdog(Arc<Mutex<Option<UnderWay>>>);

/// An input, and when it was given.
type UnderWay = (Instant, Vec<u8>);

impl Watchdog {
    #[expect(clippy::print_stderr, reason = "the process ends without another word")]
    fn watch(&self, name: &'static str) {
        let current = Arc::downgrade(&self.0);
        thread::spawn(move || {
            while let Some(current) = current.upgrade() {
                let current = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some((_, input)) = current.filter(|(began, _)| began.elapsed() > ENDLESS) {
                    eprintln!("{name} does not come back from {:?}", String::from_utf8_lossy(&input));
                    std::process::abort();
                }
                thread::sleep(Duration::from_secs(1));
            }
        });
    }

    fn note(&self, input: &[u8]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), input.to_vec()));
    }
}

/// The first input among so many from which the target does not come back as it should, made as small as can be.
fn fuzz(name: &'static str, target: fn(&[u8]), seeds: &[Vec<u8>], inputs: u64) -> Option<Finding> {
    let watchdog = Watchdog::default();
    watchdog.watch(name);
    let mutated = (0..inputs).map(|number| mutate::input(number, name, seeds));
    let mut all = seeds.iter().cloned().chain(mutated);
    all.find_map(|input| {
        watchdog.note(&input);
        wrong_with(target, &input).map(|what| smaller(target, Finding { input, what }))
    })
}

/// Leaves out what can be left out.
fn smaller(target: fn(&[u8]), mut finding: Finding) -> Finding {
    let mut width = finding.input.len() / 2;
    while width > 0 {
        let mut at = 0;
        while at < finding.input.len() {
            let mut fewer = finding.input.clone();
            fewer.drain(at..(at + width).min(fewer.len()));
            match wrong_with(target, &fewer) {
                Some(what) => finding = Finding { input: fewer, what },
                None => at += width,
            }
        }
        width /= 2;
    }
    finding
}

fn run(name: &'static str, target: fn(&[u8]), seeds: &[Vec<u8>], inputs: u64) {
    let inputs = env::var("QUARREL_FUZZ_INPUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(inputs);
    if let Some(Finding { input, what }) = fuzz(name, target, seeds, inputs) {
        panic!("{name}: {what}\n{}\n{input:?}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn no_edn_makes_the_reader_panic_or_swell() {
    run("edn", targets::edn, &seeds("fuzz/seeds", "edn"), 2_000);
}

#[test]
fn no_json_makes_the_reader_panic_or_swell() {
    run("json", targets::json, &seeds("fuzz/seeds", "json"), 2_000);
}

#[test]
fn no_log_makes_the_reader_panic_or_swell() {
    run("etcd-log", targets::etcd_log, &seeds("fuzz/seeds", "log"), 2_000);
}

#[test]
fn no_binary_form_makes_the_reader_panic_or_swell() {
    run("binary", targets::binary, &binary(&seeds("fuzz/seeds", "edn")), 4_000);
}

#[test]
fn no_file_of_any_kind_makes_a_reader_panic_or_swell() {
    let all: Vec<Vec<u8>> =
        ["edn", "json", "log"].iter().flat_map(|kind| seeds("fuzz/seeds", kind)).collect();
    run("detected", targets::detected, &all, 2_000);
}

#[test]
fn no_history_of_our_own_makes_its_reader_or_judge_panic_or_swell() {
    run("own-history", targets::own_history, &seeds("fuzz/seeds", "jsonl"), 1_000);
}

#[test]
fn no_history_makes_a_checker_panic_or_swell() {
    run("checkers", targets::checkers, &seeds("fuzz/seeds", "edn"), 1_500);
}

#[test]
fn no_scenario_makes_its_parser_panic_or_swell() {
    run("scenario", targets::scenario, &seeds("scenarios", "toml"), 300);
}

#[test]
fn no_witness_makes_its_parser_panic_or_swell() {
    run("witness", targets::witness, &seeds("../models/tests/witness", "json"), 1_000);
}

#[test]
fn no_frame_makes_its_decoder_panic_or_swell() {
    let seeds = [vec![0; 40], (0..200).collect(), vec![3, 1, 1, 2, 107, 1, 4, 1, 97, 0, 5]];
    run("frames", targets::frames, &seeds, 10_000);
}

/// Panics where a history shows the largest of all integers as a value: mutations have to put it there, and have to
/// leave all else whole.
fn planted_panic(input: &[u8]) {
    use quarrel_workloads::history::recorded::{ReadOptions, read};
    let Ok(history) = read(input, None, ReadOptions::default()) else { return };
    let is_largest = |at: usize| history.values.as_int(history.operations[at].output) == Some(i64::MAX);
    assert!(!(0..history.operations.len()).any(is_largest), "the largest of all integers");
}

/// Believes a number in its input, and makes room for as much.
fn planted_greed(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u32>().ok());
    let most = numbers.max().unwrap_or(0).min(1 << 28);
    drop(Vec::<u8>::with_capacity(most as usize));
}

#[test]
fn a_planted_panic_is_found_and_made_small() {
    let found = fuzz("planted-panic", planted_panic, &seeds("fuzz/seeds", "edn"), 20_000).unwrap();
    assert!(found.what.contains("the largest of all integers"), "{found:?}");
    assert!(found.input.len() < 400, "{}", String::from_utf8_lossy(&found.input));
}

#[test]
fn planted_greed_is_found() {
    let found = fuzz("planted-greed", planted_greed, &seeds("fuzz/seeds", "edn"), 20_000).unwrap();
    assert!(found.what.contains("bytes for"), "{found:?}");
}
