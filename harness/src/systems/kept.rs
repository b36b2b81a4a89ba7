//! The harness's side of a keeper: a foreign program that runs.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// How long a program may take to end when it is told to.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of a program's log is shown when it fails.
const LAST_LINES: usize = 5;

/// What a foreign program is started from.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// It and its arguments.
    pub(super) words: Vec<OsString>,
    /// What it finds in its environment, beside ours.
    pub(super) environment: Vec<(&'static str, OsString)>,
    /// The folder that it is started in; ours if absent.
    pub(super) directory: Option<PathBuf>,
    /// Where its standard error goes.
    pub(super) log: PathBuf,
}

/// A foreign program that runs. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Kept {
    keeper: Child,
    id: Pid,
    /// Held for its end: when it closes, the program is killed.
    lifeline: Option<ChildStdin>,
}

impl Kept {
    /// Starts a program that is not talked to. `own` is the program that has the subcommand `keep`. The error is in
    /// words.
    pub(super) async fn spawn(own: &Path, program: &Program) -> Result<Self, String> {
        let (mut kept, input, _) = Self::spawn_as(own, program, &["keep", "--"]).await?;
        kept.lifeline = Some(input);
        Ok(kept)
    }

    /// Starts a program that is talked to: its standard input, which is also its lifeline, and its standard output.
    pub(super) async fn spawn_talking(
        own: &Path,
        program: &Program,
    ) -> Result<(Self, ChildStdin, BufReader<ChildStdout>), String> {
        Self::spawn_as(own, program, &["keep", "--talk", "--"]).await
    }

    async fn spawn_as(
        own: &Path,
        program: &Program,
        verb: &[&str],
    ) -> Result<(Self, ChildStdin, BufReader<ChildStdout>), String> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&program.log)
            .map_err(|error| format!("has no log file: {error}"))?;
        let mut command = Command::new(own);
        if let Some(directory) = &program.directory {
            command.current_dir(directory);
        }
        let mut keeper = command
            .args(verb)
            .args(&program.words)
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(false)
            .spawn()
            .map_err(|error| format!("did not start: {error}"))?;
        let input = keeper.stdin.take().ok_or("has no standard input")?;
        let mut output = BufReader::new(keeper.stdout.take().ok_or("has no standard output")?);
        let mut line = String::new();
        let said = timeout(END_TIMEOUT, output.read_line(&mut line)).await;
        let id = line.trim().parse().ok().and_then(Pid::from_raw);
        match (said, id) {
            (Ok(Ok(_)), Some(id)) => Ok((Self { keeper, id, lifeline: None }, input, output)),
            _ => Err(format!("did not start: {}", last_lines(&program.log))),
        }
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self.keeper.try_wait() {
            Ok(Some(status)) => Some(format!("ended by itself (its keeper: {status})")),
            Ok(None) => None,
            Err(error) => Some(format!("is lost: {error}")),
        }
    }

    /// Sends a signal to the program itself, not to its keeper.
    pub(super) fn signal(&mut self, signal: Signal) -> io::Result<()> {
        // As long as the keeper runs it has not reaped its program, or only just: the id is nobody else's.
        match self.keeper.try_wait()? {
            None => Ok(kill_process(self.id, signal)?),
            Some(_) => Err(io::Error::other("it has ended")),
        }
    }

    /// Kills it as kill -9 does, and waits until it is gone.
    pub(super) async fn kill(mut self) -> io::Result<()> {
        self.signal(Signal::KILL)?;
        self.keeper.wait().await.map(drop)
    }

    /// Asks it to end, and kills it if it does not.
    pub(super) async fn end(mut self) {
        // One that has ended already cannot be signalled, and one that is paused hears nothing.
        let _ = self.signal(Signal::CONT);
        let _ = self.signal(Signal::TERM);
        if timeout(END_TIMEOUT, self.keeper.wait()).await.is_err() {
            let _ = self.signal(Signal::KILL);
            let _ = self.keeper.wait().await;
        }
    }
}

/// The last that a program said, in one line.
pub(super) fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    if last.is_empty() { "it said nothing".to_owned() } else { last.join(" | ") }
}
