//! The thread that carries the links, and the handle to each of them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::counters::Counters;
use super::link::{Link, LinkOptions};
use super::listener;
use super::shape::{Kind, Shape, ShapeError};

/// Where proxies run: normally a thread with a single-threaded runtime of its own.
///
/// The harness runs its proxies here and not on the runtime of its clients: a link's delay must not depend on how
/// busy the clients are, connections need no work stealing (it costs more than it brings at a few microseconds
/// a turn), and they share one buffer. Proxies are controlled from any thread, without waiting.
///
/// Dropping it closes all its proxies, joins the thread and so leaves nothing behind.
#[derive(Debug)]
pub struct ProxyRuntime {
    handle: Handle,
    /// `None` on a runtime of the caller's, and while dropping.
    running: Option<(oneshot::Sender<()>, thread::JoinHandle<()>)>,
}

impl ProxyRuntime {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system gives no thread or no descriptors.
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("link proxies".to_owned()).spawn(move || {
            // Both an order to stop and the loss of the owner end it; dropping the runtime drops its tasks.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Self { handle, running: Some((stop, thread)) })
    }

    /// Runs proxies on a runtime of the caller's, with I/O and time enabled; proxies then live until they are
    /// dropped themselves. On the single-threaded runtime of the client a message saves a change of threads:
    /// half the added latency for one client, but a quarter less throughput for 64, and delays that are late when
    /// the client is busy.
    #[must_use]
    pub fn within(handle: Handle) -> Self {
        Self { handle, running: None }
    }

    /// Opens a link: from now on its address accepts connections.
    ///
    /// # Errors
    ///
    /// No loopback port or no descriptor is left.
    pub fn start(&self, options: LinkOptions) -> io::Result<Proxy> {
        let within_runtime = self.handle.enter();
        let listener = listener::bind()?;
        drop(within_runtime);
        let address = listener.local_addr()?;
        let link = Arc::new(Link::new(options));
        let (shape, shapes) = watch::channel(Shape::HEALTHY);
        let (stop, stopped) = oneshot::channel();
        let task = self.handle.spawn(listener::serve(Arc::clone(&link), listener, shapes, stopped));
        Ok(Proxy { address, link, shape, _stop: stop, task })
    }
}

impl Drop for ProxyRuntime {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            // A panic of a connection was caught by the runtime and has ended its proxy, not the thread.
            let _ = thread.join();
        }
    }
}

/// One directed link through this process: a port on loopback whose connections are carried to a target, with the
/// faults that are set at the moment.
///
/// Dropping it orders the port and all connections to be closed; [`stop`](Self::stop) waits until they are.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    link: Arc<Link>,
    shape: watch::Sender<Shape>,
    /// Dropped with the proxy, which ends the task.
    _stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The link's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.link.name()
    }

    /// What the link carries.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.link.kind()
    }

    /// Where new connections lead.
    #[must_use]
    pub fn target(&self) -> Option<SocketAddr> {
        self.link.target()
    }

    /// Leads new connections elsewhere: a restarted node may come back on another port. Connections that exist
    /// stay where they are; without a target new ones are refused.
    pub fn set_target(&self, target: impl Into<Option<SocketAddr>>) {
        self.link.set_target(target.into());
    }

    /// The faults that are set.
    #[must_use]
    pub fn shape(&self) -> Shape {
        *self.shape.borrow()
    }

    /// Sets the faults, for what is under way as for what comes. Returns at once; takes effect within a
    /// millisecond, typically in well under a tenth of one.
    ///
    /// # Errors
    ///
    /// The link cannot have this shape; nothing has changed.
    pub fn set(&self, shape: Shape) -> Result<(), ShapeError> {
        shape.check(self.link.kind())?;
        self.shape.send_if_modified(|current| std::mem::replace(current, shape) != shape);
        Ok(())
    }

    /// What the link has done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.link.tally.read()
    }

    /// Closes the port and all connections, and waits until that is done.
    ///
    /// # Panics
    ///
    /// A connection had broken an invariant of ours.
    pub async fn stop(self) {
        let Self { _stop: stop, task, .. } = self;
        drop(stop);
        if let Some(panic) = task.await.err().and_then(|error| error.try_into_panic().ok()) {
            std::panic::resume_unwind(panic);
        }
    }
}
