//! Keys and values: JSON, plus sets.

mod binary;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use binary::{Levels, Written};
use core::fmt;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed as _, Error as _, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};
use smol_str::SmolStr;

/// The key of a record. Up to 23 bytes are stored without an allocation.
pub type Key = SmolStr;

/// What a record holds. The order of the variants is the order of values of different kinds.
///
/// In JSON a number is an integer, a text a string, a list an array, a map an object; a set, which JSON lacks, is
/// `{"$set": [..]}` with its elements in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A 64-bit integer.
    Int(i64),
    /// A text.
    Text(SmolStr),
    /// A list, in its order.
    List(Vec<Value>),
    /// A set, kept in order.
    Set(BTreeSet<Value>),
    /// A map from names to values, kept in order.
    Map(BTreeMap<SmolStr, Value>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl Value {
    /// The name of the value's kind, for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "integer",
            Self::Text(_) => "text",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Map(_) => "map",
        }
    }

    /// The integer, if it is one.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// The elements, if it is a set.
    #[must_use]
    pub const fn as_set(&self) -> Option<&BTreeSet<Value>> {
        if let Self::Set(elements) = self { Some(elements) } else { None }
    }

    /// The fields, if it is a map.
    #[must_use]
    pub const fn as_map(&self) -> Option<&BTreeMap<SmolStr, Value>> {
        if let Self::Map(fields) = self { Some(fields) } else { None }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn join<'a>(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item = &'a Value>) -> fmt::Result {
            for (n, item) in items.enumerate() {
                write!(f, "{}{item}", if n == 0 { "" } else { " " })?;
            }
            Ok(())
        }
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text}"),
            Self::List(items) => {
                f.write_str("[")?;
                join(f, items.iter())?;
                f.write_str("]")
            }
            Self::Set(elements) => {
                f.write_str("#{")?;
                join(f, elements.iter())?;
                f.write_str("}")
            }
            Self::Map(fields) => {
                f.write_str("{")?;
                for (n, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name} {value}", if n == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

const SET: &str = "$set";

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return match self {
                Self::Int(number) => Written::Int(*number),
                Self::Text(text) => Written::Text(text),
                Self::List(items) => Written::List(items),
                Self::Set(elements) => Written::Set(elements),
                Self::Map(fields) => Written::Map(fields),
            }
            .serialize(serializer);
        }
        match self {
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => items.serialize(serializer),
            Self::Set(elements) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(SET, elements)?;
                map.end()
            }
            Self::Map(fields) => fields.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_any(AnyValue);
        }
        Levels::MOST.deserialize(deserializer)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, a string, an array, an object, or {\"$set\": [..]}")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number).map(Value::Int).map_err(|_| E::custom("the integer does not fit in 64 bits"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry::<SmolStr, Value>()? {
            fields.insert(name, value);
        }
        if !fields.contains_key(SET) {
            return Ok(Value::Map(fields));
        }
        match (fields.len(), fields.remove(SET)) {
            (1, Some(Value::List(items))) => Ok(Value::Set(items.into_iter().collect())),
            _ => Err(A::Error::custom("a set is an object with the one field `$set`, an array")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec};
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![any::<i64>().prop_map(Value::Int), "[a-z]{0,30}".prop_map(|s| s.as_str().into())];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                prop::collection::btree_set(inner.clone(), 0..4).prop_map(Value::Set),
                prop::collection::btree_map("[a-z]{1,3}".prop_map(SmolStr::from), inner, 0..4)
                    .prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_survives_json_and_binary(value in any_value()) {
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Value>(&json).unwrap(), &value);
            let bytes = postcard::to_allocvec(&value).unwrap();
            prop_assert_eq!(&postcard::from_bytes::<Value>(&bytes).unwrap(), &value);
        }
    }

    #[test]
    fn a_set_is_an_object_with_one_field_in_json() {
        let set = Value::Set([2, 1].into_iter().map(Value::Int).collect());
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"{"$set":[1,2]}"#);
        assert!(serde_json::from_str::<Value>(r#"{"$set":[1],"more":2}"#).is_err());
    }

    #[test]
    fn a_value_reads_well_in_a_message() {
        let map =
            Value::Map([("slot".into(), Value::List(vec![Value::Int(1), "x".into()]))].into_iter().collect());
        assert_eq!(map.to_string(), "{slot [1 x]}");
    }
}
