//! Contracts: what a scenario allows, forbids and demands.

use crate::verdict::{Anomaly, Finding};
use quarrel_models::{fate::Fate, strategy::Strategy};
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

impl Contract {
    /// Who says that a finding is fine, if anybody does. What is forbidden is never fine.
    #[must_use]
    pub fn permits(&self, strategy: &Strategy, finding: Finding) -> Option<&'static str> {
        let resolver = strategy.resolver();
        if self.forbid.contains(&finding) {
            return None;
        }
        if self.find.contains(&finding) || self.allow.contains(&finding) {
            return Some("which the contract allows");
        }
        let by_strategy = match finding {
            Finding::Fate(Fate::Stranded) => {
                return Some("which is reported apart: what a dead replica alone has, no strategy can save");
            }
            Finding::Fate(Fate::Partial) | Finding::Anomaly(Anomaly::Divergence) if !resolver.converges() => {
                true
            }
            Finding::Fate(fate) => resolver.permits().contains(&fate),
            Finding::Anomaly(_) => false,
        };
        by_strategy.then_some("which the strategy permits")
    }
}
