//! Reads a history, event by event, in constant memory.

use super::{Event, FORMAT_VERSION, Header};
use serde::Deserialize;
use std::io::{self, BufRead};

/// A history that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("line {line} could not be read: {source}")]
    Io {
        /// The line, from 1.
        line: u64,
        /// What the system says.
        source: io::Error,
    },
    /// The first line is not a history's header.
    #[error(
        "this is not a quarrel history: its first line should be a header such as \
         {{\"quarrel\":\"history\",\"v\":{FORMAT_VERSION},...}}; give the file `history.jsonl` of a run ({why})"
    )]
    NotAHistory {
        /// What was found.
        why: String,
    },
    /// The history was written by a newer build.
    #[error(
        "the history has format version {found}, and this build reads up to {FORMAT_VERSION}: use the quarrel that wrote it, or a newer one"
    )]
    Newer {
        /// The version of the file.
        found: u32,
    },
    /// The header is damaged, or of a scenario that this build does not know.
    #[error(
        "line 1, column {column}: the header cannot be read: {why}; its `scenario` must be valid for this build"
    )]
    Header {
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        why: String,
    },
    /// A line in the middle is not an event.
    #[error(
        "line {line}, column {column}: {why}; the history is damaged here: mend or take out the line, or cut the file before it"
    )]
    Line {
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        why: String,
    },
    /// There are lines after the `end`.
    #[error(
        "line {line}: the history goes on after its `end`; two files may have been joined: cut it after the first `end`"
    )]
    AfterEnd {
        /// The line, from 1.
        line: u64,
    },
}

/// How a history ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With its `end`.
    Complete,
    /// Without an `end`: the run was killed.
    CutShort,
    /// Within this line: the run was killed while writing. Everything before it was read.
    Truncated {
        /// The broken line, from 1.
        line: u64,
    },
}

/// The events of a history, in order. One line is held at a time.
///
/// After the last event, [`Reader::ending`] says whether the history was whole.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    header: Header,
    line: Vec<u8>,
    number: u64,
    ended: bool,
    ending: Option<Ending>,
}

/// What tells a history from another file, whatever its version.
#[derive(Deserialize)]
struct Signature {
    quarrel: String,
    v: u32,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`ReadError`] if this is no history, or one that this build cannot read.
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let mut line = Vec::new();
        input.read_until(b'\n', &mut line).map_err(|source| ReadError::Io { line: 1, source })?;
        let signature: Signature = serde_json::from_slice(&line).map_err(|error| {
            let why = if line.is_empty() { "the file is empty".to_owned() } else { without_position(&error) };
            ReadError::NotAHistory { why }
        })?;
        if signature.quarrel != "history" {
            return Err(ReadError::NotAHistory { why: format!("this is a `{}` file", signature.quarrel) });
        }
        if signature.v > FORMAT_VERSION {
            return Err(ReadError::Newer { found: signature.v });
        }
        let header = serde_json::from_slice(&line)
            .map_err(|error| ReadError::Header { column: error.column(), why: without_position(&error) })?;
        Ok(Self { input, header, line, number: 1, ended: false, ending: None })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// How the history ended; `None` before the last event was read, and after an error.
    #[must_use]
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    fn read(&mut self) -> Result<Option<Event>, ReadError> {
        loop {
            self.line.clear();
            self.number += 1;
            let line = self.number;
            let read = self.input.read_until(b'\n', &mut self.line);
            read.map_err(|source| ReadError::Io { line, source })?;
            let whole = self.line.last() == Some(&b'\n');
            if self.line.is_empty() {
                self.ending = Some(if self.ended { Ending::Complete } else { Ending::CutShort });
                return Ok(None);
            }
            if self.line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if self.ended {
                return Err(ReadError::AfterEnd { line });
            }
            return match serde_json::from_slice::<Event>(&self.line) {
                Ok(event) => {
                    self.ended = matches!(event, Event::End { .. });
                    Ok(Some(event))
                }
                Err(_) if !whole => {
                    self.ending = Some(Ending::Truncated { line });
                    Ok(None)
                }
                Err(error) => {
                    Err(ReadError::Line { line, column: error.column(), why: without_position(&error) })
                }
            };
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.number == u64::MAX || self.ending.is_some() {
            return None;
        }
        let result = self.read().transpose();
        if let Some(Err(_)) = &result {
            // Nothing after an error can be trusted: the iterator is at its end.
            self.number = u64::MAX;
        }
        result
    }
}

/// The message of a JSON error; the position in it would be that within the line.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}
