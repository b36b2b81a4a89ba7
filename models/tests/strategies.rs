//! Laws of the strategies that keep one version, at one record, without a cluster: what a replica ends with must not
//! depend on the order in which versions come.
//!
//! Each law is shown to be able to fail, on a strategy that breaks it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use quarrel_models::{
    clock::Stamp,
    id::{ClientId, Dot, ReplicaId, WriteId},
    strategy::{
        Arrival, Decision, DeletePolicy, Detection, FirstWriteWins, Incoming, LastWriteWins, LeaderPriority,
        MissingRow, MostUpdates, Rows, Site, Strategy as Rule, TieRule,
    },
    version::{Cell, Version, VersionVector},
};

fn version(origin: u8, position: u32, time_us: i64, updates: u32, knew: &[Dot]) -> Version {
    Version {
        write: WriteId { client: ClientId(origin.into()), sequence: position },
        dot: Dot { origin: ReplicaId(origin), position },
        stamp: Stamp { time_us, logical: 0 },
        context: knew.iter().copied().collect::<VersionVector>(),
        value: Some(i64::from(position).into()),
        updates,
    }
}

/// Versions of three leaders with few stamps and few numbers, so that ties are frequent.
fn any_versions() -> impl Strategy<Value = Vec<Version>> {
    let one = (0..3_u8, 1..4_u32, 0..3_i64, 0..3_u32);
    prop::collection::vec(one, 1..6).prop_map(|parts| {
        let mut versions: Vec<Version> = parts
            .into_iter()
            .map(|(origin, position, time_us, updates)| version(origin, position, time_us, updates, &[]))
            .collect();
        versions.sort_by_key(|version| version.dot);
        versions.dedup_by_key(|version| version.dot);
        versions
    })
}

/// What a replica holds after these versions.
fn after<'a>(rule: &Rule, versions: impl IntoIterator<Item = &'a Version>) -> Cell {
    let mut cell = Cell::default();
    for version in versions {
        let incoming = Incoming {
            key: "k".into(),
            version: version.clone(),
            before: None,
            removes: Vec::new(),
            update: false,
            counted: false,
        };
        rule.install(&mut cell, incoming, Site::Remote);
    }
    cell
}

fn first_write_wins(detection: Detection) -> Rule {
    Rule::FirstWriteWins(FirstWriteWins { detection, ..FirstWriteWins::default() })
}

fn leader_priority(detection: Detection, order: &[u8]) -> Rule {
    Rule::LeaderPriority(LeaderPriority {
        detection,
        order: order.iter().copied().map(ReplicaId).collect(),
        ..LeaderPriority::default()
    })
}

fn most_updates(detection: Detection) -> Rule {
    Rule::MostUpdates(MostUpdates { detection, ..MostUpdates::default() })
}

fn comparators() -> Vec<Rule> {
    vec![
        first_write_wins(Detection::None),
        leader_priority(Detection::None, &[]),
        leader_priority(Detection::None, &[2, 0]),
        most_updates(Detection::None),
        Rule::Lww(LastWriteWins::default()),
    ]
}

fn in_any_order() -> impl Strategy<Value = (Vec<Version>, Vec<Version>)> {
    any_versions().prop_flat_map(|versions| (Just(versions.clone()), Just(versions).prop_shuffle()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Commutative and associative: the end is a function of the set of versions.
    #[test]
    fn a_comparator_alone_ends_with_one_version_whatever_the_order((versions, shuffled) in in_any_order()) {
        for rule in comparators() {
            prop_assert_eq!(after(&rule, &versions), after(&rule, &shuffled), "{}", rule);
        }
    }

    #[test]
    fn a_version_that_comes_twice_changes_nothing(versions in any_versions()) {
        for rule in comparators() {
            let twice = versions.iter().chain(&versions);
            prop_assert_eq!(after(&rule, &versions), after(&rule, twice), "{}", rule);
        }
    }
}

#[test]
fn the_law_of_order_fails_for_arrival_and_without_a_tie_rule() {
    let [left, right] = [version(0, 1, 7, 0, &[]), version(1, 1, 7, 0, &[])];
    for rule in [
        Rule::Arrival(Arrival::default()),
        Rule::Lww(LastWriteWins { tie: TieRule::None, ..LastWriteWins::default() }),
    ] {
        assert_ne!(after(&rule, [&left, &right]), after(&rule, [&right, &left]), "{rule}");
    }
}

#[test]
fn equal_values_fall_through_to_the_documented_tie_rules() {
    let held = |rule: &Rule, versions: [&Version; 2]| after(rule, versions).versions[0].dot.to_string();
    let [left, right] = [version(0, 1, 7, 1, &[]), version(1, 1, 7, 1, &[])];
    let later = version(0, 2, 7, 1, &[]);
    assert_eq!(held(&first_write_wins(Detection::None), [&right, &left]), "A:1");
    assert_eq!(held(&first_write_wins(Detection::None), [&later, &left]), "A:1");
    assert_eq!(held(&leader_priority(Detection::None, &[]), [&right, &left]), "A:1");
    assert_eq!(held(&leader_priority(Detection::None, &[1]), [&left, &right]), "B:1");
    assert_eq!(held(&leader_priority(Detection::None, &[1]), [&later, &left]), "A:2");
    assert_eq!(held(&most_updates(Detection::None), [&right, &left]), "B:1");
    assert_eq!(held(&most_updates(Detection::None), [&right, &version(0, 1, 8, 1, &[])]), "A:1");
}

/// A, then B in the knowledge of A, and C that knew of neither: knowledge says B over A, the comparators say A over C
/// over B.
fn a_circle() -> [Version; 3] {
    let first = version(0, 1, 1, 1, &[]);
    let on_top = version(1, 1, 3, 2, &[first.dot]);
    let apart = version(2, 1, 2, 1, &[]);
    [first, on_top, apart]
}

#[test]
fn with_detection_versions_may_beat_each_other_in_a_circle_and_arrival_decides() {
    let [first, on_top, apart] = a_circle();
    for rule in
        [first_write_wins(Detection::VersionVectors), leader_priority(Detection::VersionVectors, &[0, 2, 1])]
    {
        let ends = [
            after(&rule, [&first, &on_top, &apart]).versions[0].dot,
            after(&rule, [&first, &apart, &on_top]).versions[0].dot,
        ];
        assert_eq!(ends, [apart.dot, on_top.dot], "{rule}");
    }
}

#[test]
fn the_number_of_updates_knows_no_circle() {
    let [first, on_top, apart] = a_circle();
    for detection in [Detection::VersionVectors, Detection::None] {
        let rule = most_updates(detection);
        for order in [
            [&first, &on_top, &apart],
            [&first, &apart, &on_top],
            [&apart, &on_top, &first],
            [&on_top, &apart, &first],
        ] {
            assert_eq!(after(&rule, order).versions[0].dot, on_top.dot, "{rule}");
        }
    }
}

#[test]
fn without_detection_an_update_loses_to_what_it_was_made_on() {
    let [first, on_top, _] = a_circle();
    for (detection, winner) in [(Detection::None, first.dot), (Detection::VersionVectors, on_top.dot)] {
        for rule in [first_write_wins(detection), leader_priority(detection, &[])] {
            assert_eq!(after(&rule, [&first, &on_top]).versions[0].dot, winner, "{rule}");
        }
    }
}

#[test]
fn a_strategy_says_what_is_special_about_its_rows() {
    let rows = |deletes, missing| Rows { deletes, missing };
    let texts = [
        (rows(DeletePolicy::Tombstone, MissingRow::Upsert), "arrival", "lww (wall clock)"),
        (
            rows(DeletePolicy::Hard, MissingRow::Skip),
            "arrival (hard deletes, missing rows skipped)",
            "lww (wall clock, hard deletes, missing rows skipped)",
        ),
        (
            rows(DeletePolicy::DeleteWins, MissingRow::Stall),
            "arrival (deletes win, missing rows stall)",
            "lww (wall clock, deletes win, missing rows stall)",
        ),
    ];
    for (rows, arrival, lww) in texts {
        assert_eq!(Rule::Arrival(Arrival { rows }).to_string(), arrival);
        assert_eq!(Rule::Lww(LastWriteWins { rows, ..LastWriteWins::default() }).to_string(), lww);
    }
}

#[test]
fn of_a_deletion_and_a_write_in_conflict_the_deletion_wins_and_no_other_conflict_changes() {
    let rows = Rows { deletes: DeletePolicy::DeleteWins, ..Rows::default() };
    let rule = Rule::Lww(LastWriteWins { rows, ..LastWriteWins::default() });
    let deletion = Version { value: None, ..version(0, 1, 1, 0, &[]) };
    let later = version(1, 1, 9, 0, &[]);
    let on_top = version(2, 1, 5, 0, &[deletion.dot]);
    let held = |versions: [&Version; 2]| after(&rule, versions).versions[0].dot;
    assert_eq!([held([&deletion, &later]), held([&later, &deletion])], [deletion.dot; 2]);
    assert_eq!([held([&deletion, &on_top]), held([&on_top, &deletion])], [on_top.dot; 2]);
    let older = version(2, 2, 2, 0, &[]);
    assert_eq!([held([&older, &later]), held([&later, &older])], [later.dot; 2]);
}

#[test]
fn an_update_of_a_missing_row_is_skipped_and_an_insertion_is_not() {
    let rows = Rows { missing: MissingRow::Skip, ..Rows::default() };
    let rule = Rule::Arrival(Arrival { rows });
    let install = |update, site| {
        let version = version(0, 2, 1, 0, &[]);
        let key = "k".into();
        let incoming = Incoming { key, version, before: None, removes: Vec::new(), update, counted: false };
        rule.install(&mut Cell::default(), incoming, site).decision
    };
    assert_eq!(install(true, Site::Remote), Decision::Skipped);
    assert_eq!(install(false, Site::Remote), Decision::Applied);
    // A leader executes a write on what it has: nothing is missing there.
    assert_eq!(install(true, Site::Local), Decision::Applied);
}
