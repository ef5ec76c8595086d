//! The byte stream of one connection, over any transport.

use std::io::{self, IoSlice, Read as _};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use rustix::net::RecvFlags;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{Interest, Ready};
use tokio::net::{TcpStream, UnixStream};

use super::tls::{Handshake, Sni, TlsAgreement, TlsStream};
use super::{Http2Stream, buffers};

/// The most bytes that are read ahead of what is asked for.
pub const MAX_READ_AHEAD: usize = 16 * 1024;

/// After how many unanswered probes a client counts as gone.
const PROBES: u32 = 3;

/// The byte stream of one connection. The bytes are those of the protocol above it, such as HTTP.
///
/// Its methods take `&self`, because a handler's writes and the connection share it. One task alone polls it.
///
/// A transport that encrypts, such as TLS, does so within these methods, and the documentation of each says how. It keeps
/// its session behind a lock that is never contended, and ciphertext that is not sent yet in a bounded buffer. Each method
/// that uses the session first sends what is in that buffer.
#[derive(Debug)]
pub enum Stream {
    /// TCP, without encryption.
    Tcp(TcpStream),
    /// A Unix socket, without encryption.
    Unix(UnixStream),
    /// TLS over one of the others.
    Tls(Box<TlsStream>),
    /// One stream of an HTTP/2 connection. Boxed, so that other connections do not get larger by it.
    Http2(Box<Http2Stream>),
    /// No client: the host itself has made the request. It sends nothing more, and what is written is dropped.
    Nowhere,
    /// Memory, in tests.
    #[cfg(test)]
    Memory(super::memory::MemoryStream),
}

/// What [`Stream::poll_ahead`] has found out about the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// The client has closed its sending side. It may still read.
    HalfClosed,
    /// The client is gone.
    Gone,
}

impl Stream {
    /// The authority of a request that names none: the address and port that its client has connected to, or `localhost` if
    /// there is no address. `None` if the system does not say.
    #[must_use]
    pub fn local_authority(&self) -> Option<String> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok().map(|address| address.to_string()),
            Self::Unix(_) => Some("localhost".to_owned()),
            Self::Tls(tls) => tls.socket().local_authority(),
            // Its requests name their authority.
            Self::Http2(_) | Self::Nowhere => None,
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// The stream, if it is one of HTTP/2.
    #[must_use]
    #[inline]
    pub fn http2(&self) -> Option<&Http2Stream> {
        match self {
            Self::Http2(stream) => Some(stream),
            Self::Tcp(_) | Self::Unix(_) | Self::Tls(_) | Self::Nowhere => None,
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// Whether it is encrypted, or a stream of a connection that is.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Tls(_) => true,
            Self::Http2(stream) => stream.is_tls(),
            _ => false,
        }
    }

    /// What the client has asked for in the handshake of TLS. `None` without TLS, and before the handshake.
    #[must_use]
    pub fn sni(&self) -> Option<Arc<Sni>> {
        match self {
            Self::Tls(tls) => tls.sni(),
            _ => None,
        }
    }

    /// What was agreed upon in the handshake of TLS. `None` without TLS, and before the handshake.
    #[must_use]
    pub fn tls_agreement(&self) -> Option<TlsAgreement> {
        match self {
            Self::Tls(tls) => tls.agreement(),
            _ => None,
        }
    }

    /// Ready when the first byte of the client, or the end of the stream, can be read.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_read_ready(cx),
            Self::Unix(socket) => socket.poll_read_ready(cx),
            Self::Tls(tls) => tls.socket().poll_readable(cx),
            Self::Http2(_) | Self::Nowhere => Poll::Pending,
            #[cfg(test)]
            Self::Memory(memory) => memory.poll_readable(cx),
        }
    }

    /// Ready when the handshake of TLS has ended. [`Self::poll_read`] takes part in it too; this does not take what follows.
    ///
    /// # Errors
    /// The handshake has failed, and the client was told by an alert; or the connection is lost.
    pub fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<Handshake>> {
        match self {
            Self::Tls(tls) => tls.poll_handshake(cx),
            _ => Poll::Ready(Ok(Handshake::Complete)),
        }
    }

    /// How many bytes of ciphertext are written, but not accepted by the system yet.
    #[must_use]
    #[inline]
    pub fn unsent(&self) -> usize {
        match self {
            Self::Tls(tls) => tls.unsent(),
            _ => 0,
        }
    }

    /// Reads the bytes that are available and appends them to `input`, which takes no more memory than they need. Ready
    /// with 0 at the end of the stream.
    ///
    /// TLS: plaintext that is left from an earlier record comes first, without a look at the socket. Pending while a record
    /// is incomplete. The stream ends with a `close_notify`; it is an error if the socket ends without one.
    ///
    /// # Errors
    /// The connection is lost.
    #[inline]
    pub fn poll_read(&self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |read| input.extend_from_slice(read))
    }

    /// Reads the bytes that are available, as [`Self::poll_read`], and drops them.
    ///
    /// TLS: it decrypts them, to notice a `close_notify` and to answer messages of the TLS protocol. HTTP/2: it gives up the
    /// body for good, and the end of the body is not the end of the stream.
    ///
    /// # Errors
    /// As [`Self::poll_read`].
    #[inline]
    pub fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Self::Http2(stream) = self {
            stream.abandon_body();
            return stream.poll_gone(cx).map(|_| Err(io::ErrorKind::ConnectionReset.into()));
        }
        self.poll_with(cx, |_| ())
    }

    #[inline]
    fn poll_with(&self, cx: &mut Context<'_>, mut take: impl FnMut(&[u8])) -> Poll<io::Result<usize>> {
        match self {
            Self::Tls(_) | Self::Http2(_) => self.poll_layered(cx, take),
            _ => buffers::with_read(|buffer| {
                let read = ready!(self.poll_read_into(cx, buffer))?;
                take(&buffer[..read]);
                Poll::Ready(Ok(read))
            }),
        }
    }

    /// Reads from a stream that is within another one. It is apart so that reads from a socket are small enough to be inlined.
    #[inline(never)]
    fn poll_layered(&self, cx: &mut Context<'_>, mut take: impl FnMut(&[u8])) -> Poll<io::Result<usize>> {
        match self {
            Self::Tls(tls) => tls.poll_read(cx, &mut |read| {
                take(read);
                read.len()
            }),
            Self::Http2(stream) => stream.poll_read(cx, usize::MAX, take),
            _ => Poll::Pending,
        }
    }

    /// Reads the bytes that are available into `buffer`. Ready with 0 at the end of the stream.
    #[inline]
    pub(super) fn poll_read_into(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => read_socket(socket, cx, buffer),
            Self::Unix(socket) => read_socket(socket, cx, buffer),
            // Neither is within TLS.
            Self::Tls(_) | Self::Http2(_) | Self::Nowhere => Poll::Pending,
            #[cfg(test)]
            Self::Memory(memory) => memory.poll_read(cx, buffer.len()).map_ok(|read| {
                buffer[..read.len()].copy_from_slice(&read);
                read.len()
            }),
        }
    }

    /// Reads at most `max` bytes directly into the memory of `input`, as a body needs it. Ready with 0 at the end of the
    /// stream.
    ///
    /// TLS: as [`Self::poll_read`]. Plaintext past `max` is kept for the next call.
    ///
    /// # Errors
    /// As [`Self::poll_read`].
    pub fn poll_read_at_most(&self, cx: &mut Context<'_>, input: &mut BytesMut, max: usize) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => read_socket_at_most(socket, cx, input, max),
            Self::Unix(socket) => read_socket_at_most(socket, cx, input, max),
            Self::Http2(stream) => stream.poll_read(cx, max, |read| input.extend_from_slice(read)),
            Self::Tls(tls) => {
                let mut left = max;
                tls.poll_read(cx, &mut |read| {
                    let taken = read.len().min(left);
                    input.extend_from_slice(&read[..taken]);
                    left -= taken;
                    taken
                })
            }
            Self::Nowhere => Poll::Pending,
            #[cfg(test)]
            Self::Memory(memory) => memory.poll_read(cx, max).map_ok(|read| {
                input.extend_from_slice(&read);
                read.len()
            }),
        }
    }

    /// Reads the bytes that are available without taking them, as many as `buffer` has room for. Ready with 0 at the end of the
    /// stream.
    ///
    /// TLS: it is for what precedes TLS, so a stream is only asked before its session.
    ///
    /// # Errors
    /// As [`Self::poll_read`].
    pub fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => peek_socket(socket, cx, buffer),
            Self::Unix(socket) => peek_socket(socket, cx, buffer),
            Self::Tls(_) | Self::Http2(_) | Self::Nowhere => Poll::Pending,
            #[cfg(test)]
            Self::Memory(_) => Poll::Pending,
        }
    }

    /// Reads ahead until `input` has [`MAX_READ_AHEAD`] bytes, to notice when the client is gone. Pending while it is not,
    /// as far as can be known. HTTP/2 reads nothing ahead, since resets are told apart from DATA, and the end of the request
    /// does not mean that the client sends no more.
    pub fn poll_ahead(&self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<PeerState> {
        if let Self::Http2(stream) = self {
            return stream.poll_gone(cx);
        }
        while input.len() < MAX_READ_AHEAD {
            match self.poll_read_at_most(cx, input, MAX_READ_AHEAD - input.len()) {
                Poll::Ready(Ok(0)) if self.is_hung_up(cx) => return Poll::Ready(PeerState::Gone),
                Poll::Ready(Ok(0)) => return Poll::Ready(PeerState::HalfClosed),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(PeerState::Gone),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    /// Reads from the system at once, even if the runtime does not know yet that the socket is readable, and appends the
    /// bytes to `input`.
    ///
    /// TLS: `WouldBlock` as well if no record is complete.
    ///
    /// # Errors
    /// `WouldBlock` if no byte is available, or the connection is lost.
    pub fn read_now(&self, input: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Tls(tls) => tls.read_now(&mut |read| {
                input.extend_from_slice(read);
                read.len()
            }),
            _ => buffers::with_read(|buffer| {
                let read = self.read_into_now(buffer)?;
                input.extend_from_slice(&buffer[..read]);
                Ok(read)
            }),
        }
    }

    /// The same into `buffer`.
    pub(super) fn read_into_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => (&*SockRef::from(socket)).read(buffer),
            Self::Unix(socket) => (&*SockRef::from(socket)).read(buffer),
            Self::Tls(_) | Self::Http2(_) | Self::Nowhere => Err(io::ErrorKind::WouldBlock.into()),
            #[cfg(test)]
            Self::Memory(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Whether the system has bytes that were not read. Any thread may ask.
    ///
    /// TLS: also those of a record that is no byte of the client's.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        match self {
            Self::Tcp(socket) => matches!(SockRef::from(socket).peek(&mut [MaybeUninit::uninit()]), Ok(1..)),
            Self::Unix(socket) => matches!(SockRef::from(socket).peek(&mut [MaybeUninit::uninit()]), Ok(1..)),
            Self::Tls(tls) => tls.socket().has_unread(),
            Self::Http2(_) | Self::Nowhere => false,
            #[cfg(test)]
            Self::Memory(memory) => memory.has_unread(),
        }
    }

    /// Writes as many of `bytes` as the stream accepts without waiting, and returns their number.
    ///
    /// TLS: as [`Self::try_write_vectored`].
    ///
    /// # Errors
    /// `WouldBlock` if none is accepted, `Interrupted`, or the connection is lost.
    #[inline]
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.try_write(bytes),
            Self::Unix(socket) => socket.try_write(bytes),
            Self::Tls(tls) => tls.try_write_vectored(&[IoSlice::new(bytes)]),
            Self::Http2(stream) => stream.try_write(&[IoSlice::new(bytes)]),
            Self::Nowhere => Ok(bytes.len()),
            #[cfg(test)]
            Self::Memory(memory) => memory.try_write(&[IoSlice::new(bytes)]),
        }
    }

    /// Writes as many bytes of `slices` as the stream accepts without waiting, with one system call, and returns their
    /// number.
    ///
    /// TLS: it encrypts as many bytes as its buffer has room for, and puts all slices into one record if they fit. It sends
    /// the records, and returns the number of bytes that it has *encrypted*, since those must not be written again.
    /// `WouldBlock` if the buffer has no room. [`Self::poll_flush`] sends what the socket did not accept. So it encrypts the
    /// direct write of a handler from the guest's memory, without a copy of the plaintext.
    ///
    /// # Errors
    /// As [`Self::try_write`].
    #[inline]
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.try_write_vectored(slices),
            Self::Unix(socket) => socket.try_write_vectored(slices),
            Self::Tls(tls) => tls.try_write_vectored(slices),
            Self::Http2(stream) => stream.try_write(slices),
            Self::Nowhere => Ok(slices.iter().map(|slice| slice.len()).sum()),
            #[cfg(test)]
            Self::Memory(memory) => memory.try_write(slices),
        }
    }

    /// Ready when a write may be accepted again, after one was not.
    ///
    /// TLS: ready when its buffer has room.
    ///
    /// # Errors
    /// As [`Self::try_write`].
    #[inline]
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => socket.poll_write_ready(cx),
            Self::Unix(socket) => socket.poll_write_ready(cx),
            Self::Tls(tls) => tls.poll_write_ready(cx),
            Self::Http2(stream) => stream.poll_write_ready(cx),
            Self::Nowhere => Poll::Ready(Ok(())),
            #[cfg(test)]
            Self::Memory(memory) => memory.poll_write_ready(cx),
        }
    }

    /// Ready when the system has all bytes that were written.
    ///
    /// TCP and a Unix socket: always ready, since there is no buffer here. TLS: ready when its buffer is empty.
    ///
    /// # Errors
    /// As [`Self::try_write`].
    #[inline]
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) | Self::Unix(_) | Self::Nowhere => Poll::Ready(Ok(())),
            Self::Tls(tls) => tls.poll_flush(cx),
            Self::Http2(stream) => stream.poll_flush(cx),
            #[cfg(test)]
            Self::Memory(_) => Poll::Ready(Ok(())),
        }
    }

    /// Shuts down the write direction. The client may still send.
    ///
    /// TLS: sends a `close_notify` and shuts the socket down behind it. If the socket does not accept all of it at once,
    /// [`Self::poll_discard`] continues.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => SockRef::from(socket).shutdown(Shutdown::Write),
            Self::Unix(socket) => SockRef::from(socket).shutdown(Shutdown::Write),
            Self::Tls(tls) => tls.shutdown_write(),
            // The task of a stream ends it.
            Self::Http2(_) | Self::Nowhere => Ok(()),
            #[cfg(test)]
            Self::Memory(memory) => {
                memory.shutdown_write();
                Ok(())
            }
        }
    }

    /// Shuts down the write direction behind a response that is truncated. The client sees the end of the stream, but is not
    /// told that it is complete.
    ///
    /// TLS: without a `close_notify`.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn break_off(&self) -> io::Result<()> {
        match self {
            Self::Tls(tls) => tls.socket().shutdown_write(),
            _ => self.shutdown_write(),
        }
    }

    /// Makes the client see a reset when this is dropped. Bytes that the system has not sent yet are dropped. If the
    /// system refuses, the stream is closed normally.
    ///
    /// TLS: resets the socket, without a `close_notify`. A Unix socket cannot be reset, so it is closed.
    pub fn reset_on_close(&self) {
        match self {
            Self::Tcp(socket) => {
                let _ = socket.set_zero_linger();
            }
            Self::Tls(tls) => tls.socket().reset_on_close(),
            Self::Unix(_) | Self::Http2(_) | Self::Nowhere => {}
            #[cfg(test)]
            Self::Memory(memory) => memory.reset_on_close(),
        }
    }

    /// Makes the system send small writes at once (`TCP_NODELAY`). A Unix socket always does.
    pub(super) fn set_nodelay(&self) {
        match self {
            // If this fails, the next read or write fails too.
            Self::Tcp(socket) => {
                let _ = socket.set_nodelay(true);
            }
            Self::Tls(tls) => tls.socket().set_nodelay(),
            Self::Unix(_) | Self::Http2(_) | Self::Nowhere => {}
            #[cfg(test)]
            Self::Memory(_) => {}
        }
    }

    /// Makes the system probe a client that sends nothing for `interval`, and fail the stream's reads if it does not answer
    /// some probes, one each `interval`.
    ///
    /// A Unix socket needs no probe: the system knows when its peer is gone. HTTP/2: it probes the client of the connection, at
    /// the shortest interval that a stream wants.
    ///
    /// # Errors
    /// The system refuses. A lost client is then only detected by the next write.
    pub fn set_keepalive(&self, interval: Duration) -> io::Result<()> {
        let socket = match self {
            Self::Tcp(socket) => socket,
            Self::Tls(tls) => return tls.socket().set_keepalive(interval),
            Self::Unix(_) | Self::Nowhere => return Ok(()),
            Self::Http2(stream) => {
                stream.set_keepalive(interval);
                return Ok(());
            }
            #[cfg(test)]
            Self::Memory(_) => return Ok(()),
        };
        let probes = TcpKeepalive::new().with_time(interval).with_interval(interval).with_retries(PROBES);
        SockRef::from(socket).set_tcp_keepalive(&probes)
    }

    /// Waits until the client resets the connection. The system reports this without a read. If the transport cannot do
    /// this, the future never ends, and the next read or write reports the reset.
    pub async fn wait_for_reset(&self) {
        let reset = match self {
            Self::Tcp(socket) => socket.ready(Interest::ERROR).await,
            // So the system reports a client that has left bytes unread.
            Self::Unix(socket) => socket.ready(Interest::ERROR).await,
            Self::Tls(tls) => return Box::pin(tls.socket().wait_for_reset()).await,
            Self::Http2(stream) => {
                std::future::poll_fn(|cx| stream.poll_gone(cx)).await;
                return;
            }
            Self::Nowhere => return std::future::pending().await,
            #[cfg(test)]
            Self::Memory(memory) => return std::future::poll_fn(|cx| memory.poll_reset(cx)).await,
        };
        if reset.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the client has closed its sending side of the socket, even if bytes before the end are unread. A
    /// `close_notify` of TLS in those bytes is not detected.
    pub fn is_read_closed(&self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Tcp(socket) => ready_now(cx, socket.ready(Interest::READABLE)).is_some_and(Ready::is_read_closed),
            Self::Unix(socket) => ready_now(cx, socket.ready(Interest::READABLE)).is_some_and(Ready::is_read_closed),
            Self::Tls(tls) => tls.socket().is_read_closed(cx),
            Self::Http2(_) | Self::Nowhere => false,
            #[cfg(test)]
            Self::Memory(memory) => memory.is_read_closed(),
        }
    }

    /// Whether the client, which sends no more, is known to read no more either. The system says that of a Unix socket alone.
    fn is_hung_up(&self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Unix(socket) => {
                let interest = Interest::READABLE | Interest::WRITABLE;
                ready_now(cx, socket.ready(interest)).is_some_and(Ready::is_write_closed)
            }
            Self::Tls(tls) => tls.socket().is_hung_up(cx),
            Self::Tcp(_) | Self::Http2(_) | Self::Nowhere => false,
            #[cfg(test)]
            Self::Memory(_) => false,
        }
    }
}

/// A socket of the runtime, as far as reads are concerned.
trait ReadSocket {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;
    fn try_read_buf(&self, buffer: &mut impl BufMut) -> io::Result<usize>;
    fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Tells the runtime that a short read has emptied the socket, which saves the read that would find that out. No later
    /// bytes are missed, because this thread gets the event for them afterwards.
    fn note_emptied(&self);
}

macro_rules! impl_read_socket {
    ($($socket:ty),+) => {$(
        impl ReadSocket for $socket {
            #[inline]
            fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_read_ready(cx)
            }

            #[inline]
            fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                self.try_read(buffer)
            }

            #[inline]
            fn try_read_buf(&self, buffer: &mut impl BufMut) -> io::Result<usize> {
                self.try_read_buf(buffer)
            }

            fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
                self.try_io(Interest::READABLE, || {
                    let (peeked, _) = rustix::net::recv(self, &mut *buffer, RecvFlags::PEEK)?;
                    Ok(peeked)
                })
            }

            #[inline]
            fn note_emptied(&self) {
                let _: io::Result<()> = self.try_io(Interest::READABLE, || Err(io::ErrorKind::WouldBlock.into()));
            }
        }
    )+};
}

impl_read_socket!(TcpStream, UnixStream);

/// See [`Stream::poll_read_into`].
#[inline]
fn read_socket(socket: &impl ReadSocket, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_read_ready(cx))?;
        match socket.try_read(buffer) {
            Err(error) if is_transient(&error) => {}
            Err(error) => return Poll::Ready(Err(error)),
            Ok(read) => {
                if (1..buffer.len()).contains(&read) {
                    socket.note_emptied();
                }
                return Poll::Ready(Ok(read));
            }
        }
    }
}

/// See [`Stream::poll_read_at_most`].
fn read_socket_at_most(
    socket: &impl ReadSocket,
    cx: &mut Context<'_>,
    input: &mut BytesMut,
    max: usize,
) -> Poll<io::Result<usize>> {
    loop {
        // No buffer is reserved for a client that sends nothing.
        ready!(socket.poll_read_ready(cx))?;
        input.reserve(max);
        match socket.try_read_buf(&mut (&mut *input).limit(max)) {
            Err(error) if is_transient(&error) => {}
            read => return Poll::Ready(read),
        }
    }
}

/// See [`Stream::poll_peek`].
fn peek_socket(socket: &impl ReadSocket, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_read_ready(cx))?;
        match socket.try_peek(buffer) {
            Err(error) if is_transient(&error) => {}
            peeked => return Poll::Ready(peeked),
        }
    }
}

/// What a socket is ready for, as far as the runtime knows.
fn ready_now(cx: &mut Context<'_>, ready: impl Future<Output = io::Result<Ready>>) -> Option<Ready> {
    match std::pin::pin!(ready).poll(cx) {
        Poll::Ready(Ok(ready)) => Some(ready),
        Poll::Ready(Err(_)) | Poll::Pending => None,
    }
}

/// Whether no more may be read ahead, so that the end of the stream cannot be detected.
#[must_use]
pub fn is_read_ahead_full(input: &BytesMut) -> bool {
    input.len() >= MAX_READ_AHEAD
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
