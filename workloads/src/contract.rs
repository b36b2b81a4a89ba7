//! Contracts: what a scenario allows, forbids and demands.

use crate::verdict::Finding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What must be so at the end of a run. What is not mentioned is as the strategy promises.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Contract {
    /// Findings that are fine although the strategy does not permit them.
    pub allow: Vec<Finding>,
    /// Findings that fail the run although the strategy permits them.
    pub forbid: Vec<Finding>,
    /// Findings that must be made, each at least once: otherwise the checker is blind or the faults too weak. What is
    /// demanded is allowed.
    pub find: Vec<Finding>,
    /// Situations that must have arisen, or the verdict is unknown.
    pub marks: Vec<String>,
}
