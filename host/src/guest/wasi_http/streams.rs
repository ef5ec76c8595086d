//! What is different here in `wasi:io`: writes are read from the guest's memory piece by piece, of any size, and a poll
//! knows what of it is a wait for the client.

use std::time::Instant;

use bytes::Bytes;
use wasmtime::component::{ComponentType, HasData, Linker, Lower, Resource, ResourceTable, WasmList};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::bindings::io::poll::{self, Host as _, HostPollable as _};
use wasmtime_wasi::p2::bindings::io::streams::HostOutputStream as _;
use wasmtime_wasi::p2::bindings::io::{error, streams};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, IoError, StreamError as HostStreamError, StreamResult,
};

use super::super::scheduler::NextSlice;
use super::super::state::GuestState;
use super::response_body::{ResponseBody, never_set};
use crate::exchange::MAX_RUN;

/// `stream-error`
#[derive(ComponentType, Lower)]
#[component(variant)]
enum GuestStreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

/// Zeros for a body.
const ZEROES: [u8; 4096] = [0; 4096];

type GuestResult<T> = std::result::Result<T, GuestStreamError>;
type Store<'s> = StoreContextMut<'s, GuestState>;

/// The resources of a guest.
struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

/// Redefines functions that wasmtime's own `wasi:io` has.
pub(super) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    linker.allow_shadowing(true);
    // Over the table alone, so that a guest that only reads and writes bodies makes no context of WASI.
    error::add_to_linker::<GuestState, HasTable>(linker, GuestState::table_mut)?;
    poll::add_to_linker::<GuestState, HasTable>(linker, GuestState::table_mut)?;
    streams::add_to_linker::<GuestState, HasTable>(linker, GuestState::table_mut)?;
    let mut streams = linker.instance("wasi:io/streams@0.2.12")?;
    streams.func_wrap_async(
        "[method]output-stream.write",
        |mut store: Store<'_>, (stream, chunk): (Resource<DynOutputStream>, WasmList<u8>)| {
            Box::new(async move {
                let written = match store.data_mut().http_mut().response_body(stream.rep()) {
                    Some(body) => write_permitted(&mut store, &body, &chunk).await,
                    None => {
                        let chunk = Bytes::copy_from_slice(chunk.as_le_slice(&store));
                        store.data_mut().table_mut().get_mut(&stream)?.write(chunk)
                    }
                };
                Ok((to_guest(&mut store, written)?,))
            })
        },
    )?;
    streams.func_wrap_async(
        "[method]output-stream.blocking-write-and-flush",
        |mut store: Store<'_>, (stream, chunk): (Resource<DynOutputStream>, WasmList<u8>)| {
            Box::new(async move {
                let written = match store.data_mut().http_mut().response_body(stream.rep()) {
                    Some(body) => write_all(&mut store, &body, &chunk).await,
                    None => {
                        let chunk = Bytes::copy_from_slice(chunk.as_le_slice(&store));
                        let exchange = store.data().exchange().cloned();
                        let write = store.data_mut().table_mut().get_mut(&stream)?.blocking_write_and_flush(chunk);
                        match exchange {
                            Some(exchange) => exchange.wait_for_any(1, write).await.map_err(|_| never_set())?,
                            None => write.await,
                        }
                    }
                };
                Ok((to_guest(&mut store, written)?,))
            })
        },
    )?;
    streams.func_wrap_async(
        "[method]output-stream.blocking-write-zeroes-and-flush",
        |mut store: Store<'_>, (stream, bytes): (Resource<DynOutputStream>, u64)| {
            Box::new(async move {
                let written = match store.data_mut().http_mut().response_body(stream.rep()) {
                    Some(body) => write_zeroes(&mut store, &body, bytes).await,
                    None => store.data_mut().table_mut().blocking_write_zeroes_and_flush(stream, bytes).await,
                };
                Ok((to_guest(&mut store, written)?,))
            })
        },
    )?;
    streams.func_wrap(
        "[method]input-stream.read",
        |mut store: Store<'_>, (stream, max): (Resource<DynInputStream>, u64)| {
            let piece = store.data_mut().table_mut().get_mut(&stream)?.read(length(max));
            Ok((to_guest(&mut store, piece)?,))
        },
    )?;
    streams.func_wrap_async(
        "[method]input-stream.blocking-read",
        |mut store: Store<'_>, (stream, max): (Resource<DynInputStream>, u64)| {
            Box::new(async move {
                let piece = store.data_mut().table_mut().get_mut(&stream)?.blocking_read(length(max)).await;
                Ok((to_guest(&mut store, piece)?,))
            })
        },
    )?;
    let mut poll = linker.instance("wasi:io/poll@0.2.12")?;
    poll.func_wrap_async("poll", |mut store: Store<'_>, (pollables,): (Vec<Resource<DynPollable>>,)| {
        Box::new(async move {
            let (exchange, count) = (store.data().exchange().cloned(), pollables.len());
            let ready = store.data_mut().table_mut().poll(pollables);
            let ready = match exchange {
                Some(exchange) => exchange.wait_for_any(count, ready).await.map_err(|_| never_set())?,
                None => ready.await,
            };
            Ok((ready?,))
        })
    })?;
    poll.func_wrap_async("[method]pollable.block", |mut store: Store<'_>, (pollable,): (Resource<DynPollable>,)| {
        Box::new(async move {
            let exchange = store.data().exchange().cloned();
            let ready = store.data_mut().table_mut().block(pollable);
            match exchange {
                Some(exchange) => exchange.wait_for_any(1, ready).await.map_err(|_| never_set())?,
                None => ready.await,
            }
        })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Writes what `check-write` has allowed.
async fn write_permitted(store: &mut Store<'_>, body: &ResponseBody, chunk: &WasmList<u8>) -> StreamResult<()> {
    if !body.write(chunk.as_le_slice(&*store), &mut 0)? {
        return Err(HostStreamError::trap("it has written more than `check-write` allows"));
    }
    rest(store, body).await;
    Ok(())
}

/// Writes a chunk of any size as its client takes it.
async fn write_all(store: &mut Store<'_>, body: &ResponseBody, chunk: &WasmList<u8>) -> StreamResult<()> {
    let mut written = 0;
    loop {
        let is_whole = body.write(chunk.as_le_slice(&*store), &mut written)?;
        rest(store, body).await;
        if is_whole {
            return Ok(());
        }
        body.writable().await?;
    }
}

/// Writes as many zeros as its client takes them.
async fn write_zeroes(store: &mut Store<'_>, body: &ResponseBody, mut bytes: u64) -> StreamResult<()> {
    while bytes > 0 {
        let piece = &ZEROES[..length(bytes).min(ZEROES.len())];
        let mut written = 0;
        let is_whole = body.write(piece, &mut written)?;
        bytes -= written as u64;
        rest(store, body).await;
        if !is_whole {
            body.writable().await?;
        }
    }
    Ok(())
}

/// Lets what a guest has written go out, if it has been writing for a while.
async fn rest(store: &mut Store<'_>, body: &ResponseBody) {
    if let Some(exchange) = body.exchange()
        && exchange.should_yield(Instant::now)
    {
        let slice = NextSlice::after(store.data().handler(), MAX_RUN, Some(exchange.clone()));
        exchange.wait_elsewhere(slice).await;
    }
}

/// A result as it is lowered into the guest.
fn to_guest<T>(store: &mut Store<'_>, result: StreamResult<T>) -> Result<GuestResult<T>> {
    Ok(match result {
        Ok(value) => Ok(value),
        Err(HostStreamError::Closed) => Err(GuestStreamError::Closed),
        Err(HostStreamError::LastOperationFailed(error)) => {
            Err(GuestStreamError::LastOperationFailed(store.data_mut().table_mut().push(error)?))
        }
        Err(HostStreamError::Trap(error)) => return Err(error),
    })
}

fn length(max: u64) -> usize {
    usize::try_from(max).unwrap_or(usize::MAX)
}
