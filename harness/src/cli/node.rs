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
    // Ctrl-C goes to all processes of the terminal's group: it is the harness's to answer, and nodes are to be read once
    // more. In a group of its own a node does not hear it; where that is not to be had, it ends at Ctrl-C.
    let _ = rustix::process::setpgid(None, None);
    match crate::node::run(&arguments.spec) {
        Ok(()) => Ok(Exit::Success),
        Err(error) => Err(Failure::environment(format!("{error:#}"), "")),
    }
}
