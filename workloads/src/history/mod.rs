//! Histories: what happened in a run, in real time.

mod event;

pub use event::{Event, FORMAT_VERSION, FinalVersion, Header, OperationResult, Phase, Quiescence};
