//! Link proxies: user-space TCP proxies that give one directed link of the live arena its faults.
//!
//! One [`Proxy`] stands for one link, from a leader to a peer or from a client to a leader: a port on loopback that
//! leads to a target. A [`Shape`] says how the link behaves at the moment; [`Counters`] say what it has done, so
//! that a fault that did not bite is visible. No root, no kernel module; no unsafe code.
//!
//! What may not enter: knowledge of replication, of scenarios, of time tables. The nemesis decides when a link
//! changes; this room only carries bytes, and frames where the protocol has them.
//!
//! ```text
//! ProxyRuntime (one thread) -- Proxy -- listener -- connection -- direction x 2
//!                                                                   intake -> queue -> socket
//! ```
//!
//! - `shape`, `counters`, `link`: what the owner says, what it gets back, what is shared.
//! - `runtime`, `listener`, `connection`: the thread, the port, the life of a connection.
//! - `direction`: the fast path and the delivery; `intake`: the fates of frames; `queue`, `bucket`, `alarm`: delay.
//! - `frames`: where frames begin and end; `random`: the frozen streams behind every chance.
//!
//! `cargo bench --bench proxy` measures it. A healthy link costs three system calls per message and direction, as
//! many as the simplest proxy can have; the rest of its latency is the kernel's waking of threads.
//!
//! Limits that are kept on purpose: the handshake is the kernel's, so a cut or stalled link still accepts and only
//! then resets or waits; establishing a connection is never delayed by latency; and where there is no timerfd
//! (macOS) delays are a millisecond coarse.

#[cfg(target_os = "linux")]
mod alarm;
#[cfg(any(test, not(target_os = "linux")))]
mod alarm_portable;
mod bucket;
mod connection;
mod counters;
mod direction;
mod frames;
mod intake;
mod link;
mod listener;
mod queue;
pub mod random;
mod runtime;
mod shape;

#[cfg(not(target_os = "linux"))]
use alarm_portable as alarm;

pub(crate) use alarm::Alarm;
pub use counters::Counters;
pub use frames::MAX_FRAME_BYTES;
pub use intake::REORDER_PATIENCE;
pub use link::LinkOptions;
pub use runtime::{Proxy, ProxyRuntime};
pub use shape::{Gate, Kind, Shape, ShapeError};
