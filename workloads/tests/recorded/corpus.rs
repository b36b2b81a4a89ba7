//! Histories that others recorded and judged. They are not part of the project: `QUARREL_CORPUS` says where they are.

use quarrel_workloads::history::recorded::{Operation, Outcome, ReadOptions, Recorded, read};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

/// The folder of the corpus, or a word on why nothing is tested.
#[expect(clippy::print_stdout, reason = "whoever runs the tests should know what was not tested")]
pub(crate) fn corpus() -> Option<PathBuf> {
    let found = env::var_os("QUARREL_CORPUS").map(PathBuf::from).filter(|path| path.is_dir());
    if found.is_none() {
        println!(
            "skipped: no corpus; set QUARREL_CORPUS to a folder with elle-cli/, knossos/, porcupine/, ..."
        );
    }
    found
}

/// All histories in a folder and below.
fn histories(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        match extension.as_str() {
            _ if path.is_dir() => histories(&path, into),
            "edn" | "json" | "log" => into.push(path),
            _ => {}
        }
    }
}

pub(crate) fn load(path: &Path) -> Recorded {
    let file = fs::File::open(path).expect("the file is there");
    read(file, None, ReadOptions::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_history_of_the_corpus_is_read_whole() {
    let Some(corpus) = corpus() else { return };
    let mut paths = Vec::new();
    histories(&corpus, &mut paths);
    assert!(paths.len() > 300, "{}", paths.len());
    let mut counts = BTreeMap::new();
    for path in &paths {
        let history = load(path);
        assert_eq!(history.warnings, Vec::<String>::new(), "{}", path.display());
        assert!(!history.operations.is_empty(), "{}", path.display());
        let text = fs::read_to_string(path).unwrap();
        let invocations = text.matches(":invoke").count() + text.matches(":\"invoke\"").count();
        let nemesis = text.matches("nemesis").count();
        assert!(invocations.abs_diff(history.operations.len()) <= nemesis, "{}", path.display());
        for op in &history.operations {
            assert!(op.invoked < op.completed || history.bare, "{}", path.display());
            *counts.entry((op.outcome, op.completed == Operation::NEVER)).or_insert(0_u64) += 1;
        }
    }
    assert!(counts[&(Outcome::Ok, false)] > 20_000, "{counts:?}");
    println!("{} histories, operations by outcome and whether they stay open: {counts:?}", paths.len());
}
