//! Waking up at a given instant where there is no timerfd (macOS): tokio's own timer, which is up to a
//! millisecond late. Delays below a few milliseconds are not exact there.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// An alarm clock for one waiting place.
#[derive(Debug)]
pub(crate) struct Alarm {
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    /// An alarm of the current runtime.
    ///
    /// # Errors
    ///
    /// None; the exact alarm has some.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { sleep: Box::pin(sleep_until(Instant::now().into())) })
    }

    /// Ready from this instant on; else the task is woken then, or at the instant of a later call.
    pub(crate) fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while Instant::now() < at {
            if self.sleep.deadline() != at.into() {
                self.sleep.as_mut().reset(at.into());
            }
            ready!(self.sleep.as_mut().poll(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[tokio::test]
    async fn an_alarm_rings_at_its_instant_or_later_also_when_set_anew() -> io::Result<()> {
        let mut alarm = Alarm::new()?;
        let start = Instant::now();
        for wait in [3, 1, 5].map(Duration::from_millis) {
            poll_fn(|cx| alarm.poll_until(start + wait, cx)).await?;
            assert!(start.elapsed() >= wait);
        }
        Ok(())
    }
}
