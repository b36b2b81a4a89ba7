//! What has arrived and is not delivered yet, in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most that is offered to a socket at once, and the capacity kept when the queue runs empty.
const OFFER_BYTES: usize = 256 << 10;

/// How a direction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The sender has closed its side; the other side stays usable.
    Close,
    /// The sender's socket has failed.
    Break,
}

/// When something arrived, and its share of the jitter in units of 2^-32.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    pub(super) jitter_share: u32,
}

/// How long things stay under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delay {
    pub(super) latency: Duration,
    pub(super) jitter: Duration,
}

/// What the head of the queue wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// There is nothing.
    Empty,
    /// Nothing may leave before this time.
    Later(Instant),
    /// So many bytes may leave.
    Bytes(usize),
    /// The direction ends here.
    End(End),
}

/// Bytes that arrived together.
#[derive(Debug)]
struct Segment {
    arrival: Arrival,
    bytes_left: usize,
    /// Frames that end with the last byte or before.
    frames: usize,
    end: Option<End>,
}

/// One ring of bytes and the list of its segments: two allocations however many frames are under way.
#[derive(Debug, Default)]
pub(super) struct Queue {
    bytes: VecDeque<u8>,
    segments: VecDeque<Segment>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The bytes in the queue.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The memory in use, in bytes: tiny segments must not evade the bound.
    pub(super) fn cost(&self) -> usize {
        self.bytes.len() + self.segments.len() * size_of::<Segment>()
    }

    pub(super) fn push(&mut self, bytes: &[u8], frames: usize, arrival: Arrival) {
        self.bytes.extend(bytes);
        self.segments.push_back(Segment { arrival, bytes_left: bytes.len(), frames, end: None });
    }

    pub(super) fn push_end(&mut self, end: End, arrival: Arrival) {
        self.segments.push_back(Segment { arrival, bytes_left: 0, frames: 0, end: Some(end) });
    }

    /// What may leave at this time. Segments that are due leave together, in one write.
    pub(super) fn head(&self, now: Instant, delay: Delay) -> Head {
        let mut bytes = 0;
        for segment in &self.segments {
            let due = segment.arrival.at + delay.of(segment.arrival.jitter_share);
            let stop = due > now || segment.end.is_some() || bytes >= OFFER_BYTES;
            match (stop, segment.end) {
                (true, _) if bytes > 0 => break,
                (true, _) if due > now => return Head::Later(due),
                (true, Some(end)) => return Head::End(end),
                _ => bytes += segment.bytes_left,
            }
        }
        if bytes == 0 { Head::Empty } else { Head::Bytes(bytes) }
    }

    /// The first bytes, at most `limit`, and fewer where the ring wraps.
    pub(super) fn front(&self, limit: usize) -> &[u8] {
        let front = self.bytes.as_slices().0;
        &front[..front.len().min(limit)]
    }

    /// Takes off delivered bytes. Returns how many frames are delivered with them.
    pub(super) fn consume(&mut self, mut count: usize) -> usize {
        self.bytes.drain(..count);
        let mut frames = 0;
        while let Some(segment) = self.segments.front_mut() {
            let taken = count.min(segment.bytes_left);
            segment.bytes_left -= taken;
            count -= taken;
            if segment.bytes_left > 0 || segment.end.is_some() {
                break;
            }
            frames += segment.frames;
            self.segments.pop_front();
        }
        if self.is_empty() && self.bytes.capacity() > 2 * OFFER_BYTES {
            self.bytes.shrink_to(OFFER_BYTES);
        }
        frames
    }
}

impl Delay {
    fn of(self, jitter_share: u32) -> Duration {
        /// "Never" must not overflow an `Instant`.
        const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        if self.jitter.is_zero() {
            return self.latency.min(A_YEAR);
        }
        let nanos = (self.jitter.as_nanos() * u128::from(jitter_share)) >> 32;
        let drawn = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.latency.saturating_add(drawn).min(A_YEAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Duration = Duration::from_millis(10);
    const DELAY: Delay = Delay { latency: LATENCY, jitter: Duration::ZERO };

    #[test]
    fn segments_leave_in_order_once_they_are_due() {
        let start = Instant::now();
        let later = start + Duration::from_millis(1);
        let arrival = |at| Arrival { at, jitter_share: 0 };
        let mut queue = Queue::default();
        assert_eq!(queue.head(start, DELAY), Head::Empty);
        queue.push(b"one", 1, arrival(start));
        queue.push(b"two", 1, arrival(start));
        queue.push(b"three", 1, arrival(later));
        queue.push_end(End::Close, arrival(later));
        assert_eq!(queue.head(start, DELAY), Head::Later(start + LATENCY));
        assert_eq!(queue.head(start + LATENCY, DELAY), Head::Bytes(6));
        assert_eq!(queue.front(6), b"onetwo");
        assert_eq!(queue.consume(4), 1);
        assert_eq!(queue.consume(2), 1);
        assert_eq!(queue.head(start + LATENCY, DELAY), Head::Later(later + LATENCY));
        assert_eq!(queue.head(later + LATENCY, DELAY), Head::Bytes(5));
        assert_eq!(queue.consume(5), 1);
        assert_eq!(queue.head(later + LATENCY, DELAY), Head::End(End::Close));
    }

    #[test]
    fn a_shorter_delay_frees_what_is_already_under_way() {
        let start = Instant::now();
        let mut queue = Queue::default();
        queue.push(b"x", 0, Arrival { at: start, jitter_share: u32::MAX });
        let long = Delay { latency: LATENCY, jitter: LATENCY };
        assert!(matches!(queue.head(start + LATENCY, long), Head::Later(_)));
        assert_eq!(
            queue.head(start, Delay { latency: Duration::ZERO, jitter: Duration::ZERO }),
            Head::Bytes(1)
        );
    }
}
