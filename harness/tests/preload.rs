//! The preloaded library against a foreign program (`tests/preload/probe.c`), and against the node's own reading of the
//! clock file. Skipped aloud where no C compiler is found.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]

use proptest::prelude::*;
use quarrel::{
    clock_file::{ClockReader, ClockWriter, monotonic_ns},
    preload::{Preload, Unreachable, examine},
};
use quarrel_models::clock::ClockSetting;
use serde_json::Value;
use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};
use tempfile::TempDir;

const SECOND: i64 = 1_000_000_000;

/// The foreign program, running under a clock of its own.
struct Probe {
    folder: TempDir,
    clock: ClockWriter,
    process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Probe {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let program = compiled(folder.path(), &["-pthread", "-lrt"])?;
        let clock_file = folder.path().join("A.clock");
        let clock = ClockWriter::create(&clock_file).unwrap();
        let preload = Preload::unpack(folder.path()).unwrap();
        let mut command = Command::new(program);
        command.envs(preload.environment(&clock_file)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let questions = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Some(Self { folder, clock, process, questions, answers })
    }

    fn ask(&mut self, question: &str) -> Value {
        writeln!(self.questions, "{question}").unwrap();
        serde_json::from_str(&self.answers.next().unwrap().unwrap()).unwrap()
    }

    /// What one way to read the clock shows, nanoseconds.
    fn read(&mut self, way: &str) -> i64 {
        self.ask("read")[way].as_i64().unwrap()
    }

    fn own_reading(&self) -> i64 {
        ClockReader::open(&self.folder.path().join("A.clock")).unwrap().now().unwrap().wall_us * 1000
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn compiled(folder: &Path, options: &[&str]) -> Option<std::path::PathBuf> {
    let program = folder.join("probe");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/preload/probe.c");
    match Command::new("cc").arg("-O1").arg("-o").arg(&program).arg(source).args(options).status() {
        Ok(status) if status.success() => Some(program),
        _ => {
            eprintln!("SKIPPED: no C compiler for the program that the library is preloaded into");
            None
        }
    }
}

#[test]
fn every_way_to_read_the_wall_clock_shows_a_change_at_once_and_the_monotonic_clock_none() {
    let Some(mut probe) = Probe::start() else { return };
    for offset_ns in [0, 300 * SECOND, -300 * SECOND, 40 * 365 * 86_400 * SECOND, 0] {
        probe.clock.set(ClockSetting { offset_ns, ..ClockSetting::default() }).unwrap();
        // The coarse clock is behind by a tick, and `time` by up to a second.
        for (way, behind) in [
            ("clock_gettime", 0),
            ("coarse", SECOND / 10),
            ("gettimeofday", 1000),
            ("timespec_get", 0),
            ("time", SECOND),
        ] {
            let before = probe.own_reading();
            let seen = probe.read(way);
            let after = probe.own_reading() + 1000;
            assert!(
                before - behind <= seen && seen <= after,
                "{way} at {offset_ns}: {before} {seen} {after}"
            );
        }
        let (before, seen, after) = (monotonic_ns(), probe.read("monotonic"), monotonic_ns());
        assert!(before <= seen && seen <= after, "monotonic at {offset_ns}: {before} {seen} {after}");
    }
    assert_eq!(probe.clock.readers().unwrap(), 1);
}

#[test]
fn a_wait_until_an_instant_lasts_as_long_as_the_program_meant() {
    let Some(mut probe) = Probe::start() else { return };
    let frozen = ClockSetting { frozen_at_ns: 1_000_000 * SECOND, ..ClockSetting::default() };
    let off = |offset_ns| ClockSetting { offset_ns, ..ClockSetting::default() };
    for setting in [off(0), off(300 * SECOND), off(-300 * SECOND), frozen] {
        probe.clock.set(setting).unwrap();
        for kind in [
            "cond_timedwait",
            "cond_timedwait monotonic",
            "cond_clockwait",
            "cond_clockwait monotonic",
            "sem_timedwait",
            "sem_clockwait",
            "mutex_timedlock",
            "mutex_clocklock",
            "rwlock_timedrdlock",
            "rwlock_timedwrlock",
            "mq_timedreceive",
            "clock_nanosleep absolute",
            "clock_nanosleep relative",
        ] {
            // Not translated, the one would hang for five minutes and the other end at once.
            let answer = probe.ask(&format!("wait {kind} 20"));
            assert_eq!(answer["timed_out"], true, "{kind} at {setting:?}: {answer}");
            let waited = answer["waited"].as_i64().unwrap();
            assert!((15_000_000..60 * SECOND).contains(&waited), "{kind} at {setting:?}: {answer}");
        }
    }
}

#[test]
fn the_library_and_the_node_read_the_same_clock_from_the_same_file() {
    let Some(probe) = Probe::start().map(RefCell::new) else { return };
    let settings = (
        prop_oneof![Just(0), -4 * 86_400 * SECOND..4 * 86_400 * SECOND],
        -86_400 * SECOND..86_400 * SECOND,
        prop_oneof![Just(0), -900_000_000..9_000_000_000_i64],
        prop_oneof![4 => Just(0), 1 => 1..4_000_000_000 * SECOND],
    );
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&settings, |(offset_ns, base, drift_ppb, frozen_at_ns)| {
            let mut probe = probe.borrow_mut();
            let base_monotonic_ns = monotonic_ns() + base;
            probe.clock.set(ClockSetting { offset_ns, base_monotonic_ns, drift_ppb, frozen_at_ns }).unwrap();
            // The node rounds down to microseconds.
            let before = probe.own_reading();
            let seen = probe.read("clock_gettime");
            let after = probe.own_reading() + 1000;
            prop_assert!(before <= seen && seen <= after, "{before} {seen} {after}");
            Ok(())
        })
        .unwrap();
}

#[test]
fn children_of_the_program_are_reached_too_and_each_leaves_its_mark() {
    let folder = tempfile::tempdir().unwrap();
    let clock_file = folder.path().join("A.clock");
    let mut clock = ClockWriter::create(&clock_file).unwrap();
    clock.set(ClockSetting { offset_ns: -20 * 365 * 86_400 * SECOND, ..ClockSetting::default() }).unwrap();
    let preload = Preload::unpack(folder.path()).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "date +%s; date +%s"]).envs(preload.environment(&clock_file));
    let output = shell.output().unwrap();
    let seconds: Vec<i64> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    let real = quarrel::clock_file::real_ns() / SECOND;
    assert!(seconds.len() == 2 && seconds.iter().all(|&s| s < real - 19 * 365 * 86_400), "{seconds:?}");
    assert_eq!(clock.readers().unwrap(), 3);
}

#[test]
fn a_static_program_is_told_apart_and_leaves_no_mark() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compiled(folder.path(), &["-static", "-pthread"]) else { return };
    assert_eq!(examine(&program), Err(Unreachable::Static));
    let clock_file = folder.path().join("A.clock");
    let clock = ClockWriter::create(&clock_file).unwrap();
    let preload = Preload::unpack(folder.path()).unwrap();
    let environment = preload.environment(&clock_file);
    let status = Command::new(program).envs(environment).stdin(Stdio::null()).status().unwrap();
    assert!(status.success());
    assert_eq!(clock.readers().unwrap(), 0);
}
