//! The bytes from and to one client, whatever carries them.

use std::io::{self, IoSlice, Read as _};
use std::net::Shutdown;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::buffers;

/// The most bytes that are read ahead of what is asked for.
pub const MAX_READ_AHEAD: usize = 16 * 1024;

/// How many probes of a silent client go unanswered before it is given up.
const PROBES: u32 = 3;

/// A connected byte stream.
///
/// One task polls it. Its methods take `&self`, since a handler writes to it while the connection has it too
/// ([`DirectWriter`](crate::exchange::DirectWriter)). Bytes are those of HTTP: a transport that encodes them does so within
/// these methods, each of which says what that takes.
///
/// A transport that encodes, as TLS does, keeps its session behind a lock of its own, which is never waited for, and bytes
/// that are encoded and not sent in a buffer of its own with a bound. Every method that touches the session sends on what
/// that buffer has.
#[derive(Debug)]
pub enum Stream {
    /// TCP, without encryption.
    Tcp(TcpStream),
}

/// What reading ahead has found of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// The client has sent its last byte; it may still read.
    HalfClosed,
    /// The client is gone.
    Gone,
}

impl Stream {
    /// Reads what is there and appends it to `input`, which takes no more memory than that. Ready with 0 at the client's
    /// end.
    ///
    /// TLS: bytes that were decoded before and not taken come first, without asking the socket. A record that is not
    /// complete is no byte yet: it is pending. A `close_notify` is the end; the socket's end without one is an error.
    ///
    /// # Errors
    /// What the system says: the client is gone.
    #[inline]
    pub fn poll_read(&self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |read| input.extend_from_slice(read))
    }

    /// Reads what is there and drops it, as [`Self::poll_read`] does.
    ///
    /// TLS: it decodes, so that it finds a `close_notify` and answers what the protocol asks for.
    ///
    /// # Errors
    /// As [`Self::poll_read`].
    #[inline]
    pub fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |_| ())
    }

    #[inline]
    fn poll_with(&self, cx: &mut Context<'_>, take: impl FnOnce(&[u8])) -> Poll<io::Result<usize>> {
        let Self::Tcp(socket) = self;
        buffers::with_read(|buffer| {
            loop {
                ready!(socket.poll_read_ready(cx))?;
                match socket.try_read(buffer) {
                    Err(error) if is_transient(&error) => {}
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(read) => {
                        if (1..buffer.len()).contains(&read) {
                            note_emptied(socket);
                        }
                        take(&buffer[..read]);
                        return Poll::Ready(Ok(read));
                    }
                }
            }
        })
    }

    /// Reads at most `max` bytes into `input`, straight into its memory: for bodies. Ready with 0 at the client's end.
    ///
    /// TLS: as [`Self::poll_read`]; what of a record is past `max` stays for the next call.
    ///
    /// # Errors
    /// As [`Self::poll_read`].
    pub fn poll_read_at_most(&self, cx: &mut Context<'_>, input: &mut BytesMut, max: usize) -> Poll<io::Result<usize>> {
        let Self::Tcp(socket) = self;
        loop {
            // A client that sends nothing costs no buffer.
            ready!(socket.poll_read_ready(cx))?;
            input.reserve(max);
            match socket.try_read_buf(&mut (&mut *input).limit(max)) {
                Err(error) if is_transient(&error) => {}
                read => return Poll::Ready(read),
            }
        }
    }

    /// Reads what the client sends before it is asked for, up to [`MAX_READ_AHEAD`] bytes in `input`, to notice when it
    /// goes. Pending while the client is there, as far as can be known.
    pub fn poll_ahead(&self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<PeerState> {
        while input.len() < MAX_READ_AHEAD {
            match self.poll_read_at_most(cx, input, MAX_READ_AHEAD - input.len()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(PeerState::HalfClosed),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(PeerState::Gone),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    /// Reads what the system has, even if the runtime was not told of it yet, and appends it to `input`.
    ///
    /// TLS: it decodes what the system has. `WouldBlock` where that is no whole record.
    ///
    /// # Errors
    /// What the system says: `WouldBlock` where it has nothing.
    pub fn read_now(&self, input: &mut BytesMut) -> io::Result<usize> {
        let Self::Tcp(socket) = self;
        buffers::with_read(|buffer| {
            let read = (&*SockRef::from(socket)).read(buffer)?;
            input.extend_from_slice(&buffer[..read]);
            Ok(read)
        })
    }

    /// Writes as much of `bytes` as is taken at once, and says how much that is.
    ///
    /// TLS: as [`Self::try_write_vectored`].
    ///
    /// # Errors
    /// What the system says: `WouldBlock` where nothing is taken, `Interrupted`, or that the client is gone.
    #[inline]
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let Self::Tcp(socket) = self;
        socket.try_write(bytes)
    }

    /// Writes as much of `slices` as is taken at once, in one call, and says how much that is.
    ///
    /// TLS: it encodes as much as its buffer has room for, all slices into one record where they fit, sends, and says how
    /// many bytes it has *encoded*: those are never to be written again. `WouldBlock` where the buffer has no room. What
    /// the socket did not take is sent by [`Self::poll_flush`]. So a handler's direct write works there too, and saves one
    /// copy of the two.
    ///
    /// # Errors
    /// As [`Self::try_write`].
    #[inline]
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Self::Tcp(socket) = self;
        socket.try_write_vectored(slices)
    }

    /// Ready once a write may be taken, after one was not.
    ///
    /// TLS: ready once its buffer has room again, which sends on what it has.
    ///
    /// # Errors
    /// As [`Self::try_write`].
    #[inline]
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Tcp(socket) = self;
        socket.poll_write_ready(cx)
    }

    /// Ready once the system has all that was written.
    ///
    /// TCP has no buffer of its own here: it is ready at once. TLS: ready once its buffer is empty.
    ///
    /// # Errors
    /// As [`Self::try_write`].
    #[inline]
    pub fn poll_flush(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) => Poll::Ready(Ok(())),
        }
    }

    /// Ends this side after all that was written: the client reads its end, and may still send.
    ///
    /// TLS: a `close_notify` goes out before the end of the socket's side. What the socket does not take at once,
    /// [`Self::poll_discard`] sends on.
    ///
    /// # Errors
    /// What the system says: the client is gone.
    pub fn shutdown(&self) -> io::Result<()> {
        let Self::Tcp(socket) = self;
        SockRef::from(socket).shutdown(Shutdown::Write)
    }

    /// Has the client see a reset once this is dropped: what the system still holds for it is not sent. Where the system
    /// refuses, the stream is closed as any other.
    ///
    /// TLS: the same, of the socket, without a `close_notify`. A Unix socket cannot be reset: it is closed.
    pub fn reset_on_close(&self) {
        let Self::Tcp(socket) = self;
        let _ = socket.set_zero_linger();
    }

    /// Has the system send small writes at once, and not wait for more.
    ///
    /// TLS: the socket's. A Unix socket always does.
    pub(super) fn send_at_once(&self) {
        let Self::Tcp(socket) = self;
        // Small writes matter more than small packets; a socket that refuses is about to fail anyway.
        let _ = socket.set_nodelay(true);
    }

    /// Lets the system probe a client that is silent `every` so long, which is then found to be gone by a read.
    ///
    /// TLS: the socket's. The peer of a Unix socket is never gone without a sign: nothing is to be done.
    ///
    /// # Errors
    /// What the system says. Such a client is found to be gone when something is sent.
    pub fn probe(&self, every: Duration) -> io::Result<()> {
        let Self::Tcp(socket) = self;
        let probes = TcpKeepalive::new().with_time(every).with_interval(every).with_retries(PROBES);
        SockRef::from(socket).set_tcp_keepalive(&probes)
    }

    /// Waits until the client has reset the connection, which is told without reading. For ever where that is not told:
    /// reading or writing says so.
    ///
    /// TLS and Unix sockets: the socket's.
    pub async fn reset(&self) {
        let Self::Tcp(socket) = self;
        if socket.ready(Interest::ERROR).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the system has told of the client's last byte, whether what is before it was read or not.
    ///
    /// TLS: the socket's; a `close_notify` behind what was not read is not known.
    pub fn is_read_closed(&self, cx: &mut Context<'_>) -> bool {
        let Self::Tcp(socket) = self;
        let ready = std::pin::pin!(socket.ready(Interest::READABLE));
        matches!(ready.poll(cx), Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }
}

/// Whether as much as may be has been read ahead, so that the client's end cannot be read.
#[must_use]
pub fn is_read_ahead_full(input: &BytesMut) -> bool {
    input.len() >= MAX_READ_AHEAD
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// A short read has emptied the socket: saves the call that says so. What comes from then on is not missed, since it is
/// this thread that hears of it, later.
fn note_emptied(socket: &TcpStream) {
    let _: io::Result<()> = socket.try_io(Interest::READABLE, || Err(io::ErrorKind::WouldBlock.into()));
}
