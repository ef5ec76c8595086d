//! What the operator's commands ask of a running host over its control socket: to publish to a topic.
//!
//! A connection has one request: a line of JSON, and the bytes that it announces. The answer is a line of JSON. Both ends are of
//! one version of the host, so this is no contract.

mod message;
#[cfg(test)]
mod tests;

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::Semaphore;

use crate::net::{LocalClient, LocalListener, LocalStream};
use crate::push::{Hub, MAX_CHUNK_BYTES, PushError, Quotas, TopicUser};
use crate::worker::Worker;

pub use message::{PublishRequest, TopicScope};

/// The most bytes of a line.
const MAX_LINE_BYTES: u64 = 32 * 1024;

/// The most connections that are served at once. More wait.
const MAX_CONNECTIONS: usize = 16;

/// The time for one request and its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long accepting pauses after an error of the system.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a running host did not do what it was asked.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Nobody listens on the socket.
    #[error(
        "no host runs with this state directory: nobody listens on {}; start one with `host run --state {}`",
        .socket.display(), .state.display()
    )]
    NoHost {
        /// The socket.
        socket: PathBuf,
        /// The directory.
        state: PathBuf,
    },
    /// The connection failed.
    #[error("cannot talk to the host over {}", .socket.display())]
    Connection {
        /// The socket.
        socket: PathBuf,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The host refuses.
    #[error("the host refuses: {0}")]
    Refused(String),
}

/// The control socket of a host with this state directory.
#[must_use]
pub fn socket(state: &Path) -> PathBuf {
    state.join("control.sock")
}

/// Publishes a chunk to a topic of the host that runs with this state directory. Returns how many subscribers it has reached.
///
/// # Errors
/// See [`ControlError`].
pub fn publish(state: &Path, request: &PublishRequest) -> Result<u32, ControlError> {
    let socket = socket(state);
    let failed = |error| ControlError::Connection { socket: socket.clone(), error };
    let mut client = LocalClient::connect(&socket, TIMEOUT).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ControlError::NoHost { socket: socket.clone(), state: state.to_owned() }
        }
        _ => failed(error),
    })?;
    client.write_all(&request.to_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    client.take(MAX_LINE_BYTES).read_to_end(&mut answer).map_err(failed)?;
    message::read_answer(&answer).map_err(ControlError::Refused)
}

/// Answers the requests of a control socket until the server stops.
pub(crate) async fn serve(listener: LocalListener, worker: Arc<Worker>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let accepting = listener.accept_each(PAUSE, |stream| {
        let (worker, places) = (worker.clone(), places.clone());
        tokio::spawn(async move {
            let Ok(_place) = places.acquire().await else { return };
            // Whoever is too slow gets no answer.
            let _ = tokio::time::timeout(TIMEOUT, answer(stream, worker.hub())).await;
        });
    });
    tokio::select! {
        () = accepting => {}
        () = worker.stopping().wait_closing() => {}
    }
}

/// Reads the request of a connection and answers it.
async fn answer(stream: LocalStream, hub: &Hub) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let answer = match read(&mut stream).await? {
        Ok(request) => message::answer(publish_in(hub, &request).map_err(|error| error.to_string())),
        Err(reason) => message::answer(Err(reason)),
    };
    stream.get_mut().write_all(&answer).await
}

async fn read(stream: &mut BufReader<LocalStream>) -> io::Result<Result<PublishRequest, String>> {
    let mut line = Vec::new();
    (&mut *stream).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await?;
    let (request, length) = match PublishRequest::parse(&line) {
        Ok(parsed) => parsed,
        Err(reason) => return Ok(Err(reason)),
    };
    if length > MAX_CHUNK_BYTES {
        return Ok(Err(PushError::LargeChunk.to_string()));
    }
    let mut chunk = vec![0; length];
    stream.read_exact(&mut chunk).await?;
    Ok(Ok(PublishRequest { chunk, ..request }))
}

fn publish_in(hub: &Hub, request: &PublishRequest) -> Result<u32, PushError> {
    let (directory, named) = match &request.scope {
        TopicScope::Directory(directory) => (directory.as_path(), None),
        TopicScope::Named { site, name } => (Path::new(""), Some(site.scoped(name))),
    };
    hub.publish(&TopicUser::new(directory, named.as_deref(), Quotas::default()), &request.topic, &request.chunk)
}
