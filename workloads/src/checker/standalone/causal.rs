//! Causal consistency, by the bad patterns of Bouajjani, Enea, Guerraoui and Hamza ("On verifying causal consistency",
//! POPL 2017). A history of unique values is causally consistent if and only if it has none of them.

use super::{
    Findings, FoundAnomaly, Options, StandaloneChecker, Unfit, Witness,
    causality::{
        Access, Accesses, CausalOrder, Conflict, INITIAL, THIN_AIR, Visitor, WriteNumber, WritesByKey,
        accesses, cycle,
    },
};
use crate::history::recorded::{Outcome, Recorded};

/// Under the model `cc`: CyclicCO, ThinAirRead, WriteCOInitRead, WriteCORead. Under `ccv` (causal convergence, which
/// other tools just call causal) also CyclicCF: no order of the writes explains what all reads saw.
#[derive(Debug)]
pub(super) struct Causal;

impl StandaloneChecker for Causal {
    fn name(&self) -> &'static str {
        "causal"
    }

    fn about(&self) -> &'static str {
        "causal consistency of registers with unique values, by the bad patterns"
    }

    fn models(&self) -> &'static [&'static str] {
        &["ccv", "cc"]
    }

    fn check(&self, history: &Recorded, options: &Options<'_>) -> Result<Findings, Unfit> {
        let accesses = accesses(history)?;
        let mut findings = Findings::default();
        let mut patterns = Patterns::new(history, &accesses);
        let Some(order) = CausalOrder::follow(&accesses, &mut patterns) else {
            findings.unknown(too_many(&accesses));
            return Ok(findings);
        };
        let Patterns { thin_air, init_read, co_read, mut conflicts, reads, .. } = patterns;
        findings.figure("reads", reads);
        findings.figure("writes", accesses.writes.len());
        findings.figure("sessions", accesses.session_count());
        if reads == 0 {
            findings.unknown("no read was answered");
        }
        findings.fail(cyclic_order(&order));
        findings.fail(thin_air);
        findings.fail(init_read);
        findings.fail(co_read);
        // On a cycle of causes there is no order to go on with; and what reads did not know, they did not see either.
        if options.model != Some("cc") && order.cycle.is_empty() {
            let mut cyclic = FoundAnomaly::new("CyclicCF");
            if let Some(circle) = cycle(&accesses, &order, &mut conflicts) {
                cyclic.add(|| conflict_witness(&accesses, &circle));
            }
            findings.fail(cyclic);
        }
        Ok(findings)
    }
}

/// Why there is no verdict for so many sessions.
pub(super) fn too_many(accesses: &Accesses) -> String {
    format!(
        "{} writes of {} sessions need more memory for their clocks than is allowed (4 GiB): cut the history, or leave \
         sessions out",
        accesses.writes.len(),
        accesses.session_count()
    )
}

/// A cycle of session order and reads-from.
pub(super) fn cyclic_order(order: &CausalOrder) -> FoundAnomaly {
    let mut cyclic = FoundAnomaly::new("CyclicCO");
    if !order.cycle.is_empty() {
        cyclic.add(|| Witness {
            why: "each of these reads saw a write that, by session order and by what was read before, comes after it"
                .to_owned(),
            operations: order.cycle.iter().map(|access| access.operation as usize).collect(),
        });
    }
    cyclic
}

/// A read of a value that nobody wrote.
pub(super) fn thin_air_witness(history: &Recorded, accesses: &Accesses, access: Access) -> Witness {
    let read = access.operation as usize;
    let output = history.operations[read].output;
    let failed = history.operations.iter().position(|op| op.outcome == Outcome::Fail && op.input == output);
    let key = accesses.keys[access.key() as usize];
    let of = if key.is_nil() { String::new() } else { format!(" of {}", history.values.show(key)) };
    Witness {
        why: match failed {
            Some(_) => format!("a read{of} shows a value that only an operation which failed has written"),
            None => format!("a read{of} shows a value that nobody wrote"),
        },
        operations: failed.into_iter().chain([read]).collect(),
    }
}

fn conflict_witness(accesses: &Accesses, circle: &[Conflict]) -> Witness {
    let write = |number: WriteNumber| accesses.writes[number as usize].operation as usize;
    let mut operations = Vec::new();
    for conflict in circle {
        operations.extend([write(conflict.before), conflict.read as usize, write(conflict.after)]);
    }
    let mut seen = std::collections::BTreeSet::new();
    operations.retain(|operation| seen.insert(*operation));
    Witness {
        why: format!(
            "no order of the writes explains all reads: {} reads each knew of one write and saw another, and what they demand \
             goes round in a circle",
            circle.len()
        ),
        operations,
    }
}

struct Patterns<'a> {
    history: &'a Recorded,
    accesses: &'a Accesses,
    index: WritesByKey,
    /// Of every group of writes, the last conflict that it was in.
    last: Vec<(WriteNumber, WriteNumber)>,
    thin_air: FoundAnomaly,
    init_read: FoundAnomaly,
    co_read: FoundAnomaly,
    conflicts: Vec<Conflict>,
    reads: u64,
}

impl<'a> Patterns<'a> {
    fn new(history: &'a Recorded, accesses: &'a Accesses) -> Self {
        let index = WritesByKey::new(accesses);
        Self {
            history,
            accesses,
            last: vec![(INITIAL, INITIAL); index.groups()],
            index,
            thin_air: FoundAnomaly::new("ThinAirRead"),
            init_read: FoundAnomaly::new("WriteCOInitRead"),
            co_read: FoundAnomaly::new("WriteCORead"),
            conflicts: Vec::new(),
            reads: 0,
        }
    }

    fn stale(&mut self, access: Access, overwritten_by: WriteNumber) {
        let write = |number: WriteNumber| self.accesses.writes[number as usize].operation as usize;
        let read = access.operation as usize;
        if access.write == INITIAL {
            self.init_read.add(|| Witness {
                why: "a read shows no value, although it knew of a write by session order and by what was read before".to_owned(),
                operations: vec![write(overwritten_by), read],
            });
        } else {
            self.co_read.add(|| Witness {
                why: "a read shows a value, although it knew that the value was overwritten".to_owned(),
                operations: vec![write(access.write), write(overwritten_by), read],
            });
        }
    }
}

impl Visitor for Patterns<'_> {
    fn read(&mut self, order: &CausalOrder, _: usize, access: Access, clock: &[u32]) {
        self.reads += 1;
        if access.write == THIN_AIR {
            self.thin_air.add(|| thin_air_witness(self.history, self.accesses, access));
            return;
        }
        let Self { accesses, index, last, conflicts, .. } = self;
        let mut overwritten_by = None;
        let source = order.has(access.write).then(|| order.clock(access.write));
        index.last_ones(
            access.key(),
            // What the write itself knew of, it may replace.
            |session| (source.map_or(0, |source| source.at(session)), clock[session as usize]),
            |group, known| {
                if known == access.write {
                    return;
                }
                if access.write == INITIAL || order.before(accesses, access.write, known) {
                    overwritten_by.get_or_insert(known);
                } else if !order.before(accesses, known, access.write) && last[group] != (known, access.write)
                {
                    last[group] = (known, access.write);
                    conflicts.push(Conflict { before: known, after: access.write, read: access.operation });
                }
            },
        );
        if let Some(known) = overwritten_by {
            self.stale(access, known);
        }
    }

    fn done(&mut self, _: &CausalOrder, _: usize, _: Access) {}
}
