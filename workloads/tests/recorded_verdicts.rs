//! The verdicts of other checkers, on a corpus of recorded histories that is no part of this project.
//!
//! It is found through `QUARREL_CORPUS`, or beside the project, and skipped aloud where it is missing.

use quarrel_workloads::{
    checker::standalone::{self, Findings, Options},
    history::recorded::{ReadOptions, read},
    verdict::Verdict,
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The folder of the corpus.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("QUARREL_CORPUS").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: corpus not found at {}", folder.display());
    None
}

fn check(file: &Path, checker: &str, model: Option<&str>) -> (Findings, Duration) {
    let history = read(File::open(file).unwrap(), None, ReadOptions::default())
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let options = Options { model, ..Options::DEFAULT };
    let began = Instant::now();
    let findings = standalone::find(checker).unwrap().check(&history, &options);
    let took = began.elapsed();
    (findings.unwrap_or_else(|error| panic!("{}: {error}", file.display())), took)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Checks the files of a folder for linearizability, and prints how long it took.
fn linearizable(files: &[(PathBuf, bool)], model: Option<&str>) {
    let (mut total, mut slowest) = (Duration::ZERO, (Duration::ZERO, Path::new("")));
    let mut wrong = Vec::new();
    for (file, expected) in files {
        let (findings, took) = check(file, "linearizable", model);
        total += took;
        slowest = slowest.max((took, file));
        let verdict = if *expected { Verdict::Pass } else { Verdict::Fail };
        if findings.verdict != verdict {
            wrong.push((file, findings.verdict));
        }
    }
    eprintln!("{} histories in {total:?}, the slowest {} in {:?}", files.len(), slowest.1.display(), slowest.0);
    assert!(wrong.is_empty(), "expected otherwise: {wrong:#?}");
}

fn knossos(folder: &str, expected: bool) -> Vec<(PathBuf, bool)> {
    let Some(corpus) = corpus() else { return Vec::new() };
    files(&corpus.join(folder)).into_iter().map(|file| (file, expected)).collect()
}

#[test]
fn knossos_registers_are_judged_as_its_authors_say() {
    linearizable(&knossos("knossos/cas-register/good", true), None);
    linearizable(&knossos("knossos/cas-register/bad", false), None);
    linearizable(&knossos("knossos/multi-register/good", true), None);
}

#[test]
fn registers_that_are_linearizable_by_construction_are_found_so() {
    linearizable(&knossos("cas-register-own", true), None);
}

#[test]
fn porcupines_data_is_judged_as_by_porcupine() {
    let Some(corpus) = corpus() else { return };
    let verdicts = std::fs::read_to_string(corpus.join("porcupine/verdicts.jsonl")).unwrap();
    let stated = verdicts.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let file = corpus.join("porcupine").join(line["file"].as_str().unwrap());
        (file, line["linearizable"].as_bool().unwrap())
    });
    linearizable(&stated.collect::<Vec<_>>(), None);
}
