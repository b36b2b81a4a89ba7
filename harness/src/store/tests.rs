use super::*;
use quarrel_workloads::scenario::Scenario;
use serde_json::json;
use std::{os::unix::fs::PermissionsExt as _, thread};
use tempfile::{TempDir, tempdir};

fn scenario(name: &str) -> Scenario {
    serde_json::from_value(json!({ "name": name, "strategy": { "lww": {} }, "workload": { "register": {} } }))
        .unwrap()
}

fn record(name: &str, started: &str, seed: u64) -> RunRecord {
    RunRecord {
        v: FORMAT_VERSION,
        scenario: scenario(name),
        seed,
        started: started.to_owned(),
        command: vec!["quarrel".to_owned(), "run".to_owned()],
        versions: Versions::default(),
        host: Host::here(),
    }
}

fn verdict(word: &str) -> serde_json::Value {
    json!({ "v": 1, "run": { "verdict": word } })
}

fn store() -> (TempDir, Store) {
    let folder = tempdir().unwrap();
    let store = Store::new(folder.path().join("results"));
    (folder, store)
}

const NOON: &str = "2026-11-23T12:00:00.25Z";

#[test]
fn a_complete_run_has_its_name_and_latest_leads_to_it() {
    let (_folder, store) = store();
    let run = store.begin(&record("lww-skew", NOON, 7)).unwrap();
    assert!(run.path().ends_with("lww-skew/20261123T120000Z-7.partial"));
    fs::write(run.path().join("history.jsonl"), "{}\n").unwrap();
    let path = run.complete(&verdict("fail"), true).unwrap();
    assert!(path.ends_with("lww-skew/20261123T120000Z-7"));
    assert_eq!(fs::read_link(store.root().join("latest")).unwrap(), Path::new("lww-skew/20261123T120000Z-7"));
    let found = store.catalogue().unwrap().find("latest").unwrap();
    assert_eq!((found.status, found.verdict_word()), (Status::Complete, Some("fail")));
    assert_eq!(found.record.unwrap().seed, 7);
    assert!(path.join("history.jsonl").exists());
    assert!(!path.join(".lock").exists());
}

#[test]
fn two_runs_of_one_second_and_seed_get_two_folders() {
    let (_folder, store) = store();
    let starters: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            thread::spawn(move || {
                let run = store.begin(&record("smoke", NOON, 1)).unwrap();
                run.complete(&verdict("pass"), true).unwrap()
            })
        })
        .collect();
    let mut paths: Vec<PathBuf> = starters.into_iter().map(|starter| starter.join().unwrap()).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 8);
    assert_eq!(store.catalogue().unwrap().entries().len(), 8);
    assert!(store.root().join("latest").exists());
}

#[test]
fn a_killed_run_is_listed_as_incomplete_and_a_live_one_as_running() {
    let (_folder, store) = store();
    let run = store.begin(&record("smoke", NOON, 1)).unwrap();
    let status = || store.catalogue().unwrap().entries()[0].status;
    assert_eq!(status(), Status::Running);
    let path = run.path().to_path_buf();
    drop(run);
    assert_eq!(status(), Status::Incomplete);
    assert!(path.join("run.json").exists());
    assert!(store.catalogue().unwrap().find("smoke/20261123T120000Z-1.partial").is_ok());
}

#[test]
fn an_unwritable_store_says_what_and_how_to_mend_it() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let store = Store::new(folder.path().join("file/results"));
    let error = store.begin(&record("smoke", NOON, 1)).unwrap_err();
    assert!(error.to_string().starts_with("cannot create "), "{error}");
    assert!(error.help().contains("--results"));
    // Root may write everywhere; for anybody else a folder without permission is refused.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(folder.path().join("probe"), "").is_err() {
        assert!(Store::new(folder.path().join("r")).begin(&record("smoke", NOON, 1)).is_err());
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_full_disk_has_its_own_advice() {
    let full = StoreError::new("write", Path::new("x"), io::Error::from(io::ErrorKind::StorageFull));
    assert!(full.help().contains("prune"));
}

#[test]
fn bulky_files_go_and_the_verdict_stays() {
    let (_folder, store) = store();
    let run = store.begin(&record("smoke", NOON, 1)).unwrap();
    fs::write(run.path().join("history.jsonl"), "{}\n").unwrap();
    fs::create_dir(run.path().join("apply")).unwrap();
    let path = run.complete(&verdict("pass"), false).unwrap();
    let mut names: Vec<String> =
        fs::read_dir(path).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["run.json", "verdict.json"]);
}

#[test]
fn runs_are_found_by_the_shortest_text_that_names_them() {
    let (_folder, store) = store();
    for (name, started, seed) in [
        ("smoke", "2026-11-23T12:00:00Z", 1),
        ("smoke", "2026-11-23T12:30:00Z", 2),
        ("lww-skew", "2026-11-24T12:00:00Z", 3),
        ("tour-lww", "2026-11-25T12:00:00Z", 4),
        ("tour-arrival", "2026-11-25T12:00:00Z", 4),
    ] {
        store.begin(&record(name, started, seed)).unwrap().complete(&verdict("pass"), true).unwrap();
    }
    let catalogue = store.catalogue().unwrap();
    let shortest: Vec<String> = catalogue.entries().iter().map(|entry| catalogue.shortest(entry)).collect();
    let expected = [
        "tour-arrival/20261125T120000Z-4",
        "tour-lww/20261125T120000Z-4",
        "20261124",
        "20261123T123",
        "20261123T120",
    ];
    assert_eq!(shortest, expected);
    for (entry, name) in catalogue.entries().iter().zip(&shortest) {
        assert_eq!(catalogue.find(name).unwrap().path, entry.path);
    }
    assert_eq!(catalogue.find("3").unwrap().scenario, "lww-skew");
    assert!(matches!(catalogue.find("20261123"), Err(FindError::Ambiguous { .. })));
    assert_eq!(catalogue.find("2025"), Err(FindError::Missing("2025".to_owned())));
    assert!(matches!(catalogue.find(""), Err(FindError::Missing(_))));
}

#[test]
fn pruning_keeps_the_newest_and_mends_latest() {
    let (_folder, store) = store();
    for day in 1..=4 {
        let started = format!("2026-11-0{day}T12:00:00Z");
        store.begin(&record("smoke", &started, day)).unwrap().complete(&verdict("pass"), true).unwrap();
    }
    fs::create_dir(store.root().join("example")).unwrap();
    let running = store.begin(&record("slow", "2026-10-01T12:00:00Z", 9)).unwrap();
    let planned = store.prune(2, true).unwrap();
    assert_eq!(planned.removed.len(), 2);
    assert!(planned.bytes > 0);
    assert_eq!(store.catalogue().unwrap().entries().len(), 5);
    store.prune(2, false).unwrap();
    let names: Vec<String> =
        store.catalogue().unwrap().entries().iter().map(|entry| entry.name.clone()).collect();
    assert_eq!(names, ["20261104T120000Z-4", "20261103T120000Z-3", "20261001T120000Z-9"]);
    store.prune(0, false).unwrap();
    assert!(running.path().exists());
    assert!(store.root().join("example").exists());
    assert!(fs::read_link(store.root().join("latest")).is_err());
}
