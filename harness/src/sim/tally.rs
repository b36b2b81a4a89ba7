//! What the seeds of a campaign come to.

use super::campaign::Ended;
use quarrel_models::{fate::Fate, random::Hash64};
use quarrel_workloads::{
    judge::Reason,
    mark::Mark,
    simulation::{Trial, Tried},
    verdict::Verdict,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What is kept of one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Seed {
    seed: u64,
    digest: u64,
    fates: BTreeMap<Fate, u64>,
    /// Findings that nobody permits, and those that the contract or the strategy does.
    reasons: Vec<Reason>,
    counts: BTreeMap<&'static str, u64>,
    marks: Vec<u64>,
    operations: u64,
    simulated_us: u64,
    events: u64,
    frames: u64,
    lost: u64,
}

/// A kind of finding, over all seeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name, such as `causal-inversion`.
    pub kind: &'static str,
    /// How often it was found.
    pub count: u64,
    /// In how many seeds.
    pub seeds: u64,
    /// The first seed that shows it.
    pub first_seed: u64,
    /// `fail` where the contract does not permit it, `unknown` where all of it hangs on operations that nobody
    /// answered, `pass` where it is permitted.
    pub verdict: Verdict,
    /// What that seed says of it.
    pub evidence: String,
    /// The smallest schedule that shows it, in the results store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<String>,
}

/// A situation, over all seeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MarkCount {
    /// Its name.
    pub name: &'static str,
    /// How often it arose.
    pub hits: u64,
    /// In how many seeds.
    pub seeds: u64,
    /// Whether the contract demands it.
    pub required: bool,
}

/// What the seeds come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tally {
    /// The verdict of the campaign: see [`Tally::conclude`].
    pub verdict: Verdict,
    /// Why it ended.
    pub ended: Ended,
    /// How many seeds were tried.
    pub seeds: u64,
    /// Those of which it is not known whether they break the contract.
    pub undecided: u64,
    /// Why the first of them is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecided_because: Option<String>,
    /// A digest of the histories of all seeds, in their order.
    #[serde(serialize_with = "hexadecimal")]
    pub digest: u64,
    /// What was found, what is not permitted first.
    pub findings: Vec<Finding>,
    /// What the contract demands to be found, and no seed shows.
    pub missing: Vec<&'static str>,
    /// All situations.
    pub marks: Vec<MarkCount>,
    /// How many acknowledged writes met each fate.
    pub fates: BTreeMap<Fate, u64>,
    /// Operations that were done.
    pub operations: u64,
    /// Simulated time, seconds.
    pub simulated_seconds: f64,
    /// Events of the simulator.
    pub events: u64,
    /// Frames sent.
    pub frames: u64,
    /// Frames that never arrived.
    pub lost_frames: u64,
    /// Wall time, seconds.
    pub seconds: f64,
    #[serde(skip)]
    hash: Hash64,
    #[serde(skip)]
    demanded: Vec<&'static str>,
    /// Whether a seed at least was fully judged.
    #[serde(skip)]
    judged: bool,
}

fn hexadecimal<S: serde::Serializer>(digest: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{digest:016x}"))
}

impl Seed {
    /// What is kept of a seed.
    #[must_use]
    pub fn of(seed: u64, tried: &Tried) -> Self {
        let (judgement, outcome) = (&tried.judgement, &tried.outcome);
        let losses = judgement.fates.iter().filter(|(fate, _)| fate.is_loss());
        let counts = losses.map(|(fate, &count)| (fate.name(), count));
        let anomalies = judgement.anomalies.iter().map(|anomaly| (anomaly.kind.name(), anomaly.count));
        let counts: BTreeMap<&'static str, u64> = counts.chain(anomalies).collect();
        let kept = |reason: &&Reason| {
            reason.verdict != Verdict::Pass || counts.contains_key(reason.property.as_str())
        };
        Self {
            seed,
            digest: tried.digest,
            fates: judgement.fates.clone(),
            reasons: judgement.reasons.iter().filter(kept).cloned().collect(),
            marks: judgement.marks.iter().map(|mark| mark.hits).collect(),
            operations: judgement.operations.ok + judgement.operations.fail + judgement.operations.info,
            simulated_us: outcome.ended_us,
            events: outcome.traffic.events,
            frames: outcome.traffic.frames,
            lost: outcome.traffic.lost,
            counts,
        }
    }

    fn verdict(&self) -> Verdict {
        self.reasons.iter().map(|reason| reason.verdict).fold(Verdict::Pass, Verdict::merge)
    }
}

impl Tally {
    /// Nothing yet.
    #[must_use]
    pub fn new(trial: &Trial) -> Self {
        let required = |mark: Mark| trial.marks().iter().any(|name| name == mark.name());
        let mark = |mark: Mark| MarkCount { name: mark.name(), hits: 0, seeds: 0, required: required(mark) };
        Self {
            verdict: Verdict::Unknown,
            ended: Ended::Complete,
            seeds: 0,
            undecided: 0,
            undecided_because: None,
            digest: 0,
            findings: Vec::new(),
            missing: Vec::new(),
            marks: Mark::ALL.map(mark).into(),
            fates: BTreeMap::new(),
            operations: 0,
            simulated_seconds: 0.0,
            events: 0,
            frames: 0,
            lost_frames: 0,
            seconds: 0.0,
            hash: Hash64::default(),
            demanded: trial.find().iter().map(|finding| finding.name()).collect(),
            judged: false,
        }
    }

    /// Counts a seed. Whether it breaks the contract.
    pub(super) fn add(&mut self, seed: Seed) -> bool {
        let verdict = seed.verdict();
        self.seeds += 1;
        self.hash.number(seed.digest);
        self.digest = self.hash.finish();
        for (fate, count) in &seed.fates {
            *self.fates.entry(*fate).or_default() += count;
        }
        for (mark, &hits) in self.marks.iter_mut().zip(&seed.marks) {
            mark.hits += hits;
            mark.seeds += u64::from(hits > 0);
        }
        self.operations += seed.operations;
        self.simulated_seconds += seed.simulated_us as f64 / 1e6;
        self.events += seed.events;
        self.frames += seed.frames;
        self.lost_frames += seed.lost;
        for reason in &seed.reasons {
            self.find(&seed, reason);
        }
        if verdict == Verdict::Unknown {
            self.undecided += 1;
            let unknown = seed.reasons.iter().find(|reason| reason.verdict == Verdict::Unknown);
            let why =
                unknown.map(|reason| format!("seed {}: {}: {}", seed.seed, reason.property, reason.evidence));
            self.undecided_because = self.undecided_because.take().or(why);
        } else {
            self.judged = true;
        }
        verdict == Verdict::Fail
    }

    fn find(&mut self, seed: &Seed, reason: &Reason) {
        let Some((&kind, &count)) = seed.counts.get_key_value(reason.property.as_str()) else { return };
        let place = self.findings.iter().position(|found| found.kind == kind).unwrap_or_else(|| {
            self.findings.push(Finding {
                kind,
                count: 0,
                seeds: 0,
                first_seed: seed.seed,
                verdict: reason.verdict,
                evidence: reason.evidence.clone(),
                witness: None,
            });
            self.findings.len() - 1
        });
        let found = &mut self.findings[place];
        found.count += count;
        found.seeds += 1;
        // A case that hangs on nothing says more than one that does.
        if reason.verdict == Verdict::Fail && found.verdict == Verdict::Unknown {
            (found.verdict, found.first_seed) = (Verdict::Fail, seed.seed);
            found.evidence.clone_from(&reason.evidence);
        }
    }

    /// What the contract does not permit.
    pub fn failures(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|found| found.verdict == Verdict::Fail)
    }

    /// Comes to the verdict. It fails if a seed breaks the contract, or if no seed shows what the contract demands. It
    /// is unknown if a demanded situation never arose, if no seed could be judged, or if it ended before its time: what
    /// was not tried may find something. Single seeds that hang on unanswered operations are counted apart.
    pub(super) fn conclude(&mut self, ended: Ended) {
        self.ended = ended;
        self.findings.sort_by_key(|found| std::cmp::Reverse(found.verdict));
        let found = |demanded: &&str| self.findings.iter().any(|found| found.kind == *demanded);
        self.missing = self.demanded.iter().copied().filter(|demanded| !found(demanded)).collect();
        let cut_short = matches!(ended, Ended::Interrupted);
        // What was demanded may have come later.
        let lacks_finding = self.judged && ended == Ended::Complete && !self.missing.is_empty();
        let lacks_mark = self.marks.iter().any(|mark| mark.required && mark.hits == 0);
        self.verdict = if self.failures().next().is_some() || lacks_finding {
            Verdict::Fail
        } else if lacks_mark || !self.missing.is_empty() || !self.judged || cut_short {
            Verdict::Unknown
        } else {
            Verdict::Pass
        };
    }
}
