//! Throughput against offered rate: the rate is doubled until the cluster no longer keeps up.

use super::{
    load::{End, Load, carry},
    metric::{Figures, histogram_of},
    observe::Place,
    plan::{Arrivals, Plan, Setup},
};
use crate::{clock_file::monotonic_ns, runner::RunError, systems::reference::ReferenceCluster};
use std::time::{Duration, Instant};

/// A cluster that answers less than this share of what it is offered is saturated.
const KEEPS_UP: f64 = 0.95;
/// More doublings than any cluster on one machine keeps up with.
const MOST_STEPS: u32 = 16;

/// One rate that was offered.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// Operations per second that were due.
    pub offered: f64,
    /// Operations per second that were acknowledged while the load was on.
    pub achieved: f64,
    /// Latencies of acknowledged operations from when they were due, seconds.
    pub latency: Figures,
}

impl Step {
    /// Whether the cluster answered nearly all of it in time.
    #[must_use]
    pub fn keeps_up(&self) -> bool {
        self.achieved >= KEEPS_UP * self.offered
    }
}

/// Offers more and more, until the cluster does not keep up. The last step is the one that it failed, unless the
/// search was stopped.
///
/// # Errors
/// [`RunError`] if the cluster could not be had, or failed.
pub(super) async fn search(setup: &Setup, plan: &Plan, place: &Place<'_>) -> Result<Vec<Step>, RunError> {
    let mut cluster =
        ReferenceCluster::start(&setup.scenario, place.folder, plan.seed, place.program).await?;
    let mut steps: Vec<Step> = Vec::new();
    let mut failed = None;
    for number in 0..MOST_STEPS {
        let rate = plan.rate * f64::from(1_u32 << number);
        match step(&cluster, setup, plan, place, (number, rate)).await {
            Ok(step) => steps.push(step),
            Err(error) => failed = Some(cluster.check_alive().err().map_or(error, RunError::from)),
        }
        let kept_up = steps.last().is_some_and(Step::keeps_up);
        if failed.is_some() || !kept_up || place.interrupt.is_requested() {
            break;
        }
    }
    cluster.stop().await;
    failed.map_or(Ok(steps), Err)
}

async fn step(
    cluster: &ReferenceCluster,
    setup: &Setup,
    plan: &Plan,
    place: &Place<'_>,
    (number, rate): (u32, f64),
) -> Result<Step, RunError> {
    let leaders = setup.scenario.cluster.leaders;
    // More connections than in the measurement: here it is the cluster that is to be the limit.
    let connections = plan.connections.max(32);
    let begins = Instant::now() + Duration::from_millis(50);
    // What the first operations of new connections cost is not the cluster's.
    let lead = plan.ramp / 4;
    let load = Load {
        scenario: setup.scenario.clone(),
        seed: plan.seed,
        endpoints: cluster.endpoints(),
        leaders,
        rate,
        // Evenly: at random, a rate would be another one each second.
        arrivals: Arrivals::Constant,
        begins,
        ends: begins + lead + plan.ramp,
        grace: Duration::ZERO,
        connections,
        first_client: (number + 1) * connections * u32::try_from(leaders).unwrap_or(u32::MAX >> 16),
        probe_one_in: 0,
        interrupt: place.interrupt.clone(),
    };
    let offset = Instant::now();
    let from = monotonic_ns() + nanos((begins + lead).duration_since(offset));
    let to = from + nanos(plan.ramp);
    let lost = |error: &dyn std::fmt::Display| RunError::Environment(format!("the load failed: {error}"));
    let carried = tokio::task::spawn_blocking(move || carry(load)).await;
    let carried = carried.map_err(|error| lost(&error))?.map_err(|error| lost(&error))?;
    let acknowledged = || carried.samples.iter().filter(|sample| sample.end == End::Acknowledged);
    let answered = acknowledged().filter(|sample| (from..to).contains(&sample.ended_ns)).count();
    let due = acknowledged().filter(|sample| (from..to).contains(&sample.due_ns));
    let latencies = due.map(|sample| u64::try_from(sample.ended_ns - sample.due_ns).unwrap_or(0));
    Ok(Step {
        offered: rate,
        achieved: answered as f64 / plan.ramp.as_secs_f64(),
        latency: Figures::of(&histogram_of(latencies)),
    })
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4)
}
