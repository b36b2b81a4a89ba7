//! Carries the messages of Maelstrom's nodes: to each other through link proxies, to clients and services at once.
//!
//! ```text
//! n0's standard output -> route -> link n0>n1 -> proxy -> n1's listener -> n1's standard input
//!                               -> client c3, who waits for the answer
//!                               -> service lin-kv -> n0's standard input
//! ```
//!
//! A message is a frame of the link: it can be late, lost, doubled, overtaken, and cut off in one direction.

use super::{
    message::{Body, Message, NODE_NOT_FOUND, error},
    services::Services,
};
use crate::proxy::MAX_FRAME_BYTES;
use quarrel_models::id::{LinkId, ReplicaId};
use serde_json::Value as Json;
use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

/// The messages that wait for a link at the most; more are lost, as they are where a buffer is full.
const LINK_BUFFER: usize = 1 << 14;

/// Joins nodes, clients and services. Clones are the same switch.
#[derive(Debug, Clone)]
pub(super) struct Switch(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The standard input of each node that runs.
    inputs: Vec<Mutex<Option<mpsc::UnboundedSender<Vec<u8>>>>>,
    links: BTreeMap<LinkId, mpsc::Sender<Vec<u8>>>,
    /// Who waits for the answer to which message.
    waiting: Mutex<HashMap<(u64, u64), oneshot::Sender<Body>>>,
    services: Mutex<Services>,
    /// What a node said against the protocol.
    faulty: Mutex<Option<(ReplicaId, String)>>,
    clients: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of a node: replica A is `n0`.
pub(super) fn name_of(replica: ReplicaId) -> String {
    format!("n{}", replica.0)
}

impl Switch {
    /// A switch for so many nodes, whose links begin at these addresses. What carries the links goes into `tasks`.
    pub(super) fn new(nodes: usize, links: &BTreeMap<LinkId, SocketAddr>, tasks: &mut JoinSet<()>) -> Self {
        let mut senders = BTreeMap::new();
        for (&link, &address) in links {
            let (sender, frames) = mpsc::channel(LINK_BUFFER);
            tasks.spawn(carry(frames, address));
            senders.insert(link, sender);
        }
        Self(Arc::new(Inner {
            inputs: (0..nodes).map(|_| Mutex::new(None)).collect(),
            links: senders,
            waiting: Mutex::default(),
            services: Mutex::default(),
            faulty: Mutex::default(),
            clients: AtomicU64::new(0),
        }))
    }

    /// Opens the port at which a node's links end, and takes what comes there to the node.
    pub(super) async fn listen(&self, node: ReplicaId, tasks: &mut JoinSet<()>) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let switch = self.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(switch.clone().unload(stream, node));
            }
        });
        Ok(address)
    }

    /// Takes the frames of one connection to the node's standard input.
    async fn unload(self, stream: TcpStream, node: ReplicaId) {
        let mut stream = BufReader::new(stream);
        while let Ok(length) = stream.read_u32_le().await {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > MAX_FRAME_BYTES {
                return;
            }
            let mut line = vec![0; length];
            if stream.read_exact(&mut line).await.is_err() {
                return;
            }
            self.give(node, line);
        }
    }

    /// Puts a line into a node's standard input. False if the node does not run.
    fn give(&self, node: ReplicaId, line: Vec<u8>) -> bool {
        lock(&self.0.inputs[node.index()]).as_ref().is_some_and(|input| input.send(line).is_ok())
    }

    /// Joins a node that was started; what pumps its lines goes into `tasks`, and ends with it.
    pub(super) fn join(
        &self,
        node: ReplicaId,
        input: impl AsyncWrite + Unpin + Send + 'static,
        output: impl AsyncRead + Unpin + Send + 'static,
        tasks: &mut JoinSet<()>,
    ) {
        let (lines, queue) = mpsc::unbounded_channel();
        *lock(&self.0.inputs[node.index()]) = Some(lines);
        tasks.spawn(feed(queue, input));
        tasks.spawn(self.clone().drain(node, output));
    }

    /// Forgets a node that has ended.
    pub(super) fn leave(&self, node: ReplicaId) {
        *lock(&self.0.inputs[node.index()]) = None;
    }

    /// Routes what a node writes, line by line.
    async fn drain(self, node: ReplicaId, output: impl AsyncRead + Unpin) {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = u64::try_from(MAX_FRAME_BYTES).unwrap_or(u64::MAX);
            match (&mut output).take(limit).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => {
                    if let Err(why) = self.route(node, &line) {
                        lock(&self.0.faulty).get_or_insert((node, why));
                        return;
                    }
                }
            }
        }
    }

    /// Sends a node's message where it is to go.
    fn route(&self, from: ReplicaId, line: &[u8]) -> Result<(), String> {
        let message = Message::parse(line)?;
        if message.src != name_of(from) {
            return Err(format!("calls itself `{}` in a message, and is `{}`", message.src, name_of(from)));
        }
        if let Some(client) = number_after("c", &message.dest) {
            let number = message.body.get("in_reply_to").and_then(Json::as_u64);
            let waiting = number.and_then(|number| lock(&self.0.waiting).remove(&(client, number)));
            // Nobody may wait any more, or have been answered by a message's double.
            if let Some(waiting) = waiting {
                let _ = waiting.send(message.body);
            }
            return Ok(());
        }
        let node = number_after("n", &message.dest)
            .and_then(|number| usize::try_from(number).ok())
            .filter(|&number| number < self.0.inputs.len())
            .map(ReplicaId::from_index);
        let answer = match node {
            Some(to) if to == from => {
                self.give(to, message.line());
                return Ok(());
            }
            Some(to) => {
                if let Some(link) = self.0.links.get(&LinkId { from, to }) {
                    // A full buffer loses what comes.
                    let _ = link.try_send(frame(&message.line()));
                }
                return Ok(());
            }
            None => lock(&self.0.services).answer(&message.dest, &message.body),
        };
        let missing = || error(NODE_NOT_FOUND, &format!("there is no node or service `{}`", message.dest));
        if message.body.contains_key("msg_id") {
            self.give(from, message.answer(answer.unwrap_or_else(missing)).line());
        }
        Ok(())
    }

    /// What a node said against the protocol, once.
    pub(super) fn faulty(&self) -> Option<(ReplicaId, String)> {
        lock(&self.0.faulty).take()
    }

    /// A client of its own name.
    pub(super) fn caller(&self) -> Caller {
        let number = self.0.clients.fetch_add(1, Ordering::Relaxed);
        Caller { switch: self.clone(), number, messages: Arc::new(AtomicU64::new(1)) }
    }
}

/// A client: it asks, and waits for the answer. Clones are the same client.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    switch: Switch,
    number: u64,
    messages: Arc<AtomicU64>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The node does not run: it was not asked.
    NotSent,
    /// No answer came in time, or the node ended.
    Late,
}

impl Caller {
    /// Asks a node, and waits for its answer for so long.
    pub(super) async fn ask(
        &self,
        node: ReplicaId,
        mut body: Body,
        patience: Duration,
    ) -> Result<Body, Unanswered> {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        body.insert("msg_id".to_owned(), number.into());
        let message = Message { src: format!("c{}", self.number), dest: name_of(node), body };
        let (sender, answer) = oneshot::channel();
        let inner = &self.switch.0;
        lock(&inner.waiting).insert((self.number, number), sender);
        let answered = if self.switch.give(node, message.line()) {
            timeout(patience, answer).await.ok().and_then(Result::ok).ok_or(Unanswered::Late)
        } else {
            Err(Unanswered::NotSent)
        };
        lock(&inner.waiting).remove(&(self.number, number));
        answered
    }
}

/// `c7` after `c` is 7.
fn number_after(letter: &str, name: &str) -> Option<u64> {
    name.strip_prefix(letter)?.parse().ok()
}

fn frame(line: &[u8]) -> Vec<u8> {
    // No line is longer: it would not have been read.
    let mut frame = u32::try_from(line.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    frame.extend_from_slice(line);
    frame
}

/// Writes lines to a node's standard input.
async fn feed(mut lines: mpsc::UnboundedReceiver<Vec<u8>>, mut input: impl AsyncWrite + Unpin) {
    while let Some(line) = lines.recv().await {
        if input.write_all(&line).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
}

/// Writes frames to a link's proxy. A broken connection is made anew, once for each frame: what is sent into a cut is
/// lost, and the first message after it is not.
async fn carry(mut frames: mpsc::Receiver<Vec<u8>>, address: SocketAddr) {
    let mut connection: Option<TcpStream> = None;
    while let Some(frame) = frames.recv().await {
        for _ in 0..2 {
            if connection.as_ref().is_none_or(is_closed) {
                connection = TcpStream::connect(address).await.ok();
                if let Some(stream) = &connection {
                    // Without it messages are only slower.
                    let _ = stream.set_nodelay(true);
                }
            }
            let Some(stream) = &mut connection else { continue };
            if stream.write_all(&frame).await.is_ok() {
                break;
            }
            connection = None;
        }
    }
}

/// Whether the other side has closed or reset the connection. It never sends anything.
fn is_closed(stream: &TcpStream) -> bool {
    let mut byte = [0];
    !matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::maelstrom::message::body;
    use tokio::io::{DuplexStream, duplex};

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Two nodes whose only link leads straight to the other's port, and what they read and write.
    async fn pair(tasks: &mut JoinSet<()>) -> (Switch, [BufReader<DuplexStream>; 2], [DuplexStream; 2]) {
        let ports: Vec<TcpListener> = vec![TcpListener::bind("127.0.0.1:0").await.unwrap()];
        let [a, b] = [ReplicaId(0), ReplicaId(1)];
        let links = BTreeMap::from([(LinkId { from: a, to: b }, ports[0].local_addr().unwrap())]);
        let switch = Switch::new(2, &links, tasks);
        let taken = switch.clone();
        let port = ports.into_iter().next().unwrap();
        tasks.spawn(async move {
            while let Ok((stream, _)) = port.accept().await {
                tokio::spawn(taken.clone().unload(stream, b));
            }
        });
        let mut inputs = Vec::new();
        let mut outputs = Vec::new();
        for node in [a, b] {
            let (input, read) = duplex(1 << 16);
            let (written, output) = duplex(1 << 16);
            switch.join(node, input, output, tasks);
            inputs.push(BufReader::new(read));
            outputs.push(written);
        }
        (switch, inputs.try_into().unwrap(), outputs.try_into().unwrap())
    }

    async fn read(input: &mut BufReader<DuplexStream>) -> Message {
        let mut line = Vec::new();
        timeout(PATIENCE, input.read_until(b'\n', &mut line)).await.unwrap().unwrap();
        Message::parse(&line).unwrap()
    }

    async fn write(output: &mut DuplexStream, src: &str, dest: &str, body: Body) {
        let message = Message { src: src.to_owned(), dest: dest.to_owned(), body };
        output.write_all(&message.line()).await.unwrap();
    }

    #[tokio::test]
    async fn messages_reach_nodes_clients_and_services() {
        let mut tasks = JoinSet::new();
        let (switch, [mut a, mut b], [mut from_a, mut from_b]) = pair(&mut tasks).await;
        write(&mut from_a, "n0", "n1", body("gossip", [])).await;
        assert_eq!(read(&mut b).await.body["type"], "gossip");
        write(&mut from_a, "n0", "lin-kv", body("read", [("key", 1.into()), ("msg_id", 4.into())])).await;
        let answer = read(&mut a).await;
        assert_eq!((answer.body["in_reply_to"].as_u64(), answer.body["code"].as_u64()), (Some(4), Some(20)));
        write(&mut from_b, "n1", "n9", body("hello", [("msg_id", 1.into())])).await;
        assert_eq!(read(&mut b).await.body["code"], 1, "there is no n9");
        let caller = switch.caller();
        let asked = tokio::spawn(async move { caller.ask(ReplicaId(1), body("read", []), PATIENCE).await });
        let question = read(&mut b).await;
        write(&mut from_b, "n1", &question.src.clone(), question.answer(body("read_ok", [])).body).await;
        assert_eq!(asked.await.unwrap().unwrap()["type"], "read_ok");
    }

    #[tokio::test]
    async fn a_node_that_is_down_is_not_asked_and_one_that_is_silent_is_late() {
        let mut tasks = JoinSet::new();
        let (switch, _inputs, _outputs) = pair(&mut tasks).await;
        let caller = switch.caller();
        let ask = |patience| caller.ask(ReplicaId(1), body("read", []), Duration::from_millis(patience));
        assert_eq!(ask(20).await, Err(Unanswered::Late));
        switch.leave(ReplicaId(1));
        assert_eq!(ask(20).await, Err(Unanswered::NotSent));
        assert!(lock(&switch.0.waiting).is_empty(), "nobody is kept in mind");
    }

    #[tokio::test]
    async fn what_is_against_the_protocol_is_told() {
        for (line, expected) in
            [("hello\n", "no message"), (r#"{"src": "n7", "dest": "n1", "body": {}}"#, "n7")]
        {
            let mut tasks = JoinSet::new();
            let (switch, _inputs, [mut from_a, _from_b]) = pair(&mut tasks).await;
            from_a.write_all(line.as_bytes()).await.unwrap();
            from_a.write_all(b"\n").await.unwrap();
            let told = timeout(PATIENCE, async {
                loop {
                    match switch.faulty() {
                        Some(told) => break told,
                        None => tokio::task::yield_now().await,
                    }
                }
            });
            let (node, why) = told.await.unwrap();
            assert_eq!(node, ReplicaId(0));
            assert!(why.contains(expected), "{why}");
        }
    }
}
