//! `quarrel keep`: a foreign program that ends with the harness. The harness starts it; people do not.

use super::World;
use crate::exit::{Exit, Failure};
use std::ffi::OsString;

/// Run a program until standard input closes
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Standard input and output are the program's: the harness talks to it.
    #[arg(long)]
    talk: bool,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    program: Vec<OsString>,
}

pub(super) fn keep(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    // Ctrl-C is the harness's to answer: the database is to be read once more.
    let _ = rustix::process::setpgid(None, None);
    match crate::systems::keep(&arguments.program, arguments.talk, world.out) {
        Ok(0) => Ok(Exit::Success),
        Ok(_) => Ok(Exit::Environment),
        Err(error) => Err(Failure::environment(format!("the program cannot be kept: {error}"), "")),
    }
}
