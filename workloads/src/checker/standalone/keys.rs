//! Operations by record: what one checker judges, it judges record by record.

use crate::history::recorded::{Datum, Operation, Recorded};
use std::collections::BTreeMap;

/// The places of the operations of each record, in the order of their invocations. A history without keys has one
/// record, nil.
pub(super) fn by_key(history: &Recorded, concerns: impl Fn(&Operation) -> bool) -> BTreeMap<Datum, Vec<u32>> {
    let mut keys: BTreeMap<Datum, Vec<u32>> = BTreeMap::new();
    for (at, op) in (0..).zip(&history.operations).filter(|(_, op)| concerns(op)) {
        keys.entry(op.key).or_default().push(at);
    }
    keys
}

/// `in x: `, or nothing for a history without keys.
pub(super) fn within(history: &Recorded, key: Datum) -> String {
    if key.is_nil() { String::new() } else { format!("in {}: ", history.values.show(key)) }
}
