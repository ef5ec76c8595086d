//! Calls of key-value stores, each of which is a script at the engine.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, PushInfo, PushKind, RedisError, Script, ServerErrorKind, Value};
use tokio::sync::Notify;

use super::{CONNECT_TIMEOUT, EngineSettings, FleetError};
use crate::text::printable;

/// What runs at the engine.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../stores/store.lua")));

/// What the script says if an answer would have too many bytes.
const TOO_MANY_BYTES: &str = "BATCH";

/// A connection for calls of key-value stores. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct StoreConnection {
    connection: MultiplexedConnection,
    state: Arc<StoreConnectionState>,
}

#[derive(Debug, Default)]
struct StoreConnectionState {
    lost: Notify,
    /// Whether a call was refused, which is said once for each connection.
    has_refused: AtomicBool,
}

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fleet) enum StoreFailure {
    /// The connection is lost, or leads to a server that cannot answer now. Whether the call was made is not known.
    Lost,
    /// The answer would have too many bytes.
    TooManyBytes,
    /// The engine has refused the call.
    Refused,
}

impl EngineSettings {
    /// Connects for calls of key-value stores.
    pub(in crate::fleet) async fn connect_to_stores(&self) -> Result<StoreConnection, FleetError> {
        let state = Arc::<StoreConnectionState>::default();
        let of_connection = state.clone();
        // A call has a time of its own.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    of_connection.lost.notify_one();
                }
                Ok::<(), redis::aio::SendError>(())
            });
        Ok(StoreConnection { connection: self.connect_with(&config).await?, state })
    }
}

impl StoreConnection {
    /// Makes a call, which answers texts, and `None` for what is not there.
    pub(in crate::fleet) async fn call(
        &self,
        keys: &[Vec<u8>; 4],
        arguments: &[Bytes],
    ) -> Result<Vec<Option<Bytes>>, StoreFailure> {
        let mut invocation = SCRIPT.prepare_invoke();
        keys.iter().for_each(|key| _ = invocation.key(key));
        arguments.iter().for_each(|argument| _ = invocation.arg(&**argument));
        let answer: Value =
            invocation.invoke_async(&mut self.connection.clone()).await.map_err(|error| self.failure(&error))?;
        let Value::Array(values) = answer else { return Err(StoreFailure::Refused) };
        let text = |value| match value {
            Value::Nil => Ok(None),
            Value::BulkString(bytes) => Ok(Some(bytes.into())),
            _ => Err(StoreFailure::Refused),
        };
        values.into_iter().map(text).collect()
    }

    fn failure(&self, error: &RedisError) -> StoreFailure {
        match error.kind() {
            // A master that was replaced, or one that starts.
            ErrorKind::Server(
                ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading,
            ) => StoreFailure::Lost,
            _ if error.code() == Some(TOO_MANY_BYTES) => StoreFailure::TooManyBytes,
            ErrorKind::Server(_) | ErrorKind::Extension => {
                if !self.state.has_refused.swap(true, Ordering::Relaxed) {
                    let error = printable(&error.to_string());
                    tracing::warn!(target: "fleet", "the engine refuses a call of a key-value store: {error}");
                }
                StoreFailure::Refused
            }
            _ => StoreFailure::Lost,
        }
    }

    /// Waits until the connection is lost, or given up.
    pub(in crate::fleet) async fn lost(&self) {
        self.state.lost.notified().await;
    }

    /// Lets another connection be made.
    pub(in crate::fleet) fn give_up(&self) {
        self.state.lost.notify_one();
    }

    /// Whether it is the same connection.
    pub(in crate::fleet) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }
}
