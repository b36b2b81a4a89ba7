//! Histories: what happened in a run, in real time, one JSON object a line.

mod event;
mod reader;
pub mod recorded;
mod wire;
mod writer;

pub use event::{Event, FORMAT_VERSION, FinalVersion, Header, OperationResult, Phase, Quiescence};
pub use reader::{Ending, ReadError, Reader};
pub use writer::Writer;
