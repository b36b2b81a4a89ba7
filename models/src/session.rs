//! The client side: a session, which survives relocation.
//!
//! [`Session::step`] turns operations into requests: read-modify-write where versions live side by side, resolution on
//! read with write-back, tokens, and the retry of a request that was in flight when the client moved. It never retries
//! by itself for any other reason. A system under test supplies only the transport.

use crate::{
    handler::{Conflict, Handler, Refused, Resolution as Said, side_by_side},
    id::{ClientId, Dot, WriteId},
    message::{Parents, ReadView, Refusal, Reply, Request, Written},
    operation::{ExecuteError, KeyedOperation, Operation},
    value::{Key, Value},
    version::{Version, VersionVector},
};

use smallvec::SmallVec;

/// What a session is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SessionInput {
    /// Begin an operation. The session must be idle.
    Start(KeyedOperation),
    /// The answer to the request that is out.
    Reply(Reply),
    /// The client has moved to another replica, with its token or without. A request that is out is sent again there.
    Relocated {
        /// Whether it takes its token along.
        token: bool,
    },
    /// No answer came in time, or the connection broke after the request had left: it may still happen.
    Unanswered,
    /// The request never left.
    Unsent,
}

/// What a session wants done, or has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionOutput {
    /// Send this to the replica where the client is.
    Send(Request),
    /// The session resolved siblings and wrote the result back.
    Resolved(Resolution),
    /// The handler refused: the siblings of this record stay as they are.
    Unresolved {
        /// The record.
        key: Key,
        /// Why.
        refused: Refused,
    },
    /// The operation has ended.
    Done(Outcome),
}

/// Siblings that a session resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resolution {
    /// The record.
    pub key: Key,
    /// The write that carries the result.
    pub write: WriteId,
    /// The versions that it replaces.
    pub over: Parents,
    /// The result.
    pub value: Option<Value>,
    /// Where the result entered the cluster; absent if it was not acknowledged.
    pub dot: Option<Dot>,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The write happened.
    Written(Written),
    /// The read returned this.
    Read {
        /// The value, resolved if there were siblings, or the set of their values if nothing resolves them; `None` if
        /// there is no record.
        value: Option<Value>,
        /// The writes whose versions were read.
        versions: Parents,
        /// What the replica had applied.
        applied: VersionVector,
    },
    /// The operation did not happen, and never will.
    Failed(Refusal),
    /// The operation did not happen: it never left the client.
    Unsent,
    /// The operation may or may not have happened, or may still happen.
    Unknown(Option<Refusal>),
}

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    Idle,
    /// The request is the operation itself.
    Asked(Request),
    /// The record is being read, to be written on top of what comes.
    ReadingToWrite {
        request: Request,
        operation: Operation,
        write: WriteId,
    },
    /// The write on top of a read is out; it replaces these versions.
    Writing {
        request: Request,
        on: Parents,
    },
    /// The result of a resolution is out, and the read that caused it waits.
    Resolving {
        request: Request,
        write: WriteId,
        view: Resolved,
    },
}

/// A read whose siblings are resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Resolved {
    value: Option<Value>,
    versions: Parents,
    applied: VersionVector,
}

/// At most two things are said at once: that siblings were resolved, and that the operation ended.
pub type SessionOutputs = SmallVec<[SessionOutput; 2]>;

/// The session of one client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Session {
    client: ClientId,
    sequence: u32,
    /// The handler that resolves siblings, if the strategy leaves them to readers.
    handler: Option<Handler>,
    carries_token: bool,
    token: VersionVector,
    state: State,
    /// Whether a copy of the write that is out was left behind at another replica, which may still execute it. Then a
    /// refusal here does not say that it never happens.
    left_behind: bool,
}

impl Session {
    /// A session that has seen nothing.
    #[must_use]
    pub const fn new(client: ClientId, handler: Option<Handler>, carries_token: bool) -> Self {
        let token = VersionVector::new();
        Self { client, sequence: 0, handler, carries_token, token, state: State::Idle, left_behind: false }
    }

    /// The client.
    #[must_use]
    pub const fn client(&self) -> ClientId {
        self.client
    }

    /// Whether no operation is under way.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// The identity that the next write will have.
    #[must_use]
    pub const fn next_write(&self) -> WriteId {
        WriteId { client: self.client, sequence: self.sequence + 1 }
    }

    /// Takes one input.
    ///
    /// # Panics
    /// If an operation is started while another is under way: a client has at most one.
    pub fn step(&mut self, input: SessionInput) -> SessionOutputs {
        match input {
            SessionInput::Start(operation) => self.start(operation),
            SessionInput::Reply(reply) => self.reply(reply),
            SessionInput::Relocated { token } => self.relocated(token),
            SessionInput::Unanswered => self.unanswered(),
            SessionInput::Unsent => self.unsent(),
        }
    }

    fn relocated(&mut self, token: bool) -> SessionOutputs {
        if !token {
            self.token = VersionVector::new();
        }
        let again = self.request_out().map(|request| Request { token: self.token(), ..request.clone() });
        self.left_behind |= again.as_ref().is_some_and(|request| request.write.is_some());
        again.map(SessionOutput::Send).into_iter().collect()
    }

    fn token(&self) -> Option<VersionVector> {
        self.carries_token.then(|| self.token.clone())
    }

    fn request_out(&self) -> Option<&Request> {
        match &self.state {
            State::Idle => None,
            State::Asked(request)
            | State::ReadingToWrite { request, .. }
            | State::Writing { request, .. }
            | State::Resolving { request, .. } => Some(request),
        }
    }

    fn allot(&mut self) -> WriteId {
        let write = self.next_write();
        self.sequence = write.sequence;
        write
    }

    fn start(&mut self, keyed: KeyedOperation) -> SessionOutputs {
        assert!(self.is_idle(), "{} has an operation under way", self.client);
        let KeyedOperation { key, operation } = keyed;
        let write = operation.is_write().then(|| self.allot());
        let read_first = write.filter(|_| self.handler.is_some());
        let state = match read_first {
            Some(write) => State::ReadingToWrite { request: self.read_of(key), operation, write },
            None => State::Asked(Request { key, operation, write, context: None, token: self.token() }),
        };
        self.send(state)
    }

    fn read_of(&self, key: Key) -> Request {
        Request { key, operation: Operation::Read, write: None, context: None, token: self.token() }
    }

    fn send(&mut self, state: State) -> SessionOutputs {
        self.state = state;
        self.left_behind = false;
        self.request_out().map(|request| SessionOutput::Send(request.clone())).into_iter().collect()
    }

    fn done(&mut self, outcome: Outcome) -> SessionOutputs {
        self.state = State::Idle;
        SmallVec::from_iter([SessionOutput::Done(outcome)])
    }

    fn reply(&mut self, reply: Reply) -> SessionOutputs {
        match &reply {
            Reply::Written(written) => {
                self.token.join(&written.knew);
                if written.dot.position > 0 {
                    self.token.advance(written.dot.origin, written.dot.position);
                }
            }
            Reply::Read(view) => self.token.join(&view.applied),
            Reply::Refused(_) => {}
        }
        match (core::mem::replace(&mut self.state, State::Idle), reply) {
            // An answer to a request that was given up.
            (State::Idle, _) => SessionOutputs::new(),
            (State::Asked(request), Reply::Read(view)) => self.read(request, view),
            (State::ReadingToWrite { request, operation, write }, Reply::Read(view)) => {
                self.write_on_top(request, &operation, write, &view)
            }
            (State::Resolving { request, write, view }, reply) => {
                let dot = match reply {
                    Reply::Written(written) => Some(written.dot),
                    _ => None,
                };
                self.resolved(request, write, view, dot)
            }
            (State::Writing { on, .. }, Reply::Written(written)) => {
                self.done(Outcome::Written(Written { on, ..written }))
            }
            (_, Reply::Written(written)) => self.done(Outcome::Written(written)),
            (State::ReadingToWrite { .. }, Reply::Refused(refusal)) => self.done(Outcome::Failed(refusal)),
            (_, Reply::Refused(refusal)) if refusal.is_definite() && !self.left_behind => {
                self.done(Outcome::Failed(refusal))
            }
            (_, Reply::Refused(refusal)) => self.done(Outcome::Unknown(Some(refusal))),
            // A reply of the wrong kind says nothing about the request.
            (_, Reply::Read(_)) => self.done(Outcome::Unknown(None)),
        }
    }

    fn read(&mut self, request: Request, view: ReadView) -> SessionOutputs {
        let versions: Parents = view.versions.iter().map(|version| version.write).collect();
        let handler = self.handler.filter(|_| !view.resolved);
        let Some(handler) = handler else {
            let value = if view.resolved { view.value } else { all_values(&view.versions) };
            return self.done(Outcome::Read { value, versions, applied: view.applied });
        };
        let value = match resolve(handler, &request.key, &view) {
            Ok(value) => value,
            Err(refused) => {
                let value = all_values(&view.versions);
                let mut outputs = self.done(Outcome::Read { value, versions, applied: view.applied });
                outputs.insert(0, SessionOutput::Unresolved { key: request.key, refused });
                return outputs;
            }
        };
        let write = self.allot();
        let operation = value.clone().map_or(Operation::Delete, Operation::Put);
        let request = Request {
            key: request.key,
            operation,
            write: Some(write),
            context: Some(view.context),
            token: self.token(),
        };
        self.send(State::Resolving {
            request,
            write,
            view: Resolved { value, versions, applied: view.applied },
        })
    }

    fn resolved(
        &mut self,
        request: Request,
        write: WriteId,
        view: Resolved,
        dot: Option<Dot>,
    ) -> SessionOutputs {
        let Resolved { value, versions, applied } = view;
        let resolution =
            Resolution { key: request.key, write, over: versions.clone(), value: value.clone(), dot };
        let mut outputs = self.done(Outcome::Read { value, versions, applied });
        outputs.insert(0, SessionOutput::Resolved(resolution));
        outputs
    }

    fn write_on_top(
        &mut self,
        read: Request,
        operation: &Operation,
        write: WriteId,
        view: &ReadView,
    ) -> SessionOutputs {
        let value = match (view.resolved, self.handler) {
            (false, Some(handler)) => resolve(handler, &read.key, view),
            _ => Ok(view.value.clone()),
        };
        let value = match value {
            Ok(value) => value,
            // A write of the whole record replaces the siblings, whatever they are.
            Err(_) if !operation.accumulates() => None,
            Err(refused) => {
                let mut outputs = self.done(Outcome::Failed(Refusal::Siblings));
                outputs.insert(0, SessionOutput::Unresolved { key: read.key, refused });
                return outputs;
            }
        };
        let result: Result<Option<Value>, ExecuteError> = operation.execute(value.as_ref());
        match result {
            Err(error) => self.done(Outcome::Failed(Refusal::Execute(error))),
            Ok(value) => {
                let on = view.versions.iter().map(|version| version.write).collect();
                let request = Request {
                    key: read.key,
                    operation: value.map_or(Operation::Delete, Operation::Put),
                    write: Some(write),
                    context: Some(view.context.clone()),
                    token: self.token(),
                };
                self.send(State::Writing { request, on })
            }
        }
    }

    fn unanswered(&mut self) -> SessionOutputs {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Idle => SessionOutputs::new(),
            State::Resolving { request, write, view } => self.resolved(request, write, view, None),
            // Nothing was written yet, and never will be.
            State::ReadingToWrite { .. } => self.done(Outcome::Unsent),
            State::Asked(_) | State::Writing { .. } => self.done(Outcome::Unknown(None)),
        }
    }

    fn unsent(&mut self) -> SessionOutputs {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Idle => SessionOutputs::new(),
            State::Resolving { request, write, view } => self.resolved(request, write, view, None),
            // Only the copy that went here did not leave.
            _ if self.left_behind => self.done(Outcome::Unknown(None)),
            _ => self.done(Outcome::Unsent),
        }
    }
}

/// Siblings that nobody resolves are shown as the set of their values, even if only one of them has a value.
fn all_values(siblings: &[Version]) -> Option<Value> {
    Some(side_by_side(siblings))
}

fn resolve(handler: Handler, key: &Key, view: &ReadView) -> Result<Option<Value>, Refused> {
    match handler.resolve(&Conflict { key, versions: &view.versions, past: None }) {
        Said::Value(value) => Ok(Some(value)),
        Said::Delete => Ok(None),
        Said::Refused(refused) => Err(refused),
    }
}
