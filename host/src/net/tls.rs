//! TLS on top of another stream.
//!
//! The protocol is that of rustls, without the buffers of rustls: ciphertext is read into and encrypted into buffers of the
//! thread. A connection keeps only what it has to: the rest of a record that has not arrived, plaintext that was not asked
//! for yet, and ciphertext that the socket did not accept.

mod plaintext;
mod session;
mod settings;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use super::Stream;
use session::Session;

pub use session::{MAX_UNSENT, Sni, TlsAgreement};
pub use settings::{TLS_PROTOCOLS, TlsSettings};

/// The first byte of every record of a handshake.
pub const HANDSHAKE_RECORD: u8 = 22;

/// The buffer for reads: the rest of one record, and one more.
const READ_BYTES: usize = 2 * session::MAX_RECORD;

/// Buffers of the thread.
struct Buffers {
    received: Box<[u8]>,
    encrypted: Box<[u8]>,
    gathered: Vec<u8>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers {
        received: vec![0; READ_BYTES].into(),
        encrypted: vec![0; MAX_UNSENT].into(),
        gathered: Vec::new(),
    });
}

/// A connection of a listener that speaks TLS. The handshake takes place within the first reads.
pub struct TlsStream {
    socket: Stream,
    settings: Arc<TlsSettings>,
    /// Never contended: only the task of the connection and its handler, in turn, use it.
    phase: Mutex<Phase>,
}

/// What a connection is.
enum Phase {
    /// The client has sent nothing, so it is not known yet.
    Silent,
    /// TLS.
    Tls(Box<Session>),
    /// The client does not speak TLS: it has sent a request as it is.
    Plain,
}

/// How a handshake has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// Requests can be read, and responses written.
    Complete,
    /// The client has sent a request without TLS. What is written is sent without TLS too, to tell it.
    NotTls,
    /// A certificate authority has looked for a challenge. Nothing follows.
    Challenge,
}

impl TlsStream {
    /// Waits for the handshake of a client on `socket`.
    #[must_use]
    pub fn new(socket: Stream, settings: Arc<TlsSettings>) -> Self {
        Self { socket, settings, phase: Mutex::new(Phase::Silent) }
    }

    /// The stream that carries the ciphertext.
    #[must_use]
    pub fn socket(&self) -> &Stream {
        &self.socket
    }

    /// What the client has asked for in its handshake. `None` before that.
    #[must_use]
    pub fn sni(&self) -> Option<Arc<Sni>> {
        match &*self.phase() {
            Phase::Tls(session) => session.sni().cloned(),
            Phase::Silent | Phase::Plain => None,
        }
    }

    /// What was agreed upon, once the handshake is complete.
    #[must_use]
    pub fn agreement(&self) -> Option<TlsAgreement> {
        match &*self.phase() {
            Phase::Tls(session) => session.agreement(),
            Phase::Silent | Phase::Plain => None,
        }
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when the handshake has ended. The plaintext that has come with it is kept for the next read.
    ///
    /// # Errors
    /// The handshake has failed, and an alert was sent if the protocol has one; or the connection is lost.
    pub fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<Handshake>> {
        let mut phase = self.phase();
        loop {
            match &mut *phase {
                Phase::Plain => return Poll::Ready(Ok(Handshake::NotTls)),
                Phase::Silent => {}
                Phase::Tls(session) => {
                    let flushed = self.poll_flush_session(session, cx)?;
                    session.check()?;
                    if !session.is_handshaking() {
                        let ended = if session.is_challenge() { Handshake::Challenge } else { Handshake::Complete };
                        return Poll::Ready(Ok(ended));
                    }
                    // The client has nothing to answer to before it has all of this.
                    ready!(flushed);
                }
            }
            ready!(self.poll_receive(&mut phase, cx, &mut |_| 0))?;
        }
    }

    /// Reads plaintext, and gives it to `take` in pieces. That returns how many bytes it takes; the others are kept for the
    /// next read. Ready with 0 at the end.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&[u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        let mut phase = self.phase();
        loop {
            if let Phase::Tls(session) = &mut *phase {
                let taken = session.take_plaintext(take);
                if taken > 0 {
                    return Poll::Ready(Ok(taken));
                }
                // It need not wait for this: the client may be waiting until it has sent something.
                let _ = self.poll_flush_session(session, cx)?;
                if session.is_ended() {
                    return Poll::Ready(Ok(0));
                }
                session.check()?;
            }
            let taken = ready!(self.poll_receive(&mut phase, cx, take))?;
            if taken > 0 || matches!(*phase, Phase::Plain) {
                return Poll::Ready(Ok(taken));
            }
        }
    }

    /// Reads what the system has now, even if the runtime does not know of it.
    pub(super) fn read_now(&self, take: &mut dyn FnMut(&[u8]) -> usize) -> io::Result<usize> {
        let mut phase = self.phase();
        if let Phase::Tls(session) = &mut *phase {
            let taken = session.take_plaintext(take);
            if taken > 0 {
                return Ok(taken);
            }
        }
        let taken = BUFFERS.with_borrow_mut(|buffers| {
            let kept = phase.kept();
            let read = self.socket.read_into_now(&mut buffers.received[kept..])?;
            self.receive(&mut phase, &mut buffers.received, read, take)
        })?;
        match &*phase {
            Phase::Tls(session) if taken == 0 && !session.is_ended() => Err(io::ErrorKind::WouldBlock.into()),
            Phase::Tls(_) | Phase::Plain | Phase::Silent => Ok(taken),
        }
    }

    /// Reads from the socket once, and processes it. Ready with the number of bytes that `take` took.
    fn poll_receive(
        &self,
        phase: &mut Phase,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&[u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        BUFFERS.with_borrow_mut(|buffers| {
            let kept = phase.kept();
            let read = ready!(self.socket.poll_read_into(cx, &mut buffers.received[kept..]))?;
            Poll::Ready(self.receive(phase, &mut buffers.received, read, take))
        })
    }

    /// Processes `read` bytes, which are in `buffer` behind the room for those that were kept.
    fn receive(
        &self,
        phase: &mut Phase,
        buffer: &mut [u8],
        read: usize,
        take: &mut dyn FnMut(&[u8]) -> usize,
    ) -> io::Result<usize> {
        if let Phase::Silent = phase
            && read > 0
        {
            *phase = match is_method(buffer[0]) {
                true => Phase::Plain,
                false => Phase::Tls(Box::new(Session::new(self.settings.config())?)),
            };
        }
        match phase {
            // It has closed the connection without a byte.
            Phase::Silent => Err(io::ErrorKind::UnexpectedEof.into()),
            Phase::Plain => Ok(take(&buffer[..read])),
            Phase::Tls(session) => {
                let received = session.receive(buffer, read, take);
                // If the socket does not accept it, the next poll goes on.
                let flushed = self.try_flush(session);
                let taken = received?;
                flushed?;
                Ok(taken)
            }
        }
    }

    /// Encrypts and sends as much of `slices` as there is room for.
    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut phase = self.phase();
        let session = match &mut *phase {
            Phase::Silent => return Err(io::ErrorKind::NotConnected.into()),
            Phase::Plain => return self.socket.try_write_vectored(slices),
            Phase::Tls(session) => session,
        };
        session.check()?;
        if !self.try_flush(session)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        BUFFERS.with_borrow_mut(|Buffers { encrypted, gathered, .. }| {
            let (accepted, bytes) = session.encrypt(slices, encrypted, gathered)?;
            let mut encrypted = &encrypted[..bytes];
            // Messages of the protocol, such as of new keys, come first.
            if self.try_flush(session)? && !encrypted.is_empty() {
                match self.socket.try_write(encrypted) {
                    Ok(sent) => encrypted = &encrypted[sent..],
                    Err(error) if is_transient(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            session.keep_unsent(encrypted);
            Ok(accepted)
        })
    }

    /// Ready when a write is accepted.
    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.phase() {
            Phase::Silent => Poll::Ready(Ok(())),
            Phase::Plain => self.socket.poll_write_ready(cx),
            Phase::Tls(session) => self.poll_flush_session(session, cx),
        }
    }

    /// Ready when the socket has accepted all ciphertext.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.phase() {
            Phase::Silent | Phase::Plain => Poll::Ready(Ok(())),
            Phase::Tls(session) => self.poll_flush_session(session, cx),
        }
    }

    /// How many bytes of ciphertext the socket has not accepted yet.
    pub(super) fn unsent(&self) -> usize {
        match &*self.phase() {
            Phase::Silent | Phase::Plain => 0,
            Phase::Tls(session) => session.unsent().len(),
        }
    }

    /// Sends a `close_notify`, and shuts the socket down once that is sent.
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        match &mut *self.phase() {
            Phase::Tls(session) => {
                session.close();
                self.try_flush(session).map(drop)
            }
            Phase::Silent | Phase::Plain => self.socket.shutdown_write(),
        }
    }

    fn poll_flush_session(&self, session: &mut Session, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.try_flush(session)? {
            ready!(self.socket.poll_write_ready(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends ciphertext until none is left, or the socket accepts none. Returns whether none is left.
    fn try_flush(&self, session: &mut Session) -> io::Result<bool> {
        while !session.unsent().is_empty() {
            match self.socket.try_write(session.unsent()) {
                Ok(sent) => session.advance(sent),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if session.take_shutdown() {
            self.socket.shutdown_write()?;
        }
        Ok(true)
    }
}

impl Phase {
    /// How many bytes of an incomplete record are kept.
    fn kept(&self) -> usize {
        match self {
            Self::Silent | Self::Plain => 0,
            Self::Tls(session) => session.kept(),
        }
    }
}

/// Without the keys.
impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// Whether a request without TLS may begin with this byte. No record of TLS does.
fn is_method(byte: u8) -> bool {
    byte.is_ascii_alphabetic()
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
