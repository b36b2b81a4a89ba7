//! A history of any origin, judged by a stand-alone checker.

use super::{Arguments, shown, targets::Target};
use crate::{
    exit::Failure,
    report::{CheckedAnomaly, CheckedFile, WitnessOperation},
};
use quarrel_workloads::{
    checker::{
        standalone::{Findings, FoundAnomaly, Options, StandaloneChecker, Unfit},
        transactions::cycle_svg,
    },
    history::recorded::{Position, ReadOptions, Recorded, locate, read},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Component, Path},
    time::Instant,
};

/// The most witnesses of one kind that are told.
const MOST_WITNESSES: usize = 3;

pub(super) fn judged(
    checker: &dyn StandaloneChecker,
    target: &Target,
    arguments: &Arguments,
) -> Result<CheckedFile, Failure> {
    let began = Instant::now();
    let cannot = |why: &dyn std::fmt::Display, help: &str| {
        Failure::usage(format!("cannot judge {}: {why}", target.path.display()), help)
    };
    let file = File::open(&target.path)
        .map_err(|error| cannot(&error, "give a recorded history, a folder of them, or a run"))?;
    let options = ReadOptions { independent: arguments.independent };
    let history = read(file, arguments.input_format.0, options).map_err(|error| cannot(&error, ""))?;
    let deadline = began + arguments.timeout.duration();
    let out_of_time = || Instant::now() >= deadline;
    let options = Options {
        model: arguments.model.as_deref(),
        out_of_time: &out_of_time,
        final_reads: arguments.final_reads.into(),
    };
    let findings =
        checker.check(&history, &options).map_err(|unfit| cannot(&placed(&unfit, target, arguments), ""))?;
    let seconds = began.elapsed().as_secs_f64();
    let lines = Lines::of(&findings, &history, target, arguments);
    let mut anomalies: Vec<CheckedAnomaly> =
        findings.anomalies.iter().map(|found| anomaly(found, &history, &lines)).collect();
    if let Some(folder) = &arguments.out {
        for (found, told) in findings.anomalies.iter().zip(&mut anomalies) {
            told.pictures = pictures(found, &history, folder, target)?;
        }
    }
    Ok(CheckedFile {
        file: shown(&target.path),
        checker: checker.name().to_owned(),
        model: arguments.model.clone().or_else(|| checker.models().first().map(|&model| model.to_owned())),
        verdict: findings.verdict,
        anomalies,
        operations: history.operations.len() as u64,
        seconds,
        figures: findings.figures.iter().map(|(&name, &value)| (name.to_owned(), value)).collect(),
        notes: findings.notes.into_iter().chain(history.warnings).collect(),
        error: None,
    })
}

/// What does not fit, with its line if the file can be read a second time.
fn placed(unfit: &Unfit, target: &Target, arguments: &Arguments) -> String {
    let place = unfit.event.and_then(|event| places(target, arguments, &[event]).into_iter().next()?);
    match (place, unfit.event) {
        (Some(at), _) => format!("line {}, column {}: {unfit}", at.line, at.column),
        (None, Some(event)) => format!("event {event}: {unfit}"),
        (None, None) => unfit.to_string(),
    }
}

fn places(target: &Target, arguments: &Arguments, events: &[u32]) -> Vec<Option<Position>> {
    let none = || vec![None; events.len()];
    // A pipe was read to its end.
    if events.is_empty() || !target.path.is_file() {
        return none();
    }
    let Ok(file) = File::open(&target.path) else { return none() };
    let options = ReadOptions { independent: arguments.independent };
    locate(file, arguments.input_format.0, options, events).unwrap_or_else(|_| none())
}

/// The lines of the events that witnesses name.
struct Lines(BTreeMap<u32, u64>);

impl Lines {
    fn of(findings: &Findings, history: &Recorded, target: &Target, arguments: &Arguments) -> Self {
        let witnesses =
            findings.anomalies.iter().flat_map(|found| found.witnesses.iter().take(MOST_WITNESSES));
        let mut events: Vec<u32> = witnesses
            .flat_map(|witness| &witness.operations)
            .filter_map(|&at| Some(history.operations.get(at)?.invoked))
            .collect();
        events.sort_unstable();
        events.dedup();
        let places = places(target, arguments, &events);
        Self(events.into_iter().zip(places).filter_map(|(event, at)| Some((event, at?.line))).collect())
    }
}

fn anomaly(found: &FoundAnomaly, history: &Recorded, lines: &Lines) -> CheckedAnomaly {
    let operation = |&at: &usize| {
        let index = history.operations.get(at)?.invoked;
        Some(WitnessOperation {
            index,
            line: lines.0.get(&index).copied(),
            text: history.show(at).to_string(),
        })
    };
    let witnesses = found.witnesses.iter().take(MOST_WITNESSES);
    let mut told: Vec<(String, Vec<WitnessOperation>)> = witnesses
        .map(|witness| (witness.why.clone(), witness.operations.iter().filter_map(operation).collect()))
        .collect();
    let first = if told.is_empty() { (String::new(), Vec::new()) } else { told.remove(0) };
    CheckedAnomaly {
        kind: found.kind.to_owned(),
        count: found.count,
        witness: first.0,
        operations: first.1,
        more: told.into_iter().map(|(why, _)| why).collect(),
        pictures: Vec::new(),
    }
}

/// Draws the witnesses that are cycles; the files.
fn pictures(
    found: &FoundAnomaly,
    history: &Recorded,
    folder: &Path,
    target: &Target,
) -> Result<Vec<String>, Failure> {
    let name: Vec<String> = target
        .path
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    let drawn = found.witnesses.iter().zip(&found.relations).take(MOST_WITNESSES);
    let mut files = Vec::new();
    for (number, (witness, relations)) in (1..).zip(drawn) {
        let texts: Vec<String> = witness.operations.iter().map(|&at| history.show(at).to_string()).collect();
        let file = folder.join(format!("{}-{}-{number}.svg", name.join("-"), found.kind));
        fs::create_dir_all(folder).and_then(|()| fs::write(&file, cycle_svg(&texts, relations))).map_err(
            |error| {
                let help = "name a folder that can be written to by --out";
                Failure::environment(format!("cannot write {}: {error}", file.display()), help)
            },
        )?;
        files.push(shown(&file));
    }
    Ok(files)
}
