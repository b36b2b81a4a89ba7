//! Linearizability: whether there is one order of all operations that explains every result and keeps real time.
//!
//! Objects are judged each for itself (a history is linearizable exactly if each object's part of it is). Where all
//! written values are unique, [`zones`] decide in `O(n log n)`; else the general [`search`]. A contradiction is told by
//! the smallest set of operations that shows it.

mod budget;
mod configuration;
mod mask;
mod object;
mod objects;
mod registers;
mod search;
mod specification;
mod text;
mod translate;
mod witness;
mod zones;

#[cfg(test)]
mod brute_force;

use super::standalone::{Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness};
use crate::history::recorded::{Datum, Operation, Recorded};
use budget::Budget;
use object::{Judged, Why};

/// What the operations of a history are done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    /// Read, write and compare-and-set of one value per key, at first nil.
    CasRegister,
    /// The same, at first the integer 0.
    CasRegisterFromZero,
    /// Reads and writes of several registers in one operation.
    MultiRegister,
    /// Acquire and release.
    Mutex,
    /// Get, put and append of one text per key.
    Text,
}

const MODELS: &[&str] =
    &["auto", "cas-register", "register", "cas-register-from-0", "multi-register", "mutex", "kv"];

/// Judges whether a history is linearizable.
#[derive(Debug, Clone, Copy, Default)]
pub struct Linearizable;

impl StandaloneChecker for Linearizable {
    fn name(&self) -> &'static str {
        "linearizable"
    }

    fn about(&self) -> &'static str {
        "one order of all operations explains every result and keeps real time"
    }

    fn models(&self) -> &'static [&'static str] {
        MODELS
    }

    fn check(&self, history: &Recorded, options: &Options<'_>) -> Result<Findings, Unfit> {
        if history.bare {
            return Err(Unfit {
                event: None,
                what: "the history has completions only".to_owned(),
                expected: "linearizability needs to know what overlapped what, so write down invocations too"
                    .to_owned(),
            });
        }
        let model = translate::model(history, options.model)?;
        let mut findings = Findings::default();
        let mut contradictions = FoundAnomaly::new("not-linearizable");
        let (mut unknown, mut objects) = (0_u64, 0_u64);
        let mut budget = Budget::until(options.out_of_time);
        translate::judge(history, model, &mut budget, |object| {
            objects += 1;
            match object.judged {
                Judged::Linearizable => {}
                Judged::Unknown => unknown += 1,
                Judged::Contradiction { operations, why } => contradictions.add(|| {
                    let mut operations = operations;
                    operations.sort_by_key(|&at| history.operations[at].invoked);
                    Witness { why: sentence(history, object.key, &operations, why), operations }
                }),
            }
        })?;
        findings.fail(contradictions);
        if unknown > 0 {
            findings.unknown(format!(
                "{unknown} of {objects} objects could not be decided in time: too many operations overlap, or never \
                 returned. A longer --timeout may do, or a history with less concurrency"
            ));
        }
        findings.figure("operations", history.operations.len());
        findings.figure("objects", objects);
        Ok(findings)
    }
}

/// What cannot be, in words.
fn sentence(history: &Recorded, key: Datum, operations: &[usize], why: Why) -> String {
    let of = if key.is_nil() { String::new() } else { format!("{}: ", history.values.show(key)) };
    let shown = |at: usize| history.values.show(translate::value(&history.operations[at]));
    let first = operations[0];
    match why {
        Why::NeverWritten => format!("{of}nobody wrote {} before it was read", shown(first)),
        Why::BeforeItsWrite => {
            format!("{of}{} was read, and the read returned before its write was called", shown(first))
        }
        Why::Interleaved => {
            let mut values: Vec<String> = Vec::new();
            for &at in operations {
                let value = shown(at).to_string();
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            let moment = |at: &Operation| at.invoked;
            let from = moment(&history.operations[first]);
            format!(
                "{of}from event {from} on, the values {} would have to be held by turns, and each was written once",
                values.join(" and ")
            )
        }
        Why::NoOrder if operations.len() == 1 => {
            format!("{of}this operation has no place: its result is impossible, whatever the others did")
        }
        Why::NoOrder => format!(
            "{of}no order of these {} operations keeps real time and gives these results, whatever the others did",
            operations.len()
        ),
    }
}
