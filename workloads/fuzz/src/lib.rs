//! What cargo-fuzz runs: see `Cargo.toml`.

pub mod targets;
