//! Lines of Jepsen's own log, `INFO  jepsen.util - <process>\t:<type>\t:<f>\t<value>`: what is left of old runs.
//!
//! Their order is their time. A read that timed out tells nothing, and is passed over. Other lines are of no concern.

use super::{
    super::{Builder, Datum, EventKind, Outcome, Process},
    cursor::{Cursor, Step, Stop},
    edn::Edn,
    fields::{Fields, Kind},
    syntax::{Found, ReadOptions, Syntax},
};

#[derive(Debug, Default)]
pub(super) struct Log {
    /// Values are written in EDN.
    edn: Edn,
}

const MARK: &[u8] = b"jepsen.util";
/// No line of a log is longer.
const MAX_LINE: usize = 16 << 20;

/// The process, the type, the function and the value of a line, if it is about an operation.
fn parts(line: &[u8]) -> Option<[&[u8]; 4]> {
    let mark = line.windows(MARK.len()).position(|window| window == MARK)?;
    let after = line[mark + MARK.len()..].trim_ascii_start();
    let after = after.strip_prefix(b"-").or_else(|| after.strip_prefix(b":")).unwrap_or(after);
    let mut rest = after.trim_ascii();
    let mut word = || {
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        let word = &rest[..end];
        rest = rest[end..].trim_ascii_start();
        word
    };
    let [process, kind, function] = [word(), word(), word()];
    Some([process, kind.strip_prefix(b":")?, function.strip_prefix(b":")?, rest])
}

impl Log {
    fn line(
        &mut self,
        line: &[u8],
        begins: usize,
        builder: &mut Builder,
        options: ReadOptions,
        fields: &mut Fields,
    ) -> Step<Option<Found>> {
        let Some([process, kind, function, value]) = parts(line) else { return Ok(None) };
        let Some(kind @ Kind::Event(event)) = Kind::of(kind) else { return Ok(None) };
        let number = Cursor::integer(process);
        let process =
            number.map_or(Process::Other, |number| Fields::process_numbered(number, builder.values()));
        let wrong = |expected: String| Stop::wrong(begins, expected);
        *fields = Fields { kind: Some(kind), process, ..Fields::default() };
        fields.function = Some(builder.function(function).map_err(|misfit| wrong(misfit.to_string()))?);
        let Process::Client(process) = process else { return Ok(Some(Found::Event { begins })) };
        if value == b":timed-out" {
            // The one is known to have had no effect. The other stays open for ever.
            return Ok(match event {
                EventKind::Complete(Outcome::Fail) => Some(Found::Retracted(process)),
                _ => {
                    fields.value = Datum::NIL;
                    Some(Found::Event { begins })
                }
            });
        }
        let (key, value) =
            self.edn.lone_value(value, builder.values(), options).map_err(|stop| match stop {
                Stop::Incomplete => wrong("a whole value at the end of the line is expected".to_owned()),
                Stop::Wrong(inner) => wrong(inner.expected),
            })?;
        (fields.key, fields.value) = (key, value);
        if event == EventKind::Complete(Outcome::Fail) && function == b"cas" {
            // In this log a failed cas did run, and found another value: that is a result.
            fields.kind = Some(Kind::Event(EventKind::Complete(Outcome::Ok)));
            fields.value = Datum::bool(false);
        }
        Ok(Some(Found::Event { begins }))
    }
}

impl Syntax for Log {
    fn next(
        &mut self,
        cursor: &mut Cursor<'_>,
        builder: &mut Builder,
        options: ReadOptions,
        fields: &mut Fields,
    ) -> Step<Found> {
        if cursor.is_last && cursor.at == cursor.bytes.len() {
            return Ok(Found::End { whole: true });
        }
        let begins = cursor.at;
        let line = match cursor.line() {
            Err(Stop::Incomplete) if cursor.bytes.len() - begins > MAX_LINE => {
                return cursor.wrong("a log is expected, and no line of a log is longer than 16 MiB");
            }
            line => line?,
        };
        cursor.advance(usize::from(cursor.at < cursor.bytes.len()));
        let found = self.line(line, begins, builder, options, fields)?;
        Ok(found.unwrap_or(Found::Punctuation))
    }

    fn restart(&mut self) {
        self.edn.restart();
    }
}
