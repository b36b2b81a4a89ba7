//! Calendars: maps from slots to who holds them.

use crate::{
    operation::{field_of, holders},
    value::Value,
    version::Version,
};
use alloc::collections::BTreeMap;
use smol_str::SmolStr;

/// Field by field, all holders of all versions. A slot that two sides took is held by both: the handler does not
/// choose between people, it lets them see the double booking. A meeting that one side moved or cancelled comes back
/// in the slot where the other side still had it.
pub(super) fn merge(versions: &[Version]) -> Option<Value> {
    let mut fields: Option<BTreeMap<SmolStr, Value>> = None;
    for value in versions.iter().filter_map(|version| version.value.as_ref()) {
        let merged = fields.get_or_insert_default();
        for (slot, holder) in value.as_map()? {
            let mut both = holders(merged.get(slot));
            both.extend(holders(Some(holder)));
            if let Some(field) = field_of(both) {
                merged.insert(slot.clone(), field);
            }
        }
    }
    fields.map(Value::Map)
}
