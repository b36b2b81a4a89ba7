//! The version with the latest stamp.

use crate::{value::Value, version::Version};

/// The value of the version with the greatest stamp; the greater replica breaks a tie.
pub(super) fn merge(versions: &[Version]) -> Option<Value> {
    versions
        .iter()
        .max_by_key(|version| (version.stamp, version.dot))
        .and_then(|version| version.value.clone())
}
