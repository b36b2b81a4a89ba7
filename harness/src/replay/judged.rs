//! What became of the writes of a played witness: the history that a run would have recorded, judged as every run is.

use crate::model::finding_of;
use quarrel_models::{
    check::Property,
    fault::Fault,
    id::{ClientId, LinkId, ReplicaId, WriteId},
    message::TraceEvent,
    replica::Replica,
    topology::Graph,
    witness::{
        Act, Applied, End, Happening, Played, PlayedStep, Player, Step, Witness, WitnessError, WriteEnd,
    },
};
use quarrel_workloads::{
    checker::ledger::LedgerEntry,
    history::{Event, FORMAT_VERSION, Header, Quiescence, recorded_conflict},
    judge::{Judge, Judgement},
    scenario::{Calendar, Cluster, Keys, Scenario, Workload},
    verdict::{Finding, Verdict},
};
use std::collections::BTreeMap;

/// What the ledger and the checkers say of a played witness.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The fate of each acknowledged write; none if it was not at rest in the end.
    pub fates: BTreeMap<WriteId, WriteEnd>,
    /// What else was found.
    pub anomalies: Vec<Finding>,
    /// Why nothing can be said of fates: what was still under way in the end.
    pub unrest: Option<String>,
    /// Whether all live replicas have applied the same writes.
    delivered: bool,
}

impl Judged {
    pub(super) fn of(witness: &Witness, played: &Played, player: &Player) -> Self {
        let unrest = unrest(player);
        let (judgement, entries) = judge(witness, played, player, unrest.clone());
        let fate = |entry: LedgerEntry| {
            (entry.write, WriteEnd { fate: entry.fate, winner: entry.winner.map(|winner| winner.write) })
        };
        let fates = if unrest.is_none() { entries.into_iter().map(fate).collect() } else { BTreeMap::new() };
        let mut applied = live(player).map(Replica::applied);
        let first = applied.next();
        Self {
            fates,
            anomalies: judgement.anomalies.iter().map(|anomaly| anomaly.kind).collect(),
            unrest,
            delivered: applied.all(|applied| Some(applied) == first),
        }
    }

    /// Holds the fates that a witness states against these. Of several winners a ledger names one, so that only the
    /// fates are compared; and none where something is under way for good, such as a stalled log: there the model knows
    /// fates that no history tells.
    pub(super) fn compare(&self, witness: &Witness) -> Result<(), WitnessError> {
        if self.unrest.is_some() {
            return Ok(());
        }
        for (write, expected) in witness.end.iter().flat_map(|end| &end.fates) {
            let found = self.fates.get(write);
            if found.map(|found| found.fate) != Some(expected.fate) {
                let found = found.map_or_else(|| "unknown".to_owned(), |found| found.fate.to_string());
                let what = format!("the fate of {write}");
                return Err(WitnessError::End { what, expected: expected.fate.to_string(), found });
            }
        }
        Ok(())
    }

    /// The witness with these fates as its own: so that they are told.
    pub(super) fn stated(&self, witness: &Witness, played: &Played) -> Witness {
        let end = End { replicas: played.replicas.clone(), fates: self.fates.clone() };
        Witness { end: Some(end), ..witness.clone() }
    }

    /// Whether what the witness names was found, and how that is known.
    pub(super) fn verdict(&self, witness: &Witness) -> (Verdict, String) {
        let shows = &witness.found.shows;
        let is_fate = matches!(shows.parse(), Ok(Finding::Fate(_)));
        // The model calls an end more than the checkers of histories do, such as one value under two versions. What it
        // says of an end holds of every equal end.
        let of_the_model = shows.parse::<Property>().is_ok() && !is_fate && witness.end.is_some();
        match (self.finds(shows), &witness.end) {
            (Ok(true), _) => (Verdict::Pass, format!("{shows} is found")),
            (Ok(false), _) if of_the_model => (Verdict::Pass, "it ends as the witness says".to_owned()),
            (Ok(false), _) => (Verdict::Fail, format!("{shows} is not found")),
            (Err(why), Some(_)) => (Verdict::Pass, format!("it ends as the witness says; {why}")),
            (Err(why), None) => (Verdict::Unknown, why),
        }
    }

    fn finds(&self, name: &str) -> Result<bool, String> {
        let property = name.parse::<Property>().ok();
        let finding = name.parse::<Finding>().ok().or_else(|| property.and_then(finding_of));
        let judgeable = finding.is_some_and(|finding| matches!(finding, Finding::Anomaly(_)));
        if let Some(unrest) = self.unrest.as_ref().filter(|_| !judgeable) {
            return Err(format!("fates are judged when nothing is under way any more, and {unrest}"));
        }
        match (finding, property) {
            (Some(Finding::Fate(fate)), _) => Ok(self.fates.values().any(|end| end.fate == fate)),
            (Some(anomaly), _) => Ok(self.anomalies.contains(&anomaly)),
            (None, Some(Property::NothingLost)) => Ok(self.fates.values().any(|end| end.fate.is_loss())),
            (None, Some(Property::Delivered)) => Ok(!self.delivered),
            _ => Err(format!(
                "no checker here knows a finding `{name}`; with an `end` its states are compared"
            )),
        }
    }
}

fn live(player: &Player) -> impl Iterator<Item = &Replica> {
    player.cores().filter(|core| player.lives(core.id()))
}

/// What is not at rest: as after a live run, by the positions of logs and what waits.
fn unrest(player: &Player) -> Option<String> {
    if player.calls() > 0 {
        return Some("a request is under way".to_owned());
    }
    if let Some(core) = live(player).find(|core| core.waiting() > 0) {
        return Some(format!("a request waits at {}", core.id()));
    }
    let core = |id: ReplicaId| live(player).find(|core| core.id() == id);
    player.graph().links().iter().find_map(|&LinkId { from, to }| {
        let (sender, receiver) = (core(from)?, core(to)?);
        let lacks = |dot: &quarrel_models::id::Dot| {
            player.graph().forwards(from, to, dot.origin) && !receiver.applied().covers(*dot)
        };
        let dot = sender.applied().iter().find(lacks)?;
        Some(format!("{to} lacks {dot}, which {from} has"))
    })
}

fn judge(
    witness: &Witness,
    played: &Played,
    player: &Player,
    unrest: Option<String>,
) -> (Judgement, Vec<LedgerEntry>) {
    let mut judge = Judge::new(&header(witness, player.graph()))
        .unwrap_or_else(|error| panic!("a contract that demands nothing names a mark: {error}"));
    let mut recorder = Recorder::new(witness);
    for (step, seen) in witness.steps.iter().zip(&played.steps) {
        recorder.step(step, seen, |event| judge.observe(&event));
    }
    recorder.finish(player, unrest, |event| judge.observe(&event));
    let mut entries: Vec<LedgerEntry> = Vec::new();
    let judgement = judge
        .finish(&mut entries)
        .unwrap_or_else(|error| panic!("a list of entries could not be written: {error}"));
    (judgement, entries)
}

/// The header of a history that nobody reads: cluster, strategy and workload of the witness, and a contract that asks
/// for nothing.
fn header(witness: &Witness, graph: &Graph) -> Header {
    let workload = match witness.workload.as_str() {
        "set" | "cart" => Workload::Set(Keys::default()),
        "counter" => Workload::Counter(Keys::default()),
        "calendar" => Workload::Calendar(Calendar::default()),
        _ => Workload::Register(Keys::default()),
    };
    Header {
        quarrel: "history".to_owned(),
        v: FORMAT_VERSION,
        seed: 0,
        started: String::new(),
        system: "witness".to_owned(),
        scenario: scenario(witness, graph, workload),
    }
}

/// The scenario of which a witness is a part, as far as it says.
pub(super) fn scenario(witness: &Witness, graph: &Graph, workload: Workload) -> Scenario {
    Scenario {
        name: "witness".to_owned(),
        about: String::new(),
        cluster: Cluster {
            leaders: graph.leader_count(),
            followers: witness.cluster.followers.clone(),
            topology: witness.cluster.topology.clone(),
            propagation: Some(witness.cluster.propagation),
            ..Cluster::default()
        },
        strategy: witness.cluster.strategy.clone(),
        workload,
        clients: Default::default(),
        phases: Default::default(),
        nemesis: Default::default(),
        contract: Default::default(),
    }
}

/// Makes the events of a history of what was seen.
struct Recorder {
    /// Where each client is.
    at: BTreeMap<ClientId, ReplicaId>,
    /// Nanoseconds. Of two events the later one has the later time, however short a step is.
    t: u64,
    conflicts: Vec<Event>,
}

impl Recorder {
    fn new(witness: &Witness) -> Self {
        let at = witness.clients.iter().map(|(&client, start)| (client, start.at)).collect();
        Self { at, t: 0, conflicts: Vec::new() }
    }

    fn step(&mut self, step: &Step, seen: &PlayedStep, mut told: impl FnMut(Event)) {
        self.t = self.t.max(seen.at_us.unsigned_abs().saturating_mul(1000));
        let fault = match &step.act {
            Act::Fault(fault) => Some(fault.clone()),
            Act::Lose { replica } | Act::LoseTail { replica, .. } => Some(Fault::Kill(*replica)),
            _ => None,
        };
        if let Some(fault) = fault {
            if let Fault::Relocate { client, to, .. } = fault {
                self.at.insert(client, to);
            }
            told(Event::Nemesis { t: self.next(), fault, effect: String::new() });
        }
        for happening in &seen.happenings {
            let event = self.event(happening);
            event.into_iter().for_each(&mut told);
        }
    }

    fn next(&mut self) -> u64 {
        self.t += 1;
        self.t
    }

    fn event(&mut self, happening: &Happening) -> Option<Event> {
        let t = self.next();
        match happening.clone() {
            Happening::Began { client, write, key, operation } => {
                let at = *self.at.get(&client)?;
                Some(Event::Invoke { t, client, at, key, op: operation, write })
            }
            Happening::Ended { client, write, outcome } => {
                Some(Event::completion(t, client, write.is_some(), outcome))
            }
            Happening::Resolved { client, resolution } => Some(Event::resolution(t, client, *resolution)),
            Happening::Applied(applied) => {
                self.conflict(*applied);
                None
            }
            _ => None,
        }
    }

    /// A conflict that the replica's own log records.
    fn conflict(&mut self, applied: Applied) {
        let Applied { at: replica, site, key, version, decision, against, recorded, .. } = applied;
        let (write, dot, stamp) = (version.write, version.dot, version.stamp);
        let event = TraceEvent::Apply { key, write, dot, stamp, site, decision, against, recorded };
        if let Some((key, loser, winner)) = recorded_conflict(event) {
            self.conflicts.push(Event::Recorded { replica, key, loser, winner });
        }
    }

    /// What every replica holds, and the end.
    fn finish(&mut self, player: &Player, unrest: Option<String>, mut told: impl FnMut(Event)) {
        for core in player.cores() {
            let replica = core.id();
            if !player.lives(replica) {
                told(Event::Unread { replica, why: "dead".to_owned() });
                continue;
            }
            let mut records = 0;
            for (key, cell) in core.cells() {
                records += 1;
                told(Event::holding(replica, key.clone(), cell.clone()));
            }
            told(Event::FinalEnd { replica, records, applied: core.applied().clone() });
        }
        self.conflicts.drain(..).for_each(&mut told);
        let quiescence = match unrest {
            None => Quiescence::Positions { after_ns: 0 },
            Some(why) => Quiescence::NotReached { why },
        };
        told(Event::End { t: self.next(), quiescence });
    }
}
