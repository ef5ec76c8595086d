//! The workers: one thread with one runtime each, so that a connection lives on one core.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinError, JoinSet};

use super::{Shared, Stopping};
use crate::config::Config;
use crate::connection::Connection;
use crate::guest::Engine;
use crate::routes::RouteTable;

/// Connections that are told that there is no room, at once; past them a connection is closed without an answer.
const MAX_REFUSALS: usize = 128;

/// How long accepting rests after an error that does not pass by itself, such as a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a connection needs of the worker that serves it.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    stopping: Stopping,
    next_id: AtomicU64,
    /// The connections of this worker.
    load: AtomicUsize,
}

impl Worker {
    /// The configuration of the server.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// The routes as they are now.
    #[must_use]
    pub fn routes(&self) -> Arc<RouteTable> {
        self.shared.routes.load_full()
    }

    /// Whether the worker is to stop.
    #[must_use]
    pub fn stopping(&self) -> &Stopping {
        &self.stopping
    }

    /// A number that no other request of this server has.
    #[must_use]
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

/// An accepted connection on its way to a worker.
struct Arrival {
    socket: Socket,
    peer: SocketAddr,
    place: Place,
}

/// A socket belongs to the runtime of the worker that accepted it, until it is taken out.
enum Socket {
    OfThisWorker(TcpStream),
    OfNone(std::net::TcpStream),
}

/// A place among the connections of the server and of a worker, given back when dropped.
struct Place {
    worker: Arc<Worker>,
    admitted: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker.load.fetch_sub(1, Ordering::Relaxed);
        self.worker.shared.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All workers, as those see them who give them work.
#[derive(Debug, Clone)]
pub(super) struct Crew {
    shared: Arc<Shared>,
    desks: Vec<Desk>,
}

#[derive(Debug, Clone)]
struct Desk {
    worker: Arc<Worker>,
    arrivals: UnboundedSender<Arrival>,
}

/// One worker before it runs.
pub(super) struct Post {
    worker: Arc<Worker>,
    arrivals: UnboundedReceiver<Arrival>,
    runtime: io::Result<Runtime>,
}

impl Crew {
    /// As many workers as the configuration says.
    pub(super) fn new(shared: &Arc<Shared>) -> (Self, Vec<Post>) {
        let (desks, posts) = (0..shared.config.workers.get() as u64)
            .map(|index| {
                let worker = Arc::new(Worker {
                    shared: shared.clone(),
                    stopping: Stopping::default(),
                    next_id: AtomicU64::new((index << 48) + 1),
                    load: AtomicUsize::new(0),
                });
                let (sender, arrivals) = unbounded_channel();
                let runtime = Builder::new_current_thread().enable_all().build();
                (Desk { worker: worker.clone(), arrivals: sender }, Post { worker, arrivals, runtime })
            })
            .unzip();
        (Self { shared: shared.clone(), desks }, posts)
    }

    pub(super) fn stop(&self) {
        self.desks.iter().for_each(|desk| desk.worker.stopping.drain());
    }

    pub(super) fn stop_at_once(&self) {
        self.desks.iter().for_each(|desk| desk.worker.stopping.stop_at_once());
    }

    /// Waits until every worker has stopped, and so let go of what it takes arrivals with.
    pub(super) async fn stopped(&self) {
        for desk in &self.desks {
            desk.arrivals.closed().await;
        }
    }

    /// Gives an accepted connection to the worker that has the fewest.
    fn assign(&self, socket: TcpStream, peer: SocketAddr, accepted_by: &Arc<Worker>) {
        let Some(desk) = self.desks.iter().min_by_key(|desk| desk.worker.load.load(Ordering::Relaxed)) else { return };
        let connections = self.shared.connections.fetch_add(1, Ordering::Relaxed);
        desk.worker.load.fetch_add(1, Ordering::Relaxed);
        let most = self.shared.config.limits.max_connections;
        let place = Place { worker: desk.worker.clone(), admitted: connections < most };
        let socket = match Arc::ptr_eq(&desk.worker, accepted_by) {
            true => Ok(Socket::OfThisWorker(socket)),
            false => socket.into_std().map(Socket::OfNone),
        };
        if let Ok(socket) = socket
            && connections < most.saturating_add(MAX_REFUSALS)
        {
            // A worker that is gone takes no more connections: dropping one closes it.
            let _ = desk.arrivals.send(Arrival { socket, peer, place });
        }
    }
}

impl Post {
    /// Serves until the worker is to stop and is drained.
    pub(super) fn run(self, listeners: Vec<TcpListener>, crew: &Crew) {
        let Self { worker, mut arrivals, runtime } = self;
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!("a worker cannot start: {error}"),
        };
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for listener in listeners {
                tasks.spawn(accept(listener, crew.clone(), worker.clone()));
            }
            loop {
                tokio::select! {
                    Some(arrival) = arrivals.recv() => { tasks.spawn(serve(arrival)); }
                    Some(ended) = tasks.join_next(), if !tasks.is_empty() => report(ended),
                    () = worker.stopping.wait() => break,
                }
            }
            let drained = async {
                while let Some(ended) = tasks.join_next().await {
                    report(ended)
                }
            };
            tokio::select! {
                () = drained => {}
                () = tokio::time::sleep(worker.config().timeouts.drain) => {
                    tracing::warn!("stopped with requests still running: the time to drain is over");
                }
                () = worker.stopping.wait_at_once() => {}
            }
        });
    }
}

async fn serve(arrival: Arrival) {
    let Arrival { socket, peer, place } = arrival;
    let socket = match socket {
        Socket::OfThisWorker(socket) => Ok(socket),
        Socket::OfNone(socket) => TcpStream::from_std(socket),
    };
    let socket = match socket {
        Ok(socket) => socket,
        Err(error) => return tracing::warn!(%peer, "cannot serve a connection: {error}"),
    };
    let connection = Connection::new(socket, peer, place.worker.clone());
    if place.admitted {
        connection.serve().await;
    } else {
        connection.refuse().await;
    }
    drop(place);
}

/// A panic is a defect of the host's: it costs its connection, and is told.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task has panicked: {error}");
    }
}

/// Accepts until the worker is to stop.
async fn accept(listener: TcpListener, crew: Crew, worker: Arc<Worker>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("cannot listen: {error}"),
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = worker.stopping.wait() => return,
        };
        match accepted {
            Ok((socket, peer)) => crew.assign(socket, peer, &worker),
            // The client was gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
