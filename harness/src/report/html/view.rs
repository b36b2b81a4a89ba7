//! A recorded run with what several sections need to know of it, computed once.

use super::case::{self, Case};
use crate::report::recorded::{Applied, Band, Clocks, Op, Recorded, Resolution, bands};
use quarrel_models::{
    fate::Fate,
    id::{Dot, MAX_REPLICAS, ReplicaId, WriteId},
    strategy::{Decision, Strategy},
    topology::Graph,
};
use std::collections::{BTreeMap, BTreeSet};

/// A recorded run.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// What was recorded.
    pub(super) run: &'a Recorded,
    /// When which faults were on.
    pub(super) bands: Vec<Band>,
    /// How far clocks stood off.
    pub(super) clocks: Clocks,
    /// The replicas and links; absent if the scenario's cluster cannot be laid out.
    pub(super) graph: Option<Graph>,
    /// What is shown closely: violations, and one example of what is permitted.
    pub(super) cases: Vec<Case<'a>>,
    writes: BTreeMap<WriteId, Written<'a>>,
    fates: BTreeMap<WriteId, Fate>,
    by_key: Vec<Vec<usize>>,
    applied_by_key: Vec<Vec<usize>>,
}

/// A write as its client made it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Written<'a> {
    /// An operation.
    Op(&'a Op),
    /// The resolution of siblings.
    Resolution(&'a Resolution),
}

impl Written<'_> {
    /// Where it entered the cluster, if that is known.
    pub(super) const fn dot(&self) -> Option<Dot> {
        match self {
            Self::Op(op) => op.dot,
            Self::Resolution(resolution) => resolution.dot,
        }
    }
}

impl<'a> View<'a> {
    /// Looks at a run.
    pub(super) fn new(run: &'a Recorded) -> Self {
        let history = &run.history;
        let mut writes = BTreeMap::new();
        let mut by_key = vec![Vec::new(); history.keys.all().len()];
        for (at, op) in history.operations.iter().enumerate() {
            by_key[op.key as usize].push(at);
            if let Some(write) = op.write {
                writes.insert(write, Written::Op(op));
            }
        }
        for resolution in &history.resolutions {
            writes.insert(resolution.write, Written::Resolution(resolution));
        }
        let mut applied_by_key = vec![Vec::new(); by_key.len()];
        for (at, line) in run.applies.all.iter().enumerate() {
            if let Some(lines) = applied_by_key.get_mut(line.key as usize) {
                lines.push(at);
            }
        }
        let mut view = Self {
            run,
            bands: bands(&history.faults, history.end),
            clocks: Clocks::new(&history.faults),
            graph: run.record.scenario.cluster.graph().ok(),
            cases: Vec::new(),
            writes,
            fates: run.ledger.iter().map(|entry| (entry.write, entry.fate)).collect(),
            by_key,
            applied_by_key,
        };
        view.cases = case::all(&view);
        view
    }

    /// The operations on this record, in order.
    pub(super) fn on_key(&self, key: u32) -> impl Iterator<Item = &'a Op> + use<'a, '_> {
        let at = self.by_key.get(key as usize).map_or(&[][..], Vec::as_slice);
        at.iter().map(|&at| &self.run.history.operations[at])
    }

    /// What replicas applied of this record, in order of time.
    pub(super) fn applied_on_key(&self, key: u32) -> impl Iterator<Item = &'a Applied> + use<'a, '_> {
        let at = self.applied_by_key.get(key as usize).map_or(&[][..], Vec::as_slice);
        at.iter().map(|&at| &self.run.applies.all[at])
    }

    /// The write as its client made it.
    pub(super) fn written(&self, write: WriteId) -> Option<Written<'a>> {
        self.writes.get(&write).copied()
    }

    /// When a leader took a write: by its apply log or, if there is none, in the middle between question and answer.
    pub(super) fn taken_at(&self, write: WriteId) -> Option<u64> {
        let written = self.written(write)?;
        let logged = written.dot().and_then(|dot| {
            let seen = self.run.applies.of(dot).iter();
            seen.clone().find(|(replica, _)| *replica == dot.origin).map(|(_, t)| *t)
        });
        logged.or_else(|| match written {
            Written::Op(op) => Some(op.began.midpoint(op.ended)),
            Written::Resolution(resolution) => Some(resolution.t),
        })
    }

    /// What became of this write, if it was acknowledged.
    pub(super) fn fate(&self, write: WriteId) -> Option<Fate> {
        self.fates.get(&write).copied()
    }

    /// All replicas, leaders first.
    pub(super) fn replicas(&self) -> Vec<ReplicaId> {
        let cluster = &self.run.record.scenario.cluster;
        let count = cluster.leaders + cluster.followers.len();
        (0..count.min(MAX_REPLICAS)).map(ReplicaId::from_index).collect()
    }

    /// The leaders.
    pub(super) fn leaders(&self) -> Vec<ReplicaId> {
        (0..self.run.record.scenario.cluster.leaders.min(MAX_REPLICAS)).map(ReplicaId::from_index).collect()
    }

    /// Whether the later write was made in the knowledge of the earlier one.
    fn knew(&self, later: WriteId, earlier: WriteId) -> bool {
        // Where versions live side by side a write replaces what its session read, and what that had replaced; not
        // what the leader had.
        let by_leader = !matches!(self.run.record.scenario.strategy, Strategy::OnRead(_));
        let Some(known) = self.written(earlier) else { return false };
        let Some(dot) = known.dot() else { return false };
        // What was over before that write began cannot have known of it: the search ends there.
        let too_old = |write: WriteId| match (self.written(write), known) {
            (Some(Written::Op(op)), Written::Op(known)) => op.ended < known.began,
            _ => false,
        };
        let mut open = vec![later];
        let mut seen = BTreeSet::new();
        while let Some(write) = open.pop() {
            let over = match self.written(write) {
                Some(Written::Resolution(resolution)) => &resolution.over,
                Some(Written::Op(op))
                    if by_leader && op.knew.as_ref().is_some_and(|knew| knew.covers(dot)) =>
                {
                    return true;
                }
                Some(Written::Op(op)) => &op.versions,
                None => continue,
            };
            if over.contains(&earlier) {
                return true;
            }
            open.extend(over.iter().copied().filter(|&write| !too_old(write) && seen.insert(write)));
        }
        false
    }

    /// What a replica holds of a record after it applied one more version.
    pub(super) fn after(&self, held: &[WriteId], line: &Applied) -> Vec<WriteId> {
        match line.decision {
            Decision::Discarded | Decision::Skipped => held.to_vec(),
            Decision::Applied => vec![line.write],
            Decision::Merged | Decision::Sibling => {
                let stay = held.iter().copied().filter(|&held| !self.knew(line.write, held));
                let mut next: Vec<WriteId> = stay.chain([line.write]).collect();
                next.sort_unstable();
                next.dedup();
                next
            }
        }
    }
}
