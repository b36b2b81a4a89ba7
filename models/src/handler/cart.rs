//! Sets from which elements are also removed, by what both sides were made from.

use crate::value::Value;
use alloc::collections::BTreeSet;

/// What either side has, without what one of them removed: what the base had and that side lacks. A side that was
/// deleted removed all that the base had. `None` if both are deleted; `Err` if one holds something else than a set.
pub(super) fn merge(
    left: Option<&Value>,
    right: Option<&Value>,
    base: Option<&Value>,
) -> Result<Option<Value>, ()> {
    if left.is_none() && right.is_none() {
        return Ok(None);
    }
    let set = |value: Option<&Value>| match value {
        None => Ok(BTreeSet::new()),
        Some(value) => value.as_set().cloned().ok_or(()),
    };
    let (left, right, base) = (set(left)?, set(right)?, set(base)?);
    let kept =
        |element: &&Value| !base.contains(*element) || left.contains(*element) && right.contains(*element);
    Ok(Some(Value::Set(left.union(&right).filter(kept).cloned().collect())))
}
