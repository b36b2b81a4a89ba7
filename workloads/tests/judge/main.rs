//! Golden histories with known verdicts, damaged ones, and a brute-force second opinion.

mod anomalies;
mod brute_force;
mod cluster;
mod damage;
mod fates;
mod marks;
mod reading;
mod script;
