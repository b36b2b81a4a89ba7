//! One client's connections to MariaDB: a request is a transaction on one row.
//!
//! A write locks its row, reads what it is executed on and what its leader has applied (the GTID position: one domain a
//! leader, so it is a version vector), updates, and commits; the GTID of the commit is the write's dot. A write that
//! changes no row was beaten by the trigger on the spot, and is refused. Until the commit has been sent, a failure is
//! definite: the server rolls back what is not committed.

use super::{Dots, gtid};
use crate::{runner::Answered, systems::reference::Endpoints};
use mysql_async::{Conn, Opts, OptsBuilder, Params, Row, prelude::Queryable as _};
use quarrel_models::{
    clock::Stamp,
    id::{Dot, ReplicaId, WriteId},
    message::{ReadView, Refusal, Reply, Request, Written},
    operation::Operation,
    value::Value,
    version::{Version, VersionVector},
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// One client's connections, one to each replica that it has asked. Clones share them.
#[derive(Debug, Clone)]
pub struct Connections {
    endpoints: Arc<Endpoints>,
    patience: Duration,
    idle: Arc<Mutex<BTreeMap<ReplicaId, (SocketAddr, Conn)>>>,
    dots: Dots,
}

/// A transaction that did not come to its end.
enum Broken {
    /// The server refused a statement.
    Refused(Refusal),
    /// The connection broke, or something strange came.
    Lost,
}

impl From<mysql_async::Error> for Broken {
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Server(said) => {
                Self::Refused(Refusal::BySystem(format!("error {}: {}", said.code, said.message).into()))
            }
            _ => Self::Lost,
        }
    }
}

/// A row, as it is held.
pub(super) struct Held {
    pub(super) value: Option<Value>,
    pub(super) write: Option<WriteId>,
    pub(super) stamp: Stamp,
    pub(super) leader: ReplicaId,
}

impl Held {
    /// Reads the columns `n, w, ts, node` of a row, from this one on.
    pub(super) fn of(row: &Row, at: usize) -> Option<Self> {
        let write: Option<String> = row.get(at + 1)?;
        Some(Self {
            value: row.get::<Option<i64>, _>(at)?.map(Value::Int),
            write: write.and_then(|write| write.parse().ok()),
            stamp: Stamp { time_us: row.get(at + 2)?, logical: 0 },
            leader: ReplicaId(row.get::<u8, _>(at + 3)?.saturating_sub(1)),
        })
    }
}

/// How to reach a server as a client.
pub(super) fn options(address: SocketAddr) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname(address.ip().to_string())
        .tcp_port(address.port())
        .user(Some("quarrel"))
        .db_name(Some("quarrel"))
        .prefer_socket(Some(false))
        .into()
}

impl Connections {
    pub(super) fn new(endpoints: Arc<Endpoints>, patience: Duration, dots: Dots) -> Self {
        Self { endpoints, patience, idle: Arc::default(), dots }
    }

    /// Sends a request to the replica and waits for its answer.
    pub(crate) async fn send(&self, at: ReplicaId, request: Request) -> Answered {
        let mut committing = false;
        match timeout(self.patience, self.transact(at, request, &mut committing)).await {
            Ok(Some(answered)) => answered,
            _ if committing => Answered::Nothing,
            Ok(None) => Answered::NotSent,
            Err(_) => refused("no answer in time; the transaction was not committed"),
        }
    }

    /// `None` if the connection broke.
    async fn transact(&self, at: ReplicaId, request: Request, committing: &mut bool) -> Option<Answered> {
        let address = self.endpoints.get(at)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).remove(&at);
        let mut connection = match idle {
            Some((to, connection)) if to == address => connection,
            _ => Conn::new(options(address)).await.ok()?,
        };
        let done = match (request.write, &request.operation) {
            (Some(write), operation) if operation.is_write() => {
                self.write(&mut connection, at, &request.key, operation, write, committing).await
            }
            _ => self.read(&mut connection, &request.key).await,
        };
        let answer = match done {
            Ok(reply) => reply,
            Err(Broken::Refused(_)) if *committing => return None,
            Err(Broken::Refused(refusal)) => {
                connection.query_drop("rollback").await.ok()?;
                Reply::Refused(refusal)
            }
            Err(Broken::Lost) => return None,
        };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).insert(at, (address, connection));
        Some(Answered::Reply(answer))
    }

    async fn read(&self, connection: &mut Conn, key: &str) -> Result<Reply, Broken> {
        let applied = applied(connection).await?;
        let row: Option<Row> =
            connection.exec_first("select n, w, ts, node from records where k = ?", (key,)).await?;
        let held = row.as_ref().and_then(|row| Held::of(row, 0)).ok_or(Broken::Lost)?;
        let versions = held.write.map(|write| Version {
            write,
            dot: self.dots.get(write).unwrap_or(Dot { origin: held.leader, position: 0 }),
            stamp: held.stamp,
            context: VersionVector::new(),
            value: held.value.clone(),
            updates: 0,
        });
        Ok(Reply::Read(ReadView {
            value: held.value,
            versions: versions.into_iter().collect(),
            resolved: true,
            context: applied.clone(),
            applied,
        }))
    }

    async fn write(
        &self,
        connection: &mut Conn,
        at: ReplicaId,
        key: &str,
        operation: &Operation,
        write: WriteId,
        committing: &mut bool,
    ) -> Result<Reply, Broken> {
        let (change, number) = match operation {
            Operation::Put(Value::Int(number)) => ("?", *number),
            Operation::Add(delta) => ("coalesce(n, 0) + ?", *delta),
            other => {
                let why = format!("the table has no way to carry out {other:?}");
                return Ok(Reply::Refused(Refusal::BySystem(why.into())));
            }
        };
        connection.query_drop("begin").await?;
        let row: Option<Row> = connection
            .exec_first("select n, w, ts, node from records where k = ? for update", (key,))
            .await?;
        let before = row.as_ref().and_then(|row| Held::of(row, 0)).ok_or(Broken::Lost)?;
        let knew = applied(connection).await?;
        let update = format!(
            "update records set n = {change}, w = ?, node = @@server_id, \
             ts = cast(unix_timestamp(now(6)) * 1000000 as signed) where k = ?"
        );
        let values: Params = (number, write.to_string(), key).into();
        connection.exec_drop(update, values).await?;
        if connection.affected_rows() == 0 {
            let why = "the update changed no row: what is held is later by the trigger's rule";
            return Err(Broken::Refused(Refusal::BySystem(why.into())));
        }
        let stamp: Option<i64> = connection.exec_first("select ts from records where k = ?", (key,)).await?;
        *committing = true;
        connection.query_drop("commit").await?;
        let last: Option<String> = connection.query_first("select @@last_gtid").await?;
        let dot = last.as_deref().and_then(gtid::dot).filter(|dot| dot.origin == at).ok_or(Broken::Lost)?;
        self.dots.put(write, dot);
        let stamp = Stamp { time_us: stamp.ok_or(Broken::Lost)?, logical: 0 };
        let on = before.write.into_iter().collect();
        Ok(Reply::Written(Written { dot, stamp, knew, on, duplicate: false }))
    }
}

/// What the server has applied of each leader's log.
async fn applied(connection: &mut Conn) -> Result<VersionVector, Broken> {
    let position: Option<String> = connection.query_first("select @@global.gtid_current_pos").await?;
    gtid::vector(&position.unwrap_or_default()).ok_or(Broken::Lost)
}

fn refused(why: &str) -> Answered {
    Answered::Reply(Reply::Refused(Refusal::BySystem(why.into())))
}
