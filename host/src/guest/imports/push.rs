//! The interface `push`: subscribes the response to topics and publishes to them.

use std::sync::Arc;

use wasmtime::component::{LinkerInstance, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::super::state::GuestState;
use super::super::types::GuestError;
use crate::exchange::Exchange;
use crate::push::PushError;

/// Links the interface.
pub(super) fn add(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    linker.func_wrap("subscribe", |store: StoreContextMut<'_, GuestState>, (topic,): (WasmStr,)| {
        let topic = topic.to_str(&store)?;
        Ok((with_exchange(&store, |exchange| exchange.subscribe(&topic)),))
    })?;
    linker.func_wrap(
        "publish",
        |store: StoreContextMut<'_, GuestState>, (topic, chunk): (WasmStr, WasmList<u8>)| {
            let topic = topic.to_str(&store)?;
            let chunk = chunk.as_le_slice(&store);
            Ok((with_exchange(&store, |exchange| exchange.publish(&topic, chunk)),))
        },
    )?;
    linker.func_wrap("finish", |store: StoreContextMut<'_, GuestState>, (topic,): (WasmStr,)| {
        let topic = topic.to_str(&store)?;
        Ok((with_exchange(&store, |exchange| exchange.finish_topic(&topic)),))
    })
}

/// Calls the exchange. `closed` if there is no request.
fn with_exchange<T>(
    store: &StoreContextMut<'_, GuestState>,
    call: impl FnOnce(&Arc<Exchange>) -> std::result::Result<T, PushError>,
) -> std::result::Result<T, GuestError> {
    Ok(call(store.data().exchange().ok_or(GuestError::Closed)?)?)
}
