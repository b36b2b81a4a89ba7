//! Frames on a replication connection: a length of four bytes, little-endian, and a message in postcard.

use quarrel_models::{id::LinkId, message::Message};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// No frame is longer.
pub const MAX_FRAME_BYTES: usize = 64 << 20;

/// The first frame on a connection, from the side that connects. Repeated until the other side has answered, since a
/// frame may be lost on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Handshake {
    pub(crate) link: LinkId,
    pub(crate) secret: String,
}

/// What the connecting side sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Forward {
    Handshake(Handshake),
    Message(Message),
}

/// Appends a frame to `buffer`.
pub(crate) fn encode(value: &impl Serialize, buffer: &mut Vec<u8>) -> io::Result<()> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    // postcard extends whatever it is given; taking the buffer out and back spares a copy.
    let written = postcard::to_extend(value, std::mem::take(buffer)).map_err(io::Error::other)?;
    *buffer = written;
    let length = buffer.len() - start - 4;
    let prefix = u32::try_from(length).ok().filter(|_| length <= MAX_FRAME_BYTES);
    let prefix = prefix.ok_or_else(|| io::Error::other("a frame is longer than 64 MiB"))?;
    buffer[start..start + 4].copy_from_slice(&prefix.to_le_bytes());
    Ok(())
}

/// Reads frames from a stream, many per system call.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    stream: R,
    buffer: Vec<u8>,
    start: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, buffer: Vec::with_capacity(16 << 10), start: 0 }
    }

    /// The next frame; `None` if the stream has ended between two frames. Safe to cancel: what was read is kept.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            let pending = &self.buffer[self.start..];
            if let Some((prefix, rest)) = pending.split_first_chunk::<4>() {
                let length = u32::from_le_bytes(*prefix) as usize;
                if length > MAX_FRAME_BYTES {
                    return Err(io::Error::other(format!("a frame of {length} bytes: is this a peer?")));
                }
                if let Some(payload) = rest.get(..length) {
                    let value = postcard::from_bytes(payload).map_err(io::Error::other)?;
                    self.start += 4 + length;
                    return Ok(Some(value));
                }
            }
            if self.start > 0 {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_out_as_they_went_in_however_the_stream_cuts_them() {
        let mut bytes = Vec::new();
        for text in ["one", "", "three"] {
            encode(&text, &mut bytes).unwrap();
        }
        let (mut near, far) = tokio::io::duplex(5);
        let writing = tokio::spawn(async move {
            tokio::io::AsyncWriteExt::write_all(&mut near, &bytes).await.unwrap();
        });
        let mut reader = FrameReader::new(far);
        let mut texts: Vec<String> = Vec::new();
        while let Some(text) = reader.next().await.unwrap() {
            texts.push(text);
        }
        writing.await.unwrap();
        assert_eq!(texts, ["one", "", "three"]);
    }

    #[tokio::test]
    async fn a_stream_that_is_no_peer_is_refused() {
        let mut reader = FrameReader::new(&b"GET / HTTP/1.1\r\n"[..]);
        assert!(reader.next::<String>().await.unwrap_err().to_string().contains("is this a peer?"));
    }
}
