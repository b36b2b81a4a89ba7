//! Bytes of a file in pieces: the forms of a history are read from a window that moves along, and that is only as
//! large as the largest form.

use super::cursor::Cursor;
use std::io::{self, Read};

/// How much is asked for at once: what the second-level cache holds.
const PIECE: usize = 256 << 10;

/// The largest form, such as one read of a set, that is held whole.
pub(super) const MAX_FORM: usize = 256 << 20;

#[derive(Debug)]
pub(super) struct Source<R> {
    input: R,
    window: Vec<u8>,
    start: usize,
    end: usize,
    is_last: bool,
    /// Of the window's first byte: newlines before it, and bytes since the last of them.
    lines: u64,
    column: u64,
}

/// A line and a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column, in bytes.
    pub column: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, window: vec![0; PIECE], start: 0, end: 0, is_last: false, lines: 0, column: 0 }
    }

    /// The bytes at hand.
    #[inline]
    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor { bytes: &self.window[self.start..self.end], at: 0, is_last: self.is_last, is_lone: false }
    }

    pub(super) const fn is_last(&self) -> bool {
        self.is_last
    }

    /// How many bytes are at hand.
    pub(super) const fn len(&self) -> usize {
        self.end - self.start
    }

    /// The first bytes are done with.
    #[inline]
    pub(super) const fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Has more bytes at hand than before, or [`Source::is_last`].
    pub(super) fn refill(&mut self) -> io::Result<()> {
        let done = self.position(0);
        (self.lines, self.column) = (done.line - 1, done.column - 1);
        if self.start > 0 {
            self.window.copy_within(self.start..self.end, 0);
        }
        (self.start, self.end) = (0, self.end - self.start);
        if self.end * 2 > self.window.len() {
            self.window.resize(self.window.len() * 2, 0);
        }
        let before = self.end;
        while self.end < self.window.len() {
            match self.input.read(&mut self.window[self.end..]) {
                Ok(0) => {
                    self.is_last = true;
                    break;
                }
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            // As much again as is at hand: a long form is looked at from its start a few times only.
            if self.end - before >= PIECE.max(before) {
                break;
            }
        }
        Ok(())
    }

    /// Where a byte at hand stands in the file.
    pub(super) fn position(&self, at: usize) -> Position {
        let passed = &self.window[..(self.start + at).min(self.end)];
        let lines = passed.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let column = match passed.iter().rposition(|&byte| byte == b'\n') {
            Some(newline) => (passed.len() - newline - 1) as u64,
            None => self.column + passed.len() as u64,
        };
        Position { line: self.lines + lines + 1, column: column + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_the_moving_of_the_window() {
        let text = "ab\ncdef\n".repeat(100_000);
        let mut source = Source::new(text.as_bytes());
        let mut passed = 0;
        while !source.is_last() {
            source.refill().unwrap();
            let at = source.len() - 3;
            source.consume(at);
            passed += at as u64;
            // Two lines are eight bytes, the first of them three.
            let (pairs, rest) = (passed / 8, passed % 8);
            let expected = if rest < 3 { (pairs * 2 + 1, rest + 1) } else { (pairs * 2 + 2, rest - 2) };
            assert_eq!(source.position(0), Position { line: expected.0, column: expected.1 });
        }
    }

    #[test]
    fn a_form_of_64_mib_is_looked_at_a_few_times_only() {
        let mut source = Source::new(io::repeat(b'a').take(64 << 20));
        let mut looks = 0;
        while !source.is_last() {
            source.refill().unwrap();
            looks += 1;
        }
        assert!(looks <= 12, "{looks}");
    }
}
