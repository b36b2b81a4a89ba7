//! The accepting side of one proxy.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinSet};

use super::connection::carry;
use super::link::Link;
use super::shape::Shape;

/// A listener on a loopback port of the system's choice. To be called within the runtime that will accept.
pub(super) fn bind() -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Accepts connections and carries them until the owner stops the proxy (`stop` is sent to or dropped). When this
/// future ends or is dropped, the port and all connections are closed.
pub(super) async fn serve(
    link: Arc<Link>,
    listener: TcpListener,
    shapes: watch::Receiver<Shape>,
    mut stop: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            biased;
            _ = &mut stop => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => surface_panic(ended),
            client = accept(&listener) => {
                link.tally.accepted.one_more();
                connections.spawn(carry(Arc::clone(&link), client, number, shapes.clone()));
                number += 1;
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((client, _)) => return client,
            // The peer has gone again, or the process is out of descriptors: then trying at once would spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// A broken invariant in a connection must not pass for a network fault.
fn surface_panic(ended: Result<(), JoinError>) {
    if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
        std::panic::resume_unwind(panic);
    }
}
