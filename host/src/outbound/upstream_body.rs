//! The body of a request: none, whole, or written piece by piece.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;

use super::failure::UpstreamFailure;

/// The most bytes of a written body that wait to be sent, besides what hyper has taken.
pub const MAX_WAITING: usize = 64 * 1024;

/// The body of a request.
pub enum UpstreamBody {
    /// None.
    Empty,
    /// All of it.
    Whole(Bytes),
    /// A piece at a time.
    Stream(UnsyncBoxBody<Bytes, UpstreamFailure>),
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamBody")
    }
}

impl UpstreamBody {
    /// A body that is written piece by piece. If its `length` is known, another length is an error.
    #[must_use]
    pub fn written(length: Option<u64>) -> (BodyWriter, Self) {
        let state = Arc::new(Mutex::new(WrittenState { left: length, ..WrittenState::default() }));
        (BodyWriter(state.clone()), Self::Stream(UnsyncBoxBody::new(WrittenBody(state))))
    }

    /// A copy, unless it is a stream.
    pub(super) fn copy(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Stream(_) => None,
        }
    }
}

#[derive(Debug, Default)]
struct WrittenState {
    waiting: BytesMut,
    trailers: Option<HeaderMap>,
    end: WrittenEnd,
    /// How many bytes are left of a known length.
    left: Option<u64>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Whether nobody sends it any more.
    is_abandoned: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum WrittenEnd {
    #[default]
    Open,
    Finished,
    /// Its writer was dropped before it has finished.
    Dropped,
}

/// Writes the body of a request. If it is dropped before the body is finished, the request fails.
#[derive(Debug)]
pub struct BodyWriter(Arc<Mutex<WrittenState>>);

impl BodyWriter {
    /// How many bytes the next write takes. 0 if the server has to take earlier ones first.
    ///
    /// # Errors
    /// Nobody sends it any more.
    pub fn room(&self) -> Result<usize, UpstreamFailure> {
        let state = lock(&self.0);
        match state.is_abandoned {
            true => Err(UpstreamFailure::Closed),
            false => Ok(MAX_WAITING - state.waiting.len()),
        }
    }

    /// Writes as much of `bytes` as there is room for, and returns how much that is.
    ///
    /// # Errors
    /// Nobody sends it any more, or its length is passed.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, UpstreamFailure> {
        let taken = bytes.len().min(self.room()?);
        if taken == 0 {
            return Ok(0);
        }
        let reader = {
            let mut state = lock(&self.0);
            if let Some(left) = &mut state.left {
                *left = left.checked_sub(bytes.len() as u64).ok_or(UpstreamFailure::RequestLength)?;
                // What is not taken is written again.
                *left += (bytes.len() - taken) as u64;
            }
            state.waiting.extend_from_slice(&bytes[..taken]);
            state.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
        Ok(taken)
    }

    /// Waits until there is room, or nobody sends it any more.
    pub async fn writable(&self) {
        poll_fn(|cx| self.poll_writable(cx)).await;
    }

    /// As [`Self::writable`].
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.waiting.len() < MAX_WAITING || state.is_abandoned {
            return Poll::Ready(());
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ends the body.
    ///
    /// # Errors
    /// It is shorter than its known length; then the request fails.
    pub fn finish(self, trailers: Option<HeaderMap>) -> Result<(), UpstreamFailure> {
        let mut state = lock(&self.0);
        if state.left.is_some_and(|left| left > 0) {
            // The drop fails the request.
            return Err(UpstreamFailure::RequestLength);
        }
        (state.end, state.trailers) = (WrittenEnd::Finished, trailers);
        Ok(())
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        let reader = {
            let mut state = lock(&self.0);
            if state.end == WrittenEnd::Open {
                state.end = WrittenEnd::Dropped;
            }
            state.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
    }
}

/// The reading side of a written body.
struct WrittenBody(Arc<Mutex<WrittenState>>);

impl Body for WrittenBody {
    type Data = Bytes;
    type Error = UpstreamFailure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UpstreamFailure>>> {
        let (polled, writer) = {
            let mut state = lock(&self.0);
            let waiting = Some(state.waiting.split()).filter(|waiting| !waiting.is_empty());
            match (waiting, state.end) {
                (Some(piece), WrittenEnd::Open | WrittenEnd::Finished) => {
                    (Poll::Ready(Some(Ok(Frame::data(piece.freeze())))), state.writer.take())
                }
                (None, WrittenEnd::Finished) => {
                    let trailers = state.trailers.take();
                    (Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))), None)
                }
                (_, WrittenEnd::Dropped) => (Poll::Ready(Some(Err(UpstreamFailure::RequestLength))), None),
                (None, WrittenEnd::Open) => {
                    state.reader = Some(cx.waker().clone());
                    (Poll::Pending, None)
                }
            }
        };
        writer.into_iter().for_each(Waker::wake);
        polled
    }
}

impl Drop for WrittenBody {
    fn drop(&mut self) {
        let writer = {
            let mut state = lock(&self.0);
            state.is_abandoned = true;
            state.writer.take()
        };
        writer.into_iter().for_each(Waker::wake);
    }
}

/// How far a body has been sent.
#[derive(Debug)]
pub(super) struct SendProgress(Mutex<SendState>);

#[derive(Debug, Clone, Copy)]
struct SendState {
    /// When the last piece was taken, or the component was first waited for.
    since: Instant,
    waits_for_component: bool,
    is_finished: bool,
}

impl SendProgress {
    pub(super) fn new() -> Arc<Self> {
        let state = SendState { since: Instant::now(), waits_for_component: false, is_finished: false };
        Arc::new(Self(Mutex::new(state)))
    }

    /// Since when the server is waited for. `None` while the component is.
    pub(super) fn waits_for_server_since(&self) -> Option<Instant> {
        let state = *lock(&self.0);
        (!state.waits_for_component).then_some(state.since)
    }

    pub(super) fn is_finished(&self) -> bool {
        lock(&self.0).is_finished
    }

    fn note(&self, waits_for_component: bool, is_finished: bool) {
        *lock(&self.0) = SendState { since: Instant::now(), waits_for_component, is_finished };
    }
}

/// A body whose progress is known.
pub(super) struct TrackedBody {
    body: UpstreamBody,
    progress: Arc<SendProgress>,
}

impl TrackedBody {
    pub(super) fn new(body: UpstreamBody, progress: Arc<SendProgress>) -> Self {
        if matches!(body, UpstreamBody::Empty) {
            progress.note(false, true);
        }
        Self { body, progress }
    }

    /// The body, of which nothing was sent.
    pub(super) fn into_inner(mut self) -> UpstreamBody {
        std::mem::replace(&mut self.body, UpstreamBody::Empty)
    }
}

impl Drop for TrackedBody {
    /// hyper drops a body of a known length when that is sent, and does not ask for its end. It drops any other with its
    /// connection.
    fn drop(&mut self) {
        self.progress.note(false, true);
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = UpstreamFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFailure>>> {
        let polled = match std::mem::replace(&mut self.body, UpstreamBody::Empty) {
            UpstreamBody::Empty => Poll::Ready(None),
            UpstreamBody::Whole(bytes) => {
                self.progress.note(false, true);
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            UpstreamBody::Stream(mut stream) => {
                let polled = Pin::new(&mut stream).poll_frame(cx);
                self.body = UpstreamBody::Stream(stream);
                polled
            }
        };
        let is_last = match &polled {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => false,
        };
        self.progress.note(polled.is_pending(), is_last);
        polled
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.body, UpstreamBody::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            UpstreamBody::Empty => SizeHint::with_exact(0),
            UpstreamBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            UpstreamBody::Stream(stream) => stream.size_hint(),
        }
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
