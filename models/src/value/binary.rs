//! Values in binary formats, which cannot tell kinds by looking.
//!
//! Bytes come from strangers, and two of them open a level of nesting: without a limit a small frame overflows the
//! stack, which no one can catch. JSON readers have such a limit of their own.

use super::Value;
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::fmt;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor},
};
use smol_str::SmolStr;

/// More than the 128 levels that come in as JSON, by what operations and handlers put around them.
const MAX_DEPTH: u8 = 160;

/// The kinds, as they are written.
#[derive(Serialize)]
pub(super) enum Written<'a> {
    Int(i64),
    Text(&'a SmolStr),
    List(&'a [Value]),
    Set(&'a BTreeSet<Value>),
    Map(&'a BTreeMap<SmolStr, Value>),
}

/// The kinds, as they are read: in the same order.
#[derive(Deserialize)]
enum Kind {
    Int,
    Text,
    List,
    Set,
    Map,
}

/// A value of at most so many levels.
#[derive(Clone, Copy)]
pub(super) struct Levels(u8);

impl Levels {
    pub(super) const MOST: Self = Self(MAX_DEPTH);
}

impl<'de> DeserializeSeed<'de> for Levels {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Some(within) = self.0.checked_sub(1) else {
            return Err(D::Error::custom("the value is nested too deep"));
        };
        deserializer.deserialize_enum("Value", &["Int", "Text", "List", "Set", "Map"], AnyKind(Self(within)))
    }
}

struct AnyKind(Levels);

impl<'de> Visitor<'de> for AnyKind {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (kind, content) = data.variant::<Kind>()?;
        Ok(match kind {
            Kind::Int => Value::Int(content.newtype_variant()?),
            Kind::Text => Value::Text(content.newtype_variant()?),
            Kind::List => Value::List(content.newtype_variant_seed(Items(self.0))?),
            Kind::Set => Value::Set(content.newtype_variant_seed(Items(self.0))?.into_iter().collect()),
            Kind::Map => Value::Map(content.newtype_variant_seed(Fields(self.0))?),
        })
    }
}

struct Items(Levels);

impl<'de> DeserializeSeed<'de> for Items {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        // No allocation by the length that the bytes promise.
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self.0)? {
            values.push(value);
        }
        Ok(values)
    }
}

struct Fields(Levels);

impl<'de> DeserializeSeed<'de> for Fields {
    type Value = BTreeMap<SmolStr, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = BTreeMap<SmolStr, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(name) = fields.next_key()? {
            values.insert(name, fields.next_value_seed(self.0)?);
        }
        Ok(values)
    }
}
