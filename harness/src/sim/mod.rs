//! The simulated arena: campaigns over many seeds, and what is made of a seed that shows something.
//!
//! A run itself is `quarrel_models::sim`, its judgement `quarrel_workloads::simulation`. The rooms: `campaign` seeds on
//! threads, `tally` what they come to, `shrunk` a seed made small and written down.

mod campaign;
mod shrunk;
mod tally;

pub use campaign::{Campaign, Ended};
pub use shrunk::{FORMAT_VERSION, ScheduleFile, Shrunk, events, run_again, shrink};
pub use tally::{Finding, MarkCount, Seed, Tally};
