//! Values there and back. The language has no sets: they are arrays in their order.

use crate::value::Value;
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use rhai::{Array, Dynamic, Map};
use smol_str::SmolStr;

pub(super) fn to_dynamic(value: &Value) -> Dynamic {
    match value {
        Value::Int(number) => Dynamic::from_int(*number),
        Value::Text(text) => Dynamic::from(rhai::ImmutableString::from(text.as_str())),
        Value::List(items) => Dynamic::from_array(items.iter().map(to_dynamic).collect()),
        Value::Set(elements) => Dynamic::from_array(elements.iter().map(to_dynamic).collect()),
        Value::Map(fields) => {
            let entries = fields.iter().map(|(name, value)| (name.as_str().into(), to_dynamic(value)));
            Dynamic::from_map(entries.collect::<Map>())
        }
    }
}

/// A value, or nothing.
pub(super) fn optional(value: Option<&Value>) -> Dynamic {
    value.map_or(Dynamic::UNIT, to_dynamic)
}

/// The value of what a script made; sets are still lists.
pub(super) fn from_dynamic(dynamic: Dynamic) -> Result<Value, String> {
    if let Ok(number) = dynamic.as_int() {
        return Ok(Value::Int(number));
    }
    if dynamic.is_string() {
        let text = dynamic.into_immutable_string().unwrap_or_default();
        return Ok(Value::Text(SmolStr::from(text.as_str())));
    }
    if dynamic.is_array() {
        let items: Result<Vec<Value>, String> =
            dynamic.cast::<Array>().into_iter().map(from_dynamic).collect();
        return items.map(Value::List);
    }
    if dynamic.is_map() {
        let mut fields = BTreeMap::new();
        for (name, value) in dynamic.cast::<Map>() {
            if value.is_unit() {
                continue;
            }
            fields.insert(SmolStr::from(name.as_str()), from_dynamic(value)?);
        }
        return Ok(Value::Map(fields));
    }
    Err(format!("it is of the type `{}`, which no record holds", dynamic.type_name()))
}
