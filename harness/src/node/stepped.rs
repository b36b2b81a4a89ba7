//! A stepped node, for witnesses: it takes one input at a time, sends at once what is pending, and does nothing of its
//! own accord. Timers fire when told, and no time passes but what the clock file says.

use super::shell::{Command, Shell};
use quarrel_models::{message::Input, value::Key};
use serde::{Deserialize, Serialize};
use std::io;
use tokio::sync::{mpsc, oneshot};

/// What a stepped node can be told to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Look at the time.
    Tick,
    /// Forget all tombstones.
    Collect,
    /// Forget the conflict metadata of what is held.
    Forget,
    /// Become the home of a record.
    TakeHome(Key),
}

impl From<Order> for Input {
    fn from(order: Order) -> Self {
        match order {
            Order::Tick => Self::Tick,
            Order::Collect => Self::Collect,
            Order::Forget => Self::Forget,
            Order::TakeHome(key) => Self::TakeHome { key },
        }
    }
}

/// How far a stepped node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// How many inputs it has taken in this life: requests, messages, connections of its peers, orders. All that they
    /// cause is then durable, and on its way.
    pub taken: u64,
    /// How many messages it has handed to its connections.
    pub sent: u64,
    /// Client requests that wait for something.
    pub waiting: usize,
    /// A digest of its state, as 16 hexadecimal digits.
    pub digest: String,
}

/// Who waits until so many inputs were taken.
pub(super) type Looker = (u64, oneshot::Sender<Look>);

impl Command {
    /// Whether the core is told something that a witness counts. That a connection broke is not: how often a sender
    /// notices depends on how often it tried.
    const fn counts(&self) -> bool {
        matches!(
            self,
            Self::Request { .. } | Self::Peer { .. } | Self::InConnected { .. } | Self::Order { .. }
        )
    }
}

impl Shell {
    /// Works until a shutdown is asked for, one input at a time.
    ///
    /// # Errors
    /// As [`Shell::run`].
    pub(super) async fn run_stepped(mut self, mut commands: mpsc::Receiver<Command>) -> io::Result<()> {
        while let Some(command) = commands.recv().await {
            self.taken += u64::from(command.counts());
            self.command(command)?;
            self.step(Input::Flush)?;
            self.carry_out()?;
            if self.end_if_asked()? {
                return Ok(());
            }
            self.answer_lookers();
        }
        self.close()
    }

    fn answer_lookers(&mut self) {
        let (ready, waiting): (Vec<Looker>, Vec<Looker>) =
            std::mem::take(&mut self.lookers).into_iter().partition(|(taken, _)| *taken <= self.taken);
        self.lookers = waiting;
        for (_, looker) in ready {
            // Who has gone away needs no answer.
            let _ = looker.send(Look {
                taken: self.taken,
                sent: self.sent,
                waiting: self.replica.waiting(),
                digest: format!("{:016x}", self.replica.digest()),
            });
        }
    }
}
