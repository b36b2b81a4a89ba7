//! Recorded histories of all formats, and the stand-alone checkers over them.

mod causality;
mod corpus;
mod damage;
mod invariance;
mod jepsen;
mod linearizable;
mod reading;
mod replicas;
mod set_full;
mod transactions;
mod verdicts;
mod writing;
