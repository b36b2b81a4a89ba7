//! A recorded history in the formats of others: EDN for Jepsen's tools, JSON for elle-cli.
//!
//! What was read from one format and written in another is the same history: operations, order, outcomes, values.

use super::{Datum, Function, Operation, Outcome, Recorded, View};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io::{self, Write},
};

/// The formats that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Jepsen's EDN, a map a line.
    Edn,
    /// One JSON array of objects.
    Json,
}

/// An event of an operation: its index, which operation, and whether it ends it.
type Moment = (u32, usize, bool);

/// Writes the history. With `independent`, values are tuples of key and value, as Jepsen's lifted workloads have them;
/// else the record stands beside, as `:key`.
///
/// # Errors
/// What `out` reports.
pub fn write(
    history: &Recorded,
    format: ExportFormat,
    independent: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let writer = Writer { history, is_json: format == ExportFormat::Json, independent };
    let mut line = String::new();
    if writer.is_json {
        out.write_all(b"[")?;
    }
    for (n, moment) in moments(history).into_iter().enumerate() {
        line.clear();
        if writer.is_json {
            line.push_str(if n == 0 { "\n" } else { ",\n" });
        }
        writer.event(&mut line, n, moment);
        if !writer.is_json {
            line.push('\n');
        }
        out.write_all(line.as_bytes())?;
    }
    if writer.is_json {
        out.write_all(b"\n]\n")?;
    }
    Ok(())
}

/// Makes operations of the final reads: one a node and record, marked as final, of processes that nobody else has.
/// Tools that know no final reads see them as reads after everything else.
pub fn finals_as_reads(history: &mut Recorded) {
    let finals = std::mem::take(&mut history.finals);
    let mut shown: BTreeMap<(Datum, Datum), Vec<Datum>> = BTreeMap::new();
    let keys: BTreeSet<Datum> = finals.iter().map(|read| read.key).collect();
    for node in std::mem::take(&mut history.read_whole) {
        shown.extend(keys.iter().map(|&key| ((node, key), Vec::new())));
    }
    for read in finals.into_iter().filter(|read| !read.value.is_nil()) {
        shown.entry((read.node, read.key)).or_default().push(read.value);
    }
    let ends = |op: &Operation| if op.completed == Operation::NEVER { op.invoked } else { op.completed };
    let mut index = history.operations.iter().map(|op| ends(op) + 1).max().unwrap_or(0);
    let first = history.operations.iter().map(|op| op.process + 1).max().unwrap_or(0);
    let mut processes: BTreeMap<Datum, u32> = BTreeMap::new();
    for ((node, key), mut values) in shown {
        let next = first + u32::try_from(processes.len()).unwrap_or(0);
        let output = match values.as_slice() {
            [] => Datum::NIL,
            &[value] => value,
            _ => history.values.set(&mut values),
        };
        history.operations.push(Operation {
            process: *processes.entry(node).or_insert(next),
            function: Function::READ,
            outcome: Outcome::Ok,
            is_final: true,
            invoked: index,
            completed: index + 1,
            invoke_time: Operation::NO_TIME,
            complete_time: Operation::NO_TIME,
            key,
            input: Datum::NIL,
            output,
        });
        history.set_node(history.operations.len() - 1, node);
        index += 2;
    }
}

/// All events, in the order of time.
fn moments(history: &Recorded) -> Vec<Moment> {
    let mut moments = Vec::with_capacity(history.operations.len() * 2);
    for (at, op) in history.operations.iter().enumerate() {
        if op.completed != op.invoked {
            moments.push((op.invoked, at, false));
        }
        if op.completed != Operation::NEVER {
            moments.push((op.completed, at, true));
        }
    }
    moments.sort_unstable();
    moments
}

struct Writer<'a> {
    history: &'a Recorded,
    is_json: bool,
    independent: bool,
}

impl Writer<'_> {
    fn event(&self, line: &mut String, index: usize, (_, at, ends): Moment) {
        let op = &self.history.operations[at];
        let (kind, value, time) = match (ends, op.outcome) {
            (false, _) => ("invoke", op.input, op.invoke_time),
            // Acknowledged writes say again what they wrote.
            (true, Outcome::Ok) if op.output.is_nil() => ("ok", op.input, op.complete_time),
            (true, Outcome::Ok) => ("ok", op.output, op.complete_time),
            (true, Outcome::Fail) => ("fail", op.input, op.complete_time),
            (true, Outcome::Info) => ("info", op.input, op.complete_time),
        };
        line.push('{');
        self.field(line, "index", |writer, line| writer.number(line, index as u64));
        if time != Operation::NO_TIME {
            self.field(line, "time", |writer, line| writer.number(line, u64::try_from(time).unwrap_or(0)));
        }
        self.field(line, "type", |writer, line| writer.name(line, kind));
        self.field(line, "process", |writer, line| {
            let name = writer.history.process_name(op.process);
            if name.bytes().all(|byte| byte.is_ascii_digit()) {
                line.push_str(&name)
            } else {
                writer.text(line, &name)
            }
        });
        self.field(line, "f", |writer, line| writer.name(line, self.history.function_name(op.function)));
        if self.independent && !op.key.is_nil() {
            self.field(line, "value", |writer, line| writer.sequence(line, &[op.key, value], ["[", "]"]));
        } else {
            if !op.key.is_nil() {
                self.field(line, "key", |writer, line| writer.value(line, op.key));
            }
            self.field(line, "value", |writer, line| writer.value(line, value));
        }
        let node = self.history.node(at);
        if !node.is_nil() {
            self.field(line, "node", |writer, line| writer.value(line, node));
        }
        if op.is_final {
            self.field(line, "final?", |_, line| line.push_str("true"));
        }
        line.push('}');
    }

    fn field(&self, line: &mut String, name: &str, value: impl FnOnce(&Self, &mut String)) {
        if !line.ends_with('{') {
            line.push_str(if self.is_json { "," } else { ", " });
        }
        self.name(line, name);
        line.push(if self.is_json { ':' } else { ' ' });
        value(self, line);
    }

    #[expect(clippy::unused_self, reason = "beside its siblings")]
    fn number(&self, line: &mut String, number: u64) {
        // Writing to a string cannot fail.
        let _ = write!(line, "{number}");
    }

    /// A keyword where there are such.
    fn name(&self, line: &mut String, name: &str) {
        if self.is_json || !is_keyword(name) {
            return self.text(line, name);
        }
        line.push(':');
        line.push_str(name);
    }

    #[expect(clippy::unused_self, reason = "beside its siblings")]
    fn text(&self, line: &mut String, text: &str) {
        line.push('"');
        for character in text.chars() {
            match character {
                '"' => line.push_str("\\\""),
                '\\' => line.push_str("\\\\"),
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\t' => line.push_str("\\t"),
                other if other < ' ' => {
                    let _ = write!(line, "\\u{:04x}", u32::from(other));
                }
                other => line.push(other),
            }
        }
        line.push('"');
    }

    fn value(&self, line: &mut String, datum: Datum) {
        match self.history.values.view(datum) {
            View::Nil => line.push_str(if self.is_json { "null" } else { "nil" }),
            View::Bool(value) => line.push_str(if value { "true" } else { "false" }),
            View::Int(number) => {
                let _ = write!(line, "{number}");
            }
            View::Text(text) => self.text(line, text),
            View::List(items) => self.list(line, items),
            View::Set(items) if self.is_json => {
                self.sequence(line, items, ["{\"$set\":[", "]}"]);
            }
            View::Set(items) => self.sequence(line, items, ["#{", "}"]),
            View::Map(_) => {
                line.push('{');
                for (n, (key, value)) in self.history.values.entries(datum).enumerate() {
                    line.push_str(if n == 0 { "" } else { "," });
                    match self.history.values.view(key) {
                        View::Text(text) => self.text(line, text),
                        _ if self.is_json => self.text(line, &self.history.values.show(key).to_string()),
                        _ => self.value(line, key),
                    }
                    line.push(if self.is_json { ':' } else { ' ' });
                    self.value(line, value);
                }
                line.push('}');
            }
        }
    }

    /// A list; in EDN, the first item of a micro-operation is a keyword.
    fn list(&self, line: &mut String, items: &[Datum]) {
        let values = &self.history.values;
        let micro = match items {
            [f, key, value] if !self.is_json => {
                values.as_text(*f).filter(|f| is_micro(f)).map(|f| (f, [*key, *value]))
            }
            _ => None,
        };
        match micro {
            Some((f, rest)) => {
                line.push('[');
                self.name(line, f);
                line.push(' ');
                self.sequence(line, &rest, ["", "]"]);
            }
            None => self.sequence(line, items, ["[", "]"]),
        }
    }

    fn sequence(&self, line: &mut String, items: &[Datum], ends: [&str; 2]) {
        line.push_str(ends[0]);
        for (n, &item) in items.iter().enumerate() {
            line.push_str(match (n, self.is_json) {
                (0, _) => "",
                (_, true) => ",",
                (_, false) => " ",
            });
            self.value(line, item);
        }
        line.push_str(ends[1]);
    }
}

/// What transactions are made of.
fn is_micro(f: &str) -> bool {
    matches!(f, "r" | "w" | "append" | "read" | "write")
}

/// Whether EDN's readers take it as a keyword.
fn is_keyword(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'?' | b'!' | b'.'))
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
}
