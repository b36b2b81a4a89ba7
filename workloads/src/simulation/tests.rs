//! Scenarios in the simulator: the shipped ones, judged as live runs are.

use super::*;
use crate::{
    history::{Reader, Writer},
    judge::judge,
    mark::Mark,
    scenario::{parse, shipped, shipped_text},
    verdict::Verdict,
};
use quarrel_models::fate::Fate;
use std::collections::BTreeSet;

fn scenario(name: &str) -> Scenario {
    parse(name, shipped_text(name).unwrap(), &Mark::ALL.map(Mark::name)).unwrap().quicken()
}

/// The history of a run, as a file holds it.
fn history(scenario: &Scenario, seed: u64) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &header(scenario, seed)).unwrap();
    observe(&expand(scenario, seed).unwrap(), |event| writer.write(&event).unwrap()).unwrap();
    writer.finish().unwrap()
}

/// What their contracts say of live runs holds of simulated ones: no seed fails, and a few seeds together show all that
/// is demanded. Contracts of other systems speak of those systems.
#[test]
fn every_shipped_scenario_holds_its_contract() {
    for (name, text) in shipped() {
        let whole = parse(name, text, &Mark::ALL.map(Mark::name)).unwrap();
        if !whole.is_of_our_core() {
            continue;
        }
        // The standard one is short already, and its faults are far apart.
        let scenario = if *name == "standard" { whole } else { whole.quicken() };
        let trial = Trial::new(&scenario, false);
        let (mut found, mut hit) = (BTreeSet::new(), BTreeSet::new());
        for seed in 1..=3 {
            let judgement = trial.run(seed).unwrap().judgement;
            assert_ne!(judgement.verdict, Verdict::Fail, "{name}, seed {seed}: {:?}", judgement.reasons);
            found.extend(judgement.reasons.into_iter().map(|reason| reason.property));
            hit.extend(judgement.marks.iter().filter(|mark| mark.hits > 0).map(|mark| mark.name.to_owned()));
        }
        let lacks = trial.find().iter().find(|finding| !found.contains(finding.name()));
        assert_eq!(lacks, None, "{name}");
        let lacks = trial.marks().iter().find(|mark| !hit.contains(*mark));
        assert_eq!(lacks, None, "{name}");
    }
}

#[test]
fn a_seed_gives_the_same_history_byte_for_byte_and_another_seed_another() {
    for name in ["smoke", "kill-storm-volatile", "tour-on-read"] {
        let scenario = scenario(name);
        let first = history(&scenario, 7);
        assert_eq!(first, history(&scenario, 7), "{name}");
        assert_ne!(first, history(&scenario, 8), "{name}");
    }
}

#[test]
fn a_simulated_history_is_judged_alike_from_its_file() {
    let scenario = scenario("lww-skew");
    let at_once = simulate(&scenario, 3).unwrap().judgement;
    let from_file = judge(Reader::new(&*history(&scenario, 3)).unwrap(), &mut NoSink).unwrap();
    assert_eq!((at_once.verdict, &at_once.fates), (from_file.verdict, &from_file.fates));
    assert_eq!(at_once.operations, from_file.operations);
    assert!(at_once.fates[&Fate::CausalInversion] > 0);
}

#[test]
fn a_fence_keeps_every_write_of_every_seed_and_a_hand_over_at_once_does_not() {
    let lost = |name: &str, seed: u64| {
        let judgement = simulate(&scenario(name), seed).unwrap().judgement;
        judgement.fates.iter().filter(|(fate, _)| fate.is_loss()).map(|(_, count)| count).sum::<u64>()
    };
    assert_eq!((1..=5).map(|seed| lost("home-leader-fenced", seed)).sum::<u64>(), 0);
    assert!((1..=5).all(|seed| lost("home-leader-relocation", seed) > 0));
}

/// Of a run of some fifteen hundred operations remain those that say why.
#[test]
fn a_lost_write_shrinks_to_a_story_of_a_few_lines() {
    let scenario = scenario("lww-skew");
    let schedule = expand(&scenario, 1).unwrap();
    let lost = |judgement: &Judgement| judgement.fates.contains_key(&Fate::CausalInversion);
    let shrunk = Trial::new(&scenario, false).shrink(&schedule, lost, 5000);
    assert!(shrunk.minimal, "{} runs were not enough", shrunk.runs);
    let small = &shrunk.schedule;
    assert!(small.operations.len() == 2 && small.faults.len() <= 2, "{small:#?}");
    let judgement = judge_schedule(&header_of(&scenario, small), small).unwrap().judgement;
    assert_eq!(judgement.fates[&Fate::CausalInversion], 1);
}

/// Frozen: another digest means that seeds mean other runs than before, or that histories are written otherwise. The same
/// on every machine, in debug and in release builds.
#[test]
fn seeds_give_the_histories_that_they_always_gave() {
    let trial = |name: &str| {
        let scenario = parse(name, shipped_text(name).unwrap(), &Mark::ALL.map(Mark::name)).unwrap();
        Trial::new(&scenario, true)
    };
    let digest =
        |name: &str, seed: u64| format!("{name} {seed} {:016x}", trial(name).run(seed).unwrap().digest);
    let lines: Vec<String> = (1..=4).map(|seed| digest("standard", seed)).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// A small cluster whose deletions travel slowly, and this nemesis beside that.
fn with_deletions(strategy: &str, nemesis: &str) -> Scenario {
    let text = format!(
        "name = \"x\"\n[strategy.{strategy}]\n[workload.register]\nkeys = 300\nzipf = 0.0\ndelete_share = 0.3\n\
         [clients]\ncount = 6\nthink = \"10ms\"\n[phases]\nwarm_up = \"100ms\"\nstorm = \"2s\"\nrecovery = \"100ms\"\n\
         [nemesis.partition]\nshape = \"one-way\"\nhow = \"stall\"\nevery = \"300ms\"\nfor = \"200ms\"\n{nemesis}"
    );
    parse("x", &text, &Mark::ALL.map(Mark::name)).unwrap()
}

/// How many of the first seeds show it.
fn showing(scenario: &Scenario, property: &str) -> usize {
    let trial = Trial::new(scenario, false);
    let shows = |seed| trial.run(seed).unwrap().judgement.reasons.iter().any(|why| why.property == property);
    (1..=10).filter(|&seed| shows(seed)).count()
}

#[test]
fn tombstones_that_are_collected_too_early_bring_deleted_records_back() {
    let collects = "[nemesis.maintenance]\nwhat = \"collect\"\nevery = \"50ms\"\n";
    // Only where the tombstone was collected: elsewhere it still keeps the old value out.
    assert_eq!(showing(&with_deletions("lww", ""), "divergence"), 0);
    assert!(showing(&with_deletions("lww", collects), "divergence") > 0);
}

#[test]
fn a_replica_that_starts_on_an_old_backup_lacks_what_it_had_acknowledged_and_a_restart_does_not() {
    let restores =
        |table: &str| format!("[nemesis.{table}]\nreplica = \"A\"\nat = [\"1s\"]\ndown = \"100ms\"\n");
    let count = |table: &str| {
        let scenario = with_deletions("lww", &restores(table));
        ["divergence", "not-quiescent", "vanished", "partial", "stranded"]
            .map(|property| showing(&scenario, property))
    };
    assert_eq!(count("kill"), [0; 5]);
    assert_ne!(count("restore"), [0; 5]);
    let old = with_deletions("lww", &(restores("restore") + "age = \"300ms\"\n"));
    let restarts = |scenario: &Scenario| -> Vec<Option<u64>> {
        let faults = expand(scenario, 1).unwrap().faults.into_iter();
        faults.filter(|timed| timed.fault.kind() == "restart").map(|timed| timed.backup_us).collect()
    };
    assert_eq!(
        restarts(&old),
        [Some(100_000 + 1_000_000 - 300_000)],
        "as it was 300 ms before it was killed"
    );
    assert_eq!(restarts(&with_deletions("lww", &restores("restore"))), [Some(0)], "an empty disk");
    assert_eq!(restarts(&with_deletions("lww", &restores("kill"))), [None]);
}

#[test]
fn maintenance_stands_in_the_history_and_is_drawn_by_some_seeds_only() {
    let takes = "[nemesis.maintenance]\nwhat = \"take-home\"\nevery = \"200ms\"\n[contract]\nmarks = [\"maintained\"]\n";
    let scenario = with_deletions("home-leader", takes);
    let judgement = simulate(&scenario, 1).unwrap().judgement;
    let hits = judgement.marks.iter().find(|mark| mark.name == "maintained").map(|mark| mark.hits);
    assert!(hits > Some(3), "{hits:?}");
    let text = String::from_utf8(history(&scenario, 1)).unwrap();
    assert!(text.contains(r#""type":"maintenance""#) && text.contains(r#"{"take-home":"k"#), "{text:.3000}");
    let from_file = judge(Reader::new(text.as_bytes()).unwrap(), &mut NoSink).unwrap();
    assert_eq!(from_file.fates, judgement.fates);
    let drawn = (1..=20).filter(|&seed| !swarm(&scenario, seed).unwrap().errands.is_empty()).count();
    assert!((5..20).contains(&drawn), "{drawn} of 20");
}

#[test]
fn maintenance_that_means_nothing_is_refused() {
    let refused = |text: &str| {
        let text = format!("name = \"x\"\n{text}");
        parse("x", &text, &[]).unwrap_err().to_string()
    };
    let lww = refused(
        "[strategy.lww]\n[workload.register]\n[nemesis.maintenance]\nwhat = \"take-home\"\nat = [\"1s\"]",
    );
    assert!(lww.contains("only the strategy `home-leader`"), "{lww}");
    let set = refused(
        "[strategy.home-leader]\n[workload.set]\n[nemesis.maintenance]\nwhat = \"take-home\"\nat = [\"1s\"]",
    );
    assert!(set.contains("say whose home"), "{set}");
    let never = refused("[strategy.lww]\n[workload.register]\n[nemesis.restore]\nat = [\"1s\"]");
    assert!(never.contains("`down`"), "{never}");
}
