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
pub(crate) enum Answered {
    /// The replica answered.
    Reply(Reply),
    /// No answer came: the request may have been carried out.
    Nothing,
    /// The request did not leave.
    NotSent,
}

/// One client's connections. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    endpoints: Arc<Endpoints>,
}

impl Transport {
    /// Connections of one client, with this patience.
    ///
    /// # Errors
    /// If the HTTP client cannot be made.
    pub(crate) fn new(endpoints: Arc<Endpoints>, timeout: Duration) -> reqwest::Result<Self> {
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
    pub(crate) async fn send(&self, at: ReplicaId, request: Request) -> Answered {
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

#[cfg(test)]
mod tests {
    use super::*;
    use quarrel_models::{id::WriteId, operation::Operation};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    /// What a server does with a request once it has read some of it.
    #[derive(Clone, Copy)]
    enum Answer {
        Close,
        Silence,
        Unavailable,
    }

    /// Sends one write to a server that treats it badly; gives back what came of it, and how often it arrived.
    async fn send_to(answer: Answer) -> (Answered, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let arrivals = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&arrivals);
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = [0; 4096];
                if stream.read(&mut bytes).await.unwrap_or(0) > 0 {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                match answer {
                    Answer::Close => drop(stream),
                    Answer::Silence => held.push(stream),
                    Answer::Unavailable => {
                        let text = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
                        let _ = stream.write_all(text.as_bytes()).await;
                    }
                }
            }
        });
        let transport =
            Transport::new(Arc::new(Endpoints::fixed([address])), Duration::from_millis(300)).unwrap();
        let write: Option<WriteId> = "c1.1".parse().ok();
        let request = Request {
            key: "k".into(),
            operation: Operation::Put(1.into()),
            write,
            context: None,
            token: None,
        };
        let answered = transport.send(ReplicaId(0), request).await;
        (answered, arrivals.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn one_request_is_one_arrival_whatever_the_server_does() {
        for answer in [Answer::Close, Answer::Silence, Answer::Unavailable] {
            let (answered, arrivals) = send_to(answer).await;
            assert!(matches!(answered, Answered::Nothing), "{answered:?}");
            assert_eq!(arrivals, 1);
        }
    }

    #[tokio::test]
    async fn a_request_that_nobody_accepts_was_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let free = listener.local_addr().unwrap();
        drop(listener);
        let transport = Transport::new(Arc::new(Endpoints::fixed([free])), Duration::from_secs(1)).unwrap();
        let request =
            Request { key: "k".into(), operation: Operation::Read, write: None, context: None, token: None };
        assert!(matches!(transport.send(ReplicaId(0), request).await, Answered::NotSent));
    }
}
