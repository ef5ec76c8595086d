//! Responses that the host sends by itself, without a route.

use std::sync::Arc;

use super::client::Client;
use super::error_page::RETRY;
use super::exchange_loop::ExchangeLoop;
use super::finished::Finished;
use super::handshake;
use super::host_response::HostResponse;
use super::next::Next;
use super::request_log::RequestLog;
use super::request_terms::RequestTerms;
use crate::body_reader::BodyReader;
use crate::close_reason::CloseReason;
use crate::exchange::Exchange;
use crate::guest::{CallError, Outcome};
use crate::http::head::RequestHead;
use crate::http1::head::HeadError;
use crate::http1::server::RequestFraming;
use crate::net::buffers;
use crate::net::tls::HANDSHAKE_RECORD;
use crate::pump::Pump;
use crate::response::{Encoder, Response, ResponseOptions};

/// The size of a piece for a response without a route.
const PIECE: usize = 16 * 1024;

/// The handler type of an exchange without a handler.
type NoHandler = std::future::Pending<Result<Outcome, CallError>>;

/// Responds to a head that is malformed. What follows it on the connection cannot be parsed either.
pub(super) async fn refuse_head(client: &mut Client, error: HeadError) -> Result<Next, CloseReason> {
    if client.http.input().starts_with(&[HANDSHAKE_RECORD, 3]) {
        tracing::debug!(target: "connection", peer = %client.peer, "a TLS handshake on a listener without TLS");
        handshake::refuse_tls(&client.socket);
        return Err(CloseReason::TlsHandshake);
    }
    tracing::debug!(target: "connection", peer = %client.peer, status = error.status(), "request refused: {error}");
    let terms = RequestTerms::closing(client.http.closing_framing());
    reply(client, &terms, None, HostResponse::of_wrong(error.status(), &error)).await
}

/// Responds to a head that was not complete in time (RFC 9110 section 15.5.9).
pub(super) async fn answer_head_timeout(client: &mut Client) -> Result<Next, CloseReason> {
    let terms = RequestTerms::closing(client.http.closing_framing());
    let refusal = HostResponse::new(408, CloseReason::HeadTimeout.explain()).last(CloseReason::HeadTimeout);
    reply(client, &terms, None, refusal).await
}

/// Responds on a connection for which there is no room, for one of the reasons of that kind.
pub(super) async fn answer_overload(client: &mut Client, reason: CloseReason) -> Result<Next, CloseReason> {
    let terms = RequestTerms::closing(RequestFraming::CLOSING);
    reply(client, &terms, None, HostResponse::new(503, reason.explain()).with(RETRY).last(reason)).await
}

/// Sends a response of the host's own, and reads or drops the request's body. `head` is the head of the request, if it
/// could be parsed.
pub(super) async fn reply(
    client: &mut Client,
    terms: &RequestTerms,
    head: Option<&RequestHead>,
    refusal: HostResponse<'_>,
) -> Result<Next, CloseReason> {
    let framing = terms.framing;
    let worker = client.worker.clone();
    let timeouts = &worker.config().timeouts;
    let mut body_reader = BodyReader::new(framing.body(u64::MAX), PIECE, None, timeouts);
    let keeps_alive =
        body_reader.abandon(client.http.input_mut()) && refusal.last.is_none() && !worker.stopping().is_set();
    let options =
        ResponseOptions { head_only: framing.head_only, status: refusal.status, coalesce: 0, buffer_size: PIECE };
    let mut response = Response::new(options, b"", Encoder::for_request(&framing, false, PIECE, buffers::take_output));
    if !keeps_alive {
        response.forbid_keep_alive();
    }
    let id = worker.next_id();
    refusal.write(head, id, terms.trace.as_ref().map(|trace| trace.id())).replace(&mut response);
    let mut exchange = Exchange::answered(response);
    exchange.set_trace(terms.trace.clone());
    let exchange = Arc::new(exchange);
    let follow = || RequestLog::follow(client, &worker, &exchange, terms, head, None, (id, 0));
    let request_log = refusal.is_logged().then(follow).flatten();
    let io = client.io();
    let handler = std::pin::pin!(None::<NoHandler>);
    let mut exchange_loop =
        ExchangeLoop::new(io, exchange.clone(), handler, None, body_reader, Pump::new(None, timeouts));
    let Finished { end, next } = exchange_loop.run().await;
    if let Some(request_log) = request_log {
        request_log.close(end);
    }
    match (next, refusal.last) {
        (Err(ended), Some(reason)) if ended.is_not_persistent() || ended == CloseReason::BodyUnread => Err(reason),
        (next, _) => next,
    }
}
