//! What clients ask: one workload per file.
//!
//! A generator is a pure state machine, one for each client: it says which operation comes next, and is told how it
//! went. All randomness comes from streams keyed by the seed, the use and the client, so that taking a client away
//! leaves the others as they were. All values written in a run are different. A new workload is a file, a variant of
//! [`Workload`] and a line in [`Generator::new`].

mod calendar;
mod counter;
mod keys;
mod register;
mod set;
mod zipf;

pub use zipf::Zipf;

use crate::scenario::{Scenario, Workload};
use quarrel_models::{id::ClientId, operation::KeyedOperation, random::Stream, value::Value};
use std::fmt;

/// How an operation went, as its client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// A read returned this; `None` is "no record".
    Read(Option<&'a Value>),
    /// A write was acknowledged.
    Done,
    /// The operation was refused: it did not happen.
    Refused,
    /// Nobody knows whether the operation happened.
    Unknown,
}

/// What every workload answers for one client.
trait Generate: fmt::Debug + Send {
    /// The client's next operation.
    fn next(&mut self) -> KeyedOperation;

    /// How an operation went. Most workloads choose blindly.
    fn observe(&mut self, _operation: &KeyedOperation, _answer: Answer<'_>) {}
}

/// The operations of one client.
#[derive(Debug)]
pub struct Generator(Box<dyn Generate>);

impl Generator {
    /// The generator of a client under the scenario's workload.
    #[must_use]
    pub fn new(scenario: &Scenario, client: ClientId, seed: u64) -> Self {
        let who = Who { client, clients: scenario.clients.count.max(1), seed };
        Self(match &scenario.workload {
            Workload::Register(keys) => Box::new(register::Register::new(keys, who)),
            Workload::Set(keys) => Box::new(set::Set::new(keys, who)),
            Workload::Counter(keys) => Box::new(counter::Counter::new(keys, who)),
            Workload::Calendar(calendar) => Box::new(calendar::Calendar::new(calendar, who)),
        })
    }

    /// The client's next operation.
    #[expect(clippy::should_implement_trait, reason = "a generator never ends and must be told how it went")]
    pub fn next(&mut self) -> KeyedOperation {
        self.0.next()
    }

    /// Tells how an operation went. Every operation should be told of, before the next one is asked for.
    pub fn observe(&mut self, operation: &KeyedOperation, answer: Answer<'_>) {
        self.0.observe(operation, answer);
    }
}

/// The client that a generator works for.
#[derive(Debug, Clone, Copy)]
struct Who {
    client: ClientId,
    clients: u32,
    seed: u64,
}

impl Who {
    /// The client's random stream for one use.
    fn stream(self, usage: &str) -> Stream {
        Stream::new(self.seed, usage, self.client.0.into())
    }
}

/// Values that nobody else writes: the client's number and a counter.
#[derive(Debug, Clone)]
struct Unique {
    client: ClientId,
    used: u32,
}

impl Unique {
    const fn new(client: ClientId) -> Self {
        Self { client, used: 0 }
    }

    /// The next value: the client's number times 2^32, plus a counter from 1.
    fn next(&mut self) -> Value {
        self.used += 1;
        Value::Int((i64::from(self.client.0) << 32) + i64::from(self.used))
    }
}

/// A share from 0 to 1 as parts per million, for [`Stream::chance_ppm`].
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1_000_000")]
pub(crate) fn ppm(share: f64) -> u32 {
    (share * 1e6).round().clamp(0.0, 1e6) as u32
}

#[cfg(test)]
mod tests;
