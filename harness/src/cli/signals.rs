//! Ctrl-C: the first asks a run to stop, heal and judge what there is; the second ends the program at once. What has
//! nothing to tell before its end is left by the first.

use crate::{exit::Exit, progress::INTERRUPTED, runner::Interrupt};
use std::{io::Write as _, process, sync::mpsc, thread};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Watches for signals until the program ends. Where they cannot be caught, they end the program as they always do.
/// Where a display says that the run was interrupted, a line of ours would tear it.
pub(super) fn watch(interrupt: &Interrupt, has_display: bool) {
    let interrupt = interrupt.clone();
    catch(async move |mut signals| {
        for attempt in 0_u32.. {
            signals.next().await;
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
    });
}

/// Watches for signals until the program ends: the first one ends it, after what is to be tidied up.
pub(super) fn leave(tidy: impl FnOnce() + Send + 'static) {
    catch(async move |mut signals| {
        signals.next().await;
        tidy();
        process::exit(i32::from(Exit::Interrupted.code()));
    });
}

struct Signals {
    ctrl_c: Signal,
    terminate: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.ctrl_c.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Signals are caught from its return on, so that whoever calls it before the first trace of a run leaves none.
fn catch<F: AsyncFnOnce(Signals) + Send + 'static>(handle: F) {
    let (ready, caught) = mpsc::channel::<()>();
    // Not joined: it waits for as long as the program lives.
    drop(thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async move {
            let (Ok(ctrl_c), Ok(terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            drop(ready);
            handle(Signals { ctrl_c, terminate }).await;
        });
    }));
    // Nothing is ever sent: the other end is dropped when they are caught, and when they cannot be.
    let _ = caught.recv();
}
