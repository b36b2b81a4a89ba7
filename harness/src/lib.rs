//! quarrel: finds the writes that a multi-leader database loses, and says why.
//!
//! The live arena, the model checker's questions and the command line: runner, nemesis, link proxies, nodes, systems under test, results, reports.

pub mod ci;
pub mod cli;
pub mod clock_file;
pub mod exit;
pub mod handler;
pub mod latency;
pub mod model;
pub mod node;
pub mod preload;
pub mod progress;
pub mod proxy;
pub mod replay;
pub mod report;
pub mod runner;
pub mod sim;
pub mod store;
pub mod systems;
pub mod viewer;
