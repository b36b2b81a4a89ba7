//! Where frames begin and end in a stream of bytes.

use std::borrow::Cow;

/// The longest payload that a frame may announce, in bytes: 64 MiB. Anything above it is taken for a stream that
/// is not made of frames.
pub const MAX_FRAME_BYTES: usize = 64 << 20;

const HEADER_BYTES: usize = 4;

/// A frame announced more than [`MAX_FRAME_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Oversized;

/// A part of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A frame, header included, with its number within the stream.
    Whole { number: u64, bytes: Cow<'a, [u8]> },
    /// A part of a frame whose beginning was passed on before whole frames were asked for; `ended` frames end
    /// with it.
    Rest { bytes: &'a [u8], ended: usize },
}

/// Follows one stream.
#[derive(Debug, Default)]
pub(super) struct Framer {
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    body_left: usize,
    /// The beginning of a frame that was asked for whole and is not whole yet.
    partial: Vec<u8>,
    /// How many frames have ended.
    number: u64,
}

impl Framer {
    /// Notes bytes that are passed on as they are. Returns how many frames end in them.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) -> Result<usize, Oversized> {
        debug_assert!(self.partial.is_empty(), "the withheld beginning of a frame goes first");
        let mut frames = 0;
        while !bytes.is_empty() {
            let (taken, ended) = self.advance(bytes)?;
            frames += usize::from(ended);
            bytes = &bytes[taken..];
        }
        Ok(frames)
    }

    /// Takes the next piece off the input, holding back frames that are not whole yet. `None` when the input
    /// is used up.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, Oversized> {
        while !input.is_empty() {
            let (begins, number) = (self.is_between_frames(), self.number);
            let (taken, ended) = self.advance(input)?;
            let (bytes, rest) = input.split_at(taken);
            *input = rest;
            if !begins && self.partial.is_empty() {
                return Ok(Some(Piece::Rest { bytes, ended: usize::from(ended) }));
            }
            if ended && self.partial.is_empty() {
                return Ok(Some(Piece::Whole { number, bytes: Cow::Borrowed(bytes) }));
            }
            self.partial.extend_from_slice(bytes);
            if ended {
                return Ok(Some(Piece::Whole {
                    number,
                    bytes: Cow::Owned(std::mem::take(&mut self.partial)),
                }));
            }
        }
        Ok(None)
    }

    /// Gives up the beginning of a frame that was withheld: whole frames are no longer asked for.
    pub(super) fn release(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.partial)
    }

    fn is_between_frames(&self) -> bool {
        self.header_filled == 0
    }

    /// Moves on by at most the rest of the current frame: how many bytes, and whether it ends with them.
    fn advance(&mut self, input: &[u8]) -> Result<(usize, bool), Oversized> {
        let mut taken = 0;
        if self.header_filled < HEADER_BYTES {
            taken = input.len().min(HEADER_BYTES - self.header_filled);
            self.header[self.header_filled..self.header_filled + taken].copy_from_slice(&input[..taken]);
            self.header_filled += taken;
            if self.header_filled < HEADER_BYTES {
                return Ok((taken, false));
            }
            self.body_left = u32::from_le_bytes(self.header) as usize;
            if self.body_left > MAX_FRAME_BYTES {
                return Err(Oversized);
            }
        }
        let body = self.body_left.min(input.len() - taken);
        self.body_left -= body;
        let ended = self.body_left == 0;
        if ended {
            self.header_filled = 0;
            self.number += 1;
        }
        Ok((taken + body, ended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(payload.len()).unwrap().to_le_bytes().to_vec();
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn frames_come_out_whole_however_the_stream_is_cut() {
        let frames = [frame(b""), frame(b"one"), frame(&[7; 300]), frame(b"")];
        let stream = frames.concat();
        for step in 1..=stream.len() {
            let mut framer = Framer::default();
            let mut seen = Vec::new();
            for mut chunk in stream.chunks(step) {
                while let Some(piece) = framer.next(&mut chunk).unwrap() {
                    match piece {
                        Piece::Whole { number, bytes } => seen.push((number, bytes.into_owned())),
                        Piece::Rest { .. } => panic!("nothing was passed on before"),
                    }
                }
            }
            let expected: Vec<_> = (0..).zip(frames.iter().cloned()).collect();
            assert_eq!(seen, expected, "in chunks of {step}");
        }
    }

    #[test]
    fn a_frame_half_passed_on_is_finished_before_whole_frames_begin() {
        let stream = [frame(b"first"), frame(b"second")].concat();
        for split in 1..9 {
            let mut framer = Framer::default();
            assert_eq!(framer.pass(&stream[..split]), Ok(0));
            let mut rest = &stream[split..];
            let mut joined = Vec::new();
            while let Some(piece) = framer.next(&mut rest).unwrap() {
                match piece {
                    Piece::Rest { bytes, .. } => joined.extend_from_slice(bytes),
                    Piece::Whole { number, bytes } => assert_eq!((number, &*bytes), (1, &*frame(b"second"))),
                }
            }
            assert_eq!(joined, stream[split..9], "split at {split}");
        }
    }

    #[test]
    fn a_length_above_the_limit_is_an_error_and_the_limit_itself_is_not() {
        let limit = u32::try_from(MAX_FRAME_BYTES).unwrap();
        assert_eq!(Framer::default().pass(&limit.to_le_bytes()), Ok(0));
        assert_eq!(Framer::default().pass(&(limit + 1).to_le_bytes()), Err(Oversized));
    }
}
