//! What a link carries and which faults it has at the moment.

use std::num::NonZeroU64;
use std::time::Duration;

/// What the stream of a link consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bytes without a known structure, for example HTTP. Frame faults are refused, since dropping bytes out
    /// of a TCP stream is corruption, not loss.
    Bytes,
    /// Frames, both ways: the length of the payload as a little-endian `u32`, at most
    /// [`MAX_FRAME_BYTES`](super::MAX_FRAME_BYTES), then the payload.
    Frames,
}

/// Whether a link lets anything pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Gate {
    /// Everything passes.
    #[default]
    Open,
    /// Connections are reset (`SO_LINGER` 0: the peers see `ECONNRESET`, bytes under way are lost), new ones
    /// are accepted and reset at once: the port must stay ours, so the kernel finishes the handshake before
    /// we can refuse.
    Cut,
    /// Connections stay, nothing is delivered either way. Each direction takes up to 256 KiB more from its
    /// sender and then stops reading, so that the sender is blocked by its window as on a dead network. All
    /// of it, a half-close included, is delivered in order when the gate opens. A new connection is accepted
    /// and reaches the target only then.
    Stall,
    /// As [`Stall`](Self::Stall), but only towards the target: replies still come back. Unlike a packet filter's
    /// one-way cut, the kernels' acknowledgements still flow.
    StallForward,
    /// As [`Stall`](Self::Stall), but only towards the connecting side.
    StallBack,
}

/// The faults of one link at one time. The default is a healthy link. All of it holds for both directions.
///
/// Loss, duplication and reordering are decided when a frame arrives at the proxy; latency, jitter, bandwidth and
/// gate when it leaves: a new shape governs all that is not yet delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shape {
    /// Whether anything passes at all.
    pub gate: Gate,
    /// Added to the way of each byte, in each direction.
    pub latency: Duration,
    /// At most this much more, drawn uniformly for each frame (for each read of a stream of bytes). Order is
    /// kept: nothing overtakes a late frame, it only catches up.
    pub jitter: Duration,
    /// Bytes per second in each direction of each connection, as a token bucket that saves up at most 10 ms.
    pub bandwidth_bytes_per_second: Option<NonZeroU64>,
    /// Frames lost, in parts per million.
    pub loss_ppm: u32,
    /// Frames delivered twice in a row, in parts per million.
    pub duplicate_ppm: u32,
    /// Frames that wait until their successor has overtaken them, in parts per million. A frame without a
    /// successor waits [`REORDER_PATIENCE`](super::REORDER_PATIENCE) and is then delivered in order.
    pub reorder_ppm: u32,
}

/// Why a link cannot take a shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The fault would have to corrupt the stream.
    #[error(
        "{fault} needs a link that carries frames; this one carries bytes, whose loss would be corruption"
    )]
    NeedsFrames {
        /// The field of [`Shape`] that is at fault.
        fault: &'static str,
    },
    /// More than always.
    #[error("{fault} is {ppm}; parts per million end at 1000000")]
    AboveOne {
        /// The field of [`Shape`] that is at fault.
        fault: &'static str,
        /// Its value.
        ppm: u32,
    },
}

impl Gate {
    /// Whether this gate holds back what goes this way.
    pub(super) fn stalls(self, way: Way) -> bool {
        match self {
            Self::Open | Self::Cut => false,
            Self::Stall => true,
            Self::StallForward => way == Way::Forward,
            Self::StallBack => way == Way::Back,
        }
    }
}

impl Shape {
    /// A link without any fault.
    pub const HEALTHY: Self = Self {
        gate: Gate::Open,
        latency: Duration::ZERO,
        jitter: Duration::ZERO,
        bandwidth_bytes_per_second: None,
        loss_ppm: 0,
        duplicate_ppm: 0,
        reorder_ppm: 0,
    };

    /// Checks that a link of this kind can have this shape.
    ///
    /// # Errors
    ///
    /// A frame fault on a link of bytes, or a chance above one million.
    pub fn check(&self, kind: Kind) -> Result<(), ShapeError> {
        let chances = [
            ("loss_ppm", self.loss_ppm),
            ("duplicate_ppm", self.duplicate_ppm),
            ("reorder_ppm", self.reorder_ppm),
        ];
        for (fault, ppm) in chances {
            if ppm > 1_000_000 {
                return Err(ShapeError::AboveOne { fault, ppm });
            }
            if ppm > 0 && kind == Kind::Bytes {
                return Err(ShapeError::NeedsFrames { fault });
            }
        }
        Ok(())
    }

    /// Whether frames must be seen whole before anything is done with them.
    pub(super) fn needs_whole_frames(&self) -> bool {
        self.loss_ppm > 0 || self.duplicate_ppm > 0 || self.reorder_ppm > 0 || !self.jitter.is_zero()
    }

    /// Whether bytes may pass without a look at the clock or a queue.
    pub(super) fn is_transparent(&self, way: Way) -> bool {
        !self.gate.stalls(way)
            && self.latency.is_zero()
            && self.bandwidth_bytes_per_second.is_none()
            && !self.needs_whole_frames()
    }

    /// How many bytes a direction may hold before it stops reading. A delay needs room for what is under way at
    /// full speed (1.4 GiB/s over 5 ms are 7 MiB); a narrow link gets the buffer of a small router, an eighth
    /// of a second, since a deeper one would add seconds of latency that nobody asked for.
    pub(super) fn queue_limit(&self, way: Way) -> usize {
        const LEAST: usize = 16 << 10;
        const STALLED: usize = 256 << 10;
        const MOST: usize = 8 << 20;
        let delay = self.latency.saturating_add(self.jitter);
        if let Some(rate) = self.bandwidth_bytes_per_second {
            let window = delay.saturating_add(Duration::from_millis(125));
            let bytes = u128::from(rate.get()).saturating_mul(window.as_nanos()) / 1_000_000_000;
            usize::try_from(bytes).map_or(MOST, |bytes| bytes.clamp(LEAST, MOST))
        } else if delay.is_zero() {
            if self.is_transparent(way) { 1 } else { STALLED }
        } else {
            MOST
        }
    }
}

/// One of the two directions of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the connecting side to the target.
    Forward,
    /// From the target to the connecting side.
    Back,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_faults_on_a_link_of_bytes_are_refused() {
        let lossy = Shape { loss_ppm: 1, ..Shape::HEALTHY };
        assert_eq!(lossy.check(Kind::Bytes), Err(ShapeError::NeedsFrames { fault: "loss_ppm" }));
        assert_eq!(lossy.check(Kind::Frames), Ok(()));
        let absurd = Shape { reorder_ppm: 1_000_001, ..Shape::HEALTHY };
        assert_eq!(
            absurd.check(Kind::Frames),
            Err(ShapeError::AboveOne { fault: "reorder_ppm", ppm: 1_000_001 })
        );
    }

    #[test]
    fn queues_are_bounded_whatever_the_shape() {
        let narrow = |rate| Shape { bandwidth_bytes_per_second: NonZeroU64::new(rate), ..Shape::HEALTHY };
        assert_eq!(Shape::HEALTHY.queue_limit(Way::Forward), 1);
        assert_eq!(narrow(1).queue_limit(Way::Forward), 16 << 10);
        assert_eq!(narrow(8_000_000).queue_limit(Way::Forward), 1_000_000);
        assert_eq!(narrow(u64::MAX).queue_limit(Way::Forward), 8 << 20);
        let stalled = Shape { gate: Gate::StallBack, ..Shape::HEALTHY };
        assert_eq!((stalled.queue_limit(Way::Forward), stalled.queue_limit(Way::Back)), (1, 256 << 10));
    }
}
