//! Times, values and lists, as people say them. Integers only.

use crate::{
    clock::Stamp,
    fault::ClockChange,
    id::ReplicaId,
    operation::Operation,
    value::{Key, Value},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// A time in seconds, such as `1.003 s`; microseconds are shown where there are any.
pub(crate) fn seconds(us: i64) -> String {
    let (sign, us) = (if us < 0 { "-" } else { "" }, us.unsigned_abs());
    let (whole, rest) = (us / 1_000_000, us % 1_000_000);
    if rest % 1000 == 0 {
        format!("{sign}{whole}.{:03} s", rest / 1000)
    } else {
        format!("{sign}{whole}.{rest:06} s")
    }
}

/// A length of time, without a sign: `10 ms`, `250 us`, `2 s`.
pub(crate) fn length(us: i64) -> String {
    match us.unsigned_abs() {
        us if us % 1_000_000 == 0 => format!("{} s", us / 1_000_000),
        us if us % 1000 == 0 => format!("{} ms", us / 1000),
        us => format!("{us} us"),
    }
}

/// A stamp; the counter of a hybrid clock is shown where it counts.
pub(crate) fn stamp(stamp: Stamp) -> String {
    if stamp == Stamp::UNKNOWN {
        return "a time that was forgotten".to_string();
    }
    let time = seconds(stamp.time_us);
    if stamp.logical == 0 { time } else { format!("{time}+{}", stamp.logical) }
}

/// Where a clock stands: `10 ms behind`, `3 ms ahead`; nothing for one that is right.
pub(crate) fn standing(offset_us: i64) -> Option<String> {
    match offset_us {
        0 => None,
        1.. => Some(format!("{} ahead", length(offset_us))),
        _ => Some(format!("{} behind", length(offset_us))),
    }
}

/// What is done to a clock, to be read after its owner's name.
pub(super) fn clock_words(change: ClockChange) -> String {
    match change {
        ClockChange::Offset { us } => match standing(us) {
            Some(standing) => format!("is set {standing} the true time").replace("ahead the", "ahead of the"),
            None => "is set right".to_string(),
        },
        ClockChange::Step { us } => {
            format!("jumps {} {}", length(us), if us < 0 { "back" } else { "forwards" })
        }
        ClockChange::Drift { ppm } => {
            format!("{} {} ppm from now on", if ppm < 0 { "loses" } else { "gains" }, ppm.unsigned_abs())
        }
        ClockChange::Freeze => "stops".to_string(),
        ClockChange::Reset => "is right again".to_string(),
    }
}

/// What an operation does, in the fewest words, such as `k = 1`.
pub(crate) fn effect_words(key: &Key, operation: &Operation) -> String {
    match operation {
        Operation::Read => format!("read {key}"),
        Operation::Put(value) => format!("{key} = {value}"),
        Operation::Delete => format!("delete {key}"),
        Operation::Add(number) => format!("{key} + {number}").replace("+ -", "- "),
        Operation::Insert(value) => format!("{value} into {key}"),
        Operation::Remove(value) => format!("{value} out of {key}"),
        Operation::Append(value) => format!("{value} onto {key}"),
        Operation::Claim { field, value } => format!("{key}: {field} for {value}"),
        Operation::Release { field, value } => format!("{key}: {field} given up by {value}"),
        Operation::Move { from, to, value } => format!("{key}: {value} from {from} to {to}"),
    }
}

/// What a client does, to be read after its name, such as `writes k = 1`.
pub(super) fn deed(key: &Key, operation: &Operation) -> String {
    match operation {
        Operation::Read => format!("reads {key}"),
        Operation::Put(value) => format!("writes {key} = {value}"),
        Operation::Delete => format!("deletes {key}"),
        Operation::Add(number) => format!("adds {number} to {key}"),
        Operation::Insert(value) => format!("inserts {value} into {key}"),
        Operation::Remove(value) => format!("removes {value} from {key}"),
        Operation::Append(value) => format!("appends {value} to {key}"),
        Operation::Claim { field, value } => format!("claims {field} of {key} for {value}"),
        Operation::Release { field, value } => format!("gives up {field} of {key}, held by {value}"),
        Operation::Move { from, to, value } => format!("moves {value} from {from} to {to} of {key}"),
    }
}

/// What a record shows.
pub(super) fn shows(key: &Key, value: Option<&Value>) -> String {
    value.map_or_else(|| format!("no {key}"), |value| format!("{key} = {value}"))
}

/// Names in a row: `A, B and C`.
pub(super) fn row<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// `A holds`, `A and B hold`.
pub(super) fn hold(replicas: &[ReplicaId]) -> String {
    format!("{} {}", row(replicas), if replicas.len() == 1 { "holds" } else { "hold" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_said() {
        assert_eq!([seconds(1_003_000), seconds(-9_000), seconds(1)], ["1.003 s", "-0.009 s", "0.000001 s"]);
        assert_eq!([length(-10_000), length(250), length(2_000_000)], ["10 ms", "250 us", "2 s"]);
        assert_eq!(clock_words(ClockChange::Offset { us: 3000 }), "is set 3 ms ahead of the true time");
        assert_eq!(clock_words(ClockChange::Offset { us: -3000 }), "is set 3 ms behind the true time");
        assert_eq!(stamp(Stamp { time_us: 5000, logical: 2 }), "0.005 s+2");
    }

    #[test]
    fn a_row_of_names_is_a_sentence() {
        let names = |count: usize| row((0..count).map(ReplicaId::from_index));
        assert_eq!([names(0), names(1), names(2), names(3)], ["", "A", "A and B", "A, B and C"]);
    }
}
