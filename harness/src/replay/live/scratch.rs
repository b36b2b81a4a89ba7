//! A folder for the files of a stepped cluster, gone when it is dropped.

use rustix::process::{Pid, test_kill_process};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// What the names of all such folders begin with; the number of their process follows.
const PREFIX: &str = "quarrel-replay-";

/// Several may be played at a time.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The folder.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new one, where the system keeps what is of no lasting use. Those of processes that were killed go.
    pub(super) fn new() -> io::Result<Self> {
        sweep(&env::temp_dir());
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let time = crate::clock_file::real_ns();
        let path = env::temp_dir().join(format!("{PREFIX}{}-{time}-{number}", process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now goes with the next one.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes the folders of processes that are no more.
fn sweep(within: &Path) {
    let Ok(entries) = fs::read_dir(within) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
        let is_gone = |pid| test_kill_process(pid).is_err_and(|error| error == rustix::io::Errno::SRCH);
        if owner.and_then(Pid::from_raw).is_some_and(is_gone) {
            // It may be another user's.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_and_what_a_living_one_has_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let make = |pid: u32| {
            let path = folder.path().join(format!("{PREFIX}{pid}-1-0"));
            fs::create_dir(&path).unwrap();
            path
        };
        let (left, ours) = (make(child.id()), make(process::id()));
        let other = folder.path().join("quarrel-else");
        fs::create_dir(&other).unwrap();
        sweep(folder.path());
        assert!(!left.exists());
        assert!(ours.exists() && other.exists());
    }
}
