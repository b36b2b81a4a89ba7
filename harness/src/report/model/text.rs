//! The model checker's report for people: the matrix, and scenarios with the shortest witness told.

use super::{Matrix, Modelled, Record};
use crate::report::{Paint, Table, WIDTH, figures::grouped, wrap};
use quarrel_workloads::verdict::Verdict;
use std::io::{self, Write};

/// The width of a finding's name.
const NAME: usize = 20;

/// Text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Text {
    /// Colours or none.
    pub paint: Paint,
}

impl Text {
    /// The matrix: a table for each strategy and workload, its rows the properties that do not simply hold.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn matrix(self, matrix: &Matrix, out: &mut dyn Write) -> io::Result<()> {
        let group =
            |record: &Record| (record.strategy.clone(), record.variant.clone(), record.workload.clone());
        let mut rest = matrix.records.as_slice();
        while let Some(first) = rest.first() {
            let (same, after) =
                rest.split_at(rest.iter().take_while(|one| group(one) == group(first)).count());
            self.group(same, out)?;
            rest = after;
        }
        let all = &matrix.records;
        let count = |is: fn(&Record) -> bool| grouped(all.iter().filter(|one| is(one)).count() as u64);
        let taken = matrix.taken;
        writeln!(out, "{} worlds in {:.1} s", matrix.cells, matrix.seconds)?;
        writeln!(
            out,
            "{} states, at most {} and {:.1} MB a world; two collide there with odds of 1 in 10^{}",
            grouped(taken.states as u64),
            grouped(taken.most_states as u64),
            taken.most_bytes as f64 / 1e6,
            taken.collision_odds.checked_ilog10().unwrap_or_default(),
        )?;
        writeln!(
            out,
            "{} properties violated, {} hold, {} bounded, {} with nothing to speak of",
            count(|one| one.verdict == "violated"),
            count(|one| one.verdict == "holds"),
            count(|one| one.verdict == "bounded" && !one.vacuous),
            count(|one| one.vacuous),
        )?;
        writeln!(
            out,
            "figures: steps of the shortest witness, by topology where they differ\n\
             signs:   . holds, ? bounded and no proof, - nothing to speak of"
        )?;
        if let Some(witnesses) = &matrix.witnesses {
            writeln!(out, "  {} {witnesses}", self.paint.dim("witnesses"))?;
        }
        writeln!(out, "  {} {}", self.paint.dim("again"), matrix.again)
    }

    fn group(self, records: &[Record], out: &mut dyn Write) -> io::Result<()> {
        let Some(first) = records.first() else { return Ok(()) };
        let variant = if first.variant.is_empty() { String::new() } else { format!(" ({})", first.variant) };
        let topologies = distinct(records.iter().map(|one| one.topology.as_str()));
        writeln!(
            out,
            "{}  {}",
            self.paint.bold(&format!("{}{variant}, {}", first.strategy, first.workload)),
            self.paint.dim(&topologies.join(" / "))
        )?;
        let faults = distinct(records.iter().map(|one| one.fault.as_str()));
        let properties = distinct(records.iter().map(|one| one.property));
        let mut table = Table::new(std::iter::once("").chain(faults.iter().copied()));
        let (mut quiet, mut silent) = (Vec::new(), Vec::new());
        for property in properties {
            let of = |fault: &str| {
                let met = |one: &&Record| one.property == property && one.fault == fault;
                merged(records.iter().filter(met).map(sign).collect())
            };
            let signs: Vec<String> = faults.iter().map(|fault| of(fault)).collect();
            if signs.iter().all(|sign| sign == "-") {
                silent.push(property);
            } else if signs.iter().all(|sign| sign == ".") {
                quiet.push(property);
            } else {
                table.row(std::iter::once(property.to_owned()).chain(signs));
            }
        }
        if table.rows() > 1 {
            table.write(2, out)?;
        }
        for (words, properties) in [("holds throughout", quiet), ("nothing to speak of", silent)] {
            if !properties.is_empty() {
                let line = format!("{words}: {}", properties.join(", "));
                wrap(&line, WIDTH - 2).iter().try_for_each(|line| writeln!(out, "  {line}"))?;
            }
        }
        writeln!(out)
    }

    /// One scenario: verdict, what was made smaller, reasons, and the shortest witness of the worst finding.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn scenario(self, modelled: &Modelled, out: &mut dyn Write) -> io::Result<()> {
        let verdict = modelled.outcome.verdict;
        writeln!(
            out,
            "{} {}  {} x{}  {}  model  {:.1}s",
            self.paint.verdict(verdict, &verdict.to_string().to_uppercase()),
            self.paint.bold(&modelled.scenario),
            modelled.topology,
            modelled.leaders,
            modelled.strategy,
            modelled.seconds
        )?;
        let states: u64 = states_of(&modelled.records);
        let scaled = format!("every interleaving of a small world; {}", modelled.scaled.join("; "));
        wrap(&scaled, WIDTH - 8).iter().enumerate().try_for_each(|(n, line)| {
            let label = if n == 0 { self.paint.dim("small") } else { "     ".to_owned() };
            writeln!(out, "  {label} {line}")
        })?;
        for verdict in [Verdict::Fail, Verdict::Unknown, Verdict::Pass] {
            for reason in modelled.outcome.reasons.iter().filter(|reason| reason.verdict == verdict) {
                let mut lines = wrap(&reason.why, WIDTH - NAME - 6).into_iter();
                let first = lines.next().unwrap_or_default();
                let sign = self.paint.verdict(verdict, sign_of(verdict));
                writeln!(out, "  {sign} {:<NAME$} {first}", reason.finding.name())?;
                lines.try_for_each(|line| writeln!(out, "{:indent$}{line}", "", indent = NAME + 6))?;
            }
        }
        if let Some((title, told)) = &modelled.told {
            writeln!(out, "\n  {}", self.paint.bold(title))?;
            told.lines().try_for_each(|line| self::line(line, out))?;
            writeln!(out)?;
        }
        writeln!(out, "  {} {}", self.paint.dim("states"), grouped(states))?;
        if let Some(results) = &modelled.results {
            writeln!(out, "  {}    {results}", self.paint.dim("run"))?;
        }
        writeln!(out, "  {}  {}", self.paint.dim("again"), modelled.again)?;
        match &modelled.replay {
            Some(replay) => writeln!(out, "  {} {replay}", self.paint.dim("replay")),
            None => Ok(()),
        }
    }
}

/// A line of a narration: what does not fit goes on below the words, not below the number.
pub(in crate::report) fn line(line: &str, out: &mut dyn Write) -> io::Result<()> {
    let number = line.find(". ").filter(|&at| line[..at].trim().parse::<u32>().is_ok());
    let (padding, hang) = (line.len() - line.trim_start().len(), 4 + number.map_or(0, |at| at + 2));
    for (n, part) in wrap(line, WIDTH - hang).iter().enumerate() {
        let indent = if n == 0 { 4 + padding } else { hang };
        writeln!(out, "{}", format!("{:indent$}{part}", "").trim_end())?;
    }
    Ok(())
}

/// The states of all worlds: each world counts once, by the property that saw most of it.
fn states_of(records: &[Record]) -> u64 {
    let faults = distinct(records.iter().map(|one| one.fault.as_str()));
    let of = |fault: &str| records.iter().filter(|one| one.fault == fault).map(|one| one.states).max();
    faults.into_iter().filter_map(of).map(|states| states as u64).sum()
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

fn sign(record: &Record) -> String {
    match (record.witness_steps, record.verdict) {
        (Some(steps), _) => steps.to_string(),
        (None, "holds") => ".".to_owned(),
        (None, _) if record.vacuous => "-".to_owned(),
        (None, _) => "?".to_owned(),
    }
}

/// One sign where all are the same.
fn merged(signs: Vec<String>) -> String {
    match signs.first() {
        Some(first) if signs.iter().all(|sign| sign == first) => first.clone(),
        _ => signs.join("/"),
    }
}

const fn sign_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "ok",
        Verdict::Unknown => "??",
        Verdict::Fail => "x ",
    }
}
