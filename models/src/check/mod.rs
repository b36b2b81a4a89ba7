//! The model checker: every interleaving of a small world, within stated bounds.
//!
//! A [`World`] is replicas, links, clients and a nemesis with budgets; every transition goes through
//! [`Replica::step`](crate::replica::Replica::step) and [`Session::step`](crate::session::Session::step), so what is
//! proven or refuted is the code that the live cluster runs. [`check`] asks one [`Property`] of it.
//!
//! The rooms: `scope` how small the world is, `state` one moment of it and its canonical form, `action` what may
//! happen next, `world` what then does happen, `view` what there is to see of a state, `fates` the ledger in small,
//! `property` what is asked, `facade` the search, `explorer` a world to walk about in, `witness` paths in the form of
//! every arena, `matrix` all strategies side by side. Only `facade` and `explorer` know stateright. Time does not pass but with writes, nothing is random, and no float,
//! hash-map order or wall clock decides anything, except the deadline of a search.

mod action;
mod explorer;
mod facade;
mod fates;
pub mod matrix;
mod property;
mod scope;
mod state;
mod view;
mod witness;
mod world;

pub use action::Action;
pub use explorer::serve;
pub use facade::{Bound, Limits, Verdict, check, survey};
pub use fates::fates;
pub use property::{Judgement, Property};
pub use scope::{Acknowledgements, Faults, Scope, ScopeError, Workload};
pub use state::{Issued, IssuedState, Phase, State};
pub use witness::{found, path, witness};
pub use world::World;
