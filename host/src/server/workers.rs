//! The workers at work: one thread with one runtime each, so that a connection lives on one core.

use std::io;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinError, JoinSet};

use crate::close_reason::CloseReason;
use crate::connection::Connection;
use crate::connection_table::ConnectionPermit;
use crate::guest;
use crate::net::{AcceptedSocket, Listener, Peer, RegisteredListener, Role};
use crate::push;
use crate::worker::{ServerState, Shutdown, Worker};

use super::idle_poll;

/// Connections that are still accepted once the worker is to stop: there may be no end of them.
const MAX_ACCEPTS_ON_SHUTDOWN: usize = 4096;

/// How long accepting rests after an error that does not pass by itself, such as a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often such an error is logged at most.
const ACCEPT_REPORTS: Duration = Duration::from_secs(1);

/// How often it is logged at most that connections are refused.
const REFUSAL_REPORTS: Duration = Duration::from_secs(10);

/// How long accepting rests while many connections have yet to end for those that were accepted.
const EVICTION_PAUSE: Duration = Duration::from_millis(1);

/// The most sockets that a worker is to hear of at once while a task of it goes on, such as a guest that spins: all others
/// have to wait until that rests again.
const EVENTS_PER_BUSY_TICK: usize = 1024;

/// How long a stop waits for the first request of the connection that came last.
const FIRST_REQUEST: Duration = Duration::from_millis(50);

/// An accepted connection on its way to a worker.
struct AcceptedConnection {
    socket: AcceptedSocket,
    peer: Peer,
    role: Role,
    place: ConnectionSlot,
}

/// A place among the connections of the server and of a worker, given back when dropped.
struct ConnectionSlot {
    worker: Arc<Worker>,
    /// In a box, for the future of the connection's task to stay small.
    permit: Box<ConnectionPermit>,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.worker.load.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All workers, as those see them who stop them.
#[derive(Debug)]
pub(super) struct Workers(Vec<Arc<Worker>>);

/// All workers, as those see them who give them work. Once the last of these is dropped, no more work comes.
#[derive(Clone)]
struct Dispatcher(Vec<WorkerHandle>);

#[derive(Clone)]
struct WorkerHandle {
    worker: Arc<Worker>,
    arrivals: UnboundedSender<AcceptedConnection>,
}

/// One worker before it runs.
pub(super) struct WorkerThread {
    worker: Arc<Worker>,
    arrivals: UnboundedReceiver<AcceptedConnection>,
    runtime: Runtime,
    /// What it accepts from, for all of them.
    acceptors: Vec<Acceptor>,
}

struct Acceptor {
    listener: RegisteredListener,
    desks: Dispatcher,
    worker: Arc<Worker>,
}

impl Workers {
    /// As many workers as the configuration says; the first of them accepts from `listeners`.
    pub(super) fn new(shared: &Arc<ServerState>, listeners: Vec<Listener>) -> io::Result<(Self, Vec<WorkerThread>)> {
        let mut desks = Dispatcher(Vec::new());
        let mut posts = Vec::new();
        for number in 0..shared.config.workers.get() {
            let worker = Arc::new(Worker::new(shared.clone(), number));
            let (sender, arrivals) = unbounded_channel();
            let runtime = Builder::new_current_thread()
                .enable_all()
                .max_io_events_per_tick(idle_poll::EVENTS_PER_TICK)
                .max_io_events_per_busy_tick(EVENTS_PER_BUSY_TICK)
                .on_thread_park(before_sleep)
                .build()?;
            desks.0.push(WorkerHandle { worker: worker.clone(), arrivals: sender });
            posts.push(WorkerThread { worker, arrivals, runtime, acceptors: Vec::new() });
        }
        if let Some(first) = posts.first_mut() {
            let _guard = first.runtime.enter();
            for listener in listeners {
                let listener = listener.register()?;
                first.acceptors.push(Acceptor { listener, desks: desks.clone(), worker: first.worker.clone() });
            }
        }
        Ok((Self(desks.0.into_iter().map(|desk| desk.worker).collect()), posts))
    }

    pub(super) fn stop(&self) {
        self.0.iter().for_each(|worker| worker.stopping().close());
    }

    pub(super) fn stop_at_once(&self) {
        self.0.iter().for_each(|worker| worker.stopping().stop_at_once());
    }

    /// How many connections have ended for this reason.
    pub(super) fn closed(&self, reason: CloseReason) -> u64 {
        self.0.iter().map(|worker| worker.closed().number(reason)).sum()
    }

    /// What has become of published chunks.
    pub(super) fn pushed(&self) -> push::Counts {
        self.0.iter().map(|worker| worker.hub().counts()).fold(push::Counts::default(), push::Counts::add)
    }

    /// How many connections are left open.
    pub(super) fn parked(&self) -> usize {
        self.0.first().map_or(0, |worker| worker.shared().parking.parked())
    }

    /// The bytes of memory in use.
    pub(super) fn memory_in_use(&self) -> usize {
        self.0.first().map_or(0, |worker| worker.shared().memory.in_use())
    }

    /// Waits until every worker has stopped.
    pub(super) async fn stopped(&self) {
        for worker in &self.0 {
            worker.stopping().wait_stopped().await;
        }
    }
}

impl Dispatcher {
    /// Gives an accepted connection to the worker that has the fewest, and says if it is to be refused, and why.
    fn assign(&self, socket: AcceptedSocket, peer: Peer, role: Role, accepted_by: &Arc<Worker>) -> Option<CloseReason> {
        let desk = self.0.iter().min_by_key(|desk| desk.worker.load.load(Ordering::Relaxed))?;
        let permit = desk.worker.shared().connections.open(&peer)?;
        let refused = permit.refused();
        desk.worker.load.fetch_add(1, Ordering::Relaxed);
        let place = ConnectionSlot { worker: desk.worker.clone(), permit: Box::new(permit) };
        let socket = match Arc::ptr_eq(&desk.worker, accepted_by) {
            true => Ok(socket),
            false => socket.unregister(),
        };
        if let Ok(socket) = socket {
            // A worker that is gone takes no more connections: dropping one closes it.
            let _ = desk.arrivals.send(AcceptedConnection { socket, peer, role, place });
        }
        refused
    }
}

impl WorkerThread {
    /// Serves until the worker is to stop and is drained.
    pub(super) fn run(self) {
        let Self { worker, arrivals, runtime, acceptors } = self;
        let _stopped = Stopped(worker.stopping());
        worker.count_memory();
        let mut tasks = JoinSet::new();
        runtime.block_on(async {
            tokio::spawn(idle_poll::keep(worker.clone()));
            tokio::spawn(guest::scheduler::run());
            let memory = worker.shared().memory.clone();
            tokio::spawn(async move { memory.relieve(guest::drop_unused).await });
            for acceptor in acceptors {
                tasks.spawn(acceptor.accept());
            }
            tokio::select! {
                () = serve_all(&worker, arrivals, &mut tasks) => {}
                () = worker.stopping().wait_at_once() => {}
            }
        });
        guest::drop_unused();
    }
}

/// What a worker does once no task of it is ready.
fn before_sleep() {
    guest::on_idle();
    idle_poll::before_sleep();
}

/// Says that a worker has stopped, however it did.
struct Stopped<'w>(&'w Shutdown);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.mark_stopped();
    }
}

/// Serves all arrivals, and drains once no more can come.
async fn serve_all(worker: &Worker, mut arrivals: UnboundedReceiver<AcceptedConnection>, tasks: &mut JoinSet<()>) {
    let mut last = None;
    loop {
        tokio::select! {
            arrival = arrivals.recv() => match arrival {
                Some(arrival) => {
                    last = Some(Instant::now());
                    if let Some((connection, place)) = open(arrival) {
                        tasks.spawn(serve(connection, place));
                    }
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
    if tokio::time::timeout(worker.config().timeouts.drain, drained).await.is_err() {
        tracing::warn!(target: "server", "stopped with requests still running: the time to drain is over");
    }
}

/// The connection of an arrival. Not part of [`serve`], whose future would hold what it is made of.
fn open(arrival: AcceptedConnection) -> Option<(Box<Connection>, ConnectionSlot)> {
    let AcceptedConnection { socket, peer, role, place } = arrival;
    match socket.into_stream() {
        Ok(stream) => match role {
            Role::Public => Some((Connection::new(stream, peer, place.worker.clone()), place)),
        },
        Err(error) => {
            tracing::warn!(target: "server", %peer, "cannot serve a connection: {error}");
            None
        }
    }
}

/// The task of a connection.
#[expect(clippy::manual_async_fn, reason = "the future of an async fn holds what it is given twice")]
fn serve(connection: Box<Connection>, mut place: ConnectionSlot) -> impl Future<Output = ()> + Send {
    async move {
        if let Some(reason) = place.permit.refused() {
            Box::pin(connection.refuse(reason)).await;
        } else {
            std::future::poll_fn(|cx| {
                place.permit.register(connection.socket(), cx.waker());
                Poll::Ready(())
            })
            .await;
            connection.serve().await;
        }
        drop(place);
    }
}

/// A panic is a defect of the host's: it costs its connection, and is told.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(target: "server", "a connection's task has panicked: {error}");
    }
}

/// Whoever is bound by what is not meant for them, such as all clients of a proxy, does not see why.
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
    /// Accepts until the worker is to stop, and then what is there already.
    async fn accept(self) {
        let Self { listener, desks, worker } = self;
        let role = listener.role();
        let (mut reported, mut refusal_reported): (Option<Instant>, Option<Instant>) = (None, None);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = worker.stopping().wait_closing() => break,
            };
            match accepted {
                Ok((socket, peer)) => {
                    if let Some(reason) = desks.assign(socket, peer, role, &worker)
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
        // The system has completed these connections, and would reset them.
        let Ok(completed) = listener.into_completed() else { return };
        for (socket, peer) in completed.take(MAX_ACCEPTS_ON_SHUTDOWN) {
            desks.assign(socket, peer, role, &worker);
        }
    }
}
