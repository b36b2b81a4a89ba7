//! `quarrel doctor`: what this machine can do, and what will be skipped here.

use super::{
    World,
    options::{Output, OutputOption, StoreOption},
};
use crate::{
    exit::{Exit, Failure},
    report::{Paint, VERSION, write_json},
    store::Store,
    systems::reference::own_program,
};
use quarrel_workloads::verdict::Verdict;
use rustix::{
    fs::statvfs,
    process::{Resource, getrlimit},
    time::{ClockId, TimerfdClockId, TimerfdFlags, clock_getres, timerfd_create},
};
use serde::Serialize;
use std::{
    net::{Ipv4Addr, TcpListener},
    thread,
};

const EXAMPLES: &str = "\
Examples:
  quarrel doctor
  quarrel doctor --results /mnt/scratch/results --output json";

/// Ports that three leaders, their links and their clients' links take, with room to spare.
const PORTS: usize = 64;
/// File descriptors that the shipped scenarios need at most.
const DESCRIPTORS: u64 = 1024;
/// Room that a nightly run may take.
const DISK_BYTES: u64 = 500_000_000;

/// Say what this machine can do, and what will be skipped
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    store: StoreOption,
    #[command(flatten)]
    output: OutputOption,
}

/// How well something is provided for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    Limited,
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    found: String,
    /// What that means for runs; empty if it is as it should be.
    consequence: &'static str,
}

impl Finding {
    fn ok(name: &'static str, found: String) -> Self {
        Self { name, state: State::Ok, found, consequence: "" }
    }

    fn limited(name: &'static str, found: String, consequence: &'static str) -> Self {
        Self { name, state: State::Limited, found, consequence }
    }

    fn missing(name: &'static str, found: String, consequence: &'static str) -> Self {
        Self { name, state: State::Missing, found, consequence }
    }
}

pub(super) fn doctor(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let store = arguments.store.store();
    let mut findings = vec![program(), ports(), descriptors(), cores(), timers(), clocks(), results(&store)];
    findings.extend(disk(&store));
    let is_fit = findings.iter().all(|finding| finding.state != State::Missing);
    match arguments.output.output {
        Output::Json => {
            write_json(&serde_json::json!({ "v": VERSION, "fit": is_fit, "findings": findings }), world.out)?;
        }
        Output::Text => tell(&findings, is_fit, world)?,
    }
    Ok(if is_fit { Exit::Success } else { Exit::Environment })
}

fn tell(findings: &[Finding], is_fit: bool, world: &mut World<'_>) -> Result<(), Failure> {
    let paint = Paint { on: world.surroundings.colours_out };
    for finding in findings {
        let (sign, verdict) = match finding.state {
            State::Ok => ("ok", Verdict::Pass),
            State::Limited => ("??", Verdict::Unknown),
            State::Missing => ("x ", Verdict::Fail),
        };
        writeln!(world.out, "{} {:<17} {}", paint.verdict(verdict, sign), finding.name, finding.found)?;
        if !finding.consequence.is_empty() {
            writeln!(world.out, "   {:<17} {}", "", finding.consequence)?;
        }
    }
    writeln!(world.out, "-- {:<17} reference (bundled): ready", "systems")?;
    let conclusion = if is_fit { "live runs can be made here" } else { "live runs cannot be made here" };
    writeln!(world.out, "{conclusion}")?;
    Ok(())
}

fn program() -> Finding {
    const NAME: &str = "nodes";
    match own_program() {
        Ok(path) => Finding::ok(NAME, format!("started from {}", path.display())),
        Err(error) => {
            Finding::missing(NAME, format!("this program is not found: {error}"), "no node can be started")
        }
    }
}

fn ports() -> Finding {
    const NAME: &str = "loopback ports";
    let listeners: Result<Vec<TcpListener>, _> =
        (0..PORTS).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    match listeners {
        Ok(_) => Finding::ok(NAME, format!("{PORTS} at once")),
        Err(error) => Finding::missing(NAME, error.to_string(), "nodes and link proxies need them"),
    }
}

fn descriptors() -> Finding {
    const NAME: &str = "file descriptors";
    // Runs raise the limit as far as they may.
    match getrlimit(Resource::Nofile).maximum {
        Some(limit) if limit < DESCRIPTORS => Finding::limited(
            NAME,
            format!("{limit}"),
            "too few for many leaders or clients: raise it with `ulimit -n 4096`",
        ),
        limit => Finding::ok(NAME, limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string())),
    }
}

fn cores() -> Finding {
    const NAME: &str = "cores";
    match thread::available_parallelism().map_or(1, usize::from) {
        1 => Finding::limited(NAME, "1".to_owned(), "latencies will be those of the scheduler"),
        cores => Finding::ok(NAME, cores.to_string()),
    }
}

fn timers() -> Finding {
    const NAME: &str = "timers";
    match timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC) {
        Ok(_) => Finding::ok(NAME, "timerfd".to_owned()),
        Err(error) => {
            Finding::missing(NAME, format!("no timerfd: {error}"), "link proxies cannot delay exactly")
        }
    }
}

fn clocks() -> Finding {
    const NAME: &str = "clock resolution";
    let resolution = clock_getres(ClockId::Monotonic);
    let nanoseconds = resolution.tv_sec * 1_000_000_000 + resolution.tv_nsec;
    let found = format!("{nanoseconds} ns");
    if nanoseconds > 1_000_000 {
        return Finding::limited(NAME, found, "real-time order is blurred: inversions may be missed");
    }
    Finding::ok(NAME, found)
}

fn results(store: &Store) -> Finding {
    const NAME: &str = "results";
    match store.prepare() {
        Ok(()) => Finding::ok(NAME, format!("{} can be written", store.root().display())),
        Err(error) => Finding::missing(NAME, error.to_string(), error.help()),
    }
}

fn disk(store: &Store) -> Option<Finding> {
    const NAME: &str = "free disk";
    let stat = statvfs(store.root()).ok()?;
    let bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
    let found = format!("{} MB", bytes / 1_000_000);
    Some(if bytes < DISK_BYTES {
        Finding::limited(NAME, found, "long runs may fill it: `quarrel runs prune --keep 5` makes room")
    } else {
        Finding::ok(NAME, found)
    })
}
