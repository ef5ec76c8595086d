//! The admin listener: health, metrics and figures of a running server, for its operator.
//!
//! It has a thread and a runtime of its own, so that it answers while workers are stalled. Its connections are never those of
//! routes: no handler answers here, and a public listener leads to none of it, whatever a request names. Each path is read only.

mod dashboard;
mod details;
mod events;
mod guard;
mod response;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::net::{HyperStream, Listener, ListenerHandle, RegisteredListener};
use crate::server::{MAX_STALL, ServerMonitor};
use events::EventStream;

pub use events::MAX_VIEWERS;

/// The most connections that are served at once. More wait.
const MAX_CONNECTIONS: usize = 64;

/// The most bytes and fields of a request's head.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// The time for a head, and for the next request on an open connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take nothing of what is written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long accepting pauses after an error of the system.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the operator says of the admin listener.
#[derive(Debug, Clone)]
pub struct AdminSettings {
    /// The host names, without ports, that requests may be for beside `localhost` and addresses. Under any other name a page of
    /// another site could read what is here (DNS rebinding).
    pub hosts: Vec<String>,
    /// How long a worker may take no turn before the server counts as not healthy.
    pub max_stall: Duration,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { hosts: Vec::new(), max_stall: MAX_STALL }
    }
}

/// The thread that serves the admin listener. If it is dropped, its connections are closed.
#[derive(Debug)]
pub struct AdminServer {
    urls: Vec<String>,
    listeners: Vec<ListenerHandle>,
    stage: watch::Sender<AdminStage>,
    thread: Option<JoinHandle<()>>,
}

/// Whether connections are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AdminStage {
    /// Another process still does.
    Waiting,
    /// They are.
    Open,
    /// No more, and those that were are closed.
    Closed,
}

/// What all connections share.
#[derive(Debug)]
struct AdminState {
    monitor: ServerMonitor,
    settings: AdminSettings,
    events: EventStream,
}

impl AdminServer {
    /// Starts the thread. It accepts nothing until [`Self::open`].
    ///
    /// # Errors
    /// The error of the system for a socket or a thread.
    pub fn start(listeners: Vec<Listener>, monitor: ServerMonitor, settings: AdminSettings) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let url = |listener: &Listener| Ok(listener.address()?.url(listener.settings().scheme));
        let urls = listeners.iter().map(url).collect::<io::Result<Vec<_>>>()?;
        let handles = listeners.iter().map(Listener::handle).collect::<io::Result<Vec<_>>>()?;
        let registered = {
            let _context = runtime.enter();
            listeners.into_iter().map(Listener::register).collect::<io::Result<Vec<_>>>()?
        };
        let state = Arc::new(AdminState { monitor, settings, events: EventStream::default() });
        let (stage, told) = watch::channel(AdminStage::Waiting);
        let thread = std::thread::Builder::new().name("admin".to_owned());
        let thread = thread.spawn(move || run(&runtime, registered, &state, &told))?;
        Ok(Self { urls, listeners: handles.into_iter().flatten().collect(), stage, thread: Some(thread) })
    }

    /// The URLs of the listeners, without a path.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The listening sockets, which another process can go on with.
    pub fn listeners(&self) -> impl Iterator<Item = &ListenerHandle> {
        self.listeners.iter()
    }

    /// Begins to accept.
    pub fn open(&self) {
        self.listeners.iter().for_each(|listener| listener.set_handed_over(false));
        self.stage.send_replace(AdminStage::Open);
    }

    /// Closes all connections, as another process goes on with the listening sockets.
    pub fn hand_over(&self) {
        self.listeners.iter().for_each(|listener| listener.set_handed_over(true));
        self.stage.send_replace(AdminStage::Closed);
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.stage.send_replace(AdminStage::Closed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(target: "server", "the thread of the admin listener has panicked");
        }
    }
}

/// Serves until the stage is [`AdminStage::Closed`].
fn run(
    runtime: &Runtime,
    listeners: Vec<RegisteredListener>,
    state: &Arc<AdminState>,
    stage: &watch::Receiver<AdminStage>,
) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let events = state.clone();
        tasks.spawn(async move { events.events.run(&events.monitor).await });
        for listener in listeners {
            tasks.spawn(accept(listener, state.clone(), permits.clone(), stage.clone()));
        }
        // If the other side is gone, so is the server.
        let _ = stage.clone().wait_for(|stage| *stage == AdminStage::Closed).await;
        tasks.shutdown().await;
    });
}

/// Accepts connections, each served by a task that ends with this.
async fn accept(
    listener: RegisteredListener,
    state: Arc<AdminState>,
    permits: Arc<Semaphore>,
    mut stage: watch::Receiver<AdminStage>,
) {
    if stage.wait_for(|stage| *stage != AdminStage::Waiting).await.is_err() {
        return;
    }
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(stream) = socket.into_stream() else { continue };
        let is_local = peer == crate::net::Peer::Local;
        let state = state.clone();
        connections.spawn(async move {
            serve(HyperStream::new(stream, WRITE_TIMEOUT), &state, is_local).await;
            drop(permit);
        });
    }
}

/// Serves the requests of one connection. `is_local` is whether it came over a Unix socket.
async fn serve(stream: HyperStream, state: &AdminState, is_local: bool) {
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let response = response::respond(state, &request, is_local);
        std::future::ready(Ok::<_, std::convert::Infallible>(response))
    });
    let mut builder = http1::Builder::new();
    builder.timer(AdminTimer).header_read_timeout(HEAD_TIMEOUT).max_headers(MAX_FIELDS).max_buf_size(MAX_HEAD_BYTES);
    if let Err(error) = builder.serve_connection(stream, service).await {
        tracing::debug!(target: "server", "a connection of the admin listener has failed: {error}");
    }
}

/// The timer of the runtime, as hyper uses it.
#[derive(Debug, Clone, Copy)]
struct AdminTimer;

/// A time at which hyper is woken.
#[derive(Debug)]
struct AdminSleep(std::pin::Pin<Box<tokio::time::Sleep>>);

impl hyper::rt::Timer for AdminTimer {
    fn sleep(&self, duration: Duration) -> std::pin::Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(AdminSleep(Box::pin(tokio::time::sleep(duration))))
    }

    fn sleep_until(&self, deadline: Instant) -> std::pin::Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(AdminSleep(Box::pin(tokio::time::sleep_until(deadline.into()))))
    }
}

impl Future for AdminSleep {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl hyper::rt::Sleep for AdminSleep {}
