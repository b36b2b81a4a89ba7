//! The anomalies, and which of them each consistency model forbids.
//!
//! Names and definitions follow Adya ("Weak consistency", 1999), Cerone, Bernardi and Gotsman ("A framework for
//! transactional consistency models with atomic visibility", 2015) and Kingsbury and Alvaro ("Elle", 2020).

/// The shape of a cycle of dependencies: what may follow what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Shape {
    /// Only write-write dependencies.
    G0,
    /// Also write-read dependencies.
    G1c,
    /// Exactly one anti-dependency, and no write-write dependency: what causality alone forbids.
    Causal,
    /// Exactly one anti-dependency.
    GSingle,
    /// Several anti-dependencies, never two in a row.
    GNonadjacent,
    /// Any anti-dependencies.
    G2,
}

impl Shape {
    /// Whether who finds this shape needs not look for the other one: it forbids no less.
    pub(super) const fn implies(self, other: Self) -> bool {
        match self {
            Self::G0 => matches!(other, Self::G0 | Self::G1c),
            Self::G1c => matches!(other, Self::G1c),
            Self::Causal => !matches!(other, Self::G0 | Self::G1c),
            Self::GSingle => matches!(other, Self::GSingle | Self::GNonadjacent | Self::G2),
            Self::GNonadjacent => matches!(other, Self::GNonadjacent | Self::G2),
            Self::G2 => matches!(other, Self::G2),
        }
    }
}

/// Which orders beside the dependencies a cycle may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Order {
    /// None.
    None,
    /// Each process sees its transactions one after the other.
    Process,
    /// A transaction that returned comes before those called later.
    Realtime,
}

/// The name of a cycle.
pub(super) const fn name(shape: Shape, order: Order) -> &'static str {
    match (shape, order) {
        (Shape::G0, Order::None) => "G0",
        (Shape::G0, Order::Process) => "G0-process",
        (Shape::G0, Order::Realtime) => "G0-realtime",
        (Shape::G1c, Order::None) => "G1c",
        (Shape::G1c, Order::Process) => "G1c-process",
        (Shape::G1c, Order::Realtime) => "G1c-realtime",
        (Shape::Causal | Shape::GSingle, Order::None) => "G-single-item",
        (Shape::Causal | Shape::GSingle, Order::Process) => "G-single-item-process",
        (Shape::Causal | Shape::GSingle, Order::Realtime) => "G-single-item-realtime",
        (Shape::GNonadjacent, Order::None) => "G-nonadjacent-item",
        (Shape::GNonadjacent, Order::Process) => "G-nonadjacent-item-process",
        (Shape::GNonadjacent, Order::Realtime) => "G-nonadjacent-item-realtime",
        (Shape::G2, Order::None) => "G2-item",
        (Shape::G2, Order::Process) => "G2-item-process",
        (Shape::G2, Order::Realtime) => "G2-item-realtime",
    }
}

/// What is wrong without any cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Direct {
    /// A list shows an element twice.
    DuplicateElements,
    /// The versions of a key cannot be ordered by what single transactions saw of them.
    CyclicVersions,
    /// A version that was never committed lies under one that was.
    DirtyUpdate,
    /// A read of what was aborted.
    G1a,
    /// A read of what its writer overwrote itself.
    G1b,
    /// Two reads of one list, neither of which is the beginning of the other.
    IncompatibleOrder,
    /// A read of what nobody wrote.
    UnwrittenRead,
    /// A transaction that does not see its own reads and writes.
    Internal,
    /// A read of what the transaction writes only later.
    FutureRead,
    /// Two transactions that both read one version and both replaced it.
    LostUpdate,
}

impl Direct {
    /// All, the worst first.
    pub(super) const ALL: [Self; 10] = [
        Self::DuplicateElements,
        Self::CyclicVersions,
        Self::DirtyUpdate,
        Self::G1a,
        Self::G1b,
        Self::IncompatibleOrder,
        Self::UnwrittenRead,
        Self::Internal,
        Self::FutureRead,
        Self::LostUpdate,
    ];

    /// The name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::DuplicateElements => "duplicate-elements",
            Self::CyclicVersions => "cyclic-versions",
            Self::DirtyUpdate => "dirty-update",
            Self::G1a => "G1a",
            Self::G1b => "G1b",
            Self::IncompatibleOrder => "incompatible-order",
            Self::UnwrittenRead => "unwritten-read",
            Self::Internal => "internal",
            Self::FutureRead => "future-read",
            Self::LostUpdate => "lost-update",
        }
    }
}
