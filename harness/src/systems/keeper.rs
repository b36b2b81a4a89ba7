//! Keeps a foreign program from outliving the harness.
//!
//! A node of ours ends with its standard input; a database does not. So the harness starts this program again, as
//! `quarrel keep PROGRAM ...`: the keeper starts the database, says its process id, and kills it when its own standard
//! input closes, which it does however the harness ends.

use std::{
    ffi::OsString,
    io::{self, Read as _, Write},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// How often the keeper looks whether its program has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Starts the program, writes its process id to `out`, and returns when it has ended: by itself, or because standard
/// input closed. Gives back the program's exit code; 1 if a signal ended it.
///
/// # Errors
/// If the program cannot be started or watched.
pub fn keep(program: &[OsString], out: &mut dyn Write) -> io::Result<i32> {
    let (name, arguments) =
        program.split_first().ok_or_else(|| io::Error::other("there is no program to keep"))?;
    let child = Command::new(name).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let id = child.id();
    let child = Arc::new(Mutex::new(child));
    let kept = Arc::clone(&child);
    thread::spawn(move || {
        // Whatever comes, the end of the input is what counts.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        let _ = kept.lock().unwrap_or_else(PoisonError::into_inner).kill();
    });
    writeln!(out, "{id}")?;
    out.flush()?;
    loop {
        if let Some(status) = child.lock().unwrap_or_else(PoisonError::into_inner).try_wait()? {
            return Ok(status.code().unwrap_or(1));
        }
        thread::sleep(LOOK);
    }
}
