//! What is said of latencies: as text, as Markdown, as JUnit; the page is in `html/topologies`.

mod gate;
mod text;

pub use gate::{LatencyJunit, LatencyMarkdown};
pub use text::LatencyText;

use crate::latency::Outcome;
use serde::{Deserialize, Serialize};

/// A measurement, and the words around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyReport {
    /// What was measured.
    pub outcome: Outcome,
    /// The load in a few words, such as `300/s poisson, 2 x 5s`.
    pub load: String,
    /// The seed.
    pub seed: u64,
    /// How long it took.
    pub seconds: f64,
    /// The machine in a few words.
    pub machine: String,
    /// The folder of the results.
    pub results: Option<String>,
    /// The command that does it again.
    pub again: String,
}
