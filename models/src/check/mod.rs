//! The model checker: every interleaving of a small world, within stated bounds.
//!
//! A [`World`] is replicas, links, clients and a nemesis with budgets; every transition goes through
//! [`Replica::step`](crate::replica::Replica::step) and [`Session::step`](crate::session::Session::step), so what is
//! proven or refuted is the code that the live cluster runs. [`check`] asks one [`Property`] of it.
//!
//! The rooms: `scope` how small the world is; `table` values kept once under narrow ids, `parts` what a state consists
//! of, `tables` all parts and the effects of all local steps, `state` one moment as a row of ids and its canonical form;
//! `world` what never changes, `action` what may happen next, `engine` what then does happen, `errands` what clients do
//! beyond plain writes, `faults` what the nemesis does beyond the plain faults; `session` what sessions are promised,
//! `fates` the ledger in small, `property` what is asked; `ends` a way to each end; `search` the way through all states,
//! `met` the fingerprints of those met, `reduce` what may be left out and when, `symmetry` states that differ in names
//! only, `facade` the face of all that; `opinion` stateright as a second opinion, `explorer` a world to walk about in;
//! `witness` paths in the form of every arena, `matrix` all
//! strategies side by side, `mutants` what shows that every property finds something. Time does not pass but with writes,
//! nothing is random, and no float, hash-map order or wall clock decides anything, except the deadline of a search.

mod action;
mod ends;
mod engine;
mod errands;
mod explorer;
mod facade;
mod fates;
mod faults;
pub mod matrix;
mod met;
#[cfg(test)]
mod mutants;
mod opinion;
mod parts;
mod property;
mod reduce;
mod scope;
mod search;
mod session;
mod state;
mod symmetry;
mod table;
mod tables;
mod witness;
mod world;

pub use action::{Action, Errand};
pub use ends::{Ends, ends};
pub use explorer::serve;
pub use facade::{Bound, Exploration, Limits, Verdict, check, explore, survey};
pub use fates::fates;
pub use parts::{Issued, IssuedState, Phase};
pub use property::{Judgement, Property};
pub use reduce::{Obstacle, Reduction, Reductions};
pub use scope::{Acknowledgements, Faults, Scope, ScopeError, Workload};
pub use session::Guarantee;
pub use state::State;
pub use witness::{found, path, witness};
pub use world::World;
