//! What a campaign in the simulator came to, for people and for programs.

use super::{Paint, VERSION, WIDTH, grouped, wrap, write_json};
use crate::sim::{Ended, Finding, Tally};
use quarrel_models::random::Hash64;
use quarrel_workloads::verdict::Verdict;
use serde::Serialize;
use std::io::{self, Write};

/// The width of a finding's name.
const NAME: usize = 20;

/// A campaign, and how to see it again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Campaigned {
    /// The scenario's name.
    pub scenario: String,
    /// The strategy.
    pub strategy: String,
    /// The topology's name.
    pub topology: String,
    /// The number of leaders.
    pub leaders: usize,
    /// The first seed.
    pub first_seed: u64,
    /// What the seeds came to.
    #[serde(flatten)]
    pub tally: Tally,
    /// Title and story of what was shrunk.
    #[serde(skip)]
    pub told: Vec<(String, String)>,
    /// Its folder in the results store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results: Option<String>,
    /// The commands that show it again, the one to be used first first.
    pub again: Vec<String>,
}

/// Text.
#[derive(Debug, Clone, Copy, Default)]
pub struct SimText {
    /// Colours or none.
    pub paint: Paint,
}

/// JSON.
#[derive(Debug, Clone, Copy, Default)]
pub struct SimJson;

#[derive(Serialize)]
struct Whole<'a> {
    v: u32,
    seeds: u64,
    digest: String,
    findings: Vec<Named<'a, Finding>>,
    marks: Vec<Named<'a, crate::sim::MarkCount>>,
    seconds: f64,
    verdict: Verdict,
    runs: &'a [Campaigned],
}

#[derive(Serialize)]
struct Named<'a, T> {
    scenario: &'a str,
    #[serde(flatten)]
    what: &'a T,
}

impl SimJson {
    /// All campaigns of a command.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn write(self, all: &[Campaigned], out: &mut dyn Write) -> io::Result<()> {
        let mut hash = Hash64::default();
        all.iter().for_each(|one| hash.number(one.tally.digest));
        // Of one campaign it is the campaign's own.
        let digest = if let [only] = all { only.tally.digest } else { hash.finish() };
        let whole = Whole {
            v: VERSION,
            seeds: all.iter().map(|one| one.tally.seeds).sum(),
            digest: format!("{digest:016x}"),
            findings: named(all, |one| &one.tally.findings),
            marks: named(all, |one| &one.tally.marks),
            seconds: all.iter().map(|one| one.tally.seconds).sum(),
            verdict: all.iter().map(|one| one.tally.verdict).fold(Verdict::Pass, Verdict::merge),
            runs: all,
        };
        write_json(&whole, out)
    }

    /// What `verdict.json` says of one campaign.
    ///
    /// # Errors
    /// What serde reports.
    pub fn verdict(self, one: &Campaigned) -> serde_json::Result<serde_json::Value> {
        Ok(serde_json::json!({ "v": VERSION, "run": serde_json::to_value(one)? }))
    }
}

fn named<T>(all: &[Campaigned], of: impl Fn(&Campaigned) -> &[T]) -> Vec<Named<'_, T>> {
    let each = |one| of(one).iter().map(|what| Named { scenario: &one.scenario, what });
    all.iter().flat_map(each).collect()
}

impl SimText {
    /// One campaign.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn write(self, one: &Campaigned, out: &mut dyn Write) -> io::Result<()> {
        let (tally, verdict) = (&one.tally, one.tally.verdict);
        writeln!(
            out,
            "{} {}  {} x{}  {}  sim  {:.1}s",
            self.paint.verdict(verdict, &verdict.to_string().to_uppercase()),
            self.paint.bold(&one.scenario),
            one.topology,
            one.leaders,
            one.strategy,
            tally.seconds
        )?;
        self.seeds(one, out)?;
        for missing in &tally.missing {
            let why = "demanded, and no seed shows it: the faults were too weak, or the checker is blind";
            self.line(Verdict::Fail, missing, why, out)?;
        }
        for found in &tally.findings {
            let permitted = if found.verdict == Verdict::Pass { ", as the contract permits" } else { "" };
            let why = format!(
                "{} in {} of {} seeds{permitted}; seed {}: {}",
                grouped(found.count),
                grouped(found.seeds),
                grouped(tally.seeds),
                found.first_seed,
                found.evidence
            );
            // What is permitted is counted, and its cases are not told.
            let why = if permitted.is_empty() {
                why.as_str()
            } else {
                why.split("; seed").next().unwrap_or_default()
            };
            self.line(found.verdict, found.kind, why, out)?;
        }
        self.marks(tally, out)?;
        for (title, story) in &one.told {
            writeln!(out, "\n  {}", self.paint.bold(title))?;
            story.lines().try_for_each(|line| writeln!(out, "{}", format!("    {line}").trim_end()))?;
        }
        if !one.told.is_empty() {
            writeln!(out)?;
        }
        writeln!(out, "  {} {:016x}", self.paint.dim("digest"), tally.digest)?;
        if let Some(results) = &one.results {
            writeln!(out, "  {}    {results}", self.paint.dim("run"))?;
        }
        for (number, again) in one.again.iter().enumerate() {
            let label = if number == 0 { self.paint.dim("again") } else { "     ".to_owned() };
            writeln!(out, "  {label}  {again}")?;
        }
        Ok(())
    }

    fn seeds(self, one: &Campaigned, out: &mut dyn Write) -> io::Result<()> {
        let tally = &one.tally;
        let rate = if tally.seconds > 0.0 { tally.seeds as f64 / tally.seconds } else { 0.0 };
        let why = match tally.ended {
            Ended::Complete => "",
            Ended::Finding => ", until the first finding",
            Ended::Budget => ", until the time was over",
            Ended::Interrupted => ", until it was interrupted",
        };
        writeln!(
            out,
            "  {}  {} from {}{why}; {}/s, {} operations, {} frames ({} lost), {} simulated",
            self.paint.dim("seeds"),
            grouped(tally.seeds),
            one.first_seed,
            // A rate is never negative nor beyond what fits.
            grouped(rate.round().max(0.0) as u64),
            grouped(tally.operations),
            grouped(tally.frames),
            grouped(tally.lost_frames),
            span(tally.simulated_seconds),
        )?;
        let fates: Vec<String> =
            tally.fates.iter().map(|(fate, count)| format!("{fate} {}", grouped(*count))).collect();
        self.labelled("fates", &fates.join(", "), out)?;
        if let Some(why) = &tally.undecided_because {
            let count = grouped(tally.undecided);
            let of = if tally.undecided == 1 { "seed hangs" } else { "seeds hang" };
            let why =
                format!("{count} {of} on operations that nobody answered, or has too little evidence; {why}");
            self.line(Verdict::Unknown, "undecided", &why, out)?;
        }
        Ok(())
    }

    fn marks(self, tally: &Tally, out: &mut dyn Write) -> io::Result<()> {
        for mark in tally.marks.iter().filter(|mark| mark.required && mark.hits == 0) {
            self.line(Verdict::Unknown, mark.name, "demanded, and it never came to this in any seed", out)?;
        }
        let hit = tally.marks.iter().filter(|mark| mark.hits > 0);
        let hit: Vec<String> = hit.map(|mark| format!("{} {}", mark.name, grouped(mark.hits))).collect();
        self.labelled("marks", &hit.join(", "), out)
    }

    fn labelled(self, label: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        wrap(text, WIDTH - 9).iter().enumerate().try_for_each(|(number, line)| {
            let label = if number == 0 { self.paint.dim(label) } else { " ".repeat(label.len()) };
            writeln!(out, "  {label}  {line}")
        })
    }

    fn line(self, verdict: Verdict, name: &str, why: &str, out: &mut dyn Write) -> io::Result<()> {
        let sign = match verdict {
            Verdict::Pass => "ok",
            Verdict::Unknown => "??",
            Verdict::Fail => "x ",
        };
        let mut lines = wrap(why, WIDTH - NAME - 6).into_iter();
        let first = lines.next().unwrap_or_default();
        writeln!(out, "  {} {name:<NAME$} {first}", self.paint.verdict(verdict, sign))?;
        lines.try_for_each(|line| writeln!(out, "{:indent$}{line}", "", indent = NAME + 6))
    }
}

/// A simulated time: `45s`, `12m`, `3.1h`.
fn span(seconds: f64) -> String {
    match seconds {
        ..100.0 => format!("{seconds:.0}s"),
        ..6000.0 => format!("{:.0}m", seconds / 60.0),
        _ => format!("{:.1}h", seconds / 3600.0),
    }
}
