//! The laws of a merge, each tried on all small inputs and on those that were given: the first that breaks one is the
//! smallest.

use super::values::{Inputs, size, triples};
use quarrel_models::{
    clock::Stamp,
    handler::{Conflict, Handler, Past, Refused, RefusedKind, Resolution, Schema, Script, rhai},
    id::{ClientId, Dot, ReplicaId, WriteId},
    operation::holders,
    value::Value,
    version::{Version, VersionVector},
};
use serde::Serialize;
use std::{collections::BTreeSet, thread};

/// A law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// The same inputs give the same answer, in another engine and on another thread.
    Deterministic,
    /// It answers for all values of its workload.
    Total,
    /// The order of the sides does not matter.
    Commutative,
    /// What is merged first does not matter.
    Associative,
    /// Merging a side with itself changes nothing.
    Idempotent,
    /// The result keeps what both sides promised.
    Inflationary,
    /// What is merged again and again does not grow.
    Bounded,
}

impl Law {
    /// All laws, in the order in which they are tried.
    pub const ALL: [Self; 7] = [
        Self::Deterministic,
        Self::Total,
        Self::Commutative,
        Self::Associative,
        Self::Idempotent,
        Self::Inflationary,
        Self::Bounded,
    ];

    /// The name, as reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deterministic => "deterministic",
            Self::Total => "total",
            Self::Commutative => "commutative",
            Self::Associative => "associative",
            Self::Idempotent => "idempotent",
            Self::Inflationary => "inflationary",
            Self::Bounded => "bounded",
        }
    }
}

/// What came of a law.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The law.
    pub law: Law,
    /// On how many inputs it held. None is no proof of anything.
    pub held: usize,
    /// On how many inputs the handler refused of its own accord, so that nothing was shown.
    pub refused: usize,
    /// The smallest inputs that break it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
}

/// A law that is broken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Broken {
    /// What both sides were made from, for a handler that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Option<Value>>,
    /// The sides; null is a deletion.
    pub sides: Vec<Option<Value>>,
    /// What came out, in words, one line each.
    pub came_out: Vec<String>,
}

/// A handler under trial.
pub(super) struct Trial<'a> {
    handler: Handler,
    script: &'a Script,
    /// The same file in another engine.
    twin: Handler,
}

type Answer = Result<Option<Value>, Refused>;

fn answer(resolution: Resolution) -> Answer {
    match resolution {
        Resolution::Value(value) => Ok(Some(value)),
        Resolution::Delete => Ok(None),
        Resolution::Refused(refused) => Err(refused),
    }
}

/// A value in words.
pub(super) fn words(value: Option<&Value>) -> String {
    value.map_or_else(|| "()".to_owned(), ToString::to_string)
}

fn told(answer: &Answer) -> String {
    match answer {
        Ok(value) => words(value.as_ref()),
        Err(refused) => refused.to_string(),
    }
}

/// What both sides were made from stands at a replica of its own.
const BASE: Dot = Dot { origin: ReplicaId(25), position: 1 };

/// A side as a version: each is of a leader and a second of its own.
fn version(at: usize, value: Option<Value>, based: bool) -> Version {
    let origin = ReplicaId::from_index(at);
    let mut context = VersionVector::new();
    if based {
        context.advance(BASE.origin, BASE.position);
    }
    Version {
        write: WriteId { client: ClientId(u32::from(origin.0)), sequence: 1 },
        dot: Dot { origin, position: 1 },
        stamp: Stamp { time_us: 1_000_000 * (1 + i64::from(origin.0)), logical: 0 },
        context,
        value,
        updates: 0,
    }
}

/// What a handler makes of these sides, each with the number of its leader.
pub(super) fn say(handler: Handler, sides: &[(usize, Option<Value>)], base: Option<&Value>) -> Answer {
    let versions: Vec<Version> =
        sides.iter().map(|(at, value)| version(*at, value.clone(), base.is_some())).collect();
    let made_from = base.map(|base| {
        let mut held = version(BASE.origin.index(), Some(base.clone()), false);
        held.dot = BASE;
        held
    });
    let past: Past = made_from.into_iter().collect();
    answer(handler.resolve(&Conflict { key: &"k".into(), versions: &versions, past: Some(&past) }))
}

/// What a law says of inputs: nothing is wrong, the handler refused, or what came out.
enum Said {
    Holds,
    Refused,
    Broken(Vec<String>),
}

impl Said {
    fn equal(left: (&str, Answer), right: (&str, Answer)) -> Self {
        let own = |answer: &Answer| matches!(answer, Err(why) if why.kind == RefusedKind::Refused);
        if left.1 == right.1 {
            return if own(&left.1) { Self::Refused } else { Self::Holds };
        }
        let line = |(what, answer): &(&str, Answer)| format!("{what} = {}", told(answer));
        Self::Broken(vec![line(&left), line(&right)])
    }
}

impl<'a> Trial<'a> {
    pub(super) fn new(handler: Handler, script: &'a Script) -> Result<Self, rhai::LoadError> {
        Ok(Self { handler, script, twin: rhai::read(&script.file, &script.text)?.publish() })
    }

    /// All laws, tried on all small inputs and on these.
    pub(super) fn laws(&self, samples: &[Inputs]) -> Vec<Finding> {
        let mut inputs = triples(self.script.workload, self.script.wants_base);
        inputs.extend(samples.iter().cloned());
        // Another thread has an engine of its own to answer with.
        let twin = self.twin;
        let again = thread::scope(|scope| {
            let inputs = &inputs;
            let told =
                scope.spawn(move || inputs.iter().map(|inputs| pair(twin, inputs)).collect::<Vec<_>>());
            told.join().unwrap_or_default()
        });
        Law::ALL
            .into_iter()
            .map(|law| {
                let mut finding = Finding { law, held: 0, refused: 0, broken: None };
                for (number, inputs) in inputs.iter().enumerate() {
                    let said = match law {
                        Law::Deterministic => {
                            let there = again.get(number).cloned().unwrap_or(Ok(None));
                            Said::equal(("here", pair(self.handler, inputs)), ("on another thread", there))
                        }
                        law => self.try_law(law, inputs),
                    };
                    match said {
                        Said::Holds => finding.held += 1,
                        Said::Refused => finding.refused += 1,
                        Said::Broken(came_out) => {
                            finding.broken = Some(self.broken(law, inputs, came_out));
                            break;
                        }
                    }
                }
                finding
            })
            .collect()
    }

    fn broken(&self, law: Law, inputs: &Inputs, came_out: Vec<String>) -> Broken {
        let shown = match law {
            Law::Associative => 3,
            Law::Idempotent => 1,
            _ => 2,
        };
        Broken {
            base: self.script.wants_base.then(|| inputs.base.clone()),
            sides: inputs.sides.iter().take(shown).cloned().collect(),
            came_out,
        }
    }

    fn try_law(&self, law: Law, inputs: &Inputs) -> Said {
        let base = inputs.base.as_ref();
        let side = |at: usize| (at, inputs.sides.get(at).cloned().flatten());
        let say = |sides: &[(usize, Option<Value>)]| say(self.handler, sides, base);
        let (a, b, c) = (side(0), side(1), side(2));
        let merged = || say(&[a.clone(), b.clone()]);
        match law {
            Law::Deterministic => Said::Holds,
            Law::Total => match merged() {
                Ok(_) => Said::Holds,
                Err(refused) if refused.kind == RefusedKind::Refused => Said::Refused,
                Err(refused) => Said::Broken(vec![refused.to_string()]),
            },
            Law::Commutative => {
                Said::equal(("merge(a, b)", merged()), ("merge(b, a)", say(&[b.clone(), a.clone()])))
            }
            Law::Associative => {
                // What was merged has the place of the later side.
                let left = merged().and_then(|ab| say(&[(1, ab), c.clone()]));
                let right = say(&[b.clone(), c.clone()]).and_then(|bc| say(&[a.clone(), (2, bc)]));
                Said::equal(("merge(merge(a, b), c)", left), ("merge(a, merge(b, c))", right))
            }
            Law::Idempotent => {
                let itself = [(0, a.1.clone()), (1, a.1.clone())];
                let own = self.script.wants_base && a.1.is_some();
                let again = super::laws::say(self.handler, &itself, if own { a.1.as_ref() } else { base });
                Said::equal(("merge(a, a)", again), ("a", Ok(a.1.clone())))
            }
            Law::Inflationary => match merged() {
                Err(_) => Said::Refused,
                Ok(result) => {
                    let with_base = self.script.wants_base.then_some(base);
                    let missing = missing(self.script.workload, with_base, [&a.1, &b.1], result.as_ref());
                    if missing.is_empty() { Said::Holds } else { lines(&result, missing) }
                }
            },
            Law::Bounded => self.bounded(&a, &b, base),
        }
    }

    fn bounded(&self, a: &(usize, Option<Value>), b: &(usize, Option<Value>), base: Option<&Value>) -> Said {
        let Ok(once) = say(self.handler, &[a.clone(), b.clone()], base) else { return Said::Refused };
        let sum = size(a.1.as_ref()) + size(b.1.as_ref()) + size(base);
        // A place beside a slot, or a word on a conflict, may take some room.
        let most = 2 * sum + 32;
        // One side again, now that it is known: a retry, or a relay that comes late.
        let own = if self.script.wants_base { b.1.as_ref() } else { None };
        let Ok(twice) = say(self.handler, &[(2, once.clone()), b.clone()], own) else { return Said::Refused };
        if size(twice.as_ref()) <= most
            && size(once.as_ref()) <= most
            && size(twice.as_ref()) <= size(once.as_ref()).max(sum)
        {
            return Said::Holds;
        }
        Said::Broken(vec![
            format!("merge(a, b) = {}", words(once.as_ref())),
            format!("merge(merge(a, b), b) = {}", words(twice.as_ref())),
        ])
    }
}

fn pair(handler: Handler, inputs: &Inputs) -> Answer {
    let side = |at: usize| (at, inputs.sides.get(at).cloned().flatten());
    say(handler, &[side(0), side(1)], inputs.base.as_ref())
}

fn lines(result: &Option<Value>, missing: Vec<String>) -> Said {
    let mut lines = vec![format!("merge(a, b) = {}", words(result.as_ref()))];
    lines.extend(missing);
    Said::Broken(lines)
}

/// What stands in a value by itself: elements, lines, and the meetings of a calendar, wherever they are.
fn parts(value: Option<&Value>) -> BTreeSet<Value> {
    match value {
        Some(Value::Set(items)) => items.clone(),
        Some(Value::List(items)) => items.iter().cloned().collect(),
        Some(Value::Map(fields)) => fields.values().flat_map(|field| holders(Some(field))).collect(),
        _ => BTreeSet::new(),
    }
}

/// What both sides promised and the result does not keep. `base` is absent for a handler that does not ask for it: then
/// everything that a side has is a promise.
fn missing(
    schema: Schema,
    base: Option<Option<&Value>>,
    sides: [&Option<Value>; 2],
    result: Option<&Value>,
) -> Vec<String> {
    let [left, right] = sides.map(Option::as_ref);
    match schema {
        // A register's writes replace each other: nobody promises anything.
        Schema::Register | Schema::Document => Vec::new(),
        Schema::Counter | Schema::Bank => numbers(base, [left, right], result),
        Schema::Set | Schema::Cart | Schema::Calendar | Schema::Text => {
            let (before, after) = (parts(base.flatten()), parts(result));
            // A record that was deleted as a whole is not held against what was written beside that.
            let mut broken = Vec::new();
            for (name, side) in [("a", left), ("b", right)] {
                let has = parts(side);
                let lost = has.iter().filter(|part| !before.contains(*part) && !after.contains(*part));
                broken.extend(lost.map(|part| format!("it lacks {part} of {name}")));
                let gone = before.iter().filter(|part| !has.contains(*part) && after.contains(*part));
                broken.extend(gone.map(|part| format!("it has {part}, which {name} took away")));
            }
            broken
        }
    }
}

fn numbers(base: Option<Option<&Value>>, sides: [Option<&Value>; 2], result: Option<&Value>) -> Vec<String> {
    let accounts: BTreeSet<&str> = sides
        .iter()
        .chain([&result])
        .flat_map(|value| value.and_then(Value::as_map).into_iter().flatten())
        .map(|(name, _)| name.as_str())
        .collect();
    let sum = |value: Option<&Value>, account: Option<&str>| match (value, account) {
        (Some(Value::Map(fields)), Some(account)) => fields.get(account).and_then(Value::as_int).unwrap_or(0),
        (Some(Value::Int(number)), None) => *number,
        _ => 0,
    };
    let whole = if accounts.is_empty() { vec![None] } else { accounts.into_iter().map(Some).collect() };
    let mut broken = Vec::new();
    for account in whole {
        let [left, right] = sides.map(|side| sum(side, account));
        let (found, of) = (sum(result, account), account.map_or(String::new(), |name| format!(" of {name}")));
        match base {
            Some(base) => {
                let due = left + right - sum(base, account);
                if found != due {
                    broken.push(format!("the sum{of} is {found}, and both sides together come to {due}"));
                }
            }
            // A side that was deleted promises no sum.
            None if sides.iter().flatten().any(|side| found < sum(Some(side), account)) => {
                broken.push(format!("the sum{of} is {found}, less than a side has"));
            }
            None => {}
        }
    }
    broken
}
