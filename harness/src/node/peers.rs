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
        encode_split(message, &wrap, &mut buffer)?;
        while buffer.len() < WRITE_BYTES
            && let Ok(message) = queue.try_recv()
        {
            encode_split(message, &wrap, &mut buffer)?;
        }
        write.write_all(&buffer).await?;
        buffer.clear();
    }
    Ok(())
}

/// Appends a message to `buffer`, entries that are too long for one frame in two: else a receiver that is far behind
/// on large values could never be sent anything.
fn encode_split<F: serde::Serialize>(
    message: Message,
    wrap: &impl Fn(Message) -> F,
    buffer: &mut Vec<u8>,
) -> io::Result<()> {
    let start = buffer.len();
    let divisible = match &message {
        Message::Entries { origin, after, entries } if entries.len() > 1 => {
            Some((*origin, *after, entries.clone()))
        }
        _ => None,
    };
    let encoded = encode(&wrap(message), buffer);
    let Some((origin, after, mut entries)) = divisible.filter(|_| encoded.is_err()) else { return encoded };
    buffer.truncate(start);
    let second = entries.split_off(entries.len() / 2);
    let middle = entries.last().map_or(after, |entry| entry.version.dot.position);
    encode_split(Message::Entries { origin, after, entries }, wrap, buffer)?;
    encode_split(Message::Entries { origin, after: middle, entries: second }, wrap, buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarrel_models::{
        clock::Stamp,
        id::{ClientId, Dot, WriteId},
        message::Entry,
        value::Value,
        version::{Version, VersionVector},
    };
    use std::sync::Arc;

    fn entry(position: u32, value: &Value) -> Arc<Entry> {
        let version = Version {
            write: WriteId { client: ClientId(0), sequence: position },
            dot: Dot { origin: ReplicaId(0), position },
            stamp: Stamp::default(),
            context: VersionVector::new(),
            value: Some(value.clone()),
            updates: 0,
        };
        Arc::new(Entry { key: "k".into(), version, before: None, removes: Vec::new(), update: false })
    }

    #[tokio::test]
    async fn entries_that_are_too_long_for_one_frame_go_out_in_several_that_follow_each_other() {
        let large = Value::Text("x".repeat(super::super::frame::MAX_FRAME_BYTES * 2 / 5).into());
        let entries = (1..=5).map(|position| entry(10 * position, &large)).collect();
        let message = Message::Entries { origin: ReplicaId(0), after: 7, entries };
        let mut bytes = Vec::new();
        encode_split(message, &Forward::Message, &mut bytes).unwrap();
        let mut reader = FrameReader::new(&bytes[..]);
        let mut chain = vec![7];
        let mut frames = 0;
        while let Some(Forward::Message(Message::Entries { after, entries, .. })) =
            reader.next().await.unwrap()
        {
            assert_eq!(chain.last(), Some(&after));
            chain.extend(entries.iter().map(|entry| entry.version.dot.position));
            frames += 1;
        }
        assert_eq!((chain, frames), (vec![7, 10, 20, 30, 40, 50], 3));
    }
}
