//! A stream as hyper reads and writes it, for the admin listener and its clients.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};

use super::{Stream, Timer};

/// The most bytes that are read at once.
const READ_BYTES: usize = 8 * 1024;

/// A stream that fails when the other side takes nothing of what is written for too long.
#[derive(Debug)]
pub struct HyperStream {
    stream: Stream,
    input: BytesMut,
    write_timeout: Duration,
    /// When the client began to take nothing.
    stalled_since: Option<Instant>,
    timer: Timer,
}

impl HyperStream {
    /// A client may take nothing for `write_timeout`.
    #[must_use]
    pub fn new(stream: Stream, write_timeout: Duration) -> Self {
        Self { stream, input: BytesMut::new(), write_timeout, stalled_since: None, timer: Timer::default() }
    }
}

impl Read for HyperStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let Self { stream, input, .. } = &mut *self;
        if input.is_empty() {
            ready!(stream.poll_read_at_most(cx, input, READ_BYTES))?;
        }
        let length = input.len().min(into.remaining());
        into.put_slice(&input[..length]);
        input.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl Write for HyperStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stream.poll_write_ready(cx)?.is_pending() {
                        let since = *self.stalled_since.get_or_insert_with(Instant::now);
                        let until = since + self.write_timeout;
                        return self.timer.poll(cx, until).map(|()| Err(io::ErrorKind::TimedOut.into()));
                    }
                }
                written => {
                    self.stalled_since = None;
                    return Poll::Ready(written);
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown_write())
    }
}
