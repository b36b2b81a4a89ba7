//! quarrel: finds the writes that a multi-leader database loses, and says why.

pub mod proxy;
