//! The simulator: the cluster in virtual time.
//!
//! Every replica is a [`Replica`](crate::replica::Replica) and every client a [`Session`](crate::session::Session), the
//! very state machines that the live cluster runs; what surrounds them is simulated: links, clocks, disks, processes. A
//! [`Schedule`] is data and alone decides what happens: the same schedule gives the same run, event for event, on every
//! machine. So a failing one can be kept, replayed and shrunk.
//!
//! The rooms: `schedule` what a run consists of, `queue` events in virtual time, `network` links and what becomes of
//! frames, `node` a replica with its clock, disk and process, `client` sessions and how they wait, move and give up,
//! `world` the loop that carries out, `nemesis` faults and their undoing, `rest` when replication has come to rest,
//! `observer` who is told, `shrink` from a schedule that shows something to a small one, `transcript` from a run to a
//! witness that every arena plays. Time is microseconds since the beginning. Nothing here decides anything about data,
//! and nothing reads a clock, the environment or a hash map.

mod client;
mod nemesis;
mod network;
mod node;
mod observer;
mod queue;
mod rest;
mod schedule;
mod shrink;
mod transcript;
mod world;

pub use observer::{Observer, Silent};
pub use schedule::{
    Clients, Cluster, Durability, Errand, FORMAT_VERSION, Jitter, Phases, Schedule, ScheduleError,
    TimedErrand, TimedFault, TimedOperation,
};
pub use shrink::{Shrunk, shrink};
pub use transcript::{Untold, transcribe};
pub use world::{Outcome, Rest, Traffic, run, run_with};
