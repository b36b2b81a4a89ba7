//! What a link has done: a fault that did not bite must be visible.

use std::sync::atomic::{AtomicU64, Ordering};

use super::shape::Way;

/// What a link has done since its start, over all its connections. "Forward" is from the connecting side to the
/// target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Bytes delivered to the target.
    pub bytes_forward: u64,
    /// Bytes delivered to the connecting side.
    pub bytes_back: u64,
    /// Frames delivered to the target, copies included; 0 on a link of bytes.
    pub frames_forward: u64,
    /// Frames delivered to the connecting side, copies included; 0 on a link of bytes.
    pub frames_back: u64,
    /// Frames lost.
    pub dropped: u64,
    /// Frames that were given a copy.
    pub duplicated: u64,
    /// Frames that a successor has overtaken.
    pub reordered: u64,
    /// Bytes that met a stalled gate: waiting in the proxy when it closed, or arrived since.
    pub held: u64,
    /// Connections accepted, the refused ones included.
    pub accepted: u64,
    /// Connections that have reached the target.
    pub connected: u64,
    /// New connections reset because the link was cut or had no target.
    pub refused: u64,
    /// New connections reset because the target did not accept: not a fault of the link.
    pub unreachable: u64,
    /// Established connections reset because the link was cut.
    pub resets: u64,
    /// Established connections reset because one of the ends had broken its side: not a fault of the link.
    pub broken: u64,
    /// Established connections reset because a frame announced more than
    /// [`MAX_FRAME_BYTES`](super::MAX_FRAME_BYTES): an end does not speak frames.
    pub oversized: u64,
    /// Connections open at the moment.
    pub open: u64,
}

/// Declares the atomic twin of [`Counters`], so that the two cannot drift apart.
macro_rules! tally {
    ($($name:ident),+ $(,)?) => {
        /// The counters while they count.
        #[derive(Debug, Default)]
        pub(super) struct Tally {
            $(pub(super) $name: Count,)+
        }

        impl Tally {
            /// The counters as they are now.
            pub(super) fn read(&self) -> Counters {
                Counters { $($name: self.$name.0.load(Ordering::Acquire),)+ }
            }
        }
    };
}

tally!(
    bytes_forward,
    bytes_back,
    frames_forward,
    frames_back,
    dropped,
    duplicated,
    reordered,
    held,
    accepted,
    connected,
    refused,
    unreachable,
    resets,
    broken,
    oversized,
    open,
);

/// One counter.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Release);
    }

    pub(super) fn one_more(&self) {
        self.add(1);
    }

    pub(super) fn one_less(&self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Tally {
    /// Notes what was delivered one way.
    pub(super) fn delivered(&self, way: Way, bytes: usize, frames: usize) {
        let (of_bytes, of_frames) = match way {
            Way::Forward => (&self.bytes_forward, &self.frames_forward),
            Way::Back => (&self.bytes_back, &self.frames_back),
        };
        of_bytes.add(bytes);
        if frames > 0 {
            of_frames.add(frames);
        }
    }
}
