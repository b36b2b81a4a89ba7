//! The compact binary form of a recorded history: what is to be judged again and again.
//!
//! ```text
//! magic "QHIST\x01", then events:
//!   head      1 byte: bits 0-1 kind (invoke, ok, fail, info), bit 2 the function is not the last one of its kind of event,
//!             bit 3 there is a key, bit 4 there is a value, bit 5 the value is the one of the invocation (or, of an
//!             invocation, the last number written plus one), bit 6 there is a time, bit 7 more fields follow
//!   process   varint
//!   [more]    1 byte if bit 7: bit 0 index, bit 1 node, bit 2 final, bit 3 the operation has a completion only, bit 4 time
//!             went back
//!   [index]   varint: how many indices were left out
//!   [f]       varint: number of the name; names are numbered as they appear, a new one is followed by its text
//!   [time]    varint of the difference to the last time
//!   [key] [value] [node]  values
//! value:      1 byte tag: 0 nil, 1 false, 2 true, 3 integer (zigzag varint), 4 text (length, bytes), 5 list, 6 set and 7 map
//!             (count, items); 8-39 and one byte, 40-55 and two: integers from 0, their highest bits in the tag; 56-255: the
//!             integers 0-199
//! ```
//!
//! Varints are of 7 bits a byte, the lowest first.

use super::{
    Builder, Datum, EventKind, Function, Misfit, Operation, Outcome, Process, RawEvent, Recorded, Values,
    View,
};
use std::io::{self, Write};

/// The first bytes of a file.
pub const MAGIC: &[u8] = b"QHIST\x01";

const MAX_DEPTH: usize = 64;
const SMALL: i64 = 200;
const FIRST_SMALL: u8 = 56;

/// Writes the history.
///
/// # Errors
/// What `out` reports.
pub fn write_binary(history: &Recorded, out: &mut dyn Write) -> io::Result<()> {
    let mut encoder = Encoder { history, bytes: MAGIC.to_vec(), state: State::default(), names: Vec::new() };
    let mut moments: Vec<(u32, bool, usize)> = Vec::with_capacity(history.operations.len() * 2);
    for (at, op) in history.operations.iter().enumerate() {
        if op.invoked != op.completed {
            moments.push((op.invoked, false, at));
        }
        if op.completed != Operation::NEVER {
            moments.push((op.completed, true, at));
        }
    }
    moments.sort_unstable();
    for (index, ends, at) in moments {
        encoder.event(index, ends, at);
        if encoder.bytes.len() > 1 << 16 {
            out.write_all(&encoder.bytes)?;
            encoder.bytes.clear();
        }
    }
    out.write_all(&encoder.bytes)
}

/// What the last events said: the next ones say what differs.
#[derive(Debug, Default, Clone, Copy)]
struct State {
    next_index: u64,
    time: i64,
    function: u64,
    written: i64,
}

struct Encoder<'a> {
    history: &'a Recorded,
    bytes: Vec<u8>,
    state: State,
    names: Vec<Function>,
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

impl Encoder<'_> {
    fn varint(&mut self, mut number: u64) {
        while number >= 128 {
            self.bytes.push((number & 127) as u8 | 128);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn event(&mut self, index: u32, ends: bool, at: usize) {
        let (op, node) = (&self.history.operations[at], self.history.node(at));
        let (kind, value, time) = if ends {
            (1 + op.outcome as u8, op.output, op.complete_time)
        } else {
            (0, op.input, op.invoke_time)
        };
        let is_lone = op.invoked == op.completed;
        let skipped = u64::from(index) - self.state.next_index;
        let function =
            self.names.iter().position(|&name| name == op.function).unwrap_or(self.names.len()) as u64;
        let says_function =
            (!ends || is_lone) && (function != self.state.function || function == self.names.len() as u64);
        let says_key = (!ends || is_lone) && !op.key.is_nil();
        let number = self.history.values.as_int(value);
        let is_next = number.is_some() && number == self.state.written.checked_add(1);
        let is_known = if ends && !is_lone { value == op.input && !value.is_nil() } else { is_next };
        let says_value = !value.is_nil() && !is_known;
        let says_node = (!ends || is_lone) && !node.is_nil();
        let says_final = op.is_final && (!ends || is_lone);
        let is_back = time != Operation::NO_TIME && time < self.state.time;
        let more = u8::from(is_back) << 4
            | u8::from(skipped > 0)
            | u8::from(says_node) << 1
            | u8::from(says_final) << 2
            | u8::from(is_lone) << 3;
        let head = kind
            | u8::from(says_function) << 2
            | u8::from(says_key) << 3
            | u8::from(says_value) << 4
            | u8::from(is_known) << 5
            | u8::from(time != Operation::NO_TIME) << 6
            | u8::from(more > 0) << 7;
        self.bytes.push(head);
        self.process(op.process);
        if more > 0 {
            self.bytes.push(more);
        }
        if skipped > 0 {
            self.varint(skipped);
        }
        if says_function {
            self.function(function, op.function);
        }
        if time != Operation::NO_TIME {
            self.varint(time.abs_diff(self.state.time));
            self.state.time = time;
        }
        for (says, datum) in [(says_key, op.key), (says_value, value), (says_node, node)] {
            if says {
                self.value(datum);
            }
        }
        if !ends || is_lone {
            self.state.function = function;
            self.state.written = number.unwrap_or(self.state.written);
        }
        self.state.next_index = u64::from(index) + 1;
    }

    /// The number of a process doubled, or a name.
    fn process(&mut self, process: u32) {
        match Process::name_of(process) {
            None => self.varint(u64::from(process) << 1),
            Some(name) => {
                self.varint(1);
                self.value(name);
            }
        }
    }

    fn function(&mut self, number: u64, function: Function) {
        self.varint(number);
        if number == self.names.len() as u64 {
            self.names.push(function);
            let name = self.history.function_name(function);
            self.varint(name.len() as u64);
            self.bytes.extend_from_slice(name.as_bytes());
        }
    }

    fn value(&mut self, datum: Datum) {
        let (tag, items) = match self.history.values.view(datum) {
            View::Nil => return self.bytes.push(0),
            View::Bool(value) => return self.bytes.push(1 + u8::from(value)),
            View::Int(number) => {
                return match number {
                    0..SMALL => self.bytes.push(FIRST_SMALL + number as u8),
                    SMALL..0x2000 => self.bytes.extend([8 + (number >> 8) as u8, number as u8]),
                    0x2000..0x10_0000 => {
                        self.bytes.extend([40 + (number >> 16) as u8, (number >> 8) as u8, number as u8])
                    }
                    _ => {
                        self.bytes.push(3);
                        self.varint(zigzag(number));
                    }
                };
            }
            View::Text(text) => {
                self.bytes.push(4);
                self.varint(text.len() as u64);
                return self.bytes.extend_from_slice(text.as_bytes());
            }
            View::List(items) => (5, items),
            View::Set(items) => (6, items),
            View::Map(items) => (7, items),
        };
        self.bytes.push(tag);
        self.varint(items.len() as u64);
        for &item in items {
            self.value(item);
        }
    }
}

/// Why the bytes are no history in this form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end within an event.
    #[error("it ends within an event")]
    Ends,
    /// Something that cannot be.
    #[error("{0}")]
    Damaged(&'static str),
    /// An event cannot follow what came before.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

/// Reads a history that lies whole in memory, magic and all. An error says at which byte the event begins.
///
/// # Errors
/// [`DecodeError`], with the place of the event in `bytes`.
pub fn read_binary(bytes: &[u8]) -> Result<Recorded, (usize, DecodeError)> {
    let mut reading = Reading::default();
    let events =
        bytes.strip_prefix(MAGIC).ok_or((0, DecodeError::Damaged("it does not begin with QHIST")))?;
    let (passed, result) = reading.events(events);
    let begins = MAGIC.len() + passed;
    match result {
        Ok(()) => Ok(reading.finish()),
        Err(DecodeError::Ends) => reading.broken_off(begins),
        Err(error) => Err((begins, error)),
    }
}

/// A history that is read piece by piece.
#[derive(Debug, Default)]
pub(super) struct Reading {
    builder: Builder,
    state: State,
    names: Vec<Function>,
}

impl Reading {
    /// Takes up as many whole events as stand at the beginning of these bytes, and says how many bytes that were.
    /// [`DecodeError::Ends`] if the bytes end within one: nothing of it was taken up but values.
    pub(super) fn events(&mut self, bytes: &[u8]) -> (usize, Result<(), DecodeError>) {
        let mut decoder = Decoder { bytes, at: 0, state: self.state, names: std::mem::take(&mut self.names) };
        let mut passed = 0;
        let mut result = Ok(());
        while decoder.at < bytes.len() && result.is_ok() {
            let names = decoder.names.len();
            result = decoder.event(&mut self.builder);
            if result.is_ok() {
                (passed, self.state) = (decoder.at, decoder.state);
            } else {
                decoder.names.truncate(names);
            }
        }
        self.names = decoder.names;
        (passed, result)
    }

    /// The history, without its last event, which is broken off and begins at this byte of the file.
    pub(super) fn broken_off(mut self, begins: usize) -> Result<Recorded, (usize, DecodeError)> {
        if self.builder.is_empty() {
            return Err((begins, DecodeError::Ends));
        }
        self.builder.warn(format!(
            "byte {begins}: the last event is broken off, and was not read: the file was cut short"
        ));
        Ok(self.finish())
    }

    pub(super) fn finish(self) -> Recorded {
        self.builder.finish()
    }
}

struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    state: State,
    names: Vec<Function>,
}

impl<'a> Decoder<'a> {
    #[inline]
    fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.at).ok_or(DecodeError::Ends)?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, DecodeError> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            if shift > 63 {
                return Err(DecodeError::Damaged("a number has more than 64 bits"));
            }
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], DecodeError> {
        let len = usize::try_from(len).map_err(|_| DecodeError::Ends)?;
        let end = self.at.checked_add(len).ok_or(DecodeError::Ends)?;
        let taken = self.bytes.get(self.at..end).ok_or(DecodeError::Ends)?;
        self.at = end;
        Ok(taken)
    }

    fn event(&mut self, builder: &mut Builder) -> Result<(), DecodeError> {
        let head = self.byte()?;
        let process = self.process(builder.values())?;
        let more = if head & 128 > 0 { self.byte()? } else { 0 };
        let skipped = if more & 1 > 0 { self.varint()? } else { 0 };
        let (kind, is_lone) = (head & 3, more & 8 > 0);
        let begins = kind == 0 || is_lone;
        if head & 4 > 0 {
            self.state.function = self.function(builder)?;
        }
        let function =
            usize::try_from(self.state.function).ok().and_then(|number| self.names.get(number).copied());
        let mut time = Operation::NO_TIME;
        if head & 64 > 0 {
            let difference = self.varint()?;
            let was = self.state.time;
            self.state.time = if more & 16 > 0 {
                was.wrapping_sub_unsigned(difference)
            } else {
                was.wrapping_add_unsigned(difference)
            };
            time = self.state.time;
        }
        let [mut key, mut value, mut node] = [Datum::NIL; 3];
        for (says, datum) in [(head & 8, &mut key), (head & 16, &mut value), (more & 2, &mut node)] {
            if says > 0 {
                *datum = self.value(builder.values(), 0)?;
            }
        }
        if head & 32 > 0 {
            value = match process {
                Process::Client(process) if !begins => builder.input_of(process).unwrap_or(Datum::NIL),
                _ => builder.values().int(self.state.written.wrapping_add(1)),
            };
        }
        if begins && let Some(number) = builder.values().as_int(value) {
            self.state.written = number;
        }
        let kind = match kind {
            0 => EventKind::Invoke,
            1 => EventKind::Complete(Outcome::Ok),
            2 => EventKind::Complete(Outcome::Fail),
            _ => EventKind::Complete(Outcome::Info),
        };
        let index = self
            .state
            .next_index
            .checked_add(skipped)
            .ok_or(DecodeError::Damaged("an index has more than 64 bits"))?;
        let event = RawEvent {
            kind,
            process,
            function: function.filter(|_| begins),
            index: Some(index),
            time,
            key,
            value,
            node,
            is_final: more & 4 > 0,
        };
        if is_lone {
            let EventKind::Complete(outcome) = kind else {
                return Err(DecodeError::Damaged("an invocation without a completion is called complete"));
            };
            builder.lone_event(&event, outcome)?;
        } else {
            builder.event(&event)?;
        }
        self.state.next_index = index + 1;
        Ok(())
    }

    fn process(&mut self, values: &mut Values) -> Result<Process, DecodeError> {
        let number = self.varint()?;
        if number == 1 {
            return Ok(Process::named(self.value(values, 0)?));
        }
        i32::try_from(number >> 1)
            .ok()
            .and_then(|number| u32::try_from(number).ok())
            .map(Process::Client)
            .ok_or(DecodeError::Damaged("a process has a number above 2^31"))
    }

    fn function(&mut self, builder: &mut Builder) -> Result<u64, DecodeError> {
        let number = self.varint()?;
        if number == self.names.len() as u64 {
            let len = self.varint()?;
            let name = self.take(len)?;
            self.names.push(builder.function(name)?);
        } else if number > self.names.len() as u64 {
            return Err(DecodeError::Damaged("a function has a number that was not given"));
        }
        Ok(number)
    }

    fn value(&mut self, values: &mut Values, depth: usize) -> Result<Datum, DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::Damaged("collections are nested deeper than 64"));
        }
        let tag = self.byte()?;
        Ok(match tag {
            0 => Datum::NIL,
            1 => Datum::bool(false),
            2 => Datum::TRUE,
            3 => {
                let number = unzigzag(self.varint()?);
                values.int(number)
            }
            4 => {
                let len = self.varint()?;
                let text = std::str::from_utf8(self.take(len)?);
                values.text(text.map_err(|_| DecodeError::Damaged("a text is not UTF-8"))?)
            }
            5..=7 => {
                let count = self.varint()?;
                // An item is a byte at least: a count beyond the bytes is damage, and must not be made room for.
                if count > (self.bytes.len() - self.at) as u64 {
                    return Err(DecodeError::Ends);
                }
                let mut items = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
                for _ in 0..count {
                    items.push(self.value(values, depth + 1)?);
                }
                match tag {
                    5 => values.list(&items),
                    6 => values.set(&mut items),
                    _ => values.map(items.as_chunks_mut::<2>().0),
                }
            }
            8..40 => Datum::small(i32::from(tag - 8) << 8 | i32::from(self.byte()?)),
            40..FIRST_SMALL => {
                let [high, low] = [self.byte()?, self.byte()?].map(i32::from);
                Datum::small(i32::from(tag - 40) << 16 | high << 8 | low)
            }
            FIRST_SMALL.. => Datum::small(i32::from(tag - FIRST_SMALL)),
        })
    }
}
