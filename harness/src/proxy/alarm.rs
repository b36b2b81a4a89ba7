//! Waking up at a given instant, exactly: a timerfd watched by the runtime.
//!
//! tokio's own timer is a wheel of whole milliseconds that rounds up, so it is about a millisecond late; a timerfd
//! is a kernel timer of its own and is late only by the time to schedule the thread.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// An alarm clock for one waiting place.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: AsyncFd<OwnedFd>,
    armed: Option<Instant>,
}

impl Alarm {
    /// An alarm of the current runtime.
    ///
    /// # Errors
    ///
    /// The process has no descriptor left.
    #[expect(
        deprecated,
        reason = "the replacement is an unsafe function, whose promise (the same open descriptor for as long as the \
                  AsyncFd lives) any type might break but an OwnedFd keeps"
    )]
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { timer: AsyncFd::with_interest(timer, Interest::READABLE)?, armed: None })
    }

    /// Ready from this instant on; else the task is woken then, or at the instant of a later call.
    ///
    /// The timer is never read: setting it anew clears its count, and the runtime sees each expiry as an edge.
    /// That saves a system call per delayed delivery.
    pub(super) fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let now = Instant::now();
            if now >= at {
                self.forget_expiry(cx);
                return Poll::Ready(Ok(()));
            }
            if self.armed != Some(at) {
                self.arm(at - now)?;
                self.armed = Some(at);
            }
            ready!(self.timer.poll_read_ready(cx))?.clear_ready();
            // An expiry for an earlier instant, or a clock that disagrees: look and arm again.
            self.armed = None;
        }
    }

    /// Drops the readiness that has brought us here, so that the next wait does not begin with it.
    fn forget_expiry(&mut self, cx: &mut Context<'_>) {
        if self.armed.take().is_some()
            && let Poll::Ready(Ok(mut guard)) = self.timer.poll_read_ready(cx)
        {
            guard.clear_ready();
        }
    }

    fn arm(&self, wait: Duration) -> io::Result<()> {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec::try_from(wait).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
        let once = Itimerspec { it_interval: zero, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}
