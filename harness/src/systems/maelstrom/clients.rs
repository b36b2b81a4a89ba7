//! A client of ours, speaking one of Maelstrom's workloads to the nodes.

use super::{
    dialect::{self, Elements, Told},
    switch::{Caller, Unanswered},
};
use crate::{runner::Answered, systems::black_box};
use quarrel_models::{
    id::ReplicaId,
    message::{ReadView, Refusal, Reply, Request},
    operation::Operation,
    value::{Key, Value},
};
use quarrel_workloads::scenario::MaelstromWorkload;
use serde_json::Value as Json;
use std::{collections::BTreeMap, time::Duration};

/// One client. Clones are the same client.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) caller: Caller,
    pub(super) workload: MaelstromWorkload,
    pub(super) elements: Elements,
    pub(super) patience: Duration,
}

impl Client {
    /// Sends a request to the node and waits for its answer.
    pub(crate) async fn send(&self, at: ReplicaId, request: Request) -> Answered {
        let Request { key, operation, .. } = request;
        let body = match dialect::request(self.workload, &key, &operation) {
            Ok(body) => body,
            Err(why) => return Answered::Reply(Reply::Refused(Refusal::BySystem(why.into()))),
        };
        if let Operation::Insert(element) = &operation {
            self.elements.sent(element, &key);
        }
        let asked = super::message::kind(&body).to_owned();
        let told = match self.caller.ask(at, body, self.patience).await {
            Ok(answer) => dialect::told(&asked, &answer),
            Err(Unanswered::NotSent) => return Answered::NotSent,
            Err(Unanswered::Late) => return Answered::Nothing,
        };
        match told {
            Told::Done => Answered::Reply(Reply::Written(black_box::done(at))),
            Told::Held(held) => Answered::Reply(Reply::Read(self.shown(&key, held))),
            Told::Refused(why) => Answered::Reply(Reply::Refused(Refusal::BySystem(why.into()))),
            Told::Open => Answered::Nothing,
        }
    }

    /// What a read of the record shows.
    fn shown(&self, key: &Key, held: Option<Json>) -> ReadView {
        black_box::shown(self.records(key, held).remove(key))
    }

    /// The records in what a node gave when it was asked for one of them.
    pub(super) fn records(&self, key: &Key, held: Option<Json>) -> BTreeMap<Key, Value> {
        match (self.workload.holds_a_set(), held) {
            (true, Some(Json::Array(held))) => {
                self.elements.by_record(&held).into_iter().map(|(key, set)| (key, Value::Set(set))).collect()
            }
            (_, None | Some(Json::Null)) => BTreeMap::new(),
            (_, Some(held)) => BTreeMap::from([(key.clone(), dialect::value_of(&held))]),
        }
    }
}
