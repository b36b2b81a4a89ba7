//! Locks between processes. They end with their process, however it ends.

use super::StoreError;
use rustix::fs::{FlockOperation, flock};
use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    path::Path,
};

/// The lock of the whole store, in its folder; that of a run, in the run's.
const FILE: &str = ".lock";

/// Waits for the folder's lock and takes it. It is let go when the file is dropped.
pub(super) fn exclusive(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(FILE);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|e| StoreError::new("write to", &path, e))?;
    flock(&file, FlockOperation::LockExclusive).map_err(|e| StoreError::new("lock", &path, e.into()))?;
    Ok(file)
}

/// Whether some process holds the folder's lock.
pub(super) fn is_held(folder: &Path) -> bool {
    let Ok(file) = File::open(folder.join(FILE)) else { return false };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

/// Whether a file of this name is the folder's lock.
pub(super) fn is_lock(name: &OsStr) -> bool {
    name == FILE
}

/// Takes the lock's file away: the run is complete, nobody will ask again.
pub(super) fn remove(folder: &Path) {
    // A file that stays behind does no harm.
    let _ = std::fs::remove_file(folder.join(FILE));
}
