//! The fields of an event, in whatever syntax they stand, and what they make together.

use super::{
    super::{
        Builder, Datum, EventKind, FinalRead, Function, Misfit, Operation, Outcome, Process, RawEvent, Values,
    },
    cursor::{Cursor, Step, Stop},
};

/// What a line of a history is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An operation begins or ends.
    Event(EventKind),
    /// A replica's final content of one record.
    Final,
    /// A replica was read whole.
    FinalEnd,
    /// A session wrote what it made of siblings.
    Resolve,
    /// Something that is of no concern here: phases, faults.
    Other,
}

impl Kind {
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"invoke" => Self::Event(EventKind::Invoke),
            b"ok" => Self::Event(EventKind::Complete(Outcome::Ok)),
            b"fail" => Self::Event(EventKind::Complete(Outcome::Fail)),
            b"info" => Self::Event(EventKind::Complete(Outcome::Info)),
            b"final" => Self::Final,
            b"final-end" => Self::FinalEnd,
            b"resolve" => Self::Resolve,
            b"nemesis" | b"phase" | b"unread" | b"recorded" | b"end" => Self::Other,
            _ => return None,
        })
    }
}

pub(super) const KINDS: &str = "the type `invoke`, `ok`, `fail` or `info` is expected";

/// What an event has said so far.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub(super) kind: Option<Kind>,
    pub(super) process: Process,
    pub(super) function: Option<Function>,
    pub(super) index: Option<u64>,
    pub(super) time: i64,
    pub(super) key: Datum,
    pub(super) value: Datum,
    pub(super) node: Datum,
    pub(super) is_final: bool,
    /// A replica that was read in the end.
    pub(super) replica: Datum,
    /// The values of siblings.
    pub(super) siblings: Vec<Datum>,
    /// Where the system acknowledged it.
    pub(super) has_dot: bool,
    /// Where a value stands that should have been a tuple, and is not.
    pub(super) no_tuple: Option<usize>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            kind: None,
            // A history of one process may leave it out.
            process: Process::Client(0),
            function: None,
            index: None,
            time: Operation::NO_TIME,
            key: Datum::NIL,
            value: Datum::NIL,
            node: Datum::NIL,
            is_final: false,
            replica: Datum::NIL,
            siblings: Vec::new(),
            has_dot: false,
            no_tuple: None,
        }
    }
}

impl Fields {
    /// The process of this name.
    pub(super) fn process_named(name: &[u8], values: &mut Values) -> Process {
        if name == b"nemesis" || name == b"nil" {
            return Process::Other;
        }
        // `c3` is a client of ours, and `3` may be quoted in JSON.
        let digits = name.strip_prefix(b"c").unwrap_or(name);
        if let Some(number) = Cursor::integer(digits) {
            return Self::process_numbered(number, values);
        }
        Process::named(values.text(&String::from_utf8_lossy(name)))
    }

    /// The process of this number; negative ones are no clients.
    pub(super) fn process_numbered(number: i64, values: &mut Values) -> Process {
        match i32::try_from(number) {
            Ok(number) => u32::try_from(number).map_or(Process::Other, Process::Client),
            Err(_) if number < 0 => Process::Other,
            Err(_) => Process::named(values.text(&number.to_string())),
        }
    }

    /// Hands the event over. `at` is where it begins.
    pub(super) fn hand_over(&self, at: usize, builder: &mut Builder) -> Step<Result<(), Misfit>> {
        let Some(kind) = self.kind else {
            return Err(Stop::Wrong {
                at,
                expected: "an event with a `type` (invoke, ok, fail, info) is expected".to_owned(),
            });
        };
        if let (Some(at), Process::Client(_), Kind::Event(_)) = (self.no_tuple, self.process, kind) {
            let expected =
                "a tuple [key value] is expected, since the history was said to be of independent keys";
            return Err(Stop::Wrong { at, expected: expected.to_owned() });
        }
        match kind {
            Kind::Event(kind) => return Ok(builder.event(&self.event(kind))),
            Kind::Final => self.final_reads(builder),
            Kind::FinalEnd => builder.read_whole(self.replica),
            Kind::Resolve => {
                let outcome = if self.has_dot { Outcome::Ok } else { Outcome::Info };
                return Ok(builder.aside(&self.event(EventKind::Complete(outcome)), outcome));
            }
            Kind::Other => {}
        }
        let other = Process::Other;
        Ok(builder.event(&RawEvent { process: other, ..self.event(EventKind::Invoke) }))
    }

    const fn event(&self, kind: EventKind) -> RawEvent {
        RawEvent {
            kind,
            process: self.process,
            function: self.function,
            index: self.index,
            time: self.time,
            key: self.key,
            value: self.value,
            node: self.node,
            is_final: self.is_final,
        }
    }

    fn final_reads(&self, builder: &mut Builder) {
        let read = FinalRead { node: self.replica, key: self.key, value: self.value };
        if !self.value.is_nil() || self.siblings.len() < 2 {
            builder.final_read(read);
            return;
        }
        for &value in &self.siblings {
            builder.final_read(FinalRead { value, ..read });
        }
    }
}
