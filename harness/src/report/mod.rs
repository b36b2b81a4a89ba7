//! Reports: one format a file, each a rendering of the same [`Summary`].
//!
//! A new format is a file that implements [`Format`] and a line where it is chosen, in `cli/output.rs`. Nothing here
//! judges, and nothing computes what a checker should have.

mod check;
mod ci;
mod compare;
mod figures;
mod github;
pub mod html;
mod json;
mod judged;
mod junit;
mod latency;
mod markdown;
mod model;
mod paint;
mod recorded;
mod replay;
mod sim;
mod summary;
mod table;
mod text;
mod tour;

pub use check::{Checked, CheckedAnomaly, CheckedFile, WitnessOperation};
pub use ci::{CiReport, SimulatedCi};
pub use compare::{Compared, Comparison, Difference, Row};
pub use figures::grouped;
pub(crate) use figures::wrap;
pub use github::Annotations;
pub use json::Json;
pub(crate) use json::{VERSION, write as write_json};
pub use judged::Circumstances;
pub use junit::Junit;
pub use latency::{LatencyJunit, LatencyMarkdown, LatencyReport, LatencyText};
pub use markdown::{MAX_BYTES as MARKDOWN_MAX_BYTES, Markdown};
pub use model::{Matrix, ModelJson, ModelMarkdown, ModelText, Modelled, Record, Taken};
pub use paint::Paint;
pub use recorded::RecordedError;
pub use replay::ReplayReport;
pub use sim::{Campaigned, SimJson, SimText};
pub use summary::{Found, Latencies, Mark, Operations, Property, Summary};
pub use table::Table;
pub use text::Text;
pub(crate) use text::WIDTH;

use std::io::{self, Write};

/// All runs of one command.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The runs, in order.
    pub runs: Vec<Summary>,
    /// The command that repeats the tour, if this was one: its strategies are then compared.
    pub tour: Option<String>,
}

/// A way to put a report into writing.
pub trait Format {
    /// Renders the report.
    ///
    /// # Errors
    /// What `out` reports.
    fn write(&self, report: &Report, out: &mut dyn Write) -> io::Result<()>;
}

#[cfg(test)]
mod tests;
