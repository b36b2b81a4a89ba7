//! Histories, checkers, workloads, contracts and scenarios of quarrel.
