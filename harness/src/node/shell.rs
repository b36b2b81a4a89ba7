//! The one task that owns the replica: it takes commands in batches, steps the core, makes records durable, and only
//! then lets replies and messages out.

use super::{
    log::WriteAheadLog,
    stepped::{Look, Looker, Order},
};
use crate::{clock_file::ClockReader, proxy::Alarm};
use quarrel_models::{
    id::{LinkId, ReplicaId},
    message::{Input, Message, Output, Reply, Request, RequestId, TraceEvent},
    replica::{Outputs, Replica},
    value::Key,
    version::{Cell, VersionVector},
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs::File,
    future::poll_fn,
    io::{self, BufWriter, Write},
    os::unix::fs::FileExt as _,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};

/// Timeouts of the core are tens of milliseconds and more.
const TICK: Duration = Duration::from_millis(10);
/// How long what need not be durable may stay in the process.
const LAZY_FLUSH: Duration = Duration::from_millis(100);
/// How often what is pending goes out to the peers, at most. At a low rate nothing waits; at a high one this makes
/// batches: a frame costs as much as a client's request, however many entries it holds.
const FLUSH_PACE: Duration = Duration::from_micros(500);
/// Commands taken at once: a batch costs one log write and one round of messages.
const BATCH: usize = 512;
/// Messages waiting for one connection. What does not fit is lost, and sent again when the receiver says so.
pub(super) const CONNECTION_QUEUE: usize = 64;

/// What the rest of the node asks of the shell.
#[derive(Debug)]
pub(super) enum Command {
    /// A client's request.
    Request { request: Request, reply: oneshot::Sender<Reply> },
    /// A peer has connected its link to us; what goes back to it goes here.
    InConnected { from: ReplicaId, back: mpsc::Sender<Message> },
    /// Our link to a peer stands; what goes to it goes here.
    OutConnected { to: ReplicaId, forward: mpsc::Sender<Message> },
    /// Our link to a peer is gone.
    OutDisconnected { to: ReplicaId },
    /// A message from a peer.
    Peer { link: LinkId, message: Message },
    /// Some of the records, in the order of keys.
    State { after: Option<Key>, limit: usize, reply: oneshot::Sender<StatePage> },
    /// How far the replica is.
    Status { reply: oneshot::Sender<Status> },
    /// Do something, as a stepped node is told to; the answer says how far it is then.
    Order { order: Order, reply: oneshot::Sender<Look> },
    /// Say how far the stepped node is once it has taken so many inputs.
    Look { taken: u64, reply: oneshot::Sender<Look> },
    /// Hand everything to the operating system and end.
    Shutdown { reply: oneshot::Sender<()> },
}

/// A page of a replica's records.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
pub struct StatePage {
    /// The records, in the order of keys.
    pub records: Vec<(Key, Cell)>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// How far a replica is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Status {
    /// Which replica.
    pub replica: ReplicaId,
    /// What it has applied of each leader's log.
    pub applied: VersionVector,
    /// Client requests that wait for something.
    pub waiting: usize,
    /// A digest of its state, as 16 hexadecimal digits.
    pub digest: String,
}

/// The version of the apply log's format.
const APPLY_FORMAT_VERSION: u32 = 1;

/// The apply log: a header line, then what the replica did, one JSON object per line; and where each life of the node
/// begins and ends, how many records its write-ahead log has then, and what it is.
#[derive(Debug)]
pub(super) struct ApplyLog {
    file: Option<BufWriter<File>>,
    line: Vec<u8>,
}

impl ApplyLog {
    pub(super) fn open(path: Option<&std::path::Path>) -> io::Result<Self> {
        let open = |path| {
            let mut file = File::options().create(true).read(true).append(true).open(path)?;
            // A killed node may have left half a line: what comes next must not become its other half.
            let mut last = [b'\n'];
            match file.metadata()?.len().checked_sub(1) {
                Some(at) => file.read_exact_at(&mut last, at)?,
                None => writeln!(file, r#"{{"quarrel":"apply","v":{APPLY_FORMAT_VERSION}}}"#)?,
            }
            if last != [b'\n'] {
                file.write_all(b"\n")?;
            }
            Ok::<_, io::Error>(BufWriter::new(file))
        };
        Ok(Self { file: path.map(open).transpose()?, line: Vec::new() })
    }

    fn write(&mut self, now: quarrel_models::clock::Now, event: &TraceEvent) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        // By hand: serde's `flatten` costs more than the rest of the line.
        write!(file, r#"{{"monotonic_us":{},"wall_us":{},"#, now.monotonic_us, now.wall_us)?;
        self.line.clear();
        serde_json::to_writer(&mut self.line, event)?;
        self.line.push(b'\n');
        // The event is an object of its own; its fields go on where the times ended.
        file.write_all(&self.line[1..])
    }

    /// Says where a life begins or ends.
    fn mark(&mut self, now: quarrel_models::clock::Now, event: &str, standing: Standing) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let (Standing { records, digest }, quarrel_models::clock::Now { wall_us, monotonic_us }) =
            (standing, now);
        writeln!(
            file,
            r#"{{"monotonic_us":{monotonic_us},"wall_us":{wall_us},"event":"{event}","records":{records},"digest":"{digest:016x}"}}"#
        )?;
        file.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// Where a replica stands: the records of its write-ahead log, and what clients can see.
#[derive(Debug, Clone, Copy)]
struct Standing {
    records: u64,
    digest: u64,
}

/// The replica and its surroundings.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) replica: Replica,
    clock: ClockReader,
    log: WriteAheadLog,
    /// The records in the log.
    records: u64,
    apply_log: ApplyLog,
    outputs: Outputs,
    next_request: u64,
    replies: BTreeMap<RequestId, oneshot::Sender<Reply>>,
    /// Queries are answered after the batch, so that they see nothing that is not yet durable.
    queries: Vec<Command>,
    forward: BTreeMap<ReplicaId, mpsc::Sender<Message>>,
    back: BTreeMap<ReplicaId, mpsc::Sender<Message>>,
    /// When the peers were last sent what was pending.
    sent_to_peers: Instant,
    /// When what need not be durable was last handed on.
    flushed: Instant,
    /// The inputs that a stepped node has taken.
    pub(super) taken: u64,
    /// The messages handed to connections.
    pub(super) sent: u64,
    /// Who waits for a stepped node.
    pub(super) lookers: Vec<Looker>,
}

impl Shell {
    pub(super) fn new(
        replica: Replica,
        clock: ClockReader,
        log: WriteAheadLog,
        records: usize,
        apply_log: ApplyLog,
    ) -> Self {
        Self {
            replica,
            clock,
            log,
            records: records as u64,
            apply_log,
            outputs: Vec::new(),
            // Handles of an earlier life of this node must not be mistaken for those of this one.
            next_request: crate::clock_file::real_ns().unsigned_abs(),
            replies: BTreeMap::new(),
            queries: Vec::new(),
            forward: BTreeMap::new(),
            back: BTreeMap::new(),
            sent_to_peers: Instant::now(),
            flushed: Instant::now(),
            taken: 0,
            sent: 0,
            lookers: Vec::new(),
        }
    }

    /// Works until a shutdown is asked for.
    ///
    /// # Errors
    /// If the log, the apply log or the clock file fails: then nothing may be acknowledged any more.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) -> io::Result<()> {
        self.mark("started")?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The runtime's own timer would round the pace up to whole milliseconds, at each hop anew.
        let mut alarm = Alarm::new()?;
        let mut batch = Vec::with_capacity(BATCH);
        let mut pending = false;
        loop {
            let pace = self.sent_to_peers + FLUSH_PACE;
            tokio::select! {
                biased;
                _ = tick.tick() => self.step(Input::Tick)?,
                rung = poll_fn(|cx| alarm.poll_until(pace, cx)), if pending => rung?,
                taken = commands.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return self.close();
                    }
                    for command in batch.drain(..) {
                        self.command(command)?;
                    }
                }
            }
            pending = self.sent_to_peers.elapsed() < FLUSH_PACE;
            if !pending {
                let before = self.outputs.len();
                self.step(Input::Flush)?;
                // What sends nothing, such as a read or a tick, makes no later entry wait.
                if self.outputs.len() > before {
                    self.sent_to_peers = Instant::now();
                }
            }
            self.carry_out()?;
            if self.end_if_asked()? {
                return Ok(());
            }
        }
    }

    /// Answers what was asked, and closes the logs if that was to end.
    pub(super) fn end_if_asked(&mut self) -> io::Result<bool> {
        let Some(reply) = self.answer_queries() else { return Ok(false) };
        self.close()?;
        // The asker may be gone; the node ends all the same.
        let _ = reply.send(());
        Ok(true)
    }

    pub(super) fn step(&mut self, input: Input) -> io::Result<()> {
        self.replica.step(self.clock.now()?, input, &mut self.outputs);
        Ok(())
    }

    pub(super) fn command(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::Request { request, reply } => {
                self.next_request += 1;
                let id = RequestId(self.next_request);
                self.replies.insert(id, reply);
                self.step(Input::Request { id, request })
            }
            Command::Peer { link, message } => self.step(Input::Peer { link, message }),
            Command::InConnected { from, back } => {
                self.back.insert(from, back);
                self.step(Input::Connected { from })
            }
            Command::OutConnected { to, forward } => {
                self.forward.insert(to, forward);
                Ok(())
            }
            Command::OutDisconnected { to } => {
                self.forward.remove(&to);
                self.step(Input::Disconnected { to })
            }
            Command::Order { order, reply } => {
                self.lookers.push((self.taken, reply));
                self.step(order.into())
            }
            Command::Look { taken, reply } => {
                self.lookers.push((taken, reply));
                Ok(())
            }
            query @ (Command::State { .. } | Command::Status { .. } | Command::Shutdown { .. }) => {
                self.queries.push(query);
                Ok(())
            }
        }
    }

    /// Makes the records of all outputs durable, then does what the outputs say.
    pub(super) fn carry_out(&mut self) -> io::Result<()> {
        let mut outputs = std::mem::take(&mut self.outputs);
        let now = self.clock.now()?;
        for output in &outputs {
            match output {
                Output::Persist(record) => {
                    self.log.append(record)?;
                    self.records += 1;
                }
                Output::Trace(event) => self.apply_log.write(now, event)?,
                Output::Reply { .. } | Output::Send { .. } => {}
            }
        }
        self.log.commit()?;
        for output in outputs.drain(..) {
            match output {
                Output::Reply { id, reply } => {
                    if let Some(client) = self.replies.remove(&id) {
                        // A client that has gone away needs no answer.
                        let _ = client.send(reply);
                    }
                }
                Output::Send { link, message } => {
                    let connection = if link.from == self.replica.id() {
                        self.forward.get(&link.to)
                    } else {
                        self.back.get(&link.from)
                    };
                    // A full queue or a closed connection loses the message, as a network may.
                    let sent = connection.is_some_and(|connection| connection.try_send(message).is_ok());
                    self.sent += u64::from(sent);
                }
                Output::Persist(_) | Output::Trace(_) => {}
            }
        }
        self.outputs = outputs;
        if self.flushed.elapsed() >= LAZY_FLUSH {
            self.flushed = Instant::now();
            self.log.flush()?;
            self.apply_log.flush()?;
        }
        Ok(())
    }

    /// Answers what was asked about the replica. Gives back who asked for the shutdown, if somebody did.
    fn answer_queries(&mut self) -> Option<oneshot::Sender<()>> {
        for query in std::mem::take(&mut self.queries) {
            match query {
                Command::State { after, limit, reply } => {
                    let mut cells = self.replica.cells_after(after.as_ref());
                    let records =
                        cells.by_ref().take(limit).map(|(key, cell)| (key.clone(), cell.clone())).collect();
                    let _ = reply.send(StatePage { records, more: cells.next().is_some() });
                }
                Command::Status { reply } => {
                    let _ = reply.send(Status {
                        replica: self.replica.id(),
                        applied: self.replica.applied().clone(),
                        waiting: self.replica.waiting(),
                        digest: format!("{:016x}", self.replica.digest()),
                    });
                }
                Command::Shutdown { reply } => return Some(reply),
                _ => {}
            }
        }
        None
    }

    /// Notes in the apply log where a life begins or ends.
    fn mark(&mut self, event: &str) -> io::Result<()> {
        let standing = Standing { records: self.records, digest: self.replica.digest() };
        self.apply_log.mark(self.clock.now()?, event, standing)
    }

    pub(super) fn close(&mut self) -> io::Result<()> {
        self.log.flush()?;
        self.mark("stopped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_of_an_earlier_life_spoils_no_line_of_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("A.jsonl");
        std::fs::write(&path, "{\"whole\":1}\n{\"ha").unwrap();
        for epoch in 1..=2 {
            let mut log = ApplyLog::open(Some(&path)).unwrap();
            log.write(Default::default(), &TraceEvent::Home { key: "k".into(), epoch }).unwrap();
            log.flush().unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let whole = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert_eq!((text.lines().count(), text.lines().filter(whole).count()), (4, 3), "{text}");
    }
}
