//! What the tasks of one proxy share with its owner.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use super::counters::Tally;
use super::intake::{Dice, Intake};
use super::shape::{Kind, Way};

/// One directed link, as its owner describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkOptions {
    /// The link's name, for example `a->b`. With the seed it decides what the link's frame faults hit, so that
    /// no link's fate depends on another's traffic.
    pub name: String,
    /// What the link carries.
    pub kind: Kind,
    /// The seed of the run.
    pub seed: u64,
    /// Where the link leads. Without a target new connections are refused.
    pub target: Option<SocketAddr>,
}

/// The shared state of one proxy. The shape goes its own way, through a `watch` channel that wakes the tasks.
#[derive(Debug)]
pub(super) struct Link {
    name: String,
    kind: Kind,
    seed: u64,
    target: Mutex<Option<SocketAddr>>,
    pub(super) tally: Tally,
}

impl Link {
    pub(super) fn new(options: LinkOptions) -> Self {
        let LinkOptions { name, kind, seed, target } = options;
        Self { name, kind, seed, target: Mutex::new(target), tally: Tally::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn target(&self) -> Option<SocketAddr> {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_target(&self, target: Option<SocketAddr>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// The entry of one direction of the connection with this number.
    pub(super) fn intake(&self, connection: u64, way: Way) -> Intake {
        Intake::new(self.kind, Dice::new(self.seed, &self.name, connection, way))
    }
}
