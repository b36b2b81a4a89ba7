//! A conflict, and what a handler says of it.

use super::past::Past;
use crate::{
    value::{Key, Value},
    version::Version,
};
use alloc::collections::BTreeSet;
use core::fmt;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Versions of one record that know nothing of each other.
#[derive(Debug, Clone, Copy)]
pub struct Conflict<'a> {
    /// The record.
    pub key: &'a Key,
    /// Two or more versions, in the order of their dots.
    pub versions: &'a [Version],
    /// The versions that these replaced, as far as whoever asks keeps them: what both sides of a conflict were made
    /// from is among them. A reader has none.
    pub past: Option<&'a Past>,
}

/// What a handler makes of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// One value stands for all versions.
    Value(Value),
    /// The record is deleted.
    Delete,
    /// Nothing stands for them: the versions stay side by side, and the conflict is reported.
    Refused(Refused),
}

impl Resolution {
    /// A value, or the deletion that stands where there is none.
    #[must_use]
    pub fn of(value: Option<Value>) -> Self {
        value.map_or(Self::Delete, Self::Value)
    }
}

impl From<Result<Option<Value>, Refused>> for Resolution {
    fn from(result: Result<Option<Value>, Refused>) -> Self {
        match result {
            Ok(value) => Self::of(value),
            Err(refused) => Self::Refused(refused),
        }
    }
}

/// Why a handler made nothing of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Refused {
    /// What happened.
    pub kind: RefusedKind,
    /// In words: of a script its own ones, or the error with its line and column.
    pub why: SmolStr,
}

impl Refused {
    /// A refusal in these words.
    #[must_use]
    pub fn new(kind: RefusedKind, why: impl Into<SmolStr>) -> Self {
        Self { kind, why: why.into() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.why)
    }
}

/// What kept a handler from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedKind {
    /// It said so.
    Refused,
    /// It failed.
    Failed,
    /// It took too many steps, too much room, or called itself too deeply.
    Limit,
    /// Its answer is no value of its workload.
    WrongKind,
    /// It asks for what both sides were made from, and that is no longer kept.
    NoBase,
    /// It is a script, and this build runs none, or its text was never read.
    NoScript,
}

impl RefusedKind {
    /// The name, as reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Limit => "limit",
            Self::WrongKind => "wrong-kind",
            Self::NoBase => "no-base",
            Self::NoScript => "no-script",
        }
    }
}

/// What is shown of versions for which no one value stands: the set of their values, even if only one has a value.
#[must_use]
pub fn side_by_side(versions: &[Version]) -> Value {
    Value::Set(versions.iter().filter_map(|version| version.value.clone()).collect::<BTreeSet<_>>())
}
