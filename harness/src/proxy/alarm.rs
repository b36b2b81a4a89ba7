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

/// The longest lead, and so the longest time spun away for one deadline.
const LONGEST_LEAD: Duration = Duration::from_micros(100);

/// An alarm clock for one waiting place.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: AsyncFd<OwnedFd>,
    /// When the timer will ring, as far as it is set.
    ring: Option<Instant>,
    /// How long before the deadline the timer rings: as long as waking up usually takes.
    lead: Duration,
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
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self {
            timer: AsyncFd::with_interest(timer, Interest::READABLE)?,
            ring: None,
            lead: Duration::ZERO,
        })
    }

    /// Ready from this instant on; else the task is woken then, or at the instant of a later call.
    ///
    /// An idle core takes 20-100 us to wake up, so the timer rings earlier by what that took lately; what is left
    /// then is spent yielding to the other tasks. On a busy core wake-ups are late anyway and nothing is left.
    ///
    /// The timer is never read: setting it anew clears its count, and the runtime sees each expiry as an edge.
    /// That saves a system call per delayed delivery.
    pub(crate) fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let now = Instant::now();
            if let Some(late) = self.ring.and_then(|ring| now.checked_duration_since(ring)) {
                self.lead = (self.lead * 7 + late.min(LONGEST_LEAD)) / 8;
                self.forget_ring(cx);
            }
            let Some(left) = at.checked_duration_since(now).filter(|left| !left.is_zero()) else {
                return Poll::Ready(Ok(()));
            };
            if left <= self.lead {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let ring = at - self.lead;
            if self.ring != Some(ring) {
                self.arm(ring - now)?;
                self.ring = Some(ring);
            }
            ready!(self.timer.poll_read_ready(cx))?.clear_ready();
            // It has rung just now, or for an earlier deadline: look at the clock, and set it again if need be.
            if Instant::now() < ring {
                self.ring = None;
            }
        }
    }

    /// Drops the readiness that has brought us here, so that the next wait does not begin with it.
    fn forget_ring(&mut self, cx: &mut Context<'_>) {
        self.ring = None;
        if let Poll::Ready(Ok(mut guard)) = self.timer.poll_read_ready(cx) {
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
