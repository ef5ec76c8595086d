//! The response: its head and its body are written to the exchange, and its end is told from a failure.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Instant;

use std::sync::Arc;

use http::HeaderMap;
use http_body::Body as _;
use wasmtime_wasi_http::{Error, WasiBody};

use super::super::scheduler::NextSlice;
use super::super::wasi_http::NoResponse;
use super::error_code;
use crate::exchange::{Exchange, MAX_RUN};
use crate::http::fields::{FieldError, Fields};
use crate::response::ResponseError;

/// A response as the library gives it. Its body is read without the guest's store.
pub(super) type HttpResponse = http::Response<WasiBody>;

/// Says of a response that its guest has set no status, so that the status of the route or of a middleware stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct DefaultStatus;

const TOO_SHORT: NoResponse = NoResponse::Unfinished("its body is shorter than its `content-length`");
const TOO_LONG: NoResponse = NoResponse::Unfinished("its body is longer than its `content-length`");

/// Sends a response. `handler` is charged for a long run. True if all is sent, and false if the client takes nothing
/// more.
///
/// # Errors
/// The response has no good end.
pub(super) async fn send(exchange: &Arc<Exchange>, response: HttpResponse, handler: u64) -> Result<bool, NoResponse> {
    let (head, mut body) = response.into_parts();
    let fields = fields(&head.headers).map_err(|error| NoResponse::Refused(error.into()))?;
    let status = head.extensions.get::<DefaultStatus>().is_none().then(|| head.status.as_u16());
    match exchange.set_head(status, &fields) {
        // If a middleware has sent the head, the body follows what that has written.
        Ok(()) | Err(ResponseError::HeadSent) => {}
        Err(ResponseError::Closed) => return Ok(false),
        Err(error) => return Err(NoResponse::Refused(error)),
    }
    let (declared, mut sent) = (fields.content_length(), 0);
    loop {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    if !write(exchange, &data, handler).await? {
                        return Ok(false);
                    }
                    sent += data.len() as u64;
                }
                Err(frame) => return finish(exchange, frame.into_trailers().ok()).await,
            },
            None => return finish(exchange, None).await,
            Some(Err(Error::HttpResponseBodySize(length))) if declared.is_some() => {
                if !exchange.response(|response| response.has_body()) {
                    // Nobody can say that a body that is dropped has another length.
                    return finish(exchange, None).await;
                }
                if declared != Some(sent) {
                    return Err(if length.is_some() && length < declared { TOO_SHORT } else { TOO_LONG });
                }
                // What is beyond the length is dropped; the guest was told.
            }
            Some(Err(error)) => return Err(error_code::no_response(&error)),
        }
    }
}

/// Writes a piece of the body as the client takes it. False if it takes nothing more.
async fn write(exchange: &Arc<Exchange>, data: &[u8], handler: u64) -> Result<bool, NoResponse> {
    let mut written = 0;
    // An empty piece would complete the response.
    while written < data.len() && !exchange.drops_body() {
        let is_whole = match exchange.write(data, &mut written) {
            Ok(is_whole) => is_whole,
            Err(ResponseError::Invalid) => return Err(TOO_LONG),
            Err(ResponseError::Closed | ResponseError::HeadSent | ResponseError::Field(_)) => return Ok(false),
        };
        if exchange.should_yield(Instant::now) {
            let slice = NextSlice::after(handler, MAX_RUN, Some(exchange.clone()));
            exchange.wait_elsewhere(slice).await;
        }
        if !is_whole {
            exchange.writable().await;
        }
    }
    Ok(true)
}

/// Completes the response. False if the client takes nothing more.
async fn finish(exchange: &Exchange, trailers: Option<HeaderMap>) -> Result<bool, NoResponse> {
    // What is forbidden in trailers is dropped, and so is what is too much.
    let trailers = trailers.map(|trailers| fields(&trailers).unwrap_or_default());
    loop {
        if exchange.drops_body() {
            return Ok(true);
        }
        if exchange.response(|response| response.contradicts(0)) {
            return Err(TOO_SHORT);
        }
        let finished = match &trailers {
            Some(trailers) => exchange.finish_with_trailers(trailers),
            None => exchange.write(b"", &mut 0),
        };
        match finished {
            Ok(true) if exchange.is_truncated() => return Err(TOO_SHORT),
            Ok(true) => return Ok(true),
            Ok(false) => exchange.writable().await,
            Err(_) => return Ok(false),
        }
    }
}

/// The fields of a response. It has no `host` (RFC 9110 section 7.2), but guests give a proxied request's fields back. Its
/// `trailer` is for the host to send.
fn fields(map: &HeaderMap) -> Result<Fields, FieldError> {
    let mut fields = Fields::default();
    for (name, value) in map {
        if name != http::header::HOST && name != http::header::TRAILER {
            fields.append(name.as_str(), value.as_bytes())?;
        }
    }
    Ok(fields)
}
