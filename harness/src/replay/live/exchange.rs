//! The links of a stepped cluster: every frame ends here, and goes on only when it is told to.
//!
//! One port for each directed link. The sender connects to it as to a link proxy; the connection to the receiver is made
//! when the link is to come up. Nothing here knows of time or chance: that is what tells it from the proxies of a run.

use crate::node::{Forward, FrameReader, Handshake, encode};
use quarrel_models::{
    id::{LinkId, ReplicaId},
    message::Message,
};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};

/// How long a frame or a connection may be on its way: a machine that is busy needs more than one that is not.
const PATIENCE: Duration = Duration::from_secs(10);

/// What comes in.
#[derive(Debug)]
enum Arrival {
    /// A sender has connected, and said who it is.
    Sender { link: LinkId, line: u64, handshake: Handshake, write: OwnedWriteHalf },
    /// A message came.
    Frame { link: LinkId, line: u64, back: bool, message: Message },
    /// One end has closed its connection.
    Ended { link: LinkId, line: u64 },
}

/// One directed link.
#[derive(Debug, Default)]
struct Line {
    /// The connection of the sender that counts; older ones are void.
    number: u64,
    sender: Option<(Handshake, OwnedWriteHalf)>,
    receiver: Option<OwnedWriteHalf>,
    forth: VecDeque<Message>,
    back: VecDeque<Message>,
}

/// All links of a cluster.
#[derive(Debug)]
pub(super) struct Exchange {
    lines: BTreeMap<LinkId, Line>,
    addresses: BTreeMap<LinkId, SocketAddr>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    to_us: mpsc::UnboundedSender<Arrival>,
    /// How many messages came from each replica since it was started.
    heard: BTreeMap<ReplicaId, u64>,
    /// Dropped with us, and all connections with it.
    tasks: JoinSet<()>,
}

impl Exchange {
    /// Opens a port for each link.
    pub(super) async fn open(links: &[LinkId]) -> io::Result<Self> {
        let (to_us, arrivals) = mpsc::unbounded_channel();
        let (mut lines, mut addresses, mut tasks) = (BTreeMap::new(), BTreeMap::new(), JoinSet::new());
        for &link in links {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            addresses.insert(link, listener.local_addr()?);
            lines.insert(link, Line::default());
            tasks.spawn(accept(link, listener, to_us.clone()));
        }
        Ok(Self { lines, addresses, arrivals, to_us, heard: BTreeMap::new(), tasks })
    }

    /// Where the senders connect.
    pub(super) const fn addresses(&self) -> &BTreeMap<LinkId, SocketAddr> {
        &self.addresses
    }

    /// What waits on a link.
    pub(super) fn waiting(&self, link: LinkId, back: bool) -> impl Iterator<Item = &Message> {
        let line = self.lines.get(&link);
        line.into_iter().flat_map(move |line| if back { &line.back } else { &line.forth })
    }

    /// A replica begins a new life.
    pub(super) fn begins(&mut self, replica: ReplicaId) {
        self.heard.remove(&replica);
    }

    /// Takes in what comes until so many messages of a replica have come since it was started. More is an error.
    pub(super) async fn hear(&mut self, replica: ReplicaId, messages: u64) -> io::Result<()> {
        while self.heard.get(&replica).copied().unwrap_or(0) < messages {
            self.next(|| format!("{messages} messages of {replica}")).await?;
        }
        let heard = self.heard.get(&replica).copied().unwrap_or(0);
        if heard == messages {
            return Ok(());
        }
        Err(io::Error::other(format!("{replica} says that it sent {messages} messages, and {heard} came")))
    }

    /// Waits until the sender of a link is connected.
    pub(super) async fn await_sender(&mut self, link: LinkId) -> io::Result<()> {
        while self.line(link)?.sender.is_none() {
            self.next(|| format!("the connection of {link}")).await?;
        }
        Ok(())
    }

    /// Brings a link up: the receiver is reached at this address, and hears who its sender is.
    pub(super) async fn connect(&mut self, link: LinkId, receiver: SocketAddr) -> io::Result<()> {
        self.await_sender(link).await?;
        let stream = TcpStream::connect(receiver).await?;
        stream.set_nodelay(true)?;
        let (read, mut write) = stream.into_split();
        let line = self.line(link)?;
        if let Some((handshake, _)) = &line.sender {
            send(&mut write, &Forward::Handshake(handshake.clone())).await?;
        }
        let number = line.number;
        line.receiver = Some(write);
        self.tasks.spawn(read_back(link, number, read, self.to_us.clone()));
        Ok(())
    }

    /// Breaks the connection of a link: what is under way on it is lost.
    pub(super) fn close(&mut self, link: LinkId) -> io::Result<()> {
        let line = self.line(link)?;
        // Both ends see an end; what their readers still find is void, since another line counts from now on.
        *line = Line { number: line.number + 1, ..Line::default() };
        Ok(())
    }

    /// Takes a message from those that wait on a link, at this place; with `copy` it waits on.
    pub(super) fn take(&mut self, link: LinkId, back: bool, place: usize, copy: bool) -> Option<Message> {
        let line = self.lines.get_mut(&link)?;
        let queue = if back { &mut line.back } else { &mut line.forth };
        if copy { queue.get(place).cloned() } else { queue.remove(place) }
    }

    /// Lets a message go on to its end of the link.
    pub(super) async fn pass(&mut self, link: LinkId, back: bool, message: Message) -> io::Result<()> {
        let line = self.line(link)?;
        let down = || io::Error::other(format!("the connection of {link} is down"));
        if back {
            let (_, write) = line.sender.as_mut().ok_or_else(down)?;
            send(write, &message).await
        } else {
            send(line.receiver.as_mut().ok_or_else(down)?, &Forward::Message(message)).await
        }
    }

    /// Drops what is of no use to a witness.
    pub(super) fn drop_back(&mut self, void: impl Fn(&Message) -> bool) {
        self.lines.values_mut().for_each(|line| line.back.retain(|message| !void(message)));
    }

    fn line(&mut self, link: LinkId) -> io::Result<&mut Line> {
        self.lines.get_mut(&link).ok_or_else(|| io::Error::other(format!("there is no link {link}")))
    }

    /// Takes in the next thing that comes.
    async fn next(&mut self, what: impl Fn() -> String) -> io::Result<()> {
        let late = |_| io::Error::other(format!("{} did not come within {} s", what(), PATIENCE.as_secs()));
        let arrival = timeout(PATIENCE, self.arrivals.recv()).await.map_err(late)?;
        match arrival {
            None => Err(io::Error::other("the links are gone")),
            Some(Arrival::Sender { link, line: number, handshake, write }) => {
                let line = self.line(link)?;
                *line = Line { number, sender: Some((handshake, write)), ..Line::default() };
                Ok(())
            }
            Some(Arrival::Frame { link, line: number, back, message }) => {
                let line = self.line(link)?;
                if line.number == number {
                    if back { &mut line.back } else { &mut line.forth }.push_back(message);
                    let from = if back { link.to } else { link.from };
                    *self.heard.entry(from).or_default() += 1;
                }
                Ok(())
            }
            Some(Arrival::Ended { link, line: number }) => {
                let line = self.line(link)?;
                if line.number == number {
                    *line = Line { number: line.number, ..Line::default() };
                }
                Ok(())
            }
        }
    }
}

async fn send(write: &mut OwnedWriteHalf, frame: &impl serde::Serialize) -> io::Result<()> {
    let mut bytes = Vec::new();
    encode(frame, &mut bytes)?;
    write.write_all(&bytes).await
}

/// Accepts the connections of one link's sender, and reads what it sends. Of several the last one counts.
async fn accept(link: LinkId, listener: TcpListener, arrivals: mpsc::UnboundedSender<Arrival>) {
    let mut readers = JoinSet::new();
    // Closing a line adds one to its number: the numbers of connections leave room for that.
    for accepted in 1_u64.. {
        let Ok((stream, _)) = listener.accept().await else { return };
        readers.spawn(read_forth(link, accepted << 32, stream, arrivals.clone()));
    }
}

async fn read_forth(link: LinkId, line: u64, stream: TcpStream, arrivals: mpsc::UnboundedSender<Arrival>) {
    // Small frames wait for nothing; a connection that is gone already needs no such thing.
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let mut reader = FrameReader::new(read);
    let mut write = Some(write);
    while let Ok(Some(frame)) = reader.next::<Forward>().await {
        let arrival = match (frame, write.take()) {
            (Forward::Handshake(handshake), Some(write)) => Arrival::Sender { link, line, handshake, write },
            // Said again, since nobody has answered yet.
            (Forward::Handshake(_), None) => continue,
            (Forward::Message(message), None) => Arrival::Frame { link, line, back: false, message },
            (Forward::Message(_), Some(_)) => break,
        };
        // Where nobody listens any more, the connection ends.
        if arrivals.send(arrival).is_err() {
            return;
        }
    }
    let _ = arrivals.send(Arrival::Ended { link, line });
}

async fn read_back(link: LinkId, line: u64, read: OwnedReadHalf, arrivals: mpsc::UnboundedSender<Arrival>) {
    let mut reader = FrameReader::new(read);
    while let Ok(Some(message)) = reader.next::<Message>().await {
        if arrivals.send(Arrival::Frame { link, line, back: true, message }).is_err() {
            return;
        }
    }
    let _ = arrivals.send(Arrival::Ended { link, line });
}
