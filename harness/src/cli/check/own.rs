//! A history of quarrel's own: judged again by the scenario that its header tells.

use super::Arguments;
use crate::{
    cli::{World, options::Output, select::quoted},
    exit::Failure,
    replay::fold,
    report::{Circumstances, Json, Paint, Summary, Text},
};
use quarrel_workloads::{
    checker::ledger::{JsonLines, LedgerSink, NoSink},
    history::Reader,
    judge::{JudgeError, judge},
    verdict::Verdict,
};
use std::{
    fs::File,
    io::{self, BufRead, BufWriter},
    path::Path,
    time::Instant,
};

/// Judges a history. `folder` is its run's, if it was named by that.
pub(super) fn judged(
    arguments: &Arguments,
    path: &Path,
    folder: Option<&Path>,
    input: impl BufRead,
) -> Result<Summary, Failure> {
    let began = Instant::now();
    let unreadable = |error: &dyn std::fmt::Display| {
        // What is wrong with a history says itself how to mend it.
        Failure::usage(format!("cannot judge {}: {error}", path.display()), "")
    };
    let reader = Reader::new(input).map_err(|error| unreadable(&error))?;
    let header = reader.header().clone();
    let judgement = match &arguments.ledger {
        None => judge(reader, &mut NoSink),
        Some(path) => {
            let unwritable = |error: io::Error| {
                Failure::environment(format!("cannot write {}: {error}", path.display()), "")
            };
            let file = BufWriter::new(File::create(path).map_err(unwritable)?);
            let mut ledger = JsonLines::new(file).map_err(unwritable)?;
            let judgement = judge(reader, &mut ledger as &mut dyn LedgerSink);
            ledger.flush().map_err(unwritable)?;
            judgement
        }
    };
    let mut judgement = judgement.map_err(|error| match error {
        JudgeError::Ledger(error) => Failure::environment(format!("cannot write the ledger: {error}"), ""),
        error => unreadable(&error),
    })?;
    if let Some(folder) = folder {
        fold::add_to(&mut judgement, folder, &header.scenario);
    }
    let circumstances = Circumstances {
        seed: header.seed,
        seconds: began.elapsed().as_secs_f64(),
        interrupted: false,
        latency: None,
        results: folder.map(|folder| folder.display().to_string()),
        again: format!("quarrel check {}", quoted(&path.display().to_string())),
    };
    Ok(Summary::new(&header.scenario, &judgement, circumstances))
}

/// Says it as the run itself did.
pub(super) fn tell(output: Output, summary: &Summary, world: &mut World<'_>) -> Result<(), Failure> {
    let ci = world.surroundings.ci;
    match output {
        Output::Text => {
            Text { paint: Paint { on: world.surroundings.colours_out }, ci }.run(summary, world.out)?
        }
        Output::Json => Json.check(summary, world.out)?,
    }
    if world.surroundings.github_actions && summary.verdict != Verdict::Pass {
        use crate::report::{Annotations, Format as _, Report};
        Annotations { ci }.write(&Report { runs: vec![summary.clone()], tour: None }, world.err)?;
    }
    Ok(())
}
