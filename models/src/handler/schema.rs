//! What kind of values a handler works on.

use crate::{operation::field_of, value::Value};
use alloc::{collections::BTreeMap, string::String};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The values of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schema {
    /// Any one value that is replaced as a whole.
    Register,
    /// A register that is also deleted.
    Document,
    /// A set to which elements are added.
    Set,
    /// A set from which elements are also removed.
    Cart,
    /// An integer to which numbers are added.
    Counter,
    /// A map from slots to who holds them.
    Calendar,
    /// A list of lines to which lines are added.
    Text,
    /// A map from accounts to balances.
    Bank,
}

impl Schema {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Register,
        Self::Document,
        Self::Set,
        Self::Cart,
        Self::Counter,
        Self::Calendar,
        Self::Text,
        Self::Bank,
    ];

    /// The name, as handler files spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Document => "document",
            Self::Set => "set",
            Self::Cart => "cart",
            Self::Counter => "counter",
            Self::Calendar => "calendar",
            Self::Text => "text",
            Self::Bank => "bank",
        }
    }

    /// What its values are, in words.
    #[must_use]
    pub const fn values(self) -> &'static str {
        match self {
            Self::Register | Self::Document => "any value",
            Self::Set | Self::Cart => "an array of elements",
            Self::Counter => "an integer",
            Self::Calendar => "a map from slots to a meeting, or to an array of meetings",
            Self::Text => "an array of lines",
            Self::Bank => "a map from accounts to integers",
        }
    }

    /// The value as the workload writes it, where a script has no sets of its own: arrays become what they stand for.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn shape(self, value: Value) -> Result<Value, String> {
        match (self, value) {
            (Self::Register | Self::Document, value) => Ok(value),
            (Self::Counter, value @ Value::Int(_)) => Ok(value),
            (Self::Text, value @ Value::List(_)) => Ok(value),
            (Self::Set | Self::Cart, Value::List(items)) => Ok(Value::Set(items.into_iter().collect())),
            (Self::Set | Self::Cart, value @ Value::Set(_)) => Ok(value),
            (Self::Calendar, Value::Map(fields)) => calendar(fields),
            (Self::Bank, Value::Map(fields)) => match fields.iter().find(|(_, held)| held.as_int().is_none())
            {
                None => Ok(Value::Map(fields)),
                Some((account, held)) => {
                    Err(alloc::format!("the account `{account}` holds {}, and not an integer", a(held)))
                }
            },
            (_, value) => Err(alloc::format!("it is {}; a {} is {}", a(&value), self.name(), self.values())),
        }
    }
}

fn a(value: &Value) -> &'static str {
    match value {
        Value::Int(_) => "an integer",
        Value::Text(_) => "a string",
        Value::List(_) | Value::Set(_) => "an array",
        Value::Map(_) => "a map",
    }
}

fn calendar(fields: BTreeMap<SmolStr, Value>) -> Result<Value, String> {
    let mut shaped = BTreeMap::new();
    for (slot, held) in fields {
        let held = match held {
            Value::List(holders) => field_of(holders.into_iter().collect()),
            Value::Set(holders) => field_of(holders),
            Value::Map(_) => return Err(alloc::format!("the slot `{slot}` holds a map, and not a meeting")),
            one => Some(one),
        };
        if let Some(held) = held {
            shaped.insert(slot, held);
        }
    }
    Ok(Value::Map(shaped))
}
