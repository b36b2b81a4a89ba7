//! The verdicts of other checkers on linearizability and transactions.

use crate::corpus::{corpus, load};
use quarrel_workloads::{
    checker::standalone::{self, Findings, Options},
    verdict::Verdict,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn check(file: &Path, checker: &str, model: Option<&str>) -> Findings {
    let options = Options { model, ..Options::DEFAULT };
    let findings = standalone::find(checker).expect("it is registered").check(&load(file), &options);
    findings.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The files of a folder of the corpus. None without a corpus.
fn files(folder: &str) -> Vec<PathBuf> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let entries = fs::read_dir(corpus.join(folder)).expect("the corpus has it");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    files
}

/// Says which files are judged otherwise than expected.
fn linearizable(files: impl IntoIterator<Item = (PathBuf, bool)>) -> Vec<(PathBuf, Verdict)> {
    let judged = files.into_iter().filter_map(|(file, expected)| {
        let verdict = check(&file, "linearizable", None).verdict;
        let expected = if expected { Verdict::Pass } else { Verdict::Fail };
        (verdict != expected).then_some((file, verdict))
    });
    judged.collect()
}

#[test]
fn knossos_registers_are_judged_as_its_authors_say() {
    for (folder, expected) in [
        ("knossos/cas-register/good", true),
        ("knossos/cas-register/bad", false),
        ("knossos/multi-register/good", true),
        // Linearizable by construction.
        ("cas-register-own", true),
    ] {
        let wrong = linearizable(files(folder).into_iter().map(|file| (file, expected)));
        assert_eq!(wrong, [], "{folder}");
    }
}

#[test]
fn porcupines_data_is_judged_as_by_porcupine() {
    let Some(corpus) = corpus() else { return };
    let verdicts = lines(&corpus.join("porcupine/verdicts.jsonl"));
    assert!(!verdicts.is_empty());
    let stated = verdicts.iter().map(|line| {
        let file = corpus.join("porcupine").join(line["file"].as_str().expect("a file"));
        (file, line["linearizable"] == true)
    });
    assert_eq!(linearizable(stated), []);
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).expect("the corpus has it");
    text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
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
    let parsed = lines(verdicts).into_iter().map(|line| {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let verdict = match &line["valid"] {
            serde_json::Value::Bool(true) => Verdict::Pass,
            serde_json::Value::Bool(false) => Verdict::Fail,
            _ => Verdict::Unknown,
        };
        let anomalies = line["anomalies"].as_array().into_iter().flatten();
        let anomalies = anomalies.filter_map(|name| name.as_str().map(str::to_owned)).collect();
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

const OTHER_READ: &str = "of two longest reads that contradict each other, Elle trusts the other one";

/// Where we say more than Elle or call it otherwise, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "jepsen-rw",
        "[]",
        "what a transaction wrote came after what it read, which Elle assumes only if told so",
    ),
    ("jepsen-la/lww-06.edn", "", "Elle's search timed out: its strong-PL-1-cycle-exists is a G0-realtime"),
    ("jepsen-la/lww-08.edn", "", "Elle's search timed out: its strong-PL-1-cycle-exists is a G0-realtime"),
    ("jepsen-la/merge-04.edn", "", OTHER_READ),
    ("jepsen-la/merge-08.edn", "", OTHER_READ),
];

#[test]
fn transactions_are_judged_as_by_elle() {
    let Some(corpus) = corpus() else { return };
    let (mut agree, mut differ, mut wrong) = (0, 0, Vec::new());
    for stated in &stated(&corpus.join("elle-verdicts.jsonl")) {
        let findings = check(&corpus.join(&stated.file), &stated.checker, Some(&stated.model));
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
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(differ <= 12, "{differ} known differences beside {agree} that agree: some are new");
}

#[test]
fn elle_clis_transactions_are_judged_as_by_elle_cli() {
    let Some(corpus) = corpus() else { return };
    for stated in stated(&corpus.join("elle-cli/verdicts.jsonl")) {
        if !["list-append", "rw-register"].contains(&stated.checker.as_str()) {
            continue;
        }
        let file = corpus.join("elle-cli").join(&stated.file);
        let findings = check(&file, &stated.checker, Some(&stated.model));
        let ours: BTreeSet<String> =
            findings.anomalies.iter().map(|anomaly| anomaly.kind.to_owned()).collect();
        assert_eq!((findings.verdict, &ours), (stated.verdict, &stated.anomalies), "{}", stated.file);
    }
}
