//! Recorded histories of all formats, and the stand-alone checkers over them.

mod corpus;
mod jepsen;
mod reading;
mod transactions;
mod verdicts;
