//! Recorded histories of all formats, and the stand-alone checkers over them.

mod causality;
mod corpus;
mod jepsen;
mod linearizable;
mod reading;
mod replicas;
mod transactions;
mod verdicts;
