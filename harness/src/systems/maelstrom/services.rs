//! The services that Maelstrom offers its nodes: `lin-kv`, `seq-kv` and `lww-kv`, maps with compare-and-set, and
//! `lin-tso`, a counter that only grows.
//!
//! Each map is linearizable, which is more than the weaker two promise. No link leads to a service: it is reached at
//! once, whatever is cut.

use super::message::{
    Body, KEY_DOES_NOT_EXIST, MALFORMED_REQUEST, NOT_SUPPORTED, PRECONDITION_FAILED, body, error, kind,
};
use serde_json::Value as Json;
use std::collections::HashMap;

/// What the services hold.
#[derive(Debug, Default)]
pub(super) struct Services {
    /// By service and the key's JSON.
    maps: HashMap<(&'static str, String), Json>,
    timestamp: u64,
}

impl Services {
    /// The answer of a service; `None` if there is none of this name.
    pub(super) fn answer(&mut self, service: &str, request: &Body) -> Option<Body> {
        let name = ["lin-kv", "seq-kv", "lww-kv", "lin-tso"].into_iter().find(|&name| name == service)?;
        Some(match (name, kind(request)) {
            ("lin-tso", "ts") => {
                self.timestamp += 1;
                body("ts_ok", [("ts", self.timestamp.into())])
            }
            ("lin-kv" | "seq-kv" | "lww-kv", "read" | "write" | "cas") => {
                self.map(name, request).unwrap_or_else(|| error(MALFORMED_REQUEST, "a field is missing"))
            }
            (_, other) => error(NOT_SUPPORTED, &format!("{name} knows no `{other}`")),
        })
    }

    /// `None` if a field is missing.
    fn map(&mut self, name: &'static str, request: &Body) -> Option<Body> {
        let at = (name, request.get("key")?.to_string());
        let absent = || error(KEY_DOES_NOT_EXIST, "key does not exist");
        Some(match kind(request) {
            "read" => match self.maps.get(&at) {
                Some(value) => body("read_ok", [("value", value.clone())]),
                None => absent(),
            },
            "write" => {
                self.maps.insert(at, request.get("value")?.clone());
                body("write_ok", [])
            }
            _ => {
                let (from, to) = (request.get("from")?, request.get("to")?);
                let creates = request.get("create_if_not_exists").and_then(Json::as_bool).unwrap_or(false);
                match self.maps.get(&at) {
                    Some(held) if held != from => {
                        error(PRECONDITION_FAILED, &format!("expected {from}, but had {held}"))
                    }
                    None if !creates => absent(),
                    _ => {
                        self.maps.insert(at, to.clone());
                        body("cas_ok", [])
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(services: &mut Services, service: &str, request: Json) -> String {
        let answer = services.answer(service, request.as_object().unwrap()).unwrap();
        Json::from(answer).to_string()
    }

    #[test]
    fn a_map_reads_writes_and_compares() {
        let services = &mut Services::default();
        for (request, answer) in [
            (json!({"type": "read", "key": 1}), r#"{"code":20,"text":"key does not exist","type":"error"}"#),
            (
                json!({"type": "cas", "key": 1, "from": 0, "to": 2}),
                r#"{"code":20,"text":"key does not exist","type":"error"}"#,
            ),
            (
                json!({"type": "cas", "key": 1, "from": 0, "to": 2, "create_if_not_exists": true}),
                r#"{"type":"cas_ok"}"#,
            ),
            (
                json!({"type": "cas", "key": 1, "from": 0, "to": 3}),
                r#"{"code":22,"text":"expected 0, but had 2","type":"error"}"#,
            ),
            (json!({"type": "cas", "key": 1, "from": 2, "to": 3}), r#"{"type":"cas_ok"}"#),
            (json!({"type": "read", "key": 1}), r#"{"type":"read_ok","value":3}"#),
            (json!({"type": "write", "key": "1", "value": [4]}), r#"{"type":"write_ok"}"#),
            (json!({"type": "read", "key": 1}), r#"{"type":"read_ok","value":3}"#),
            (json!({"type": "write", "key": 1}), r#"{"code":12,"text":"a field is missing","type":"error"}"#),
            (json!({"type": "txn"}), r#"{"code":10,"text":"lin-kv knows no `txn`","type":"error"}"#),
        ] {
            assert_eq!(ask(services, "lin-kv", request.clone()), answer, "{request}");
        }
        assert!(ask(services, "seq-kv", json!({"type": "read", "key": 1})).contains("20"), "maps are apart");
    }

    #[test]
    fn timestamps_grow_and_other_services_do_not_exist() {
        let services = &mut Services::default();
        assert_eq!(ask(services, "lin-tso", json!({"type": "ts"})), r#"{"ts":1,"type":"ts_ok"}"#);
        assert_eq!(ask(services, "lin-tso", json!({"type": "ts"})), r#"{"ts":2,"type":"ts_ok"}"#);
        assert!(services.answer("n0", &body("read", [])).is_none());
    }
}
