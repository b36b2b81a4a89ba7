//! Histories, checkers, workloads, contracts and scenarios of quarrel.
//!
//! Everything here is a pure function of what it is given: no async, no clock, no I/O but the given readers and
//! writers. Data flows one way: scenario -> runner -> history -> checkers -> verdict -> reports.

pub mod checker;
pub mod contract;
pub mod history;
pub mod judge;
pub mod mark;
pub mod scenario;
pub mod schedule;
pub mod simulation;
pub mod verdict;
pub mod workload;
