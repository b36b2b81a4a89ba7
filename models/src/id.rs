//! Names of things: replicas, links, clients, writes, positions.
//!
//! In text (JSON, reports) every name is a short string that people can say aloud: replica `B`, link `A>B`, write
//! `c3.17`, dot `A:204`. In binary formats it is its integers.

use alloc::string::{String, ToString};
use core::{fmt, num::ParseIntError, str::FromStr};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The most replicas that one cluster can have: they are named by the letters of the alphabet.
pub const MAX_REPLICAS: usize = 26;

/// A replica: leaders come first, followers after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u8);

/// A client, and with it its one session: the session survives relocation to another leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

/// A directed replication link: data flows from `from` to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    /// The replica that sends.
    pub from: ReplicaId,
    /// The replica that receives.
    pub to: ReplicaId,
}

/// A write of a client. It is also the idempotency key: a retry at another leader carries the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId {
    /// The client that issued it.
    pub client: ClientId,
    /// The number of the write within its client, from 1.
    pub sequence: u32,
}

/// The position of an entry in the log of its origin, from 1. Zero means "nothing yet".
pub type LogPosition = u32;

/// Where a write entered the cluster: the leader that took it and its position in that leader's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// The leader that took the write.
    pub origin: ReplicaId,
    /// The position in its log, from 1.
    pub position: LogPosition,
}

impl ReplicaId {
    /// The index of the replica, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The replica with this index.
    ///
    /// # Panics
    /// If `index` is not below [`MAX_REPLICAS`].
    #[must_use]
    pub const fn from_index(index: usize) -> Self {
        assert!(index < MAX_REPLICAS, "a replica's index is below 26");
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        Self(index as u8)
    }
}

/// A name that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseNameError {
    text: String,
    expected: &'static str,
}

fn unreadable(text: &str, expected: &'static str) -> ParseNameError {
    ParseNameError { text: text.to_string(), expected }
}

fn number(text: &str) -> Result<u32, ParseIntError> {
    text.parse()
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(b'A' + self.0 % 26))
    }
}

impl FromStr for ReplicaId {
    type Err = ParseNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes() {
            [letter @ b'A'..=b'Z'] => Ok(Self(letter - b'A')),
            _ => Err(unreadable(text, "a replica: one capital letter, such as `A`")),
        }
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl FromStr for ClientId {
    type Err = ParseNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix('c')
            .and_then(|rest| number(rest).ok())
            .map(Self)
            .ok_or_else(|| unreadable(text, "a client, such as `c3`"))
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{}", self.from, self.to)
    }
}

impl FromStr for LinkId {
    type Err = ParseNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (from, to) = text.split_once('>')?;
            Some(Self { from: from.trim().parse().ok()?, to: to.trim().parse().ok()? })
        };
        parse().ok_or_else(|| unreadable(text, "a directed link, such as `A>B`"))
    }
}

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.client, self.sequence)
    }
}

impl FromStr for WriteId {
    type Err = ParseNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (client, sequence) = text.split_once('.')?;
            Some(Self { client: client.parse().ok()?, sequence: number(sequence).ok()? })
        };
        parse().ok_or_else(|| unreadable(text, "a write, such as `c3.17` (client and number)"))
    }
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin, self.position)
    }
}

impl FromStr for Dot {
    type Err = ParseNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (origin, position) = text.split_once(':')?;
            Some(Self { origin: origin.parse().ok()?, position: number(position).ok()? })
        };
        parse().ok_or_else(|| unreadable(text, "a log position, such as `A:204`"))
    }
}

/// Text for people, integers for machines.
macro_rules! serde_as_name {
    ($name:ident, $binary:ty, $to:expr, $from:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    let to: fn(&$name) -> $binary = $to;
                    to(self).serialize(serializer)
                }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    // A visitor and not `&str`: some readers only lend text for the length of a call.
                    struct Name;
                    impl serde::de::Visitor<'_> for Name {
                        type Value = $name;
                        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                            f.write_str(concat!("the text of a ", stringify!($name)))
                        }
                        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                            text.parse().map_err(E::custom)
                        }
                    }
                    deserializer.deserialize_str(Name)
                } else {
                    let from: fn($binary) -> Option<$name> = $from;
                    from(<$binary>::deserialize(deserializer)?)
                        .ok_or_else(|| D::Error::custom(concat!("not a ", stringify!($name))))
                }
            }
        }
    };
}

fn replica(index: u8) -> Option<ReplicaId> {
    (usize::from(index) < MAX_REPLICAS).then_some(ReplicaId(index))
}

serde_as_name!(ReplicaId, u8, |id| id.0, replica);
serde_as_name!(ClientId, u32, |id| id.0, |n| Some(ClientId(n)));
serde_as_name!(LinkId, (u8, u8), |id| (id.from.0, id.to.0), |(from, to)| Some(LinkId {
    from: replica(from)?,
    to: replica(to)?
}));
serde_as_name!(WriteId, (u32, u32), |id| (id.client.0, id.sequence), |(client, sequence)| Some(WriteId {
    client: ClientId(client),
    sequence
}));
serde_as_name!(Dot, (u8, u32), |id| (id.origin.0, id.position), |(origin, position)| Some(Dot {
    origin: replica(origin)?,
    position
}));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_they_were_written() {
        let link = LinkId { from: ReplicaId(0), to: ReplicaId(25) };
        assert_eq!(link.to_string(), "A>Z");
        assert_eq!("A>Z".parse(), Ok(link));
        let write = WriteId { client: ClientId(3), sequence: 17 };
        assert_eq!(serde_json::to_string(&write).unwrap(), "\"c3.17\"");
        assert_eq!(serde_json::from_str::<WriteId>("\"c3.17\"").unwrap(), write);
        assert_eq!("B:204".parse(), Ok(Dot { origin: ReplicaId(1), position: 204 }));
    }

    #[test]
    fn a_replica_outside_the_alphabet_is_refused_in_binary_too() {
        assert!(postcard::from_bytes::<ReplicaId>(&[26]).is_err());
        assert_eq!(postcard::from_bytes::<ReplicaId>(&[25]), Ok(ReplicaId(25)));
    }

    #[test]
    fn an_unreadable_name_says_what_was_expected() {
        let error = "AB".parse::<ReplicaId>().unwrap_err();
        assert_eq!(error.to_string(), "`AB` is not a replica: one capital letter, such as `A`");
    }
}
