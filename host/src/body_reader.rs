//! Moves the body of a request from the socket to whoever asks for it, a piece at a time.
//!
//! Owns reading and decoding the body, its rate, its time-out, and the `100 Continue`. It must not know who asks.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::config::Timeouts;
use crate::exchange::{BodyError, Exchange};
use crate::http1::decode::{BodyDecoder, DecodeError, Decoded};
use crate::net::{MAX_READ_AHEAD, Stream};
use crate::rate::Pacer;
use crate::rate::min_rate_timeout::MinRateTimeout;

/// The most of an unread body that is read and dropped to keep a connection.
pub const MAX_DRAIN: u64 = 256 * 1024;

/// The way of one request's body to its handler.
#[derive(Debug)]
pub struct BodyReader {
    decoder: BodyDecoder,
    piece: usize,
    /// In a box, as few bodies have one.
    pacer: Option<Box<Pacer>>,
    /// Decoded, and held until the rate allows it.
    held: Option<Bytes>,
    /// The client waits for a `100 Continue`.
    awaits_continue: bool,
    patience: MinRateTimeout,
    ended: bool,
}

impl BodyReader {
    /// An intake that gives pieces of at most `piece` bytes, and waits for them as `timeouts` say.
    #[must_use]
    pub fn new(
        decoder: BodyDecoder,
        piece: usize,
        pacer: Option<Pacer>,
        awaits_continue: bool,
        timeouts: &Timeouts,
    ) -> Self {
        let ended = decoder.is_done();
        let patience = MinRateTimeout::new(timeouts.body, timeouts.least_body_rate);
        let pacer = pacer.map(Box::new);
        Self { decoder, piece, pacer, held: None, awaits_continue, patience, ended }
    }

    /// Serves the handler where it waits for the body. Ready when it was given something.
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
            if self.patience.is_waiting() {
                self.patience.end(0, Instant::now);
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
            let end = match self.decoder.decode(input, wanted.min(self.piece)) {
                Ok(Decoded::Piece(piece)) => {
                    // RFC 9110 section 10.1.1: the 100 may be left out once some of the body is here.
                    if std::mem::take(&mut self.awaits_continue) {
                        exchange.response(|response| response.body_has_come());
                    }
                    self.held = Some(piece);
                    continue;
                }
                Ok(Decoded::End) => Ok(()),
                Err(DecodeError::Malformed(_)) => Err(BodyError::Malformed),
                Err(DecodeError::TooLarge) => Err(BodyError::TooLarge),
                Ok(Decoded::NeedMore) => match ready!(self.read(cx, socket, input, exchange))? {
                    0 => Err(BodyError::Incomplete),
                    read => {
                        self.patience.end(read, Instant::now);
                        continue;
                    }
                },
            };
            self.end(exchange, end);
            return Poll::Ready(Ok(()));
        }
    }

    /// Until when the client is waited for, where it is.
    #[must_use]
    pub fn waits_until(&self) -> Option<Instant> {
        self.patience.until()
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
        self.decoder.is_done()
    }

    /// Nobody asks for the body any more: drops what has come of it, and says whether the connection can be used again
    /// after the rest, as far as is known. It cannot where the client was never told to send the body, where too much
    /// of it is left, or where it is malformed.
    #[must_use]
    pub fn abandon(&mut self, input: &mut BytesMut) -> bool {
        if self.ended || self.awaits_continue {
            return self.decoder.is_done();
        }
        loop {
            match self.decoder.decode(input, self.piece) {
                Ok(Decoded::Piece(_)) => {}
                Ok(Decoded::End) => return true,
                Ok(Decoded::NeedMore) => return self.decoder.remaining() <= MAX_DRAIN,
                Err(DecodeError::Malformed(_) | DecodeError::TooLarge) => return false,
            }
        }
    }

    /// Reads and drops the rest of the body. True where it came to its end within the bounds of size and time.
    pub async fn drain(&mut self, socket: &Stream, input: &mut BytesMut, timeout: Duration) -> bool {
        let drain = async {
            let mut dropped = 0;
            while dropped <= MAX_DRAIN {
                match self.decoder.decode(input, self.piece) {
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
        self.patience.end(0, Instant::now);
        self.ended = true;
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
        if self.awaits_continue {
            self.awaits_continue = false;
            exchange.response(|response| response.interim_continue());
        }
        let read = socket.poll_read_at_most(cx, input, self.piece.max(MAX_READ_AHEAD));
        if read.is_pending() {
            self.patience.wait(Instant::now);
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
