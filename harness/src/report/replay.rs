//! A witness played again: for people, step by step, and as one JSON object.

use super::{Paint, VERSION, WIDTH, model::line, wrap, write_json};
use crate::replay::{Difference, Replayed};
use quarrel_models::{
    id::{ReplicaId, WriteId},
    witness::{Digest, Witness, WriteEnd},
};
use quarrel_workloads::verdict::{Finding, Verdict};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{self, Write},
};

/// What is said of a replay.
#[derive(Debug)]
pub struct ReplayReport<'a> {
    /// The witness.
    pub witness: &'a Witness,
    /// What came of it.
    pub replayed: &'a Replayed,
    /// The arena: `sim` or `live`.
    pub on: &'static str,
    /// The file.
    pub file: &'a str,
    /// How long it took.
    pub seconds: f64,
    /// The command that plays it again.
    pub again: &'a str,
}

#[derive(Serialize)]
struct Json<'a> {
    v: u32,
    witness: &'a str,
    on: &'a str,
    shows: &'a str,
    verdict: Verdict,
    why: String,
    strategy: String,
    topology: &'a str,
    leaders: usize,
    steps: Vec<JsonStep<'a>>,
    conclusion: &'a [String],
    fates: &'a BTreeMap<WriteId, WriteEnd>,
    anomalies: &'a [Finding],
    difference: Option<&'a Difference>,
    seconds: f64,
    again: &'a str,
}

#[derive(Serialize)]
struct JsonStep<'a> {
    step: usize,
    at_us: i64,
    told: String,
    digests: &'a BTreeMap<ReplicaId, Digest>,
}

impl ReplayReport<'_> {
    /// One JSON object.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { witness, replayed, .. } = *self;
        let (verdict, why) = replayed.verdict(witness);
        let json = Json {
            v: VERSION,
            witness: self.file,
            on: self.on,
            shows: &witness.found.shows,
            verdict,
            why,
            strategy: witness.cluster.strategy.to_string(),
            topology: witness.cluster.topology.name(),
            leaders: witness.cluster.leaders,
            steps: json_steps(replayed),
            conclusion: &replayed.told.conclusion,
            fates: &replayed.judged.fates,
            anomalies: &replayed.judged.anomalies,
            difference: replayed.difference.as_ref(),
            seconds: self.seconds,
            again: self.again,
        };
        write_json(&json, out)
    }

    /// Text for people.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn text(&self, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
        let Self { witness, replayed, .. } = *self;
        let (verdict, why) = replayed.verdict(witness);
        let cluster = &witness.cluster;
        writeln!(
            out,
            "{} {}  {} x{}  {}  {}",
            paint.verdict(verdict, shown(verdict)),
            paint.bold(&witness.found.shows),
            cluster.topology.name(),
            cluster.leaders,
            cluster.strategy,
            self.on,
        )?;
        for part in wrap(&why, WIDTH - 2) {
            writeln!(out, "  {part}")?;
        }
        writeln!(out)?;
        let width = replayed.told.steps.len().max(1).ilog10() as usize + 1;
        for (index, (told, seen)) in replayed.told.steps.iter().zip(&replayed.played.steps).enumerate() {
            line(&format!("{:>width$}. {told}", index + 1), out)?;
            let digests = seen.digests.iter().map(|(replica, digest)| format!("{replica} {digest}"));
            let digests: Vec<String> = digests.collect();
            if !digests.is_empty() {
                writeln!(out, "{:indent$}{}", "", paint.dim(&digests.join("  ")), indent = width + 6)?;
            }
            if replayed.difference.as_ref().is_some_and(|difference| difference.step == index + 1) {
                line(&format!("{:>width$}  the real processes did otherwise:", ""), out)?;
                line(&format!("{:>width$}  {why}", ""), out)?;
                break;
            }
        }
        if replayed.difference.is_none() {
            writeln!(out)?;
            replayed.told.conclusion.iter().try_for_each(|sentence| line(sentence, out))?;
            self.fates(paint, out)?;
        }
        writeln!(out, "\n  {}  {}", paint.dim("again"), self.again)
    }

    fn fates(&self, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
        let judged = &self.replayed.judged;
        let fate = |(write, end): (&WriteId, &WriteEnd)| match end.winner {
            Some(winner) => format!("{write} {} ({winner} won)", end.fate),
            None => format!("{write} {}", end.fate),
        };
        let mut parts: Vec<String> = judged.fates.iter().map(fate).collect();
        parts.extend(judged.anomalies.iter().map(ToString::to_string));
        if let Some(unrest) = &judged.unrest {
            parts.push(format!("no fates: {unrest}"));
        }
        for (n, part) in wrap(&parts.join(", "), WIDTH - 9).iter().enumerate() {
            let label = if n == 0 { paint.dim("fates") } else { "     ".to_owned() };
            writeln!(out, "{}  {label}  {part}", if n == 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

fn json_steps(replayed: &Replayed) -> Vec<JsonStep<'_>> {
    let steps = replayed.played.steps.iter().zip(&replayed.told.steps).enumerate();
    let mut json = Vec::new();
    for (index, (seen, told)) in steps {
        let (at_us, digests) = (seen.at_us, &seen.digests);
        json.push(JsonStep { step: index + 1, at_us, told: told.to_string(), digests });
    }
    json
}

const fn shown(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "SHOWN",
        Verdict::Fail => "NOT SHOWN",
        Verdict::Unknown => "UNKNOWN",
    }
}
