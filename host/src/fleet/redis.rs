//! The engine Redis or Valkey. Only this module names the crate.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo as _, ProtocolVersion, PushInfo, PushKind, Value};
use thiserror::Error;

use super::channel::Channel;
use super::incoming::{Incoming, IncomingSender};
use super::link::OutgoingMessage;
use crate::regular_file;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the engine may take for an answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The most bytes of a password, and of a prefix.
const MAX_PASSWORD_BYTES: u64 = 4096;
const MAX_PREFIX_BYTES: usize = 64;

/// Where the engine is.
#[derive(Clone)]
pub struct EngineSettings {
    client: Client,
    prefix: String,
}

/// Why an engine cannot be used. It never tells a password.
#[derive(Debug, Error)]
pub enum FleetError {
    /// The URL is not one of an engine.
    #[error("{0} is no URL of an engine; give redis://HOST:PORT, rediss://HOST:PORT for TLS, or redis+unix:///PATH")]
    Url(String),
    /// The prefix cannot be that of a name.
    #[error(
        "{0:?} cannot begin the names at an engine; give letters, digits, `-`, `_`, `.` or `:`, at most 64 of them"
    )]
    Prefix(String),
    /// The file of the password cannot be used.
    #[error("the password of the engine in {} cannot be used: {reason}", .file.display())]
    Password {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The engine does not answer, or answers with an error.
    #[error("{0}")]
    Failed(String),
}

impl EngineSettings {
    /// The engine at `url`: `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]`, `rediss://` for TLS, `redis+unix:///PATH`. The text of
    /// the file `password` replaces the password of the URL. The names of all that is kept there begin with `prefix`.
    ///
    /// # Errors
    /// All but [`FleetError::Failed`].
    pub fn new(url: &str, password: Option<&Path>, prefix: String) -> Result<Self, FleetError> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if !(1..=MAX_PREFIX_BYTES).contains(&prefix.len()) || !prefix.bytes().all(is_name) {
            return Err(FleetError::Prefix(prefix));
        }
        let wrong = |_| FleetError::Url(without_credentials(url));
        let info = url.into_connection_info().map_err(wrong)?;
        let mut settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        if let Some(file) = password {
            settings = settings.set_password(read_password(file)?);
        }
        let client = Client::open(info.set_redis_settings(settings)).map_err(wrong)?;
        Ok(Self { client, prefix })
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Connects. What is subscribed arrives at `incoming`.
    pub(super) async fn connect(&self, incoming: IncomingSender) -> Result<EngineConnection, FleetError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_push_sender(move |push: PushInfo| {
                if let Some(received) = received(push) {
                    incoming.push(received);
                }
                Ok::<(), redis::aio::SendError>(())
            });
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(EngineConnection(connection))
    }
}

fn read_password(file: &Path) -> Result<String, FleetError> {
    let wrong = |reason: String| FleetError::Password { file: file.to_owned(), reason };
    let bytes = regular_file::read(file, MAX_PASSWORD_BYTES).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not text".to_owned()))?;
    match text.trim() {
        "" => Err(wrong("it is empty".to_owned())),
        password => Ok(password.to_owned()),
    }
}

/// The URL without user and password, even if it is malformed.
fn without_credentials(url: &str) -> String {
    let start = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url.rfind('@').map_or(start, |at| at + 1);
    format!("{}{}", &url[..start], url.get(end.max(start)..).unwrap_or_default())
}

impl fmt::Debug for EngineSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EngineSettings").field(&self.to_string()).finish()
    }
}

/// The address, without user and password.
impl fmt::Display for EngineSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.client.get_connection_info().addr())
    }
}

impl From<redis::RedisError> for FleetError {
    fn from(error: redis::RedisError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A connection to the engine. Clones share it.
#[derive(Clone)]
pub(super) struct EngineConnection(MultiplexedConnection);

impl EngineConnection {
    /// Publishes frames in their order.
    pub(super) async fn publish(&mut self, frames: &[OutgoingMessage]) -> Result<(), FleetError> {
        let mut pipeline = redis::pipe();
        for OutgoingMessage { channel, bytes } in frames {
            pipeline.cmd("PUBLISH").arg(&**channel).arg(bytes).ignore();
        }
        Ok(pipeline.query_async(&mut self.0).await?)
    }

    /// Subscribes to channels, and returns when the engine has confirmed all of them.
    pub(super) async fn subscribe(&mut self, channels: &[Channel]) -> Result<(), FleetError> {
        Ok(self.0.subscribe(arguments(channels)).await?)
    }

    /// The reverse.
    pub(super) async fn unsubscribe(&mut self, channels: &[Channel]) -> Result<(), FleetError> {
        Ok(self.0.unsubscribe(arguments(channels)).await?)
    }
}

fn arguments(channels: &[Channel]) -> Vec<&[u8]> {
    channels.iter().map(Arc::as_ref).collect()
}

/// What a push of the engine says. `None` if it is nothing to act on.
fn received(push: PushInfo) -> Option<Incoming> {
    match (push.kind, <[Value; 2]>::try_from(push.data)) {
        (PushKind::Disconnection, _) => Some(Incoming::Lost),
        (PushKind::Message, Ok([Value::BulkString(channel), Value::BulkString(bytes)])) => {
            Some(Incoming::Message { channel, bytes })
        }
        _ => None,
    }
}
