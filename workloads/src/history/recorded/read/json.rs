//! JSON: one array of events as elle-cli reads it, one event a line, or quarrel's own history.

use super::{
    super::{Builder, Datum, Function, Operation, Process, Values},
    cursor::{Cursor, MAX_DEPTH, Step, Stop},
    fields::{Fields, KINDS, Kind},
    syntax::{Found, ReadOptions, Syntax},
};
use crate::history::FORMAT_VERSION;

#[derive(Debug, Default)]
pub(super) struct Json {
    /// Whether the events stand in one array, and how far that has come.
    array: Array,
    stack: Vec<Datum>,
    unescaped: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Array {
    /// Events stand one after the other.
    #[default]
    None,
    /// The opening bracket was read.
    Opened,
    /// An event was read: a comma or the end comes next.
    AfterEvent,
    /// A comma was read: an event comes next.
    AfterComma,
    Closed,
}

#[inline]
fn blank(cursor: &mut Cursor<'_>) -> Step<u8> {
    loop {
        match cursor.peek()? {
            b' ' | b'\n' | b'\t' | b'\r' => cursor.advance(1),
            byte => return Ok(byte),
        }
    }
}

#[inline]
fn expect(cursor: &mut Cursor<'_>, byte: u8, what: &str) -> Step<()> {
    if blank(cursor)? == byte {
        cursor.advance(1);
        return Ok(());
    }
    cursor.wrong(format!("{what} is expected"))
}

/// A number or a word.
#[inline]
fn atom<'a>(cursor: &mut Cursor<'a>) -> Step<&'a [u8]> {
    cursor.run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))
}

/// A string, or a number as it stands.
fn name<'a>(cursor: &mut Cursor<'a>) -> Step<&'a [u8]> {
    match blank(cursor)? {
        b'"' => cursor.quoted(),
        _ => cursor.wrong("a string is expected"),
    }
}

/// Passes over one value. Only strings and brackets are looked at.
fn skip(cursor: &mut Cursor<'_>) -> Step<()> {
    let mut depth = 0_usize;
    loop {
        match cursor.peek()? {
            b'"' => {
                cursor.quoted()?;
            }
            b'[' | b'{' => {
                depth += 1;
                cursor.advance(1);
                continue;
            }
            b']' | b'}' if depth > 0 => {
                depth -= 1;
                cursor.advance(1);
            }
            b' ' | b'\n' | b'\t' | b'\r' => {
                cursor.advance(1);
                continue;
            }
            b',' | b':' if depth > 0 => {
                cursor.advance(1);
                continue;
            }
            _ => {
                if atom(cursor)?.is_empty() {
                    return cursor.wrong("a value is expected");
                }
            }
        }
        if depth == 0 {
            return Ok(());
        }
    }
}

/// What comes after an item: whether the collection goes on.
#[inline]
fn goes_on(cursor: &mut Cursor<'_>, closing: u8) -> Step<bool> {
    match blank(cursor)? {
        b',' => {
            cursor.advance(1);
            Ok(true)
        }
        byte if byte == closing => {
            cursor.advance(1);
            Ok(false)
        }
        _ => cursor.wrong(format!("`,` or `{}` is expected", char::from(closing))),
    }
}

/// Whether the collection whose opening bracket is here is empty; moves behind what shows it.
#[inline]
fn is_empty(cursor: &mut Cursor<'_>, closing: u8) -> Step<bool> {
    cursor.advance(1);
    let empty = blank(cursor)? == closing;
    cursor.advance(usize::from(empty));
    Ok(empty)
}

impl Json {
    fn value(&mut self, cursor: &mut Cursor<'_>, values: &mut Values, depth: usize) -> Step<Datum> {
        if depth > MAX_DEPTH {
            return cursor.wrong(format!("at most {MAX_DEPTH} nested arrays and objects are expected"));
        }
        match blank(cursor)? {
            b'"' => {
                let raw = cursor.quoted()?;
                Ok(values.text(cursor.text(raw, &mut self.unescaped)?))
            }
            b'[' => {
                let base = self.stack.len();
                self.items(cursor, values, depth)?;
                let datum = values.list(&self.stack[base..]);
                self.stack.truncate(base);
                Ok(datum)
            }
            b'{' => self.object(cursor, values, depth),
            _ => scalar(cursor, values),
        }
    }

    /// The items of an array, whose bracket is here, onto the stack.
    fn items(&mut self, cursor: &mut Cursor<'_>, values: &mut Values, depth: usize) -> Step<()> {
        if is_empty(cursor, b']')? {
            return Ok(());
        }
        loop {
            let item = self.value(cursor, values, depth + 1)?;
            self.stack.push(item);
            if !goes_on(cursor, b']')? {
                return Ok(());
            }
        }
    }

    /// An object is a map, and `{"$set": [..]}` is a set.
    fn object(&mut self, cursor: &mut Cursor<'_>, values: &mut Values, depth: usize) -> Step<Datum> {
        let base = self.stack.len();
        if !is_empty(cursor, b'}')? {
            loop {
                let raw = name(cursor)?;
                expect(cursor, b':', "`:`")?;
                if raw == b"$set" && self.stack.len() == base && blank(cursor)? == b'[' {
                    self.items(cursor, values, depth + 1)?;
                    expect(cursor, b'}', "`}` after the elements of a set")?;
                    let set = values.set(&mut self.stack[base..]);
                    self.stack.truncate(base);
                    return Ok(set);
                }
                // JSON has no other keys than strings: those that are numbers were numbers once.
                let key = match Cursor::integer(raw) {
                    Some(number) => values.int(number),
                    None => values.text(cursor.text(raw, &mut self.unescaped)?),
                };
                let value = self.value(cursor, values, depth + 1)?;
                self.stack.extend([key, value]);
                if !goes_on(cursor, b'}')? {
                    break;
                }
            }
        }
        let datum = values.map(self.stack[base..].as_chunks_mut::<2>().0);
        self.stack.truncate(base);
        Ok(datum)
    }

    fn tuple(&mut self, cursor: &mut Cursor<'_>, values: &mut Values) -> Step<Option<(Datum, Datum)>> {
        let start = cursor.at;
        if blank(cursor)? == b'[' && !is_empty(cursor, b']')? {
            let key = self.value(cursor, values, 1)?;
            if goes_on(cursor, b']')? {
                let value = self.value(cursor, values, 1)?;
                if blank(cursor)? == b']' {
                    cursor.advance(1);
                    return Ok(Some((key, value)));
                }
            }
        }
        cursor.at = start;
        Ok(None)
    }

    fn event(
        &mut self,
        cursor: &mut Cursor<'_>,
        builder: &mut Builder,
        options: ReadOptions,
    ) -> Step<Fields> {
        let mut fields = Fields::default();
        if is_empty(cursor, b'}')? {
            return Ok(fields);
        }
        loop {
            let key = name(cursor)?;
            expect(cursor, b':', "`:`")?;
            blank(cursor)?;
            if !self.field(key, &mut fields, cursor, builder, options)? {
                self.own_field(key, &mut fields, cursor, builder)?;
            }
            if !goes_on(cursor, b'}')? {
                return Ok(fields);
            }
        }
    }

    /// A field that Jepsen's events have too; whether it was one.
    fn field(
        &mut self,
        key: &[u8],
        fields: &mut Fields,
        cursor: &mut Cursor<'_>,
        builder: &mut Builder,
        options: ReadOptions,
    ) -> Step<bool> {
        match key {
            b"type" => {
                let start = cursor.at;
                fields.kind = Kind::of(keyword(name(cursor)?));
                if fields.kind.is_none() {
                    cursor.at = start;
                    return cursor.wrong(KINDS);
                }
            }
            b"process" | b"client" => fields.process = process(cursor, builder)?,
            b"f" => {
                fields.function = if null(cursor)? {
                    None
                } else {
                    Some(function(keyword(name(cursor)?), cursor, builder)?)
                }
            }
            b"value" => {
                let at = cursor.at;
                if options.independent {
                    if let Some((key, value)) = self.tuple(cursor, builder.values())? {
                        (fields.key, fields.value) = (key, value);
                        return Ok(true);
                    }
                    fields.no_tuple = Some(at);
                }
                fields.value = self.value(cursor, builder.values(), 0)?;
                if fields.value.is_nil() {
                    fields.no_tuple = None;
                }
            }
            b"key" => fields.key = self.value(cursor, builder.values(), 0)?,
            b"node" | b"at" => fields.node = self.value(cursor, builder.values(), 0)?,
            b"index" => fields.index = number(cursor)?.and_then(|number| u64::try_from(number).ok()),
            b"time" | b"t" => fields.time = number(cursor)?.unwrap_or(Operation::NO_TIME),
            b"final?" | b"final" => fields.is_final = self.value(cursor, builder.values(), 0)? == Datum::TRUE,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A field of quarrel's own history, or one that is of no concern.
    fn own_field(
        &mut self,
        key: &[u8],
        fields: &mut Fields,
        cursor: &mut Cursor<'_>,
        builder: &mut Builder,
    ) -> Step<()> {
        match key {
            b"quarrel" => fields.kind = Some(Kind::Other),
            b"v" => {
                let before = *cursor;
                if number(cursor)?.is_some_and(|version| version > i64::from(FORMAT_VERSION)) {
                    *cursor = before;
                    return cursor
                        .wrong(format!("a history of format version {FORMAT_VERSION} or older is expected"));
                }
                return Ok(());
            }
            b"op" => return self.own_operation(fields, cursor, builder),
            b"replica" => {
                fields.replica = self.value(cursor, builder.values(), 0)?;
                return Ok(());
            }
            b"dot" => fields.has_dot = true,
            b"versions" if fields.kind == Some(Kind::Final) => {
                return self.siblings(fields, cursor, builder.values());
            }
            _ => {}
        }
        skip(cursor)
    }

    /// `"read"`, or an object of one field such as `{"put": "c3.17"}`.
    fn own_operation(
        &mut self,
        fields: &mut Fields,
        cursor: &mut Cursor<'_>,
        builder: &mut Builder,
    ) -> Step<()> {
        if blank(cursor)? == b'"' {
            fields.function = Some(function(cursor.quoted()?, cursor, builder)?);
            return Ok(());
        }
        expect(cursor, b'{', "an operation")?;
        let what = name(cursor)?;
        fields.function = Some(match what {
            b"put" => Function::WRITE,
            b"insert" => Function::ADD,
            other => function(other, cursor, builder)?,
        });
        expect(cursor, b':', "`:`")?;
        fields.value = self.value(cursor, builder.values(), 0)?;
        expect(cursor, b'}', "`}` after the operation")
    }

    fn siblings(&mut self, fields: &mut Fields, cursor: &mut Cursor<'_>, values: &mut Values) -> Step<()> {
        let versions = self.value(cursor, values, 0)?;
        let versions = values.as_items(versions).unwrap_or_default();
        fields.siblings =
            versions.iter().map(|&version| values.field(version, "value").unwrap_or(Datum::NIL)).collect();
        Ok(())
    }
}

/// `:read`, as some tools write keywords into JSON.
fn keyword(name: &[u8]) -> &[u8] {
    name.strip_prefix(b":").unwrap_or(name)
}

fn null(cursor: &mut Cursor<'_>) -> Step<bool> {
    if cursor.peek()? == b'n' {
        skip(cursor)?;
        return Ok(true);
    }
    Ok(false)
}

/// A number, or `None` for null.
fn number(cursor: &mut Cursor<'_>) -> Step<Option<i64>> {
    blank(cursor)?;
    let start = cursor.at;
    let lexeme = atom(cursor)?;
    if lexeme == b"null" {
        return Ok(None);
    }
    let whole = lexeme.split(|&byte| byte == b'.').next().unwrap_or_default();
    let number = Cursor::integer(whole);
    if number.is_none() {
        cursor.at = start;
        return cursor.wrong("a whole number of 64 bits is expected");
    }
    Ok(number)
}

fn process(cursor: &mut Cursor<'_>, builder: &mut Builder) -> Step<Process> {
    if blank(cursor)? == b'"' {
        return Ok(Fields::process_named(keyword(cursor.quoted()?), builder.values()));
    }
    match number(cursor)? {
        Some(number) => Ok(Fields::process_numbered(number, builder.values())),
        None => Ok(Process::Other),
    }
}

fn function(name: &[u8], cursor: &Cursor<'_>, builder: &mut Builder) -> Step<Function> {
    builder.function(name).or_else(|misfit| cursor.wrong(misfit.to_string()))
}

fn scalar(cursor: &mut Cursor<'_>, values: &mut Values) -> Step<Datum> {
    let start = cursor.at;
    let lexeme = atom(cursor)?;
    match lexeme {
        b"null" => return Ok(Datum::NIL),
        b"true" => return Ok(Datum::TRUE),
        b"false" => return Ok(Datum::bool(false)),
        _ => {}
    }
    if let Some(number) = Cursor::integer(lexeme) {
        return Ok(values.int(number));
    }
    match std::str::from_utf8(lexeme) {
        Ok(text)
            if text.parse::<f64>().is_ok()
                && text.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) =>
        {
            Ok(values.text(text))
        }
        _ => {
            cursor.at = start;
            cursor.wrong("a value is expected")
        }
    }
}

impl Syntax for Json {
    fn next(&mut self, cursor: &mut Cursor<'_>, builder: &mut Builder, options: ReadOptions) -> Step<Found> {
        let byte = match blank(cursor) {
            Err(Stop::Incomplete) if cursor.is_last => {
                return Ok(Found::End { whole: matches!(self.array, Array::None | Array::Closed) });
            }
            other => other?,
        };
        let after = match (self.array, byte) {
            (Array::None | Array::Opened | Array::AfterComma, b'{') => {
                let begins = cursor.at;
                let fields = self.event(cursor, builder, options)?;
                if self.array != Array::None {
                    self.array = Array::AfterEvent;
                }
                return Ok(Found::Event { fields, begins });
            }
            (Array::None, b'[') => Array::Opened,
            (Array::Opened | Array::AfterEvent, b']') => Array::Closed,
            (Array::AfterEvent, b',') => Array::AfterComma,
            (Array::AfterEvent, _) => return cursor.wrong("`,` or `]` is expected after an event"),
            (Array::Closed, _) => return cursor.wrong("nothing more is expected after the end of the history's array"),
            _ => return cursor.wrong("an event is expected, an object such as {\"type\": \"invoke\", \"process\": 0, \"f\": \"read\"}"),
        };
        cursor.advance(1);
        self.array = after;
        Ok(Found::Punctuation)
    }

    fn restart(&mut self) {
        self.stack.clear();
    }
}
