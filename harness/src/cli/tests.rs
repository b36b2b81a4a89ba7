mod pages;

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

/// Arrival, where clients move, in files of its own.
fn arrival_file(folder: &Path, contract: &str) -> String {
    let text = format!(
        "name = \"small\"\n[strategy.arrival]\n[workload.register]\n[nemesis.relocate]\nat = [\"1s\"]\n[contract]\n{contract}\n"
    );
    let path = folder.join("small.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_scenario_in_the_model_follows_its_contract_and_keeps_its_witnesses() {
    let (folder, store) = store();
    let model = |contract: &str, more: &str| {
        let file = arrival_file(folder.path(), contract);
        let line =
            format!("quarrel model {file} --leaders 2 --writes 2 --results {} {more}", store.display());
        quarrel(never, &line)
    };
    assert_eq!(model("", "").exit, Exit::Success);
    let forbidden = model("forbid = [\"divergence\"]", "");
    assert_eq!(forbidden.exit, Exit::Violated);
    assert!(forbidden.out.contains("divergence in 4 steps"), "{}", forbidden.out);
    assert!(forbidden.out.contains("In the end A holds k = "), "{}", forbidden.out);
    assert_eq!(model("find = [\"causal-inversion\"]", "").exit, Exit::Violated);
    let bounded = model("", "--states 3");
    assert_eq!(bounded.exit, Exit::Unknown);
    assert!(bounded.out.contains("the bound on"), "{}", bounded.out);

    let runs: Vec<PathBuf> =
        fs::read_dir(store.join("small")).unwrap().map(|run| run.unwrap().path()).collect();
    assert_eq!(runs.len(), 4);
    let witness =
        runs.iter().map(|run| run.join("witness/divergence.json")).find(|path| path.exists()).unwrap();
    let witness: quarrel_models::witness::Witness =
        serde_json::from_str(&fs::read_to_string(&witness).unwrap()).unwrap();
    assert!(quarrel_models::witness::play(&witness).is_ok());
    assert!(runs.iter().any(|run| run.join("witness/divergence.svg").exists()));
    assert!(!store.join("latest").exists(), "it has no history");

    let list = quarrel(never, &format!("quarrel runs list --results {}", store.display()));
    assert!(list.out.contains("model") && !list.out.contains('?'), "{}", list.out);
    let name = runs[0].file_name().unwrap().to_str().unwrap().to_owned();
    let show = quarrel(never, &format!("quarrel runs show small/{name} --results {}", store.display()));
    assert_eq!(show.exit, Exit::Success, "{}", show.err);
    assert!(show.out.contains("every interleaving of a small world"), "{}", show.out);
}

#[test]
fn the_matrix_is_one_record_a_world_and_property() {
    let line = "quarrel model --matrix --strategy arrival --topology ring --fault crash --property converged,vanished";
    let (folder, _) = store();
    let witnesses = folder.path().join("w");
    let json = quarrel(never, &format!("{line} --output json --witness-dir {}", witnesses.display()));
    assert_eq!(json.exit, Exit::Success, "{}", json.err);
    let report: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["v"], 1);
    let cells = report["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 2);
    for key in [
        "strategy",
        "variant",
        "workload",
        "topology",
        "fault",
        "property",
        "verdict",
        "states",
        "depth",
        "witness_steps",
    ] {
        assert!(cells[0].get(key).is_some(), "{key} is missing");
    }
    assert_eq!(
        (&cells[0]["property"], &cells[0]["verdict"], &cells[0]["witness_steps"]),
        (&"converged".into(), &"violated".into(), &3.into())
    );
    let mut names: Vec<String> = fs::read_dir(&witnesses)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let name = |property: &str, end: &str| format!("arrival-register-ring-crash-{property}.{end}");
    assert_eq!(
        names,
        [
            name("converged", "json"),
            name("converged", "svg"),
            name("vanished", "json"),
            name("vanished", "svg"),
        ]
    );
    let cut_short = quarrel(never, &format!("{line} --depth 2"));
    assert_eq!(cut_short.exit, Exit::Unknown, "a search cut short proves nothing");
}

#[test]
fn the_summary_of_a_pipeline_has_the_matrix() {
    let (folder, _) = store();
    let summary = folder.path().join("summary.md");
    let surroundings = Surroundings { step_summary: Some(summary.clone()), ..Surroundings::default() };
    let line = "quarrel model --matrix --strategy arrival --topology ring --fault crash --property converged";
    assert_eq!(quarrel_in(surroundings, never, line).exit, Exit::Success);
    let text = fs::read_to_string(summary).unwrap();
    assert!(text.contains("| arrival | register | ring | crash | converged 3 |"), "{text}");
}

#[test]
fn a_port_that_is_taken_is_the_environments_fault() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let done = quarrel(never, &format!("quarrel model --explore smoke --port {port}"));
    assert_eq!(done.exit, Exit::Environment);
    assert!(done.err.contains("leave --port out"), "{}", done.err);
}

/// A folder with these files.
fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const KEPT: &str = "{:type :invoke :process 0 :f :add :value 1}\n{:type :ok :process 0 :f :add :value 1}
{:type :invoke :process 0 :f :read}\n{:type :ok :process 0 :f :read :value [1]}\n";

#[test]
fn a_recorded_history_is_judged_by_the_checker_that_is_named() {
    let folder = folder_with(&[("lost.edn", &KEPT.replace("[1]", "[]"))]);
    let file = folder.path().join("lost.edn").display().to_string();
    let done = quarrel(never, &format!("quarrel check {file} --checker set"));
    assert_eq!(done.exit, Exit::Violated, "{}", done.err);
    let expected = [
        "FAIL",
        "lost-element once",
        "1 was acknowledged, and the last read lacks it",
        "line 1: 0: process 0 add 1 -> ok",
        "line 3: 2: process 0 read -> []",
    ];
    for expected in expected {
        assert!(done.out.contains(expected), "{expected}\n{}", done.out);
    }
    assert!(done.out.ends_with(&format!("again quarrel check {file} --checker set\n")), "{}", done.out);
    let json = quarrel(never, &format!("quarrel check {file} --checker set --output json"));
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["v"], &json["verdict"], &json["operations"]), (&1.into(), &"fail".into(), &2.into()));
    assert_eq!(json["anomalies"][0]["kind"], "lost-element");
    assert_eq!(json["files"][0]["anomalies"][0]["operations"][1]["line"], 3);
    let none = quarrel(never, &format!("quarrel check {file}"));
    assert_eq!(none.exit, Exit::Usage);
    assert!(none.err.contains("--checker ") && none.err.contains("|set-full|"), "{}", none.err);
}

#[test]
fn several_histories_are_judged_at_once_and_summed_up() {
    let never_read = KEPT.lines().next().unwrap();
    let folder = folder_with(&[
        ("a.edn", KEPT),
        ("b.edn", &KEPT.replace("[1]", "[]")),
        ("c.edn", never_read),
        ("notes.jsonl", "{\"a\": 1}\n"),
        ("more.txt", "nothing"),
    ]);
    let path = folder.path().display();
    let done = quarrel(never, &format!("quarrel check {path} --checker set"));
    assert_eq!(done.exit, Exit::Violated);
    assert!(done.out.contains("3 histories  pass 1  fail 1  unknown 1"), "{}", done.out);
    assert!(done.err.contains("passed over") && done.err.contains("notes.jsonl"), "{}", done.err);
    fs::write(folder.path().join("d.edn"), format!("{KEPT}{{:type :ok :process 7}}")).unwrap();
    let done = quarrel(never, &format!("quarrel check {path} --checker set"));
    assert_eq!(done.exit, Exit::Usage);
    assert!(
        done.out.contains("not judged 1") && done.out.contains("line 5, column 1: process 7"),
        "{}",
        done.out
    );
}

#[test]
fn what_does_not_fit_the_checker_is_said_with_its_line() {
    let folder = folder_with(&[("h.edn", KEPT)]);
    let file = folder.path().join("h.edn").display().to_string();
    let done = quarrel(never, &format!("quarrel check {file} --checker bank"));
    assert_eq!(done.exit, Exit::Usage);
    assert!(
        done.err.contains("line 4, column 1: a read shows `[1]`: the checker `bank` expects"),
        "{}",
        done.err
    );
    let done = quarrel(never, &format!("quarrel check {file} --checker bank --model gold"));
    assert!(done.err.contains("has no model `gold`") && done.err.contains("non-negative"), "{}", done.err);
}

#[test]
fn a_history_is_exported_in_the_formats_of_others_and_judged_alike() {
    let folder = folder_with(&[("h.edn", KEPT)]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (format, name) in [("edn", "out.edn"), ("json", "out.json"), ("binary", "out.qhist")] {
        let done = quarrel(
            never,
            &format!("quarrel runs export {} --format {format} --to {}", path("h.edn"), path(name)),
        );
        assert_eq!((done.exit, done.err.as_str()), (Exit::Success, ""));
        let judged = quarrel(never, &format!("quarrel check {} --checker set", path(name)));
        assert_eq!(judged.exit, Exit::Success, "{format} {}{}", judged.out, judged.err);
        assert!(judged.out.contains("2 operations"), "{}", judged.out);
    }
    let shown = quarrel(never, &format!("quarrel runs export {}", path("out.qhist")));
    assert!(
        shown.out.starts_with("{:index 0, :type :invoke, :process 0, :f :add, :value 1}\n"),
        "{}",
        shown.out
    );
}
