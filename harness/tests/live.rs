//! Shipped scenarios on real processes, in their quick form: what each strategy is known for shows, and what the
//! contracts promise holds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use quarrel::{
    replay::fold::PROPERTY,
    runner::{Interrupt, Live, RunOutcome, RunRequest, judge, run},
};
use quarrel_models::fate::Fate;
use quarrel_workloads::{
    mark::Mark,
    scenario::{Scenario, parse, shipped_text},
    verdict::{Anomaly, Finding, Verdict},
};
use serde_json::Value;
use std::{path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

struct Run {
    folder: TempDir,
    outcome: RunOutcome,
}

impl Run {
    fn count(&self, fate: Fate) -> u64 {
        self.outcome.judgement.fates.get(&fate).copied().unwrap_or(0)
    }

    fn found(&self, anomaly: Anomaly) -> bool {
        self.outcome.judgement.anomalies.iter().any(|report| report.kind == Finding::Anomaly(anomaly))
    }

    fn lost(&self) -> u64 {
        self.outcome.judgement.fates.iter().filter(|(fate, _)| fate.is_loss()).map(|(_, count)| count).sum()
    }

    #[track_caller]
    fn passes(self) -> Self {
        let judgement = &self.outcome.judgement;
        assert!(
            judgement.reasons.iter().any(|reason| reason.property == PROPERTY),
            "the apply logs were folded"
        );
        assert_eq!(
            judgement.verdict,
            Verdict::Pass,
            "{:#?}\nlosses: {:#?}",
            judgement.reasons,
            judgement.worst
        );
        self
    }
}

fn quick(name: &str) -> Scenario {
    let text = shipped_text(name).unwrap();
    parse(name, text, &Mark::ALL.map(Mark::name)).unwrap().quicken()
}

fn request(scenario: Scenario, folder: &Path) -> RunRequest {
    RunRequest {
        live: Arc::new(Live::new(&scenario.name)),
        scenario,
        seed: 7,
        folder: folder.to_owned(),
        program: env!("CARGO_BIN_EXE_quarrel").into(),
        interrupt: Interrupt::new(),
    }
}

fn run_it(scenario: Scenario) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(&request(scenario, folder.path())).unwrap();
    Run { folder, outcome }
}

#[test]
fn last_write_wins_by_skewed_wall_clocks_loses_writes_that_knew_of_the_winner() {
    let run = run_it(quick("lww-skew")).passes();
    assert!(run.count(Fate::CausalInversion) > 0);
    assert!(!run.found(Anomaly::Divergence));
}

#[test]
fn a_hybrid_clock_loses_no_write_that_knew_of_the_winner() {
    let run = run_it(quick("lww-hybrid")).passes();
    assert_eq!(run.count(Fate::CausalInversion), 0);
}

#[test]
fn siblings_lose_nothing() {
    assert_eq!(run_it(quick("on-read-siblings")).passes().lost(), 0);
}

#[test]
fn a_home_that_follows_its_client_at_once_loses_or_splits_data_though_each_record_has_one_writer() {
    let run = run_it(quick("home-leader-relocation")).passes();
    assert!(run.lost() > 0 || run.found(Anomaly::Divergence));
}

#[test]
fn a_fenced_hand_over_loses_nothing() {
    let run = run_it(quick("home-leader-fenced")).passes();
    assert_eq!(run.lost(), 0);
    assert!(!run.found(Anomaly::Divergence));
}

#[test]
fn synced_writes_survive_kill_minus_nine_and_volatile_ones_vanish() {
    let shortened = |name| {
        let mut scenario = quick(name);
        scenario.phases.storm = Duration::from_secs(4).into();
        // So few kills may all fall between two writes.
        scenario.contract.marks.retain(|mark| mark != Mark::KilledWithWritesInFlight.name());
        scenario
    };
    assert_eq!(run_it(shortened("kill-storm")).passes().count(Fate::Vanished), 0);
    let volatile = run_it(shortened("kill-storm-volatile"));
    assert!(volatile.count(Fate::Vanished) > 0, "{:?}", volatile.outcome.judgement.fates);
}

#[test]
fn a_history_in_which_one_final_read_is_edited_is_judged_otherwise_and_names_the_write() {
    let run = run_it(quick("smoke")).passes();
    let file = run.folder.path().join("history.jsonl");
    let history = std::fs::read_to_string(&file).unwrap();
    // Take the last insertion out of what one replica shows at the end.
    let insertion = history.lines().rfind(|line| line.contains(r#""op":{"insert""#)).unwrap();
    let insertion: Value = serde_json::from_str(insertion).unwrap();
    let (write, element) = (insertion["write"].as_str().unwrap(), &insertion["op"]["insert"]);
    let mut edited = 0;
    let damaged: Vec<String> = history
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            if event["type"] != "final" || event["replica"] != "B" || event["key"] != insertion["key"] {
                return line.to_owned();
            }
            edited += 1;
            event["value"]["$set"].as_array_mut().unwrap().retain(|shown| shown != element);
            event.to_string()
        })
        .collect();
    assert_eq!(edited, 1);
    std::fs::write(&file, damaged.join("\n") + "\n").unwrap();
    let judgement = judge(run.folder.path()).unwrap();
    assert_eq!(judgement.verdict, Verdict::Fail);
    let named = judgement.worst.iter().any(|entry| entry.write.to_string() == write);
    assert!(named, "{write} is not among {:#?}", judgement.worst);
}

#[test]
fn an_apply_log_that_is_not_what_the_core_says_is_a_failure_of_its_own() {
    let run = run_it(quick("smoke")).passes();
    let folder = run.folder.path();
    let found = || {
        let judgement = judge(folder).unwrap();
        let reason = judgement.reasons.into_iter().find(|reason| reason.property == PROPERTY).unwrap();
        assert_eq!(judgement.verdict, reason.verdict);
        (reason.verdict, reason.evidence)
    };
    let (verdict, evidence) = found();
    assert_eq!(verdict, Verdict::Pass);
    let decisions: u64 = evidence.split(' ').next().unwrap().parse().unwrap();
    assert!(decisions > 100, "{evidence}");

    let file = folder.join("apply/B.jsonl");
    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let line = lines.iter().position(|line| line.contains(r#""decision":"applied""#)).unwrap();
    let other = lines[line].replace(r#""decision":"applied""#, r#""decision":"discarded""#);
    let damaged = |with: &[&str], what: &str| {
        std::fs::write(&file, with.join("\n") + "\n").unwrap();
        let (verdict, evidence) = found();
        assert_eq!(verdict, Verdict::Fail, "{what}");
        assert!(evidence.starts_with("the live node B did otherwise than the core: line "), "{evidence}");
        evidence
    };
    let (before, after) = (&lines[..line], &lines[line + 1..]);
    let evidence = damaged(&[before, &[other.as_str()], after].concat(), "another decision");
    assert!(evidence.contains(&format!("line {} ", line + 1)), "{evidence}");
    damaged(&[before, after].concat(), "a line is missing");
    damaged(&[before, &[lines[line], lines[line]], after].concat(), "a line stands twice");
    let stands = lines.last().unwrap();
    assert!(stands.contains(r#""event":"stopped""#), "{stands}");
    let digest = stands.replace(r#""digest":""#, r#""digest":"f"#);
    damaged(&[&lines[..lines.len() - 1], &[digest.as_str()]].concat(), "another state");
}

#[test]
fn an_interrupted_run_ends_early_and_its_history_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let request = request(quick("kill-storm"), folder.path());
    let interrupt = request.interrupt.clone();
    let live = Arc::clone(&request.live);
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let presser = std::thread::spawn(move || {
        // As soon as there is something to keep.
        while live.look().ok == 0 && stopped.recv_timeout(Duration::from_millis(10)).is_err() {}
        interrupt.request();
    });
    let outcome = run(&request).unwrap();
    drop(stop);
    presser.join().unwrap();
    assert!(outcome.interrupted);
    assert_eq!(outcome.judgement.verdict, Verdict::Unknown);
    assert!(outcome.seconds < 12.0, "it went on for {} s", outcome.seconds);
}

#[test]
fn a_program_that_is_no_node_is_an_error_of_the_environment_that_says_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let request = RunRequest { program: "/bin/false".into(), ..request(quick("smoke"), folder.path()) };
    let error = run(&request).unwrap_err().to_string();
    assert!(error.contains("A did not begin to listen"), "{error}");
}
