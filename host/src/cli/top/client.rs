//! A client of an admin listener, with one connection that is kept.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use host::net::{self, HyperStream, ListenSpec};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use serde_json::Value;
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long one answer may take, with the connection to ask on.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes of an answer: those of some 10,000 routes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Why an admin listener tells nothing.
#[derive(Debug, Error)]
pub(super) enum AdminError {
    /// Nobody listens, or not for this user.
    #[error("cannot connect to {address}: {error}; {}", connect_remedy(.error))]
    Connect { address: String, error: io::Error },
    /// The connection has ended, or what came on it is no HTTP.
    #[error("{address} has not answered a request of HTTP: {error}; --admin has to name the admin listener of a host")]
    Connection { address: String, error: hyper::Error },
    /// There was no answer in time.
    #[error("{address} has not answered within {TIMEOUT:?}; see whether the host of --admin is stopped or overloaded")]
    Late { address: String },
    /// It is something else that answers.
    #[error(
        "{address} is no admin listener: {what}; --admin has to name the address that `host run` prints behind `admin on`"
    )]
    NotAdmin { address: String, what: String },
}

fn connect_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "run this as the user of the host, or let others connect with `,mode=0666` behind the path in its --admin"
        }
        _ => "--admin has to name the admin listener of a host that runs: `host run --admin ADDR` opens one",
    }
}

/// A client of the admin listener at one address.
#[derive(Debug)]
pub(super) struct AdminClient {
    listener: ListenSpec,
    connection: Option<AdminConnection>,
}

/// A connection. It is closed when it is dropped.
#[derive(Debug)]
struct AdminConnection {
    sender: SendRequest<Empty<Bytes>>,
    authority: String,
    task: JoinHandle<()>,
}

impl AdminClient {
    pub(super) fn new(listener: ListenSpec) -> Self {
        Self { listener, connection: None }
    }

    /// The JSON at a path.
    pub(super) async fn get(&mut self, path: &'static str) -> Result<Value, AdminError> {
        let result = timeout(TIMEOUT, self.ask(path)).await;
        let result = result.unwrap_or_else(|_| Err(AdminError::Late { address: self.listener.to_string() }));
        if result.is_err() {
            // A later answer on it would be taken for that to another request.
            self.connection = None;
        }
        result
    }

    async fn ask(&mut self, path: &'static str) -> Result<Value, AdminError> {
        // The host may close a connection at any time: only on a new one that means something.
        if let Some(connection) = self.connection.as_mut()
            && let Ok(response) = connection.send(path).await
        {
            return self.read(path, response).await;
        }
        let address = || self.listener.to_string();
        let connected = net::connect(self.listener.target()).await;
        let (stream, authority) = connected.map_err(|error| AdminError::Connect { address: address(), error })?;
        let made = http1::handshake(HyperStream::new(stream, TIMEOUT)).await;
        let (sender, connection) = made.map_err(|error| AdminError::Connection { address: address(), error })?;
        // Its error is also that of the request.
        let task = tokio::spawn(async move { _ = connection.await });
        let connection = self.connection.insert(AdminConnection { sender, authority, task });
        let sent = connection.send(path).await;
        let response = sent.map_err(|error| AdminError::Connection { address: self.listener.to_string(), error })?;
        self.read(path, response).await
    }

    async fn read(&self, path: &str, response: hyper::Response<hyper::body::Incoming>) -> Result<Value, AdminError> {
        let address = self.listener.to_string();
        let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
        let status = response.status();
        if status != StatusCode::OK || !is_json {
            let what = format!("a request for {path} gets the status {} and no figures", status.as_u16());
            return Err(AdminError::NotAdmin { address, what });
        }
        let body = match Limited::new(response.into_body(), MAX_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                return Err(match error.downcast::<hyper::Error>() {
                    Ok(error) => AdminError::Connection { address, error: *error },
                    Err(error) if error.is::<LengthLimitError>() => {
                        AdminError::NotAdmin { address, what: format!("{path} has more than {MAX_BYTES} bytes") }
                    }
                    Err(error) => AdminError::NotAdmin { address, what: error.to_string() },
                });
            }
        };
        serde_json::from_slice(&body)
            .map_err(|error| AdminError::NotAdmin { address, what: format!("{path} is no JSON: {error}") })
    }

    /// The error for JSON that has no figures.
    pub(super) fn no_figures(&self, path: &str) -> AdminError {
        AdminError::NotAdmin { address: self.listener.to_string(), what: format!("{path} has no figures of routes") }
    }
}

impl AdminConnection {
    async fn send(&mut self, path: &str) -> hyper::Result<hyper::Response<hyper::body::Incoming>> {
        self.sender.ready().await?;
        let mut request = Request::new(Empty::new());
        // Paths are those of this program, and an authority is an address.
        *request.uri_mut() = hyper::Uri::try_from(path).unwrap_or_default();
        if let Ok(authority) = self.authority.parse() {
            request.headers_mut().insert(HOST, authority);
        }
        self.sender.send_request(request).await
    }
}

impl Drop for AdminConnection {
    fn drop(&mut self) {
        self.task.abort();
    }
}
