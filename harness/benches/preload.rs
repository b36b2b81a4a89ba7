//! What the preloaded library adds to a foreign program's reading of the clock, in nanoseconds of CPU time. The aim is at
//! most 10 ns without drift. Needs a C compiler.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use quarrel::{
    clock_file::{ClockWriter, monotonic_ns},
    preload::Preload,
};
use quarrel_models::clock::ClockSetting;
use std::{
    error::Error,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

const READS: u32 = 5_000_000;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("probe");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/preload/probe.c");
    Command::new("cc").arg("-O2").arg("-o").arg(&program).arg(source).args(["-pthread", "-lrt"]).status()?;
    let clock_file = folder.path().join("A.clock");
    let preload = Preload::unpack(folder.path())?;
    let offset = ClockSetting { offset_ns: 300_000_000_000, ..ClockSetting::default() };
    let drift = ClockSetting { drift_ppb: 500_000, base_monotonic_ns: monotonic_ns(), ..offset };
    let cases = [("plain", None), ("preloaded, offset", Some(offset)), ("preloaded, drift", Some(drift))];
    let mut best = [f64::INFINITY; 3];
    for _ in 0..ROUNDS {
        for ((_, setting), best) in cases.iter().zip(&mut best) {
            let mut command = Command::new(&program);
            if let Some(setting) = setting {
                ClockWriter::create(&clock_file)?.set(*setting)?;
                command.envs(preload.environment(&clock_file));
            }
            *best = best.min(nanoseconds_per_read(&mut command)?);
        }
    }
    for ((name, _), ns) in cases.iter().zip(best) {
        println!("{name:20} {ns:6.1} ns a read, {:+6.1}", ns - best[0]);
    }
    Ok(())
}

fn nanoseconds_per_read(command: &mut Command) -> Result<f64, Box<dyn Error>> {
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    process.stdin.take().ok_or("no standard input")?.write_all(format!("bench {READS}\n").as_bytes())?;
    let output = process.wait_with_output()?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    answer["ns_per_read"].as_f64().ok_or_else(|| "no figure".into())
}
