//! Handlers that users write. The core knows them by their text and by the trait [`Program`]; what runs them stands
//! behind the feature `script`.

use super::{
    Handler, Schema,
    conflict::{Conflict, Refused, RefusedKind, Resolution},
};
use crate::{
    fate::Fate,
    id::ReplicaId,
    random::{FNV_OFFSET, fnv1a_step},
};
use alloc::{borrow::ToOwned, boxed::Box, string::String, vec::Vec};
use core::{
    fmt,
    hash::{Hash, Hasher},
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Where a handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunSite {
    /// At the replica that applies a version. The versions are kept, and the merged value is made of all of them anew.
    Write,
    /// At the replica that applies a version. The merged value takes the place of what it was made of, as triggers and
    /// stored procedures do it: nobody is told of it.
    InPlace,
    /// In the session of whoever reads the record; the result is written back.
    Read,
}

impl RunSite {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Write, Self::InPlace, Self::Read];

    /// The name, as handler files spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::InPlace => "in-place",
            Self::Read => "read",
        }
    }

    /// The strategy that runs such handlers.
    #[must_use]
    pub const fn strategy(self) -> &'static str {
        if matches!(self, Self::Read) { "on-read" } else { "on-write" }
    }
}

/// A loaded script. It is a pure function of the conflict: no clock, no randomness, no I/O, no state between calls, and
/// bounded in steps and room, so that it says the same on every machine.
pub trait Program: fmt::Debug + Send + Sync {
    /// What it makes of the conflict.
    fn resolve(&self, conflict: &Conflict<'_>) -> Resolution;

    /// What it makes of two sides and of what both were made from, if it works so.
    fn merge(
        &self,
        left: Option<&crate::value::Value>,
        right: Option<&crate::value::Value>,
        base: Option<&crate::value::Value>,
    ) -> Option<Result<Option<crate::value::Value>, Refused>>;
}

/// What a handler file says of itself.
#[derive(Debug)]
pub struct Script {
    /// The name that it gives itself, or its file while it has not been read.
    pub name: String,
    /// The file, as whoever named it wrote it.
    pub file: String,
    /// Its text; empty while it has not been read.
    pub text: String,
    /// Where it runs.
    pub site: RunSite,
    /// What its values are.
    pub workload: Schema,
    /// Whether it asks for what both sides were made from.
    pub wants_base: bool,
    /// The losing fates that it permits.
    pub permits: Vec<Fate>,
    /// What runs it; none while it has not been read, or in builds that run no scripts.
    pub program: Option<Box<dyn Program>>,
    /// An older version of it, and the replicas where that one still runs.
    pub old: Option<Old>,
}

/// An older version of a handler that some replicas still run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Old {
    /// The older version.
    pub handler: Handler,
    /// Where it runs.
    pub replicas: Vec<ReplicaId>,
}

impl Script {
    /// A script that is known by its file only.
    #[must_use]
    pub fn unread(file: &str, old: Option<Old>) -> Self {
        Self {
            name: file.to_owned(),
            file: file.to_owned(),
            text: String::new(),
            site: RunSite::Write,
            workload: Schema::Register,
            wants_base: false,
            permits: Vec::new(),
            program: None,
            old,
        }
    }

    /// The handler. A handler is part of what a cluster is: it lives as long as the process, and is copied about like
    /// the built-in ones.
    #[must_use]
    pub fn publish(self) -> Handler {
        Handler::Script(Box::leak(Box::new(self)))
    }

    /// Whether its text has been read.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        self.program.is_some()
    }

    pub(super) fn resolve(&self, conflict: &Conflict<'_>) -> Resolution {
        match &self.program {
            Some(program) => program.resolve(conflict),
            None => {
                let why = alloc::format!("nothing here runs `{}`", self.file);
                Resolution::Refused(Refused::new(RefusedKind::NoScript, SmolStr::from(why)))
            }
        }
    }

    fn identity(&self) -> (&str, &str, Option<&Old>) {
        (&self.file, &self.text, self.old.as_ref())
    }
}

/// Scripts are told apart by file, text, and the older version that runs beside them.
impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self, other) || self.identity() == other.identity()
    }
}

impl Eq for Script {}

impl Hash for Script {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // States of worlds are hashed by the million: the text would weigh on each of them.
        let whole = self.text.bytes().chain(self.file.bytes());
        state.write_usize(self.text.len());
        state.write_u8(whole.take(64).fold(FNV_OFFSET, fnv1a_step) as u8);
    }
}

/// How a handler is written down: the name of a built-in one, or a script.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    file: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    old: Option<WrittenOld>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOld {
    file: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    replicas: Vec<ReplicaId>,
}

/// The handler of a file and its text: loaded if there is a text, else known by its file only.
fn load(file: &str, text: &str, old: Option<Old>) -> Result<Handler, String> {
    if text.is_empty() {
        return Ok(Script::unread(file, old).publish());
    }
    #[cfg(feature = "script")]
    {
        super::rhai::load_once(file, text, old).map_err(|error| alloc::format!("{file}: {error}"))
    }
    #[cfg(not(feature = "script"))]
    {
        Err(alloc::format!(
            "{file} is a script, and this build runs none: build it with the feature `script`"
        ))
    }
}

impl Serialize for Handler {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Script(script) = self else { return serializer.serialize_str(self.name()) };
        if script.text.is_empty() && script.old.is_none() {
            return serializer.serialize_str(&script.file);
        }
        let old = script.old.as_ref().map(|old| {
            let (file, text) = match old.handler {
                Self::Script(script) => (script.file.clone(), script.text.clone()),
                built_in => (built_in.name().to_owned(), String::new()),
            };
            WrittenOld { file, text, replicas: old.replicas.clone() }
        });
        Written { file: script.file.clone(), text: script.text.clone(), old }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Handler {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyHandler)
    }
}

struct AnyHandler;

/// The names of the built-in handlers, as messages list them.
pub(super) const NAMES: [&str; Handler::ALL.len()] = {
    let mut names = [""; Handler::ALL.len()];
    let mut n = 0;
    while n < names.len() {
        names[n] = Handler::ALL[n].name();
        n += 1;
    }
    names
};

impl<'de> serde::de::Visitor<'de> for AnyHandler {
    type Value = Handler;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a handler, or a file such as \"cart.rhai\"")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Handler, E> {
        if let Some(built_in) = Handler::ALL.into_iter().find(|handler| handler.name() == name) {
            return Ok(built_in);
        }
        if name.ends_with(".rhai") {
            return Ok(Script::unread(name, None).publish());
        }
        Err(E::unknown_variant(name, &NAMES))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Handler, A::Error> {
        use serde::de::Error as _;
        let written = Written::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        let old = match written.old {
            None => None,
            Some(WrittenOld { file, text, replicas }) => {
                let handler = load(&file, &text, None).map_err(A::Error::custom)?;
                Some(Old { handler, replicas })
            }
        };
        load(&written.file, &written.text, old).map_err(A::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Handler {
    fn schema_name() -> alloc::borrow::Cow<'static, str> {
        "Handler".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A conflict handler: the name of a built-in one, or a script.",
            "anyOf": [
                { "type": "string", "enum": NAMES },
                { "type": "string", "pattern": "\\.rhai$", "description": "A script, by its path from the scenario's file." },
                {
                    "type": "object",
                    "properties": {
                        "file": { "type": "string", "description": "The script." },
                        "text": { "type": "string", "description": "Its text, where it travels with the scenario." },
                        "old": {
                            "type": "object",
                            "description": "An older version of it that some leaders still run.",
                            "properties": {
                                "file": { "type": "string", "description": "The older script." },
                                "text": { "type": "string", "description": "Its text, where it travels with the scenario." },
                                "replicas": { "type": "array", "items": { "type": "string" }, "description": "Where it still runs, such as [\"B\"]." }
                            },
                            "required": ["file", "replicas"],
                            "additionalProperties": false
                        }
                    },
                    "required": ["file"],
                    "additionalProperties": false
                }
            ]
        })
    }
}
