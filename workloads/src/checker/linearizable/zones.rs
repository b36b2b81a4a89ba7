//! Registers whose written values are unique: zones (Gibbons and Korach, "Testing shared memories", 1997).
//!
//! A value's cluster is its write and all reads of it. From the first return to the last call of a cluster the
//! register must hold its value the whole time (a forward zone); a cluster whose operations all overlap needs only one
//! moment between its last call and its first return (a backward zone). An order exists exactly if forward zones do
//! not overlap, and no backward zone lies inside a forward one. `O(n log n)` for any number of values.

use super::{object::Timed, objects::RegisterClass};
use std::ops::Range;

/// A read or a write of one register. Words of 32 bits: a million of them are 20 MB, and would be 32 if aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Access {
    /// Its place in the history, and [`Access::READS`].
    place: u32,
    /// The value in two halves; zero is the initial one.
    value: [u32; 2],
    /// The event of its call.
    call: u32,
    /// The event of its return; the greatest number if it never returned.
    ret: u32,
}

impl Access {
    const READS: u32 = 1 << 31;

    /// The operation at this place, if it is a read or a write.
    pub(super) fn of(place: u32, timed: &Timed<RegisterClass>) -> Option<Self> {
        let (value, reads) = match timed.class {
            RegisterClass::Read(value) => (value, Self::READS),
            RegisterClass::Write(value) => (value, 0),
            RegisterClass::CompareAndSet(..) | RegisterClass::Mismatch(_) => return None,
        };
        let (call, ret) = (timed.call, timed.ret.unwrap_or(u32::MAX));
        Some(Self {
            place: Self::other(place).place | reads,
            value: [(value >> 32) as u32, value as u32],
            call,
            ret,
        })
    }

    /// Any other operation: only its place counts.
    pub(super) fn other(place: u32) -> Self {
        assert!(place < Self::READS, "a history of 2^31 operations takes 128 GiB before it comes here");
        Self { place, ..Self::default() }
    }

    /// Its place in the history.
    pub(super) const fn place(&self) -> u32 {
        self.place & !Self::READS
    }

    const fn is_write(&self) -> bool {
        self.place & Self::READS == 0
    }
}

/// Why there is no order: indices of the operations that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Contradiction {
    /// A read returned what nobody wrote.
    NeverWritten(u32),
    /// The read returned before the write was called.
    BeforeItsWrite {
        /// The read.
        read: u32,
        /// The write.
        write: u32,
    },
    /// The register would have to hold the value of the first pair all the time from the first to the second of them,
    /// and the one of the second pair too within that time.
    Interleaved([u32; 4]),
}

/// A stretch of time that belongs to one value.
#[derive(Debug, Clone, Copy)]
struct Zone {
    from: u32,
    to: u32,
    /// The operation that returned first, and the one that was called last.
    first: u32,
    last: u32,
}

/// Whether the values are unique as this algorithm needs them: no value is written twice, none is the initial one.
/// Sorts by value, the write first.
pub(super) fn are_unique(accesses: &mut [Access]) -> bool {
    accesses.sort_unstable_by_key(|access| (access.value, !access.is_write(), access.call));
    accesses.iter().all(|access| !access.is_write() || access.value != [0, 0])
        && accesses.windows(2).all(|pair| pair[0].value != pair[1].value || !pair[1].is_write())
}

/// Looks for a contradiction in what [`are_unique`] has sorted.
pub(super) fn contradiction(accesses: &[Access]) -> Option<Contradiction> {
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    for cluster in accesses.chunk_by(|a, b| a.value == b.value) {
        match zone(cluster) {
            Err(contradiction) => return Some(contradiction),
            Ok(None) => {}
            Ok(Some(zone)) if zone.from < zone.to => forward.push(zone),
            Ok(Some(zone)) => backward.push(zone),
        }
    }
    forward.sort_unstable_by_key(|zone| zone.from);
    if let Some(pair) = forward.windows(2).find(|pair| pair[1].from < pair[0].to) {
        return Some(interleaved(pair[0], pair[1]));
    }
    backward.iter().find_map(|inner| {
        // From here the bounds are the other way round: the last call is the lower one.
        let moments: Range<u32> = inner.to..inner.from;
        // Returns and calls are different events: they are equal only where the initial value's zone begins.
        let before = forward.partition_point(|outer| outer.from <= moments.start);
        let outer = *forward[..before].last()?;
        (moments.end < outer.to).then(|| interleaved(outer, *inner))
    })
}

const fn interleaved(outer: Zone, inner: Zone) -> Contradiction {
    Contradiction::Interleaved([outer.first, outer.last, inner.first, inner.last])
}

/// From the first return to the last call of a cluster. None if nobody can have seen it.
fn zone(cluster: &[Access]) -> Result<Option<Zone>, Contradiction> {
    let head = cluster[0];
    let is_initial = head.value == [0, 0];
    if !head.is_write() && !is_initial {
        return Err(Contradiction::NeverWritten(head.place()));
    }
    if let Some(read) = cluster[1..].iter().find(|read| head.is_write() && read.ret < head.call) {
        return Err(Contradiction::BeforeItsWrite { read: read.place(), write: head.place() });
    }
    if cluster.len() == 1 && head.is_write() && head.ret == u32::MAX {
        return Ok(None);
    }
    let mut zone = Zone { from: head.ret, to: head.call, first: head.place(), last: head.place() };
    for access in &cluster[1..] {
        if access.ret < zone.from {
            (zone.from, zone.first) = (access.ret, access.place());
        }
        if access.call > zone.to {
            (zone.to, zone.last) = (access.call, access.place());
        }
    }
    if is_initial {
        // The initial value was written before everything, and nothing returns at the first event.
        (zone.from, zone.first) = (0, zone.last);
    }
    Ok(Some(zone))
}
