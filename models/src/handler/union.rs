//! The union of sets.

use crate::{value::Value, version::Version};
use alloc::collections::BTreeSet;

/// The union of all sets; deleted versions count as empty. `None` if all are deleted or one holds something else.
pub(super) fn merge(versions: &[Version]) -> Option<Value> {
    let mut union: Option<BTreeSet<Value>> = None;
    for value in versions.iter().filter_map(|version| version.value.as_ref()) {
        union.get_or_insert_default().extend(value.as_set()?.iter().cloned());
    }
    union.map(Value::Set)
}
