//! What may happen next.

use crate::id::{ClientId, LinkId, ReplicaId};
use core::fmt;

/// One transition of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A client begins its next write.
    Call {
        /// Who.
        client: ClientId,
    },
    /// A request of a client reaches the replica that it was sent to.
    Arrive {
        /// Whose.
        client: ClientId,
        /// Which of those under way: a client that moved has several.
        at: ReplicaId,
    },
    /// The first message of a link arrives.
    Deliver {
        /// The link.
        link: LinkId,
    },
    /// The first acknowledgement against a link arrives.
    Acknowledge {
        /// The link.
        link: LinkId,
    },
    /// A wall clock is set off.
    Clock {
        /// Whose.
        replica: ReplicaId,
        /// How far from the truth, milliseconds.
        offset_ms: i8,
    },
    /// A client moves.
    Relocate {
        /// Who.
        client: ClientId,
        /// Where it goes on.
        to: ReplicaId,
        /// Whether it takes its session token along.
        token: bool,
    },
    /// A replica dies for good.
    Crash {
        /// Which.
        replica: ReplicaId,
    },
    /// A replica dies, to restart later.
    Stop {
        /// Which.
        replica: ReplicaId,
    },
    /// A replica restarts on what it persisted.
    Restart {
        /// Which.
        replica: ReplicaId,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { client } => write!(f, "{client} calls"),
            Self::Arrive { client, at } => write!(f, "{client} arrives at {at}"),
            Self::Deliver { link } => write!(f, "deliver {link}"),
            Self::Acknowledge { link } => write!(f, "acknowledge {link}"),
            Self::Clock { replica, offset_ms } => write!(f, "clock {replica} {offset_ms:+} ms"),
            Self::Relocate { client, to, token } => {
                write!(f, "{client} moves to {to} {} its token", if *token { "with" } else { "without" })
            }
            Self::Crash { replica } => write!(f, "{replica} dies for good"),
            Self::Stop { replica } => write!(f, "{replica} dies"),
            Self::Restart { replica } => write!(f, "{replica} restarts"),
        }
    }
}
