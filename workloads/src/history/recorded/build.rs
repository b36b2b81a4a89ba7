//! How a recorded history grows, event by event: completions find their invocations, and what cannot be is refused.

use super::{Datum, FinalRead, Function, Operation, Outcome, Recorded, Values};
use std::collections::BTreeMap;

/// What an event says of its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It begins.
    Invoke,
    /// It is complete, with this outcome.
    Complete(Outcome),
}

/// Who an event is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// A client.
    Client(u32),
    /// Somebody else, such as the nemesis: the event counts, and is passed over.
    Other,
}

/// Processes from this number on are named by a text.
const NAMED: u32 = 1 << 31;

impl Process {
    /// A client that has a name, and no number.
    #[must_use]
    pub fn named(name: Datum) -> Self {
        name.text_id().filter(|&id| id < NAMED).map_or(Self::Other, |id| Self::Client(NAMED | id))
    }

    /// The name of a client that was made by [`Process::named`].
    pub(super) fn name_of(process: u32) -> Option<Datum> {
        (process >= NAMED).then(|| Datum::of_text_id(process & !NAMED))
    }
}

/// An event as a reader found it.
#[derive(Debug, Clone, Copy)]
pub struct RawEvent {
    /// What it says.
    pub kind: EventKind,
    /// Who it is of.
    pub process: Process,
    /// What was asked for; `None` if the event does not tell.
    pub function: Option<Function>,
    /// Its number, if the history numbers its events.
    pub index: Option<u64>,
    /// Nanoseconds since some start, or [`Operation::NO_TIME`].
    pub time: i64,
    /// The record, or nil.
    pub key: Datum,
    /// The value, or nil.
    pub value: Datum,
    /// The node, or nil.
    pub node: Datum,
    /// Whether it is marked as a final read.
    pub is_final: bool,
}

/// An event that cannot follow what came before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The process has nothing open.
    #[error(
        "process {process} completes an operation that it never invoked: an `invoke` of process {process} is expected before"
    )]
    NeverInvoked {
        /// Who.
        process: u32,
    },
    /// The process is busy.
    #[error(
        "process {process} invokes an operation while its last one (event {open}) is open: a process has one operation at a time, \
         so `ok`, `fail` or `info` is expected first"
    )]
    Busy {
        /// Who.
        process: u32,
        /// The index of the open invocation.
        open: u32,
    },
    /// The completion is of something else.
    #[error("process {process} completes `{found}`, and it had invoked `{expected}` (event {open})")]
    OtherFunction {
        /// Who.
        process: u32,
        /// What it completes.
        found: String,
        /// What it had invoked.
        expected: String,
        /// The index of the open invocation.
        open: u32,
    },
    /// Indices do not ascend.
    #[error("the index {found} {}: indices are expected to ascend, each used once", if .found == .last { "stands twice".to_owned() } else { format!("comes after {last}") })]
    Index {
        /// The index found.
        found: u64,
        /// The one before.
        last: u64,
    },
    /// More events than can be numbered.
    #[error("the index {0} is too large: at most 2^32 - 2 events can be judged at once")]
    TooMany(u64),
    /// More different functions than can be numbered.
    #[error("there are more than 60,000 different functions: is `f` what the operation asks for?")]
    TooManyFunctions,
}

/// Builds a [`Recorded`].
#[derive(Debug, Default)]
pub struct Builder {
    history: Recorded,
    /// The open operation of each process: small numbers by place, others by name.
    few: Vec<u32>,
    many: BTreeMap<u32, u32>,
    /// One above the last event's index.
    next: u64,
    /// The first event of a client was a completion: so are all.
    bare: Option<bool>,
}

/// No operation.
const NONE: u32 = u32::MAX;
/// Processes below this number are looked up by place. Jepsen gives a new number after each unknown outcome.
const FEW: u32 = 1 << 16;

impl Builder {
    /// Where the values of events are made.
    pub const fn values(&mut self) -> &mut Values {
        &mut self.history.values
    }

    /// The function of this name.
    ///
    /// # Errors
    /// [`Misfit::TooManyFunctions`].
    pub fn function(&mut self, name: &[u8]) -> Result<Function, Misfit> {
        self.history.functions.intern(name).ok_or(Misfit::TooManyFunctions)
    }

    /// Takes up what one replica held of one record in the end.
    pub fn final_read(&mut self, read: FinalRead) {
        self.history.finals.push(read);
    }

    /// A replica was read whole: records of which it has no final read do not exist there.
    pub fn read_whole(&mut self, node: Datum) {
        self.history.read_whole.push(node);
    }

    /// A write that a client made beside its open operation: a session that writes back what it made of siblings.
    ///
    /// # Errors
    /// [`Misfit`] if it cannot be numbered.
    pub fn aside(&mut self, event: &RawEvent, outcome: Outcome) -> Result<(), Misfit> {
        let index = self.number(event.index)?;
        if let Process::Client(process) = event.process {
            self.lone(&RawEvent { function: Some(Function::WRITE), ..*event }, process, index, outcome);
        }
        self.next = u64::from(index) + 1;
        Ok(())
    }

    /// The index of the last event.
    #[must_use]
    pub fn last_index(&self) -> u32 {
        u32::try_from(self.next.saturating_sub(1)).unwrap_or(Operation::NEVER)
    }

    /// Takes up an operation of which only the completion was written down.
    ///
    /// # Errors
    /// [`Misfit`] if it cannot be numbered.
    pub(super) fn lone_event(&mut self, event: &RawEvent, outcome: Outcome) -> Result<(), Misfit> {
        let index = self.number(event.index)?;
        if let Process::Client(process) = event.process {
            if self.history.operations.is_empty() {
                self.bare = Some(true);
            }
            self.lone(event, process, index, outcome);
        }
        self.next = u64::from(index) + 1;
        Ok(())
    }

    /// What the open operation of a process was invoked with.
    pub(super) fn input_of(&mut self, process: u32) -> Option<Datum> {
        let open = *self.open(process);
        self.history.operations.get(open as usize).map(|op| op.input)
    }

    /// Whether no event of a client was taken up.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.history.operations.is_empty()
    }

    /// Notes something odd.
    pub fn warn(&mut self, warning: String) {
        self.history.warnings.push(warning);
    }

    /// Takes up the next event.
    ///
    /// # Errors
    /// [`Misfit`] if it cannot follow what came before; then nothing was taken up.
    pub fn event(&mut self, event: &RawEvent) -> Result<(), Misfit> {
        let index = self.number(event.index)?;
        let Process::Client(process) = event.process else {
            self.next = u64::from(index) + 1;
            return Ok(());
        };
        match event.kind {
            EventKind::Invoke => self.invoke(event, process, index)?,
            EventKind::Complete(outcome) => self.complete(event, process, index, outcome)?,
        }
        self.next = u64::from(index) + 1;
        Ok(())
    }

    /// Removes the open operation of a process, which is known to have had no effect and to tell nothing: a read that
    /// timed out.
    ///
    /// # Errors
    /// [`Misfit::NeverInvoked`].
    pub fn retract(&mut self, process: u32) -> Result<(), Misfit> {
        let open = std::mem::replace(self.open(process), NONE);
        let index = self.number(None)?;
        let op = self.history.operations.get_mut(open as usize).ok_or(Misfit::NeverInvoked { process })?;
        (op.outcome, op.completed) = (Outcome::Fail, index);
        self.next += 1;
        Ok(())
    }

    /// The history, after the last event. What is still open stays open.
    #[must_use]
    pub fn finish(mut self) -> Recorded {
        self.history.bare = self.bare == Some(true);
        self.history
    }

    fn number(&self, index: Option<u64>) -> Result<u32, Misfit> {
        let index = match index {
            Some(found) if found < self.next => return Err(Misfit::Index { found, last: self.next - 1 }),
            Some(found) => found,
            None => self.next,
        };
        let number = u32::try_from(index).ok().filter(|&number| number != Operation::NEVER);
        number.ok_or(Misfit::TooMany(index))
    }

    fn open(&mut self, process: u32) -> &mut u32 {
        if process >= FEW {
            return self.many.entry(process).or_insert(NONE);
        }
        let place = process as usize;
        if place >= self.few.len() {
            self.few.resize(place + 1, NONE);
        }
        &mut self.few[place]
    }

    fn invoke(&mut self, event: &RawEvent, process: u32, index: u32) -> Result<(), Misfit> {
        if self.bare == Some(true) {
            // The completions before were no mode of their own: the first of them lacks its invocation.
            return Err(Misfit::NeverInvoked { process: self.history.operations[0].process });
        }
        self.bare = Some(false);
        let next =
            u32::try_from(self.history.operations.len()).map_err(|_| Misfit::TooMany(u64::from(index)))?;
        let open = self.open(process);
        if *open != NONE {
            let open = *open as usize;
            return Err(Misfit::Busy { process, open: self.history.operations[open].invoked });
        }
        *open = next;
        self.history.operations.push(Operation {
            process,
            function: event.function.unwrap_or(Function::NONE),
            outcome: Outcome::Info,
            is_final: event.is_final,
            invoked: index,
            completed: Operation::NEVER,
            invoke_time: event.time,
            complete_time: Operation::NO_TIME,
            key: event.key,
            input: event.value,
            output: Datum::NIL,
        });
        self.history.set_node(next as usize, event.node);
        Ok(())
    }

    fn complete(
        &mut self,
        event: &RawEvent,
        process: u32,
        index: u32,
        outcome: Outcome,
    ) -> Result<(), Misfit> {
        let open = std::mem::replace(self.open(process), NONE);
        let Some(op) = self.history.operations.get_mut(open as usize) else {
            if self.bare == Some(false) || self.bare.is_none() && !self.history.operations.is_empty() {
                return Err(Misfit::NeverInvoked { process });
            }
            self.bare = Some(true);
            self.lone(event, process, index, outcome);
            return Ok(());
        };
        if let Some(found) = event.function.filter(|&found| found != op.function) {
            return Err(Misfit::OtherFunction {
                process,
                open: op.invoked,
                found: self.history.functions.name(found).to_owned(),
                expected: self.history.functions.name(op.function).to_owned(),
            });
        }
        op.outcome = outcome;
        op.completed = index;
        op.complete_time = event.time;
        op.output = event.value;
        op.is_final |= event.is_final;
        if !event.key.is_nil() {
            op.key = event.key;
        }
        self.history.set_node(open as usize, event.node);
        Ok(())
    }

    /// An operation of which only the completion was written down.
    fn lone(&mut self, event: &RawEvent, process: u32, index: u32, outcome: Outcome) {
        let at = self.history.operations.len();
        self.history.operations.push(Operation {
            process,
            function: event.function.unwrap_or(Function::NONE),
            outcome,
            is_final: event.is_final,
            invoked: index,
            completed: index,
            invoke_time: event.time,
            complete_time: event.time,
            key: event.key,
            input: event.value,
            output: event.value,
        });
        self.history.set_node(at, event.node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, process: u32) -> RawEvent {
        RawEvent {
            kind,
            process: Process::Client(process),
            function: Some(Function::READ),
            index: None,
            time: Operation::NO_TIME,
            key: Datum::NIL,
            value: Datum::NIL,
            node: Datum::NIL,
            is_final: false,
        }
    }

    const INVOKE: EventKind = EventKind::Invoke;
    const OK: EventKind = EventKind::Complete(Outcome::Ok);
    const INFO: EventKind = EventKind::Complete(Outcome::Info);

    fn build(events: &[RawEvent]) -> Result<Recorded, Misfit> {
        let mut builder = Builder::default();
        for event in events {
            builder.event(event)?;
        }
        Ok(builder.finish())
    }

    #[test]
    fn a_completion_finds_the_invocation_of_its_process() {
        let history = build(&[event(INVOKE, 1), event(INVOKE, 100_000), event(OK, 1)]).unwrap();
        let ends: Vec<(u32, u32, Outcome)> =
            history.operations.iter().map(|op| (op.invoked, op.completed, op.outcome)).collect();
        assert_eq!(ends, [(0, 2, Outcome::Ok), (1, Operation::NEVER, Outcome::Info)]);
    }

    #[test]
    fn a_process_goes_on_after_an_unknown_outcome_and_the_operation_has_no_end() {
        let history = build(&[event(INVOKE, 1), event(INFO, 1), event(INVOKE, 1), event(OK, 1)]).unwrap();
        assert_eq!(history.operations[0].completed, 1);
        assert_eq!(history.operations[0].returned(), Operation::NEVER);
        assert_eq!(history.operations[1].returned(), 3);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let busy = build(&[event(INVOKE, 1), event(INVOKE, 1)]);
        assert_eq!(busy.unwrap_err(), Misfit::Busy { process: 1, open: 0 });
        let never = build(&[event(INVOKE, 1), event(OK, 2)]);
        assert_eq!(never.unwrap_err(), Misfit::NeverInvoked { process: 2 });
        let never = build(&[event(OK, 2), event(INVOKE, 1)]);
        assert_eq!(never.unwrap_err(), Misfit::NeverInvoked { process: 2 });
        let other = build(&[event(INVOKE, 1), RawEvent { function: Some(Function::CAS), ..event(OK, 1) }]);
        assert!(
            other.unwrap_err().to_string().contains("completes `cas`, and it had invoked `read` (event 0)")
        );
    }

    #[test]
    fn indices_ascend_or_are_refused() {
        let with =
            |index| RawEvent { index: Some(index), ..event(INVOKE, u32::try_from(index % 100).unwrap()) };
        let other = |index| RawEvent { process: Process::Other, ..with(index) };
        assert_eq!(build(&[with(3), other(7), with(9)]).unwrap().operations[1].invoked, 9);
        assert_eq!(build(&[with(3), with(3)]).unwrap_err(), Misfit::Index { found: 3, last: 3 });
        assert_eq!(build(&[with(3), other(7), with(5)]).unwrap_err(), Misfit::Index { found: 5, last: 7 });
        assert_eq!(build(&[with(1 << 32)]).unwrap_err(), Misfit::TooMany(1 << 32));
    }

    #[test]
    fn a_history_of_completions_only_is_bare() {
        let history = build(&[event(OK, 1), event(OK, 1)]).unwrap();
        assert!(history.bare);
        assert_eq!(history.operations[1].invoked, history.operations[1].completed);
        assert!(!build(&[event(INVOKE, 1)]).unwrap().bare);
    }
}
