//! `quarrel completions`: what a shell needs to complete command lines.

use super::World;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  quarrel completions bash > ~/.local/share/bash-completion/completions/quarrel
  quarrel completions fish > ~/.config/fish/completions/quarrel.fish";

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub(super) fn completions(arguments: &Arguments, world: &mut World<'_>) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::command(), "quarrel", &mut text);
    world.out.write_all(&text)?;
    Ok(Exit::Success)
}
