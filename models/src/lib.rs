//! The replica core of quarrel, without I/O.
#![no_std]
