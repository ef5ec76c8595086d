//! The parts of a response on a stream of HTTP/2: its head, its payload, and its end.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use crate::net::Http2Stream;
use crate::rate::Pacer;
use crate::response::Response;

/// Sends what is encoded of the head, once. `shared` bytes of shared chunks wait behind the output of the response.
pub(crate) fn send_head(stream: &Http2Stream, response: &mut Response, shared: usize) -> io::Result<()> {
    let Some(encoder) = response.http2() else { return Ok(()) };
    if encoder.take_continue() {
        stream.send_continue()?;
    }
    match encoder.take_head(shared) {
        Some((head, ends)) => stream.send_head(*head, ends),
        None => Ok(()),
    }
}

/// Sends the first bytes of the output, `most` at most, without a copy.
pub(crate) fn send_payload(
    stream: &Http2Stream,
    response: &mut Response,
    most: usize,
    shared: usize,
) -> io::Result<usize> {
    stream.send_payload(most, |allowed| response.take_payload(allowed, shared).unwrap_or_default())
}

/// Sends the end of a response that has ended.
pub(crate) fn send_end(stream: &Http2Stream, response: &mut Response) -> io::Result<()> {
    match response.http2().and_then(|encoder| encoder.take_end()) {
        Some(trailers) => stream.send_end(trailers.map(|trailers| *trailers)),
        None => Ok(()),
    }
}

/// How many of `waiting` bytes may be sent now. If it is pending because of the rate, the pacer knows until when. The windows are asked first, so that a client which shuts them takes no bytes
/// of a rate that others share. While the rate makes the stream wait, other streams have the windows.
pub(super) fn poll_pacer(
    cx: &mut Context<'_>,
    stream: &Http2Stream,
    pacer: &mut Pacer,
    waiting: usize,
) -> Poll<io::Result<usize>> {
    // A piece that has waited for its time is let pass first, and then waits for the windows like any other.
    let waiting = match pacer.waiting_until() {
        Some(_) => ready!(pacer.poll(waiting, Instant::now())),
        None => waiting.min(pacer.piece()),
    };
    let window = match ready!(stream.poll_window(cx, waiting)) {
        Ok(window) => window,
        Err(error) => return Poll::Ready(Err(error)),
    };
    let allowed = pacer.poll(window, Instant::now());
    if allowed.is_pending() {
        stream.release_window();
    }
    allowed.map(Ok)
}
