//! The worker threads: each has its own runtime, and a connection stays on one of them.

use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinError, JoinSet};

use crate::close_reason::CloseReason;
use crate::connection::Connection;
use crate::connection_table::ConnectionPermit;
use crate::control;
use crate::fleet::FleetLink;
use crate::guest;
use crate::metrics::ServerStats;
use crate::net::tls::TlsStream;
use crate::net::{
    AcceptedSocket, Listener, ListenerSettings, LocalListener, Peer, ProxyHeader, RegisteredListener, Role, Scheme,
    Stream,
};
use crate::worker::{ServerState, Shutdown, Worker};

use super::{idle_poll, timers};

mod proxied;

/// The most connections that are accepted while the server stops, because clients could keep connecting forever.
const MAX_ACCEPTS_ON_SHUTDOWN: usize = 4096;

/// How long accepting pauses after an error that lasts, such as a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The shortest time between two log lines about such an error.
const ACCEPT_REPORTS: Duration = Duration::from_secs(1);

/// The shortest time between two log lines about refused connections.
const REFUSAL_REPORTS: Duration = Duration::from_secs(10);

/// How long accepting pauses while many evicted connections are still open.
const EVICTION_PAUSE: Duration = Duration::from_millis(1);

/// Maximum I/O events per tick while a task is runnable. It is higher than when idle, so that a spinning guest does not starve
/// other connections.
const EVENTS_PER_BUSY_TICK: usize = 1024;

/// The threads of a worker that wait for the disk on behalf of handlers. They are started when they are needed.
const BLOCKING_THREADS: usize = 16;

/// How long a stopping server waits for the first request of the newest connection.
const FIRST_REQUEST: Duration = Duration::from_millis(50);

/// An accepted connection on its way to a worker.
struct AcceptedConnection {
    socket: AcceptedSocket,
    peer: Peer,
    settings: ListenerSettings,
    slot: ConnectionSlot,
}

/// Counts one connection of the server and of a worker, until it is dropped.
struct ConnectionSlot {
    worker: Arc<Worker>,
    /// Boxed to keep the future of the connection's task small.
    permit: Box<ConnectionPermit>,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.worker.counters().remove_connection();
    }
}

/// All workers, to observe and to stop them.
#[derive(Debug, Clone)]
pub(super) struct Workers(Vec<Arc<Worker>>);

/// Gives accepted connections to workers. When the last clone is dropped, no more connections follow.
#[derive(Clone)]
struct Dispatcher(Vec<WorkerHandle>);

#[derive(Clone)]
struct WorkerHandle {
    worker: Arc<Worker>,
    connections: UnboundedSender<AcceptedConnection>,
}

/// A worker thread before it runs.
pub(super) struct WorkerThread {
    worker: Arc<Worker>,
    connections: UnboundedReceiver<AcceptedConnection>,
    runtime: Runtime,
    /// The listeners, if this worker accepts for all of them.
    acceptors: Vec<Acceptor>,
    /// The control socket, if this worker answers on it.
    control: Option<LocalListener>,
}

struct Acceptor {
    listener: RegisteredListener,
    dispatcher: Dispatcher,
    worker: Arc<Worker>,
}

impl Workers {
    /// As many workers as configured. The first one accepts from `listeners`.
    pub(super) fn new(
        shared: &Arc<ServerState>,
        listeners: Vec<Listener>,
        control: Option<LocalListener>,
    ) -> io::Result<(Self, Vec<WorkerThread>)> {
        let mut dispatcher = Dispatcher(Vec::new());
        let mut threads = Vec::new();
        for number in 0..shared.config.workers.get() {
            let worker = Arc::new(Worker::new(shared.clone(), number));
            let (sender, connections) = unbounded_channel();
            let runtime = Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(BLOCKING_THREADS)
                .max_io_events_per_tick(idle_poll::EVENTS_PER_TICK)
                .max_io_events_per_busy_tick(EVENTS_PER_BUSY_TICK)
                .on_thread_park(before_sleep)
                .build()?;
            dispatcher.0.push(WorkerHandle { worker: worker.clone(), connections: sender });
            threads.push(WorkerThread { worker, connections, runtime, acceptors: Vec::new(), control: None });
        }
        if let Some(first) = threads.first_mut() {
            first.control = control;
            let _guard = first.runtime.enter();
            for listener in listeners {
                let listener = listener.register()?;
                first.acceptors.push(Acceptor {
                    listener,
                    dispatcher: dispatcher.clone(),
                    worker: first.worker.clone(),
                });
            }
        }
        Ok((Self(dispatcher.0.into_iter().map(|handle| handle.worker).collect()), threads))
    }

    pub(super) fn stop(&self) {
        self.0.iter().for_each(|worker| worker.stopping().close());
    }

    /// Tells all workers over which time what stays open ends.
    pub(super) fn set_window(&self, window: Duration) {
        self.0.iter().for_each(|worker| worker.stopping().set_window(window));
    }

    pub(super) fn stop_at_once(&self) {
        self.0.iter().for_each(|worker| worker.stopping().stop_at_once());
    }

    /// What all workers have counted.
    pub(super) fn stats(&self) -> ServerStats {
        let mut stats = ServerStats::default();
        self.0.iter().for_each(|worker| worker.counters().add_to(&mut stats));
        if let Some(worker) = self.0.first() {
            stats.parked = worker.shared().parking.parked();
            stats.memory = worker.shared().memory.in_use();
        }
        stats
    }

    /// Whether every worker has taken a turn within the last `time`.
    pub(super) fn are_alive(&self, time: Duration) -> bool {
        self.0.iter().all(|worker| worker.is_alive(time))
    }

    /// The indexes of those that have taken no turn within the last `time`.
    pub(super) fn stalled(&self, time: Duration) -> Vec<usize> {
        let stalled = self.0.iter().enumerate().filter(|(_, worker)| !worker.is_alive(time));
        stalled.map(|(index, _)| index).collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Starts the thread that connects this host with others. It ends with the first worker, whose hub gets what others publish.
    pub(super) fn run_fleet(&self, fleet: FleetLink) -> io::Result<Option<JoinHandle<()>>> {
        let Some(worker) = self.0.first().cloned() else { return Ok(None) };
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build()?;
        let number = self.count();
        let thread = std::thread::Builder::new().name("fleet".to_owned()).spawn(move || {
            // What it keeps of the histories of topics counts.
            let memory = worker.shared().memory.clone();
            memory.serve(number);
            runtime.block_on(async {
                tokio::select! {
                    () = fleet.run(worker.hub()) => {}
                    () = memory.relieve(|| {}) => {}
                    () = worker.stopping().wait_stopped() => {}
                }
            });
        })?;
        Ok(Some(thread))
    }

    /// Waits until every worker has stopped.
    pub(super) async fn stopped(&self) {
        for worker in &self.0 {
            worker.stopping().wait_stopped().await;
        }
    }
}

impl Dispatcher {
    /// Gives an accepted connection to the worker with the fewest connections. Returns why it is refused, if it is.
    fn assign(
        &self,
        socket: AcceptedSocket,
        peer: Peer,
        settings: ListenerSettings,
        accepted_by: &Arc<Worker>,
    ) -> Option<CloseReason> {
        let handle = self.0.iter().min_by_key(|handle| handle.worker.counters().connections())?;
        let permit = handle.worker.shared().connections.open(&peer)?;
        let refused = permit.refused();
        handle.worker.counters().add_connection();
        let slot = ConnectionSlot { worker: handle.worker.clone(), permit: Box::new(permit) };
        let socket = match Arc::ptr_eq(&handle.worker, accepted_by) {
            true => Ok(socket),
            false => socket.unregister(),
        };
        if let Ok(socket) = socket {
            // If the worker has ended, the connection is dropped, which closes it.
            let _ = handle.connections.send(AcceptedConnection { socket, peer, settings, slot });
        }
        refused
    }
}

impl WorkerThread {
    /// Serves until the server stops and the connections are drained.
    pub(super) fn run(self) {
        let Self { worker, connections, runtime, acceptors, control } = self;
        let _stopped = Stopped(worker.stopping());
        worker.count_memory();
        let mut tasks = JoinSet::new();
        runtime.block_on(async {
            tokio::spawn(idle_poll::keep(worker.clone()));
            tokio::spawn(guest::scheduler::run());
            if let Some(every) = worker.config().heartbeat {
                let worker = worker.clone();
                tokio::spawn(async move { worker.beat(every).await });
            }
            let memory = worker.shared().memory.clone();
            let topics = (worker.number() == 0).then(|| worker.shared().topics.clone());
            if let Some(topics) = topics.clone() {
                tokio::spawn(async move { topics.keep_expiring().await });
            }
            let drop_unused = move || {
                guest::drop_unused();
                topics.iter().for_each(|topics| topics.drop_unused());
            };
            tokio::spawn(async move { memory.relieve(drop_unused).await });
            tasks.spawn(timers::run(worker.clone()));
            if let Some(control) = control {
                tasks.spawn(control::serve(control, worker.clone()));
            }
            for acceptor in acceptors {
                tasks.spawn(acceptor.accept());
            }
            tokio::select! {
                () = serve_all(&worker, connections, &mut tasks) => {}
                () = worker.stopping().wait_at_once() => {}
            }
        });
        guest::drop_unused();
    }
}

/// Runs when no task of the worker is ready.
fn before_sleep() {
    guest::on_idle();
    idle_poll::before_sleep();
}

/// Marks the worker as stopped when dropped, also after a panic.
struct Stopped<'w>(&'w Shutdown);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.mark_stopped();
    }
}

/// Serves all accepted connections, and drains when no more can come.
async fn serve_all(worker: &Worker, mut connections: UnboundedReceiver<AcceptedConnection>, tasks: &mut JoinSet<()>) {
    let mut last = None;
    loop {
        tokio::select! {
            accepted = connections.recv() => match accepted {
                Some(accepted) => {
                    last = Some(Instant::now());
                    open(accepted, tasks);
                }
                None => break,
            },
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => report(ended),
        }
    }
    if let Some(last) = last {
        tokio::time::sleep_until((last + FIRST_REQUEST).into()).await;
    }
    worker.stopping().drain();
    let drained = async {
        while let Some(ended) = tasks.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(worker.config().timeouts.drain + worker.stopping().window(), drained).await.is_err() {
        tracing::warn!(target: "server", "drain timeout expired; closed the remaining connections");
    }
}

/// The connection of an accepted socket. It is a function of its own, because the future of [`serve`] would otherwise
/// keep the parts.
fn open(accepted: AcceptedConnection, tasks: &mut JoinSet<()>) {
    let AcceptedConnection { socket, peer, settings, slot } = accepted;
    match socket.into_stream() {
        Ok(stream) if settings.proxy_header == ProxyHeader::Required => {
            tasks.spawn(proxied::serve(stream, peer, settings, slot));
        }
        Ok(stream) => {
            if let Some(connection) = connection(stream, peer, settings, &slot.worker) {
                tasks.spawn(serve(connection, slot));
            }
        }
        Err(error) => tracing::warn!(target: "server", %peer, "cannot serve a connection: {error}"),
    }
}

/// The connection of a client, whose first byte is the next one of `stream`. `None` if there are no certificates for it.
fn connection(
    stream: Stream,
    client: Peer,
    settings: ListenerSettings,
    worker: &Arc<Worker>,
) -> Option<Box<Connection>> {
    let stream = match settings.scheme {
        Scheme::Http => stream,
        Scheme::Https => Stream::Tls(Box::new(TlsStream::new(stream, worker.shared().tls.get()?.clone()))),
    };
    match settings.role {
        Role::Public => Some(Connection::new(stream, client, worker.clone())),
        // The admin server accepts these by itself.
        Role::Admin => None,
    }
}

/// The task of a connection.
#[expect(clippy::manual_async_fn, reason = "the future of an async fn holds what it is given twice")]
fn serve(connection: Box<Connection>, mut slot: ConnectionSlot) -> impl Future<Output = ()> + Send {
    async move {
        if let Some(reason) = slot.permit.refused() {
            Box::pin(connection.refuse(reason)).await;
        } else {
            std::future::poll_fn(|cx| {
                slot.permit.register(connection.socket(), cx.waker());
                Poll::Ready(())
            })
            .await;
            connection.serve().await;
        }
        drop(slot);
    }
}

/// Logs a panic, which is a defect of the host and ends one connection.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(target: "server", "a connection's task has panicked: {error}");
    }
}

/// Logs why connections are refused: the clients behind a proxy, for example, cannot see it.
fn report_refusal(reason: CloseReason, peer: &Peer) {
    if reason == CloseReason::ClientOverloaded {
        tracing::warn!(
            target: "server",
            client = %peer.address(),
            "connections of a client are refused: it has as many as --max-connections-per-client allows, and none of them \
             is idle; a proxy, whose address all its clients have, needs --max-connections-per-client none"
        );
    } else {
        tracing::warn!(
            target: "server",
            "connections are refused: there are as many as --max-connections allows, and none of them is idle"
        );
    }
}

impl Acceptor {
    /// Accepts until the server stops, and then the connections that are already complete.
    async fn accept(self) {
        let Self { listener, dispatcher, worker } = self;
        let settings = listener.settings();
        let (mut reported, mut refusal_reported): (Option<Instant>, Option<Instant>) = (None, None);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = worker.stopping().wait_closing() => break,
            };
            match accepted {
                Ok((socket, peer)) => {
                    if let Some(reason) = dispatcher.assign(socket, peer, settings, &worker)
                        && refusal_reported.is_none_or(|reported| reported.elapsed() >= REFUSAL_REPORTS)
                    {
                        report_refusal(reason, &peer);
                        refusal_reported = Some(Instant::now());
                    }
                    if worker.shared().connections.is_crowded() {
                        tokio::time::sleep(EVICTION_PAUSE).await;
                    }
                }
                // The client was gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if reported.is_none_or(|reported| reported.elapsed() >= ACCEPT_REPORTS) {
                        tracing::warn!(target: "server", "cannot accept a connection: {error}");
                        reported = Some(Instant::now());
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // The kernel has completed these connections and would reset them.
        let Ok(completed) = listener.into_completed() else { return };
        for (socket, peer) in completed.take(MAX_ACCEPTS_ON_SHUTDOWN) {
            dispatcher.assign(socket, peer, settings, &worker);
        }
    }
}
