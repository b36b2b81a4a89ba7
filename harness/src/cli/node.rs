//! `quarrel node`: one node of the reference cluster. The harness starts it; people do not.

use crate::exit::{Exit, Failure};
use std::path::PathBuf;

/// Run one node of the reference cluster
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The node's specification, written by the harness.
    spec: PathBuf,
}

pub(super) fn node(arguments: &Arguments) -> Result<Exit, Failure> {
    match crate::node::run(&arguments.spec) {
        Ok(()) => Ok(Exit::Success),
        Err(error) => Err(Failure::environment(format!("{error:#}"), "")),
    }
}
