//! A folder for the files of a stepped cluster, gone when it is dropped.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Several may be played at a time.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The folder.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new one, where the system keeps what is of no lasting use.
    pub(super) fn new() -> io::Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let time = crate::clock_file::real_ns();
        let path = env::temp_dir().join(format!("quarrel-replay-{}-{time}-{number}", process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now, the system removes some day.
        let _ = fs::remove_dir_all(&self.0);
    }
}
