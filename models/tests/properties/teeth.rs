//! Each law can fail: a strategy or a step that breaks it is found by it.

use crate::{
    bounded,
    rig::Rig,
    rules::*,
    run::{Run, losing_tails},
    schedule::*,
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use quarrel_models::{
    handler::Handler,
    replica::Replica,
    strategy::{
        Arrival, DataType, DeletePolicy, Detection, HomeLeader, LastWriteWins, LocalWrite, MissingRow, Rows,
        Strategy as Rule, TieRule,
    },
};

#[test]
fn the_law_of_positions_fails_without_a_reserve() {
    let rule = (Rule::Lww(LastWriteWins::default()), Handler::Latest);
    assert!(can_fail(rule, losing_tails(0), Run::check_positions));
}

/// Whether some schedule of a few hundred breaks the law.
fn can_fail(
    (rule, handler): (Rule, Handler),
    prepare: impl Fn(&mut Run),
    law: impl Fn(&Run) -> Result<(), TestCaseError>,
) -> bool {
    some_breaks(300, &(any_shape(), any_schedule()), (rule, handler), prepare, law)
}

/// Whether one of so many schedules breaks the law.
fn some_breaks(
    tries: u32,
    schedules: &impl Strategy<Value = (Shape, Schedule)>,
    (rule, handler): (Rule, Handler),
    prepare: impl Fn(&mut Run),
    law: impl Fn(&Run) -> Result<(), TestCaseError>,
) -> bool {
    let mut runner = TestRunner::new_with_rng(bounded(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    // Not `runner.run`: it takes a panic for a broken law.
    (0..tries).any(|_| {
        let (shape, schedule) = schedules.new_tree(&mut runner).unwrap().current();
        let mut run = Run::new(shape, rule.clone(), handler);
        prepare(&mut run);
        for action in &schedule.0 {
            run.play(action);
        }
        run.finish();
        law(&run).is_err()
    })
}

/// Nothing is ever sent again, so that what is lost stays lost.
fn never_resend(run: &mut Run) {
    let mut config = (*run.rig.config).clone();
    config.retransmit_us = 1 << 50;
    run.rig = Rig::new(config, true);
}

fn lww(tie: TieRule, local_write: LocalWrite) -> Rule {
    Rule::Lww(LastWriteWins { tie, local_write, ..LastWriteWins::default() })
}

#[test]
fn the_law_of_convergence_fails_where_a_frame_is_lost_for_good() {
    for rule in [on_write(Handler::Union), on_read(Handler::Union)] {
        assert!(can_fail((rule, Handler::Union), never_resend, Run::check_convergence));
    }
}

#[test]
fn the_law_of_convergence_fails_for_strategies_that_diverge() {
    for rule in [
        Rule::Arrival(Arrival::default()),
        lww(TieRule::None, LocalWrite::Merge),
        lww(TieRule::NodeId, LocalWrite::Unconditional),
    ] {
        assert!(can_fail((rule, Handler::Latest), |_| {}, Run::check_convergence));
    }
}

#[test]
fn the_law_of_convergence_fails_where_knowledge_and_comparator_contradict_each_other() {
    // It takes three writes in a circle, and no fourth one that knows of all: storms blow that over.
    let calm = (Just(Shape::Mesh), any_calm_schedule());
    for rule in [first_write_wins(Detection::VersionVectors), leader_priority(Detection::VersionVectors)] {
        assert!(some_breaks(1000, &calm, (rule, Handler::Latest), |_| {}, Run::check_convergence));
    }
    for rule in [first_write_wins(Detection::None), most_updates(Detection::VersionVectors)] {
        assert!(!some_breaks(1000, &calm, (rule, Handler::Latest), |_| {}, Run::check_convergence));
    }
}

#[test]
fn the_law_of_convergence_fails_where_updates_are_no_longer_counted() {
    let forgets = |run: &mut Run| run.forgets = true;
    for rule in [most_updates(Detection::None), most_updates(Detection::VersionVectors)] {
        assert!(can_fail((rule, Handler::Latest), forgets, Run::check_convergence));
    }
}

#[test]
fn the_laws_of_sets_with_removals_fail_for_a_union_and_where_removals_are_forgotten() {
    assert!(can_fail((on_write(Handler::Union), Handler::Union), removes, Run::check_observed_removes));
    let forgets = |run: &mut Run| (run.removes, run.forgets) = (true, true);
    let calm = (Just(Shape::Mesh), any_forgetful_schedule());
    for law in [Run::check_observed_removes, Run::check_equal_tags] {
        assert!(some_breaks(2000, &calm, (crdt(DataType::OrSet), Handler::Union), forgets, law));
    }
}

#[test]
fn the_law_of_the_newest_values_fails_where_one_side_wins() {
    let lww = (lww(TieRule::NodeId, LocalWrite::Merge), Handler::Latest);
    assert!(can_fail(lww, |_| {}, Run::check_nothing_but_the_newest));
    let forgets = |run: &mut Run| run.forgets = true;
    let calm = (Just(Shape::Mesh), any_forgetful_schedule());
    let siblings = (crdt(DataType::MvRegister), Handler::Latest);
    assert!(some_breaks(2000, &calm, siblings, forgets, Run::check_nothing_but_the_newest));
}

#[test]
fn the_law_of_convergence_fails_for_other_rows_than_tombstones_and_upserts() {
    let plain = Rows::default();
    let storm = (any_shape(), any_deleting_schedule());
    for rows in [
        Rows { deletes: DeletePolicy::Hard, ..plain },
        Rows { deletes: DeletePolicy::DeleteWins, ..plain },
        Rows { missing: MissingRow::Skip, ..plain },
    ] {
        let rule = (lww_with(rows), Handler::Latest);
        assert!(some_breaks(3000, &storm, rule, |_| {}, Run::check_convergence), "{rows}");
    }
}

#[test]
fn the_law_of_stalled_logs_fails_where_rows_vanish() {
    let vanishing = lww_with(Rows { deletes: DeletePolicy::Hard, missing: MissingRow::Stall });
    let storm = (any_shape(), any_deleting_schedule());
    for law in [Run::check_convergence, Run::check_everything_delivered] {
        assert!(some_breaks(1000, &storm, (vanishing.clone(), Handler::Latest), |_| {}, law));
    }
}

#[test]
fn the_law_that_no_insertion_is_lost_fails_where_one_side_wins() {
    for rule in [lww(TieRule::NodeId, LocalWrite::Merge), on_write(Handler::Max), on_read(Handler::Latest)] {
        assert!(can_fail((rule, Handler::Union), |_| {}, Run::check_nothing_lost));
    }
}

#[test]
fn the_law_of_sums_fails_where_one_side_wins() {
    for rule in [lww(TieRule::NodeId, LocalWrite::Merge), on_write(Handler::Max)] {
        assert!(can_fail((rule, Handler::Delta), |_| {}, Run::check_sums));
    }
}

#[test]
fn the_laws_of_the_fence_fail_for_the_other_hand_overs() {
    let single = |run: &mut Run| run.single_writers = true;
    let immediate = Rule::HomeLeader(HomeLeader::default());
    assert!(can_fail((immediate.clone(), Handler::Latest), single, Run::check_convergence));
    assert!(can_fail((immediate, Handler::Latest), single, Run::check_last_writes));
}

#[test]
fn the_law_of_recovery_fails_where_a_record_is_missing() {
    let law = |run: &Run| {
        for replica in run.rig.live() {
            if let Some(back) = run.rig.recovered_without_the_last_record(replica.id()) {
                prop_assert_eq!(back.digest(), replica.digest());
            }
        }
        Ok(())
    };
    assert!(can_fail((on_write(Handler::Union), Handler::Union), |_| {}, law));
}

#[test]
fn the_law_of_answers_fails_while_a_replica_still_waits() {
    let mut run = Run::new(Shape::Mesh, fenced(), Handler::Latest);
    // k0 belongs to another leader than the one where client 0 begins, or client 1, or client 2.
    for client in 0..3 {
        run.play(&Action::Begin { client, key: 0, choice: 0, number: 0 });
    }
    let waiting: usize = run.rig.live().map(Replica::waiting).sum();
    assert_eq!(waiting, 2);
    run.finish();
    run.check_requests_answered().unwrap();
}
