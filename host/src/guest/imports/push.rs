//! The interface `push`: subscribes the response to topics and publishes to them.

use std::sync::Arc;

use wasmtime::component::{LinkerInstance, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::super::state::GuestState;
use super::super::types::{GuestError, GuestHistoryError};
use crate::exchange::Exchange;
use crate::push::{Answer, PushError};

/// Links the interface.
pub(super) fn add(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    linker.func_wrap("subscribe", |store: StoreContextMut<'_, GuestState>, (topic,): (WasmStr,)| {
        let topic = topic.to_str(&store)?;
        Ok((with_exchange::<_, GuestError>(&store, |exchange| exchange.subscribe(&topic)),))
    })?;
    linker.func_wrap(
        "publish",
        |store: StoreContextMut<'_, GuestState>, (topic, chunk): (WasmStr, WasmList<u8>)| {
            let topic = topic.to_str(&store)?;
            let chunk = chunk.as_le_slice(&store);
            Ok((with_exchange::<_, GuestError>(&store, |exchange| exchange.publish(&topic, chunk)),))
        },
    )?;
    linker.func_wrap("finish", |store: StoreContextMut<'_, GuestState>, (topic,): (WasmStr,)| {
        let topic = topic.to_str(&store)?;
        Ok((with_exchange::<_, GuestError>(&store, |exchange| exchange.finish_topic(&topic)),))
    })?;
    add_history(linker)
}

/// Links what concerns topics with history.
fn add_history(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    linker.func_wrap_async(
        "subscribe-after",
        |store: StoreContextMut<'_, GuestState>, (topic, last_id): (WasmStr, Option<WasmStr>)| {
            Box::new(async move {
                let Some(exchange) = store.data().exchange().cloned() else {
                    return Ok((Err(GuestHistoryError::Closed),));
                };
                let topic = topic.to_str(&store)?;
                let last_id = last_id.as_ref().map(|last_id| last_id.to_str(&store)).transpose()?;
                let subscribed = exchange.subscribe_after(&topic, last_id.as_deref()).await;
                Ok((subscribed.map_err(GuestHistoryError::from),))
            })
        },
    )?;
    linker.func_wrap_async(
        "append",
        |store: StoreContextMut<'_, GuestState>, (topic, event): (WasmStr, WasmList<u8>)| {
            Box::new(async move {
                let Some(exchange) = store.data().exchange().cloned() else {
                    return Ok((Err(GuestHistoryError::Closed),));
                };
                let appended = exchange.append(&topic.to_str(&store)?, event.as_le_slice(&store));
                let appended = match appended {
                    Ok(Answer::Later(answer)) => exchange.wait_elsewhere(answer).await,
                    Ok(Answer::Now(id)) => Ok(id),
                    Err(error) => Err(error),
                };
                Ok((appended.map(|id| id.to_string()).map_err(GuestHistoryError::from),))
            })
        },
    )
}

/// Calls the exchange. `closed` if there is no request.
fn with_exchange<T, E: From<PushError>>(
    store: &StoreContextMut<'_, GuestState>,
    call: impl FnOnce(&Arc<Exchange>) -> std::result::Result<T, PushError>,
) -> std::result::Result<T, E> {
    Ok(call(store.data().exchange().ok_or(PushError::Closed)?)?)
}
