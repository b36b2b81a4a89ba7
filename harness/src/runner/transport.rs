//! Carries one request to a replica over HTTP, once.

use crate::{
    node::{RecordReply, RecordRequest},
    systems::reference::{Endpoints, percent_encode},
};
use quarrel_models::{
    id::ReplicaId,
    message::{Reply, Request},
};
use std::{sync::Arc, time::Duration};

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answered {
    /// The replica answered.
    Reply(Reply),
    /// No answer came: the request may have been carried out.
    Nothing,
    /// The request did not leave.
    NotSent,
}

/// One client's connections.
#[derive(Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    endpoints: Arc<Endpoints>,
}

impl Transport {
    /// Connections of one client, with this patience.
    ///
    /// # Errors
    /// If the HTTP client cannot be made.
    pub(super) fn new(endpoints: Arc<Endpoints>, timeout: Duration) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .no_proxy()
            .tcp_nodelay(true)
            // One request is one arrival: nothing may send again behind our back.
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(1)
            .build()?;
        Ok(Self { http, endpoints })
    }

    /// Sends a request to the replica and waits for its answer.
    pub(super) async fn send(&self, at: ReplicaId, request: Request) -> Answered {
        let Some(address) = self.endpoints.get(at) else { return Answered::NotSent };
        let Request { key, operation, write, context, token } = request;
        let url = format!("http://{address}/v1/records/{}", percent_encode(&key));
        let body = RecordRequest { op: operation, write, context, token };
        let answer = match self.http.post(url).json(&body).send().await {
            Ok(response) => response.json::<RecordReply>().await,
            Err(error) if error.is_connect() => return Answered::NotSent,
            Err(error) => Err(error),
        };
        match answer.map(RecordReply::into_reply) {
            Ok(Some(reply)) => Answered::Reply(reply),
            _ => Answered::Nothing,
        }
    }
}
