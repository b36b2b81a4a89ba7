//! Linearizability: whether there is one order of all operations that explains every result and keeps real time.

mod configuration;
mod mask;
mod object;
mod objects;
mod search;
mod specification;
mod text;
mod witness;
mod zones;

#[cfg(test)]
mod brute_force;
