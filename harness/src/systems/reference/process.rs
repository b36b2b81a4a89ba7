//! One node as a process of its own.

use crate::node::Listening;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

/// How long a node may take until it listens; recovery of a long log is part of it.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a node may take to end when it is told to.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// What a process is started from.
#[derive(Debug, Clone)]
pub(super) struct SpawnPlan {
    pub(super) spec: PathBuf,
    pub(super) log: PathBuf,
}

/// A running node. Dropping it kills it.
#[derive(Debug)]
pub(super) struct NodeProcess {
    child: Child,
    http: SocketAddr,
    replication: SocketAddr,
    /// The node ends when this closes, however the harness ends.
    _lifeline: Option<ChildStdin>,
}

/// The program that runs now: nodes are the same binary.
///
/// # Errors
/// If the system does not tell.
pub fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

impl NodeProcess {
    /// Starts a node and waits until it listens. The error is in words.
    pub(super) async fn spawn(program: &Path, plan: &SpawnPlan) -> Result<(Self, Listening), String> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&plan.log)
            .map_err(|error| format!("has no log file: {error}"))?;
        let mut child = Command::new(program)
            .arg("node")
            .arg(&plan.spec)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("did not start: {error}"))?;
        let lifeline = child.stdin.take();
        let stdout = child.stdout.take().ok_or("has no standard output")?;
        let mut line = String::new();
        let mut reader = BufReader::new(stdout);
        let said = timeout(START_TIMEOUT, reader.read_line(&mut line)).await;
        let listening: Option<Listening> = match said {
            Ok(Ok(_)) => serde_json::from_str(&line).ok(),
            _ => None,
        };
        match listening {
            Some(listening) => {
                let Listening { http, replication } = listening;
                Ok((Self { child, http, replication, _lifeline: lifeline }, listening))
            }
            None => {
                let last = last_line(&plan.log);
                Err(format!(
                    "did not begin to listen{}",
                    last.map(|line| format!(": {line}")).unwrap_or_default()
                ))
            }
        }
    }

    pub(super) const fn http(&self) -> SocketAddr {
        self.http
    }

    pub(super) const fn replication(&self) -> SocketAddr {
        self.replication
    }

    /// How it ended, if it has, and the last that it said in its log.
    pub(super) fn ended(&mut self, log: &Path) -> Option<String> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                let said = last_line(log).map(|line| format!(": {line}")).unwrap_or_default();
                Some(format!("ended by itself ({status}){said}"))
            }
            Ok(None) => None,
            Err(error) => Some(format!("is lost: {error}")),
        }
    }

    pub(super) async fn kill(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        let raw = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pid = raw.ok_or_else(|| io::Error::other("it has ended"))?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits for the end of a node that was told to end, and kills it if it does not.
    pub(super) async fn end(mut self) {
        if timeout(END_TIMEOUT, self.child.wait()).await.is_err() {
            // Dropping it would kill it too; this way it is gone when we return.
            let _ = self.child.kill().await;
        }
    }
}

fn last_line(log: &Path) -> Option<String> {
    let text = std::fs::read_to_string(log).ok()?;
    text.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned)
}
