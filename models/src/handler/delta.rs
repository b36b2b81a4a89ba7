//! The sum of all changes.

use crate::value::Value;

/// The value after the change `from -> to` made elsewhere is applied to `current`. Missing values count as 0.
///
/// The change is applied whether or not there was a conflict: then the result does not depend on the order in which
/// changes arrive. `None` if one of the values is not an integer.
pub(crate) fn accumulate(current: Option<&Value>, from: Option<&Value>, to: Option<&Value>) -> Option<Value> {
    let number = |value: Option<&Value>| value.map_or(Some(0), Value::as_int);
    let change = number(to)?.checked_sub(number(from)?)?;
    Some(Value::Int(number(current)?.checked_add(change)?))
}
