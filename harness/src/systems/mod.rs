//! Systems under test. The reference cluster is one of them.

pub mod reference;
