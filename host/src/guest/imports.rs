//! The host functions of `wit/world.wit`: each looks up the exchange, calls it and maps the result.
//!
//! They are linked by hand so that chunks, names and values are read in place from guest memory: a chunk piece by piece
//! as space becomes free, names and values without a copy before they are validated.

mod push;
mod seal;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use wasmtime::component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::scheduler::NextSlice;
use super::state::GuestState;
use super::types::{GuestBodyError, GuestError, GuestValue, HttpVersion};
use super::{config, error_text, files, http_client, key_value, wasi_http};
use crate::exchange::{Exchange, MAX_RUN, Request};
use crate::http::fields::{FieldError, Fields};

/// The version of the package that this host provides.
pub(super) const VERSION: &str = "0.1.0";

/// The interfaces of the package `vibrato:handler`.
pub(super) const INTERFACES: [&str; 12] = [
    "types",
    "request",
    "response",
    "options",
    "config",
    "http-client",
    "key-value",
    "push",
    "context",
    "seal",
    "messages",
    "script",
];

type GuestResult = std::result::Result<(), GuestError>;

/// Links all of WASI 0.2, `wasi:http` 0.2 and the interfaces of this package.
pub(super) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasi_http::add_to_linker(linker)?;
    files::add_to_linker(linker)?;
    config::add_to_linker(linker)?;
    key_value::add_to_linker(linker)?;
    let mut root = linker.root();
    let mut interface = |name: &str, add: fn(&mut LinkerInstance<'_, GuestState>) -> Result<()>| {
        add(&mut root.instance(&format!("vibrato:handler/{name}@{VERSION}"))?)
    };
    interface("types", |_| Ok(()))?;
    interface("messages", |_| Ok(()))?;
    interface("request", add_request)?;
    interface("response", add_response)?;
    interface("options", add_options)?;
    interface("config", config::add)?;
    interface("http-client", http_client::add)?;
    interface("key-value", key_value::add)?;
    interface("push", push::add)?;
    interface("context", add_context)?;
    interface("seal", seal::add)?;
    interface("script", add_script)
}

fn add_script(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    linker.func_wrap("program", |store: StoreContextMut<'_, GuestState>, (): ()| {
        Ok((store.data().program().cloned().unwrap_or_default(),))
    })
}

fn add_request(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    add_request_getter(linker, "method", |request| request.head.method().to_owned())?;
    add_request_getter(linker, "target", |request| request.head.target().to_owned())?;
    add_request_getter(linker, "path", |request| request.head.path().to_owned())?;
    add_request_getter(linker, "query", |request| request.head.query().map(str::to_owned))?;
    add_request_getter(linker, "version", |request| HttpVersion::from(request.head.version()))?;
    add_request_getter(linker, "protocol", |request| request.head.version().name())?;
    add_request_getter(linker, "scheme", |request| request.scheme.as_str())?;
    add_request_getter(linker, "params", |request| request.params.clone())?;
    add_request_getter(linker, "peer", |request| request.peer.address())?;
    add_request_getter(linker, "fields", |request| {
        let field = |(name, value): (&str, &[u8])| (name.to_ascii_lowercase(), Bytes::copy_from_slice(value));
        request.head.fields().map(field).collect::<Vec<_>>()
    })?;
    linker.func_wrap("field", |store: StoreContextMut<'_, GuestState>, (name,): (WasmStr,)| {
        Ok((combined(request(&store)?, &name.to_str(&store)?),))
    })?;
    linker.func_wrap_async("read", |store: StoreContextMut<'_, GuestState>, (max,): (u32,)| {
        Box::new(async move {
            let exchange = exchange(&store)?;
            let piece = exchange.read(max.max(1) as usize).await;
            Ok((piece.map_err(GuestBodyError::from),))
        })
    })
}

fn add_response(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    linker.func_wrap("set-status", |store: StoreContextMut<'_, GuestState>, (code,): (u16,)| {
        let set = |exchange: &Arc<Exchange>| exchange.set_status(code).map_err(GuestError::from);
        Ok((store.data().exchange().ok_or(GuestError::Closed).and_then(set),))
    })?;
    set_field(linker, "set-field", Fields::set)?;
    set_field(linker, "append-field", Fields::append)?;
    add_head(linker)?;
    linker.func_wrap("remove-field", |store: StoreContextMut<'_, GuestState>, (name,): (WasmStr,)| {
        let name = name.to_str(&store)?;
        let remove = |fields: &mut Fields| -> std::result::Result<(), FieldError> {
            fields.remove(&name);
            Ok(())
        };
        Ok((change_field(&store, &name, remove),))
    })?;
    linker.func_wrap_async("write", |store: StoreContextMut<'_, GuestState>, (chunk,): (WasmList<u8>,)| {
        Box::new(async move {
            let Some(exchange) = store.data().exchange() else { return Ok((Err(GuestError::Closed),)) };
            let mut written = 0;
            loop {
                match exchange.write(chunk.as_le_slice(&store), &mut written) {
                    Ok(is_whole) => {
                        if exchange.should_yield(Instant::now) {
                            let slice = NextSlice::after(store.data().handler(), MAX_RUN, Some(exchange.clone()));
                            exchange.wait_elsewhere(slice).await;
                        }
                        if is_whole {
                            return Ok((Ok(()),));
                        }
                        exchange.writable().await;
                    }
                    Err(error) => return Ok((Err(GuestError::from(error)),)),
                }
            }
        })
    })?;
    linker.func_wrap("close", |store: StoreContextMut<'_, GuestState>, (): ()| {
        let closed = store.data().exchange().map(|exchange| exchange.close());
        Ok((closed.ok_or(GuestError::Closed),))
    })?;
    linker.func_wrap("fail", |store: StoreContextMut<'_, GuestState>, (reason,): (WasmStr,)| {
        let Some(exchange) = store.data().exchange() else { return Ok((Err(GuestError::Closed),)) };
        exchange.fail(|| Ok::<_, wasmtime::Error>(error_text::reason(&reason.to_str(&store)?)))?;
        Ok((Ok(()),))
    })
}

/// Links the functions that read the response head.
fn add_head(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    linker.func_wrap("status", |store: StoreContextMut<'_, GuestState>, (): ()| {
        Ok((exchange(&store)?.response(|response| response.head().status()),))
    })?;
    linker.func_wrap("fields", |store: StoreContextMut<'_, GuestState>, (): ()| {
        let line = |(name, value): (&str, &[u8])| (name.to_owned(), Bytes::copy_from_slice(value));
        Ok((exchange(&store)?.response(|response| response.fields().map(line).collect::<Vec<_>>()),))
    })?;
    linker.func_wrap("field", |store: StoreContextMut<'_, GuestState>, (name,): (WasmStr,)| {
        let (exchange, name) = (exchange(&store)?, name.to_str(&store)?);
        let value = exchange.response(|response| {
            let mut lines = response.fields().filter(|(known, _)| known.eq_ignore_ascii_case(&name));
            lines.next().map(|(_, value)| Bytes::copy_from_slice(value))
        });
        Ok((value,))
    })
}

fn add_context(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    linker.func_wrap("get", |store: StoreContextMut<'_, GuestState>, (name,): (WasmStr,)| {
        let Some(exchange) = store.data().exchange() else { return Ok((None,)) };
        Ok((exchange.context_value(&name.to_str(&store)?),))
    })?;
    linker.func_wrap("set", |store: StoreContextMut<'_, GuestState>, (name, value): (WasmStr, WasmList<u8>)| {
        let Some(exchange) = store.data().exchange() else { return Ok((Err(GuestError::Closed),)) };
        let set = exchange.set_context_value(&name.to_str(&store)?, value.as_le_slice(&store));
        Ok((set.map_err(GuestError::from),))
    })
}

fn add_options(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    linker.func_wrap("get", |store: StoreContextMut<'_, GuestState>, (name,): (WasmStr,)| {
        let Some(options) = store.data().options() else { return Ok((None,)) };
        Ok((options.get(&name.to_str(&store)?).map(GuestValue::from),))
    })?;
    linker.func_wrap("all", |store: StoreContextMut<'_, GuestState>, (): ()| {
        let options = store.data().options();
        let all = options.into_iter().flat_map(|options| options.all());
        Ok((all.map(|entry| (entry.name.clone(), GuestValue::from(&entry.value))).collect::<Vec<_>>(),))
    })
}

/// Links a getter of the request.
fn add_request_getter<R>(linker: &mut LinkerInstance<'_, GuestState>, name: &str, get: fn(&Request) -> R) -> Result<()>
where
    (R,): ComponentNamedList + Lower + 'static,
{
    linker.func_wrap(name, move |store: StoreContextMut<'_, GuestState>, (): ()| Ok((get(request(&store)?),)))
}

/// Links a function that takes a field's name and value.
fn set_field(
    linker: &mut LinkerInstance<'_, GuestState>,
    name: &str,
    set: fn(&mut Fields, &str, &[u8]) -> std::result::Result<(), FieldError>,
) -> Result<()>
where
    (WasmStr, WasmList<u8>): ComponentNamedList + Lift,
{
    linker.func_wrap(name, move |store: StoreContextMut<'_, GuestState>, (name, value): (WasmStr, WasmList<u8>)| {
        let name = name.to_str(&store)?;
        let value = value.as_le_slice(&store);
        Ok((change_field(&store, &name, |fields| set(fields, &name, value)),))
    })
}

fn change_field(
    store: &StoreContextMut<'_, GuestState>,
    name: &str,
    change: impl FnOnce(&mut Fields) -> std::result::Result<(), FieldError>,
) -> GuestResult {
    let exchange = store.data().exchange().ok_or(GuestError::Closed)?;
    exchange.change_field(name, change).map_err(GuestError::from)
}

fn exchange<'s>(store: &'s StoreContextMut<'_, GuestState>) -> Result<&'s Arc<Exchange>> {
    store.data().exchange().ok_or_else(no_request)
}

fn request<'s>(store: &'s StoreContextMut<'_, GuestState>) -> Result<&'s Request> {
    exchange(store)?.request().ok_or_else(no_request)
}

fn no_request() -> wasmtime::Error {
    NoRequest.into()
}

/// A component has read the request during its start or its `describe`.
#[derive(Debug, thiserror::Error)]
#[error("there is no request while a component starts or describes itself")]
pub(super) struct NoRequest;

/// The value of a field: its lines joined by `, ` (RFC 9110 section 5.3), or by `; ` for `cookie` (RFC 6265 section
/// 5.4).
fn combined(request: &Request, name: &str) -> Option<Bytes> {
    let mut lines = request.head.values(name);
    let first = lines.next()?;
    let separator: &[u8] = if name.eq_ignore_ascii_case("cookie") { b"; " } else { b", " };
    let mut value = first.to_owned();
    for line in lines {
        value.extend_from_slice(separator);
        value.extend_from_slice(line);
    }
    Some(value.into())
}
