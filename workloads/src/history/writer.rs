//! Writes a history.

use super::{Event, Header};
use serde::Serialize;
use std::io::{self, Write};

/// Writes a history line by line.
///
/// Each line reaches `out` in one piece, so that a killed run leaves whole lines. Give it a [`io::BufWriter`] where
/// speed matters, and call [`Writer::flush`] as often as lines must survive.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a history with its header.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self { out, line: Vec::with_capacity(1024) };
        writer.line(header)?;
        Ok(writer)
    }

    /// Writes one event.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        self.line(event)
    }

    /// Hands on what is buffered in `out`.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Flushes, and gives `out` back.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn line(&mut self, content: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, content)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }
}
