//! The verdicts of other checkers on linearizability and transactions.

use crate::corpus::{corpus, load};
use quarrel_workloads::{
    checker::standalone::{self, Findings, Options},
    verdict::Verdict,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

fn check(file: &Path, checker: &str, model: Option<&str>) -> (Findings, Duration) {
    let history = load(file);
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
        if std::env::var_os("QUARREL_TIMES").is_some() {
            eprintln!("{took:>12.1?} {} {}", findings.verdict, file.file_name().unwrap().display());
        }
        total += took;
        slowest = slowest.max((took, file));
        let verdict = if *expected { Verdict::Pass } else { Verdict::Fail };
        if findings.verdict != verdict {
            wrong.push((file, findings.verdict));
        }
    }
    eprintln!(
        "{} histories in {total:?}, the slowest {} in {:?}",
        files.len(),
        slowest.1.display(),
        slowest.0
    );
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

/// What another checker said of one history and one model.
struct Stated {
    file: String,
    checker: String,
    options: String,
    model: String,
    verdict: Verdict,
    anomalies: BTreeSet<String>,
}

fn stated(verdicts: &Path) -> Vec<Stated> {
    let text = std::fs::read_to_string(verdicts).unwrap();
    let parsed = text.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let verdict = match &line["valid"] {
            serde_json::Value::Bool(true) => Verdict::Pass,
            serde_json::Value::Bool(false) => Verdict::Fail,
            _ => Verdict::Unknown,
        };
        let anomalies = line["anomalies"].as_array().into_iter().flatten();
        let anomalies = anomalies.map(|name| name.as_str().unwrap().to_owned()).collect();
        let options = line["opts"].to_string();
        Stated {
            file: text("file"),
            checker: text("checker"),
            options,
            model: text("model"),
            verdict,
            anomalies,
        }
    });
    parsed.collect()
}

/// Where we say more than Elle or call it otherwise, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "jepsen-rw",
        "[]",
        "what a transaction wrote came after what it read, which Elle assumes only if told so",
    ),
    ("jepsen-la/lww-06.edn", "", "Elle's search timed out: its strong-PL-1-cycle-exists is a G0-realtime"),
    ("jepsen-la/lww-08.edn", "", "Elle's search timed out: its strong-PL-1-cycle-exists is a G0-realtime"),
    (
        "jepsen-la/merge-08.edn",
        "",
        "of two longest reads that contradict each other, Elle trusts the other one",
    ),
];

#[test]
fn transactions_are_judged_as_by_elle() {
    let Some(corpus) = corpus() else { return };
    let (mut agree, mut differ, mut wrong) = (0, 0, Vec::new());
    for stated in &stated(&corpus.join("elle-verdicts.jsonl")) {
        let (findings, _) = check(&corpus.join(&stated.file), &stated.checker, Some(&stated.model));
        let ours: BTreeSet<String> =
            findings.anomalies.iter().map(|anomaly| anomaly.kind.to_owned()).collect();
        // We say unknown without a name.
        let named = findings.verdict == Verdict::Unknown || ours == stated.anomalies;
        if named && findings.verdict == stated.verdict {
            agree += 1;
            continue;
        }
        let explained = DIFFERENCES.iter().any(|(file, options, _)| {
            stated.file.starts_with(file) && (options.is_empty() || stated.options == *options)
        });
        // No difference may hide what Elle finds.
        if explained && findings.verdict >= stated.verdict {
            differ += 1;
        } else {
            wrong.push(format!(
                "{} {} {}: {} {ours:?} for {} {:?}",
                stated.file, stated.options, stated.model, findings.verdict, stated.verdict, stated.anomalies
            ));
        }
    }
    eprintln!("{agree} verdicts with all names agree, {differ} differ for a known reason");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(differ <= 12, "{differ} known differences: some are new");
}

#[test]
fn elle_clis_transactions_are_judged_as_by_elle_cli() {
    let Some(corpus) = corpus() else { return };
    for stated in stated(&corpus.join("elle-cli/verdicts.jsonl")) {
        if !["list-append", "rw-register"].contains(&stated.checker.as_str()) {
            continue;
        }
        let file = corpus.join("elle-cli").join(&stated.file);
        let (findings, _) = check(&file, &stated.checker, Some(&stated.model));
        let ours: BTreeSet<String> =
            findings.anomalies.iter().map(|anomaly| anomaly.kind.to_owned()).collect();
        assert_eq!((findings.verdict, &ours), (stated.verdict, &stated.anomalies), "{}", stated.file);
    }
}
