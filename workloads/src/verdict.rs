//! Three-valued verdicts, the kinds of anomalies, and what a finding is called.

use quarrel_models::fate::Fate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Cow, fmt, str::FromStr};

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// What was promised held, and there was something to see.
    #[default]
    Pass,
    /// There was too little evidence, or none.
    Unknown,
    /// What was promised did not hold.
    Fail,
}

impl Verdict {
    /// Prefers fail, then unknown, then pass.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        self.max(other)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        })
    }
}

/// What is judged beside the fates of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// After quiescence, live replicas show different states.
    Divergence,
    /// Replication did not come to rest within its budget.
    NotQuiescent,
    /// A deleted record or element came back.
    ResurrectedDelete,
    /// A set lacks an acknowledged element that was never removed.
    LostElement,
    /// A set shows an element that nobody added.
    UnexpectedElement,
    /// A counter stands where no order of its increments could bring it.
    CounterDrift,
    /// A slot is held by two meetings.
    DoubleBooking,
}

impl Anomaly {
    /// All kinds, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Divergence,
        Self::NotQuiescent,
        Self::ResurrectedDelete,
        Self::LostElement,
        Self::UnexpectedElement,
        Self::CounterDrift,
        Self::DoubleBooking,
    ];

    /// The name, as contracts and reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Divergence => "divergence",
            Self::NotQuiescent => "not-quiescent",
            Self::ResurrectedDelete => "resurrected-delete",
            Self::LostElement => "lost-element",
            Self::UnexpectedElement => "unexpected-element",
            Self::CounterDrift => "counter-drift",
            Self::DoubleBooking => "double-booking",
        }
    }
}

/// Anything that a contract can allow, forbid or demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// A write met this fate.
    Fate(Fate),
    /// This anomaly was seen.
    Anomaly(Anomaly),
}

impl Finding {
    /// The name, as contracts and reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fate(fate) => fate.name(),
            Self::Anomaly(anomaly) => anomaly.name(),
        }
    }

    /// All findings that can be named: the losing fates, then the anomalies.
    pub fn all() -> impl Iterator<Item = Self> {
        let fates = Fate::ALL.into_iter().filter(|fate| fate.is_loss()).map(Self::Fate);
        fates.chain(Anomaly::ALL.into_iter().map(Self::Anomaly))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Finding {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::all().find(|finding| finding.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::all().map(Self::name).collect();
            format!("unknown finding `{name}`, expected one of {}", names.join(", "))
        })
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Finding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Finding {
    fn schema_name() -> Cow<'static, str> {
        "Finding".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Finding::all().map(Finding::name).collect::<Vec<_>>() })
    }
}
