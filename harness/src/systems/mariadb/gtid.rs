//! MariaDB's positions, `domain-server-sequence`: with a domain of its own for each leader they are dots.

use quarrel_models::{
    id::{Dot, MAX_REPLICAS, ReplicaId},
    version::VersionVector,
};

/// One GTID, such as `2-2-17`: the 17th event of leader B.
pub(super) fn dot(text: &str) -> Option<Dot> {
    let mut parts = text.trim().split('-');
    let domain: usize = parts.next()?.parse().ok()?;
    let _server: u64 = parts.next()?.parse().ok()?;
    let position = parts.next()?.parse().ok()?;
    let is_leader = (1..=MAX_REPLICAS).contains(&domain) && parts.next().is_none();
    is_leader.then(|| Dot { origin: ReplicaId::from_index(domain - 1), position })
}

/// A position, such as `1-1-4,2-2-17`: how far each leader's log was applied.
pub(super) fn vector(text: &str) -> Option<VersionVector> {
    let mut vector = VersionVector::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let dot = dot(part)?;
        vector.advance(dot.origin, dot.position);
    }
    Some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_version_vector() {
        let vector = vector("2-2-17,1-1-4").unwrap();
        assert_eq!(vector.as_slice(), [4, 17]);
        assert_eq!(super::vector("").unwrap(), VersionVector::new());
    }

    #[test]
    fn nonsense_is_no_position() {
        for text in ["0-1-1", "1-1", "1-1-1-1", "x-1-1", "99-1-1", "1-1-1,?"] {
            assert_eq!(vector(text), None, "{text}");
        }
    }
}
