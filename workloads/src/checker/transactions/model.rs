//! Consistency models: which anomalies each forbids.

use super::anomaly::{Direct, Order, Shape};

/// A consistency model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    /// As the command line spells it.
    pub(super) name: &'static str,
    /// How much of the dependencies it keeps.
    pub(super) level: Level,
    /// Which order it keeps beside.
    pub(super) order: Order,
}

/// What a model forbids, the order that it keeps apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    ReadUncommitted,
    ReadCommitted,
    Causal,
    ConsistentView,
    ParallelSnapshot,
    Snapshot,
    RepeatableRead,
    Serializable,
}

macro_rules! models {
    ($($name:literal $level:ident $order:ident)*) => {
        /// All models, the default first.
        pub(super) const MODELS: &[Model] =
            &[$(Model { name: $name, level: Level::$level, order: Order::$order }),*];
        /// Their names.
        pub(super) const NAMES: &[&str] = &[$($name),*];
    };
}

models! {
    "strict-serializable" Serializable Realtime
    "strong-serializable" Serializable Realtime
    "strong-session-serializable" Serializable Process
    "serializable" Serializable None
    "strong-snapshot-isolation" Snapshot Realtime
    "strong-session-snapshot-isolation" Snapshot Process
    "snapshot-isolation" Snapshot None
    "parallel-snapshot-isolation" ParallelSnapshot None
    "strong-session-parallel-snapshot-isolation" ParallelSnapshot Process
    "strong-repeatable-read" RepeatableRead Realtime
    "strong-session-repeatable-read" RepeatableRead Process
    "repeatable-read" RepeatableRead None
    "strong-consistent-view" ConsistentView Realtime
    "strong-session-consistent-view" ConsistentView Process
    "consistent-view" ConsistentView None
    "causal" Causal Process
    "strong-read-committed" ReadCommitted Realtime
    "strong-session-read-committed" ReadCommitted Process
    "read-committed" ReadCommitted None
    "strong-read-uncommitted" ReadUncommitted Realtime
    "strong-session-read-uncommitted" ReadUncommitted Process
    "read-uncommitted" ReadUncommitted None
}

impl Model {
    /// The model of this name.
    pub(super) fn find(name: &str) -> Option<Self> {
        MODELS.iter().copied().find(|model| model.name == name)
    }

    /// The shapes of cycles that it forbids, the worst first.
    pub(super) const fn shapes(self) -> &'static [Shape] {
        use Shape::{Causal, G0, G1c, G2, GNonadjacent, GSingle};
        match self.level {
            Level::ReadUncommitted => &[G0],
            Level::ReadCommitted => &[G0, G1c],
            Level::Causal => &[G0, G1c, Causal],
            Level::ConsistentView | Level::ParallelSnapshot => &[G0, G1c, GSingle],
            Level::Snapshot => &[G0, G1c, GSingle, GNonadjacent],
            Level::RepeatableRead | Level::Serializable => &[G0, G1c, GSingle, GNonadjacent, G2],
        }
    }

    /// The orders whose cycles it forbids: what is forbidden without an order is so with it.
    pub(super) const fn orders(self) -> &'static [Order] {
        // Real time holds within a process too: what a process order shows, real time shows.
        match self.order {
            Order::None => &[Order::None],
            Order::Process => &[Order::None, Order::Process],
            Order::Realtime => &[Order::None, Order::Realtime],
        }
    }

    /// Whether it forbids this.
    pub(super) const fn forbids(self, anomaly: Direct) -> bool {
        match anomaly {
            Direct::DuplicateElements | Direct::CyclicVersions => true,
            Direct::DirtyUpdate
            | Direct::G1a
            | Direct::G1b
            | Direct::IncompatibleOrder
            | Direct::UnwrittenRead => !matches!(self.level, Level::ReadUncommitted),
            // Adya's levels speak of what transactions see of each other, and only the models of Cerone and others
            // of what one sees of itself.
            Direct::Internal | Direct::FutureRead => {
                matches!(
                    self.level,
                    Level::Causal | Level::ParallelSnapshot | Level::Snapshot | Level::Serializable
                )
            }
            Direct::LostUpdate => {
                !matches!(self.level, Level::ReadUncommitted | Level::ReadCommitted | Level::Causal)
            }
        }
    }
}
