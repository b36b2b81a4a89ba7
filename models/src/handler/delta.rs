//! The sum of all changes.

use crate::value::Value;

/// The sum after the change `from -> to`, made elsewhere or here, is added to `current`.
///
/// The change is added whether or not there was a conflict: then the result does not depend on the order in which
/// changes arrive. For the same reason there is no failure: what is missing or no integer counts as 0, and a sum that
/// does not fit wraps round.
pub(crate) fn accumulate(current: Option<&Value>, from: Option<&Value>, to: Option<&Value>) -> i64 {
    let number = |value: Option<&Value>| value.and_then(Value::as_int).unwrap_or(0);
    number(current).wrapping_add(number(to).wrapping_sub(number(from)))
}
