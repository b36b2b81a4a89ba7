//! One direction of a connection: reads from one socket, writes to the other, through the queue if it must.
//!
//! A direction is polled by its connection's task and never waits by itself. Without faults a read is followed by
//! the write of the same bytes, out of a buffer that the thread's connections share: no queue, no copy, no clock.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::alarm::Alarm;
use super::bucket::Bucket;
use super::frames::Oversized;
use super::intake::Intake;
use super::link::Link;
use super::queue::{Delay, End, Head, Queue};
use super::shape::{Gate, Shape, Way};

/// The size of a read. Large enough that a bulk transfer is not dominated by system calls, small enough to
/// stay in a core's second-level cache between the read and the write.
const READ_BYTES: usize = 128 << 10;

thread_local! {
    /// The buffer between a read and a write. Nothing stays in it, so one per thread does for all connections.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The link was cut.
    Cut,
    /// An end has broken its side.
    Broken,
    /// An end does not speak frames.
    Oversized,
}

impl From<Oversized> for Failure {
    fn from(_: Oversized) -> Self {
        Self::Oversized
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// Why reading paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paused {
    /// There is nothing to read; the task is woken when there is.
    Idle,
    /// The queue is full.
    Full,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Direction {
    link: Arc<Link>,
    way: Way,
    shapes: watch::Receiver<Shape>,
    shape: Shape,
    transparent: bool,
    stalled: bool,
    queue_limit: usize,
    intake: Intake,
    queue: Queue,
    bucket: Option<Bucket>,
    /// Made at the first delay: most connections never need one.
    alarm: Option<Alarm>,
    read_ended: bool,
    finished: bool,
}

impl Direction {
    /// One direction of the connection with this number.
    pub(super) fn new(link: Arc<Link>, way: Way, number: u64, mut shapes: watch::Receiver<Shape>) -> Self {
        shapes.mark_changed();
        Self {
            way,
            shapes,
            shape: Shape::HEALTHY,
            transparent: true,
            stalled: false,
            queue_limit: Shape::HEALTHY.queue_limit(way),
            intake: link.intake(number, way),
            queue: Queue::default(),
            bucket: None,
            alarm: None,
            read_ended: false,
            finished: false,
            link,
        }
    }

    /// Looks whether the shape has changed: after each read and before each write, so that nothing that was sent
    /// after a change is carried as before it.
    fn follow_shape(&mut self) -> Result<(), Failure> {
        // An error says that the proxy is being stopped, and this task with it.
        if !self.shapes.has_changed().unwrap_or(false) {
            return Ok(());
        }
        let shape = *self.shapes.borrow_and_update();
        if shape.gate == Gate::Cut {
            return Err(Failure::Cut);
        }
        self.reshape(shape);
        Ok(())
    }

    /// Applies a shape to all that is not yet delivered.
    fn reshape(&mut self, shape: Shape) {
        let was_stalled = std::mem::replace(&mut self.stalled, shape.gate.stalls(self.way));
        self.shape = shape;
        self.transparent = shape.is_transparent(self.way);
        self.queue_limit = shape.queue_limit(self.way);
        self.intake.reshape(&shape, &mut self.queue);
        self.bucket = shape.bandwidth_bytes_per_second.map(|rate| match self.bucket.take() {
            Some(bucket) => bucket.at_rate(rate),
            None => Bucket::new(rate, Instant::now()),
        });
        if self.stalled && !was_stalled {
            self.link.tally.held.add(self.queue.bytes());
        }
    }

    /// Carries what can be carried now. Ready when the sender's close has been passed on.
    pub(super) fn poll(
        &mut self,
        from: &mut TcpStream,
        to: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        self.follow_shape()?;
        while !self.finished {
            let paused = self.fill(from, to, cx)?;
            self.deliver(to, cx)?;
            if !self.finished && (paused == Paused::Idle || !self.has_room()) {
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn has_room(&self) -> bool {
        !self.read_ended && self.queue.cost() < self.queue_limit
    }

    /// Reads until there is nothing more, or no room.
    fn fill(
        &mut self,
        from: &mut TcpStream,
        to: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Result<Paused, Failure> {
        SCRATCH.with_borrow_mut(|scratch| {
            while self.has_room() {
                let mut buffer = ReadBuf::new(scratch);
                match Pin::new(&mut *from).poll_read(cx, &mut buffer) {
                    Poll::Pending => return Ok(Paused::Idle),
                    Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                        self.take(buffer.filled(), to, cx)?
                    }
                    Poll::Ready(end) => {
                        let end = if end.is_ok() { End::Close } else { End::Break };
                        self.read_ended = true;
                        self.intake.admit_end(end, &mut self.queue);
                    }
                }
            }
            Ok(Paused::Full)
        })
    }

    /// Passes on what was read, or queues it.
    fn take(&mut self, bytes: &[u8], to: &mut TcpStream, cx: &mut Context<'_>) -> Result<(), Failure> {
        self.follow_shape()?;
        let tally = &self.link.tally;
        if !self.transparent || !self.queue.is_empty() {
            let before = self.queue.bytes();
            self.intake.admit(bytes, &self.shape, &mut self.queue, tally)?;
            if self.stalled {
                tally.held.add(self.queue.bytes() - before);
            }
            return Ok(());
        }
        let frames = self.intake.pass(bytes)?;
        let written = match Pin::new(to).poll_write(cx, bytes) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        if written == bytes.len() {
            tally.delivered(self.way, written, frames);
        } else {
            tally.delivered(self.way, written, 0);
            self.intake.enqueue(&bytes[written..], frames, Instant::now(), &mut self.queue);
        }
        Ok(())
    }

    /// Delivers what is due, and sees to it that the task is woken when more will be.
    fn deliver(&mut self, to: &mut TcpStream, cx: &mut Context<'_>) -> Result<(), Failure> {
        while let Some(at) = self.deliver_due(to, cx)? {
            let alarm = match &mut self.alarm {
                Some(alarm) => alarm,
                none => none.insert(Alarm::new()?),
            };
            if alarm.poll_until(at, cx)?.is_pending() {
                break;
            }
        }
        Ok(())
    }

    /// Delivers what is due now. Returns when something more will be.
    fn deliver_due(&mut self, to: &mut TcpStream, cx: &mut Context<'_>) -> Result<Option<Instant>, Failure> {
        if self.queue.is_empty() && !self.intake.is_waiting() {
            return Ok(None);
        }
        let now = Instant::now();
        let patience = self.intake.expire(now, &mut self.queue);
        loop {
            self.follow_shape()?;
            if self.stalled {
                return Ok(None);
            }
            let delay = Delay { latency: self.shape.latency, jitter: self.shape.jitter };
            let bytes = match self.queue.head(now, delay) {
                Head::Empty => return Ok(patience),
                Head::Later(at) => return Ok(earlier(at, patience)),
                Head::End(end) => return self.end(end, to, cx).map(|()| None),
                Head::Bytes(bytes) => bytes,
            };
            let allowed = match self.bucket.as_mut().map_or(Ok(bytes), |bucket| bucket.allowed(bytes, now)) {
                Ok(allowed) => allowed,
                Err(at) => return Ok(earlier(at, patience)),
            };
            match Pin::new(&mut *to).poll_write(cx, self.queue.front(allowed)) {
                Poll::Pending => return Ok(patience),
                Poll::Ready(written) => self.delivered(written?),
            }
        }
    }

    /// Passes on the end of the stream.
    fn end(&mut self, end: End, to: &mut TcpStream, cx: &mut Context<'_>) -> Result<(), Failure> {
        if end == End::Break {
            return Err(Failure::Broken);
        }
        if let Poll::Ready(closed) = Pin::new(to).poll_shutdown(cx) {
            closed?;
            self.finished = true;
        }
        Ok(())
    }

    fn delivered(&mut self, bytes: usize) {
        let frames = self.queue.consume(bytes);
        self.link.tally.delivered(self.way, bytes, frames);
        if let Some(bucket) = &mut self.bucket {
            bucket.spend(bytes);
        }
    }
}

fn earlier(at: Instant, other: Option<Instant>) -> Option<Instant> {
    Some(other.map_or(at, |other| at.min(other)))
}
