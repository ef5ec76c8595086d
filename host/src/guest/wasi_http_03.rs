//! Handlers of the world `wasi:http` 0.3: the resources of wasmtime's own library, over the exchange.
//!
//! The library gives a guest its streams, futures and fields. This module owns what it reads and writes: the request's
//! body comes from the exchange, and the response's goes there, a piece at a time, beside the guest and not in it. So a
//! response goes out while its guest runs, and what the guest has finished is sent even if it traps after that.
//!
//! Each request belongs to its invocation ([`wasi_http::RequestScope`]). If a guest keeps one across requests (`reuse`), it is empty
//! and closed.

mod client;
mod error_code;
mod fields;
mod host_functions;
mod request;
mod response;
mod task_bound;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use tokio::sync::oneshot;
use tokio::task::unconstrained;
use wasmtime::Store;
use wasmtime::component::{Access, Accessor, Resource, TypedFunc};
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p3::bindings::http::types::{ErrorCode, Request, Response};

use super::Outcome;
use super::state::GuestState;
use super::upstream_call::CallContext;
use super::wasi_http::{self, NoResponse};
use crate::exchange::Exchange;

pub(super) use fields::{HttpHooks, close_resources, context};
pub(super) use host_functions::add_to_linker;
use response::{DefaultStatus, HttpResponse};
pub(super) use task_bound::check as check_tasks;

/// The function `handle` of `wasi:http/handler`.
pub(super) type AsyncHandler = TypedFunc<(Resource<Request>,), (Result<Resource<Response>, ErrorCode>,)>;

/// How often the guest and the sending of its response take turns before the connection has its turn.
const MAX_ROUNDS: u32 = 8;

const UNFINISHED: NoResponse = NoResponse::Unfinished("its tasks have ended, and its body has not");

/// What the tasks of a guest and the sending of its response know of each other.
#[derive(Debug, Default)]
struct ResponseProgress(Mutex<ResponseProgressState>);

#[derive(Debug, Default)]
struct ResponseProgressState {
    /// The response that the guest has returned, until it is sent.
    returned: Option<Result<HttpResponse, NoResponse>>,
    /// Whether the response is sent, as far as it can be.
    is_sent: bool,
    /// Whether no task of the guest is left.
    has_no_tasks: bool,
}

impl ResponseProgress {
    fn with<R>(&self, work: impl FnOnce(&mut ResponseProgressState) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the response that the guest returns. It is polled after each poll of the guest, so it needs no waker.
    async fn returned(&self) -> Result<HttpResponse, NoResponse> {
        poll_fn(|_| self.with(|state| state.returned.take()).map_or(Poll::Pending, Poll::Ready)).await
    }
}

/// Calls `handle` for the request of the store's invocation, and sends the response. It returns when no task of the guest
/// is left.
///
/// # Errors
/// [`NoResponse`] if the guest has made no whole response. A trap is an error of wasmtime.
pub(super) async fn call(
    store: &mut Store<GuestState>,
    handle: &AsyncHandler,
) -> wasmtime::Result<Result<Outcome, NoResponse>> {
    let (exchange, scope) = wasi_http::begin_scope(store.data_mut())?;
    let request = match request::of(&scope) {
        Ok(request) => store.data_mut().table_mut().push(request)?,
        Err(reason) => return Ok(Err(reason)),
    };
    if let Some(context) = store.data().invocation().map(CallContext::of) {
        store.data_mut().table_and_hooks().1.begin(context, exchange.clone());
    }
    let handler = store.data().handler();
    let (progress, (was_sent, sent)) = (ResponseProgress::default(), oneshot::channel());
    let mut send = pin!(async {
        let response = progress.returned().await?;
        let is_whole = response::send(&exchange, response, handler).await;
        // Nobody waits for it any more if the guest has dropped the future.
        let _ = was_sent.send(matches!(is_whole, Ok(true)));
        is_whole.map(drop)
    });
    let mut end = None;
    let ran = {
        let mut tasks =
            pin!(store.run_concurrent(async |accessor| run(accessor, handle, request, sent, &progress).await));
        // The connection's task has its own turns. A budget of tokio would seem to be a wait for something.
        unconstrained(poll_fn(|cx| poll(cx, tasks.as_mut(), send.as_mut(), &mut end, &progress, &exchange))).await
    };
    match (ran, end) {
        (Ok(()), end) => Ok(end.unwrap_or(Err(UNFINISHED)).map(|()| Outcome::Body(Bytes::new()))),
        (Err(error), end) => {
            if end.is_none() {
                // What the guest has written before its trap is sent as far as there is room. It is complete if the guest
                // has finished that.
                let _ = unconstrained(poll_fn(|cx| Poll::Ready(send.as_mut().poll(cx)))).await;
            }
            Err(error)
        }
    }
}

/// Polls the tasks of a guest and the sending of its response, until no task is left. `end` is how the sending has ended.
fn poll(
    cx: &mut Context<'_>,
    mut tasks: Pin<&mut impl Future<Output = wasmtime::Result<wasmtime::Result<()>>>>,
    mut send: Pin<&mut impl Future<Output = Result<(), NoResponse>>>,
    end: &mut Option<Result<(), NoResponse>>,
    progress: &ResponseProgress,
    exchange: &Exchange,
) -> Poll<wasmtime::Result<()>> {
    let mut rounds = 0;
    loop {
        if let Poll::Ready(ran) = tasks.as_mut().poll(cx) {
            return Poll::Ready(ran.flatten());
        }
        if end.is_none()
            && let Poll::Ready(ended) = send.as_mut().poll(cx)
        {
            *end = Some(ended);
            // The tasks are polled again, as they may wait only for that.
            progress.with(|state| state.is_sent = true);
            continue;
        }
        // What each gives the other is taken before anything is sent, so that a short response goes out at once.
        rounds += 1;
        if rounds < MAX_ROUNDS && exchange.take_wake() {
            continue;
        }
        let has_no_tasks = progress.with(|state| state.has_no_tasks);
        let is_dead = end.is_none() && has_no_tasks && !exchange.is_waiting() && !exchange.is_runnable();
        return if is_dead { Poll::Ready(Ok(())) } else { Poll::Pending };
    }
}

/// Runs the tasks of a guest: `handle`, and what goes on after that.
async fn run(
    accessor: &Accessor<GuestState>,
    handle: &AsyncHandler,
    request: Resource<Request>,
    sent: oneshot::Receiver<bool>,
    progress: &ResponseProgress,
) -> wasmtime::Result<()> {
    let (returned,) = handle.call_concurrent(accessor, (request,)).await?;
    let sent = async { if sent.await.unwrap_or(false) { Ok(()) } else { Err(Error::ConnectionTerminated) } };
    let response = match returned {
        Ok(response) => Ok(accessor.with(|store| take_response(store, response, sent))?),
        Err(code) => Err(error_code::no_response(&code.into())),
    };
    progress.with(|state| state.returned = Some(response));
    poll_fn(|cx| {
        let has_no_tasks = accessor.poll_no_interesting_tasks(cx).is_ready();
        let is_sent = progress.with(|state| {
            state.has_no_tasks = has_no_tasks;
            state.is_sent
        });
        // A body that comes from the host needs no task of the guest, but this loop.
        if has_no_tasks && is_sent { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    Ok(())
}

/// Takes the response out of the guest's table. `sent` is what its guest is told of its transmission.
fn take_response(
    mut store: Access<'_, GuestState>,
    response: Resource<Response>,
    sent: impl Future<Output = Result<(), Error>> + Send + 'static,
) -> wasmtime::Result<HttpResponse> {
    let (table, hooks) = store.data_mut().table_and_hooks();
    let made = hooks.made(response.rep());
    let mut response = table.delete(response)?.into_http(&mut store, sent)?;
    if made.is_some_and(|made| !made.has_status) {
        response.extensions_mut().insert(DefaultStatus);
    }
    if made.is_some_and(|made| !made.has_body) {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
    }
    Ok(response)
}
