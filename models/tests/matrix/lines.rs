//! A line of the matrix: a cell, its states, and what is violated there in how many steps. All else holds.

use quarrel_models::check::{Bound, Exploration, Verdict, matrix::Cell};
use std::fmt::Write as _;

/// The beginning of the file.
#[allow(dead_code, reason = "only what writes the file needs it")]
pub(crate) const HEADER: &str = "\
# What the model checker finds of every strategy: 3 leaders, 3 writes, or 2 where faults multiply.
# strategy | workload | topology | faults | states | what is violated, and in how many steps; all else holds, but for
# what is silent: no state came about of which the property speaks
# Made anew by UPDATE=1 cargo bench -p quarrel-models --bench matrix
";

pub(crate) fn of(cell: &Cell, exploration: &Exploration) -> String {
    let (mut states, mut violated) = (None, String::new());
    for (property, verdict) in cell.properties().zip(&exploration.verdicts) {
        match verdict {
            Verdict::Violated { path, .. } => write!(violated, " {property} {}", path.len()).unwrap(),
            Verdict::Bounded { why: Bound::Vacuous, .. } => write!(violated, " {property} silent").unwrap(),
            Verdict::Bounded { why, .. } => write!(violated, " {property} unknown ({why})").unwrap(),
            Verdict::Holds { states: met, .. } => states = Some(met),
        }
    }
    if violated.is_empty() {
        violated.push_str(" nothing");
    }
    let met = states.map_or_else(|| "-".to_owned(), |states| states.to_string());
    format!("{cell} | {met} |{violated}")
}
