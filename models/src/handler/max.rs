//! The greatest value.

use crate::{value::Value, version::Version};

/// The greatest value; deleted versions are below everything.
pub(super) fn merge(versions: &[Version]) -> Option<Value> {
    versions.iter().filter_map(|version| version.value.as_ref()).max().cloned()
}
