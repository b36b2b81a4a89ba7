//! Laws of the cluster under random schedules: writes, deliveries in any order of links, lost, doubled and reordered
//! frames, cuts, crashes, moving clients; then everything is healed and delivered.
//!
//! Each law is shown to be able to fail, on a strategy or a step that breaks it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../rig/mod.rs"]
mod rig;
mod rules;
mod run;
mod schedule;
mod teeth;

use proptest::prelude::*;
use quarrel_models::{
    handler::Handler,
    strategy::{DataType, LastWriteWins, MissingRow, Rows, Strategy as Rule},
};
use rules::*;
use run::{Run, losing_tails, played, played_with};
use schedule::*;

/// So many schedules that the laws take seconds. `SCHEDULES=20000 cargo test --release` looks harder.
fn bounded() -> ProptestConfig {
    let cases = std::env::var("SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(160);
    ProptestConfig { cases, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(bounded())]

    #[test]
    fn merging_on_write_converges(shape in any_shape(), handler in handlers(), schedule in any_schedule()) {
        let run = played(shape, on_write(handler), handler, &schedule);
        run.check_convergence()?;
        run.check_requests_answered()?;
    }

    #[test]
    fn merging_converges_where_writes_overtake_each_other(handler in handlers(), schedule in any_calm_schedule()) {
        for rule in [on_write(handler), on_read(handler)] {
            played(Shape::Mesh, rule, handler, &schedule).check_convergence()?;
        }
    }

    #[test]
    fn siblings_converge(shape in any_shape(), handler in handlers(), schedule in any_schedule()) {
        let run = played(shape, on_read(handler), handler, &schedule);
        run.check_convergence()?;
    }

    #[test]
    fn last_write_wins_converges_through_the_merge(shape in any_shape(), schedule in any_schedule()) {
        let run = played(shape, Rule::Lww(LastWriteWins::default()), Handler::Latest, &schedule);
        run.check_convergence()?;
    }

    #[test]
    fn a_total_order_of_versions_converges(
        shape in any_shape(), rule in converging_winners(), schedule in any_schedule()
    ) {
        played(shape, rule, Handler::Latest, &schedule).check_convergence()?;
    }

    /// Whatever waits for its row gets it in the end, since somebody inserted it, and a tombstone is a row.
    #[test]
    fn a_log_that_waits_for_a_row_goes_on_in_the_end(
        shape in any_shape(), deleting in any_deleting_schedule(), schedule in any_schedule()
    ) {
        let stalling = lww_with(Rows { missing: MissingRow::Stall, ..Rows::default() });
        for schedule in [deleting, schedule] {
            let run = played(shape, stalling.clone(), Handler::Latest, &schedule);
            run.check_convergence()?;
            run.check_everything_delivered()?;
        }
    }

    #[test]
    fn an_observed_remove_set_holds_what_was_added_and_not_seen_by_a_removal(
        shape in any_shape(), schedule in any_schedule(), calm in any_calm_schedule()
    ) {
        for (shape, schedule) in [(shape, schedule), (Shape::Mesh, calm)] {
            let run = played_with(removes, shape, crdt(DataType::OrSet), Handler::Union, &schedule);
            run.check_convergence()?;
            run.check_equal_tags()?;
            run.check_observed_removes()?;
        }
    }

    #[test]
    fn no_acknowledged_insertion_is_lost_by_an_observed_remove_set(shape in any_shape(), schedule in any_schedule()) {
        played(shape, crdt(DataType::OrSet), Handler::Union, &schedule).check_nothing_lost()?;
    }

    #[test]
    fn a_replicated_counter_is_the_sum_of_its_acknowledged_changes(
        shape in any_shape(), schedule in any_schedule()
    ) {
        let run = played(shape, crdt(DataType::Counter), Handler::Delta, &schedule);
        run.check_convergence()?;
        run.check_sums()?;
    }

    #[test]
    fn a_multi_value_register_holds_the_newest_values_and_no_others(
        shape in any_shape(), schedule in any_schedule(), calm in any_calm_schedule()
    ) {
        for (shape, schedule) in [(shape, schedule), (Shape::Mesh, calm)] {
            let run = played(shape, crdt(DataType::MvRegister), Handler::Latest, &schedule);
            run.check_convergence()?;
            run.check_nothing_but_the_newest()?;
        }
    }

    #[test]
    fn no_acknowledged_insertion_is_lost_by_union_on_write(shape in any_shape(), schedule in any_schedule()) {
        let run = played(shape, on_write(Handler::Union), Handler::Union, &schedule);
        run.check_nothing_lost()?;
    }

    #[test]
    fn no_acknowledged_insertion_is_lost_by_union_on_read(shape in any_shape(), schedule in any_schedule()) {
        let run = played(shape, on_read(Handler::Union), Handler::Union, &schedule);
        run.check_nothing_lost()?;
    }

    #[test]
    fn a_counter_is_the_sum_of_its_acknowledged_changes(shape in any_shape(), schedule in any_schedule()) {
        let run = played(shape, on_write(Handler::Delta), Handler::Delta, &schedule);
        run.check_sums()?;
    }

    #[test]
    fn a_replica_comes_back_as_it_was(shape in any_shape(), (rule, handler) in any_rule(), schedule in any_schedule()) {
        let mut run = Run::new(shape, rule, handler);
        run.forgets = true;
        for action in &schedule.0 {
            run.play(action);
            run.check_recovery()?;
        }
    }

    #[test]
    fn every_request_is_answered_in_the_end(shape in any_shape(), (rule, handler) in any_rule(), schedule in any_schedule()) {
        let run = played(shape, rule, handler, &schedule);
        run.check_requests_answered()?;
    }

    #[test]
    fn the_same_schedule_leads_to_the_same_states(
        shape in any_shape(), (rule, handler) in any_rule(), schedule in any_schedule()
    ) {
        let [first, second] = [(); 2].map(|()| played(shape, rule.clone(), handler, &schedule));
        prop_assert_eq!(format!("{:?}", first.rig), format!("{:?}", second.rig));
    }

    #[test]
    fn a_leader_that_lost_its_tail_gives_no_position_away_twice(
        shape in any_shape(), (rule, handler) in any_rule(), reserve in 1..4_u32, schedule in any_schedule()
    ) {
        let mut run = Run::new(shape, rule, handler);
        losing_tails(reserve)(&mut run);
        for action in &schedule.0 {
            run.play(action);
        }
        run.finish();
        run.check_positions()?;
        run.check_requests_answered()?;
    }

    #[test]
    fn a_fenced_home_loses_nothing_of_single_writers_and_converges(shape in any_shape(), schedule in any_schedule()) {
        let mut run = Run::new(shape, fenced(), Handler::Latest);
        run.single_writers = true;
        for action in &schedule.0 {
            run.play(action);
        }
        run.finish();
        run.check_convergence()?;
        run.check_last_writes()?;
    }
}
