//! Operations as the requests that a scenario describes, and the answers read back.

use crate::systems::reference::percent_encode;
use quarrel_models::{
    id::WriteId,
    operation::Operation,
    value::{Key, Value},
};
use quarrel_workloads::scenario::{Http, HttpRequest, Workload};
use reqwest::StatusCode;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// The write happened.
    Done,
    /// What the record is; `None` if there is none.
    Held(Option<Value>),
    /// It did not happen, in words.
    Refused(String),
    /// The request did not leave.
    NotSent,
    /// Nobody knows.
    Open,
}

/// How operations and answers are written.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) http: Http,
    /// Whether a list is a set.
    holds_sets: bool,
    /// Stands before every key.
    prefix: String,
}

/// A request that is ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filled<'a> {
    pub(super) described: &'a HttpRequest,
    pub(super) path: String,
    pub(super) body: Option<String>,
}

impl Mapping {
    pub(super) fn new(http: Http, workload: &Workload, prefix: String) -> Self {
        Self { http, holds_sets: matches!(workload, Workload::Set(_)), prefix }
    }

    /// The request for an operation; `None` if the scenario describes none.
    pub(super) fn request(
        &self,
        key: &Key,
        operation: &Operation,
        write: Option<WriteId>,
    ) -> Option<Filled<'_>> {
        let (described, value) = match operation {
            Operation::Read => (Some(&self.http.read), None),
            Operation::Put(value) => (self.http.write.as_ref(), Some(json_of(value))),
            Operation::Delete => (self.http.delete.as_ref(), None),
            Operation::Add(delta) => (self.http.add.as_ref(), Some((*delta).into())),
            Operation::Insert(value) => (self.http.insert.as_ref(), Some(json_of(value))),
            Operation::Remove(value) => (self.http.remove.as_ref(), Some(json_of(value))),
            _ => (None, None),
        };
        let described = described?;
        let key = format!("{}{key}", self.prefix);
        let value = value.as_ref().map(Json::to_string).unwrap_or_default();
        let write = write.map(|write| write.to_string()).unwrap_or_default();
        let fill = |text: &str, with: &dyn Fn(&str) -> String| {
            let text = text.replace("{key}", &with(&key));
            text.replace("{write}", &with(&write))
        };
        let path = fill(&described.path, &|text| percent_encode(text));
        let path = path.replace("{value}", &percent_encode(value.trim_matches('"')));
        let body = described.body.as_ref().map(|body| {
            // A key or a name of a write stands between quotes that the scenario writes; a value is JSON as it is.
            fill(body, &|text| Json::from(text).to_string().trim_matches('"').to_owned())
                .replace("{value}", &value)
        });
        Some(Filled { described, path, body })
    }

    /// What an answer to a request for this operation says.
    pub(super) fn told(
        &self,
        operation: &Operation,
        described: &HttpRequest,
        status: StatusCode,
        text: &str,
    ) -> Told {
        let is_absent = described.absent.contains(&status.as_u16());
        match operation {
            Operation::Read if is_absent => return Told::Held(None),
            Operation::Delete | Operation::Remove(_) if is_absent => return Told::Done,
            _ => {}
        }
        let says = || format!("{status}: {}", text.trim().chars().take(120).collect::<String>());
        let is_read = *operation == Operation::Read;
        if !status.is_success() {
            let is_definite = is_read
                || described.refused.contains(&status.as_u16())
                || (status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT);
            return if is_definite { Told::Refused(says()) } else { Told::Open };
        }
        if !is_read {
            return Told::Done;
        }
        match at(&described.value, text) {
            Ok(json) => Told::Held(self.value_of(&json)),
            Err(why) => Told::Refused(why),
        }
    }

    /// All records of an answer to the request for the state.
    pub(super) fn state(&self, described: &HttpRequest, text: &str) -> Result<BTreeMap<Key, Value>, String> {
        match at(&described.value, text)? {
            Json::Object(records) => Ok(records
                .iter()
                .filter_map(|(key, json)| {
                    let key = key.strip_prefix(&self.prefix)?;
                    Some((Key::from(key), self.value_of(json)?))
                })
                .collect()),
            other => {
                Err(format!("the state is no object from keys to values: {}", shortened(&other.to_string())))
            }
        }
    }

    /// Numbers, also those written as texts, are numbers; what we never write is shown as it came.
    fn value_of(&self, json: &Json) -> Option<Value> {
        let one = |json: &Json| match json {
            Json::String(text) => text.parse().map_or_else(|_| Value::Text(text.as_str().into()), Value::Int),
            other => other.as_i64().map_or_else(|| Value::Text(other.to_string().into()), Value::Int),
        };
        match json {
            Json::Null => None,
            Json::Array(elements) if self.holds_sets => Some(Value::Set(elements.iter().map(one).collect())),
            other => Some(one(other)),
        }
    }
}

/// What stands in a JSON answer where the scenario says; an answer that is no JSON is a text.
fn at(pointer: &str, text: &str) -> Result<Json, String> {
    let json = serde_json::from_str(text);
    if pointer.is_empty() {
        return Ok(json.unwrap_or_else(|_| Json::from(text.trim())));
    }
    let json: Json = json.map_err(|why| format!("the answer is no JSON ({why}): {}", shortened(text)))?;
    let found = json.pointer(pointer).cloned();
    found.ok_or_else(|| format!("the answer has nothing at `{pointer}`: {}", shortened(text)))
}

fn shortened(text: &str) -> String {
    text.trim().chars().take(120).collect()
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Int(number) => (*number).into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const DESCRIBED: &str = r#"
        name = "x"
        [cluster]
        system = "http"
        [cluster.http]
        command = ["x", "{port}"]
        [cluster.http.read]
        path = "/r/{key}"
        value = "/value"
        [cluster.http.insert]
        method = "POST"
        path = "/r/{key}"
        body = '{"k": "{key}", "v": {value}, "w": "{write}"}'
        refused = [503]
        [cluster.http.remove]
        method = "DELETE"
        path = "/r/{key}/{value}"
        [strategy.on-write]
        handler = "union"
        [workload.set]
        delete_share = 0.1
    "#;

    fn mapping(prefix: &str) -> Mapping {
        let scenario = quarrel_workloads::scenario::parse("x.toml", DESCRIBED, &[]).unwrap();
        Mapping::new(scenario.cluster.http.unwrap(), &scenario.workload, prefix.to_owned())
    }

    #[test]
    fn an_operation_is_the_request_that_the_scenario_describes() {
        let mapping = mapping("q-");
        let key = Key::from("s0/g0");
        let write = "c3.94".parse().ok();
        let insert = mapping.request(&key, &Operation::Insert(5.into()), write).unwrap();
        assert_eq!(insert.path, "/r/q-s0%2Fg0");
        assert_eq!(insert.body.as_deref(), Some(r#"{"k": "q-s0/g0", "v": 5, "w": "c3.94"}"#));
        let remove = mapping.request(&key, &Operation::Remove(5.into()), write).unwrap();
        assert_eq!((remove.path.as_str(), remove.body), ("/r/q-s0%2Fg0/5", None));
        assert_eq!(mapping.request(&key, &Operation::Delete, write), None);
    }

    #[test]
    fn an_answer_is_what_its_status_says_and_otherwise_nobody_knows() {
        let mapping = mapping("");
        let told = |operation: &Operation, status: u16, text: &str| {
            let described = mapping.request(&"k".into(), operation, None).unwrap().described;
            mapping.told(operation, described, StatusCode::from_u16(status).unwrap(), text)
        };
        let insert = Operation::Insert(1.into());
        assert_eq!(told(&insert, 204, ""), Told::Done);
        assert_eq!(told(&insert, 409, "no"), Told::Refused("409 Conflict: no".to_owned()));
        assert_eq!(told(&insert, 408, ""), Told::Open);
        assert_eq!(told(&insert, 500, ""), Told::Open);
        assert!(matches!(told(&insert, 503, "busy"), Told::Refused(_)));
        assert_eq!(told(&Operation::Remove(1.into()), 404, ""), Told::Done);
        let set = |elements: &[i64]| {
            Told::Held(Some(Value::Set(elements.iter().map(|&n| n.into()).collect::<BTreeSet<_>>())))
        };
        assert_eq!(told(&Operation::Read, 200, r#"{"value": [1, "2"]}"#), set(&[1, 2]));
        assert_eq!(told(&Operation::Read, 200, r#"{"value": null}"#), Told::Held(None));
        assert_eq!(told(&Operation::Read, 404, ""), Told::Held(None));
        assert!(matches!(told(&Operation::Read, 500, ""), Told::Refused(_)), "a read changes nothing");
        let Told::Refused(why) = told(&Operation::Read, 200, r#"{"valu": 1}"#) else { panic!("it is there") };
        assert!(why.contains("nothing at `/value`"), "{why}");
        let Told::Refused(why) = told(&Operation::Read, 200, "<html>") else { panic!("it is there") };
        assert!(why.contains("no JSON"), "{why}");
    }

    #[test]
    fn a_state_is_what_begins_with_this_runs_prefix() {
        let mapping = mapping("q1-");
        let described = &mapping.http.read;
        let state = mapping.state(described, r#"{"value": {"q1-a": [3], "q0-a": [4], "q1-b": null}}"#);
        assert_eq!(state.unwrap(), BTreeMap::from([("a".into(), Value::Set([3.into()].into()))]));
        assert!(mapping.state(described, r#"{"value": 7}"#).unwrap_err().contains("no object"));
    }
}
