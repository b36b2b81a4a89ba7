//! How small a world is: what runs in it, what clients do, what may go wrong and how often.

use crate::{
    handler::Effect,
    operation::{Operation, is_held},
    strategy::Strategy,
    topology::{Propagation, Topology, TopologyError},
    value::Value,
};
use alloc::vec::Vec;
use core::fmt;

/// The most writes that a world has room for, over all clients: ghosts are bits of 16.
pub(super) const MAX_SLOTS: usize = 16;

/// The records of a world, by number.
pub(super) const KEYS: [&str; 2] = ["k", "l"];

/// The one field of a calendar.
const FIELD: &str = "9h";

/// What clients write. Every write can be told from every other in the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Workload {
    /// Each write replaces the record.
    Register,
    /// Each write replaces the record or deletes it.
    Document,
    /// Each write adds an element to a set.
    Set,
    /// Each write adds an element to a set, or removes one that was added.
    Cart,
    /// Each write adds to a counter; the sum tells how often each was counted.
    Counter,
    /// Each write books the one slot of a calendar for a meeting, or cancels a booking of its own client.
    Calendar,
    /// Each write appends a line to a text.
    Text,
}

/// The bits of a counter's sum that count one write.
const COUNT_BITS: u32 = 3;

fn value_of(slot: usize) -> Value {
    Value::Int(i64::try_from(slot).unwrap_or(i64::MAX))
}

impl Workload {
    /// What the write in a slot puts into the record.
    pub(super) fn operation(self, slot: usize) -> Operation {
        let value = value_of(slot);
        match self {
            Self::Register | Self::Document => Operation::Put(value),
            Self::Set | Self::Cart => Operation::Insert(value),
            Self::Counter => Operation::Add(1 << (slot as u32 * COUNT_BITS)),
            Self::Calendar => Operation::Claim { field: FIELD.into(), value },
            Self::Text => Operation::Append(value),
        }
    }

    /// What takes back what the write in a slot put there; a document is deleted whatever it holds.
    pub(super) fn erasure(self, of: usize) -> Option<Operation> {
        match self {
            Self::Document => Some(Operation::Delete),
            Self::Cart => Some(Operation::Remove(value_of(of))),
            Self::Calendar => Some(Operation::Release { field: FIELD.into(), value: value_of(of) }),
            Self::Register | Self::Set | Self::Counter | Self::Text => None,
        }
    }

    /// The write in a slot: what it puts into the record, or what takes back what the write in another slot put there.
    pub(super) fn write(self, slot: usize, erases: Option<usize>) -> Operation {
        erases.and_then(|of| self.erasure(of)).unwrap_or_else(|| self.operation(slot))
    }

    /// Whether a write replaces the whole record.
    pub(super) const fn replaces(self) -> bool {
        matches!(self, Self::Register | Self::Document)
    }

    /// How often what a slot's write put there is in a value: once or never, but for counters.
    pub(super) fn count(self, slot: usize, value: Option<&Value>) -> u32 {
        let own = value_of(slot);
        match (self, value) {
            (Self::Counter, Some(Value::Int(sum))) => {
                (sum >> (slot as u32 * COUNT_BITS) & ((1 << COUNT_BITS) - 1)) as u32
            }
            (Self::Register | Self::Document, Some(held)) => u32::from(*held == own),
            (Self::Set | Self::Cart, Some(Value::Set(elements))) => u32::from(elements.contains(&own)),
            (Self::Text, Some(Value::List(lines))) => {
                lines.iter().filter(|line| **line == own).count().try_into().unwrap_or(u32::MAX)
            }
            (Self::Calendar, Some(Value::Map(fields))) => u32::from(is_held(fields, FIELD, &own)),
            _ => 0,
        }
    }

    /// The effect of a write, as far as handlers tell effects apart.
    pub(super) const fn effect(self, erases: bool) -> Effect {
        match self {
            _ if erases => Effect::Other,
            Self::Register | Self::Document => Effect::Other,
            Self::Set | Self::Cart => Effect::Insert,
            Self::Counter => Effect::Add,
            Self::Calendar => Effect::Claim,
            Self::Text => Effect::Append,
        }
    }

    /// The name, as reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Document => "document",
            Self::Set => "set",
            Self::Cart => "cart",
            Self::Counter => "counter",
            Self::Calendar => "calendar",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
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
    /// How many reads clients make of their own accord, whoever makes them.
    pub reads: u8,
    /// How many records there are: one or two.
    pub keys: u8,
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
    /// A defect planted in all replicas.
    #[cfg(any(test, feature = "mutants"))]
    pub mutant: Option<crate::mutant::Mutant>,
}

/// How many log positions a leader reserves that may lose the tail of its log: more than a world has writes, and so
/// few that the positions stay small.
const RESERVE: u32 = 20;

impl Scope {
    /// How many log positions leaders reserve at a time.
    pub(super) const fn reserve(&self) -> u32 {
        if self.faults.tail_losses > 0 { RESERVE } else { 0 }
    }

    /// How many numbers for writes each client has: where readers resolve siblings, a read may end in a write.
    pub(super) const fn writes_of_a_client(&self) -> usize {
        let resolutions = if self.strategy.read_handler().is_some() { self.reads } else { 0 };
        self.writes as usize + resolutions as usize
    }

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
            reads: 0,
            keys: 1,
            workload: Workload::Register,
            overlap: true,
            tokens: false,
            faults: Faults::default(),
            acknowledgements: Acknowledgements::default(),
            #[cfg(any(test, feature = "mutants"))]
            mutant: None,
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
        /// The writes asked for; where readers resolve siblings, the reads count as well.
        writes: usize,
    },
    /// Another number of records than one or two.
    #[error("a world has one record or two, not {0}: set `keys` to 1 or 2")]
    Keys(u8),
    /// Requests can be under way while a client moves only if writes take time.
    #[error("a client can move with a request under way only where writes take time: set `overlap`")]
    InFlightWithoutOverlap,
}
