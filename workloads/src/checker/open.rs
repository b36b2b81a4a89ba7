//! The operations that are under way: a completion belongs to its client's last invocation.

use crate::history::Event;
use quarrel_models::{
    id::{ClientId, ReplicaId, WriteId},
    operation::Operation,
    value::Key,
};
use std::collections::HashMap;

/// The beginning of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// When it began.
    pub t: u64,
    /// Who asks.
    pub client: ClientId,
    /// The replica that the client was bound to.
    pub at: ReplicaId,
    /// The record.
    pub key: Key,
    /// What is asked.
    pub op: Operation,
    /// The write's identity; absent for reads.
    pub write: Option<WriteId>,
}

/// At most one operation per client.
#[derive(Debug, Default)]
pub struct OpenOperations {
    by_client: HashMap<ClientId, Invocation>,
    completed: Option<Invocation>,
}

impl OpenOperations {
    /// Takes note of the event.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Invoke { t, client, at, key, op, write } => {
                let invocation = Invocation {
                    t: *t,
                    client: *client,
                    at: *at,
                    key: key.clone(),
                    op: op.clone(),
                    write: *write,
                };
                self.by_client.insert(*client, invocation);
            }
            Event::Ok { client, .. } | Event::Fail { client, .. } | Event::Info { client, .. } => {
                self.completed = self.by_client.remove(client);
            }
            _ => {}
        }
    }

    /// The operation that the last event began or completed.
    #[must_use]
    pub fn concerned(&self, event: &Event) -> Option<&Invocation> {
        match event {
            Event::Invoke { client, .. } => self.by_client.get(client),
            Event::Ok { .. } | Event::Fail { .. } | Event::Info { .. } => self.completed.as_ref(),
            _ => None,
        }
    }

    /// The operation that a client has under way.
    #[must_use]
    pub fn of(&self, client: ClientId) -> Option<&Invocation> {
        self.by_client.get(&client)
    }

    /// How many operations are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// Whether an operation that satisfies the condition is under way.
    pub fn any(&self, condition: impl Fn(&Invocation) -> bool) -> bool {
        self.by_client.values().any(condition)
    }
}
