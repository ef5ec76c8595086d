//! The interface `seal`: lets a middleware make a field or a context entry final.

use wasmtime::component::{LinkerInstance, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::super::state::GuestState;
use super::super::types::GuestError;
use crate::response::ResponseError;

/// Links the interface.
pub(super) fn add(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    linker.func_wrap("field", |store: StoreContextMut<'_, GuestState>, (name,): (WasmStr,)| {
        let Some(exchange) = store.data().exchange() else { return Ok((Err(GuestError::Closed),)) };
        let sealed = exchange.seal_field(&name.to_str(&store)?).map_err(ResponseError::from);
        Ok((sealed.map_err(GuestError::from),))
    })?;
    linker.func_wrap("context", |store: StoreContextMut<'_, GuestState>, (name,): (WasmStr,)| {
        let Some(exchange) = store.data().exchange() else { return Ok((Err(GuestError::Closed),)) };
        Ok((exchange.seal_context_value(&name.to_str(&store)?).map_err(GuestError::from),))
    })?;
    linker.func_wrap("sealed", |store: StoreContextMut<'_, GuestState>, (name,): (WasmStr,)| {
        let Some(exchange) = store.data().exchange() else { return Ok((None,)) };
        Ok((exchange.sealed_context_value(&name.to_str(&store)?),))
    })
}
