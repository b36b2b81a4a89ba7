//! Keeps a foreign program from outliving the harness.
//!
//! A node of ours ends with its standard input; a database does not. So the harness starts this program again, as
//! `quarrel keep PROGRAM ...`: the keeper starts the database, says its process id, and kills it when its own standard
//! input closes, which it does however the harness ends. A program that is talked to through its standard input gets
//! what the keeper is told.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    os::fd::AsFd as _,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// How often the keeper looks whether its program has ended.
const LOOK: Duration = Duration::from_millis(20);
/// The bytes that are passed on at a time.
const CHUNK: usize = 1 << 16;

/// Starts the program, writes its process id to `out`, and returns when it has ended: by itself, or because standard
/// input closed. Gives back the program's exit code; 1 if a signal ended it. If the harness is to `talk` to it, the
/// program reads what comes in, and what it writes follows its process id.
///
/// # Errors
/// If the program cannot be started or watched.
pub fn keep(program: &[OsString], talk: bool, out: &mut dyn Write) -> io::Result<i32> {
    let (name, arguments) =
        program.split_first().ok_or_else(|| io::Error::other("there is no program to keep"))?;
    let pipe = || if talk { Stdio::piped() } else { Stdio::null() };
    let mut child = Command::new(name).args(arguments).stdin(pipe()).stdout(pipe()).spawn()?;
    let (ears, mouth) = (child.stdin.take(), child.stdout.take());
    writeln!(out, "{}", child.id())?;
    out.flush()?;
    let child = Arc::new(Mutex::new(child));
    let kept = Arc::clone(&child);
    thread::spawn(move || {
        // Whatever comes, the end of the input is what counts; a program that does not read must not hide it.
        let (heard, queue) = mpsc::channel::<Vec<u8>>();
        thread::spawn(move || ears.map(|mut ears| queue.iter().try_for_each(|chunk| ears.write_all(&chunk))));
        pass_on(io::stdin(), |chunk| heard.send(chunk.to_vec()).is_ok());
        let _ = kept.lock().unwrap_or_else(PoisonError::into_inner).kill();
    });
    // Our caller holds the lock of the standard output.
    let mut voice = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let speaking =
        mouth.map(|mouth| thread::spawn(move || pass_on(mouth, |chunk| voice.write_all(chunk).is_ok())));
    loop {
        if let Some(status) = child.lock().unwrap_or_else(PoisonError::into_inner).try_wait()? {
            // What it said last is still to be passed on. What its own children say is not waited for.
            let said = std::time::Instant::now();
            while speaking.as_ref().is_some_and(|speaking| !speaking.is_finished())
                && said.elapsed() < LOOK * 5
            {
                thread::sleep(LOOK);
            }
            return Ok(status.code().unwrap_or(1));
        }
        thread::sleep(LOOK);
    }
}

/// Gives what comes in to `to`, as it comes, until it ends. Once `to` says no, the rest is read for its end only.
fn pass_on(mut from: impl Read, mut to: impl FnMut(&[u8]) -> bool) {
    let mut chunk = vec![0; CHUNK];
    let mut wanted = true;
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => wanted = wanted && to(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
