//! The matrix: every strategy with its variants, in every shape of cluster, under every class of faults.
//!
//! The scopes are small on purpose: three leaders and three writes, and under faults writes that take no time; under
//! faults that multiply, two writes. A cell says what is so within them, and nothing beyond.

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
        Arrival, Crdt, DataType, DeletePolicy, Detection, Fallback, FirstWriteWins, HandOver, HomeLeader,
        LastWriteWins, LeaderPriority, LocalWrite, MissingRow, MostUpdates, OnRead, OnWrite, Reroute, Rows,
        Strategy, TieRule,
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
    /// All clocks tell time in steps of two milliseconds, so that two writes may get one stamp.
    Ties,
    /// One clock is set ten milliseconds back once, and one client moves once without its token. Two writes.
    SkewAndRelocation,
    /// One client moves once, with a request under way or without. Two writes that take time, two clients.
    InFlight,
    /// One leader dies and restarts without the last record of its log. Two writes.
    TailLoss,
    /// One replica forgets the conflict metadata of what it holds. Two writes.
    Forgetting,
    /// One replica forgets its tombstones, whatever the others have seen. Two writes.
    Collection,
    /// The nemesis makes another leader the home of the record. Two writes that take time, two clients.
    HandOver,
    /// Clients read twice of their own accord, and one of them moves once without its token. Two writes.
    Reading,
}

impl FaultClass {
    /// All classes.
    pub const ALL: [Self; 12] = [
        Self::None,
        Self::Skew,
        Self::Relocation,
        Self::Crash,
        Self::Ties,
        Self::SkewAndRelocation,
        Self::InFlight,
        Self::TailLoss,
        Self::Forgetting,
        Self::Collection,
        Self::HandOver,
        Self::Reading,
    ];

    /// The name, as reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Skew => "skew",
            Self::Relocation => "relocation",
            Self::Crash => "crash",
            Self::Ties => "ties",
            Self::SkewAndRelocation => "skew+relocation",
            Self::InFlight => "in-flight",
            Self::TailLoss => "tail-loss",
            Self::Forgetting => "forgetting",
            Self::Collection => "collection",
            Self::HandOver => "hand-over",
            Self::Reading => "reading",
        }
    }

    /// Whether such faults can be felt there: tombstones are forgotten only where something is deleted, and homes move
    /// only where there are some that do.
    #[must_use]
    pub fn applies_to(self, strategy: &Strategy, workload: Workload) -> bool {
        match self {
            Self::Collection => matches!(workload, Workload::Document),
            Self::HandOver => {
                strategy.home_leader().is_some_and(|strategy| strategy.reroute == Reroute::Follow)
            }
            _ => true,
        }
    }

    /// The bounds of its cells.
    fn narrow(self, scope: Scope) -> Scope {
        let scope = Scope { overlap: false, faults: self.faults(), ..scope };
        match self {
            Self::None => Scope { overlap: true, ..scope },
            Self::Skew | Self::Relocation | Self::Crash | Self::Ties => scope,
            Self::InFlight | Self::HandOver => Scope { overlap: true, clients: 2, writes: 2, ..scope },
            Self::Reading => Scope { reads: 2, writes: 2, ..scope },
            Self::SkewAndRelocation | Self::TailLoss | Self::Forgetting | Self::Collection => {
                Scope { writes: 2, ..scope }
            }
        }
    }

    fn faults(self) -> Faults {
        let none = Faults::default();
        match self {
            Self::None => none,
            Self::Skew => Faults { offsets_ms: vec![-10, -1], clock_changes: 1, ..none },
            Self::Relocation => Faults { relocations: 1, ..none },
            Self::Crash => Faults { crashes: 1, ..none },
            Self::Ties => Faults { coarse_ms: 2, ..none },
            Self::SkewAndRelocation => {
                Faults { offsets_ms: vec![-10], clock_changes: 1, relocations: 1, ..none }
            }
            Self::InFlight => Faults { relocations: 1, in_flight: true, ..none },
            Self::TailLoss => Faults { tail_losses: 1, tail_records: 1, ..none },
            Self::Forgetting => Faults { forgettings: 1, ..none },
            Self::Collection => Faults { collections: 1, ..none },
            Self::HandOver => Faults { hand_overs: 1, ..none },
            Self::Reading => Faults { relocations: 1, ..none },
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
        crdt(DataType::MvRegister),
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
        .chain(with_deletions())
        .collect()
}

/// What deletions, removals and cancellations do, and double bookings.
fn with_deletions() -> impl Iterator<Item = (Strategy, Workload)> {
    let lww = |deletes| {
        let rows = Rows { deletes, ..Rows::default() };
        Strategy::Lww(LastWriteWins { rows, ..LastWriteWins::default() })
    };
    let on_write = |handler| Strategy::OnWrite(OnWrite { handler });
    let documents = [
        lww(DeletePolicy::Tombstone),
        lww(DeletePolicy::Hard),
        lww(DeletePolicy::DeleteWins),
        Strategy::OnRead(OnRead { handler: Handler::Latest }),
    ];
    let carts = [
        lww(DeletePolicy::Tombstone),
        on_write(Handler::Union),
        Strategy::Crdt(Crdt { data_type: DataType::OrSet }),
    ];
    let calendars = [lww(DeletePolicy::Tombstone), on_write(Handler::Calendar)];
    let of = |workload| move |strategy| (strategy, workload);
    let documents = documents.into_iter().map(of(Workload::Document));
    documents
        .chain(carts.into_iter().map(of(Workload::Cart)))
        .chain(calendars.into_iter().map(of(Workload::Calendar)))
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
        let scope = fault.narrow(Scope { workload, ..Scope::new(strategy, topology) });
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
            let felt = |fault: &FaultClass| fault.applies_to(&strategy, workload);
            for fault in FaultClass::ALL.into_iter().filter(felt) {
                cells.push(Cell::new(strategy.clone(), workload, topology.clone(), fault));
            }
        }
    }
    cells
}
