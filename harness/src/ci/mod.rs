//! What a pipeline is told: which scenario fits into what is left of the budget, and what is worse than before.
//!
//! What may not enter: making runs, and rendering.

mod baseline;
mod budget;

pub use baseline::{Baseline, Known, Range, Regression};
pub use budget::{Choice, choose};
