//! One proxied connection: from its acceptance until both ends have closed, or a fault has ended it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use super::direction::{Direction, Failure};
use super::link::Link;
use super::shape::{Gate, Shape, Way};

/// A connection between a client and the target.
#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    forward: Direction,
    back: Direction,
}

/// Keeps the number of open connections right, also when the task is dropped.
struct Open(Arc<Link>);

impl Open {
    fn new(link: Arc<Link>) -> Self {
        link.tally.open.one_more();
        Self(link)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.tally.open.one_less();
    }
}

/// Carries one accepted connection to its end. `number` counts the link's connections.
pub(super) async fn carry(
    link: Arc<Link>,
    client: TcpStream,
    number: u64,
    mut shapes: watch::Receiver<Shape>,
) {
    let _open = Open::new(Arc::clone(&link));
    let Some(server) = reach_target(&link, &mut shapes).await else {
        reset(&client);
        return;
    };
    let direction = |way| Direction::new(Arc::clone(&link), way, number, shapes.clone());
    let (forward, back) = (direction(Way::Forward), direction(Way::Back));
    let mut connection = Connection { client, server, forward, back };
    if let Err(cause) = connection.run(&mut shapes).await {
        let counter = match cause {
            Failure::Cut => &link.tally.resets,
            Failure::Broken => &link.tally.broken,
            Failure::Oversized => &link.tally.oversized,
        };
        counter.one_more();
        reset(&connection.client);
        reset(&connection.server);
    }
}

/// Connects to the target as soon as the gate lets it. `None` if the link refuses or the target does.
async fn reach_target(link: &Link, shapes: &mut watch::Receiver<Shape>) -> Option<TcpStream> {
    let open = shapes.wait_for(|shape| matches!(shape.gate, Gate::Open | Gate::Cut)).await;
    let open = open.is_ok_and(|shape| shape.gate == Gate::Open);
    let Some(target) = link.target().filter(|_| open) else {
        link.tally.refused.one_more();
        return None;
    };
    tokio::select! {
        biased;
        _ = shapes.wait_for(|shape| shape.gate == Gate::Cut) => {
            link.tally.refused.one_more();
            None
        }
        connected = connect(target) => {
            let counter = if connected.is_ok() { &link.tally.connected } else { &link.tally.unreachable };
            counter.one_more();
            connected.ok()
        }
    }
}

/// Connects. If this is given up half-way the target sees a reset, not a client that comes and goes in order.
async fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    set_socket_linger(&socket, Some(Duration::ZERO))?;
    let stream = socket.connect(target).await?;
    set_socket_linger(&stream, None)?;
    Ok(stream)
}

impl Connection {
    /// Carries both directions until both are closed.
    async fn run(&mut self, shapes: &mut watch::Receiver<Shape>) -> Result<(), Failure> {
        self.client.set_nodelay(true)?;
        self.server.set_nodelay(true)?;
        loop {
            // The directions look at the shape themselves; here a change only wakes them.
            shapes.mark_unchanged();
            tokio::select! {
                biased;
                ended = poll_fn(|cx| self.poll(cx)) => return ended,
                Ok(()) = shapes.changed() => {}
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let forward = self.forward.poll(&mut self.client, &mut self.server, cx)?;
        let back = self.back.poll(&mut self.server, &mut self.client, cx)?;
        if forward.is_ready() && back.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// Has a socket closed, when it is dropped, so that its peer sees `ECONNRESET`.
fn reset(stream: &TcpStream) {
    // A socket that has failed already needs no reset.
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}
