//! What becomes of bytes that arrive and cannot pass at once: frames are told apart, lost, doubled, held back,
//! and the rest is queued.

use std::time::{Duration, Instant};

use super::counters::Tally;
use super::frames::{Framer, Oversized, Piece};
use super::queue::{Arrival, End, Queue};
use super::random::{Stream, Use};
use super::shape::{Kind, Shape, Way};

/// How long a frame that is to be overtaken waits for a successor: 20 ms.
pub const REORDER_PATIENCE: Duration = Duration::from_millis(20);

/// The streams of random decisions of one direction of one connection.
#[derive(Debug)]
pub(super) struct Dice {
    loss: Stream,
    duplicate: Stream,
    reorder: Stream,
    jitter: Stream,
}

/// A frame that waits until another one has overtaken it.
#[derive(Debug)]
struct Overtaken {
    bytes: Vec<u8>,
    copies: usize,
    arrival: Arrival,
}

/// The entry of one direction of one connection.
#[derive(Debug)]
pub(super) struct Intake {
    dice: Dice,
    /// Only on a link of frames.
    framer: Option<Framer>,
    /// How many reads were queued: the counter of the jitter's draws where there are no whole frames.
    reads: u64,
    overtaken: Option<Overtaken>,
}

impl Dice {
    pub(super) fn new(seed: u64, link: &str, connection: u64, way: Way) -> Self {
        let stream = |purpose| Stream::new(seed, link, connection, way == Way::Back, purpose);
        Self {
            loss: stream(Use::Loss),
            duplicate: stream(Use::Duplicate),
            reorder: stream(Use::Reorder),
            jitter: stream(Use::Jitter),
        }
    }
}

impl Intake {
    pub(super) fn new(kind: Kind, dice: Dice) -> Self {
        Self { dice, framer: (kind == Kind::Frames).then(Framer::default), reads: 0, overtaken: None }
    }

    /// Notes bytes that pass at once. Returns how many frames end in them.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<usize, Oversized> {
        self.framer.as_mut().map_or(Ok(0), |framer| framer.pass(bytes))
    }

    /// Whether a frame waits to be overtaken.
    pub(super) fn is_waiting(&self) -> bool {
        self.overtaken.is_some()
    }

    /// Takes bytes that have just arrived into the queue.
    pub(super) fn admit(
        &mut self,
        mut bytes: &[u8],
        shape: &Shape,
        queue: &mut Queue,
        tally: &Tally,
    ) -> Result<(), Oversized> {
        let at = Instant::now();
        let whole = shape.needs_whole_frames();
        while let Some(framer) = self.framer.as_mut().filter(|_| whole) {
            match framer.next(&mut bytes)? {
                None => return Ok(()),
                Some(Piece::Whole { number, bytes }) => self.decide(number, &bytes, at, shape, queue, tally),
                Some(Piece::Rest { bytes, ended }) => self.enqueue(bytes, ended, at, queue),
            }
        }
        let frames = self.pass(bytes)?;
        self.enqueue(bytes, frames, at, queue);
        Ok(())
    }

    /// Takes the end of the stream into the queue, after everything that was held back.
    pub(super) fn admit_end(&mut self, end: End, queue: &mut Queue) {
        let at = Instant::now();
        self.release(at, queue);
        queue.push_end(end, Arrival { at, jitter_share: 0 });
    }

    /// Makes what is held back fit a new shape.
    pub(super) fn reshape(&mut self, shape: &Shape, queue: &mut Queue) {
        if shape.reorder_ppm == 0 {
            self.give_up_waiting(queue);
        }
        if !shape.needs_whole_frames() {
            self.release(Instant::now(), queue);
        }
    }

    /// Queues the frame that waits to be overtaken if its patience has ended; else says when it will.
    pub(super) fn expire(&mut self, now: Instant, queue: &mut Queue) -> Option<Instant> {
        let deadline = self.overtaken.as_ref()?.arrival.at + REORDER_PATIENCE;
        if deadline > now {
            return Some(deadline);
        }
        self.give_up_waiting(queue);
        None
    }

    /// The fate of a whole frame. Its number decides, so that the same seed decides the same.
    fn decide(
        &mut self,
        number: u64,
        bytes: &[u8],
        at: Instant,
        shape: &Shape,
        queue: &mut Queue,
        tally: &Tally,
    ) {
        if self.dice.loss.happens(number, shape.loss_ppm) {
            tally.dropped.one_more();
            return;
        }
        let twice = self.dice.duplicate.happens(number, shape.duplicate_ppm);
        if twice {
            tally.duplicated.one_more();
        }
        let copies = 1 + usize::from(twice);
        let arrival = Arrival { at, jitter_share: self.dice.jitter.share(number) };
        if self.overtaken.is_none() && self.dice.reorder.happens(number, shape.reorder_ppm) {
            self.overtaken = Some(Overtaken { bytes: bytes.to_vec(), copies, arrival });
            return;
        }
        for _ in 0..copies {
            queue.push(bytes, 1, arrival);
        }
        if self.give_up_waiting(queue) {
            tally.reordered.one_more();
        }
    }

    pub(super) fn enqueue(&mut self, bytes: &[u8], frames: usize, at: Instant, queue: &mut Queue) {
        let jitter_share = self.dice.jitter.share(self.reads);
        self.reads += 1;
        queue.push(bytes, frames, Arrival { at, jitter_share });
    }

    /// Queues the frame that waits to be overtaken, if there is one.
    fn give_up_waiting(&mut self, queue: &mut Queue) -> bool {
        let Some(frame) = self.overtaken.take() else { return false };
        for _ in 0..frame.copies {
            queue.push(&frame.bytes, 1, frame.arrival);
        }
        true
    }

    /// Queues everything that is held back, the beginning of a frame included.
    fn release(&mut self, at: Instant, queue: &mut Queue) {
        self.give_up_waiting(queue);
        let beginning = self.framer.as_mut().map(Framer::release).unwrap_or_default();
        if !beginning.is_empty() {
            self.enqueue(&beginning, 0, at, queue);
        }
    }
}
