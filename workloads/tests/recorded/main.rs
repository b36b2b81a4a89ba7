//! Recorded histories of all formats, and the stand-alone checkers over them.

mod corpus;
mod jepsen;
mod linearizable;
mod reading;
mod transactions;
mod verdicts;
