//! One client: a generator says what to ask, a session turns it into requests, HTTP carries them.
//!
//! A client never sends a request twice, except when it is moved with the request in flight: then the request goes to
//! the new leader under the same idempotency key. What is not answered in time is recorded as `info`.

use super::{recorder::Recorder, transport::Answered};
use crate::systems::Carrier;
use quarrel_models::{
    fault::Fault,
    id::ReplicaId,
    message::Request,
    operation::KeyedOperation,
    random::Stream,
    session::{Outcome, Resolution, Session, SessionInput, SessionOutput, SessionOutputs},
};
use quarrel_workloads::{
    history::Event,
    workload::{Answer, Generator},
};
use std::time::{Duration, Instant};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

/// How long a request is in flight before its client is moved away from it, if the client is to move in flight: most
/// often long enough for it to arrive, and too short for an answer.
const IN_FLIGHT: Duration = Duration::from_micros(300);
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
    pub(super) carrier: Carrier,
    pub(super) recorder: Recorder,
    pub(super) pace: Pace,
    pub(super) pauses: Stream,
    pub(super) moves: mpsc::UnboundedReceiver<Move>,
    /// An order to move in flight that waits for an operation, and how often it has waited.
    pub(super) pending: Option<(Move, u32)>,
    pub(super) stop: watch::Receiver<bool>,
    /// Requests that the client was moved away from. They go on, and nobody listens to their answers.
    pub(super) left_behind: JoinSet<()>,
}

impl Client {
    /// Works until it is told to stop, and ends its last operation. When it returns, nothing that it asked for is
    /// under way but what was not answered in time.
    pub(super) async fn run(mut self) {
        loop {
            while let Ok(order) = self.moves.try_recv() {
                self.take_order(order);
            }
            if self.pause().await {
                break;
            }
            self.operate().await;
        }
        while self.left_behind.join_next().await.is_some() {}
    }

    fn take_order(&mut self, order: Move) {
        // Of two orders the later one holds.
        self.pending = None;
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
                    // The answer that follows shows the siblings as they are.
                    SessionOutput::Unresolved { .. } => {}
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
        let carrier = self.carrier.clone();
        let mut sending = Box::pin(async move { carrier.send(at, request).await });
        let answered = loop {
            let leaving = self.pending.map(|(order, _)| order).filter(|order| order.in_flight && writes);
            tokio::select! {
                // If there is an answer, nothing is in flight any more.
                biased;
                answered = &mut sending => break answered,
                () = get_under_way(), if leaving.is_some() => {
                    if let Some(order) = leaving {
                        return self.leave_behind(order, sending);
                    }
                }
                // Between operations is after this one.
                Some(order) = self.moves.recv() => self.pending = Some((order, 0)),
            }
        };
        match answered {
            Answered::Reply(reply) => self.session.step(SessionInput::Reply(reply)),
            Answered::Nothing => self.session.step(SessionInput::Unanswered),
            Answered::NotSent => self.session.step(SessionInput::Unsent),
        }
    }

    /// Moves away from a request, which goes on: a broken connection could take it back.
    fn leave_behind(
        &mut self,
        order: Move,
        request: impl Future<Output = Answered> + Send + 'static,
    ) -> SessionOutputs {
        self.pending = None;
        while self.left_behind.try_join_next().is_some() {}
        self.left_behind.spawn(async move { drop(request.await) });
        self.relocate(order, "with a request in flight".to_owned())
    }

    fn record_resolution(&self, resolution: Resolution) {
        let client = self.session.client();
        self.recorder.record(|t| Event::resolution(t, client, resolution));
    }

    async fn done(&mut self, operation: &KeyedOperation, outcome: Outcome) {
        let client = self.session.client();
        self.generator.observe(operation, answer_of(&outcome));
        let down = matches!(outcome, Outcome::Unsent);
        let writes = operation.operation.is_write();
        let tells = self.carrier.tells_positions();
        self.recorder.record(|t| {
            let event = Event::completion(t, client, writes, outcome);
            if tells { event } else { event.without_positions() }
        });
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

/// Gives a request time to arrive. The runtime's timer is too coarse for that: an answer takes less than its tick.
async fn get_under_way() {
    let began = Instant::now();
    while began.elapsed() < IN_FLIGHT {
        tokio::task::yield_now().await;
    }
}

/// What an outcome is to the client's generator.
pub(crate) fn answer_of(outcome: &Outcome) -> Answer<'_> {
    match outcome {
        Outcome::Read { value, .. } => Answer::Read(value.as_ref()),
        Outcome::Written(_) => Answer::Done,
        Outcome::Failed(_) | Outcome::Unsent => Answer::Refused,
        Outcome::Unknown(_) => Answer::Unknown,
    }
}

/// The pause to the next arrival of a Poisson process of this rate, a second.
pub(crate) fn exponential(stream: &mut Stream, rate: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
    let uniform = (stream.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    Duration::try_from_secs_f64(-(1.0 - uniform).ln() / rate.max(1e-6)).unwrap_or(Duration::from_secs(3600))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        runner::{Transport, live::Live, recorder::Recording},
        systems::reference::Endpoints,
    };
    use quarrel_models::{id::ClientId, message::Refusal, random::Stream};
    use quarrel_workloads::{
        history::{FORMAT_VERSION, Header, Reader},
        mark::Mark,
        scenario::{parse, shipped_text},
    };
    use std::{
        net::SocketAddr,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    /// A server that gives every request this answer, or none. Counts the requests.
    async fn server(answer: Option<&'static str>) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let arrivals = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&arrivals);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    while stream.read(&mut bytes).await.unwrap_or(0) > 0 {
                        counted.fetch_add(1, Ordering::SeqCst);
                        if let Some(answer) = answer {
                            stream.write_all(answer.as_bytes()).await.unwrap();
                        }
                    }
                });
            }
        });
        (address, arrivals)
    }

    fn client(addresses: [SocketAddr; 2], recorder: &Recorder) -> (Client, mpsc::UnboundedSender<Move>) {
        let mut scenario =
            parse("smoke", shipped_text("smoke").unwrap(), &Mark::ALL.map(Mark::name)).unwrap();
        if let quarrel_workloads::scenario::Workload::Set(keys) = &mut scenario.workload {
            keys.read_share = 0.0;
        }
        let id = ClientId(0);
        let (order, moves) = mpsc::unbounded_channel();
        let client = Client {
            session: Session::new(id, None, false),
            generator: Generator::new(&scenario, id, 1),
            at: ReplicaId(0),
            follower_reads: FollowerReads {
                followers: Vec::new(),
                share_ppm: 0,
                choices: Stream::new(1, "follower-reads", 0),
            },
            carrier: Carrier::Http(
                Transport::new(Arc::new(Endpoints::fixed(addresses)), Duration::from_secs(5)).unwrap(),
            ),
            recorder: recorder.clone(),
            pace: Pace::Closed { think: Duration::ZERO },
            pauses: Stream::new(1, "pauses", 0),
            moves,
            pending: None,
            stop: watch::channel(false).1,
            left_behind: JoinSet::new(),
        };
        (client, order)
    }

    fn recording(folder: &std::path::Path) -> Recording {
        let scenario = parse("smoke", shipped_text("smoke").unwrap(), &Mark::ALL.map(Mark::name)).unwrap();
        let header = Header {
            quarrel: "history".to_owned(),
            v: FORMAT_VERSION,
            seed: 1,
            started: String::new(),
            system: "none".to_owned(),
            scenario,
        };
        Recording::start(folder, &header, Arc::new(Live::new("smoke"))).unwrap()
    }

    fn refusal() -> &'static str {
        let body = serde_json::json!({ "refused": Refusal::BehindToken }).to_string();
        let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length";
        format!("{head}: {}\r\n\r\n{body}", body.len()).leak()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_request_that_is_left_behind_had_left_and_its_end_is_open_if_the_next_leader_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let recording = recording(folder.path());
        let (old, left) = server(None).await;
        let (new, came) = server(Some(refusal())).await;
        let mut clients = Vec::new();
        for _ in 0..10 {
            let (mut client, order) = client([old, new], recording.recorder());
            // The order is there before the operation, as when it comes to a client that thinks.
            order.send(Move { to: ReplicaId(1), token: false, in_flight: true }).unwrap();
            client.operate().await;
            assert_eq!(client.at, ReplicaId(1));
            clients.push(client);
        }
        assert_eq!(came.load(Ordering::SeqCst), 10);
        // They may have been moved before their connections stood.
        let all = async {
            while left.load(Ordering::SeqCst) < 10 {
                tokio::task::yield_now().await;
            }
        };
        let arrived = tokio::time::timeout(Duration::from_secs(2), all).await;
        assert!(arrived.is_ok(), "only {} requests had left", left.load(Ordering::SeqCst));
        recording.finish().unwrap();
        let history = std::fs::File::open(folder.path().join("history.jsonl")).unwrap();
        let events = Reader::new(std::io::BufReader::new(history)).unwrap().map(Result::unwrap);
        assert_eq!(events.filter(|event| matches!(event, Event::Info { .. })).count(), 10);
    }

    #[tokio::test]
    async fn of_two_orders_the_later_one_holds() {
        let folder = tempfile::tempdir().unwrap();
        let recording = recording(folder.path());
        let (address, _) = server(None).await;
        let (mut client, _order) = client([address, address], recording.recorder());
        client.take_order(Move { to: ReplicaId(0), token: false, in_flight: true });
        client.take_order(Move { to: ReplicaId(1), token: false, in_flight: false });
        assert_eq!(client.at, ReplicaId(1));
        assert!(client.pending.is_none(), "it would move back");
    }
}
