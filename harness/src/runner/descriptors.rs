//! File descriptors: a run that has too few would record refused connections, and call them the system's.

use super::RunError;
use quarrel_workloads::scenario::Scenario;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the harness itself needs: files, pipes to the nodes, the runtime's own.
const OWN: u64 = 40;
/// A client's connection, and the proxy's two ends of it; more while it moves.
const PER_CLIENT: u64 = 4;
/// A proxy's listener and both ends of the link, and one that is being replaced.
const PER_LINK: u64 = 5;

/// Raises the limit as far as may be, and says so if that is not enough for this scenario.
pub(super) fn secure(scenario: &Scenario) -> Result<(), RunError> {
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised, what there is may do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let links = scenario.cluster.graph().map_or(0, |graph| graph.links().len());
    let needed = needed(scenario.clients.count.into(), links as u64);
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => Err(RunError::Environment(format!(
            "this run needs about {needed} file descriptors, and the limit is {limit}: raise it with \
             `ulimit -n {}`, or run fewer clients or leaders",
            needed.next_power_of_two()
        ))),
        _ => Ok(()),
    }
}

const fn needed(clients: u64, links: u64) -> u64 {
    OWN + PER_CLIENT * clients + PER_LINK * links
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn the_estimate_is_above_what_was_measured() {
        // Open files of the harness, counted under /proc during runs on all-to-all.
        for (clients, links, measured) in [(6, 6, 66), (40, 30, 240)] {
            let needed = needed(clients, links);
            assert!(needed > measured && needed < 2 * measured, "{needed} for {measured}");
        }
    }
}
