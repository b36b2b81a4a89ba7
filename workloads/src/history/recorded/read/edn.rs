//! Jepsen's EDN: maps one after the other, or in one vector or list; sets, tags, comments, `#_` and metadata.

use super::{
    super::{Builder, Datum, Function, Operation, Process, Values},
    cursor::{Cursor, MAX_DEPTH, Step, Stop},
    fields::{Fields, KINDS, Kind},
    syntax::{Found, ReadOptions, Syntax},
};

#[derive(Debug, Default)]
pub(super) struct Edn {
    /// The bracket that closes the history, if it is one vector or list.
    closing: Option<u8>,
    closed: bool,
    /// Items of collections that are being read.
    stack: Vec<Datum>,
    unescaped: String,
}

const fn is_delimiter(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\n' | b'\t' | b'\r' | b',' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b';'
    )
}

/// Passes over white space, commas, comments and discarded forms.
#[inline]
fn blank(cursor: &mut Cursor<'_>) -> Step<u8> {
    loop {
        match cursor.peek()? {
            b' ' | b',' | b'\n' | b'\t' | b'\r' => cursor.advance(1),
            b';' => {
                cursor.line()?;
            }
            b'#' if cursor.bytes.get(cursor.at + 1) == Some(&b'_') => {
                cursor.advance(2);
                skip(cursor)?;
            }
            byte => return Ok(byte),
        }
    }
}

/// An atom: everything up to the next delimiter.
#[inline]
fn atom<'a>(cursor: &mut Cursor<'a>) -> Step<&'a [u8]> {
    cursor.run(|byte| !is_delimiter(byte))
}

/// A character such as `\a` or `\(`, whose backslash is here.
fn character<'a>(cursor: &mut Cursor<'a>) -> Step<&'a [u8]> {
    let start = cursor.at + 1;
    cursor.advance(2);
    atom(cursor)?;
    cursor.bytes.get(start..cursor.at).ok_or(Stop::Incomplete)
}

/// Passes over one form, whatever it holds. Discarded forms count with it: `#_ #_ a b` discards two.
fn skip(cursor: &mut Cursor<'_>) -> Step<()> {
    let mut depth = 0_usize;
    let mut wanted = 1_usize;
    loop {
        // By hand, and not by `blank`: a discard within a discard must not recurse.
        match cursor.peek()? {
            b' ' | b',' | b'\n' | b'\t' | b'\r' => {
                cursor.advance(1);
                continue;
            }
            b';' => {
                cursor.line()?;
                continue;
            }
            b'"' => {
                cursor.quoted()?;
            }
            b'\\' => {
                character(cursor)?;
            }
            b'[' | b'(' | b'{' => {
                cursor.advance(1);
                depth += 1;
                continue;
            }
            b']' | b')' | b'}' => {
                let Some(less) = depth.checked_sub(1) else {
                    return cursor.wrong("a value is expected before this bracket");
                };
                cursor.advance(1);
                depth = less;
            }
            b'#' => match cursor.bytes.get(cursor.at + 1) {
                None => return Err(Stop::Incomplete),
                Some(b'{' | b'"') => {
                    cursor.advance(1);
                    continue;
                }
                Some(b'_') => {
                    cursor.advance(2);
                    // Within brackets a discard makes no difference to where they close.
                    wanted += usize::from(depth == 0);
                    continue;
                }
                Some(_) => {
                    atom(cursor)?;
                    continue;
                }
            },
            b'^' => {
                cursor.advance(1);
                wanted += usize::from(depth == 0);
                continue;
            }
            _ => {
                atom(cursor)?;
            }
        }
        if depth == 0 {
            wanted -= 1;
            if wanted == 0 {
                return Ok(());
            }
        }
    }
}

/// A keyword's, symbol's or string's name as it stands.
fn name<'a>(cursor: &mut Cursor<'a>) -> Step<&'a [u8]> {
    match blank(cursor)? {
        b'"' => cursor.quoted(),
        b':' => {
            cursor.advance(1);
            atom(cursor)
        }
        b'[' | b']' | b'(' | b')' | b'{' | b'}' => cursor.wrong("a keyword such as :read is expected"),
        _ => atom(cursor),
    }
}

impl Edn {
    /// A value.
    fn value(&mut self, cursor: &mut Cursor<'_>, values: &mut Values, depth: usize) -> Step<Datum> {
        if depth > MAX_DEPTH {
            return cursor.wrong(format!("at most {MAX_DEPTH} nested collections are expected"));
        }
        loop {
            return match blank(cursor)? {
                b'"' => {
                    let raw = cursor.quoted()?;
                    Ok(values.text(cursor.text(raw, &mut self.unescaped)?))
                }
                b'[' => self.items(cursor, values, depth, b']', |values, items| values.list(items)),
                b'(' => self.items(cursor, values, depth, b')', |values, items| values.list(items)),
                b'{' => self.map(cursor, values, depth),
                b'#' => match cursor.bytes.get(cursor.at + 1) {
                    None => Err(Stop::Incomplete),
                    Some(b'{') => {
                        cursor.advance(1);
                        self.items(cursor, values, depth, b'}', |values, items| values.set(items))
                    }
                    Some(b'"') => {
                        cursor.advance(1);
                        continue;
                    }
                    Some(b'#') => plain(atom(cursor)?, cursor, values),
                    // A tag says how to read what follows; what follows is what matters.
                    Some(_) => {
                        atom(cursor)?;
                        continue;
                    }
                },
                b'^' => {
                    cursor.advance(1);
                    skip(cursor)?;
                    continue;
                }
                b'\\' => {
                    let character = character(cursor)?;
                    plain(character, cursor, values)
                }
                b']' | b')' | b'}' => cursor.wrong("a value is expected"),
                _ => {
                    let start = cursor.at;
                    let lexeme = atom(cursor)?;
                    if let [b':', keyword @ ..] = lexeme {
                        return plain(keyword, cursor, values);
                    }
                    if lexeme.is_empty() {
                        cursor.at = start;
                        return cursor.wrong("a value is expected");
                    }
                    scalar(lexeme, cursor, values)
                }
            };
        }
    }

    /// The rest of a collection whose opening bracket is here.
    fn items(
        &mut self,
        cursor: &mut Cursor<'_>,
        values: &mut Values,
        depth: usize,
        closing: u8,
        make: fn(&mut Values, &mut [Datum]) -> Datum,
    ) -> Step<Datum> {
        cursor.advance(1);
        let base = self.stack.len();
        while blank(cursor)? != closing {
            let item = self.value(cursor, values, depth + 1)?;
            self.stack.push(item);
        }
        cursor.advance(1);
        let datum = make(values, &mut self.stack[base..]);
        self.stack.truncate(base);
        Ok(datum)
    }

    fn map(&mut self, cursor: &mut Cursor<'_>, values: &mut Values, depth: usize) -> Step<Datum> {
        cursor.advance(1);
        let base = self.stack.len();
        while blank(cursor)? != b'}' {
            let key = self.value(cursor, values, depth + 1)?;
            if blank(cursor)? == b'}' {
                return cursor.wrong("a value for the last key of the map is expected");
            }
            let value = self.value(cursor, values, depth + 1)?;
            self.stack.extend([key, value]);
        }
        cursor.advance(1);
        let datum = values.map(self.stack[base..].as_chunks_mut::<2>().0);
        self.stack.truncate(base);
        Ok(datum)
    }

    /// The tuple of an independent key and its value, if that is what stands here.
    fn tuple(&mut self, cursor: &mut Cursor<'_>, values: &mut Values) -> Step<Option<(Datum, Datum)>> {
        let start = cursor.at;
        if blank(cursor)? == b'[' {
            cursor.advance(1);
            if blank(cursor)? != b']' {
                let key = self.value(cursor, values, 1)?;
                if blank(cursor)? != b']' {
                    let value = self.value(cursor, values, 1)?;
                    if blank(cursor)? == b']' {
                        cursor.advance(1);
                        return Ok(Some((key, value)));
                    }
                }
            }
        }
        cursor.at = start;
        Ok(None)
    }

    /// The key and the value of a text that holds nothing else.
    pub(super) fn lone_value(
        &mut self,
        text: &[u8],
        values: &mut Values,
        options: ReadOptions,
    ) -> Step<(Datum, Datum)> {
        let mut cursor = Cursor { bytes: text, at: 0, is_last: true, is_lone: true };
        let tuple = if options.independent { self.tuple(&mut cursor, values)? } else { None };
        match tuple {
            Some(tuple) => Ok(tuple),
            None => Ok((Datum::NIL, self.value(&mut cursor, values, 0)?)),
        }
    }

    fn event(
        &mut self,
        cursor: &mut Cursor<'_>,
        builder: &mut Builder,
        options: ReadOptions,
        fields: &mut Fields,
    ) -> Step<()> {
        *fields = Fields::default();
        cursor.advance(1);
        loop {
            match blank(cursor)? {
                b'}' => break,
                b':' | b'"' => {}
                _ => return cursor.wrong("a key of an event is expected, such as :type"),
            }
            let key = name(cursor)?;
            self.field(key, fields, cursor, builder, options)?;
        }
        cursor.advance(1);
        Ok(())
    }

    fn field(
        &mut self,
        key: &[u8],
        fields: &mut Fields,
        cursor: &mut Cursor<'_>,
        builder: &mut Builder,
        options: ReadOptions,
    ) -> Step<()> {
        match key {
            b"type" => {
                blank(cursor)?;
                let start = cursor.at;
                fields.kind = Kind::of(name(cursor)?);
                if fields.kind.is_none() {
                    cursor.at = start;
                    return cursor.wrong(KINDS);
                }
            }
            b"process" => fields.process = process(cursor, builder)?,
            b"f" => fields.function = function(name(cursor)?, cursor, builder)?,
            b"value" => {
                blank(cursor)?;
                let at = cursor.at;
                if options.independent {
                    if let Some((key, value)) = self.tuple(cursor, builder.values())? {
                        (fields.key, fields.value) = (key, value);
                        return Ok(());
                    }
                    fields.no_tuple = Some(at);
                }
                fields.value = self.value(cursor, builder.values(), 0)?;
                if fields.value.is_nil() {
                    fields.no_tuple = None;
                }
            }
            b"key" => fields.key = self.value(cursor, builder.values(), 0)?,
            b"node" => fields.node = self.value(cursor, builder.values(), 0)?,
            b"index" => fields.index = number(cursor)?.and_then(|number| u64::try_from(number).ok()),
            b"time" => fields.time = number(cursor)?.unwrap_or(Operation::NO_TIME),
            b"final?" | b"final" | b"final-read?" => {
                fields.is_final = self.value(cursor, builder.values(), 0)? == Datum::TRUE;
            }
            _ => {
                blank(cursor)?;
                skip(cursor)?;
            }
        }
        Ok(())
    }
}

/// A number, or `None` for nil.
fn number(cursor: &mut Cursor<'_>) -> Step<Option<i64>> {
    blank(cursor)?;
    let start = cursor.at;
    let lexeme = atom(cursor)?;
    if lexeme == b"nil" {
        return Ok(None);
    }
    // Times of some tools have a fraction: what is below a nanosecond is not looked at.
    let whole = lexeme.split(|&byte| byte == b'.').next().unwrap_or_default();
    let number = Cursor::integer(whole.strip_suffix(b"N").unwrap_or(whole));
    if number.is_none() {
        cursor.at = start;
        return cursor.wrong("a whole number of 64 bits is expected");
    }
    Ok(number)
}

fn process(cursor: &mut Cursor<'_>, builder: &mut Builder) -> Step<Process> {
    blank(cursor)?;
    let before = *cursor;
    match atom(cursor)? {
        [b':', name @ ..] => Ok(Fields::process_named(name, builder.values())),
        b"nil" => Ok(Process::Other),
        b"" => {
            *cursor = before;
            match cursor.peek()? {
                b'"' => Ok(Fields::process_named(cursor.quoted()?, builder.values())),
                _ => cursor.wrong("a process is expected: a number, or a name such as :nemesis"),
            }
        }
        lexeme => match Cursor::integer(lexeme) {
            Some(number) => Ok(Fields::process_numbered(number, builder.values())),
            None => {
                *cursor = before;
                cursor.wrong("a process is expected: a number, or a name such as :nemesis")
            }
        },
    }
}

fn function(name: &[u8], cursor: &Cursor<'_>, builder: &mut Builder) -> Step<Option<Function>> {
    if name == b"nil" {
        return Ok(None);
    }
    builder.function(name).map(Some).or_else(|misfit| cursor.wrong(misfit.to_string()))
}

/// A name or a character: a text.
fn plain(name: &[u8], cursor: &Cursor<'_>, values: &mut Values) -> Step<Datum> {
    match std::str::from_utf8(name) {
        Ok(name) => Ok(values.text(name)),
        Err(_) => cursor.wrong("text in UTF-8 is expected before this"),
    }
}

/// An atom that is no keyword.
fn scalar(lexeme: &[u8], cursor: &Cursor<'_>, values: &mut Values) -> Step<Datum> {
    match lexeme {
        b"nil" => return Ok(Datum::NIL),
        b"true" => return Ok(Datum::TRUE),
        b"false" => return Ok(Datum::bool(false)),
        _ => {}
    }
    match Cursor::integer(lexeme.strip_suffix(b"N").unwrap_or(lexeme)) {
        Some(number) => Ok(values.int(number)),
        None => plain(lexeme, cursor, values),
    }
}

impl Syntax for Edn {
    fn next(
        &mut self,
        cursor: &mut Cursor<'_>,
        builder: &mut Builder,
        options: ReadOptions,
        fields: &mut Fields,
    ) -> Step<Found> {
        loop {
            let byte = match blank(cursor) {
                Err(Stop::Incomplete) if cursor.is_last && cursor.at == cursor.bytes.len() => {
                    return Ok(Found::End { whole: self.closing.is_none() || self.closed });
                }
                other => other?,
            };
            if self.closed {
                return cursor.wrong("nothing more is expected after the end of the history's vector");
            }
            match byte {
                b'{' => {
                    let begins = cursor.at;
                    self.event(cursor, builder, options, fields)?;
                    return Ok(Found::Event { begins });
                }
                b'[' | b'(' if self.closing.is_none() => {
                    cursor.advance(1);
                    self.closing = Some(if byte == b'[' { b']' } else { b')' });
                    return Ok(Found::Punctuation);
                }
                _ if self.closing == Some(byte) => {
                    cursor.advance(1);
                    self.closed = true;
                    return Ok(Found::Punctuation);
                }
                b'#' if !matches!(cursor.bytes.get(cursor.at + 1), Some(b'{' | b'"' | b'#')) => {
                    atom(cursor)?;
                }
                b'^' => {
                    cursor.advance(1);
                    skip(cursor)?;
                }
                _ => {
                    return cursor
                        .wrong("an event is expected, a map such as {:type :invoke, :process 0, :f :read}");
                }
            }
        }
    }

    fn restart(&mut self) {
        self.stack.clear();
    }
}
