//! All items of all lists.

use crate::{value::Value, version::Version};
use alloc::collections::BTreeSet;

/// Every item once, in the order of values: the one order on which all replicas agree without more metadata.
/// `None` if all are deleted or one holds something else than a list.
pub(super) fn merge(versions: &[Version]) -> Option<Value> {
    let mut items: Option<BTreeSet<Value>> = None;
    for value in versions.iter().filter_map(|version| version.value.as_ref()) {
        let Value::List(list) = value else { return None };
        items.get_or_insert_default().extend(list.iter().cloned());
    }
    items.map(|items| Value::List(items.into_iter().collect()))
}
