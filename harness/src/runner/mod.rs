//! Carries a scenario out against a system under test: phases, clients, recorder, nemesis.

mod live;

pub use live::{Live, Snapshot};
