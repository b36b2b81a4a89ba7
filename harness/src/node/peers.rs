//! Replication connections: one per directed link, made by the sender, through the link's proxy.

use super::{
    frame::{Forward, FrameReader, Handshake, encode},
    shell::{CONNECTION_QUEUE, Command},
};
use quarrel_models::{
    id::{LinkId, ReplicaId},
    message::Message,
};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::mpsc,
    time::{sleep, timeout},
};

/// After how long a failed connection is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(160));
/// After how long without an answer the handshake is said again: it may have been lost.
const HANDSHAKE_PATIENCE: Duration = Duration::from_millis(200);
/// Frames are put together up to about this size, so that a batch is one system call.
const WRITE_BYTES: usize = 64 << 10;

/// Keeps our link to a peer connected, for ever.
pub(super) async fn keep_connected(
    link: LinkId,
    address: SocketAddr,
    secret: String,
    commands: mpsc::Sender<Command>,
) {
    let mut patience = RETRY.0;
    while !commands.is_closed() {
        if let Ok(stream) = TcpStream::connect(address).await {
            // However the connection ended, what to do is the same.
            if let Ok(true) = send_over(stream, link, &secret, &commands).await {
                patience = RETRY.0;
            }
            let _ = commands.send(Command::OutDisconnected { to: link.to }).await;
        }
        sleep(patience).await;
        patience = (patience * 2).min(RETRY.1);
    }
}

/// Serves one outgoing connection until it breaks. Says whether the peer ever answered.
async fn send_over(
    stream: TcpStream,
    link: LinkId,
    secret: &str,
    commands: &mpsc::Sender<Command>,
) -> io::Result<bool> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut reader = FrameReader::new(read);
    let handshake = Forward::Handshake(Handshake { link, secret: secret.to_owned() });
    let mut greeting = Vec::new();
    encode(&handshake, &mut greeting)?;
    let first: Message = loop {
        write.write_all(&greeting).await?;
        match timeout(HANDSHAKE_PATIENCE, reader.next()).await {
            Err(_) => {}
            Ok(Ok(Some(message))) => break message,
            Ok(Ok(None)) => return Ok(false),
            Ok(Err(error)) => return Err(error),
        }
    };
    let (forward, queue) = mpsc::channel(CONNECTION_QUEUE);
    let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    commands.send(Command::OutConnected { to: link.to, forward }).await.map_err(closed)?;
    commands.send(Command::Peer { link, message: first }).await.map_err(closed)?;
    tokio::select! {
        result = pass_in(&mut reader, link, commands) => result?,
        result = pass_out(queue, &mut write, Forward::Message) => result?,
    }
    Ok(true)
}

/// Accepts the links of our peers, for ever.
pub(super) async fn accept(
    listener: TcpListener,
    me: ReplicaId,
    secret: String,
    commands: mpsc::Sender<Command>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (secret, commands) = (secret.clone(), commands.clone());
                tokio::spawn(async move {
                    // A broken connection is made again by its sender.
                    let _ = receive_over(stream, me, &secret, &commands).await;
                });
            }
            // Out of file descriptors, most likely: give others time to close some.
            Err(_) => sleep(RETRY.1).await,
        }
    }
}

async fn receive_over(
    stream: TcpStream,
    me: ReplicaId,
    secret: &str,
    commands: &mpsc::Sender<Command>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut reader = FrameReader::new(read);
    let stranger = || io::Error::other("not a peer of this run");
    let Some(Forward::Handshake(Handshake { link, secret: shown })) = reader.next().await? else {
        return Err(stranger());
    };
    if link.to != me || shown != secret {
        return Err(stranger());
    }
    let (back, queue) = mpsc::channel(CONNECTION_QUEUE);
    let greet = Command::InConnected { from: link.from, back: back.clone() };
    commands.send(greet).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
    tokio::select! {
        result = take_in(&mut reader, link, &back, commands) => result,
        result = pass_out(queue, &mut write, |message| message) => result,
    }
}

/// Hands on what comes from a sender; a handshake said again is answered again.
async fn take_in(
    reader: &mut FrameReader<OwnedReadHalf>,
    link: LinkId,
    back: &mpsc::Sender<Message>,
    commands: &mpsc::Sender<Command>,
) -> io::Result<()> {
    while let Some(frame) = reader.next().await? {
        let command = match frame {
            Forward::Message(message) => Command::Peer { link, message },
            Forward::Handshake(_) => Command::InConnected { from: link.from, back: back.clone() },
        };
        commands.send(command).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
    }
    Ok(())
}

/// Hands on what comes back from a receiver.
async fn pass_in(
    reader: &mut FrameReader<OwnedReadHalf>,
    link: LinkId,
    commands: &mpsc::Sender<Command>,
) -> io::Result<()> {
    while let Some(message) = reader.next().await? {
        let command = Command::Peer { link, message };
        commands.send(command).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
    }
    Ok(())
}

/// Writes what is queued, several frames to a system call, until the queue closes.
async fn pass_out<F: serde::Serialize>(
    mut queue: mpsc::Receiver<Message>,
    write: &mut (impl AsyncWrite + Unpin),
    wrap: impl Fn(Message) -> F,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(WRITE_BYTES);
    while let Some(message) = queue.recv().await {
        encode(&wrap(message), &mut buffer)?;
        while buffer.len() < WRITE_BYTES
            && let Ok(message) = queue.try_recv()
        {
            encode(&wrap(message), &mut buffer)?;
        }
        write.write_all(&buffer).await?;
        buffer.clear();
    }
    Ok(())
}
