//! The client API: HTTP and JSON. `harness/docs/http-api.md` describes it for other people's clients.

use super::{
    shell::{Command, StatePage, Status},
    stepped::{Look, Order},
};
use axum::{
    Json, Router,
    extract::{Path, Query, Request as HttpRequest, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use quarrel_models::{
    id::WriteId,
    message::{ReadView, Refusal, Reply, Request, Written},
    operation::Operation,
    value::Key,
    version::VersionVector,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The header that control requests carry.
pub const SECRET_HEADER: &str = "x-quarrel-secret";
/// No key is longer, in bytes.
pub const MAX_KEY_BYTES: usize = 512;
/// No page of records is longer.
pub const MAX_PAGE: usize = 10_000;

/// The body of a request on a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordRequest {
    /// What is asked.
    pub op: Operation,
    /// The identity of a write and its idempotency key, such as `c3.17`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<WriteId>,
    /// The context of the read that the write is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<VersionVector>,
    /// The session's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<VersionVector>,
}

/// The body of an answer: one of the fields is there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RecordReply {
    /// The write was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
    /// What the replica holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadView>,
    /// The request was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl From<Reply> for RecordReply {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Written(written) => Self { written: Some(written), ..Self::default() },
            Reply::Read(read) => Self { read: Some(read), ..Self::default() },
            Reply::Refused(refusal) => {
                Self { message: Some(refusal.to_string()), refused: Some(refusal), ..Self::default() }
            }
        }
    }
}

impl RecordReply {
    /// The reply of the core, if the body holds one.
    #[must_use]
    pub fn into_reply(self) -> Option<Reply> {
        let written = self.written.map(Reply::Written);
        written.or_else(|| self.read.map(Reply::Read)).or_else(|| self.refused.map(Reply::Refused))
    }
}

const fn status_of(reply: &Reply) -> StatusCode {
    match reply {
        Reply::Written(_) | Reply::Read(_) => StatusCode::OK,
        Reply::Refused(refusal) => match refusal {
            Refusal::NotALeader | Refusal::NotReadable => StatusCode::FORBIDDEN,
            Refusal::NoIdempotencyKey => StatusCode::BAD_REQUEST,
            Refusal::Execute(_) | Refusal::Siblings | Refusal::BySystem(_) => StatusCode::CONFLICT,
            Refusal::BehindToken | Refusal::HomeUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::HomeSilent => StatusCode::GATEWAY_TIMEOUT,
        },
    }
}

#[derive(Clone)]
struct Api {
    commands: mpsc::Sender<Command>,
    secret: Arc<str>,
}

/// The routes of a node; those of a stepped one only where it is.
pub(super) fn router(commands: mpsc::Sender<Command>, secret: &str, stepped: bool) -> Router {
    let api = Api { commands, secret: secret.into() };
    let mut control = Router::new()
        .route("/v1/state", get(state))
        .route("/v1/status", get(status))
        .route("/v1/shutdown", post(shutdown));
    if stepped {
        control = control.route("/v1/stepped", get(look).post(order));
    }
    let control = control.route_layer(middleware::from_fn_with_state(api.clone(), check_secret));
    Router::new().route("/v1/records/{key}", get(read).post(operate)).merge(control).with_state(api)
}

async fn check_secret(
    State(api): State<Api>,
    headers: HeaderMap,
    request: HttpRequest,
    next: Next,
) -> Response {
    let shown = headers.get(SECRET_HEADER).map(axum::http::HeaderValue::as_bytes);
    if shown == Some(api.secret.as_bytes()) {
        next.run(request).await
    } else {
        problem(
            StatusCode::FORBIDDEN,
            format!("control requests need the run's secret in the header {SECRET_HEADER}"),
        )
    }
}

fn problem(status: StatusCode, message: String) -> Response {
    (status, Json(RecordReply { message: Some(message), ..RecordReply::default() })).into_response()
}

fn going_down() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the node is shutting down".to_owned())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadParameters {
    /// A JSON array of positions.
    token: Option<String>,
}

async fn read(
    State(api): State<Api>,
    Path(key): Path<String>,
    Query(query): Query<ReadParameters>,
) -> Response {
    let token = match query.token.as_deref().map(serde_json::from_str).transpose() {
        Ok(token) => token,
        Err(error) => {
            let message = format!("the token is a JSON array of positions, such as [3,0,7]: {error}");
            return problem(StatusCode::BAD_REQUEST, message);
        }
    };
    ask(&api, &key, RecordRequest { op: Operation::Read, write: None, context: None, token }).await
}

async fn operate(
    State(api): State<Api>,
    Path(key): Path<String>,
    body: Result<Json<RecordRequest>, JsonRejection>,
) -> Response {
    match body {
        Ok(Json(request)) => ask(&api, &key, request).await,
        Err(rejection) => problem(rejection.status(), rejection.body_text()),
    }
}

async fn ask(api: &Api, key: &str, request: RecordRequest) -> Response {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        let message = format!("a key has 1 to {MAX_KEY_BYTES} bytes; this one has {}", key.len());
        return problem(StatusCode::BAD_REQUEST, message);
    }
    let RecordRequest { op, write, context, token } = request;
    let request = Request { key: Key::new(key), operation: op, write, context, token };
    let (reply, answer) = oneshot::channel();
    if api.commands.send(Command::Request { request, reply }).await.is_err() {
        return going_down();
    }
    match answer.await {
        Ok(reply) => (status_of(&reply), Json(RecordReply::from(reply))).into_response(),
        Err(_) => going_down(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateParameters {
    after: Option<String>,
    limit: Option<usize>,
}

async fn state(State(api): State<Api>, Query(query): Query<StateParameters>) -> Response {
    let limit = query.limit.unwrap_or(1000).clamp(1, MAX_PAGE);
    let after = query.after.as_deref().map(Key::new);
    query_shell::<StatePage>(&api, |reply| Command::State { after, limit, reply }).await
}

async fn status(State(api): State<Api>) -> Response {
    query_shell::<Status>(&api, |reply| Command::Status { reply }).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LookParameters {
    taken: u64,
}

async fn look(State(api): State<Api>, Query(query): Query<LookParameters>) -> Response {
    query_shell::<Look>(&api, |reply| Command::Look { taken: query.taken, reply }).await
}

async fn order(State(api): State<Api>, Json(order): Json<Order>) -> Response {
    query_shell::<Look>(&api, |reply| Command::Order { order, reply }).await
}

async fn shutdown(State(api): State<Api>) -> Response {
    query_shell::<()>(&api, |reply| Command::Shutdown { reply }).await
}

async fn query_shell<T: Serialize>(
    api: &Api,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Response {
    let (reply, answer) = oneshot::channel();
    if api.commands.send(command(reply)).await.is_err() {
        return going_down();
    }
    match answer.await {
        Ok(answer) => Json(answer).into_response(),
        Err(_) => going_down(),
    }
}
