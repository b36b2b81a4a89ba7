//! Carries a scenario out against a system under test: warm up, storm, heal, quiesce, read all replicas, judge.
//!
//! The rooms: `client` what one client does, `transport` its connections, `recorder` the history and the latencies,
//! `descriptors` a limit of
//! the machine, `storm` the nemesis at work, `finale` rest and final reads, `live` what a display sees, `interrupt` Ctrl-C.

mod client;
mod descriptors;
mod finale;
mod interrupt;
mod live;
mod recorder;
mod storm;
mod transport;

pub(crate) use client::{answer_of, exponential};
pub(crate) use finale::quiesce;
pub use interrupt::Interrupt;
pub use live::{Live, Snapshot};
pub use recorder::Latency;
pub(crate) use transport::{Answered, Transport};

use crate::replay::fold;
use crate::systems::{
    System,
    http::HttpCluster,
    maelstrom::MaelstromCluster,
    mariadb::MariadbCluster,
    reference::{ReferenceCluster, SystemError},
};
use client::{Client, FollowerReads, Move, Pace};
use quarrel_models::{id::ReplicaId, random::Stream, session::Session};
use quarrel_workloads::{
    checker::ledger::JsonLines,
    history::{Event, FORMAT_VERSION, Header, Phase, Quiescence, Reader},
    judge::{self, JudgeError, Judgement},
    scenario::Scenario,
    schedule::{self, Planned},
    workload::Generator,
};
use recorder::{Recorder, Recording};
use std::{
    fs::File,
    io::{BufReader, BufWriter},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

/// Threads for the clients: more than the machine's two cores cost more than they bring.
const CLIENT_THREADS: usize = 2;
/// How often a phase looks whether a node has died or the disk has failed.
const WATCH: Duration = Duration::from_millis(25);

/// A run to be made.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The scenario, resolved and valid.
    pub scenario: Scenario,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// The run's folder; it exists. The runner writes the history, the nemesis' acts, the ledger, the latencies, the
    /// apply logs and the nodes' logs into it.
    pub folder: PathBuf,
    /// The program that has the subcommand `node`: this one.
    pub program: PathBuf,
    /// What a display sees.
    pub live: Arc<Live>,
    /// The wish to stop early.
    pub interrupt: Interrupt,
}

/// A run that was made.
#[derive(Debug)]
pub struct RunOutcome {
    /// What the checkers say.
    pub judgement: Judgement,
    /// How long it took, the judging included.
    pub seconds: f64,
    /// Whether it was stopped early.
    pub interrupted: bool,
    /// How long operations took.
    pub latency: Latency,
}

/// A run that could not be made, or not to its end. What was recorded is in its folder.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A process, a port, a file or the disk could not be had.
    #[error("{0}")]
    Environment(String),
    /// A defect of quarrel itself.
    #[error("{0}")]
    Internal(String),
}

impl From<SystemError> for RunError {
    fn from(error: SystemError) -> Self {
        Self::Environment(error.to_string())
    }
}

fn disk(error: std::io::Error) -> RunError {
    RunError::Environment(format!("cannot write the run's folder: {error}; is the disk full?"))
}

/// Makes a run. Blocks until it has ended; every process that it started has then ended too.
///
/// # Errors
/// [`RunError`] if the run could not be made or ended early by itself.
pub fn run(request: &RunRequest) -> Result<RunOutcome, RunError> {
    let began = Instant::now();
    descriptors::secure(&request.scenario)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CLIENT_THREADS)
        .enable_all()
        .build()
        .map_err(|error| RunError::Environment(format!("cannot start the clients' threads: {error}")))?;
    let (latency, interrupted) = runtime.block_on(make(request))?;
    drop(runtime);
    let judgement = judge(&request.folder)?;
    Ok(RunOutcome { judgement, seconds: began.elapsed().as_secs_f64(), interrupted, latency })
}

/// Judges the history in a run's folder, writes the ledger beside it, and folds the apply logs through the core.
///
/// # Errors
/// [`RunError`] if the history cannot be read or the ledger not be written.
pub fn judge(folder: &Path) -> Result<Judgement, RunError> {
    let history = File::open(folder.join("history.jsonl")).map_err(disk)?;
    let ledger = BufWriter::new(File::create(folder.join("ledger.jsonl")).map_err(disk)?);
    let mut ledger = JsonLines::new(ledger).map_err(disk)?;
    let internal =
        |error: &dyn std::fmt::Display| RunError::Internal(format!("the history cannot be judged: {error}"));
    let reader = Reader::new(BufReader::with_capacity(1 << 20, history)).map_err(|error| internal(&error))?;
    let scenario = reader.header().scenario.clone();
    let mut judgement = judge::judge(reader, &mut ledger).map_err(|error| match error {
        JudgeError::Ledger(error) => disk(error),
        other => internal(&other),
    })?;
    ledger.flush().map_err(disk)?;
    fold::add_to(&mut judgement, folder, &scenario);
    Ok(judgement)
}

/// Starts the system under test that the scenario names, and makes the run on it.
async fn make(request: &RunRequest) -> Result<(Latency, bool), RunError> {
    let RunRequest { scenario, seed, folder, program, .. } = request;
    match scenario.cluster.system.as_str() {
        "http" => on(HttpCluster::start(scenario, folder, *seed, program).await?, request).await,
        "maelstrom" => on(MaelstromCluster::start(scenario, folder, *seed, program).await?, request).await,
        "mariadb" => on(MariadbCluster::start(scenario, folder, *seed, program).await?, request).await,
        _ => on(ReferenceCluster::start(scenario, folder, *seed, program).await?, request).await,
    }
}

async fn on(cluster: impl System, request: &RunRequest) -> Result<(Latency, bool), RunError> {
    let RunRequest { scenario, seed, folder, live, interrupt, .. } = request;
    let schedule = schedule::schedule(scenario, *seed)
        .map_err(|error| RunError::Internal(format!("the scenario was not checked: {error}")))?;
    let header = Header {
        quarrel: "history".to_owned(),
        v: FORMAT_VERSION,
        seed: *seed,
        started: jiff::Timestamp::now().to_string(),
        system: scenario.cluster.system.clone(),
        scenario: scenario.clone(),
    };
    let recording = Recording::start(folder, &header, Arc::clone(live)).map_err(disk)?;
    let (stop, stopped) = watch::channel(false);
    let mut run = Run {
        scenario,
        live,
        interrupt,
        crew: Crew::start(scenario, *seed, &cluster, recording.recorder(), &stopped)?,
        cluster,
        recorder: recording.recorder().clone(),
        stop,
    };
    let ended = run.phases(&schedule).await;
    // That a node has died says more than that it did not answer.
    let ended = ended.map_err(|error| run.cluster.check_alive().err().map_or(error, RunError::from));
    // Whatever happened: the nodes end before the run does.
    run.cluster.stop().await;
    let quiescence = ended?;
    let replicas = run.cluster.graph().replicas();
    finale::read_conflict_logs(folder, replicas, &run.recorder).map_err(disk)?;
    run.recorder.record(|t| Event::End { t, quiescence });
    let latency = recording.finish().map_err(disk)?;
    Ok((latency, interrupt.is_requested()))
}

/// The clients, and how orders to move reach them.
#[derive(Debug)]
struct Crew {
    tasks: JoinSet<()>,
    orders: Vec<mpsc::UnboundedSender<Move>>,
}

impl Crew {
    fn start(
        scenario: &Scenario,
        seed: u64,
        cluster: &impl System,
        recorder: &Recorder,
        stop: &watch::Receiver<bool>,
    ) -> Result<Self, RunError> {
        let graph = cluster.graph();
        let followers: Vec<ReplicaId> = graph
            .replicas()
            .filter(|&replica| !graph.is_leader(replica) && graph.is_readable(replica))
            .collect();
        let mut crew = Self { tasks: JoinSet::new(), orders: Vec::new() };
        for id in scenario.clients.ids() {
            let (order, moves) = mpsc::unbounded_channel();
            let client = Client {
                session: Session::new(id, scenario.strategy.read_handler(), scenario.clients.token),
                generator: Generator::new(scenario, id, seed),
                at: scenario.cluster.first_leader(id),
                follower_reads: FollowerReads {
                    followers: followers.clone(),
                    share_ppm: share_ppm(scenario.clients.follower_reads),
                    choices: Stream::new(seed, "follower-reads", id.0.into()),
                },
                carrier: cluster.carrier(scenario.clients.timeout.duration())?,
                recorder: recorder.clone(),
                pace: pace_of(scenario),
                pauses: Stream::new(seed, "pauses", id.0.into()),
                moves,
                pending: None,
                stop: stop.clone(),
                left_behind: JoinSet::new(),
            };
            crew.orders.push(order);
            crew.tasks.spawn(client.run());
        }
        Ok(crew)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1_000_000")]
fn share_ppm(share: f64) -> u32 {
    (share * 1e6).round().clamp(0.0, 1e6) as u32
}

fn pace_of(scenario: &Scenario) -> Pace {
    if scenario.clients.rate > 0.0 {
        Pace::Open {
            rate: scenario.clients.rate / f64::from(scenario.clients.count.max(1)),
            due: Instant::now(),
        }
    } else {
        Pace::Closed { think: scenario.clients.think.duration() }
    }
}

/// A run under way.
struct Run<'a, S> {
    scenario: &'a Scenario,
    live: &'a Live,
    interrupt: &'a Interrupt,
    cluster: S,
    crew: Crew,
    recorder: Recorder,
    stop: watch::Sender<bool>,
}

impl<S: System> Run<'_, S> {
    async fn phases(&mut self, schedule: &[Planned]) -> Result<Quiescence, RunError> {
        let phases = &self.scenario.phases;
        self.enter(Phase::WarmUp, phases.warm_up.duration());
        self.load_until(Instant::now() + phases.warm_up.duration()).await?;
        self.enter(Phase::Storm, phases.storm.duration());
        self.storm(schedule).await?;
        self.enter(Phase::Heal, phases.recovery.duration());
        self.heal().await?;
        self.load_until(Instant::now() + phases.recovery.duration()).await?;
        self.stop_clients().await;
        self.enter(Phase::Quiesce, phases.quiesce.duration());
        let quiescence =
            finale::quiesce(&mut self.cluster, phases.quiesce.duration(), self.interrupt).await?;
        self.enter(Phase::ReadAll, Duration::ZERO);
        let moved = finale::read_all(&self.cluster, &self.recorder).await?;
        Ok(match (quiescence, moved) {
            _ if self.interrupt.is_requested() => Quiescence::Interrupted,
            (Quiescence::Positions { .. }, Some(why)) => Quiescence::NotReached { why },
            (quiescence, _) => quiescence,
        })
    }

    fn enter(&self, phase: Phase, planned: Duration) {
        self.recorder.record(|t| Event::Phase { t, phase });
        self.live.enter(phase, planned);
    }

    /// Lets the clients work until then, or until the wish to stop, the bound on operations, or a failure.
    async fn load_until(&mut self, deadline: Instant) -> Result<(), RunError> {
        while Instant::now() < deadline && !self.is_over() {
            self.watch()?;
            let wait = WATCH.min(deadline.saturating_duration_since(Instant::now()));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.interrupt.requested() => {}
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let bound = self.scenario.phases.operations;
        self.interrupt.is_requested() || (bound > 0 && self.recorder.ended() >= bound)
    }

    /// Nothing may fail unnoticed.
    fn watch(&mut self) -> Result<(), RunError> {
        if let Some(error) = self.recorder.error() {
            return Err(RunError::Environment(format!(
                "cannot write the history: {error}; is the disk full?"
            )));
        }
        Ok(self.cluster.check_alive()?)
    }

    async fn heal(&mut self) -> Result<(), RunError> {
        for fault in self.cluster.remedies() {
            let effect = self.cluster.apply(&fault).await?;
            // At once: the next remedy may take seconds, such as the recovery of a long log.
            self.recorder.record(|t| Event::Nemesis { t, fault, effect });
        }
        self.live.update(|snapshot| snapshot.faults.clear());
        Ok(())
    }

    /// Every client ends its operation: that takes no longer than its patience.
    async fn stop_clients(&mut self) {
        self.stop.send_replace(true);
        while self.crew.tasks.join_next().await.is_some() {}
    }
}
