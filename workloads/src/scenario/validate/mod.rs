//! Whether a scenario means something: checks beyond what the types can say.
//!
//! One file per part of a scenario. Checks speak of values by path and know nothing of files.

mod clients;
mod cluster;
mod contract;
mod http;
mod nemesis;
mod strategy;
mod system;
mod workload;

pub use strategy::data_type_for;
pub use system::systems;
pub use workload::handlers_for;

use super::{Scenario, problem::Problem};

/// The longest name: it becomes the name of a folder.
const NAME_MAX: usize = 60;

/// Everything that is wrong with the scenario, in the order of its parts. `marks` are the marks that a contract can
/// name.
#[must_use]
pub fn validate(scenario: &Scenario, marks: &[&str]) -> Vec<Problem> {
    let mut problems = Problems::default();
    check_name(scenario, &mut problems);
    system::check(scenario, &mut problems);
    let graph = cluster::check(&scenario.cluster, &mut problems);
    strategy::check(scenario, &mut problems);
    workload::check(scenario, &mut problems);
    clients::check(scenario, &mut problems);
    if let Some(graph) = graph {
        nemesis::check(scenario, &graph, &mut problems);
    }
    contract::check(scenario, marks, &mut problems);
    problems.0
}

/// The problems found so far.
#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(
        &mut self,
        path: impl Into<String>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.0.push(Problem::new(path, message, label, help));
    }

    /// A number from 0 to 1.
    fn share(&mut self, path: String, share: f64) {
        if !(0.0..=1.0).contains(&share) {
            let name = path.rsplit('.').next().unwrap_or_default().to_owned();
            let message = format!("`{name}` is a share from 0 to 1, not {share}");
            self.add(path, message, "outside 0 to 1", format!("write a share, such as `{name} = 0.3`"));
        }
    }

    /// A number that must not be 0.
    fn positive(&mut self, path: String, number: u64, help: &str) {
        if number == 0 {
            let name = path.rsplit('.').next().unwrap_or_default().to_owned();
            self.add(path, format!("`{name}` must be at least 1"), "at least 1", help);
        }
    }
}

fn check_name(scenario: &Scenario, problems: &mut Problems) {
    let name = scenario.name.as_str();
    let letters = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let ends = !name.starts_with('-') && !name.ends_with('-');
    if name.is_empty() || name.len() > NAME_MAX || !letters || !ends {
        let lower = name.to_ascii_lowercase();
        let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let mended: String = words.collect::<Vec<_>>().join("-").chars().take(NAME_MAX).collect();
        let mended = if mended.is_empty() { "my-scenario" } else { mended.trim_end_matches('-') };
        problems.add(
            "name",
            format!("`{name}` cannot name a folder of results"),
            format!("1 to {NAME_MAX} lower-case letters, digits and hyphens"),
            format!("write `name = \"{mended}\"`"),
        );
    }
}
