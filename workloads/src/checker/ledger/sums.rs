//! Whether a counter's final value can be explained: the sum of all acknowledged additions, and of some of those that
//! may have happened.

use super::{
    case::{Case, Shown},
    writes::{Kind, State},
};
use quarrel_models::value::Value;
use std::collections::BTreeSet;

/// The most sums that are told apart; beyond that, everything between the least and the greatest counts as possible.
const MAX_SUMS: usize = 4096;

/// Whether a final value is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sum {
    Explained,
    Unexplained,
}

/// The values at which a counter can stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Possible {
    /// Each of them.
    These(BTreeSet<i128>),
    /// Too many to tell apart: all from the first to the second.
    Between(i128, i128),
}

impl Possible {
    /// The sum of what happened, and of any part of what may have happened.
    pub(crate) fn new(certain: i128, uncertain: impl IntoIterator<Item = i64>) -> Self {
        let mut possible = Self::These(BTreeSet::from([certain]));
        for delta in uncertain {
            possible = possible.with(i128::from(delta));
        }
        possible
    }

    fn with(self, delta: i128) -> Self {
        match self {
            Self::These(sums) if sums.len() * 2 <= MAX_SUMS => {
                let more: Vec<i128> = sums.iter().map(|sum| sum + delta).collect();
                let mut sums = sums;
                sums.extend(more);
                Self::These(sums)
            }
            other => {
                let (least, most) = other.range();
                Self::Between(least + delta.min(0), most + delta.max(0))
            }
        }
    }

    /// The least and the greatest.
    pub(crate) fn range(&self) -> (i128, i128) {
        match self {
            Self::These(sums) => {
                (sums.first().copied().unwrap_or_default(), sums.last().copied().unwrap_or_default())
            }
            Self::Between(least, most) => (*least, *most),
        }
    }

    /// Whether the counter can stand there.
    pub(crate) fn contains(&self, value: i64) -> bool {
        let value = i128::from(value);
        match self {
            Self::These(sums) => sums.contains(&value),
            Self::Between(least, most) => (*least..=*most).contains(&value),
        }
    }
}

/// Judges the record of a counter that is only ever added to.
pub(super) fn judge(case: &Case<'_>, shown: &Shown<'_>) -> Sum {
    let writes = case.writes();
    let mut certain = 0;
    let mut uncertain = Vec::new();
    for &number in case.numbers {
        let write = writes.get(number);
        match (write.kind, write.state) {
            (_, State::Failed) => {}
            (Kind::Add, State::Acknowledged) => certain += i128::from(write.delta()),
            (Kind::Add, _) => uncertain.push(write.delta()),
            (Kind::Unknown, _) => {}
            _ => return Sum::Unexplained,
        }
    }
    let value = shown.lens.value().map_or(Some(0), Value::as_int);
    match value {
        Some(value) if Possible::new(certain, uncertain).contains(value) => Sum::Explained,
        _ => Sum::Unexplained,
    }
}
