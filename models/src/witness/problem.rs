//! What can be wrong with a witness that reads well: errors name the step and say how to mend it.

use super::{Digest, Frame};
use crate::{
    id::{ClientId, LinkId, ReplicaId, WriteId},
    topology::TopologyError,
};
use alloc::{string::String, vec::Vec};
use core::fmt;

/// A witness that cannot be played, or does not end as it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// The cluster cannot work.
    #[error("the cluster of the witness cannot work: {0}")]
    Cluster(#[from] TopologyError),
    /// A client begins where nothing is.
    #[error("client {client} begins at {at}, and the replicas are A to {last}")]
    Client {
        /// The client.
        client: ClientId,
        /// Where it is said to begin.
        at: ReplicaId,
        /// The last replica.
        last: ReplicaId,
    },
    /// A step cannot happen, or has another outcome.
    #[error("step {step}: {problem}")]
    Step {
        /// Its number, from 1.
        step: usize,
        /// What is wrong.
        problem: Problem,
    },
    /// It ends otherwise.
    #[error("at the end {what} is {found}, and the witness says {expected}")]
    End {
        /// Of what.
        what: String,
        /// What the witness says.
        expected: String,
        /// What is.
        found: String,
    },
}

/// Why a step cannot happen, or is not what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no such replica.
    #[error("there is no replica {0}")]
    NoReplica(ReplicaId),
    /// There is no such link.
    #[error("the cluster has no link {0}")]
    NoLink(LinkId),
    /// There is no such client.
    #[error("there is no client {0}: name it under `clients`")]
    NoClient(ClientId),
    /// Nothing is under way on the link.
    #[error("link {0} has nothing to deliver")]
    NothingToDeliver(LinkId),
    /// Something else is under way on the link.
    #[error("link {link} does not carry {frame}; under way are: {}", Listed(under_way))]
    NotUnderWay {
        /// The link.
        link: LinkId,
        /// What the step delivers.
        frame: Frame,
        /// What could be delivered.
        under_way: Vec<Frame>,
    },
    /// No acknowledgement is under way against the link.
    #[error("no acknowledgement is under way against link {0}")]
    NothingToAcknowledge(LinkId),
    /// The link is cut or stalled.
    #[error("link {0} is cut or stalled: heal it first")]
    Blocked(LinkId),
    /// The client has no request under way to that replica.
    #[error("{client} has no request under way to {at}")]
    NoRequest {
        /// The client.
        client: ClientId,
        /// The replica.
        at: ReplicaId,
    },
    /// The client has an operation under way.
    #[error("{0} has an operation under way, and begins another only when that has ended")]
    Busy(ClientId),
    /// The write will have another name.
    #[error("the next write of this client is {is}, not {said}")]
    OtherWrite {
        /// What the step says.
        said: WriteId,
        /// What it is.
        is: WriteId,
    },
    /// The replica does not run.
    #[error("{0} does not run")]
    NotRunning(ReplicaId),
    /// The replica runs.
    #[error("{0} runs: only a dead replica restarts")]
    Running(ReplicaId),
    /// The replica is dead for good.
    #[error("{0} is dead for good")]
    Gone(ReplicaId),
    /// Time goes back.
    #[error(
        "the true time goes back from {from_us} us to {to_us} us; to set a clock back is a fault of its own"
    )]
    TimeGoesBack {
        /// The time of the step before.
        from_us: i64,
        /// The time of this one.
        to_us: i64,
    },
    /// The log is shorter than what is to be lost of it.
    #[error("the log of {replica} does not have {records} records to lose")]
    ShortLog {
        /// The replica.
        replica: ReplicaId,
        /// How many are to be lost.
        records: u32,
    },
    /// A replica's log cannot be read back: a defect of the core.
    #[error("{replica} does not understand its own log: {why}")]
    Log {
        /// The replica.
        replica: ReplicaId,
        /// What is wrong with the log.
        why: String,
    },
    /// A replica is not what the witness says.
    #[error("{replica} has digest {found} after this step, and the witness says {expected}")]
    Digest {
        /// The replica.
        replica: ReplicaId,
        /// What the witness says.
        expected: Digest,
        /// What is.
        found: Digest,
    },
    /// The step is no action of the model.
    #[error("the model has no such step: {0}")]
    NotInModel(String),
    /// The model does not allow it here.
    #[error("the bounds of the model do not allow this here: {0}")]
    NotEnabled(String),
}

/// Names in a row.
struct Listed<'a>(&'a [Frame]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, frame) in self.0.iter().enumerate() {
            write!(f, "{}{frame}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}
