//! Ctrl-C: the first asks a run to stop, heal and judge what there is; the second ends the program at once. What has
//! nothing to tell before its end is left by the first.

use crate::{exit::Exit, progress::INTERRUPTED, runner::Interrupt};
use std::{io::Write as _, process, thread};
use tokio::signal::unix::{SignalKind, signal};

/// Watches for signals until the program ends. Where they cannot be caught, they end the program as they always do.
/// Where a display says that the run was interrupted, a line of ours would tear it.
pub(super) fn watch(interrupt: &Interrupt, has_display: bool) {
    let interrupt = interrupt.clone();
    // Not joined: it waits for as long as the program lives.
    drop(thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(wait(&interrupt, has_display));
    }));
}

/// Watches for signals until the program ends: the first one ends it, after what is to be tidied up.
pub(super) fn leave(tidy: impl FnOnce() + Send + 'static) {
    drop(thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async {
            let (Ok(mut ctrl_c), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            tokio::select! {
                _ = ctrl_c.recv() => {}
                _ = terminate.recv() => {}
            }
            tidy();
            process::exit(i32::from(Exit::Interrupted.code()));
        });
    }));
}

async fn wait(interrupt: &Interrupt, has_display: bool) {
    let (Ok(mut ctrl_c), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    for attempt in 0_u32.. {
        tokio::select! {
            _ = ctrl_c.recv() => {}
            _ = terminate.recv() => {}
        }
        if attempt > 0 {
            // The nodes end with us: see `node`.
            process::exit(i32::from(Exit::Interrupted.code()));
        }
        if !has_display {
            // Where it cannot be said, it is done all the same.
            let _ = writeln!(std::io::stderr(), "{INTERRUPTED}");
        }
        interrupt.request();
    }
}
