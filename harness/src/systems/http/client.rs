//! A client of ours, asking servers as the scenario says.

use super::mapping::{Filled, Mapping, Told};
use crate::{runner::Answered, systems::black_box};
use quarrel_models::{
    id::{ReplicaId, WriteId},
    message::{Refusal, Reply, Request},
    operation::Operation,
    value::{Key, Value},
};
use quarrel_workloads::scenario::HttpRequest;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The records that anybody has asked for: those that are read in the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked(Arc<Mutex<BTreeSet<Key>>>);

impl Asked {
    fn add(&self, key: &Key) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.contains(key) {
            keys.insert(key.clone());
        }
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// One client's connections. Clones share them.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    mapping: Arc<Mapping>,
    servers: Arc<[String]>,
    asked: Asked,
}

impl Client {
    pub(super) fn new(
        mapping: Arc<Mapping>,
        servers: Arc<[String]>,
        asked: Asked,
        patience: Duration,
    ) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(patience)
            .no_proxy()
            .tcp_nodelay(true)
            // One request is one arrival: nothing may send again behind our back.
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(1)
            .build()?;
        Ok(Self { http, mapping, servers, asked })
    }

    /// Sends a request to the server and waits for its answer.
    pub(crate) async fn send(&self, at: ReplicaId, request: Request) -> Answered {
        let Request { key, operation, write, .. } = request;
        self.asked.add(&key);
        match self.ask(at, &key, &operation, write).await {
            Told::Done => Answered::Reply(Reply::Written(black_box::done(at))),
            Told::Held(value) => Answered::Reply(Reply::Read(black_box::shown(value))),
            Told::Refused(why) => Answered::Reply(Reply::Refused(Refusal::BySystem(why.into()))),
            Told::NotSent => Answered::NotSent,
            Told::Open => Answered::Nothing,
        }
    }

    /// Asks for one operation.
    pub(super) async fn ask(
        &self,
        at: ReplicaId,
        key: &Key,
        operation: &Operation,
        write: Option<WriteId>,
    ) -> Told {
        let Some(Filled { described, path, body }) = self.mapping.request(key, operation, write) else {
            return Told::Refused(format!("the scenario describes no request for {operation:?}"));
        };
        match self.fetch(at, described, &path, body).await {
            Ok((status, text)) => self.mapping.told(operation, described, status, &text),
            Err(error) if error.is_connect() => Told::NotSent,
            Err(_) => Told::Open,
        }
    }

    /// All that a server shows at once; `None` if the scenario describes no request for it.
    pub(super) async fn state(&self, at: ReplicaId) -> Option<Result<BTreeMap<Key, Value>, String>> {
        let described = self.mapping.http.state.as_ref()?;
        Some(match self.fetch(at, described, &described.path, described.body.clone()).await {
            Ok((status, text)) if status.is_success() => self.mapping.state(described, &text),
            Ok((status, _)) => Err(format!("reading the state: {status}")),
            Err(error) => Err(format!("reading the state: {}", plain(&error))),
        })
    }

    /// Whether a server is ready; `Err` why not.
    pub(super) async fn is_healthy(&self, at: ReplicaId) -> Result<(), String> {
        let described = self.mapping.http.health.as_ref();
        let path = described.map_or("/", |health| health.path.as_str());
        let health = described.unwrap_or(&self.mapping.http.read);
        let body = described.and_then(|health| health.body.clone());
        match self.fetch(at, health, path, body).await {
            Ok((status, _)) if status.is_success() || described.is_none() => Ok(()),
            Ok((status, text)) => Err(format!("{status}: {}", text.trim())),
            Err(error) => Err(plain(&error)),
        }
    }

    async fn fetch(
        &self,
        at: ReplicaId,
        described: &HttpRequest,
        path: &str,
        body: Option<String>,
    ) -> reqwest::Result<(reqwest::StatusCode, String)> {
        let method = reqwest::Method::from_bytes(described.method.name().as_bytes()).unwrap_or_default();
        let mut request = self.http.request(method, format!("{}{path}", self.servers[at.index()]));
        let has_type = described.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
        if let Some(body) = body {
            if !has_type {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body);
        }
        for (name, value) in &described.headers {
            request = request.header(name, value);
        }
        let response = request.send().await?;
        Ok((response.status(), response.text().await?))
    }
}

/// The innermost cause: what a user can do something about.
fn plain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
