//! An open loop: operations are due at times that were settled before, whoever answers when.
//!
//! A few connections at each leader share one list of due times. A connection that is free takes the next one, waits
//! for it, and carries the operation out; while all are busy, what is due waits, and its latency counts from when it
//! was due. That is what corrects for coordinated omission: a system that stalls is charged for everybody who came
//! meanwhile, not only for the one who was being served.
//!
//! Every client thread has a runtime and a list of samples of its own; nothing is shared while the load runs but the
//! due times.

use super::plan::Arrivals;
use crate::{
    clock_file::monotonic_ns,
    proxy::Alarm,
    runner::{Answered, Interrupt, Transport, answer_of, exponential},
    systems::reference::Endpoints,
};
use quarrel_models::{
    id::{ClientId, Dot, ReplicaId, WriteId},
    message::{Reply, Request},
    operation::Operation,
    random::Stream,
    session::{Outcome, Session, SessionInput, SessionOutput},
    value::Key,
    version::VersionVector,
};
use quarrel_workloads::{scenario::Scenario, workload::Generator};
use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::{JoinSet, LocalSet};

/// Threads for the clients, as in runs.
const THREADS: usize = 2;

/// A load to be carried.
#[derive(Debug, Clone)]
pub(super) struct Load {
    /// Strategy, workload and patience.
    pub(super) scenario: Scenario,
    pub(super) seed: u64,
    pub(super) endpoints: Arc<Endpoints>,
    /// The leaders that take it, from the first one on.
    pub(super) leaders: usize,
    /// Operations per second at all leaders together.
    pub(super) rate: f64,
    pub(super) arrivals: Arrivals,
    pub(super) begins: Instant,
    pub(super) ends: Instant,
    /// How long what was due may still be begun after the end.
    pub(super) grace: Duration,
    /// At each leader.
    pub(super) connections: u32,
    /// The first client's number: no two loads of one cluster share any.
    pub(super) first_client: u32,
    /// One acknowledged write in so many is looked for at the other leaders; 0 for none.
    pub(super) probe_one_in: u64,
    pub(super) interrupt: Interrupt,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Acknowledged,
    Refused,
    Unknown,
}

/// One operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// When it was to begin.
    pub(super) due: Instant,
    /// When it was to begin, when it began and when it ended: nanoseconds of the machine's monotonic clock.
    pub(super) due_ns: i64,
    pub(super) began_ns: i64,
    pub(super) ended_ns: i64,
    pub(super) write: Option<WriteId>,
    pub(super) end: End,
}

/// When another leader showed a write: it answered a read that had to wait for the write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    pub(super) write: WriteId,
    /// Nothing if it was never shown in time.
    pub(super) seen_ns: Option<i64>,
}

/// What came of a load.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub(super) samples: Vec<Sample>,
    pub(super) sightings: Vec<Sighting>,
    /// Operations that were due and never begun: there was no free connection until the very end.
    pub(super) unserved: u64,
}

/// The due times of one leader.
#[derive(Debug)]
struct Schedule {
    next: Instant,
    ends: Instant,
    rate: f64,
    arrivals: Arrivals,
    draws: Stream,
}

impl Schedule {
    fn take(&mut self) -> Option<Instant> {
        let due = self.next;
        self.next += match self.arrivals {
            Arrivals::Poisson => exponential(&mut self.draws, self.rate),
            Arrivals::Constant => Duration::from_secs_f64(1.0 / self.rate),
        };
        (due < self.ends).then_some(due)
    }
}

/// What the client threads share.
#[derive(Debug)]
struct Shared {
    load: Load,
    schedules: Vec<Mutex<Schedule>>,
    unserved: AtomicU64,
    /// An instant, and the same moment on the machine's clock: the two run alike.
    anchor: (Instant, i64),
}

impl Shared {
    fn new(load: Load) -> Self {
        let rate = load.rate / load.leaders.max(1) as f64;
        let schedule = |leader: usize| {
            let mut draws = Stream::new(load.seed, "arrivals", leader as u64 + u64::from(load.first_client));
            // Leaders that are asked evenly are not asked all at the same time.
            let share = leader as f64 / load.leaders as f64 / rate;
            let first = match load.arrivals {
                Arrivals::Poisson => exponential(&mut draws, rate),
                Arrivals::Constant => Duration::from_secs_f64(share),
            };
            let (ends, arrivals) = (load.ends, load.arrivals);
            Mutex::new(Schedule { next: load.begins + first, ends, rate, arrivals, draws })
        };
        let schedules = (0..load.leaders).map(schedule).collect();
        Self { load, schedules, unserved: AtomicU64::new(0), anchor: (Instant::now(), monotonic_ns()) }
    }

    fn ns(&self, at: Instant) -> i64 {
        let (instant, ns) = self.anchor;
        let between = |from: Instant, to: Instant| {
            i64::try_from(to.duration_since(from).as_nanos()).unwrap_or(i64::MAX / 2)
        };
        if at >= instant { ns + between(instant, at) } else { ns - between(at, instant) }
    }

    /// The next operation at this leader that can still be begun.
    fn take(&self, leader: ReplicaId) -> Option<Instant> {
        let mut schedule = self.schedules[leader.index()].lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(due) = schedule.take() {
            if self.load.interrupt.is_requested() {
                return None;
            }
            if Instant::now() < self.load.ends + self.load.grace {
                return Some(due);
            }
            self.unserved.fetch_add(1, Ordering::Relaxed);
        }
        None
    }
}

/// What one client thread keeps: nobody else writes here.
#[derive(Debug, Default)]
struct Kept {
    samples: Vec<Sample>,
    sightings: Vec<Sighting>,
}

/// Carries the load. Blocks until its last operation has ended.
///
/// # Errors
/// If a thread, or a connection's timer or client, could not be had.
pub(super) fn carry(load: Load) -> io::Result<Carried> {
    let shared = Arc::new(Shared::new(load));
    let mut carried = Carried::default();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("latency-clients".to_owned())
                .spawn(move || carry_share(&shared, thread))
        })
        .collect::<io::Result<_>>()?;
    for thread in threads {
        let kept = thread.join().map_err(|_| io::Error::other("a client thread has panicked"))??;
        carried.samples.extend(kept.samples);
        carried.sightings.extend(kept.sightings);
    }
    carried.samples.sort_by_key(|sample| sample.due_ns);
    carried.unserved = shared.unserved.load(Ordering::Relaxed);
    Ok(carried)
}

fn carry_share(shared: &Arc<Shared>, thread: usize) -> io::Result<Kept> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let kept = Rc::new(RefCell::new(Kept::default()));
    LocalSet::new().block_on(&runtime, async {
        let mut serving = JoinSet::new();
        let all = shared.load.connections as usize * shared.load.leaders;
        for number in (0..all).filter(|number| number % THREADS == thread) {
            let connection = Connection::new(shared, Rc::clone(&kept), number)?;
            serving.spawn_local(connection.serve());
        }
        while let Some(ended) = serving.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        Ok::<_, io::Error>(())
    })?;
    Ok(kept.take())
}

/// One session and its connection to a leader.
struct Connection {
    shared: Arc<Shared>,
    kept: Rc<RefCell<Kept>>,
    at: ReplicaId,
    session: Session,
    generator: Generator,
    transport: Transport,
    /// Acknowledged writes so far.
    written: u64,
    /// Looks for writes that are under way.
    probes: JoinSet<()>,
}

impl Connection {
    fn new(shared: &Arc<Shared>, kept: Rc<RefCell<Kept>>, number: usize) -> io::Result<Self> {
        let load = &shared.load;
        let id = ClientId(load.first_client + u32::try_from(number).map_err(io::Error::other)?);
        let scenario = &load.scenario;
        let timeout = scenario.clients.timeout.duration();
        Ok(Self {
            at: ReplicaId::from_index(number % load.leaders),
            session: Session::new(id, scenario.strategy.read_handler(), scenario.clients.token),
            generator: Generator::new(scenario, id, load.seed),
            transport: Transport::new(Arc::clone(&load.endpoints), timeout).map_err(io::Error::other)?,
            written: 0,
            probes: JoinSet::new(),
            shared: Arc::clone(shared),
            kept,
        })
    }

    async fn serve(mut self) -> io::Result<()> {
        let mut alarm = Alarm::new()?;
        while let Some(due) = self.shared.take(self.at) {
            poll_fn(|cx| alarm.poll_until(due, cx)).await?;
            self.operate(due).await;
            while self.probes.try_join_next().is_some() {}
        }
        while self.probes.join_next().await.is_some() {}
        Ok(())
    }

    async fn operate(&mut self, due: Instant) {
        let operation = self.generator.next();
        let write = operation.operation.is_write().then(|| self.session.next_write());
        let began_ns = monotonic_ns();
        let mut outputs = self.session.step(SessionInput::Start(operation.clone()));
        let outcome = loop {
            let mut request = None;
            let mut outcome = None;
            for output in outputs {
                match output {
                    SessionOutput::Send(next) => request = Some(next),
                    SessionOutput::Done(done) => outcome = Some(done),
                    SessionOutput::Resolved(_) | SessionOutput::Unresolved { .. } => {}
                }
            }
            // A session that is not done has something to send.
            outputs = match (outcome, request) {
                (Some(outcome), _) => break outcome,
                (None, Some(request)) => match self.transport.send(self.at, request).await {
                    Answered::Reply(reply) => self.session.step(SessionInput::Reply(reply)),
                    Answered::Nothing => self.session.step(SessionInput::Unanswered),
                    Answered::NotSent => self.session.step(SessionInput::Unsent),
                },
                (None, None) => break Outcome::Unsent,
            };
        };
        let ended_ns = monotonic_ns();
        self.generator.observe(&operation, answer_of(&outcome));
        let end = match &outcome {
            Outcome::Written(_) | Outcome::Read { .. } => End::Acknowledged,
            Outcome::Failed(_) | Outcome::Unsent => End::Refused,
            Outcome::Unknown(_) => End::Unknown,
        };
        let due_ns = self.shared.ns(due);
        self.kept.borrow_mut().samples.push(Sample { due, due_ns, began_ns, ended_ns, write, end });
        if let (Outcome::Written(written), Some(write)) = (&outcome, write) {
            self.look_for(write, operation.key, written.dot);
        }
    }

    /// Asks the other leaders for the write, now and then: each answers once it has applied it.
    fn look_for(&mut self, write: WriteId, key: Key, dot: Dot) {
        let one_in = self.shared.load.probe_one_in;
        self.written += 1;
        if one_in == 0 || !(self.written - 1).is_multiple_of(one_in) {
            return;
        }
        let mut token = VersionVector::new();
        token.advance(dot.origin, dot.position);
        let others = (0..self.shared.load.leaders).map(ReplicaId::from_index);
        for at in others.filter(|&at| at != self.at) {
            let request = Request {
                key: key.clone(),
                operation: Operation::Read,
                write: None,
                context: None,
                token: Some(token.clone()),
            };
            let (transport, kept) = (self.transport.clone(), Rc::clone(&self.kept));
            self.probes.spawn_local(async move {
                let shown = matches!(transport.send(at, request).await, Answered::Reply(Reply::Read(_)));
                let seen_ns = shown.then(monotonic_ns);
                kept.borrow_mut().sightings.push(Sighting { write, seen_ns });
            });
        }
    }
}
