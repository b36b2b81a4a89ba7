//! What a run looks like while it runs: written by the runner, read by the progress display.

use quarrel_workloads::history::Phase;
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// One look at a run.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The scenario's name.
    pub scenario: String,
    /// The phase, once there is one; before that the cluster is being started.
    pub phase: Option<Phase>,
    /// Since the phase began.
    pub in_phase: Duration,
    /// How long the phase is planned to take.
    pub planned: Duration,
    /// Operations that ended `ok`.
    pub ok: u64,
    /// Operations that ended `fail`.
    pub fail: u64,
    /// Operations that ended `info`.
    pub info: u64,
    /// Operations per second, over the last second.
    pub rate: f64,
    /// The median latency of the last second.
    pub p50: Duration,
    /// The 99th percentile of the last second.
    pub p99: Duration,
    /// The faults that are on, in words.
    pub faults: Vec<String>,
    /// The last thing worth saying, such as `B killed`.
    pub last: String,
    /// The situations that have arisen so far, and how often: what the checkers will judge by.
    pub seen: Vec<(&'static str, u64)>,
}

/// A run while it runs.
#[derive(Debug, Default)]
pub struct Live {
    state: Mutex<State>,
    watched: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    snapshot: Snapshot,
    phase_began: Option<Instant>,
}

impl Live {
    /// A run of this scenario that has not begun.
    #[must_use]
    pub fn new(scenario: &str) -> Self {
        let snapshot = Snapshot { scenario: scenario.to_owned(), ..Snapshot::default() };
        Self { state: Mutex::new(State { snapshot, phase_began: None }), watched: AtomicBool::new(false) }
    }

    /// Somebody will look: from now on what costs more than counting is kept up to date, too.
    pub fn watch(&self) {
        self.watched.store(true, Ordering::Relaxed);
    }

    /// Whether somebody looks.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// One look.
    #[must_use]
    pub fn look(&self) -> Snapshot {
        let state = self.lock();
        let in_phase = state.phase_began.map(|began| began.elapsed()).unwrap_or_default();
        Snapshot { in_phase, ..state.snapshot.clone() }
    }

    pub(crate) fn enter(&self, phase: Phase, planned: Duration) {
        let mut state = self.lock();
        state.snapshot.phase = Some(phase);
        state.snapshot.planned = planned;
        state.phase_began = Some(Instant::now());
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.lock().snapshot);
    }

    /// A panic of another thread does not make these figures wrong.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
