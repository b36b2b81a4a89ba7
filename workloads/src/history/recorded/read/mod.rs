//! Readers of recorded histories. One format a file; all of them stream, and hold one form at a time.

mod cursor;
mod edn;
mod fields;
mod json;
mod log;
mod source;
mod syntax;

pub use source::Position;
pub use syntax::ReadOptions;

use super::{Builder, DecodeError, MAGIC, Misfit, Reading, Recorded};
use cursor::Stop;
use fields::Fields;
use source::{MAX_FORM, Source};
use std::{
    fmt,
    io::{self, Read},
    str::FromStr,
};
use syntax::{Found, Syntax};

/// How a history is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object a line: quarrel's own, or Jepsen's operations.
    Jsonl,
    /// Jepsen's EDN.
    Edn,
    /// One JSON array of objects, as elle-cli reads it.
    Json,
    /// Lines of `jepsen.util`.
    EtcdLog,
    /// EDN maps with a `:key`, as Porcupine's data has them.
    Kv,
    /// The compact binary form.
    Binary,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] = [Self::Jsonl, Self::Edn, Self::Json, Self::EtcdLog, Self::Kv, Self::Binary];

    /// The name, as the command line spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Edn => "edn",
            Self::Json => "json",
            Self::EtcdLog => "etcd-log",
            Self::Kv => "kv",
            Self::Binary => "binary",
        }
    }

    /// The format of a file that begins so; `None` if it is none of them.
    #[must_use]
    pub fn detect(start: &[u8]) -> Option<Self> {
        if start.starts_with(MAGIC) {
            return Some(Self::Binary);
        }
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        if start.windows(11).any(|window| window == b"jepsen.util")
            && !start.trim_ascii_start().starts_with(b"{")
        {
            return Some(Self::EtcdLog);
        }
        let mut rest = start.trim_ascii_start();
        let in_array = rest.starts_with(b"[");
        if let Some(inner) = rest.strip_prefix(b"[") {
            rest = inner.trim_ascii_start();
        }
        match rest {
            [b'{', inner @ ..] if inner.trim_ascii_start().starts_with(b"\"") => {
                Some(if in_array { Self::Json } else { Self::Jsonl })
            }
            [b']', ..] | [] if in_array => Some(Self::Json),
            [b'{' | b'(' | b'#' | b';' | b'^', ..] => Some(Self::Edn),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.map(Self::name).to_vec();
            format!("there is no input format `{name}`, expected auto or one of {}", names.join(", "))
        })
    }
}

/// A history that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("line {}: the file could not be read: {source}", .at.line)]
    Io {
        /// How far it was read.
        at: Position,
        /// What the system says.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error(
        "line 1, column 1: the file is empty: a history is expected, with an event such as {{:type :invoke, :process 0, :f :read}}"
    )]
    Empty,
    /// It begins like no history.
    #[error(
        "line {}, column {}: this is no history in a known format ({found}): JSON lines, EDN, a JSON array or a log of jepsen.util \
         is expected; name the format with --input-format if it is one of them", .at.line, .at.column
    )]
    UnknownFormat {
        /// Where it shows.
        at: Position,
        /// What was found.
        found: String,
    },
    /// Something stands where it should not.
    #[error("line {}, column {}: {expected}{}", .at.line, .at.column, and_found(.found))]
    Wrong {
        /// Where.
        at: Position,
        /// What was expected.
        expected: String,
        /// What stands there; may be empty.
        found: String,
    },
    /// The binary form is damaged.
    #[error("byte {at}: the event that begins here cannot be read: {source}")]
    Damaged {
        /// Where the event begins, from 0.
        at: usize,
        /// What is wrong.
        source: DecodeError,
    },
    /// An event cannot follow what came before.
    #[error("line {}, column {}: {misfit}", .at.line, .at.column)]
    Misfit {
        /// Where the event begins.
        at: Position,
        /// Why.
        misfit: Misfit,
    },
}

fn and_found(found: &str) -> String {
    if found.is_empty() { String::new() } else { format!(", and `{found}` was found") }
}

/// Where the events with these indices begin in a file that was read before; `None` for those that it does not have.
/// Nothing is kept of what is read on the way.
///
/// # Errors
/// [`ReadError`], as when it was read.
pub fn locate<R: Read>(
    input: R,
    format: Option<Format>,
    options: ReadOptions,
    indices: &[u32],
) -> Result<Vec<Option<Position>>, ReadError> {
    let mut places: Vec<Option<Position>> = vec![None; indices.len()];
    let mut left = indices.len();
    read_watched(input, format, options, &mut |index, source, at| {
        for (place, _) in
            places.iter_mut().zip(indices).filter(|(place, wanted)| **wanted == index && place.is_none())
        {
            *place = Some(source.position(at));
            left -= 1;
        }
        left > 0
    })?;
    Ok(places)
}

/// Reads a whole history. The format is detected from the first bytes if none is given.
///
/// A last event that is broken off is a warning in [`Recorded::warnings`], as long as an event came before it.
///
/// # Errors
/// [`ReadError`], with line and column.
pub fn read<R: Read>(input: R, format: Option<Format>, options: ReadOptions) -> Result<Recorded, ReadError> {
    read_watched(input, format, options, &mut |_, _, _| true)
}

/// Sees the index of every event that was taken up, and where it begins; says whether to go on.
type Watch<'a, R> = dyn FnMut(u32, &Source<R>, usize) -> bool + 'a;

fn read_watched<R: Read>(
    input: R,
    format: Option<Format>,
    options: ReadOptions,
    watch: &mut Watch<'_, R>,
) -> Result<Recorded, ReadError> {
    let mut source = Source::new(input);
    refill(&mut source)?;
    let start = source.cursor().bytes;
    if start.trim_ascii().is_empty() && source.is_last() {
        return Err(ReadError::Empty);
    }
    let marks = if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let Some(format) = format.or_else(|| Format::detect(start)) else {
        return Err(unknown_format(&source));
    };
    source.consume(marks);
    match format {
        Format::Edn | Format::Kv => drive(source, edn::Edn::default(), options, watch),
        Format::Json | Format::Jsonl => drive(source, json::Json::default(), options, watch),
        Format::Binary => decode(&mut source),
        Format::EtcdLog => drive(source, log::Log::default(), options, watch),
    }
}

fn decode<R: Read>(source: &mut Source<R>) -> Result<Recorded, ReadError> {
    let bytes = source.cursor().bytes;
    if !bytes.starts_with(MAGIC) {
        let expected =
            "a history in the binary form is expected, which begins with QHIST and its version 1".to_owned();
        return Err(ReadError::Wrong { at: source.position(0), expected, found: glimpse(bytes) });
    }
    source.consume(MAGIC.len());
    let (mut reading, mut begins) = (Reading::default(), MAGIC.len());
    let damaged = |(at, source)| ReadError::Damaged { at, source };
    loop {
        let (passed, result) = reading.events(source.cursor().bytes);
        source.consume(passed);
        begins += passed;
        match result {
            Ok(()) if source.is_last() => return Ok(reading.finish()),
            Err(DecodeError::Ends) if source.is_last() => return reading.broken_off(begins).map_err(damaged),
            Ok(()) | Err(DecodeError::Ends) if source.len() < MAX_FORM => refill(source)?,
            Ok(()) => return Err(damaged((begins, DecodeError::Ends))),
            Err(error) => return Err(damaged((begins, error))),
        }
    }
}

fn refill<R: Read>(source: &mut Source<R>) -> Result<(), ReadError> {
    source.refill().map_err(|error| ReadError::Io { at: source.position(0), source: error })
}

fn unknown_format<R: Read>(source: &Source<R>) -> ReadError {
    let bytes = source.cursor().bytes;
    let odd = bytes.iter().position(|&byte| byte < 9 || (14..32).contains(&byte) || byte == 127);
    let at = odd.unwrap_or_else(|| bytes.len() - bytes.trim_ascii_start().len());
    let found = match odd {
        Some(_) => format!("binary data: the byte 0x{:02x}", bytes[at]),
        None => format!("`{}`", glimpse(&bytes[at..])),
    };
    ReadError::UnknownFormat { at: source.position(at), found }
}

/// The beginning of what stands there, on one line.
fn glimpse(bytes: &[u8]) -> String {
    const MOST: usize = 24;
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let text: String =
        String::from_utf8_lossy(&line[..line.len().min(4 * MOST)]).chars().take(MOST).collect();
    text.escape_debug().to_string()
}

fn drive<R: Read, S: Syntax>(
    mut source: Source<R>,
    mut syntax: S,
    options: ReadOptions,
    watch: &mut Watch<'_, R>,
) -> Result<Recorded, ReadError> {
    let mut builder = Builder::default();
    let mut fields = Fields::default();
    loop {
        let mut cursor = source.cursor();
        let result = syntax.next(&mut cursor, &mut builder, options, &mut fields);
        let passed = cursor.at;
        let handed = match result {
            Ok(Found::Event { begins }) => match fields.hand_over(begins, &mut builder) {
                Ok(Ok(())) => {
                    if !watch(builder.last_index(), &source, begins) {
                        return Ok(builder.finish());
                    }
                    Ok(())
                }
                Ok(Err(misfit)) => Err((begins, misfit)),
                Err(stop) => return Err(wrong(&source, stop)),
            },
            Ok(Found::Retracted(process)) => builder.retract(process).map_err(|misfit| (0, misfit)),
            Ok(Found::Punctuation) => Ok(()),
            Ok(Found::End { whole }) => {
                if !whole {
                    let at = source.position(source.len());
                    builder.warn(format!(
                        "line {}: the history is not closed with a bracket: it was cut short",
                        at.line
                    ));
                }
                return Ok(builder.finish());
            }
            Err(Stop::Incomplete) if !source.is_last() && source.len() < MAX_FORM => {
                syntax.restart();
                refill(&mut source)?;
                continue;
            }
            Err(Stop::Incomplete) => return broken_off(&source, builder),
            Err(stop) => return Err(wrong(&source, stop)),
        };
        handed.map_err(|(begins, misfit)| ReadError::Misfit { at: source.position(begins), misfit })?;
        source.consume(passed);
    }
}

fn wrong<R: Read>(source: &Source<R>, stop: Stop) -> ReadError {
    let (at, expected) = match stop {
        Stop::Wrong(wrong) => (wrong.at, wrong.expected),
        Stop::Incomplete => (0, "an event that ends is expected".to_owned()),
    };
    let found = source.cursor().bytes.get(at..).map(glimpse).unwrap_or_default();
    ReadError::Wrong { at: source.position(at), expected, found }
}

/// The last event has no end.
fn broken_off<R: Read>(source: &Source<R>, mut builder: Builder) -> Result<Recorded, ReadError> {
    let bytes = source.cursor().bytes;
    let begins = bytes.len() - bytes.trim_ascii_start().len();
    let at = source.position(begins);
    if !source.is_last() {
        let expected = format!("an event that ends within {} MiB is expected", MAX_FORM >> 20);
        return Err(ReadError::Wrong { at, expected, found: glimpse(&bytes[begins..]) });
    }
    if builder.is_empty() {
        let expected = "a whole event is expected, and the file ends within its first".to_owned();
        return Err(ReadError::Wrong { at, expected, found: glimpse(&bytes[begins..]) });
    }
    builder.warn(format!(
        "line {}: the last event is broken off, and was not read: the recording was cut short",
        at.line
    ));
    Ok(builder.finish())
}
