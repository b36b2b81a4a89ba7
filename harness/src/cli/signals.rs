//! Ctrl-C: the first asks the run to stop, heal and judge what there is; the second ends the program at once.

use crate::{exit::Exit, runner::Interrupt};
use std::{io::Write as _, process, thread};
use tokio::signal::unix::{SignalKind, signal};

/// Watches for signals until the program ends. Where they cannot be caught, they end the program as they always do.
pub(super) fn watch(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    // Not joined: it waits for as long as the program lives.
    drop(thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(wait(&interrupt));
    }));
}

async fn wait(interrupt: &Interrupt) {
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
        // Where it cannot be said, it is done all the same.
        let _ = writeln!(
            std::io::stderr(),
            "interrupted: healing, and judging what was recorded; once more to stop at once"
        );
        interrupt.request();
    }
}
