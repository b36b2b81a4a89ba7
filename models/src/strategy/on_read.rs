//! Custom logic on read: concurrent versions are kept as siblings; whoever reads them resolves them and writes the
//! result back, with the context of what was read.
//!
//! Siblings are told apart by dotted version vectors (Preguiça et al., "Dotted Version Vectors", 2010): a write
//! replaces exactly the versions that its client had read.

use super::{Decision, Incoming, Outcome, Resolve, Site, on_write::keep_unknown};
use crate::{fate::Fate, handler::Handler, version::Cell};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Concurrent versions are kept side by side until a reader resolves them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OnRead {
    /// The handler that the reader's session calls.
    pub handler: Handler,
}

impl Resolve for OnRead {
    fn install(&self, cell: &mut Cell, incoming: Incoming, _site: Site) -> Outcome {
        keep_unknown(cell, incoming, Decision::Sibling)
    }

    fn permits(&self) -> &'static [Fate] {
        self.handler.permits()
    }

    fn variant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.handler.name())
    }
}
