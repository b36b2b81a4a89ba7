//! Recorded histories of any origin, whole in memory: what the stand-alone checkers judge.
//!
//! A live run is judged event by event, and by the scenario that its header tells. A recorded history may come from
//! Jepsen, Maelstrom or a log, and tells nothing but operations: who asked for what, when, and what came of it. All
//! formats are read into this one type; a checker knows none of them. 56 bytes an operation, and values that are
//! eight bytes each ([`Datum`]).

mod binary;
mod build;
mod datum;
mod hash;
mod intern;
mod read;
mod write;

use binary::Reading;
pub use binary::{DecodeError, MAGIC, read_binary, write_binary};
pub use build::{Builder, EventKind, Misfit, Process, RawEvent};
pub use datum::{Datum, Show, Values, View};
pub use hash::{DatumMap, WordHasher};
pub(crate) use intern::{Index, finish, mix};
pub use read::{Format, Position, ReadError, ReadOptions, locate, read};
pub use write::{ExportFormat, finals_as_reads, write};

use std::fmt;

/// A whole history.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Operations of clients, in the order of their invocations.
    pub operations: Vec<Operation>,
    /// What the values of the operations stand for.
    pub values: Values,
    /// What replicas held in the end, if the history tells it apart from operations.
    pub finals: Vec<FinalRead>,
    /// Replicas of which all was told: records without a final read do not exist there.
    pub read_whole: Vec<Datum>,
    /// What was odd, yet no reason to refuse the history, a sentence each.
    pub warnings: Vec<String>,
    /// Whether the history has completions only: what overlapped what is then unknown, and operations stand in the
    /// order in which they were written down.
    pub bare: bool,
    functions: Functions,
    /// The nodes of the first operations, as far as any is told: most histories tell none, and then this is empty.
    nodes: Vec<Datum>,
}

/// An operation of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Who asked. A process has one operation open at a time, and is a session.
    pub process: u32,
    /// What was asked for, such as `read`.
    pub function: Function,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether the history calls it a final read.
    pub is_final: bool,
    /// The index of the event that began it: as the history numbers its events, or else counted from 0. Indices are
    /// the order of real time.
    pub invoked: u32,
    /// The index of the event that completed it, or [`Operation::NEVER`]. An operation of unknown outcome has no end
    /// in real time, even where an event says that it is unknown: see [`Operation::returned`].
    pub completed: u32,
    /// When it began, nanoseconds since some start, or [`Operation::NO_TIME`].
    pub invoke_time: i64,
    /// When it completed, in the same way.
    pub complete_time: i64,
    /// The record, where operations name one apart from their value (`key` fields and independent tuples); else nil.
    pub key: Datum,
    /// The value that it was invoked with.
    pub input: Datum,
    /// The value that it completed with.
    pub output: Datum,
}

impl Operation {
    /// The index of an event that never came.
    pub const NEVER: u32 = u32::MAX;
    /// The time of an event that has none.
    pub const NO_TIME: i64 = i64::MIN;

    /// Whether it happened, by its acknowledgement.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        matches!(self.outcome, Outcome::Ok)
    }

    /// Whether it may have happened: acknowledged, or unknown.
    #[must_use]
    pub const fn may_have_happened(&self) -> bool {
        !matches!(self.outcome, Outcome::Fail)
    }

    /// The index after which it can no longer take effect: its completion, or [`Operation::NEVER`] if its outcome is
    /// unknown.
    #[must_use]
    pub const fn returned(&self) -> u32 {
        if matches!(self.outcome, Outcome::Info) { Self::NEVER } else { self.completed }
    }

    /// From invocation to completion, nanoseconds, if both times are known.
    #[must_use]
    pub fn latency_ns(&self) -> Option<i64> {
        let known = self.invoke_time != Self::NO_TIME && self.complete_time != Self::NO_TIME;
        known.then(|| self.complete_time.saturating_sub(self.invoke_time))
    }
}

/// What came of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It did not happen, and never will.
    Fail,
    /// It may or may not have happened, and may still happen.
    Info,
}

/// What one replica held of one record in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinalRead {
    /// The replica, a text.
    pub node: Datum,
    /// The record; nil where operations name none.
    pub key: Datum,
    /// What it showed; nil for nothing.
    pub value: Datum,
}

/// What an operation asks for: its `:f`. Those that checkers know have names here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Function(u16);

macro_rules! functions {
    ($($constant:ident $name:literal)*) => {
        /// Names for what checkers know.
        impl Function {
            $(#[doc = concat!("`", $name, "`")] pub const $constant: Self = Self(Known::$constant as u16);)*
        }
        #[expect(clippy::upper_case_acronyms, reason = "they count constants, and nothing else")]
        enum Known { $($constant),* }
        const KNOWN: &[&str] = &[$($name),*];
    };
}

functions! {
    NONE "" READ "read" WRITE "write" CAS "cas" TXN "txn" ADD "add" REMOVE "remove" APPEND "append" GET "get" PUT "put"
    DELETE "delete" ENQUEUE "enqueue" DEQUEUE "dequeue" DRAIN "drain" GENERATE "generate" TRANSFER "transfer"
    BROADCAST "broadcast" ACQUIRE "acquire" RELEASE "release" R "r" W "w"
}

/// The names of functions: the known ones, then those that the history brings.
#[derive(Debug, Clone, Default)]
struct Functions {
    others: Vec<String>,
}

impl Functions {
    fn intern(&mut self, name: &[u8]) -> Option<Function> {
        let number = match KNOWN.iter().position(|known| known.as_bytes() == name) {
            Some(known) => known,
            None => {
                let at = self.others.iter().position(|other| other.as_bytes() == name);
                KNOWN.len()
                    + at.unwrap_or_else(|| {
                        self.others.push(String::from_utf8_lossy(name).into_owned());
                        self.others.len() - 1
                    })
            }
        };
        u16::try_from(number).ok().map(Function)
    }

    fn name(&self, function: Function) -> &str {
        let number = usize::from(function.0);
        KNOWN.get(number).copied().unwrap_or_else(|| self.others.get(number - KNOWN.len()).map_or("", |s| s))
    }
}

impl Recorded {
    /// The name of a function, as the history spells it.
    #[must_use]
    pub fn function_name(&self, function: Function) -> &str {
        self.functions.name(function)
    }

    /// The node that an operation was sent to, a text; nil if the history does not tell.
    #[must_use]
    pub fn node(&self, operation: usize) -> Datum {
        self.nodes.get(operation).copied().unwrap_or(Datum::NIL)
    }

    fn set_node(&mut self, operation: usize, node: Datum) {
        if node.is_nil() {
            return;
        }
        if self.nodes.len() <= operation {
            self.nodes.resize(operation + 1, Datum::NIL);
        }
        self.nodes[operation] = node;
    }

    /// A process in words: its number, or the name that the history gives it.
    #[must_use]
    pub fn process_name(&self, process: u32) -> String {
        match Process::name_of(process) {
            Some(name) => self.values.show(name).to_string(),
            None => process.to_string(),
        }
    }

    /// An operation in words, for witnesses: `17: process 3 read x -> 5`.
    #[must_use]
    pub const fn show(&self, operation: usize) -> ShowOperation<'_> {
        ShowOperation { history: self, operation }
    }
}

/// An operation that can be written; see [`Recorded::show`].
#[derive(Debug, Clone, Copy)]
pub struct ShowOperation<'a> {
    history: &'a Recorded,
    operation: usize,
}

impl fmt::Display for ShowOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 70;
        let Some(op) = self.history.operations.get(self.operation) else { return Ok(()) };
        let short = |datum: Datum| {
            let text = self.history.values.show(datum).to_string();
            match text.char_indices().nth(MOST) {
                Some((end, _)) => format!("{}...", &text[..end]),
                None => text,
            }
        };
        write!(
            f,
            "{}: process {} {}",
            op.invoked,
            self.history.process_name(op.process),
            self.history.function_name(op.function)
        )?;
        if !op.key.is_nil() {
            write!(f, " of {}", short(op.key))?;
        }
        if !op.input.is_nil() {
            write!(f, " {}", short(op.input))?;
        }
        match op.outcome {
            Outcome::Ok if op.input.is_nil() || op.output != op.input && !op.output.is_nil() => {
                write!(f, " -> {}", short(op.output))
            }
            Outcome::Ok => f.write_str(" -> ok"),
            Outcome::Fail => f.write_str(" -> failed"),
            Outcome::Info => f.write_str(" -> unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_56_bytes() {
        assert_eq!(size_of::<Operation>(), 56);
    }

    #[test]
    fn known_functions_have_their_names_and_others_get_theirs() {
        let mut functions = Functions::default();
        assert_eq!(functions.intern(b"read"), Some(Function::READ));
        assert_eq!(functions.intern(b"w"), Some(Function::W));
        let other = functions.intern(b"compare-and-swap").unwrap();
        assert_eq!(functions.intern(b"compare-and-swap"), Some(other));
        assert_eq!(functions.name(other), "compare-and-swap");
        assert_eq!(functions.name(Function::CAS), "cas");
    }
}
