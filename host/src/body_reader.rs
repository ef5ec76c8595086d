//! Moves the body of a request from the socket to whoever asks for it, a piece at a time.
//!
//! Owns reading and decoding the body, its rate, its time-out, and the `100 Continue`.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::config::Timeouts;
use crate::exchange::{BodyError, Exchange};
use crate::http1::body::{MAX_DRAIN, RequestBody};
use crate::http1::decode::{DecodeError, Decoded};
use crate::net::{Http2Stream, MAX_READ_AHEAD, Stream};
use crate::rate::Pacer;
use crate::rate::min_rate_timeout::MinRateTimeout;

#[cfg(test)]
mod tests;

/// The way of one request's body to its handler.
#[derive(Debug)]
pub struct BodyReader {
    body: RequestBody,
    piece: usize,
    /// In a box, as few bodies have one.
    pacer: Option<Box<Pacer>>,
    /// Decoded, and held until the rate allows it.
    held: Option<Bytes>,
    timeout: MinRateTimeout,
}

impl BodyReader {
    /// A reader that gives pieces of at most `piece` bytes, and waits for them as long as `timeouts` say.
    #[must_use]
    pub fn new(body: RequestBody, piece: usize, pacer: Option<Pacer>, timeouts: &Timeouts) -> Self {
        let timeout = MinRateTimeout::new(timeouts.body, timeouts.min_body_rate);
        let pacer = pacer.map(Box::new);
        Self { body, piece, pacer, held: None, timeout }
    }

    /// Serves a handler that waits for the body. Ready when it was given something.
    ///
    /// # Errors
    /// What the socket says: the client is gone.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        socket: &Stream,
        input: &mut BytesMut,
        exchange: &Exchange,
    ) -> Poll<io::Result<()>> {
        let Some(wanted) = exchange.requested() else {
            // A wait that its handler has given up counts no longer.
            if self.timeout.is_waiting() {
                self.timeout.end(0, Instant::now);
            }
            return Poll::Pending;
        };
        loop {
            if let Some(held) = self.held.take_if(|held| may_pass(&mut self.pacer, held.len())) {
                exchange.push_piece(held);
                return Poll::Ready(Ok(()));
            }
            if self.held.is_some() {
                return Poll::Pending;
            }
            let end = match self.body.decode(input, wanted.min(self.piece)) {
                Ok(Decoded::Piece(piece)) => {
                    if self.body.take_awaits_continue() {
                        exchange.response(|response| response.body_has_come());
                    }
                    self.held = Some(piece);
                    continue;
                }
                Ok(Decoded::End) => {
                    if let Some(trailers) = self.body.take_trailers() {
                        exchange.set_request_trailers(trailers);
                    }
                    Ok(())
                }
                Err(DecodeError::Malformed(_)) => Err(BodyError::Malformed),
                Err(DecodeError::TooLarge) => Err(BodyError::TooLarge),
                Ok(Decoded::NeedMore) => match ready!(self.read(cx, socket, input, exchange))? {
                    0 if self.body.ends_with_stream() => match socket.http2().map(Http2Stream::take_trailers) {
                        Some(Ok(trailers)) => {
                            self.body.end_with_stream(trailers);
                            continue;
                        }
                        Some(Err(_)) => Err(BodyError::Malformed),
                        None => Err(BodyError::Incomplete),
                    },
                    0 => Err(BodyError::Incomplete),
                    read => {
                        self.timeout.end(read, Instant::now);
                        continue;
                    }
                },
            };
            self.end(exchange, end);
            return Poll::Ready(Ok(()));
        }
    }

    /// Until when the client is waited for, if it is.
    #[must_use]
    pub fn waits_until(&self) -> Option<Instant> {
        self.timeout.until()
    }

    /// When the rate allows the next piece.
    #[must_use]
    pub fn paced_until(&self) -> Option<Instant> {
        self.pacer.as_ref()?.waiting_until()
    }

    /// The client was waited for too long.
    pub fn time_out(&mut self, exchange: &Exchange) {
        self.end(exchange, Err(BodyError::TimedOut));
    }

    /// Whether the whole body was read, well-formed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.body.is_done()
    }

    /// Nobody asks for the body any more: as [`RequestBody::abandon`].
    #[must_use]
    pub fn abandon(&mut self, input: &mut BytesMut) -> bool {
        self.body.abandon(input)
    }

    /// Reads and drops the rest of the body. True if it came to its end within the bounds of size and time.
    pub async fn drain(&mut self, socket: &Stream, input: &mut BytesMut, timeout: Duration) -> bool {
        let drain = async {
            let mut dropped = 0;
            while dropped <= MAX_DRAIN {
                match self.body.decode(input, self.piece) {
                    Ok(Decoded::End) => return true,
                    Ok(Decoded::Piece(piece)) => dropped += piece.len() as u64,
                    Ok(Decoded::NeedMore) => {
                        let more = std::future::poll_fn(|cx| socket.poll_read_at_most(cx, input, MAX_READ_AHEAD)).await;
                        if !matches!(more, Ok(1..)) {
                            return false;
                        }
                    }
                    Err(DecodeError::Malformed(_) | DecodeError::TooLarge) => return false,
                }
            }
            false
        };
        tokio::time::timeout(timeout, drain).await.unwrap_or(false)
    }

    fn end(&mut self, exchange: &Exchange, end: Result<(), BodyError>) {
        self.timeout.end(0, Instant::now);
        self.body.end();
        if end.is_err() {
            exchange.response(|response| response.forbid_keep_alive());
        }
        exchange.end_body(end);
    }

    fn read(
        &mut self,
        cx: &mut Context<'_>,
        socket: &Stream,
        input: &mut BytesMut,
        exchange: &Exchange,
    ) -> Poll<io::Result<usize>> {
        if self.body.take_awaits_continue() {
            exchange.response(|response| response.interim_continue());
        }
        let read = socket.poll_read_at_most(cx, input, self.piece.max(MAX_READ_AHEAD));
        if read.is_pending() {
            self.timeout.wait(Instant::now);
            if let Some(pacer) = &mut self.pacer {
                pacer.rest();
            }
        }
        read
    }
}

/// Charges a piece to the rate, once, and says whether its time has come.
fn may_pass(pacer: &mut Option<Box<Pacer>>, bytes: usize) -> bool {
    let Some(pacer) = pacer else { return true };
    match pacer.poll(bytes, Instant::now()) {
        Poll::Ready(allowed) => {
            pacer.spend(allowed);
            true
        }
        Poll::Pending => false,
    }
}
