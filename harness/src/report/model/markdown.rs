//! The model checker's report for the step summary of a pipeline.

use super::{Matrix, Modelled, Record};
use crate::report::markdown::{capped, escaped, sign};
use std::io::{self, Write};

/// Markdown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Markdown;

impl Markdown {
    /// The matrix: a row for each world, with what is violated in it and in how many steps.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn matrix(self, matrix: &Matrix, out: &mut dyn Write) -> io::Result<()> {
        let mut text = String::from(
            "## quarrel model\n\n| strategy | workload | topology | fault | violated in steps | no proof of |\n|---|---|---|---|---|---|\n",
        );
        let cell = |one: &Record| {
            (
                one.strategy.clone(),
                one.variant.clone(),
                one.workload.clone(),
                one.topology.clone(),
                one.fault.clone(),
            )
        };
        let mut rest = matrix.records.as_slice();
        while let Some(first) = rest.first() {
            let (same, after) = rest.split_at(rest.iter().take_while(|one| cell(one) == cell(first)).count());
            text.push_str(&row(first, same));
            rest = after;
        }
        text.push_str(&format!("\n- again: `{}`\n", matrix.again));
        out.write_all(capped(text).as_bytes())
    }

    /// Scenarios: verdict, reasons, and the shortest witness of the worst finding.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn scenarios(self, modelled: &[Modelled], out: &mut dyn Write) -> io::Result<()> {
        let mut text = String::from("## quarrel model\n");
        for one in modelled {
            text.push_str(&format!("\n### {} {}\n\n", sign(one.outcome.verdict), escaped(&one.scenario)));
            for reason in &one.outcome.reasons {
                let (verdict, why) = (sign(reason.verdict), escaped(&reason.why));
                text.push_str(&format!("- {verdict} **{}**: {why}\n", reason.finding));
            }
            if let Some((title, told)) = &one.told {
                text.push_str(&format!("\n{}\n\n```text\n{}\n```\n\n", escaped(title), told.trim_end()));
            }
            text.push_str(&format!("- again: `{}`\n", one.again));
        }
        out.write_all(capped(text).as_bytes())
    }
}

fn row(first: &Record, records: &[Record]) -> String {
    let violated = records.iter().filter_map(|one| Some(format!("{} {}", one.property, one.witness_steps?)));
    let unproven =
        records.iter().filter(|one| one.verdict == "bounded" && !one.vacuous).map(|one| one.property);
    let variant = if first.variant.is_empty() { String::new() } else { format!(" ({})", first.variant) };
    format!(
        "| {}{} | {} | {} | {} | {} | {} |\n",
        escaped(&first.strategy),
        escaped(&variant),
        first.workload,
        first.topology,
        first.fault,
        violated.collect::<Vec<_>>().join(", "),
        unproven.collect::<Vec<_>>().join(", ")
    )
}
