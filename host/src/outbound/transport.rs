//! A connection to another server as hyper reads and writes it, and how much of it was read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::failure::UpstreamFailure;

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;

/// The most bytes that come before the head of a response is complete, with all interim responses before it.
const MAX_BEFORE_HEAD: usize = 128 * 1024;

/// The bytes that were read since the last request was sent. Only the worker's thread changes it.
#[derive(Debug, Default)]
pub(super) struct ReadCount {
    since_request: AtomicUsize,
    /// How many more may come.
    room: AtomicUsize,
}

impl ReadCount {
    /// A request is sent: the head of its response is bounded.
    pub(super) fn begin(&self) {
        self.since_request.store(0, Relaxed);
        self.room.store(MAX_BEFORE_HEAD, Relaxed);
    }

    /// The head has come.
    pub(super) fn head_has_come(&self) {
        self.room.store(usize::MAX, Relaxed);
    }

    /// Whether some of the response has come.
    pub(super) fn has_begun(&self) -> bool {
        self.since_request.load(Relaxed) > 0
    }

    fn note(&self, bytes: usize) -> io::Result<()> {
        self.since_request.fetch_add(bytes, Relaxed);
        let room = self.room.load(Relaxed);
        if room < bytes {
            return Err(io::Error::other(UpstreamFailure::HeadTooLarge));
        }
        if room != usize::MAX {
            self.room.store(room - bytes, Relaxed);
        }
        Ok(())
    }
}

/// TCP, or TLS over it.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A transport that counts what is read.
pub(super) struct CountedTransport {
    transport: Transport,
    count: Arc<ReadCount>,
    buffer: Box<[u8]>,
}

impl CountedTransport {
    pub(super) fn new(transport: Transport, count: Arc<ReadCount>) -> Self {
        Self { transport, count, buffer: vec![0; READ_BYTES].into_boxed_slice() }
    }
}

impl Read for CountedTransport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let Self { transport, count, buffer } = &mut *self;
        let length = into.remaining().min(buffer.len());
        let mut read = ReadBuf::new(&mut buffer[..length]);
        ready!(match transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut read),
            Transport::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, &mut read),
        })?;
        count.note(read.filled().len())?;
        into.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for CountedTransport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}
