//! What a scenario says of a system that is not ours: a program of the user's, and how to talk to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// A program that speaks Maelstrom's protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Maelstrom {
    /// The program and its arguments, such as `["python3", "node.py"]`.
    pub command: Vec<String>,
    /// Which of Maelstrom's workloads it speaks.
    pub workload: MaelstromWorkload,
    /// The folder that it is started in; by default that of the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
}

/// A workload as Maelstrom calls it: the messages that clients and nodes exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MaelstromWorkload {
    /// Messages that every node is to get: a set, for `[workload.set]`.
    Broadcast,
    /// A set that only grows, for `[workload.set]`.
    GSet,
    /// A counter that only grows, for `[workload.counter]`; decrements are refused.
    GCounter,
    /// A counter, for `[workload.counter]`.
    PnCounter,
    /// A map from keys to values, for `[workload.register]`.
    LinKv,
}

impl MaelstromWorkload {
    /// The name, as Maelstrom spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::GSet => "g-set",
            Self::GCounter => "g-counter",
            Self::PnCounter => "pn-counter",
            Self::LinKv => "lin-kv",
        }
    }

    /// The workload of ours that drives it.
    #[must_use]
    pub const fn driven_by(self) -> &'static str {
        match self {
            Self::Broadcast | Self::GSet => "set",
            Self::GCounter | Self::PnCounter => "counter",
            Self::LinKv => "register",
        }
    }

    /// Whether a node holds one set.
    #[must_use]
    pub const fn holds_a_set(self) -> bool {
        matches!(self, Self::Broadcast | Self::GSet)
    }
}

/// Servers that are spoken to over HTTP, each operation by a request of the user's making.
///
/// Either `command` starts a server for each leader, or `endpoints` names servers that run already; those can be
/// written to, and nothing can be done to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The program of a node and its arguments. `{node}` is its name, such as `A`; `{port}` the port of `127.0.0.1` that
    /// it is to listen on. `{peers}` is whom it sends to, such as `B=127.0.0.1:4001,C=127.0.0.1:4002`; a program that
    /// pulls asks for `{sources}` in its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The folder that it is started in; by default that of the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Where servers run already, leader A first, such as `http://127.0.0.1:8001`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// Answered by success once a server is ready; without it, a server that listens is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HttpRequest>,
    /// Reads a record.
    pub read: HttpRequest,
    /// Replaces a record: for `[workload.register]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<HttpRequest>,
    /// Deletes a record: for a register with a `delete_share`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<HttpRequest>,
    /// Adds to a number: for `[workload.counter]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<HttpRequest>,
    /// Puts an element into a set: for `[workload.set]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insert: Option<HttpRequest>,
    /// Takes an element out of a set: for a set with a `delete_share`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<HttpRequest>,
    /// Reads all records of one server at once, as an object from keys to values; without it they are read one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<HttpRequest>,
}

/// A request, and how its answer is read. In the path and the body `{key}` is the record, `{value}` the value, and
/// `{write}` a name that no other write has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpRequest {
    /// The method.
    #[serde(default)]
    pub method: HttpMethod,
    /// The path, such as `/records/{key}`.
    pub path: String,
    /// The body, such as `{"value": {value}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Headers; a body is `application/json` unless they say otherwise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Where the value stands in a JSON answer, as a JSON pointer (RFC 6901) such as `/value`; empty for the whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// The statuses that say that there is no such record.
    #[serde(default = "absent", skip_serializing_if = "is_absent")]
    pub absent: Vec<u16>,
    /// The statuses, beside 400 to 499 but for 408, that say that nothing was done. Of any other one that is not success
    /// it is unknown whether something was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<u16>,
}

/// What HTTP calls a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "they are HTTP's own names")]
pub enum HttpMethod {
    #[default]
    Get,
    Put,
    Post,
    Patch,
    Delete,
}

impl HttpMethod {
    /// The name, as HTTP spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

fn absent() -> Vec<u16> {
    vec![404]
}

fn is_absent(statuses: &Vec<u16>) -> bool {
    *statuses == absent()
}

impl Http {
    /// Its requests, each with the name that it has in a scenario.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, &HttpRequest)> {
        [
            ("read", Some(&self.read)),
            ("health", self.health.as_ref()),
            ("write", self.write.as_ref()),
            ("delete", self.delete.as_ref()),
            ("add", self.add.as_ref()),
            ("insert", self.insert.as_ref()),
            ("remove", self.remove.as_ref()),
            ("state", self.state.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, request)| Some((name, request?)))
    }

    /// Whether nodes pull from each other, rather than push.
    #[must_use]
    pub fn pulls(&self) -> bool {
        self.command.iter().any(|word| word.contains("{sources}"))
    }
}

impl super::Cluster {
    /// The folder that a program of the user's is started in, which a scenario states relative to itself; `None` if there
    /// is no such program.
    pub fn program_directory(&mut self) -> Option<&mut Option<PathBuf>> {
        let of_http = self.http.as_mut().map(|http| &mut http.directory);
        self.maelstrom.as_mut().map(|nodes| &mut nodes.directory).or(of_http)
    }
}
