//! The binary: [`quarrel::cli`] in the surroundings of this process.

use quarrel::{
    cli::{self, Surroundings, World},
    exit, runner,
};
use std::{io, process::ExitCode};

fn main() -> ExitCode {
    exit::install_panic_hook();
    let ended = exit::guarded(|| {
        let (mut out, mut err) = (io::stdout().lock(), io::stderr());
        let mut world = World {
            out: &mut out,
            err: &mut err,
            surroundings: Surroundings::of_process(),
            runner: runner::run,
        };
        cli::main(std::env::args_os(), &mut world)
    });
    ended.into()
}
