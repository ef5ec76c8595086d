//! The task of one stream: a request, and how its stream ends.

use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};

use crate::close_reason::CloseReason;
use crate::connection::client::Client;
use crate::connection::dispatch;
use crate::connection::host_response::HostResponse;
use crate::connection::next::Next;
use crate::connection::reply::reply;
use crate::connection::request_terms::RequestTerms;
use crate::http1::server::RequestFraming;
use crate::http2::request::{Http2Request, Http2RequestError};
use crate::net::{Http2Connection, Http2Stream, Stream};

/// How a stream has ended, as far as its connection is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// The host has answered or ended it.
    Served,
    /// It was reset because of the client, before its response was complete.
    Reset,
}

/// A stream as the client of its request: with the peer of its connection, and sharing its budgets.
pub(super) fn client(
    connection: &mut Client,
    shared: &Arc<Http2Connection>,
    response: SendResponse<Bytes>,
    body: Option<RecvStream>,
) -> Box<Client> {
    let stream = Stream::Http2(Box::new(Http2Stream::new(shared.clone(), response, body)));
    let mut client = Client::new(stream, connection.peer, super::worker(connection));
    client.rate_budgets = connection.rate_budgets.share();
    Box::new(client)
}

/// Serves the request of a stream, and ends the stream.
pub(super) async fn serve(
    mut client: Box<Client>,
    checked: Result<Http2Request, Http2RequestError>,
    framing: RequestFraming,
) -> StreamEnd {
    // A stream that was reset before its turn has cost no instance.
    let next = if client.socket.http2().is_some_and(Http2Stream::was_reset) {
        Err(CloseReason::ClientGone)
    } else {
        let serving = match checked {
            Ok(Http2Request { head, framing }) => dispatch::serve_framed(&mut client, head, framing, None),
            Err(error) => Box::pin(refuse(&mut client, framing, error)),
        };
        match serving.await {
            Ok(Next::Request) => Ok(()),
            Ok(Next::Parked(parked)) => parked.serve(&mut client).await,
            // A handshake needs HTTP/1.1, so there is none here.
            Ok(Next::WebSocket(_)) => Err(CloseReason::Failed),
            Err(reason) => Err(reason),
        }
    };
    match client.socket.http2() {
        Some(stream) => end(stream, next),
        None => StreamEnd::Served,
    }
}

/// Responds to a request that is malformed or too large.
async fn refuse(client: &mut Client, framing: RequestFraming, error: Http2RequestError) -> Result<Next, CloseReason> {
    let status = error.status().unwrap_or(400);
    let terms = RequestTerms::closing(framing);
    reply(client, &terms, None, HostResponse::of_wrong(status, &error)).await
}

/// Ends the stream. A response that is not complete never looks so: it ends in a reset, whose code says why.
fn end(stream: &Http2Stream, next: Result<(), CloseReason>) -> StreamEnd {
    let end = if stream.was_reset() { StreamEnd::Reset } else { StreamEnd::Served };
    if !stream.has_ended() {
        stream.reset(match next {
            // The handler wants no response to be sent. NO_ERROR would say that nothing is missing, REFUSED_STREAM that the
            // request was not processed, and INTERNAL_ERROR that something has failed.
            Err(CloseReason::Handler) if !stream.has_head() => Reason::CANCEL,
            Err(CloseReason::ClientGone | CloseReason::WriteTimeout | CloseReason::Lagging) => Reason::CANCEL,
            Ok(()) | Err(_) => Reason::INTERNAL_ERROR,
        });
    }
    stream.close();
    end
}
