//! `report`, `runs open`: pages of runs, and runs side by side.

use super::*;

/// The words of the standard error, on one line.
fn said(done: &Done) -> String {
    done.err.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_run_has_its_page_and_the_page_can_be_made_again() {
    let (_folder, store) = store();
    let line = |words: &str| format!("quarrel {words} --results {}", store.display());
    assert_eq!(quarrel(passes, &line("run smoke --seed 5 --keep never")).exit, Exit::Success);
    let light = store.join("latest/report.html");
    assert!(
        fs::read_to_string(&light).unwrap().contains("<h1>"),
        "the page stays where the history does not"
    );
    let again = quarrel(passes, &line("report latest"));
    assert_eq!(again.exit, Exit::Usage);
    assert!(said(&again).contains("history.jsonl") && said(&again).contains("--keep never"), "{}", again.err);
    assert!(light.exists(), "a page that cannot be made again is not lost");
    assert_eq!(quarrel(fails, &line("run smoke --seed 6")).exit, Exit::Violated);
    let page = store.join("latest/report.html");
    fs::remove_file(&page).unwrap();
    let again = quarrel(fails, &line("report latest --output json"));
    assert_eq!(again.exit, Exit::Success, "{}", again.err);
    let json: Value = serde_json::from_str(&again.out).unwrap();
    assert!(json["run"].as_str().unwrap().starts_with("smoke/"));
    assert!(page.exists());
}

#[test]
fn the_page_of_a_run_is_found_and_made_if_it_is_not_there() {
    let (_folder, store) = store();
    let line = |words: &str| format!("quarrel {words} --results {}", store.display());
    quarrel(passes, &line("run smoke"));
    let page = store.join("latest").canonicalize().unwrap().join("report.html");
    fs::remove_file(&page).unwrap();
    let done = quarrel(passes, &line("runs open"));
    assert_eq!((done.exit, done.out.trim()), (Exit::Success, page.to_str().unwrap()), "{}", done.err);
    assert!(page.exists());
}

#[test]
fn a_run_that_was_interrupted_says_so_on_its_page() {
    let (_folder, store) = store();
    let done = quarrel(is_interrupted, &format!("quarrel run smoke --results {}", store.display()));
    assert_eq!(done.exit, Exit::Interrupted);
    assert!(
        fs::read_to_string(store.join("latest/report.html")).unwrap().contains("The run was interrupted")
    );
}

#[test]
fn a_run_without_a_verdict_has_no_report() {
    let (_folder, store) = store();
    let line = |words: &str| format!("quarrel {words} --results {}", store.display());
    assert_eq!(quarrel(lacks_a_port, &line("run smoke --seed 5")).exit, Exit::Environment);
    let done = quarrel(passes, &line("report 5"));
    assert_eq!(done.exit, Exit::Usage);
    assert!(said(&done).contains("was killed before its end: it has no verdict"), "{}", done.err);
    assert!(said(&done).contains("quarrel check"), "{}", done.err);
    let done = quarrel(passes, &line("report nothing"));
    assert_eq!(done.exit, Exit::Usage);
    assert!(said(&done).contains("there is no run `nothing`"), "{}", done.err);
}

#[test]
fn a_verdict_of_a_newer_quarrel_is_told_from_a_damaged_one() {
    let (_folder, store) = store();
    let line = |words: &str| format!("quarrel {words} --results {}", store.display());
    assert_eq!(quarrel(passes, &line("run smoke")).exit, Exit::Success);
    let verdict = store.join("latest/verdict.json");
    for (text, what) in
        [("{\"v\": 2}", "has format version 2"), ("{\"v\": 1}", "is damaged"), ("{", "is damaged")]
    {
        fs::write(&verdict, text).unwrap();
        let done = quarrel(passes, &line("report latest"));
        assert_eq!(done.exit, Exit::Usage);
        assert!(said(&done).contains(what), "{text}: {}", done.err);
    }
}

#[test]
fn runs_are_compared_against_the_first() {
    let (folder, store) = store();
    let line = |words: &str| format!("quarrel {words} --results {}", store.display());
    quarrel(passes, &line("run smoke --seed 5"));
    quarrel(fails, &line("run lww-skew --seed 6"));
    let page = folder.path().join("both.html");
    let done = quarrel(passes, &line(&format!("report 5 6 --html {}", page.display())));
    assert_eq!(done.exit, Exit::Success, "{}", done.err);
    assert!(done.out.contains("2 against 1: the same kinds of findings"), "{}", done.out);
    assert!(done.out.contains("write p50") && done.out.contains("acknowledged"), "{}", done.out);
    assert!(fs::read_to_string(page).unwrap().contains("Runs side by side"));
    let json = quarrel(passes, &line("report 5 6 --output json")).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["runs"][1]["run"]["scenario"], "lww-skew");
    assert_eq!(json["runs"][1]["new"], serde_json::json!([]));
}

#[test]
fn a_scenario_in_the_model_has_no_page() {
    let (folder, store) = store();
    let file = arrival_file(folder.path(), "");
    let line = |words: &str| format!("quarrel {words} --results {}", store.display());
    let done = quarrel(never, &line(&format!("model {file} --leaders 2 --writes 2")));
    assert_eq!(done.exit, Exit::Success, "{}", done.err);
    let name = fs::read_dir(store.join("small")).unwrap().next().unwrap().unwrap().file_name();
    let done = quarrel(never, &line(&format!("report small/{}", name.to_string_lossy())));
    assert_eq!(done.exit, Exit::Usage);
    assert!(said(&done).contains("is no live run: there are no operations to draw"), "{}", done.err);
}
