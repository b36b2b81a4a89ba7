//! A cluster that is not ours, reached by URLs: anything that speaks the API of `harness/docs/http-api.md`.
//!
//! Its links, its hops and its apply logs are not known. When another leader shows a write is found out by asking it
//! to read with a token that names the write: it answers as soon as it has applied it.

use super::{
    load::{End, Load, Sighting, carry},
    observe::Observed,
    plan::{Plan, Setup, Windows},
};
use crate::{
    runner::{Interrupt, RunError},
    systems::reference::Endpoints,
};
use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    sync::Arc,
    time::{Duration, Instant},
};

/// Writes that are looked for at the other leaders, a second: to look costs about as much as to write.
const PROBES_PER_SECOND: f64 = 50.0;
/// How long a leader may take to accept a first connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The leaders of a cluster that runs already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    addresses: Vec<SocketAddr>,
}

/// A target that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The URL is not of the form `http://HOST:PORT`.
    #[error("`{0}` is no target: write `http://HOST:PORT`, without a path")]
    Url(String),
    /// Nobody answers there.
    #[error("the target {url} cannot be reached: {why}")]
    Unreachable {
        /// The URL.
        url: String,
        /// What the system said.
        why: String,
    },
}

impl Target {
    /// Finds the leaders' addresses and tries to connect to each.
    ///
    /// # Errors
    /// [`TargetError`] names the first URL that is wrong or cannot be reached.
    pub fn reach(urls: &[String]) -> Result<Self, TargetError> {
        let addresses = urls.iter().map(|url| address(url)).collect::<Result<_, _>>()?;
        Ok(Self { addresses })
    }

    /// The number of leaders.
    #[must_use]
    pub const fn leaders(&self) -> usize {
        self.addresses.len()
    }
}

fn address(url: &str) -> Result<SocketAddr, TargetError> {
    let wrong = || TargetError::Url(url.to_owned());
    let place = url.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let place = place.filter(|place| !place.contains('/') && place.contains(':')).ok_or_else(wrong)?;
    if place.rsplit(':').next().is_none_or(|port| port.parse::<u16>().is_err()) {
        return Err(wrong());
    }
    let unreachable = |why: String| TargetError::Unreachable { url: url.to_owned(), why };
    let found = place.to_socket_addrs().map_err(|error| unreachable(error.to_string()))?;
    let mut last = "its name has no address".to_owned();
    for address in found {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(_) => return Ok(address),
            Err(error) => last = error.to_string(),
        }
    }
    Err(unreachable(last))
}

/// Makes a repetition against a target.
///
/// # Errors
/// [`RunError`] if the load could not be carried.
pub(super) async fn observe(
    target: &Target,
    setup: &Setup,
    plan: &Plan,
    repetition: u32,
    interrupt: &Interrupt,
) -> Result<Observed, RunError> {
    // The cluster remembers what earlier repetitions and earlier measurements wrote: idempotency keys are new ones.
    let per_repetition = plan.connections * u32::try_from(target.leaders()).unwrap_or(1);
    let first_client = fresh_clients(plan.seed) + repetition * per_repetition;
    let windows = Windows::new(plan, Duration::ZERO, Instant::now() + Duration::from_millis(100));
    let writes_per_second = plan.rate.max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate above 0")]
    let probe_one_in = (writes_per_second / PROBES_PER_SECOND).ceil() as u64;
    let load = Load {
        scenario: setup.scenario.clone(),
        seed: plan.seed.wrapping_add(u64::from(repetition)),
        endpoints: Arc::new(Endpoints::fixed(target.addresses.iter().copied())),
        leaders: target.leaders(),
        rate: plan.rate,
        arrivals: plan.arrivals,
        begins: windows.begins,
        ends: windows.ends,
        grace: setup.scenario.clients.timeout.duration(),
        connections: plan.connections,
        first_client,
        probe_one_in: if target.leaders() > 1 { probe_one_in } else { 0 },
        interrupt: interrupt.clone(),
    };
    let lost = |error: &dyn std::fmt::Display| RunError::Environment(format!("the load failed: {error}"));
    let carried = tokio::task::spawn_blocking(move || carry(load)).await;
    let carried = carried.map_err(|error| lost(&error))?.map_err(|error| lost(&error))?;
    let mut observed = Observed::default();
    observed.tally.unserved = carried.unserved;
    let mut looked_for: BTreeMap<_, Vec<Sighting>> = BTreeMap::new();
    for sighting in &carried.sightings {
        looked_for.entry(sighting.write).or_default().push(*sighting);
    }
    let mut answered = 0_u32;
    for sample in &carried.samples {
        observed.count(sample.end);
        let Some(phase) = windows.phase(sample.due).filter(|_| sample.end == End::Acknowledged) else {
            continue;
        };
        answered += 1;
        observed.answered(sample, phase);
        if let Some(seen) = sample.write.and_then(|write| looked_for.get(&write)) {
            observed.sighted(sample, seen, phase);
        }
    }
    let seconds = windows.ends.duration_since(windows.steady).as_secs_f64();
    observed.scalars.insert("throughput", f64::from(answered) / seconds);
    Ok(observed)
}

/// Numbers that clients of an earlier measurement hardly had: the time counts, and the seed.
fn fresh_clients(seed: u64) -> u32 {
    let now = crate::clock_file::real_ns().unsigned_abs() / 1_000_000;
    let mixed = quarrel_models::random::Stream::new(now, "clients", seed).below(1 << 30);
    u32::try_from(mixed).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port_and_somebody_answers_there() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        assert_eq!(Target::reach(&[url.clone(), format!("{url}/")]).unwrap().leaders(), 2);
        for wrong in
            ["127.0.0.1:80", "https://127.0.0.1:80", "http://127.0.0.1", "http://h:80/v1", "http://h:x"]
        {
            let error = Target::reach(&[wrong.to_owned()]).unwrap_err();
            assert!(matches!(error, TargetError::Url(_)), "{error}");
        }
        drop(listener);
        let error = Target::reach(&[url]).unwrap_err();
        assert!(matches!(error, TargetError::Unreachable { .. }), "{error}");
    }
}
