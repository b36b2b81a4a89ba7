//! Jepsen's `long-fork`: two reads disagree on the order of two independent writes.

use super::{Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness};
use crate::history::recorded::{Datum, Function, Recorded};
use std::collections::BTreeMap;

/// Every key is written once. Reads of the same keys then stand in one order: each has all that an earlier one has.
/// Two reads of which each has something that the other lacks are a long fork, which parallel snapshot isolation
/// allows and snapshot isolation does not.
#[derive(Debug)]
pub(super) struct LongFork;

/// Micro-operations `[f key value]`, if the value is a list of them.
fn micro_operations(history: &Recorded, value: Datum) -> Option<Vec<[Datum; 3]>> {
    let items = history.values.as_items(value)?;
    items.iter().map(|&item| history.values.as_items(item)?.try_into().ok()).collect()
}

impl StandaloneChecker for LongFork {
    fn name(&self) -> &'static str {
        "long-fork"
    }

    fn about(&self) -> &'static str {
        "no two reads disagree on the order of independent writes (Jepsen's rules)"
    }

    fn check(&self, history: &Recorded, _: &Options<'_>) -> Result<Findings, Unfit> {
        let mut groups = Groups::default();
        for (at, op) in history.operations.iter().enumerate().filter(|(_, op)| op.may_have_happened()) {
            let value = if op.is_ok() { op.output } else { op.input };
            let Some(micro) = micro_operations(history, value).filter(|micro| !micro.is_empty()) else {
                continue;
            };
            let named = |name: &[Function]| {
                micro.iter().all(|[f, ..]| {
                    let f = history.values.as_text(*f).unwrap_or_default();
                    name.iter().any(|&name| history.function_name(name) == f)
                })
            };
            if named(&[Function::R, Function::READ]) {
                if op.is_ok() {
                    groups.read(history, at, micro)?;
                }
            } else if named(&[Function::W, Function::WRITE]) {
                groups.write(&micro);
            } else {
                return Err(Unfit {
                    event: Some(op.invoked),
                    what: "a transaction reads and writes".to_owned(),
                    expected: "the checker `long-fork` expects transactions that only read ([[:r k nil] ..]) or only write \
                               ([[:w k v]])"
                        .to_owned(),
                });
            }
        }
        Ok(groups.judge(history))
    }
}

/// A read: what it saw of the keys of its group, in their order.
type State = Vec<Datum>;

#[derive(Debug, Default)]
struct Groups {
    /// By the keys that are read together: every different state, and the first read that saw it.
    reads: BTreeMap<Vec<Datum>, BTreeMap<State, usize>>,
    /// How often each key was written.
    writes: BTreeMap<Datum, u64>,
    /// The one value that reads show of a key.
    values: BTreeMap<Datum, Datum>,
    count: u64,
}

impl Groups {
    fn write(&mut self, micro: &[[Datum; 3]]) {
        for [_, key, _] in micro {
            *self.writes.entry(*key).or_default() += 1;
        }
    }

    fn read(&mut self, history: &Recorded, at: usize, mut micro: Vec<[Datum; 3]>) -> Result<(), Unfit> {
        micro.sort_unstable_by_key(|[_, key, _]| *key);
        self.count += 1;
        for &[_, key, value] in micro.iter().filter(|[.., value]| !value.is_nil()) {
            let known = *self.values.entry(key).or_insert(value);
            if known != value {
                return Err(Unfit {
                    event: Some(history.operations[at].completed),
                    what: format!(
                        "{} is read as {} and as {}",
                        history.values.show(key),
                        history.values.show(known),
                        history.values.show(value)
                    ),
                    expected: "the checker `long-fork` expects that every key is written once".to_owned(),
                });
            }
        }
        let keys = micro.iter().map(|[_, key, _]| *key).collect();
        let state = micro.iter().map(|[.., value]| *value).collect();
        self.reads.entry(keys).or_default().entry(state).or_insert(at);
        Ok(())
    }

    fn judge(&self, history: &Recorded) -> Findings {
        let mut findings = Findings::default();
        let mut forks = FoundAnomaly::new("long-fork");
        let known = |state: &State| state.iter().filter(|value| !value.is_nil()).count();
        for (keys, states) in &self.reads {
            let mut chain: Vec<(&State, usize)> = states.iter().map(|(state, &at)| (state, at)).collect();
            chain.sort_by_key(|(state, _)| known(state));
            // They stand in one order if and only if each has what the next smaller one has.
            for pair in chain.windows(2) {
                let [(less, first), (more, second)] = [pair[0], pair[1]];
                let lacks = |a: &State, b: &State| (0..keys.len()).find(|&n| a[n].is_nil() && !b[n].is_nil());
                if let (Some(n), Some(m)) = (lacks(more, less), lacks(less, more)) {
                    forks.add(|| Witness {
                        why: format!(
                            "one read sees {} and not {}, another {} and not {}",
                            history.values.show(keys[n]),
                            history.values.show(keys[m]),
                            history.values.show(keys[m]),
                            history.values.show(keys[n])
                        ),
                        operations: vec![first, second],
                    });
                }
            }
        }
        findings.figure("reads", self.count);
        findings.figure("groups of keys", self.reads.len());
        if let Some((key, count)) = self.writes.iter().find(|(_, count)| **count > 1) {
            findings.unknown(format!(
                "{} is written {count} times, and once is expected",
                history.values.show(*key)
            ));
        } else if self.count == 0 {
            findings.unknown("no read was answered");
        }
        findings.fail(forks);
        findings
    }
}
