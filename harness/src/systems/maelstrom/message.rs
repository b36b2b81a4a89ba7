//! What Maelstrom's nodes say to each other, to clients and to services: one JSON object a line.
//!
//! An envelope with `src`, `dest` and a `body`; the body has a `type`, a `msg_id` where an answer is expected, and
//! `in_reply_to` where it is one. Errors have a code; which codes leave open whether something happened is stated by
//! the protocol.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// A message's body.
pub(super) type Body = Map<String, Json>;

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Message {
    /// Who sent it: a node such as `n0`, a client such as `c3`, or a service such as `lin-kv`.
    pub(super) src: String,
    /// Who is to get it.
    pub(super) dest: String,
    /// What it says.
    pub(super) body: Body,
}

impl Message {
    /// Reads one line of a node's standard output.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| {
            let shown: String = String::from_utf8_lossy(line).trim_end().chars().take(80).collect();
            format!("wrote a line that is no message of Maelstrom's protocol ({error}): {shown}")
        })
    }

    /// The line for a node's standard input.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// The answer to this message, from whom it was sent to.
    pub(super) fn answer(&self, mut body: Body) -> Self {
        if let Some(number) = self.body.get("msg_id") {
            body.insert("in_reply_to".to_owned(), number.clone());
        }
        Self { src: self.dest.clone(), dest: self.src.clone(), body }
    }
}

/// A body of this type with these fields.
pub(super) fn body<const N: usize>(kind: &str, fields: [(&str, Json); N]) -> Body {
    let mut body = Body::new();
    body.insert("type".to_owned(), kind.into());
    body.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    body
}

/// An error of the protocol.
pub(super) fn error(code: u64, text: &str) -> Body {
    body("error", [("code", code.into()), ("text", text.into())])
}

/// A body's type.
pub(super) fn kind(body: &Body) -> &str {
    body.get("type").and_then(Json::as_str).unwrap_or_default()
}

/// The code of an error.
pub(super) fn code(body: &Body) -> Option<u64> {
    (kind(body) == "error").then(|| body.get("code").and_then(Json::as_u64).unwrap_or(13))
}

/// The key does not exist.
pub(super) const KEY_DOES_NOT_EXIST: u64 = 20;
/// A compare-and-set found another value.
pub(super) const PRECONDITION_FAILED: u64 = 22;
/// There is no such node.
pub(super) const NODE_NOT_FOUND: u64 = 1;
/// The service or node cannot do that.
pub(super) const NOT_SUPPORTED: u64 = 10;
/// A message without what it needs.
pub(super) const MALFORMED_REQUEST: u64 = 12;

/// Whether an error says that the request did not happen and never will. A timeout (0), a crash (13) and codes of the
/// node's own (1000 and above) leave it open, as does any code that the protocol does not know.
pub(super) const fn is_definite(code: u64) -> bool {
    matches!(code, 1 | 10 | 11 | 12 | 14 | 20 | 21 | 22 | 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_written_and_an_answer_finds_its_way_back() {
        let line = br#"{"id": 7, "src": "n1", "dest": "c2", "body": {"type": "read", "msg_id": 5}}"#;
        let message = Message::parse(line).unwrap();
        assert_eq!(Message::parse(&message.line()).unwrap(), message);
        let answer = message.answer(body("read_ok", [("value", 3.into())]));
        assert_eq!((answer.src.as_str(), answer.dest.as_str()), ("c2", "n1"));
        assert_eq!(answer.body["in_reply_to"], 5);
        assert_eq!(kind(&answer.body), "read_ok");
    }

    #[test]
    fn a_line_that_is_no_message_is_shown() {
        for line in
            ["hello", "[]", "{}", r#"{"src": "n0", "dest": "n1"}"#, r#"{"src": 1, "dest": 2, "body": {}}"#]
        {
            let why = Message::parse(line.as_bytes()).unwrap_err();
            assert!(why.ends_with(line), "{why}");
        }
    }

    #[test]
    fn only_errors_that_say_so_are_definite() {
        let definite: Vec<u64> = (0..2000).filter(|&code| is_definite(code)).collect();
        assert_eq!(definite, [1, 10, 11, 12, 14, 20, 21, 22, 30]);
        assert_eq!(code(&error(20, "no such key")), Some(20));
        assert_eq!(code(&body("error", [])), Some(13), "a code is missing");
        assert_eq!(code(&body("read_ok", [])), None);
    }
}
