//! Spin as an oracle: a system that both sides know, run through `spin`, the C compiler and the verifier.

use quarrel_models::{
    check::{Faults, Scope},
    strategy::{LastWriteWins, LocalWrite, Strategy},
    topology::Topology,
};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

/// The system in Promela.
pub(crate) const MODEL: &str = include_str!("lww.pml");

/// A system that both sides can describe: last write wins by wall clocks, writes that take no time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct System {
    pub(crate) leaders: usize,
    pub(crate) writes: u8,
    pub(crate) topology: Topology,
    /// How far one clock may be set off, once; 0 for never.
    pub(crate) offset_ms: i8,
    pub(crate) local_write: LocalWrite,
}

impl System {
    /// Leaders that all send to each other, whose clocks are right.
    pub(crate) const fn new(leaders: usize, writes: u8) -> Self {
        let (topology, local_write) = (Topology::AllToAll, LocalWrite::Merge);
        Self { leaders, writes, topology, offset_ms: 0, local_write }
    }

    /// The same system as the model checker knows it.
    pub(crate) fn scope(&self) -> Scope {
        let strategy = Strategy::Lww(LastWriteWins { local_write: self.local_write, ..Default::default() });
        let faults = if self.offset_ms == 0 {
            Faults::default()
        } else {
            Faults { offsets_ms: vec![self.offset_ms], clock_changes: 1, ..Faults::default() }
        };
        let (leaders, writes) = (self.leaders, self.writes);
        let scope = Scope::new(strategy, self.topology.clone());
        Scope { leaders, clients: leaders, writes, overlap: false, faults, ..scope }
    }

    /// The same system as the Promela model knows it.
    fn definitions(&self) -> Vec<String> {
        let unconditional = u8::from(self.local_write == LocalWrite::Unconditional);
        vec![
            format!("-DLEADERS={}", self.leaders),
            format!("-DWRITES={}", self.writes),
            format!("-DSHAPE={}", self.topology.name().replace('-', "_").to_uppercase()),
            format!("-DOFFSET={}", self.offset_ms),
            format!("-DUNCONDITIONAL={unconditional}"),
        ]
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { leaders, writes, topology, offset_ms, .. } = self;
        write!(f, "{leaders} leaders, {writes} writes, {}", topology.name())?;
        if *offset_ms != 0 {
            write!(f, ", a clock set off by {offset_ms} ms")?;
        }
        if self.local_write == LocalWrite::Unconditional { f.write_str(", unconditional") } else { Ok(()) }
    }
}

/// What Spin found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Explored {
    /// The states stored.
    pub(crate) states: usize,
    /// The farthest state's distance from the beginning, if the search was breadth first.
    pub(crate) depth: usize,
    /// The steps to the first violation met: a nearest one if the search was breadth first.
    pub(crate) violated_in: Option<usize>,
    /// What the verifier took, seconds: of CPU time where the system tells (Linux), else of wall time.
    pub(crate) seconds: f64,
}

/// How the verifier searches, and how it is compiled.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Search {
    /// Shortest witnesses; quickly compiled.
    #[allow(dead_code, reason = "the benchmark does not need it")]
    BreadthFirst,
    /// Spin's own way; compiled for speed.
    #[allow(dead_code, reason = "only the benchmark needs it")]
    DepthFirst,
}

/// Why Spin cannot be asked here, if it cannot.
pub(crate) fn missing() -> Option<String> {
    let runs = |program: &str, argument: &str| {
        Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success())
    };
    let program = if !runs("spin", "-V") {
        "spin"
    } else if !runs("cc", "--version") {
        "cc"
    } else {
        return None;
    };
    Some(format!("`{program}` does not run here; to install both: apt-get install spin gcc"))
}

/// Lets Spin explore a system and look for violations of a property; without one it only counts.
///
/// # Panics
/// If Spin, the compiler or the verifier fails, or the verifier left something out.
pub(crate) fn explore(model: &str, system: &System, property: Option<&str>, search: Search) -> Explored {
    let folder = folder();
    fs::write(folder.join("lww.pml"), model).unwrap();
    let asked = property.map_or_else(|| "0".to_owned(), |name| name.replace('-', "_").to_uppercase());
    // -o2: what is only written, such as the ghosts of verdicts, is part of the state all the same.
    let mut generate = Command::new("spin");
    generate.arg("-o2").args(system.definitions()).arg(format!("-DPROPERTY={asked}")).args(["-a", "lww.pml"]);
    run(&folder, &mut generate);
    // No partial-order reduction: it leaves states out.
    let mut compile = Command::new("cc");
    compile.args(["-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c"]).args(match search {
        Search::BreadthFirst => ["-O0", "-DBFS"],
        Search::DepthFirst => ["-O2", "-DMEMLIM=4096"],
    });
    run(&folder, &mut compile);
    // -E: a state in which nothing can happen any more is an end, not a deadlock. -w: the table of states, 2^22.
    let (begin, before) = (Instant::now(), cpu_of_children());
    let output = run(&folder, Command::new("./pan").args(["-E", "-w22"]));
    let cpu = before.zip(cpu_of_children()).map(|(before, after)| after - before);
    let seconds = cpu.unwrap_or_else(|| begin.elapsed().as_secs_f64());
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    fs::remove_dir_all(&folder).unwrap();
    read(&told, seconds)
}

/// The CPU seconds of all programs that were run and have ended. Exact to a hundredth; only of use where one program
/// runs at a time.
fn cpu_of_children() -> Option<f64> {
    let told = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, which may hold anything, is in brackets; of what follows, the 14th and 15th numbers are these ticks.
    let ticks = told.rsplit_once(')')?.1.split_whitespace().skip(13).take(2);
    let ticks = ticks.map(|ticks| ticks.parse::<u32>().ok()).sum::<Option<u32>>()?;
    Some(f64::from(ticks) / 100.0)
}

/// A folder of its own for each question: tests run side by side.
fn folder() -> PathBuf {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let number = ASKED.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("spin-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(folder: &Path, command: &mut Command) -> Output {
    let output = command.current_dir(folder).output().unwrap();
    let told = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{command:?} in {} failed:\n{}{}", folder.display(), told[0], told[1]);
    output
}

fn read(told: &str, seconds: f64) -> Explored {
    let number = |before: &str, after: &str| -> Option<usize> {
        let line = told.lines().find(|line| line.contains(before) && line.contains(after))?;
        let rest = line.split_once(before)?.1;
        rest.split_once(after)?.0.trim().parse().ok()
    };
    let whole = || panic!("the verifier's report is not understood:\n{told}");
    let errors: usize =
        told.lines().find_map(|line| line.split_once("errors:")?.1.trim().parse().ok()).unwrap_or_else(whole);
    // The verifier counts the steps before the one that violates.
    let violated_in = number("(at depth", ")").map(|before| before + 1);
    assert_eq!(errors > 0, violated_in.is_some(), "{told}");
    let complete = violated_in.is_some() || !told.contains("Search not completed");
    assert!(complete && !told.contains("too small"), "the verifier left something out:\n{told}");
    Explored {
        states: number("", "states, stored").unwrap_or_else(whole),
        depth: number("depth reached", ",").unwrap_or_else(whole),
        violated_in,
        seconds,
    }
}
