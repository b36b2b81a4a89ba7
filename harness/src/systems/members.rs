//! The processes of a system that is not ours, one for each replica, under keepers: started, signalled, ended, and
//! their clocks.

use super::{
    kept::{Kept, Program, last_lines},
    reference::{SystemError, failed},
};
use crate::{
    clock_file::{ClockWriter, monotonic_ns, real_ns},
    preload::{self, Preload},
};
use quarrel_models::{
    clock::ClockSetting,
    fault::{ClockChange, Fault},
    id::ReplicaId,
};
use quarrel_workloads::scenario::Scenario;
use rustix::process::Signal;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};
use tokio::{
    io::BufReader,
    process::{ChildStdin, ChildStdout},
};

/// The processes, by replica. Dropping them kills what runs.
#[derive(Debug)]
pub(super) struct Members {
    /// The program that has the subcommand `keep`.
    own: PathBuf,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    replica: ReplicaId,
    program: Program,
    clock: ClockWriter,
    process: Option<Kept>,
    paused: bool,
    gone_for_good: bool,
}

impl Members {
    /// Nobody yet; `own` is the program that has the subcommand `keep`.
    pub(super) fn new(own: &Path) -> Self {
        Self { own: own.to_owned(), members: Vec::new() }
    }

    /// Adds the next replica, which does not run yet: its clock file and its log are in the run's folder.
    pub(super) fn add(
        &mut self,
        folder: &Path,
        words: Vec<OsString>,
        directory: Option<PathBuf>,
        preload: Option<&Preload>,
    ) -> Result<(), SystemError> {
        let replica = ReplicaId(u8::try_from(self.members.len()).unwrap_or(u8::MAX));
        let clock_file = folder.join("nodes").join(format!("{replica}.clock"));
        let clock = ClockWriter::create(&clock_file).map_err(failed("create a clock file"))?;
        let environment =
            preload.map(|preload| preload.environment(&clock_file).to_vec()).unwrap_or_default();
        let log = folder.join("log").join(format!("{replica}.log"));
        let program = Program { words, environment, directory, log };
        self.members.push(Member {
            replica,
            program,
            clock,
            process: None,
            paused: false,
            gone_for_good: false,
        });
        Ok(())
    }

    /// Whether there is none at all: the system runs by itself.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Starts a replica's process.
    pub(super) async fn launch(&mut self, replica: ReplicaId) -> Result<(), SystemError> {
        let process = Kept::spawn(&self.own, &self.members[replica.index()].program).await;
        self.members[replica.index()].process = Some(process.map_err(|what| self.error(replica, what))?);
        Ok(())
    }

    /// Starts a replica's process, and gives its standard input and output.
    pub(super) async fn launch_talking(
        &mut self,
        replica: ReplicaId,
    ) -> Result<(ChildStdin, BufReader<ChildStdout>), SystemError> {
        let process = Kept::spawn_talking(&self.own, &self.members[replica.index()].program).await;
        let (process, input, output) = process.map_err(|what| self.error(replica, what))?;
        self.members[replica.index()].process = Some(process);
        Ok((input, output))
    }

    /// The replicas whose processes run.
    pub(super) fn live(&self) -> Vec<ReplicaId> {
        let running = self.members.iter().filter(|member| member.process.is_some());
        running.map(|member| member.replica).collect()
    }

    /// A process that has ended by itself, with the last that it said.
    pub(super) fn check_alive(&mut self) -> Result<(), SystemError> {
        for member in &mut self.members {
            if let Some(what) = member.process.as_mut().and_then(Kept::ended) {
                let replica = member.replica;
                return Err(self.error_with_log(replica, &what));
            }
        }
        Ok(())
    }

    /// What a replica's process did that it should not.
    pub(super) fn error(&self, replica: ReplicaId, what: String) -> SystemError {
        SystemError::Node { replica, what, log: self.members[replica.index()].program.log.clone() }
    }

    /// The same, with the last that it said.
    pub(super) fn error_with_log(&self, replica: ReplicaId, what: &str) -> SystemError {
        let said = last_lines(&self.members[replica.index()].program.log);
        self.error(replica, format!("{what}: {said}"))
    }

    /// Does what a fault asks of clocks and of running processes, and says what that did; `None` if it asks nothing.
    pub(super) fn apply(&mut self, fault: &Fault) -> Option<Result<String, SystemError>> {
        match fault {
            Fault::Clock(replica, change) => Some(self.set_clock(*replica, change)),
            Fault::Pause(replica) => Some(self.signal(*replica, Signal::STOP, true)),
            Fault::Resume(replica) => Some(self.signal(*replica, Signal::CONT, false)),
            _ => None,
        }
    }

    /// Kills a replica's process as kill -9 does, and says what that did.
    pub(super) async fn kill(&mut self, replica: ReplicaId) -> Result<String, SystemError> {
        let member = &mut self.members[replica.index()];
        let Some(process) = member.process.take() else { return Ok("it was not running".to_owned()) };
        member.paused = false;
        process.kill().await.map_err(failed("kill a node"))?;
        Ok(String::new())
    }

    /// What undoes every fault of clocks and processes, but for what was killed for good.
    pub(super) fn remedies(&self) -> Vec<Fault> {
        let mut remedies = Vec::new();
        for member in &self.members {
            if member.clock.setting() != ClockSetting::default() {
                remedies.push(Fault::Clock(member.replica, ClockChange::Reset));
            }
            if member.paused {
                remedies.push(Fault::Resume(member.replica));
            }
            if member.process.is_none() && !member.gone_for_good {
                remedies.push(Fault::Restart(member.replica));
            }
        }
        remedies
    }

    /// Never start this replica again.
    pub(super) fn give_up(&mut self, replica: ReplicaId) {
        self.members[replica.index()].gone_for_good = true;
    }

    /// Ends a replica's process in good order; one that does not end in time is killed.
    pub(super) async fn end(&mut self, replica: ReplicaId) {
        if let Some(process) = self.members[replica.index()].process.take() {
            process.end().await;
        }
    }

    fn set_clock(&mut self, replica: ReplicaId, change: &ClockChange) -> Result<String, SystemError> {
        let clock = &mut self.members[replica.index()].clock;
        let setting = change.upon(clock.setting(), real_ns(), monotonic_ns());
        clock.set(setting).map_err(failed("write a clock file"))?;
        let off_us = (setting.wall_ns(real_ns(), monotonic_ns()) - real_ns()) / 1000;
        Ok(format!("now {:+.3} ms off", off_us as f64 / 1000.0))
    }

    fn signal(&mut self, replica: ReplicaId, signal: Signal, paused: bool) -> Result<String, SystemError> {
        let member = &mut self.members[replica.index()];
        let Some(process) = &mut member.process else { return Ok("it was not running".to_owned()) };
        process.signal(signal).map_err(failed("signal a node"))?;
        member.paused = paused;
        Ok(String::new())
    }
}

/// The library that sets the clocks of this program, if the scenario sets clocks.
pub(super) fn clock_library(
    scenario: &Scenario,
    folder: &Path,
    program: &Path,
) -> Result<Option<Preload>, SystemError> {
    if scenario.nemesis.clock.is_empty() {
        return Ok(None);
    }
    let cannot = |why: String| {
        let why = format!("{}: {why}", program.display());
        failed("set the nodes' clocks")(std::io::Error::other(why))
    };
    preload::examine(program).map_err(|why| cannot(why.to_string()))?;
    Preload::unpack(&folder.join("nodes")).map(Some).map_err(|why| cannot(why.to_string()))
}

/// A user's program and its arguments, the program as a path that exists. `table` is where the scenario names it.
pub(super) fn command(
    words: &[String],
    directory: Option<&Path>,
    table: &str,
) -> Result<Vec<OsString>, String> {
    let (program, arguments) = words.split_first().ok_or("`command` is empty: name the node's program")?;
    let found = if program.contains('/') {
        let path = directory.unwrap_or(Path::new(".")).join(program);
        path.is_file().then_some(path)
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
    };
    let found = found.ok_or_else(|| {
        let where_to = directory.map_or_else(String::new, |directory| format!(" in {}", directory.display()));
        format!("there is no program `{program}`{where_to}: mend `command` in `[cluster.{table}]`")
    })?;
    let found = std::path::absolute(&found).map_err(|error| error.to_string())?;
    Ok(std::iter::once(found.into_os_string()).chain(arguments.iter().map(OsString::from)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_looked_for_beside_the_scenario_or_in_the_path() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let shell = command(&words("sh -c true"), None, "maelstrom").unwrap();
        assert!(Path::new(&shell[0]).is_absolute());
        assert_eq!(shell[1..], ["-c", "true"]);
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let beside = command(&words("./Cargo.toml"), Some(here), "maelstrom").unwrap();
        assert!(Path::new(&beside[0]).is_absolute());
        let why = command(&words("./no-such-node"), Some(here), "http").unwrap_err();
        assert!(why.contains("no program `./no-such-node`") && why.contains("[cluster.http]"), "{why}");
        assert!(command(&[], None, "http").is_err());
    }
}
