//! The socket of a connection as `h2` reads and writes it, and what its task has to know of it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::control_frames::ControlFrameRate;
use crate::clock;
use crate::config::Timeouts;
use crate::connection_table::ClientSocket;
use crate::http2::PREFACE;
use crate::http2::frames::FrameScanner;
use crate::net::Http2Connection;
use crate::rate::min_rate_timeout::MinRateTimeout;

/// How many reads a connection has in one turn. Then others have theirs, however fast its client sends.
const READS_IN_TURN: u32 = 16;

/// The socket of a connection.
pub(super) struct ClientIo {
    socket: Arc<ClientSocket>,
    /// What was read from the socket and is not taken yet.
    input: BytesMut,
    state: Arc<IoState>,
}

/// What the connection's task knows of its socket.
#[derive(Debug)]
pub(super) struct IoState {
    shared: Arc<Http2Connection>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    reads_left: u32,
    preface_left: usize,
    scanner: FrameScanner,
    control_frames: ControlFrameRate,
    /// Whether the client has sent too many frames that are of no request. No more is read then.
    is_flooding: bool,
    /// Bytes that the socket has taken.
    written: u64,
    /// How long the socket takes nothing.
    write_timeout: MinRateTimeout,
    /// Whether the client has closed its sending side.
    has_ended: bool,
}

impl IoState {
    pub(super) fn new(shared: Arc<Http2Connection>, timeouts: &Timeouts) -> Self {
        let inner = Inner {
            reads_left: READS_IN_TURN,
            preface_left: PREFACE.len(),
            scanner: FrameScanner::default(),
            control_frames: ControlFrameRate::new(clock::recent()),
            is_flooding: false,
            written: 0,
            write_timeout: MinRateTimeout::new(timeouts.write, timeouts.min_write_rate),
            has_ended: false,
        };
        Self { shared, inner: Mutex::new(inner) }
    }

    /// Begins a turn of the connection.
    pub(super) fn begin_turn(&self) {
        self.lock().reads_left = READS_IN_TURN;
    }

    /// Whether the socket takes nothing of what waits for it.
    pub(super) fn is_blocked(&self) -> bool {
        self.lock().write_timeout.is_waiting()
    }

    /// Until when the socket has to take something, if it takes nothing.
    pub(super) fn stalled_until(&self) -> Option<Instant> {
        self.lock().write_timeout.until()
    }

    /// Whether the client has begun a block of fields and not completed it, or has never begun one.
    pub(super) fn awaits_head(&self) -> bool {
        let scanner = &self.lock().scanner;
        scanner.headers() == 0 || scanner.is_in_head()
    }

    /// Whether the client has sent too many frames that are of no request.
    pub(super) fn is_flooding(&self) -> bool {
        self.lock().is_flooding
    }

    /// Whether the client has closed its sending side.
    pub(super) fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientIo {
    /// The socket, from which `input` was already read.
    pub(super) fn new(socket: Arc<ClientSocket>, input: BytesMut, state: Arc<IoState>) -> Self {
        Self { socket, input, state }
    }

    /// Writes as much as the socket takes at once, and waits if it takes nothing.
    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&ClientSocket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(&self.socket) {
                Ok(written) => {
                    let mut state = self.state.lock();
                    state.write_timeout.end(written, Instant::now);
                    state.written += written as u64;
                    drop(state);
                    self.state.shared.note_written(written);
                    return Poll::Ready(Ok(written));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.socket.poll_write_ready(cx)?.is_pending() {
                        self.state.lock().write_timeout.wait(Instant::now);
                        return Poll::Pending;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { socket, input, state } = self.get_mut();
        if state.lock().is_flooding {
            return Poll::Pending;
        }
        if input.is_empty() {
            if state.lock().reads_left == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if ready!(socket.poll_read(cx, input))? == 0 {
                state.lock().has_ended = true;
                return Poll::Ready(Ok(()));
            }
            state.lock().reads_left -= 1;
        }
        let given = input.len().min(buffer.remaining());
        let given = state.lock().follow(&input[..given]);
        buffer.put_slice(&input[..given]);
        input.advance(given);
        if input.is_empty() {
            // A connection that waits holds no buffer of its own.
            *input = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl Inner {
    /// Follows what is read. Returns how many of the bytes may be taken: all of them, unless there are too many frames.
    fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut followed = self.preface_left.min(bytes.len());
        self.preface_left -= followed;
        while followed < bytes.len() && !self.is_flooding {
            followed += self.scanner.feed_part(&bytes[followed..]);
            self.is_flooding = self.control_frames.is_exceeded(&self.scanner, self.written, clock::recent);
        }
        followed
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |socket| socket.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |socket| socket.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.socket.poll_flush(cx);
        match &flushed {
            Poll::Ready(_) => self.state.lock().write_timeout.end(0, Instant::now),
            Poll::Pending => self.state.lock().write_timeout.wait(Instant::now),
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.shutdown_write())
    }
}
