//! Exit codes: part of the public interface, and few.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | the contract holds, all marks hit, thresholds met |
//! | 1 | the contract is violated, an expected anomaly was not found, or live nodes did otherwise than the core |
//! | 2 | bad command line, scenario or input file |
//! | 3 | unknown: too little evidence, a missing mark, a bound reached |
//! | 4 | a latency threshold missed, correctness fine |
//! | 5 | environment: a process, port, disk or system under test could not be had |
//! | 70 | a defect in quarrel itself |
//! | 130 | interrupted; what was recorded is kept |
//!
//! Unknown is 3 everywhere: a pipeline that must tell it from a violation can. With `CI=true` it also counts as a
//! failure in every report that knows failures (`JUnit`, annotations); elsewhere it is a warning there.

use quarrel_workloads::verdict::Verdict;
use std::{
    any::Any,
    fmt,
    io::Write as _,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// The contract holds, all marks hit, thresholds met.
    Success,
    /// The contract is violated, or an expected anomaly was not found.
    Violated,
    /// Bad command line, scenario or input file.
    Usage,
    /// Too little evidence, a missing mark, a bound reached.
    Unknown,
    /// A latency threshold was missed; correctness is fine.
    Threshold,
    /// A process, port, disk or system under test could not be had.
    Environment,
    /// A defect in quarrel itself.
    Defect,
    /// Interrupted by the user; what was recorded is kept.
    Interrupted,
}

impl Exit {
    /// All of them, the strongest first: of several, the first is taken. An interruption is stronger than any
    /// verdict, since the verdict is then incomplete.
    pub const BY_STRENGTH: [Self; 8] = [
        Self::Defect,
        Self::Interrupted,
        Self::Environment,
        Self::Usage,
        Self::Violated,
        Self::Unknown,
        Self::Threshold,
        Self::Success,
    ];

    /// The code that the process returns.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Violated => 1,
            Self::Usage => 2,
            Self::Unknown => 3,
            Self::Threshold => 4,
            Self::Environment => 5,
            Self::Defect => 70,
            Self::Interrupted => 130,
        }
    }

    /// The stronger of the two.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let stronger = Self::BY_STRENGTH.into_iter().find(|&exit| exit == self || exit == other);
        stronger.unwrap_or(self)
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Success,
            Verdict::Unknown => Self::Unknown,
            Verdict::Fail => Self::Violated,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a verb could not do its work, for people: what, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// What is wrong, and where.
    pub message: String,
    /// How to mend it; may be empty.
    pub help: String,
}

impl Failure {
    /// A mistake in what the user wrote.
    #[must_use]
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), help: help.into() }
    }

    /// Something that this machine does not give.
    #[must_use]
    pub fn environment(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { exit: Exit::Environment, message: message.into(), help: help.into() }
    }

    /// A defect of ours.
    #[must_use]
    pub fn defect(message: impl Into<String>) -> Self {
        let help = "this is a defect in quarrel: please report it, with the run's folder if there is one";
        Self { exit: Exit::Defect, message: message.into(), help: help.to_owned() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a scenario's reader has drawn says "error:" itself.
        let prefix = if self.message.starts_with("error") { "" } else { "error: " };
        write!(f, "{prefix}{}", self.message)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "\nhelp: {}", self.help) }
    }
}

impl std::error::Error for Failure {}

/// The folder of the run that is under way: a report of a defect names it.
static RUN_FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Notes the folder of the run that is under way, or that there is none.
pub fn note_run_folder(folder: Option<&Path>) {
    *RUN_FOLDER.lock().unwrap_or_else(PoisonError::into_inner) = folder.map(Path::to_path_buf);
}

/// From now on a panic says where it was, that it is a defect, and which folder to send along.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let folder = RUN_FOLDER.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = defect_report(message_of(info.payload()), &place, folder.as_deref());
        // Where even this cannot be written, the exit code still says it.
        let _ = writeln!(std::io::stderr(), "{text}");
    }));
}

/// Runs the program; a panic ends it with [`Exit::Defect`].
pub fn guarded(program: impl FnOnce() -> Exit) -> Exit {
    // Nothing of what the program borrowed is looked at after a panic.
    panic::catch_unwind(AssertUnwindSafe(program)).unwrap_or(Exit::Defect)
}

fn message_of(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn defect_report(message: &str, place: &str, folder: Option<&Path>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "error: quarrel {version} has met a defect of its own at {place}: {message}\n\
         help: please report it, with the command line and the lines above"
    );
    if let Some(folder) = folder {
        text.push_str(&format!(", and with this run's folder: {}", folder.display()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_table() {
        let codes = Exit::BY_STRENGTH.map(Exit::code);
        assert_eq!(codes, [70, 130, 5, 2, 1, 3, 4, 0]);
        assert_eq!([Verdict::Pass, Verdict::Unknown, Verdict::Fail].map(|v| Exit::from(v).code()), [0, 3, 1]);
    }

    #[test]
    fn of_several_the_strongest_is_taken_in_either_order() {
        for (strength, strong) in Exit::BY_STRENGTH.into_iter().enumerate() {
            for weak in Exit::BY_STRENGTH.into_iter().skip(strength) {
                assert_eq!(strong.merge(weak), strong);
                assert_eq!(weak.merge(strong), strong);
            }
        }
    }

    #[test]
    fn a_panic_is_a_defect_and_its_report_names_the_folder() {
        assert_eq!(guarded(|| panic!("a test of the guard")), Exit::Defect);
        assert_eq!(guarded(|| Exit::Unknown), Exit::Unknown);
        let text = defect_report("index out of bounds", "a.rs:1:2", Some(Path::new("results/x.partial")));
        assert!(text.contains("please report") && text.contains("results/x.partial"), "{text}");
        assert!(!defect_report("x", "y", None).contains("folder"));
    }
}
