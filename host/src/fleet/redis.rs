//! The engine Redis or Valkey. Only this module names the crate.

mod history;
mod settings;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisResult, Value};

use super::channel::Channel;
use super::incoming::{Incoming, IncomingSender};
use super::link::OutgoingMessage;

pub(super) use history::{AppendCall, HistoryKeys, HistoryScripts};
pub(super) use stores::{StoreConnection, StoreFailure};

pub use settings::{EngineSettings, EngineSpec, FleetError};

/// How long a server may take for a connection, and all together if Sentinels are asked for it first.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the engine may take for an answer.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

impl EngineSettings {
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
        Ok(EngineConnection(self.connect_with(&config).await?))
    }

    async fn connect_with(&self, config: &AsyncConnectionConfig) -> Result<MultiplexedConnection, FleetError> {
        let connecting = async { self.client().await?.get_multiplexed_async_connection_with_config(config).await };
        match tokio::time::timeout(ATTEMPT_TIMEOUT, connecting).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(FleetError::Failed("it does not answer".to_owned())),
        }
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

    /// Which entries the engine removes if its memory is short, in its own words. `None` if it does not say.
    pub(super) async fn eviction_policy(&mut self) -> Option<String> {
        // A user of the engine may be forbidden to ask.
        let memory: RedisResult<String> = redis::cmd("INFO").arg("memory").query_async(&mut self.0).await;
        let memory = memory.ok()?;
        memory.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(|policy| policy.trim().to_owned())
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
