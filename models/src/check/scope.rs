//! How small a world is: what runs in it, what clients do, what may go wrong and how often.

use crate::{
    handler::Effect,
    operation::Operation,
    strategy::Strategy,
    topology::{Propagation, Topology, TopologyError},
    value::Value,
};
use alloc::vec::Vec;
use core::fmt;

/// The most writes that a world has room for, over all clients: ghosts are bits of 16.
pub(super) const MAX_SLOTS: usize = 16;

/// What clients write. There is one record, and every write can be told from every other in the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Workload {
    /// Each write replaces the record.
    Register,
    /// Each write adds an element to a set.
    Set,
    /// Each write adds to a counter; the sum tells how often each was counted.
    Counter,
}

/// The bits of a counter's sum that count one write.
const COUNT_BITS: u32 = 3;

impl Workload {
    /// The write in a slot.
    pub(super) fn operation(self, slot: usize) -> Operation {
        let value = Value::Int(i64::try_from(slot).unwrap_or(i64::MAX));
        match self {
            Self::Register => Operation::Put(value),
            Self::Set => Operation::Insert(value),
            Self::Counter => Operation::Add(1 << (slot as u32 * COUNT_BITS)),
        }
    }

    /// How often the effect of a slot's write is in a value: once or never, but for counters.
    pub(super) fn count(self, slot: usize, value: Option<&Value>) -> u32 {
        let Operation::Put(own) = Self::Register.operation(slot) else { return 0 };
        match (self, value) {
            (Self::Counter, Some(Value::Int(sum))) => {
                (sum >> (slot as u32 * COUNT_BITS) & ((1 << COUNT_BITS) - 1)) as u32
            }
            (Self::Register, Some(held)) => u32::from(*held == own),
            (Self::Set, Some(Value::Set(elements))) => u32::from(elements.contains(&own)),
            _ => 0,
        }
    }

    /// The effect of a write, as far as handlers tell effects apart.
    pub(super) const fn effect(self) -> Effect {
        match self {
            Self::Register => Effect::Other,
            Self::Set => Effect::Insert,
            Self::Counter => Effect::Add,
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Register => "register",
            Self::Set => "set",
            Self::Counter => "counter",
        })
    }
}

/// What the nemesis may do, and how often. A partition needs no budget: it is a link on which nothing is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Faults {
    /// How far a clock may be set off, milliseconds; a write takes one.
    pub offsets_ms: Vec<i8>,
    /// How often a clock may be set.
    pub clock_changes: u8,
    /// How often a client may move.
    pub relocations: u8,
    /// Whether a client may move while its request is under way.
    pub in_flight: bool,
    /// Whether a client that moves may leave its session token behind.
    pub loses_token: bool,
    /// How many replicas may die for good.
    pub crashes: u8,
    /// How often a replica may die and restart on what it persisted.
    pub restarts: u8,
    /// How far a clock may jump, milliseconds, relative to where it stands; a jump is a change of a clock.
    pub steps_ms: Vec<i8>,
    /// All wall clocks tell time in steps of so many milliseconds, so that writes may get equal stamps; 0 and 1 are as
    /// fine as time itself.
    pub coarse_ms: u8,
    /// How often a message may be delivered twice.
    pub duplicates: u8,
    /// Whether any message of a link may be delivered next. A message that came too early is lost, and sent again when
    /// nothing else is under way on the link.
    pub unordered: bool,
    /// How often a link may be cut; it may heal at any time, and in a quiescent state it has.
    pub cuts: u8,
    /// How often the nemesis may ask a leader to become the home of the record. Only homes that follow can move.
    pub hand_overs: u8,
    /// How often a replica may die and lose the tail of its log, as a leader does that acknowledges a write before its
    /// record is durable.
    pub tail_losses: u8,
    /// The most records that are lost with a tail.
    pub tail_records: u8,
    /// How often a replica may forget its tombstones, whatever the others have seen.
    pub collections: u8,
    /// How often a replica may forget the conflict metadata of what it holds.
    pub forgettings: u8,
}

/// What becomes of acknowledgements between replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Acknowledgements {
    /// They never arrive. They only spare traffic, and a test shows that they add no verdict.
    #[default]
    Dropped,
    /// They travel, each in its own time.
    Delivered,
}

/// The bounds of a world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The conflict strategy.
    pub strategy: Strategy,
    /// The shape of the cluster.
    pub topology: Topology,
    /// What leaders pass on.
    pub propagation: Propagation,
    /// The number of leaders.
    pub leaders: usize,
    /// The number of clients; the first begins at the first leader, and so on around.
    pub clients: usize,
    /// How many writes there are, whoever makes them.
    pub writes: u8,
    /// What is written.
    pub workload: Workload,
    /// Whether a write takes time: then two may overlap, and deliveries come between a call and its execution.
    pub overlap: bool,
    /// Whether sessions carry tokens.
    pub tokens: bool,
    /// What may go wrong.
    pub faults: Faults,
    /// What becomes of acknowledgements between replicas.
    pub acknowledgements: Acknowledgements,
}

impl Scope {
    /// Three leaders with a client each, three writes to a register, no faults; relays where the shape needs them.
    #[must_use]
    pub fn new(strategy: Strategy, topology: Topology) -> Self {
        let propagation = if topology.needs_relay() { Propagation::Relay } else { Propagation::Direct };
        Self {
            strategy,
            topology,
            propagation,
            leaders: 3,
            clients: 3,
            writes: 3,
            workload: Workload::Register,
            overlap: true,
            tokens: false,
            faults: Faults::default(),
            acknowledgements: Acknowledgements::default(),
        }
    }
}

/// A scope that makes no world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// The cluster cannot work.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// More writes than there is room for.
    #[error(
        "{clients} clients with up to {writes} writes each do not fit: their product is at most {MAX_SLOTS}"
    )]
    TooManyWrites {
        /// The clients asked for.
        clients: usize,
        /// The writes asked for.
        writes: u8,
    },
    /// Requests can be under way while a client moves only if writes take time.
    #[error("a client can move with a request under way only where writes take time: set `overlap`")]
    InFlightWithoutOverlap,
}
