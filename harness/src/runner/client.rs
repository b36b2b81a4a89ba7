//! One client: a generator says what to ask, a session turns it into requests, HTTP carries them.
//!
//! A client never sends a request twice, except when it is moved with the request in flight: then the request goes to
//! the new leader under the same idempotency key. What is not answered in time is recorded as `info`.

use super::{
    recorder::Recorder,
    transport::{Answered, Transport},
};
use quarrel_models::{
    fault::Fault,
    id::{ClientId, ReplicaId},
    message::Request,
    operation::KeyedOperation,
    random::Stream,
    session::{Outcome, Resolution, Session, SessionInput, SessionOutput, SessionOutputs},
};
use quarrel_workloads::{
    history::{Event, OperationResult},
    workload::{Answer, Generator},
};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// How long a request is in flight before its client is moved away from it, if the client is to move in flight.
const IN_FLIGHT: Duration = Duration::from_millis(1);
/// A client that is to move in flight and is always answered first moves between operations after so many.
const IN_FLIGHT_ATTEMPTS: u32 = 20;
/// The pause of a client whose replica is down.
const DOWN_PAUSE: Duration = Duration::from_millis(20);

/// An order to move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    pub(super) to: ReplicaId,
    pub(super) token: bool,
    pub(super) in_flight: bool,
}

/// Which of a client's reads go to followers.
#[derive(Debug)]
pub(super) struct FollowerReads {
    /// The followers that answer reads.
    pub(super) followers: Vec<ReplicaId>,
    pub(super) share_ppm: u32,
    pub(super) choices: Stream,
}

impl FollowerReads {
    /// The follower that the next read goes to, if it goes to one.
    fn choose(&mut self) -> Option<ReplicaId> {
        let count = self.followers.len() as u64;
        if count == 0 || !self.choices.chance_ppm(self.share_ppm) {
            return None;
        }
        let index = usize::try_from(self.choices.below(count)).unwrap_or(0);
        self.followers.get(index).copied()
    }
}

/// When a client begins its operations.
#[derive(Debug)]
pub(super) enum Pace {
    /// After the one before, and a pause of this mean.
    Closed { think: Duration },
    /// When they are due: this often a second, at random.
    Open { rate: f64, due: Instant },
}

/// What a client is made of.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) session: Session,
    pub(super) generator: Generator,
    pub(super) at: ReplicaId,
    pub(super) follower_reads: FollowerReads,
    pub(super) transport: Transport,
    pub(super) recorder: Recorder,
    pub(super) pace: Pace,
    pub(super) pauses: Stream,
    pub(super) moves: mpsc::UnboundedReceiver<Move>,
    /// An order to move in flight that waits for an operation, and how often it has waited.
    pub(super) pending: Option<(Move, u32)>,
    pub(super) stop: watch::Receiver<bool>,
}

/// How a request left this client's hands.
enum Sent {
    Answered(Answered),
    Moved(Move),
}

impl Client {
    /// Works until it is told to stop, and ends its last operation.
    pub(super) async fn run(mut self) {
        loop {
            while let Ok(order) = self.moves.try_recv() {
                self.take_order(order);
            }
            if self.pause().await {
                return;
            }
            self.operate().await;
        }
    }

    fn take_order(&mut self, order: Move) {
        if order.in_flight {
            self.pending = Some((order, 0));
        } else {
            self.relocate(order, "between operations".to_owned());
        }
    }

    /// Moves, and gives back what is to be sent at the new place.
    fn relocate(&mut self, order: Move, effect: String) -> SessionOutputs {
        let client = self.session.client();
        self.at = order.to;
        let fault = Fault::Relocate { client, to: order.to, token: order.token };
        self.recorder.record(|t| Event::Nemesis { t, fault, effect });
        self.session.step(SessionInput::Relocated { token: order.token })
    }

    /// Waits for the next operation's time; true if there is none.
    async fn pause(&mut self) -> bool {
        let wait = match &mut self.pace {
            Pace::Closed { think } if think.is_zero() => Duration::ZERO,
            Pace::Closed { think } => {
                let micros = u64::try_from(think.as_micros()).unwrap_or(u64::MAX / 4);
                Duration::from_micros(self.pauses.below(2 * micros + 1))
            }
            Pace::Open { rate, due } => {
                *due += exponential(&mut self.pauses, *rate);
                due.saturating_duration_since(Instant::now())
            }
        };
        if *self.stop.borrow() {
            return true;
        }
        if wait.is_zero() {
            // Others want to run too: a client that is always answered at once must not keep its thread.
            tokio::task::consume_budget().await;
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => false,
            _ = self.stop.wait_for(|stop| *stop) => true,
        }
    }

    async fn operate(&mut self) {
        let operation = self.generator.next();
        let write = operation.operation.is_write().then(|| self.session.next_write());
        let client = self.session.client();
        let follower = if write.is_none() { self.follower_reads.choose() } else { None };
        let at = follower.unwrap_or(self.at);
        self.recorder.record(|t| Event::Invoke {
            t,
            client,
            at,
            key: operation.key.clone(),
            op: operation.operation.clone(),
            write,
        });
        let mut outputs = self.session.step(SessionInput::Start(operation.clone()));
        loop {
            let mut next = None;
            for output in outputs {
                match output {
                    SessionOutput::Send(request) => next = Some(request),
                    SessionOutput::Resolved(resolution) => self.record_resolution(resolution),
                    SessionOutput::Done(outcome) => return self.done(&operation, outcome).await,
                }
            }
            // A session that is not done has something to send.
            let Some(request) = next else { return };
            // What a read of a follower leads to, such as writing back what it resolved, goes to the leader.
            let at = follower.filter(|_| !request.operation.is_write()).unwrap_or(self.at);
            outputs = self.send(at, request).await;
        }
    }

    async fn send(&mut self, at: ReplicaId, request: Request) -> SessionOutputs {
        let writes = request.operation.is_write();
        let sent = {
            let sending = self.transport.send(at, request);
            tokio::pin!(sending);
            loop {
                let pending = self.pending.filter(|_| writes).map(|(order, _)| order);
                tokio::select! {
                    answered = &mut sending => break Sent::Answered(answered),
                    () = tokio::time::sleep(IN_FLIGHT), if pending.is_some() => {
                        if let Some(order) = pending {
                            break Sent::Moved(order);
                        }
                    }
                    Some(order) = self.moves.recv() => {
                        // Between operations is after this one.
                        self.pending = Some((order, if order.in_flight { 0 } else { IN_FLIGHT_ATTEMPTS }));
                        if order.in_flight && writes {
                            break Sent::Moved(order);
                        }
                    }
                }
                if self.pending.is_some_and(|(order, _)| !order.in_flight) {
                    break Sent::Answered(sending.await);
                }
            }
        };
        match sent {
            Sent::Moved(order) => {
                self.pending = None;
                self.relocate(order, "with a request in flight".to_owned())
            }
            Sent::Answered(Answered::Reply(reply)) => self.session.step(SessionInput::Reply(reply)),
            Sent::Answered(Answered::Nothing) => self.session.step(SessionInput::Unanswered),
            Sent::Answered(Answered::NotSent) => self.session.step(SessionInput::Unsent),
        }
    }

    fn record_resolution(&self, resolution: Resolution) {
        let Resolution { key, write, over, value, dot } = resolution;
        let client = self.session.client();
        self.recorder.record(|t| Event::Resolve { t, client, key, write, over: over.to_vec(), value, dot });
    }

    async fn done(&mut self, operation: &KeyedOperation, outcome: Outcome) {
        let client = self.session.client();
        let answer = match &outcome {
            Outcome::Read { value, .. } => Answer::Read(value.as_ref()),
            Outcome::Written(_) => Answer::Done,
            Outcome::Failed(_) | Outcome::Unsent => Answer::Refused,
            Outcome::Unknown(_) => Answer::Unknown,
        };
        self.generator.observe(operation, answer);
        let down = matches!(outcome, Outcome::Unsent);
        let writes = operation.operation.is_write();
        self.recorder.record(|t| completion(t, client, writes, outcome));
        if let Some((order, waited)) = self.pending.take() {
            if order.in_flight && waited < IN_FLIGHT_ATTEMPTS {
                self.pending = Some((order, waited + u32::from(writes)));
            } else {
                self.relocate(order, "between operations".to_owned());
            }
        }
        if down {
            tokio::time::sleep(DOWN_PAUSE).await;
        }
    }
}

/// The event with which an operation ends.
fn completion(t: u64, client: ClientId, writes: bool, outcome: Outcome) -> Event {
    match outcome {
        Outcome::Written(written) => Event::Ok {
            t,
            client,
            result: OperationResult {
                dot: (written.dot.position > 0).then_some(written.dot),
                stamp: (written.dot.position > 0).then_some(written.stamp),
                // The answer to a retry tells what is known now, not what was known when the write was taken.
                knew: (!written.duplicate).then_some(written.knew),
                versions: written.on.to_vec(),
                value: None,
                duplicate: written.duplicate,
            },
        },
        Outcome::Read { value, versions, applied } => Event::Ok {
            t,
            client,
            result: OperationResult {
                knew: Some(applied),
                versions: versions.to_vec(),
                value,
                ..OperationResult::default()
            },
        },
        Outcome::Failed(refusal) => Event::Fail { t, client, error: refusal.to_string() },
        Outcome::Unsent => {
            Event::Fail { t, client, error: "not sent: the replica could not be reached".to_owned() }
        }
        // A read that was not answered has no effect that could still come.
        Outcome::Unknown(_) if !writes => Event::Fail { t, client, error: "no answer in time".to_owned() },
        Outcome::Unknown(refusal) => {
            let error = refusal.map_or_else(|| "no answer in time".to_owned(), |refusal| refusal.to_string());
            Event::Info { t, client, error }
        }
    }
}

/// The pause to the next arrival of a Poisson process.
fn exponential(stream: &mut Stream, rate: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
    let uniform = (stream.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    Duration::try_from_secs_f64(-(1.0 - uniform).ln() / rate.max(1e-6)).unwrap_or(Duration::from_secs(3600))
}
