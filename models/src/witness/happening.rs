//! What was seen while a witness was played: facts in their order, for narration and diagrams.

use super::Frame;
use crate::{
    clock::Stamp,
    id::{ClientId, LinkId, ReplicaId, WriteId},
    message::{Reply, Request, TraceEvent},
    operation::Operation,
    session::{Outcome, Resolution},
    strategy::{Decision, Site},
    value::{Key, Value},
    version::{Version, Versions},
};
use alloc::boxed::Box;

/// One fact. Messages have numbers, so that a delivery finds its sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A client began an operation.
    Began {
        /// Who.
        client: ClientId,
        /// The identity of a write.
        write: Option<WriteId>,
        /// The record.
        key: Key,
        /// What is asked of it.
        operation: Operation,
    },
    /// A request left its client.
    Asked {
        /// Who.
        client: ClientId,
        /// Where it goes.
        to: ReplicaId,
        /// The request.
        request: Request,
    },
    /// A request reached a replica.
    Arrived {
        /// Whose.
        client: ClientId,
        /// Where.
        at: ReplicaId,
        /// The request.
        request: Request,
    },
    /// A request that was under way is lost.
    RequestLost {
        /// Whose.
        client: ClientId,
        /// Where it went.
        to: ReplicaId,
    },
    /// A version met a replica's store.
    Applied(Box<Applied>),
    /// A replica did something else.
    Told {
        /// Which.
        at: ReplicaId,
        /// What.
        event: TraceEvent,
    },
    /// A message is under way.
    Sent {
        /// Its number.
        message: usize,
        /// The link.
        link: LinkId,
        /// Whether it goes against the link's direction.
        back: bool,
        /// What it is called.
        frame: Frame,
        /// The writes in it.
        writes: Box<[WriteId]>,
    },
    /// A message arrived.
    Delivered {
        /// Its number.
        message: usize,
        /// The link.
        link: LinkId,
        /// Whether it goes against the link's direction.
        back: bool,
        /// What it is called.
        frame: Frame,
        /// The writes in it.
        writes: Box<[WriteId]>,
    },
    /// A message that was under way is lost.
    Lost {
        /// Its number.
        message: usize,
        /// The link.
        link: LinkId,
    },
    /// The connection of a link came up: its receiver is about to greet its sender.
    Connected {
        /// The link.
        link: LinkId,
    },
    /// The connection of a link broke, and its sender, which lives, noticed.
    Disconnected {
        /// The link.
        link: LinkId,
    },
    /// A client got the answer that it waited for.
    Answered {
        /// Who.
        client: ClientId,
        /// Who answered.
        by: ReplicaId,
        /// The answer.
        reply: Reply,
    },
    /// A replica answered a request whose client waits for something else by now.
    Unheard {
        /// Who answered.
        by: ReplicaId,
    },
    /// A session made one of several versions that it read.
    Resolved {
        /// Whose.
        client: ClientId,
        /// Of which, and what it made of them.
        resolution: Box<Resolution>,
    },
    /// An operation of a client ended.
    Ended {
        /// Whose.
        client: ClientId,
        /// The identity of the write, if it was one.
        write: Option<WriteId>,
        /// How.
        outcome: Outcome,
    },
}

/// A version that met a replica's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Where.
    pub at: ReplicaId,
    /// Whether the write was taken here or came from elsewhere.
    pub site: Site,
    /// The record.
    pub key: Key,
    /// The version.
    pub version: Version,
    /// What became of it.
    pub decision: Decision,
    /// The version that it met and that did not simply come before it.
    pub against: Option<WriteId>,
    /// Whether the system leaves a record of the conflict.
    pub recorded: bool,
    /// What was held before.
    pub held: Versions,
    /// The one value that is shown then; absent if it is deleted, or if versions stand side by side.
    pub shown: Option<Value>,
    /// How far the replica's clock stood from the truth, microseconds.
    pub offset_us: i64,
}

impl Applied {
    /// The stamp of a version that was held before.
    #[must_use]
    pub fn stamp_of(&self, write: WriteId) -> Option<Stamp> {
        self.held.iter().find(|held| held.write == write).map(|held| held.stamp)
    }
}
