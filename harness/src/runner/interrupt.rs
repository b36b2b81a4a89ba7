//! The wish to stop early: Ctrl-C, or a caller.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// A flag that can be waited for. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    requested: AtomicBool,
    wake: Notify,
}

impl Interrupt {
    /// Nobody wishes to stop.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop: heal, read what can be read, judge what was recorded.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::SeqCst);
        self.0.wake.notify_waiters();
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    /// Returns once somebody has asked.
    pub async fn requested(&self) {
        let wake = self.0.wake.notified();
        tokio::pin!(wake);
        // Listen before looking, so that a request in between is not missed.
        wake.as_mut().enable();
        if !self.is_requested() {
            wake.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_wakes_those_who_wait_and_those_who_come_later() {
        let interrupt = Interrupt::new();
        let waiting = tokio::spawn({
            let interrupt = interrupt.clone();
            async move { interrupt.requested().await }
        });
        tokio::task::yield_now().await;
        interrupt.request();
        waiting.await.unwrap();
        interrupt.requested().await;
    }
}
