//! The strategies that the laws are tried on.

use crate::run::Run;
use proptest::prelude::*;
use quarrel_models::{
    handler::Handler,
    id::ReplicaId,
    strategy::{
        Arrival, Crdt, DataType, DeletePolicy, Detection, FirstWriteWins, HandOver, HomeLeader,
        LastWriteWins, LeaderPriority, MissingRow, MostUpdates, OnRead, OnWrite, Reroute, Rows,
        Strategy as Rule,
    },
};

pub(crate) fn handlers() -> impl Strategy<Value = Handler> {
    prop::sample::select(&Handler::ALL[..])
}

pub(crate) fn on_write(handler: Handler) -> Rule {
    Rule::OnWrite(OnWrite { handler })
}

pub(crate) fn on_read(handler: Handler) -> Rule {
    Rule::OnRead(OnRead { handler })
}

pub(crate) fn any_rows() -> impl Strategy<Value = Rows> {
    let deletes = [DeletePolicy::Tombstone, DeletePolicy::Hard, DeletePolicy::DeleteWins];
    let missing = [MissingRow::Upsert, MissingRow::Skip, MissingRow::Stall];
    (prop::sample::select(deletes.to_vec()), prop::sample::select(missing.to_vec()))
        .prop_map(|(deletes, missing)| Rows { deletes, missing })
}

pub(crate) fn lww_with(rows: Rows) -> Rule {
    Rule::Lww(LastWriteWins { rows, ..LastWriteWins::default() })
}

pub(crate) fn crdt(data_type: DataType) -> Rule {
    Rule::Crdt(Crdt { data_type })
}

pub(crate) fn removes(run: &mut Run) {
    run.removes = true;
}

pub(crate) fn first_write_wins(detection: Detection) -> Rule {
    Rule::FirstWriteWins(FirstWriteWins { detection, ..FirstWriteWins::default() })
}

/// The order is not that of the alphabet, which breaks ties elsewhere.
pub(crate) fn leader_priority(detection: Detection) -> Rule {
    Rule::LeaderPriority(LeaderPriority {
        detection,
        order: vec![ReplicaId(2), ReplicaId(0)],
        ..LeaderPriority::default()
    })
}

pub(crate) fn most_updates(detection: Detection) -> Rule {
    Rule::MostUpdates(MostUpdates { detection, ..MostUpdates::default() })
}

/// Those of the strategies that pick a winner which converge, beside last write wins.
pub(crate) fn converging_winners() -> impl Strategy<Value = Rule> {
    prop::sample::select(vec![
        first_write_wins(Detection::None),
        leader_priority(Detection::None),
        most_updates(Detection::None),
        most_updates(Detection::VersionVectors),
    ])
}

pub(crate) fn fenced() -> Rule {
    let hand_over = HandOver::Fenced;
    Rule::HomeLeader(HomeLeader { reroute: Reroute::Follow, hand_over, ..HomeLeader::default() })
}

/// Any strategy with the kind of operations that fits it.
pub(crate) fn any_rule() -> impl Strategy<Value = (Rule, Handler)> {
    prop_oneof![
        Just((Rule::Arrival(Arrival::default()), Handler::Latest)),
        Just((Rule::Lww(LastWriteWins::default()), Handler::Latest)),
        Just((first_write_wins(Detection::VersionVectors), Handler::Latest)),
        Just((leader_priority(Detection::VersionVectors), Handler::Latest)),
        Just((most_updates(Detection::VersionVectors), Handler::Latest)),
        Just((fenced(), Handler::Latest)),
        Just((
            Rule::HomeLeader(HomeLeader { reroute: Reroute::Forward, ..HomeLeader::default() }),
            Handler::Union
        )),
        Just((
            Rule::HomeLeader(HomeLeader { hand_over: HandOver::Drained, ..HomeLeader::default() }),
            Handler::Latest
        )),
        any_rows().prop_map(|rows| (Rule::Arrival(Arrival { rows }), Handler::Latest)),
        any_rows().prop_map(|rows| (lww_with(rows), Handler::Latest)),
        Just((crdt(DataType::Counter), Handler::Delta)),
        Just((crdt(DataType::OrSet), Handler::Union)),
        Just((crdt(DataType::MvRegister), Handler::Latest)),
        handlers().prop_map(|handler| (on_write(handler), handler)),
        handlers().prop_map(|handler| (on_read(handler), handler)),
    ]
}
