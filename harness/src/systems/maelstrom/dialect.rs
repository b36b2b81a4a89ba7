//! What each of Maelstrom's workloads calls the operations of ours, and how its answers are read.
//!
//! | workload | insert, add, put | read |
//! |---|---|---|
//! | `broadcast` | `broadcast{message}` | `read` gives `messages` |
//! | `g-set` | `add{element}` | `read` gives `value`, a list |
//! | `g-counter`, `pn-counter` | `add{delta}` | `read` gives `value` |
//! | `lin-kv` | `write{key, value}` | `read{key}` gives `value` |
//!
//! A node holds one set, and our workload has many: an element belongs to the record that it was sent for.

use super::message::{Body, KEY_DOES_NOT_EXIST, body, code, is_definite, kind};
use quarrel_models::{
    operation::Operation,
    value::{Key, Value},
};
use quarrel_workloads::scenario::MaelstromWorkload;
use serde_json::Value as Json;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

/// What a node answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    /// The write happened.
    Done,
    /// The record, or all that the node holds where it holds one thing only.
    Held(Option<Json>),
    /// It did not happen, in the node's words.
    Refused(String),
    /// Nobody knows.
    Open,
}

/// The record that each element was sent for.
#[derive(Debug, Clone, Default)]
pub(super) struct Elements(Arc<Mutex<HashMap<Value, Key>>>);

impl Elements {
    pub(super) fn sent(&self, element: &Value, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(element.clone(), key.clone());
    }

    /// A node's one set, taken apart by record. What nobody sent counts to the record `strays`.
    pub(super) fn by_record(&self, held: &[Json]) -> BTreeMap<Key, BTreeSet<Value>> {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut records: BTreeMap<Key, BTreeSet<Value>> = BTreeMap::new();
        for element in held.iter().map(value_of) {
            let key = sent.get(&element).cloned().unwrap_or_else(|| Key::from("strays"));
            records.entry(key).or_default().insert(element);
        }
        records
    }
}

/// The request for an operation; `Err` in words if the workload has none.
pub(super) fn request(workload: MaelstromWorkload, key: &Key, operation: &Operation) -> Result<Body, String> {
    use MaelstromWorkload::{Broadcast, GCounter, GSet, LinKv, PnCounter};
    Ok(match (workload, operation) {
        (LinKv, Operation::Read) => body("read", [("key", number_of(key))]),
        (_, Operation::Read) => body("read", []),
        (Broadcast, Operation::Insert(element)) => body("broadcast", [("message", json_of(element))]),
        (GSet, Operation::Insert(element)) => body("add", [("element", json_of(element))]),
        (GCounter, Operation::Add(delta)) if *delta < 0 => {
            return Err("a g-counter only grows".to_owned());
        }
        (GCounter | PnCounter, Operation::Add(delta)) => body("add", [("delta", (*delta).into())]),
        (LinKv, Operation::Put(value)) => body("write", [("key", number_of(key)), ("value", json_of(value))]),
        (workload, other) => return Err(format!("{} has nothing like {other:?}", workload.name())),
    })
}

/// What the answer to a request of this type says.
pub(super) fn told(asked: &str, answer: &Body) -> Told {
    match code(answer) {
        Some(KEY_DOES_NOT_EXIST) if asked == "read" => return Told::Held(None),
        Some(code) if is_definite(code) => {
            let text = answer.get("text").and_then(Json::as_str).unwrap_or_default();
            return Told::Refused(format!("error {code}: {text}"));
        }
        Some(_) => return Told::Open,
        None => {}
    }
    if kind(answer).strip_suffix("_ok") != Some(asked) {
        return Told::Open;
    }
    match asked {
        "read" => Told::Held(answer.get("value").or_else(|| answer.get("messages")).cloned()),
        _ => Told::Done,
    }
}

/// `k7` is 7: keys are numbers to Maelstrom.
fn number_of(key: &Key) -> Json {
    let digits = key.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    digits.parse::<u64>().map_or_else(|_| Json::from(key.as_str()), Json::from)
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Int(number) => (*number).into(),
        other => other.to_string().into(),
    }
}

/// Numbers are numbers; anything else, which we never write, is shown as it came.
pub(super) fn value_of(json: &Json) -> Value {
    json.as_i64().map_or_else(|| Value::Text(json.to_string().into()), Value::Int)
}

#[cfg(test)]
mod tests {
    use super::*;
    use MaelstromWorkload::{Broadcast, GCounter, GSet, LinKv, PnCounter};
    use serde_json::json;

    #[test]
    fn each_operation_has_the_name_that_the_workload_gives_it() {
        let key = Key::from("k7");
        let ask = |workload, operation| {
            request(workload, &key, &operation).map(|body| Json::from(body).to_string())
        };
        for (workload, operation, expected) in [
            (Broadcast, Operation::Insert(5.into()), r#"{"message":5,"type":"broadcast"}"#),
            (Broadcast, Operation::Read, r#"{"type":"read"}"#),
            (GSet, Operation::Insert(5.into()), r#"{"element":5,"type":"add"}"#),
            (GCounter, Operation::Add(3), r#"{"delta":3,"type":"add"}"#),
            (PnCounter, Operation::Add(-3), r#"{"delta":-3,"type":"add"}"#),
            (LinKv, Operation::Put(9.into()), r#"{"key":7,"type":"write","value":9}"#),
            (LinKv, Operation::Read, r#"{"key":7,"type":"read"}"#),
        ] {
            assert_eq!(ask(workload, operation).unwrap(), expected);
        }
        assert_eq!(ask(GCounter, Operation::Add(-1)).unwrap_err(), "a g-counter only grows");
        assert!(ask(GSet, Operation::Remove(1.into())).is_err());
    }

    #[test]
    fn an_answer_is_what_it_says_and_otherwise_nobody_knows() {
        let told = |asked, answer: Json| told(asked, answer.as_object().unwrap());
        assert_eq!(told("add", json!({"type": "add_ok"})), Told::Done);
        assert_eq!(told("add", json!({"type": "read_ok"})), Told::Open);
        assert_eq!(told("add", json!({})), Told::Open);
        assert_eq!(told("read", json!({"type": "read_ok", "value": [1]})), Told::Held(Some(json!([1]))));
        assert_eq!(told("read", json!({"type": "read_ok", "messages": [1]})), Told::Held(Some(json!([1]))));
        assert_eq!(told("read", json!({"type": "error", "code": 20})), Told::Held(None));
        assert_eq!(
            told("write", json!({"type": "error", "code": 11, "text": "busy"})),
            Told::Refused("error 11: busy".to_owned())
        );
        assert_eq!(told("write", json!({"type": "error", "code": 0})), Told::Open);
        assert_eq!(told("write", json!({"type": "error", "code": 1042})), Told::Open);
    }

    #[test]
    fn one_set_is_taken_apart_by_the_records_that_its_elements_were_sent_for() {
        let elements = Elements::default();
        elements.sent(&1.into(), &"s0/g0".into());
        elements.sent(&2.into(), &"s1/g0".into());
        elements.sent(&3.into(), &"s0/g0".into());
        let apart = elements.by_record(&[json!(1), json!(3), json!("x")]);
        assert_eq!(apart["s0/g0"], BTreeSet::from([1.into(), 3.into()]));
        assert_eq!(apart["strays"].len(), 1);
        assert!(!apart.contains_key("s1/g0"));
    }
}
