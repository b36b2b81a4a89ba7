//! How a line of `history.jsonl` is read: all fields of all events side by side, then the event that its `type` names.
//!
//! This is twice as fast as what serde derives for tagged types, and says which field an event lacks. Fields that
//! this build does not know are passed over, so that a format can grow within its version.

use super::{Event, FinalVersion, OperationResult, Phase, Quiescence};
use quarrel_models::{
    clock::Stamp,
    fault::Fault,
    id::{ClientId, Dot, MAX_REPLICAS, ReplicaId, WriteId},
    operation::Operation,
    sim::Errand,
    value::{Key, Value},
    version::VersionVector,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
    Nemesis,
    Maintenance,
    Phase,
    Resolve,
    Final,
    FinalEnd,
    Unread,
    Recorded,
    End,
}

/// The fields of all events.
#[derive(Deserialize)]
#[serde(expecting = "an event of a history, a JSON object with a `type`")]
struct Line {
    #[serde(rename = "type")]
    kind: Kind,
    t: Option<u64>,
    client: Option<ClientId>,
    at: Option<ReplicaId>,
    key: Option<Key>,
    op: Option<Operation>,
    write: Option<WriteId>,
    dot: Option<Dot>,
    stamp: Option<Stamp>,
    knew: Option<VersionVector>,
    #[serde(default)]
    versions: Versions,
    value: Option<Value>,
    #[serde(default)]
    duplicate: bool,
    error: Option<String>,
    fault: Option<Fault>,
    errand: Option<Errand>,
    #[serde(default)]
    effect: String,
    phase: Option<Phase>,
    over: Option<Vec<WriteId>>,
    replica: Option<ReplicaId>,
    records: Option<u64>,
    applied: Option<VersionVector>,
    why: Option<String>,
    loser: Option<WriteId>,
    winner: Option<WriteId>,
    quiescence: Option<Quiescence>,
}

/// `versions` holds names of writes in an `ok`, and whole versions in a `final`.
#[derive(Default)]
struct Versions {
    writes: Vec<WriteId>,
    whole: Vec<FinalVersion>,
}

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(VersionsVisitor)
    }
}

struct VersionsVisitor;

impl<'de> Visitor<'de> for VersionsVisitor {
    type Value = Versions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of versions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Versions, A::Error> {
        let mut versions = Versions::default();
        while let Some(item) = items.next_element()? {
            match item {
                OneVersion::Write(write) => versions.writes.push(write),
                OneVersion::Whole(version) => versions.whole.push(version),
            }
        }
        Ok(versions)
    }
}

enum OneVersion {
    Write(WriteId),
    Whole(FinalVersion),
}

impl<'de> Deserialize<'de> for OneVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = OneVersion;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a write such as \"c3.17\", or a version as an object")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<OneVersion, E> {
                text.parse().map(OneVersion::Write).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneVersion, A::Error> {
                FinalVersion::deserialize(MapAccessDeserializer::new(map)).map(OneVersion::Whole)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The field, or the error that names it.
fn need<T, E: Error>(field: Option<T>, name: &'static str) -> Result<T, E> {
    field.ok_or_else(|| E::missing_field(name))
}

/// Vectors come from outside: one position per replica is all that can be meant.
fn bounded<E: Error>(vector: Option<VersionVector>) -> Result<Option<VersionVector>, E> {
    match vector {
        Some(vector) if vector.as_slice().len() > MAX_REPLICAS => {
            Err(E::custom(format_args!("a version vector has at most {MAX_REPLICAS} positions")))
        }
        other => Ok(other),
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Line::deserialize(deserializer)?.into_event()
    }
}

impl Line {
    fn into_event<E: Error>(self) -> Result<Event, E> {
        match self.kind {
            Kind::Invoke | Kind::Ok | Kind::Fail | Kind::Info | Kind::Resolve => self.into_operation(),
            Kind::Nemesis => Ok(Event::Nemesis {
                t: need(self.t, "t")?,
                fault: need(self.fault, "fault")?,
                effect: self.effect,
            }),
            Kind::Maintenance => Ok(Event::Maintenance {
                t: need(self.t, "t")?,
                replica: need(self.replica, "replica")?,
                errand: need(self.errand, "errand")?,
            }),
            Kind::Phase => Ok(Event::Phase { t: need(self.t, "t")?, phase: need(self.phase, "phase")? }),
            Kind::Final => Ok(Event::Final {
                replica: need(self.replica, "replica")?,
                key: need(self.key, "key")?,
                value: self.value,
                versions: self.versions.whole,
            }),
            Kind::FinalEnd => Ok(Event::FinalEnd {
                replica: need(self.replica, "replica")?,
                records: need(self.records, "records")?,
                applied: bounded(self.applied)?.unwrap_or_default(),
            }),
            Kind::Unread => {
                Ok(Event::Unread { replica: need(self.replica, "replica")?, why: need(self.why, "why")? })
            }
            Kind::Recorded => Ok(Event::Recorded {
                replica: need(self.replica, "replica")?,
                key: need(self.key, "key")?,
                loser: need(self.loser, "loser")?,
                winner: need(self.winner, "winner")?,
            }),
            Kind::End => {
                Ok(Event::End { t: need(self.t, "t")?, quiescence: need(self.quiescence, "quiescence")? })
            }
        }
    }

    fn into_operation<E: Error>(self) -> Result<Event, E> {
        let t = need(self.t, "t")?;
        let client = need(self.client, "client")?;
        Ok(match self.kind {
            Kind::Invoke => Event::Invoke {
                t,
                client,
                at: need(self.at, "at")?,
                key: need(self.key, "key")?,
                op: need(self.op, "op")?,
                write: self.write,
            },
            Kind::Ok => {
                let result = OperationResult {
                    dot: self.dot,
                    stamp: self.stamp,
                    knew: bounded(self.knew)?,
                    versions: self.versions.writes,
                    value: self.value,
                    duplicate: self.duplicate,
                };
                Event::Ok { t, client, result }
            }
            Kind::Resolve => Event::Resolve {
                t,
                client,
                key: need(self.key, "key")?,
                write: need(self.write, "write")?,
                over: need(self.over, "over")?,
                value: self.value,
                dot: self.dot,
            },
            Kind::Fail => Event::Fail { t, client, error: need(self.error, "error")? },
            _ => Event::Info { t, client, error: need(self.error, "error")? },
        })
    }
}
