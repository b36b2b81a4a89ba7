//! The end of the tour: the strategies side by side, each with its worst case in a sentence.

use super::{
    Found, Paint, Summary, Table,
    figures::{grouped, wrap},
    text::{WIDTH, indented},
};
use quarrel_models::fate::Fate;
use quarrel_workloads::verdict::{Anomaly, Verdict};
use std::io::{self, Write};

/// Writes the comparison. Strategies are columns: there are more fates than a screen has room for.
pub(super) fn write(runs: &[Summary], again: &str, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", paint.bold("What became of the acknowledged writes, by strategy"))?;
    writeln!(out)?;
    table(runs).write(2, out)?;
    writeln!(out)?;
    for run in runs {
        writeln!(out, "  {}", paint.bold(&run.strategy))?;
        indented(&sentence(run), 4, out)?;
    }
    writeln!(out)?;
    if let Some(folder) = runs.iter().rev().find_map(|run| run.results.as_deref()) {
        let store = folder.rsplitn(3, '/').nth(2).unwrap_or(folder);
        let text = format!(
            "Everything that was recorded is in {store}/, with a report.html for each run: `quarrel runs serve` \
             shows it all in a browser, `quarrel runs list` lists it."
        );
        wrap(&text, WIDTH).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    writeln!(out, "Real processes are not deterministic; the same load and faults again:")?;
    writeln!(out, "  {again}")
}

fn table(runs: &[Summary]) -> Table {
    let header = std::iter::once("").chain(runs.iter().map(|run| run.strategy.as_str()));
    let mut table = Table::new(header).of_numbers();
    let mut row = |name: &str, cell: &dyn Fn(&Summary) -> String| {
        table.row(std::iter::once(name.to_owned()).chain(runs.iter().map(cell)));
    };
    let count = |count: u64| if count == 0 { "-".to_owned() } else { grouped(count) };
    row("acknowledged", &|run| count(run.fates.values().sum()));
    for fate in Fate::ALL {
        if !fate.is_loss() || runs.iter().any(|run| run.fate(fate) > 0) {
            row(fate.name(), &|run| count(run.fate(fate)));
        }
    }
    for anomaly in Anomaly::ALL {
        if runs.iter().any(|run| run.found(anomaly.name()) > 0) {
            row(anomaly.name(), &|run| count(run.found(anomaly.name())));
        }
    }
    row("contract", &|run| run.verdict.to_string());
    table
}

/// The case in a sentence, without the kind that has been named before it.
fn told(found: &Found) -> String {
    found.witness.replacen(&format!(" ({})", found.kind), "", 1)
}

fn sentence(run: &Summary) -> String {
    let Some(worst) = run.worst() else {
        let lost_nothing = match run.verdict {
            Verdict::Unknown => "nothing was found, but too little was seen to say more",
            _ => "no acknowledged write was lost, and all replicas agree",
        };
        return format!("{lost_nothing}.");
    };
    let times = if worst.count == 1 { "once".to_owned() } else { format!("{} times", grouped(worst.count)) };
    let witness = if worst.witness.is_empty() { String::new() } else { format!(", such as {}", told(worst)) };
    format!("{} {times}{witness}", worst.kind)
}
