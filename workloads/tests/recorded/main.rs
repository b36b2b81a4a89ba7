//! Recorded histories of all formats, and the stand-alone checkers over them.

mod causality;
mod corpus;
mod damage;
mod jepsen;
mod reading;
mod replicas;
mod set_full;
mod writing;
