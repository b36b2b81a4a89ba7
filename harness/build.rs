//! Compiles the library that is preloaded into databases (`shim/clock.rs`), for the binary to carry.
//!
//! It is a library of its own, since it is loaded into programs that are not ours; plain `rustc` is all that it needs.
//! Where it cannot work, which is everywhere but on 64-bit Linux with glibc, an empty file stands for it.

use std::{env, ffi::OsString, fs, path::PathBuf, process::Command};

const SOURCE: &str = "shim/clock.rs";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    let library = PathBuf::from(variable("OUT_DIR")).join("clock.so");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let works = is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("CARGO_CFG_TARGET_POINTER_WIDTH", "64");
    if !works {
        fs::write(&library, []).expect("the build folder can be written");
        return;
    }
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition=2024", "--crate-type=cdylib", "--crate-name=quarrel_clock"]);
    rustc.args(["-Copt-level=3", "-Cpanic=abort", "-Cstrip=symbols"]);
    rustc.arg("--target").arg(variable("TARGET"));
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = OsString::from("-Clinker=");
        option.push(linker);
        rustc.arg(option);
    }
    let status = rustc.arg("-o").arg(&library).arg(SOURCE).status().expect("rustc starts");
    assert!(status.success(), "{SOURCE} does not compile: {status}");
}

fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"))
}
