//! What a verb needs of the world outside, read once: tests bring their own.

use crate::{
    exit::Failure,
    runner::{RunError, RunOutcome, RunRequest},
};
use std::{
    collections::BTreeMap,
    env, fmt,
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
};

/// What makes a run: `runner::run`, or a stand-in.
pub type Runner = fn(&RunRequest) -> Result<RunOutcome, RunError>;

/// Where a verb writes, what it knows of its surroundings, and what makes its runs.
pub struct World<'a> {
    /// Standard output: reports only.
    pub out: &'a mut dyn Write,
    /// Standard error: messages and progress.
    pub err: &'a mut dyn Write,
    /// The rest.
    pub surroundings: Surroundings,
    /// What makes runs.
    pub runner: Runner,
}

impl fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("surroundings", &self.surroundings).finish_non_exhaustive()
    }
}

/// Terminals and environment variables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// Whether this is a pipeline: `CI=true`.
    pub ci: bool,
    /// Whether it is one of GitHub's.
    pub github_actions: bool,
    /// Where GitHub wants the summary of the step.
    pub step_summary: Option<PathBuf>,
    /// Whether standard output shows colours.
    pub colours_out: bool,
    /// Whether standard error shows colours.
    pub colours_err: bool,
    /// Whether standard error is a terminal.
    pub terminal_err: bool,
    /// Whether Ctrl-C is to be caught.
    pub catch_signals: bool,
    /// The variables `QUARREL_*`.
    pub variables: BTreeMap<String, String>,
    /// The command line.
    pub command: Vec<String>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let is_true = |name: &str| variable(name).is_some_and(|value| value == "true" || value == "1");
        let dull = variable("NO_COLOR").is_some() || variable("TERM").is_some_and(|term| term == "dumb");
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        let ours = env::vars_os().map(|(name, value)| (text(name), text(value)));
        Self {
            ci: is_true("CI"),
            github_actions: is_true("GITHUB_ACTIONS"),
            step_summary: variable("GITHUB_STEP_SUMMARY").map(PathBuf::from),
            colours_out: io::stdout().is_terminal() && !dull,
            colours_err: io::stderr().is_terminal() && !dull,
            terminal_err: io::stderr().is_terminal(),
            catch_signals: true,
            variables: ours.filter(|(name, _)| name.starts_with("QUARREL_")).collect(),
            command: env::args_os().map(text).collect(),
        }
    }
}

/// Standard output that cannot be written to. A reader that went away (`quarrel ... | head`) needs no words.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::environment("", "");
        }
        Self::environment(format!("cannot write the report: {error}"), "")
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        Self::environment(error.to_string(), error.help())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Environment(message) => {
                Self::environment(message, "`quarrel doctor` says what this machine can do")
            }
            RunError::Internal(message) => Self::defect(message),
        }
    }
}
