//! Balances: integers, or maps of them, to which both sides added.

use crate::value::Value;
use alloc::collections::{BTreeMap, BTreeSet};

/// What both sides have more than the base, on top of the base; of a map account by account. What is missing counts as
/// 0, and a sum that does not fit wraps round. `None` if both are deleted; `Err` if one holds something else.
pub(super) fn merge(
    left: Option<&Value>,
    right: Option<&Value>,
    base: Option<&Value>,
) -> Result<Option<Value>, ()> {
    let sides = [left, right, base];
    if left.is_none() && right.is_none() {
        return Ok(None);
    }
    if sides.iter().flatten().all(|value| value.as_int().is_some()) {
        return Ok(Some(Value::Int(sum(sides.map(|side| side.and_then(Value::as_int).unwrap_or(0))))));
    }
    let none = BTreeMap::new();
    let mut maps = [&none; 3];
    for (map, side) in maps.iter_mut().zip(sides) {
        if let Some(value) = side {
            *map = value.as_map().ok_or(())?;
        }
    }
    let accounts: BTreeSet<_> = maps.iter().flat_map(|map| map.keys()).collect();
    let mut merged = BTreeMap::new();
    for account in accounts {
        let mut balances = [0; 3];
        for (balance, map) in balances.iter_mut().zip(maps) {
            *balance = map.get(account).map_or(Ok(0), |held| held.as_int().ok_or(()))?;
        }
        merged.insert(account.clone(), Value::Int(sum(balances)));
    }
    Ok(Some(Value::Map(merged)))
}

const fn sum([left, right, base]: [i64; 3]) -> i64 {
    left.wrapping_add(right.wrapping_sub(base))
}
