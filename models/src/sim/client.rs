//! Clients: sessions, and how they wait, give up and move.
//!
//! A client asks one thing at a time. What falls due meanwhile begins when it is idle. A client that is moved with a
//! request in flight leaves the request behind: it goes on, and nobody listens to its answer.

use super::{
    network::share_of,
    observer::Observer,
    queue::Event,
    schedule::{Clients, TimedOperation},
    world::World,
};
use crate::{
    fault::Fault,
    handler::Handler,
    id::{ClientId, ReplicaId},
    message::{Input, Reply, Request, RequestId},
    operation::KeyedOperation,
    random::Stream,
    session::{Outcome, Session, SessionInput, SessionOutput, SessionOutputs},
};
use alloc::{boxed::Box, collections::VecDeque};

/// How long a request is in flight before its client moves away from it, if it is to move in flight.
const IN_FLIGHT_US: u64 = 300;
/// A client that is to move in flight and is always answered first moves between operations after so many writes.
const IN_FLIGHT_ATTEMPTS: u32 = 20;

/// What becomes of a request, as its client sees it.
#[derive(Debug)]
pub(super) enum Answer {
    /// The replica answered.
    Reply(Box<Reply>),
    /// The connection broke, or nothing came in time: the request may still have an effect.
    Nothing,
    /// There was nobody to send it to.
    NotSent,
}

/// An order to move.
#[derive(Debug, Clone, Copy)]
struct Order {
    to: ReplicaId,
    token: bool,
    in_flight: bool,
    /// How many writes were answered before the client could leave.
    waited: u32,
}

/// What a client is at.
#[derive(Debug, Clone, Copy)]
struct Current {
    writes: bool,
    /// The replica that a read goes to instead of the client's leader.
    reads_at: Option<ReplicaId>,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) session: Session,
    pub(super) at: ReplicaId,
    /// The operations that are due.
    due: VecDeque<usize>,
    current: Option<Current>,
    /// The request whose answer it waits for: where it went, and its number.
    pending: Option<(ReplicaId, u32)>,
    requests: u32,
    order: Option<Order>,
    delays: Stream,
}

impl Client {
    pub(super) fn new(id: ClientId, clients: &Clients, handler: Option<Handler>, seed: u64) -> Self {
        Self {
            session: Session::new(id, handler, clients.token),
            at: clients.at[id.0 as usize],
            due: VecDeque::new(),
            current: None,
            pending: None,
            requests: 0,
            order: None,
            delays: Stream::new(seed, "sim client delays", id.0.into()),
        }
    }

    /// How long something that leaves now takes between the client and a replica.
    fn delay_us(&self, now_us: u64, clients: &Clients, back: bool) -> u64 {
        let number = now_us.wrapping_mul(2).wrapping_add(back.into());
        // At least a moment: nothing is answered in the instant in which it was asked.
        (clients.link.latency_us + share_of(&self.delays, number, clients.link.jitter_us + 1)).max(1)
    }

    /// Whether it waits for an answer from this replica.
    pub(super) fn waits_for(&self, replica: ReplicaId) -> Option<u32> {
        self.pending.filter(|(at, _)| *at == replica).map(|(_, number)| number)
    }
}

/// The handle of a client's request: no two are equal, in whatever life of whichever replica.
pub(super) const fn request_id(client: ClientId, number: u32) -> RequestId {
    RequestId((client.0 as u64) << 32 | number as u64)
}

/// Whose request this is, and its number.
#[expect(clippy::cast_possible_truncation, reason = "two halves of 64 bits")]
pub(super) const fn client_of(id: RequestId) -> (ClientId, u32) {
    (ClientId((id.0 >> 32) as u32), id.0 as u32)
}

impl<O: Observer> World<'_, O> {
    fn client(&mut self, client: ClientId) -> &mut Client {
        &mut self.clients[client.0 as usize]
    }

    pub(super) fn operation_due(&mut self, index: usize) {
        let client = self.schedule.operations[index].client;
        self.client(client).due.push_back(index);
        self.begin_next(client);
    }

    /// Clients begin nothing any more.
    pub(super) fn end_load(&mut self) {
        if !core::mem::replace(&mut self.stopped, true) {
            self.clients.iter_mut().for_each(|client| client.due.clear());
            self.observer.load_ended(self.now_us);
        }
    }

    fn begin_next(&mut self, id: ClientId) {
        if self.stopped {
            return;
        }
        let (schedule, client) = (self.schedule, self.client(id));
        if !client.session.is_idle() {
            return;
        }
        let Some(index) = client.due.pop_front() else { return };
        let TimedOperation { key, operation, replica, .. } = &schedule.operations[index];
        let keyed = KeyedOperation { key: key.clone(), operation: operation.clone() };
        let writes = operation.is_write();
        let write = writes.then(|| client.session.next_write());
        let reads_at = replica.filter(|_| !writes);
        client.current = Some(Current { writes, reads_at });
        let at = reads_at.unwrap_or(client.at);
        self.observer.invoked(self.now_us, id, at, &keyed, write);
        self.tell_session(id, SessionInput::Start(keyed));
    }

    fn tell_session(&mut self, id: ClientId, input: SessionInput) {
        let outputs: SessionOutputs = self.client(id).session.step(input);
        for output in outputs {
            match output {
                SessionOutput::Send(request) => self.send(id, request),
                SessionOutput::Resolved(resolution) => self.observer.resolved(self.now_us, id, resolution),
                // The answer that follows shows the siblings as they are.
                SessionOutput::Unresolved { .. } => {}
                SessionOutput::Done(outcome) => self.done(id, outcome),
            }
        }
    }

    fn send(&mut self, id: ClientId, request: Request) {
        let (now_us, clients) = (self.now_us, &self.schedule.clients);
        let client = &mut self.clients[id.0 as usize];
        let writes = request.operation.is_write();
        // What a read of a follower leads to, such as writing back what it resolved, goes to the leader.
        let reads_at = client.current.and_then(|current| current.reads_at).filter(|_| !writes);
        let at = reads_at.unwrap_or(client.at);
        client.requests += 1;
        let number = client.requests;
        self.observer.asked(id, number);
        client.pending = Some((at, number));
        let delay_us = client.delay_us(now_us, clients, false);
        let leaves = writes && client.order.is_some_and(|order| order.in_flight);
        let request = Box::new(request);
        self.queue.push(now_us + delay_us, Event::Request { at, client: id, number, request });
        let silence = Event::Answer { client: id, number, answer: Answer::Nothing };
        self.queue.push(now_us.saturating_add(clients.timeout_us), silence);
        if leaves {
            self.queue.push(now_us + IN_FLIGHT_US, Event::Leave { client: id, number });
        }
    }

    pub(super) fn request_arrives(&mut self, at: ReplicaId, client: ClientId, number: u32, request: Request) {
        if self.nodes[at.index()].is_alive() {
            self.feed(at, Input::Request { id: request_id(client, number), request });
        } else {
            self.answer(client, number, Answer::NotSent);
        }
    }

    /// Sends an answer on its way.
    pub(super) fn answer(&mut self, id: ClientId, number: u32, answer: Answer) {
        let delay_us = self.clients[id.0 as usize].delay_us(self.now_us, &self.schedule.clients, true);
        self.queue.push(self.now_us + delay_us, Event::Answer { client: id, number, answer });
    }

    pub(super) fn answer_arrives(&mut self, id: ClientId, number: u32, answer: Answer) {
        let client = self.client(id);
        if client.pending.is_none_or(|(_, pending)| pending != number) {
            return;
        }
        client.pending = None;
        let input = match answer {
            Answer::Reply(reply) => SessionInput::Reply(*reply),
            Answer::Nothing => SessionInput::Unanswered,
            Answer::NotSent => SessionInput::Unsent,
        };
        self.observer.tells(self.now_us, id, &input);
        self.tell_session(id, input);
    }

    fn done(&mut self, id: ClientId, outcome: Outcome) {
        let client = self.client(id);
        client.pending = None;
        let writes = client.current.take().is_some_and(|current| current.writes);
        let order = client.order.as_mut();
        let leaves = order.is_some_and(|order| {
            order.waited += u32::from(writes);
            !order.in_flight || order.waited >= IN_FLIGHT_ATTEMPTS
        });
        self.observer.completed(self.now_us, id, writes, outcome);
        if leaves {
            self.relocate(id);
        }
        self.begin_next(id);
    }

    /// A client is told to move; of two orders the later one holds.
    pub(super) fn order(&mut self, id: ClientId, to: ReplicaId, token: bool, in_flight: bool) {
        let client = self.client(id);
        client.order = Some(Order { to, token, in_flight, waited: 0 });
        if !in_flight && client.session.is_idle() {
            self.relocate(id);
        }
    }

    /// Its request has been in flight long enough.
    pub(super) fn leave(&mut self, id: ClientId, number: u32) {
        let client = self.client(id);
        let in_flight = client.pending.is_some_and(|(_, pending)| pending == number);
        if in_flight && client.order.is_some_and(|order| order.in_flight) {
            self.relocate(id);
        }
    }

    fn relocate(&mut self, id: ClientId) {
        let client = self.client(id);
        let Some(Order { to, token, .. }) = client.order.take() else { return };
        client.at = to;
        client.pending = None;
        self.observer.fault(self.now_us, &Fault::Relocate { client: id, to, token }, None);
        let input = SessionInput::Relocated { token };
        self.observer.tells(self.now_us, id, &input);
        self.tell_session(id, input);
    }
}
