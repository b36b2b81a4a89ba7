//! One repetition on the reference cluster: warm up, measure, cut, heal, come to rest; then join what the clients and
//! the replicas noted.

use super::{
    load::{Carried, End, Load, Sample, Sighting, carry},
    plan::{Phase, Plan, Setup, Windows},
    visibility::{Spread, Spreads},
};
use crate::{
    clock_file::monotonic_ns,
    runner::{Interrupt, RunError, quiesce},
    systems::reference::ReferenceCluster,
};
use quarrel_models::{fault::Fault, topology::Graph};
use quarrel_workloads::history::Quiescence;
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

/// Time for the clients to be ready.
const LEAD: Duration = Duration::from_millis(100);

/// A value and when it arose: both nanoseconds, the time by the machine's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) at: i64,
    pub(super) ns: u64,
}

/// What a repetition has shown.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) values: BTreeMap<String, Vec<Value>>,
    pub(super) scalars: BTreeMap<&'static str, f64>,
    pub(super) tally: Tally,
}

/// What did not go as it should, and how much there was.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Operations that were acknowledged, warm-up included.
    pub acknowledged: u64,
    /// Operations that were refused or could not be sent.
    pub refused: u64,
    /// Operations without an answer in time.
    pub unanswered: u64,
    /// Operations that were due and never begun.
    pub unserved: u64,
    /// Acknowledged writes that some replica never applied, although replication had come to rest.
    pub unseen: u64,
    /// Why replication did not come to rest, each time that it did not.
    pub restless: Vec<String>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.unserved += other.unserved;
        self.unseen += other.unseen;
        self.restless.extend(other.restless);
    }
}

/// What the links had carried at a moment.
#[derive(Debug, Clone, Copy)]
struct Traffic {
    at: i64,
    frames: u64,
    bytes: u64,
}

impl Traffic {
    fn of(cluster: &ReferenceCluster) -> Self {
        let (frames, bytes) = cluster.traffic();
        Self { at: monotonic_ns(), frames, bytes }
    }
}

/// Where the repetition runs.
pub(super) struct Place<'a> {
    pub(super) folder: &'a Path,
    pub(super) program: &'a Path,
    pub(super) interrupt: &'a Interrupt,
}

/// Makes a repetition.
///
/// # Errors
/// [`RunError`] if the cluster could not be had, or failed.
pub(super) async fn observe(
    setup: &Setup,
    plan: &Plan,
    repetition: u32,
    place: &Place<'_>,
) -> Result<Observed, RunError> {
    let seed = plan.seed.wrapping_add(u64::from(repetition));
    let mut cluster = ReferenceCluster::start(&setup.scenario, place.folder, seed, place.program).await?;
    let ended = phases(&mut cluster, setup, plan, seed, place).await;
    let ended = ended.map_err(|error| cluster.check_alive().err().map_or(error, RunError::from));
    // The apply logs are whole once the nodes have ended.
    cluster.stop().await;
    let Raw { windows, carried, before, after, healed, quiescence } = ended?;
    let spreads = Spreads::read(place.folder, cluster.graph().replicas())
        .map_err(|error| RunError::Environment(format!("cannot read the apply logs: {error}")))?;
    let mut observed = Observed::default();
    let at_rest = matches!(quiescence, Quiescence::Positions { .. });
    observed.join(&carried.samples, &windows, &spreads, cluster.graph());
    observed.tally.unserved = carried.unserved;
    if let Quiescence::NotReached { why } = quiescence {
        observed.tally.restless.push(why);
        observed.tally.unseen = 0;
    }
    observed.steady(&carried.samples, before, after);
    if let Some(healed) = healed.filter(|_| at_rest)
        && let Some(complete) = spreads.complete_at(healed)
    {
        observed.note("converge.heal".to_owned(), healed, complete.max(healed) - healed);
    }
    Ok(observed)
}

/// What was there when the load had ended.
struct Raw {
    windows: Windows,
    carried: Carried,
    before: Traffic,
    after: Traffic,
    healed: Option<i64>,
    quiescence: Quiescence,
}

async fn phases(
    cluster: &mut ReferenceCluster,
    setup: &Setup,
    plan: &Plan,
    seed: u64,
    place: &Place<'_>,
) -> Result<Raw, RunError> {
    let windows = Windows::new(plan, setup.link_delay(), Instant::now() + LEAD);
    let load = Load {
        scenario: setup.scenario.clone(),
        seed,
        endpoints: cluster.endpoints(),
        leaders: setup.scenario.cluster.leaders,
        rate: plan.rate,
        arrivals: plan.arrivals,
        begins: windows.begins,
        ends: windows.ends,
        grace: setup.scenario.clients.timeout.duration(),
        connections: plan.connections,
        first_client: 0,
        probe_one_in: 0,
        interrupt: place.interrupt.clone(),
    };
    let carrying = tokio::task::spawn_blocking(move || carry(load));
    until(windows.steady, place.interrupt).await;
    let before = Traffic::of(cluster);
    until(windows.settles, place.interrupt).await;
    let after = Traffic::of(cluster);
    until(windows.partition, place.interrupt).await;
    let mut healed = None;
    if !plan.cut.is_zero() {
        let links = setup.cut(cluster.graph().links());
        cluster.apply(&Fault::Cut(links.clone())).await?;
        until(windows.recovery, place.interrupt).await;
        cluster.apply(&Fault::Heal(links)).await?;
        healed = Some(monotonic_ns());
    }
    let lost = |error: &dyn std::fmt::Display| RunError::Environment(format!("the load failed: {error}"));
    let carried = carrying.await.map_err(|error| lost(&error))?.map_err(|error| lost(&error))?;
    let budget = setup.scenario.phases.quiesce.duration();
    let quiescence = quiesce(cluster, budget, place.interrupt).await?;
    Ok(Raw { windows, carried, before, after, healed, quiescence })
}

async fn until(at: Instant, interrupt: &Interrupt) {
    tokio::select! {
        () = tokio::time::sleep_until(at.into()) => {}
        () = interrupt.requested() => {}
    }
}

impl Observed {
    fn note(&mut self, metric: String, at: i64, ns: i64) {
        self.values.entry(metric).or_default().push(Value { at, ns: u64::try_from(ns).unwrap_or(0) });
    }

    fn join(&mut self, samples: &[Sample], windows: &Windows, spreads: &Spreads, graph: &Graph) {
        for sample in samples {
            self.count(sample.end);
            if sample.end != End::Acknowledged {
                continue;
            }
            let phase = windows.phase(sample.due);
            if let Some(phase) = phase {
                self.answered(sample, phase);
            }
            let Some(write) = sample.write else { continue };
            let spread = spreads.get(write).cloned().unwrap_or_default();
            if spread.taken.is_none() || spread.applied.len() + 1 < graph.replica_count() {
                self.tally.unseen += 1;
            } else if let Some(phase) = phase {
                self.visible(sample, &spread, phase, graph);
            }
        }
    }

    pub(super) const fn count(&mut self, end: End) {
        match end {
            End::Acknowledged => self.tally.acknowledged += 1,
            End::Refused => self.tally.refused += 1,
            End::Unknown => self.tally.unanswered += 1,
        }
    }

    /// When other leaders showed a write that was looked for there.
    pub(super) fn sighted(&mut self, sample: &Sample, seen: &[Sighting], phase: Phase) {
        let suffix = phase.suffix();
        let times: Vec<i64> = seen.iter().filter_map(|sighting| sighting.seen_ns).collect();
        if times.len() < seen.len() {
            self.tally.unseen += 1;
            return;
        }
        for (from, actual) in [(sample.due_ns, ""), (sample.began_ns, ".actual")] {
            for at in &times {
                self.note(format!("visibility.each{actual}{suffix}"), sample.due_ns, at - from);
            }
            if let Some(last) = times.iter().max() {
                self.note(format!("visibility.all{actual}{suffix}"), sample.due_ns, last - from);
            }
        }
    }

    /// How long an operation took.
    pub(super) fn answered(&mut self, sample: &Sample, phase: Phase) {
        let kind = if sample.write.is_some() { "write" } else { "read" };
        let suffix = phase.suffix();
        self.note(format!("{kind}.ack{suffix}"), sample.due_ns, sample.ended_ns - sample.due_ns);
        self.note(format!("{kind}.ack.actual{suffix}"), sample.due_ns, sample.ended_ns - sample.began_ns);
    }

    /// When the others had a write.
    fn visible(&mut self, sample: &Sample, spread: &Spread, phase: Phase, graph: &Graph) {
        let Some((origin, taken)) = spread.taken else { return };
        let suffix = phase.suffix();
        let starts = [
            ("visibility", sample.due_ns, ""),
            ("visibility", sample.began_ns, ".actual"),
            ("lag", taken, ""),
        ];
        for (metric, from, actual) in starts {
            for &(replica, at) in &spread.applied {
                self.note(format!("{metric}.each{actual}{suffix}"), sample.due_ns, at - from);
                if let Some(hops) = graph.distance(origin, replica) {
                    self.note(format!("{metric}.hops-{hops}{actual}{suffix}"), sample.due_ns, at - from);
                }
            }
            if let Some(last) = spread.applied.iter().map(|(_, at)| *at).max() {
                self.note(format!("{metric}.all{actual}{suffix}"), sample.due_ns, last - from);
            }
        }
    }

    /// What is counted while no fault is on.
    fn steady(&mut self, samples: &[Sample], before: Traffic, after: Traffic) {
        let seconds = Duration::from_nanos(u64::try_from(after.at - before.at).unwrap_or(0)).as_secs_f64();
        let acknowledged = || {
            let within = |sample: &&Sample| (before.at..after.at).contains(&sample.ended_ns);
            samples.iter().filter(within).filter(|sample| sample.end == End::Acknowledged)
        };
        let writes = acknowledged().filter(|sample| sample.write.is_some()).count() as f64;
        if seconds > 0.0 {
            self.scalars.insert("throughput", acknowledged().count() as f64 / seconds);
        }
        if writes > 0.0 {
            self.scalars.insert("messages-per-write", (after.frames - before.frames) as f64 / writes);
            self.scalars.insert("bytes-per-write", (after.bytes - before.bytes) as f64 / writes);
        }
    }
}
