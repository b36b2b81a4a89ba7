//! What may happen next.

use super::scope::KEYS;
use crate::id::{ClientId, LinkId, ReplicaId, WriteId};
use core::fmt;

/// What a client asks beyond the plain write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Errand {
    /// It reads a record.
    Read {
        /// The number of the record.
        key: u8,
    },
    /// It writes to another record than the first.
    Write {
        /// The number of the record.
        key: u8,
    },
    /// It deletes a record.
    Delete {
        /// The number of the record.
        key: u8,
    },
    /// It takes back what a write put into its record.
    Erase {
        /// The write.
        of: WriteId,
    },
}

impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |key: u8| KEYS.get(usize::from(key)).copied().unwrap_or("?");
        match *self {
            Self::Read { key } => write!(f, "reads {}", name(key)),
            Self::Write { key } => write!(f, "writes to {}", name(key)),
            Self::Delete { key } => write!(f, "deletes {}", name(key)),
            Self::Erase { of } => write!(f, "takes {of} back"),
        }
    }
}

/// One transition of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A client begins its next write.
    Call {
        /// Who.
        client: ClientId,
    },
    /// A client begins something else than a plain write.
    Ask {
        /// Who.
        client: ClientId,
        /// What.
        errand: Errand,
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
    /// A wall clock jumps, relative to where it stands.
    Step {
        /// Whose.
        replica: ReplicaId,
        /// By how much, milliseconds; back when negative.
        by_ms: i8,
    },
    /// The first message of a link arrives, and stays under way to arrive once more.
    Duplicate {
        /// The link.
        link: LinkId,
    },
    /// A message of a link arrives before those ahead of it.
    Overtake {
        /// The link.
        link: LinkId,
        /// How many are ahead of it, from 1.
        ahead: u8,
    },
    /// The connection of a link on which something was lost breaks and is made anew: what the receiver lacks is sent
    /// again.
    Reconnect {
        /// The link.
        link: LinkId,
    },
    /// A link is cut: what is under way on it is lost, and no new connection is made.
    Cut {
        /// The link.
        link: LinkId,
    },
    /// A link that was cut is whole again.
    Heal {
        /// The link.
        link: LinkId,
    },
    /// The nemesis asks a leader to become the home of the record, although no client moved.
    TakeHome {
        /// The new home.
        replica: ReplicaId,
    },
    /// A replica dies, and the last records of its log with it: they were acknowledged before they were durable.
    LoseTail {
        /// Which.
        replica: ReplicaId,
        /// How many records are lost, from 1.
        records: u8,
    },
    /// A replica forgets its tombstones.
    Collect {
        /// Which.
        replica: ReplicaId,
    },
    /// A replica forgets the conflict metadata of what it holds.
    Forget {
        /// Which.
        replica: ReplicaId,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { client } => write!(f, "{client} calls"),
            Self::Ask { client, errand } => write!(f, "{client} {errand}"),
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
            Self::Step { replica, by_ms } => write!(f, "clock {replica} jumps {by_ms:+} ms"),
            Self::Duplicate { link } => write!(f, "deliver {link}, to come once more"),
            Self::Overtake { link, ahead } => write!(f, "deliver {link} past {ahead}"),
            Self::Reconnect { link } => write!(f, "reconnect {link}"),
            Self::Cut { link } => write!(f, "cut {link}"),
            Self::Heal { link } => write!(f, "heal {link}"),
            Self::TakeHome { replica } => write!(f, "{replica} is made the home"),
            Self::LoseTail { replica, records: 1 } => write!(f, "{replica} dies and loses its last record"),
            Self::LoseTail { replica, records } => {
                write!(f, "{replica} dies and loses its last {records} records")
            }
            Self::Collect { replica } => write!(f, "{replica} forgets its tombstones"),
            Self::Forget { replica } => write!(f, "{replica} forgets its conflict metadata"),
        }
    }
}
