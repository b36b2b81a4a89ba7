//! Links: connections that come and go, and what becomes of the frames on them.
//!
//! Loss, duplication and reordering are decided when a frame is sent, delays too; a stalled link keeps what reaches its
//! other end until it is released. A frame is lost, doubled or late as a whole. Each draw is addressed by the link, the
//! use and the instant, so that one frame more or less shifts no other frame's fate.

use super::schedule::Jitter;
use crate::{
    fault::LinkQuality,
    id::LinkId,
    message::{Entry, Message},
    random::Stream,
    value::Value,
};
use alloc::vec::Vec;
use smallvec::SmallVec;

/// How late a frame is that lets its successors overtake.
const OVERTAKEN_US: u64 = 20_000;
/// The most frames that one way of a link takes in one microsecond with draws of their own.
const FRAMES_AN_INSTANT: u64 = 64;
/// What a frame costs beside what it carries: length, kind, origin, position.
const FRAME_BYTES: u64 = 12;

/// Whether a link lets anything pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// Connections stand, and nothing is delivered.
    Stalled,
    /// There is no connection, and none can be made.
    Cut,
}

/// When a frame arrives: never if it is lost, twice if it is doubled.
pub(super) type Arrivals = SmallVec<[u64; 2]>;

/// One direction of a link.
#[derive(Debug)]
struct Way {
    draws: Draws,
    /// When the newest frame that keeps its place arrives: the next one cannot be earlier.
    newest_us: u64,
    /// When the bytes sent so far have left, where the bandwidth is bounded.
    left_us: u64,
    /// The instant of the last frame, and how many there were in it.
    instant: (u64, u64),
    /// What has arrived at a stalled link.
    held: Vec<Message>,
}

#[derive(Debug)]
struct Draws {
    jitter: Stream,
    loss: Stream,
    duplicate: Stream,
    reorder: Stream,
}

/// One link.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) link: LinkId,
    pub(super) gate: Gate,
    /// Whether there is a connection.
    pub(super) up: bool,
    /// The number of the connection: what was under way on an earlier one is lost.
    pub(super) connection: u32,
    pub(super) quality: LinkQuality,
    jitter: Jitter,
    /// With the link's direction, and against it.
    ways: [Way; 2],
}

impl Draws {
    fn new(seed: u64, entity: u64) -> Self {
        Self {
            jitter: Stream::new(seed, "sim link jitter", entity),
            loss: Stream::new(seed, "sim link loss", entity),
            duplicate: Stream::new(seed, "sim link duplicate", entity),
            reorder: Stream::new(seed, "sim link reorder", entity),
        }
    }
}

/// Whether a chance comes true at this number.
fn happens(stream: &Stream, number: u64, ppm: u32) -> bool {
    ppm > 0 && share_of(stream, number, 1_000_000) < u64::from(ppm)
}

/// A number below `bound` at this number.
pub(super) fn share_of(stream: &Stream, number: u64, bound: u64) -> u64 {
    ((u128::from(stream.nth(number)) * u128::from(bound)) >> 64) as u64
}

/// A share of an exponential distribution with this mean, from 64 random bits: minus their logarithm, by its whole part
/// and a straight line between two of those, since logarithms differ from machine to machine.
fn exponential(bits: u64, mean_us: u64) -> u64 {
    let halvings = bits.leading_zeros().min(31);
    // The bits after the first one, as a fraction of 2^32.
    let fraction = (bits << (halvings + 1)) >> 32;
    let in_halves = (u64::from(halvings + 1) << 32) - fraction;
    // The mean of what stands here is one and a half.
    ((u128::from(in_halves) * u128::from(mean_us) * 2 / 3) >> 32) as u64
}

impl Way {
    fn new(seed: u64, link: LinkId, forth: bool) -> Self {
        let entity = u64::from(link.from.0) << 16 | u64::from(link.to.0) << 8 | u64::from(forth);
        Self { draws: Draws::new(seed, entity), newest_us: 0, left_us: 0, instant: (0, 0), held: Vec::new() }
    }

    /// The number of this frame's draws.
    fn number(&mut self, now_us: u64) -> u64 {
        self.instant = match self.instant {
            (us, count) if us == now_us => (us, (count + 1) % FRAMES_AN_INSTANT),
            _ => (now_us, 0),
        };
        now_us.wrapping_mul(FRAMES_AN_INSTANT).wrapping_add(self.instant.1)
    }

    fn send(
        &mut self,
        now_us: u64,
        quality: &LinkQuality,
        distribution: Jitter,
        message: &Message,
    ) -> Arrivals {
        let number = self.number(now_us);
        if happens(&self.draws.loss, number, quality.loss_ppm) {
            return Arrivals::new();
        }
        let mut delay_us = quality.latency_us;
        if quality.jitter_us > 0 {
            delay_us += match distribution {
                Jitter::Uniform => share_of(&self.draws.jitter, number, quality.jitter_us + 1),
                Jitter::Exponential => exponential(self.draws.jitter.nth(number), quality.jitter_us),
            };
        }
        if quality.bandwidth_bytes_per_second > 0 {
            let takes_us =
                bytes_of(message).saturating_mul(1_000_000).div_ceil(quality.bandwidth_bytes_per_second);
            self.left_us = self.left_us.max(now_us).saturating_add(takes_us);
            delay_us = delay_us.saturating_add(self.left_us - now_us);
        }
        let mut arrives_us = now_us.saturating_add(delay_us);
        if happens(&self.draws.reorder, number, quality.reorder_ppm) {
            arrives_us += OVERTAKEN_US;
        } else {
            arrives_us = arrives_us.max(self.newest_us);
            self.newest_us = arrives_us;
        }
        let twice = happens(&self.draws.duplicate, number, quality.duplicate_ppm);
        SmallVec::from_elem(arrives_us, 1 + usize::from(twice))
    }

    fn reset(&mut self) {
        (self.newest_us, self.left_us) = (0, 0);
        self.held.clear();
    }
}

impl Wire {
    pub(super) fn new(seed: u64, link: LinkId, quality: LinkQuality, jitter: Jitter) -> Self {
        let ways = [true, false].map(|forth| Way::new(seed, link, forth));
        Self { link, gate: Gate::Open, up: false, connection: 0, quality, jitter, ways }
    }

    fn way(&mut self, forth: bool) -> &mut Way {
        &mut self.ways[usize::from(!forth)]
    }

    /// When a frame that is sent now arrives.
    pub(super) fn send(&mut self, now_us: u64, forth: bool, message: &Message) -> Arrivals {
        if !self.up {
            return Arrivals::new();
        }
        let (quality, jitter) = (self.quality, self.jitter);
        self.way(forth).send(now_us, &quality, jitter, message)
    }

    /// Whether a frame of that connection that has arrived is delivered; if the link is stalled it is kept.
    pub(super) fn arrive(&mut self, forth: bool, connection: u32, message: Message) -> Option<Message> {
        if !self.up || connection != self.connection {
            return None;
        }
        if self.gate == Gate::Stalled {
            self.way(forth).held.push(message);
            return None;
        }
        Some(message)
    }

    /// What was kept, in the order in which it had arrived: with the link's direction, and against it.
    pub(super) fn release(&mut self) -> [Vec<Message>; 2] {
        [true, false].map(|forth| core::mem::take(&mut self.way(forth).held))
    }

    /// The connection breaks, and all that is under way is lost. Whether there was one.
    pub(super) fn disconnect(&mut self) -> bool {
        self.connection += 1;
        self.ways.iter_mut().for_each(Way::reset);
        core::mem::replace(&mut self.up, false)
    }
}

/// About how many bytes a frame takes: close to its binary form, and far cheaper than making it.
fn bytes_of(message: &Message) -> u64 {
    let body = match message {
        Message::Hello { applied } | Message::Ack { applied } => 2 * applied.as_slice().len() as u64,
        Message::Entries { entries, .. } => entries.iter().map(|entry| entry_bytes(entry)).sum(),
        // A hand-over's message, or a request: a key, an identity, a value.
        Message::Routed(_) => 64,
    };
    FRAME_BYTES + body
}

fn entry_bytes(entry: &Entry) -> u64 {
    let vector = 2 * entry.version.context.as_slice().len() as u64;
    let values = entry.version.value.iter().chain(&entry.before).map(value_bytes).sum::<u64>();
    16 + entry.key.as_str().len() as u64 + vector + values
}

fn value_bytes(value: &Value) -> u64 {
    1 + match value {
        Value::Int(_) => 8,
        Value::Text(text) => 1 + text.len() as u64,
        Value::List(items) => 1 + items.iter().map(value_bytes).sum::<u64>(),
        Value::Set(items) => 1 + items.iter().map(value_bytes).sum::<u64>(),
        Value::Map(fields) => {
            1 + fields.iter().map(|(name, value)| 1 + name.len() as u64 + value_bytes(value)).sum::<u64>()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::ReplicaId, version::VersionVector};

    fn frame() -> Message {
        Message::Ack { applied: VersionVector::new() }
    }

    fn wire(quality: LinkQuality) -> Wire {
        let link = LinkId { from: ReplicaId(0), to: ReplicaId(1) };
        let mut wire = Wire::new(7, link, quality, Jitter::Uniform);
        wire.up = true;
        wire
    }

    /// When each of many frames arrives, one sent each millisecond.
    fn arrivals(quality: LinkQuality) -> Vec<Arrivals> {
        let mut wire = wire(quality);
        (0..1000).map(|ms| wire.send(ms * 1000, true, &frame())).collect()
    }

    #[test]
    fn jitter_delays_and_keeps_the_order() {
        let sent = arrivals(LinkQuality { latency_us: 500, jitter_us: 5000, ..LinkQuality::default() });
        let delay = |(ms, at): (usize, &Arrivals)| at[0] - ms as u64 * 1000;
        let delays: Vec<u64> = sent.iter().enumerate().map(delay).collect();
        assert!(delays.iter().all(|delay| (500..=5500).contains(delay)));
        assert!(delays.iter().any(|&delay| delay > 5000), "the whole of the jitter is used");
        assert!(sent.windows(2).all(|pair| pair[0][0] <= pair[1][0]));
    }

    #[test]
    fn an_exponential_delay_has_its_mean_and_its_tail() {
        let draws = Stream::new(3, "test", 0);
        let drawn: Vec<u64> = (0..100_000).map(|n| exponential(draws.nth(n), 1000)).collect();
        let mean = drawn.iter().sum::<u64>() / 100_000;
        assert!((985..1015).contains(&mean), "{mean}");
        // e^-1 is 0.368, e^-3 is 0.0498; the straight lines move that a little.
        let beyond = |bound| drawn.iter().filter(|&&delay| delay > bound).count();
        assert!((34_000..40_000).contains(&beyond(1000)), "{}", beyond(1000));
        assert!((3_500..6_000).contains(&beyond(3000)), "{}", beyond(3000));
        assert!(exponential(0, u64::MAX / 64) > 0 && exponential(u64::MAX, 1000) < 1000);
    }

    #[test]
    fn frames_are_lost_doubled_and_overtaken_as_often_as_stated() {
        let quality = LinkQuality { loss_ppm: 100_000, duplicate_ppm: 200_000, ..LinkQuality::default() };
        let sent = arrivals(quality);
        let count = |times| sent.iter().filter(|at| at.len() == times).count();
        assert!((70..130).contains(&count(0)), "{} were lost", count(0));
        assert!((150..210).contains(&count(2)), "{} were doubled", count(2));
        let sent = arrivals(LinkQuality { reorder_ppm: 300_000, ..LinkQuality::default() });
        let overtaken = sent.windows(2).filter(|pair| pair[0][0] > pair[1][0]).count();
        assert!((150..270).contains(&overtaken), "{overtaken} were overtaken");
    }

    #[test]
    fn a_narrow_link_sends_one_frame_after_the_other() {
        let mut wire = wire(LinkQuality { bandwidth_bytes_per_second: 12_000, ..LinkQuality::default() });
        let sent: Vec<u64> = (0..3).map(|_| wire.send(0, true, &frame())[0]).collect();
        assert_eq!(sent, [1000, 2000, 3000]);
        assert_eq!(wire.send(0, false, &frame())[0], 1000, "the other way is not held up");
    }

    #[test]
    fn a_frame_more_shifts_no_draw_of_a_later_one() {
        let quality = LinkQuality { jitter_us: 900, ..LinkQuality::default() };
        let (mut one, mut other) = (wire(quality), wire(quality));
        other.send(0, true, &frame());
        assert_eq!(one.send(5000, true, &frame()), other.send(5000, true, &frame()));
    }

    #[test]
    fn a_stalled_link_keeps_what_arrives_and_a_broken_one_loses_it() {
        let mut wire = wire(LinkQuality::default());
        wire.gate = Gate::Stalled;
        assert!(wire.arrive(true, 0, frame()).is_none());
        assert!(wire.arrive(false, 0, frame()).is_none());
        assert_eq!(wire.release().map(|held| held.len()), [1, 1]);
        wire.gate = Gate::Open;
        assert!(wire.disconnect());
        wire.up = true;
        assert!(wire.arrive(true, 0, frame()).is_none(), "it was under way on the connection before");
        assert!(wire.arrive(true, 1, frame()).is_some());
    }
}
