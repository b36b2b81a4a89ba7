//! The binary.
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|a| a == "node") {
        let spec = args.next().expect("spec");
        return match quarrel::node::run(spec.as_ref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(5),
        };
    }
    ExitCode::SUCCESS
}
