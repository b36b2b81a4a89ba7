//! How a strategy that keeps one version tells a conflict from a plain update.

use super::{Decision, Incoming, Outcome, arrival::overwrite};
use crate::version::{Cell, Version};
use core::{cmp::Ordering, fmt};
use serde::{Deserialize, Serialize};

/// How a strategy that keeps one version tells a conflict from a plain update.
///
/// Neither answer is free of harm. What alone decides without detection is a total order: replicas become equal, but
/// an update loses to the version that it was made on, if that one is greater. With detection no update loses so; but
/// "knew of it, or else greater" is not transitive wherever the order is not that of knowledge, and three versions may
/// beat each other in a circle. Then each replica keeps the one that came to it at the right moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Detection {
    /// A version that knew of the other one supersedes it, whatever the comparator says; only those of which neither
    /// knew of the other are compared.
    #[default]
    VersionVectors,
    /// None: the comparator alone decides, of updates too.
    None,
}

impl Detection {
    /// Keeps one of the incoming version and the one held: `order` is greater if its first argument wins.
    pub(super) fn keep_one(
        self,
        cell: &mut Cell,
        incoming: Incoming,
        order: impl Fn(&Version, &Version) -> Ordering,
    ) -> Outcome {
        let version = &incoming.version;
        match cell.versions.first() {
            Some(held) if !self.wins(version, held, order) => {
                Outcome::against(Decision::Discarded, held.write, false)
            }
            _ => overwrite(cell, incoming),
        }
    }

    fn wins(self, version: &Version, held: &Version, order: impl Fn(&Version, &Version) -> Ordering) -> bool {
        match self {
            Self::VersionVectors if version.knew(held) => true,
            // It was overtaken by what replaced it.
            Self::VersionVectors if held.knew(version) => false,
            Self::VersionVectors | Self::None => order(version, held) == Ordering::Greater,
        }
    }

    /// The parameter in a few words, for tables.
    pub(super) fn variant(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VersionVectors => "version vectors",
            Self::None => "no detection",
        })
    }
}
