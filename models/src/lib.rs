//! The replica core of quarrel: what a multi-leader database does, without I/O.
//!
//! Everything that replicates, resolves or forwards stands here, once. The live node, the simulator and the model
//! checker call [`Replica::step`](replica::Replica::step) and [`Session::step`](session::Session::step) and carry
//! out what comes back; none of them decides anything about data.
//!
//! What may not enter this crate: clocks, randomness, the environment, I/O, hash maps, floating point. Time is an
//! argument. The crate is `no_std` with `alloc`; only [`check`] and
//! [`handler::rhai`], behind the features `check` and `script`, use `std`.
#![no_std]

extern crate alloc;
#[cfg(any(feature = "check", feature = "script"))]
extern crate std;

#[cfg(feature = "check")]
pub mod check;
pub mod clock;
pub mod diagram;
pub mod fate;
pub mod fault;
pub mod handler;
pub mod id;
pub mod message;
pub mod mutant;
pub mod operation;
pub mod random;
pub mod replica;
pub mod session;
pub mod sim;
pub mod strategy;
pub mod tags;
pub mod topology;
pub mod value;
pub mod version;
pub mod witness;
