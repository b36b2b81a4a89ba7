use super::*;
use crate::{
    exit::guarded,
    runner::{Latency, RunError, RunOutcome, RunRequest},
};
use quarrel_models::fate::Fate;
use quarrel_workloads::{
    checker::ledger::JsonLines,
    history::{FORMAT_VERSION, Header, Writer},
    judge::{Judgement, MarkReport, Operations, Reason},
    verdict::Verdict,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::{TempDir, tempdir};

/// What a command line did.
struct Done {
    exit: Exit,
    out: String,
    err: String,
}

fn quarrel_in(surroundings: Surroundings, runner: Runner, line: &str) -> Done {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut world = World { out: &mut out, err: &mut err, surroundings, runner };
    let words = line.split_whitespace().map(OsString::from);
    let exit = guarded(|| main(words, &mut world));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { exit, out: text(out), err: text(err) }
}

fn quarrel(runner: Runner, line: &str) -> Done {
    quarrel_in(Surroundings::default(), runner, line)
}

fn store() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let store = folder.path().join("results");
    (folder, store)
}

fn judgement(verdict: Verdict, property: &str) -> Judgement {
    let reason = |property: &str, verdict, evidence: &str| Reason {
        property: property.to_owned(),
        verdict,
        evidence: evidence.to_owned(),
    };
    Judgement {
        verdict,
        reasons: vec![
            reason(property, verdict, "2 acknowledged writes; the first: c1.2, acknowledged by A"),
            reason("ledger", Verdict::Pass, "98 acknowledged writes kept or rightly replaced"),
        ],
        fates: BTreeMap::from([(Fate::Visible, 98), (Fate::CausalInversion, 2)]),
        silent_losses: 2,
        recorded_losses: 0,
        anomalies: Vec::new(),
        marks: vec![MarkReport { name: "partition", hits: 3, required: true }],
        worst: Vec::new(),
        operations: Operations { ok: 150, ..Operations::default() },
        missing: Vec::new(),
        figures: BTreeMap::new(),
    }
}

fn outcome(request: &RunRequest, judgement: Judgement, interrupted: bool) -> RunOutcome {
    let header = Header {
        quarrel: "history".to_owned(),
        v: FORMAT_VERSION,
        seed: request.seed,
        started: "2026-11-23T16:18:41Z".to_owned(),
        system: "reference".to_owned(),
        scenario: request.scenario.clone(),
    };
    let file = |name: &str| fs::File::create(request.folder.join(name)).unwrap();
    Writer::new(file("history.jsonl"), &header).unwrap();
    JsonLines::new(file("ledger.jsonl")).unwrap();
    let ms = Duration::from_millis;
    let latency = Latency { write_p50: ms(2), write_p99: ms(20), read_p50: ms(1), read_p99: ms(10) };
    RunOutcome { judgement, seconds: 1.5, interrupted, latency }
}

type Ran = Result<RunOutcome, RunError>;

fn passes(request: &RunRequest) -> Ran {
    Ok(outcome(request, judgement(Verdict::Pass, "causal-inversion"), false))
}

fn fails(request: &RunRequest) -> Ran {
    Ok(outcome(request, judgement(Verdict::Fail, "causal-inversion"), false))
}

fn is_unknown(request: &RunRequest) -> Ran {
    Ok(outcome(request, judgement(Verdict::Unknown, "evidence"), false))
}

fn is_interrupted(request: &RunRequest) -> Ran {
    request.interrupt.request();
    Ok(outcome(request, judgement(Verdict::Unknown, "evidence"), true))
}

fn lacks_a_port(_: &RunRequest) -> Ran {
    Err(RunError::Environment("node B did not start: no port is free".to_owned()))
}

fn is_defective(_: &RunRequest) -> Ran {
    Err(RunError::Internal("the history cannot be read back".to_owned()))
}

fn panics(_: &RunRequest) -> Ran {
    panic!("a test of the guard")
}

fn never(_: &RunRequest) -> Ran {
    unreachable!("nothing is run")
}

fn runs_in(store: &Path) -> Vec<PathBuf> {
    let runs =
        fs::read_dir(store.join("smoke")).map(|items| items.map(|item| item.unwrap().path()).collect());
    runs.unwrap_or_default()
}

#[test]
fn every_exit_code_has_its_cause() {
    let causes: [(Runner, &str, u8); 9] = [
        (passes, "run smoke", 0),
        (fails, "run smoke", 1),
        (never, "run smoke --leaders none", 2),
        (never, "run no-such-scenario", 2),
        (is_unknown, "run smoke", 3),
        (lacks_a_port, "run smoke", 5),
        (is_defective, "run smoke", 70),
        (panics, "run smoke", 70),
        (is_interrupted, "run smoke lww-skew", 130),
    ];
    for (runner, line, code) in causes {
        let (_folder, store) = store();
        let done = quarrel(runner, &format!("quarrel {line} --results {}", store.display()));
        assert_eq!(done.exit.code(), code, "{line}: {}{}", done.out, done.err);
    }
}

#[test]
fn an_unknown_verdict_keeps_its_code_in_a_pipeline_and_fails_in_its_reports() {
    for (ci, level) in [(true, "::error"), (false, "::warning")] {
        let (_folder, store) = store();
        let surroundings = Surroundings { ci, github_actions: true, ..Surroundings::default() };
        let line = format!("quarrel run smoke --results {} --output json", store.display());
        let done = quarrel_in(surroundings, is_unknown, &line);
        assert_eq!(done.exit, Exit::Unknown);
        assert!(done.err.starts_with(level), "{}", done.err);
        assert!(serde_json::from_str::<Value>(&done.out).is_ok(), "{}", done.out);
    }
}

#[test]
fn an_interrupted_command_runs_nothing_more() {
    let (_folder, store) = store();
    let done = quarrel(is_interrupted, &format!("quarrel run smoke smoke --results {}", store.display()));
    assert_eq!(runs_in(&store).len(), 1);
    assert!(done.out.contains("interrupted"), "{}", done.out);
}

#[test]
fn a_run_that_could_not_be_made_names_what_was_kept() {
    let (_folder, store) = store();
    let done = quarrel(lacks_a_port, &format!("quarrel run smoke smoke --results {}", store.display()));
    assert_eq!(runs_in(&store).len(), 1);
    assert!(done.err.contains("no port is free\nhelp: `quarrel doctor`"), "{}", done.err);
    assert!(done.err.contains("what was recorded is in:  ") && done.err.contains(".partial"), "{}", done.err);
    assert!(done.err.contains("run it again:             quarrel run smoke --seed "), "{}", done.err);
    let list = quarrel(never, &format!("quarrel runs list --results {}", store.display()));
    assert!(list.out.contains("incomplete"), "{}", list.out);
    let show = quarrel(never, &format!("quarrel runs show latest --results {}", store.display()));
    assert_eq!(show.exit, Exit::Usage);
    assert!(show.err.contains("quarrel check"), "{}", show.err);
}

#[test]
fn an_unwritable_store_is_the_environments_fault() {
    let done = quarrel(never, "quarrel run smoke --results /dev/null/results");
    assert_eq!(done.exit, Exit::Environment);
    assert!(
        done.err.contains("cannot create /dev/null/results") && done.err.contains("help: "),
        "{}",
        done.err
    );
}

#[test]
fn the_tour_has_one_seed_and_ends_with_the_command_that_repeats_it() {
    let (_folder, store) = store();
    let done = quarrel(passes, &format!("quarrel run --quick --results {}", store.display()));
    let seeds: Vec<&str> =
        done.out.split("  seed ").skip(1).filter_map(|rest| rest.split_whitespace().next()).collect();
    assert_eq!(seeds.len(), 4, "{}", done.out);
    assert!(seeds.iter().all(|seed| *seed == seeds[0]));
    assert!(done.out.ends_with(&format!("  quarrel run --seed {} --quick\n", seeds[0])), "{}", done.out);
    assert!(done.out.contains("home-leader"));
}

#[test]
fn the_repeat_command_has_the_changes_of_flags_and_environment() {
    let (_folder, store) = store();
    let variables = BTreeMap::from([("QUARREL_CLIENTS".to_owned(), "4".to_owned())]);
    let surroundings = Surroundings { variables, ..Surroundings::default() };
    let line = format!("quarrel run smoke --leaders 4 --seed 7 --results {}", store.display());
    let done = quarrel_in(surroundings, passes, &line);
    assert!(done.out.contains("again quarrel run smoke --seed 7 --leaders 4 --clients 4\n"), "{}", done.out);
}

#[test]
fn fail_fast_stops_after_the_first_run_that_does_not_pass() {
    let (_folder, store) = store();
    let line = format!("quarrel run smoke smoke smoke --results {}", store.display());
    assert_eq!(quarrel(fails, &format!("{line} --fail-fast")).exit, Exit::Violated);
    assert_eq!(runs_in(&store).len(), 1);
    quarrel(passes, &format!("{line} --fail-fast"));
    assert_eq!(runs_in(&store).len(), 4);
}

#[test]
fn what_is_kept_follows_the_flag() {
    for (runner, keep, kept) in [
        (passes as Runner, "always", true),
        (passes, "on-failure", false),
        (fails, "on-failure", true),
        (fails, "never", false),
    ] {
        let (_folder, store) = store();
        quarrel(runner, &format!("quarrel run smoke --keep {keep} --results {}", store.display()));
        let run = &runs_in(&store)[0];
        assert_eq!(run.join("history.jsonl").exists(), kept, "{keep}");
        assert!(run.join("verdict.json").exists() && run.join("run.json").exists());
    }
}

#[test]
fn all_reports_of_one_command_agree() {
    let (folder, store) = store();
    let (junit, summary) = (folder.path().join("junit.xml"), folder.path().join("summary.md"));
    let surroundings = Surroundings {
        github_actions: true,
        ci: true,
        step_summary: Some(summary.clone()),
        ..Surroundings::default()
    };
    let line = format!(
        "quarrel run smoke --seed 7 --output json --results {} --junit {}",
        store.display(),
        junit.display()
    );
    let done = quarrel_in(surroundings, fails, &line);
    let json: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(json["runs"][0]["verdict"], "fail");
    assert_eq!(json["runs"][0]["fates"]["causal-inversion"], 2);
    assert_eq!(json["runs"][0]["anomalies"][0]["witness"], "c1.2, acknowledged by A");
    assert!(Path::new(json["runs"][0]["results"].as_str().unwrap()).join("verdict.json").exists());
    assert!(fs::read_to_string(junit).unwrap().contains("failures=\"1\""));
    assert!(fs::read_to_string(summary).unwrap().contains("**FAIL**"));
    assert_eq!(done.err.lines().filter(|line| line.starts_with("::error")).count(), 1, "{}", done.err);
}

#[test]
fn every_run_has_a_junit_report_of_its_own() {
    for keep in ["always", "never"] {
        let (_folder, store) = store();
        quarrel(fails, &format!("quarrel run smoke smoke --keep {keep} --results {}", store.display()));
        for run in runs_in(&store) {
            let junit = fs::read_to_string(run.join("junit.xml")).unwrap();
            assert_eq!(junit.matches("<testsuite ").count(), 1, "{junit}");
            assert!(
                junit.contains("failures=\"1\"") && junit.contains("again: quarrel run smoke"),
                "{junit}"
            );
        }
    }
}

#[test]
fn a_variable_that_means_nothing_is_told() {
    let (_folder, store) = store();
    let value = |name: &str| (name.to_owned(), "4".to_owned());
    let variables = BTreeMap::from(["QUARREL_LEEDERS", "QUARREL_LEADERS", "QUARREL_SEED"].map(value));
    let surroundings = Surroundings { variables, ..Surroundings::default() };
    let line = format!("quarrel run smoke --results {}", store.display());
    let done = quarrel_in(surroundings, passes, &line);
    assert!(done.err.contains("QUARREL_LEEDERS means nothing"), "{}", done.err);
    assert!(done.err.contains("did you mean QUARREL_LEADERS?"), "{}", done.err);
    assert_eq!(done.err.matches("warning").count(), 1, "{}", done.err);
}

#[test]
fn a_run_is_shown_again_as_it_was() {
    let (_folder, store) = store();
    let ran = quarrel(fails, &format!("quarrel run smoke --seed 7 --results {}", store.display()));
    let shown = quarrel(never, &format!("quarrel runs show latest --results {}", store.display()));
    assert_eq!((shown.exit, shown.out), (Exit::Success, ran.out));
    let by_seed = quarrel(never, &format!("quarrel runs show 7 --output json --results {}", store.display()));
    assert_eq!(serde_json::from_str::<Value>(&by_seed.out).unwrap()["runs"][0]["seed"], 7);
}

#[test]
fn pruning_says_what_it_removes() {
    let (_folder, store) = store();
    quarrel(passes, &format!("quarrel run smoke smoke --seed 7 --results {}", store.display()));
    let dry = quarrel(never, &format!("quarrel runs prune --keep 1 --dry-run --results {}", store.display()));
    assert!(dry.out.contains("would remove 1 run"), "{}", dry.out);
    let done = quarrel(never, &format!("quarrel runs prune --keep 1 --results {}", store.display()));
    assert!(done.out.contains("removed 1 run"), "{}", done.out);
    assert_eq!(runs_in(&store).len(), 1);
}

#[test]
fn a_history_that_is_none_is_a_mistake_of_the_user() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("history.jsonl");
    fs::write(&file, "hello\n").unwrap();
    let done = quarrel(never, &format!("quarrel check {}", file.display()));
    assert_eq!(done.exit, Exit::Usage);
    assert!(
        done.err.contains("cannot judge") && done.err.contains("give the file `history.jsonl`"),
        "{}",
        done.err
    );
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    command().debug_assert();
}

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
