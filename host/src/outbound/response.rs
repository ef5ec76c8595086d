//! A response of another server: its head, and its body as it is read.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderName};
use http_body::Body;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};

use super::failure::UpstreamFailure;
use super::grant::HttpGrant;
use super::origin::Origin;
use super::pool::{self, UpstreamConnection};
use super::upstream_body::SendProgress;
use crate::http::fields::CONNECTION_FIELDS;

/// A response. If it is dropped before its body has ended, its connection is closed.
#[derive(Debug)]
pub struct UpstreamResponse {
    status: u16,
    fields: HeaderMap,
    trailers: Option<HeaderMap>,
    body: Incoming,
    /// What was received and not read.
    received: ReceivedPiece,
    /// How many more bytes may come.
    left: u64,
    between_bytes: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    transfer: Option<Transfer>,
}

/// What a response holds until its body has ended.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) grant: Arc<HttpGrant>,
    pub(super) origin: Origin,
    pub(super) connection: UpstreamConnection,
    pub(super) progress: Arc<SendProgress>,
    pub(super) _slot: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum ReceivedPiece {
    Nothing,
    Piece(Bytes),
    End,
    Failed(UpstreamFailure),
}

impl UpstreamResponse {
    pub(super) fn new(
        response: http::Response<Incoming>,
        transfer: Transfer,
        between_bytes: Duration,
    ) -> Result<Self, UpstreamFailure> {
        let max = transfer.grant.limits().max_response;
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        if status < 200 {
            return Err(UpstreamFailure::Protocol(format!("it has the status {status}")));
        }
        if body.size_hint().lower() > max {
            return Err(UpstreamFailure::BodyTooLarge(max));
        }
        let mut response = Self {
            status,
            fields: without_connection(head.headers),
            trailers: None,
            received: if body.is_end_stream() { ReceivedPiece::End } else { ReceivedPiece::Nothing },
            body,
            left: max,
            between_bytes,
            timer: None,
            transfer: Some(transfer),
        };
        if matches!(response.received, ReceivedPiece::End) {
            response.end();
        }
        Ok(response)
    }

    /// The status, from 200 to 999.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The fields, without those of the connection.
    #[must_use]
    pub fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    /// Takes the trailers, which come after the body.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// Reads the next piece of the body, of at most `max` bytes. `None` at its end.
    ///
    /// # Errors
    /// See [`UpstreamFailure`]. Each read after that has the same error.
    pub async fn read(&mut self, max: usize) -> Result<Option<Bytes>, UpstreamFailure> {
        poll_fn(|cx| self.poll_received(cx)).await;
        self.try_read(max).unwrap_or(Ok(None))
    }

    /// Reads the next piece if it is there.
    pub fn try_read(&mut self, max: usize) -> Option<Result<Option<Bytes>, UpstreamFailure>> {
        match &mut self.received {
            ReceivedPiece::Nothing => None,
            ReceivedPiece::End => Some(Ok(None)),
            ReceivedPiece::Failed(failure) => Some(Err(failure.clone())),
            ReceivedPiece::Piece(piece) => {
                let read = piece.split_to(piece.len().min(max));
                if piece.is_empty() {
                    self.received = ReceivedPiece::Nothing;
                }
                Some(Ok(Some(read)))
            }
        }
    }

    /// Waits until [`Self::try_read`] has something.
    pub fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while matches!(self.received, ReceivedPiece::Nothing) {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return self.poll_timer(cx),
            };
            self.timer = None;
            match frame {
                None => self.end(),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => self.receive(data),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok().map(without_connection);
                        self.end();
                    }
                },
                Some(Err(error)) => self.fail(UpstreamFailure::of_hyper(&error, true)),
            }
        }
        Poll::Ready(())
    }

    fn receive(&mut self, data: Bytes) {
        match self.left.checked_sub(data.len() as u64) {
            Some(left) => (self.left, self.received) = (left, ReceivedPiece::Piece(data)),
            None => {
                let max = self.transfer.as_ref().map_or(0, |transfer| transfer.grant.limits().max_response);
                self.fail(UpstreamFailure::BodyTooLarge(max));
            }
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = Instant::now() + self.between_bytes;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.fail(UpstreamFailure::ReadTimeout(self.between_bytes));
        Poll::Ready(())
    }

    fn fail(&mut self, failure: UpstreamFailure) {
        self.transfer = None;
        self.received = ReceivedPiece::Failed(failure);
    }

    /// Keeps the connection for the next request, if it can be used again.
    fn end(&mut self) {
        self.received = ReceivedPiece::End;
        let Some(Transfer { grant, origin, connection, progress, .. }) = self.transfer.take() else { return };
        // A server may answer before it has taken the whole request: then the connection has no place for another.
        if progress.is_finished() && !grant.is_crowded() {
            pool::keep(&grant, connection, origin);
        }
    }
}

/// Fields without those that describe the connection (RFC 9110 section 7.6.1).
fn without_connection(mut fields: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = fields
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        fields.remove(name);
    }
    for name in CONNECTION_FIELDS {
        fields.remove(name);
    }
    fields
}
