//! The matrix: every strategy with its variants, in every shape of cluster, under every class of faults.
//!
//! The scopes are small on purpose: three leaders and three writes, and under faults writes that take no time. A cell
//! says what is so within them, and nothing beyond.

use super::{
    facade::{Exploration, Limits, Verdict, explore},
    property::Property,
    scope::{Faults, Scope, ScopeError, Workload},
    world::World,
};
use crate::{
    clock::ClockKind,
    handler::Handler,
    strategy::{
        Arrival, Crdt, DataType, Detection, Fallback, FirstWriteWins, HandOver, HomeLeader, LastWriteWins,
        LeaderPriority, LocalWrite, MissingRow, MostUpdates, OnRead, OnWrite, Reroute, Rows, Strategy,
        TieRule,
    },
    topology::Topology,
};
use alloc::{collections::BTreeMap, vec, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};
use std::{sync::mpsc, thread};

/// What may go wrong in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultClass {
    /// Nothing but the order in which things arrive. Writes take time, and may overlap.
    None,
    /// One clock is set back once: by ten milliseconds, and stands behind all writes after that; or by one, so that
    /// its next stamp may equal another.
    Skew,
    /// One client moves once, between two writes and without its token.
    Relocation,
    /// One leader dies for good.
    Crash,
}

impl FaultClass {
    /// All classes.
    pub const ALL: [Self; 4] = [Self::None, Self::Skew, Self::Relocation, Self::Crash];

    /// The name, as reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Skew => "skew",
            Self::Relocation => "relocation",
            Self::Crash => "crash",
        }
    }

    fn faults(self) -> Faults {
        let none = Faults::default();
        match self {
            Self::None => none,
            Self::Skew => Faults { offsets_ms: vec![-10, -1], clock_changes: 1, ..none },
            Self::Relocation => Faults { relocations: 1, ..none },
            Self::Crash => Faults { crashes: 1, ..none },
        }
    }
}

impl fmt::Display for FaultClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The strategies of the matrix, each with a workload that shows what it is for.
#[must_use]
pub fn strategies() -> Vec<(Strategy, Workload)> {
    let lww = LastWriteWins::default;
    let home = HomeLeader::default;
    let missing = |missing| Rows { missing, ..Rows::default() };
    let crdt = |data_type| Strategy::Crdt(Crdt { data_type });
    let registers = [
        Strategy::Arrival(Arrival::default()),
        Strategy::HomeLeader(HomeLeader { reroute: Reroute::Forward, ..home() }),
        Strategy::HomeLeader(home()),
        Strategy::HomeLeader(HomeLeader { fallback: Fallback::Lww, ..home() }),
        Strategy::HomeLeader(HomeLeader { hand_over: HandOver::Drained, ..home() }),
        Strategy::HomeLeader(HomeLeader { hand_over: HandOver::Fenced, ..home() }),
        Strategy::Lww(lww()),
        Strategy::Lww(LastWriteWins { local_write: LocalWrite::Unconditional, ..lww() }),
        Strategy::Lww(LastWriteWins { tie: TieRule::None, ..lww() }),
        Strategy::Lww(LastWriteWins { clock: ClockKind::Hybrid, ..lww() }),
        Strategy::Lww(LastWriteWins { rows: missing(MissingRow::Skip), ..lww() }),
        Strategy::Lww(LastWriteWins { rows: missing(MissingRow::Stall), ..lww() }),
        Strategy::FirstWriteWins(FirstWriteWins::default()),
        Strategy::FirstWriteWins(FirstWriteWins { detection: Detection::None, ..FirstWriteWins::default() }),
        Strategy::LeaderPriority(LeaderPriority::default()),
        Strategy::LeaderPriority(LeaderPriority { detection: Detection::None, ..LeaderPriority::default() }),
        Strategy::MostUpdates(MostUpdates::default()),
    ];
    let sets = [
        Strategy::Lww(lww()),
        Strategy::OnWrite(OnWrite { handler: Handler::Union }),
        Strategy::OnRead(OnRead { handler: Handler::Union }),
        crdt(DataType::OrSet),
    ];
    let counters = [
        Strategy::Lww(lww()),
        Strategy::OnWrite(OnWrite { handler: Handler::Delta }),
        crdt(DataType::Counter),
    ];
    let of = |workload| move |strategy| (strategy, workload);
    let registers = registers.into_iter().map(of(Workload::Register));
    registers
        .chain(sets.into_iter().map(of(Workload::Set)))
        .chain(counters.into_iter().map(of(Workload::Counter)))
        .collect()
}

/// The shapes of the matrix.
pub const TOPOLOGIES: [Topology; 3] = [Topology::Ring, Topology::Star, Topology::AllToAll];

/// One world of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The class of its faults.
    pub fault: FaultClass,
    /// Its bounds.
    pub scope: Scope,
}

impl Cell {
    /// The cell of a strategy in a shape under a class of faults.
    #[must_use]
    pub fn new(strategy: Strategy, workload: Workload, topology: Topology, fault: FaultClass) -> Self {
        let overlap = fault == FaultClass::None;
        let scope = Scope { workload, overlap, faults: fault.faults(), ..Scope::new(strategy, topology) };
        Self { fault, scope }
    }

    /// The properties that are asked of it.
    pub fn properties(&self) -> impl Iterator<Item = Property> + '_ {
        Property::ALL.into_iter().filter(|property| property.speaks_of(&self.scope))
    }

    /// Asks them all.
    ///
    /// # Errors
    /// [`ScopeError`] if the bounds make no world.
    pub fn verdicts(&self, limits: Limits) -> Result<Vec<(Property, Verdict)>, ScopeError> {
        let exploration = self.explore(limits)?;
        Ok(self.properties().zip(exploration.verdicts).collect())
    }

    /// Asks them all, and tells what it took. The states in the verdicts mean nothing outside: their paths do, in any
    /// world of the cell's scope.
    ///
    /// # Errors
    /// [`ScopeError`] if the bounds make no world.
    pub fn explore(&self, limits: Limits) -> Result<Exploration, ScopeError> {
        let properties: Vec<Property> = self.properties().collect();
        Ok(explore(&World::new(self.scope.clone())?, &properties, limits))
    }
}

/// Explores cells on so many threads, a cell on one thread at a time, and tells of each in the order of the cells as
/// soon as all before it are done. What is told does not depend on the number of threads.
///
/// # Panics
/// As [`explore`].
pub fn explore_all(
    cells: &[Cell],
    limits: Limits,
    threads: usize,
    mut told: impl FnMut(&Cell, Result<Exploration, ScopeError>),
) {
    let begun = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, cells.len().max(1)) {
            let (sender, begun) = (sender.clone(), &begun);
            scope.spawn(move || {
                loop {
                    let number = begun.fetch_add(1, Ordering::Relaxed);
                    let Some(cell) = cells.get(number) else { break };
                    // Whoever listened is gone only if it panicked.
                    let _ = sender.send((number, cell.explore(limits)));
                }
            });
        }
        drop(sender);
        let (mut early, mut next) = (BTreeMap::new(), 0);
        for (number, result) in receiver {
            early.insert(number, result);
            while let Some(result) = early.remove(&next) {
                told(&cells[next], result);
                next += 1;
            }
        }
    });
}

/// What a cell is called in tables, such as `lww (wall clock) | register | ring | skew`.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { strategy, workload, topology, .. } = &self.scope;
        write!(f, "{strategy} | {workload} | {} | {}", topology.name(), self.fault)
    }
}

/// The cells of the whole matrix, in the order of reports.
#[must_use]
pub fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (strategy, workload) in strategies() {
        for topology in TOPOLOGIES {
            for fault in FaultClass::ALL {
                cells.push(Cell::new(strategy.clone(), workload, topology.clone(), fault));
            }
        }
    }
    cells
}
