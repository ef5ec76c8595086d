//! One TLS connection as a state machine, without a socket.

use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic,
};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};

use super::plaintext::{MAX_PLAINTEXT, Plaintext};
use super::settings;
use crate::certificates::CHALLENGE_PROTOCOL;

pub use super::settings::Sni;

/// The longest record (RFC 5246 section 6.2.3; those of TLS 1.3 are shorter).
pub(super) const MAX_RECORD: usize = 5 + MAX_PLAINTEXT + 2048;

/// What a record that is sent has beside its plaintext, at most, and a message about new keys before it.
const MAX_OVERHEAD: usize = 256;

/// The most ciphertext of one write. What the socket does not accept of it is kept.
pub const MAX_UNSENT: usize = 2 * MAX_PLAINTEXT + 4 * MAX_OVERHEAD;

/// How much ciphertext may be kept before messages of the protocol that the client causes are too many.
const MAX_KEPT: usize = 2 * MAX_UNSENT;

/// A connection whose client has sent at least one byte.
pub(super) struct Session {
    connection: UnbufferedServerConnection,
    /// Received bytes of a record, or of a message of the handshake, that is not complete. rustls may have decrypted a part
    /// of it, so it has to see all of it each time.
    partial: Vec<u8>,
    /// Decrypted bytes that nobody has taken.
    plaintext: BytesMut,
    /// Encrypted bytes that the socket has not accepted.
    unsent: BytesMut,
    sni: Option<Arc<Sni>>,
    error: Option<rustls::Error>,
    /// The client has sent a `close_notify`.
    is_ended: bool,
    closing: Closing,
}

/// What a client and the host have agreed upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsAgreement {
    /// Whether it is TLS 1.3, and not 1.2.
    pub is_1_3: bool,
    /// Whether an earlier session was resumed.
    pub is_resumed: bool,
}

/// How far the host has closed its sending side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    Open,
    /// Once all ciphertext is sent.
    Requested,
    /// The socket is shut down.
    Shut,
}

impl Session {
    pub(super) fn new(config: &Arc<ServerConfig>) -> io::Result<Self> {
        let connection = UnbufferedServerConnection::new(config.clone()).map_err(io::Error::other)?;
        Ok(Self {
            connection,
            partial: Vec::new(),
            plaintext: BytesMut::new(),
            unsent: BytesMut::new(),
            sni: None,
            error: None,
            is_ended: false,
            closing: Closing::Open,
        })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the client is an authority that has looked for a challenge. Nothing follows then.
    pub(super) fn is_challenge(&self) -> bool {
        self.connection.alpn_protocol() == Some(CHALLENGE_PROTOCOL)
    }

    pub(super) fn agreement(&self) -> Option<TlsAgreement> {
        let is_resumed = self.connection.handshake_kind()? == HandshakeKind::Resumed;
        Some(TlsAgreement { is_1_3: self.connection.protocol_version()? == ProtocolVersion::TLSv1_3, is_resumed })
    }

    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Whether the socket is to be shut down, now that all ciphertext is sent. True once.
    pub(super) fn take_shutdown(&mut self) -> bool {
        let is_due = self.closing == Closing::Requested;
        if is_due {
            self.closing = Closing::Shut;
        }
        is_due
    }

    pub(super) fn sni(&self) -> Option<&Arc<Sni>> {
        self.sni.as_ref()
    }

    pub(super) fn kept(&self) -> usize {
        self.partial.len()
    }

    /// # Errors
    /// The protocol was violated before.
    pub(super) fn check(&self) -> io::Result<()> {
        match &self.error {
            Some(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error.clone())),
            None => Ok(()),
        }
    }

    /// Gives the plaintext that is left to `take`, and returns how many bytes that took.
    pub(super) fn take_plaintext(&mut self, take: &mut dyn FnMut(&[u8]) -> usize) -> usize {
        if self.plaintext.is_empty() {
            return 0;
        }
        let taken = take(&self.plaintext);
        self.plaintext.advance(taken);
        if self.plaintext.is_empty() {
            self.plaintext = BytesMut::new();
        }
        taken
    }

    /// Processes `read` bytes of `buffer`, which follow the room for [`Self::kept`] bytes. Gives the plaintext to `take`,
    /// and returns how many bytes that took.
    ///
    /// # Errors
    /// The socket has ended without a `close_notify`, or the protocol is violated.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        read: usize,
        take: &mut dyn FnMut(&[u8]) -> usize,
    ) -> io::Result<usize> {
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let kept = self.partial.len();
        buffer[..kept].copy_from_slice(&self.partial);
        let received = &mut buffer[..kept + read];
        let (taken, done) = self.process(received, take);
        let rest = received.get(done..).unwrap_or_default();
        self.partial.clear();
        if rest.is_empty() || self.is_ended {
            // An idle connection holds no buffer.
            self.partial = Vec::new();
        } else if rest.len() <= MAX_RECORD {
            self.partial.reserve_exact(rest.len());
            self.partial.extend_from_slice(rest);
        } else {
            self.error
                .get_or_insert_with(|| rustls::Error::General("a message of the handshake is too long".to_owned()));
        }
        // What was decrypted before is given first; the next read reports the error.
        if taken == 0 {
            self.check()?;
        }
        Ok(taken)
    }

    /// Processes all complete records. Returns how many bytes of plaintext `take` took, and how many received bytes are done.
    fn process(&mut self, received: &mut [u8], take: &mut dyn FnMut(&[u8]) -> usize) -> (usize, usize) {
        let Self { connection, plaintext, unsent, sni, error, is_ended, .. } = self;
        let (mut taken, mut done) = (0, 0);
        let mut goes_on = true;
        while goes_on {
            let status = connection.process_tls_records(received.get_mut(done..).unwrap_or_default());
            let UnbufferedStatus { mut discard, state } = status;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        discard += record.discard;
                        let payload = record.payload;
                        // In order: what was not taken comes before.
                        let now = if plaintext.is_empty() { take(payload) } else { 0 };
                        taken += now;
                        plaintext.extend_from_slice(&payload[now..]);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, unsent),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => *is_ended = true,
                // Early data is not offered.
                Ok(_) => goes_on = false,
                // The next state is the alert that says so.
                Err(found) => goes_on = error.replace(found).is_none(),
            }
            done += discard;
            if unsent.len() > MAX_KEPT {
                error.get_or_insert_with(|| rustls::Error::General("the client causes too many messages".to_owned()));
                goes_on = false;
            }
        }
        if let Some(noted) = settings::take_noted() {
            *sni = Some(noted);
        }
        (taken, done)
    }

    /// Encrypts as much of `slices` into `encrypted` as there is room for. Returns how much that is, and how many bytes of
    /// ciphertext. Messages of the protocol that come before it are in [`Self::unsent`].
    ///
    /// # Errors
    /// The handshake is not complete, the connection was closed, or its keys are used up.
    pub(super) fn encrypt(
        &mut self,
        slices: &[IoSlice<'_>],
        encrypted: &mut [u8],
        gathered: &mut Vec<u8>,
    ) -> io::Result<(usize, usize)> {
        self.write(|traffic| {
            let mut plaintext = Plaintext::new(slices);
            let (mut accepted, mut bytes) = (0, 0);
            while let Some(room) = (encrypted.len() - bytes).checked_sub(MAX_OVERHEAD).filter(|room| *room > 0) {
                let record = plaintext.next(room, gathered);
                if record.is_empty() {
                    break;
                }
                bytes += traffic.encrypt(record, &mut encrypted[bytes..]).map_err(of_encrypt)?;
                accepted += record.len();
            }
            Ok((accepted, bytes))
        })
    }

    /// Encrypts a `close_notify`, if the client can be told. The socket is to be shut down behind it.
    pub(super) fn close(&mut self) {
        if self.closing != Closing::Open {
            return;
        }
        self.closing = Closing::Requested;
        let mut alert = [0; MAX_OVERHEAD];
        if self.error.is_none()
            && let Ok(bytes) = self.write(|traffic| traffic.queue_close_notify(&mut alert).map_err(of_encrypt))
        {
            self.unsent.extend_from_slice(&alert[..bytes]);
        }
    }

    /// Calls `write` if the state of the protocol allows to send.
    fn write<R>(
        &mut self,
        write: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>) -> io::Result<R>,
    ) -> io::Result<R> {
        let Self { connection, partial, plaintext, unsent, is_ended, error, .. } = self;
        loop {
            let UnbufferedStatus { discard, state } = connection.process_tls_records(partial);
            match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => return write(&mut traffic),
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, unsent),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => *is_ended = true,
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        plaintext.extend_from_slice(record.payload);
                    }
                }
                Ok(_) => return Err(io::ErrorKind::NotConnected.into()),
                Err(found) => {
                    let failed = io::Error::new(io::ErrorKind::InvalidData, found.clone());
                    *error = Some(found);
                    return Err(failed);
                }
            }
            partial.drain(..discard.min(partial.len()));
        }
    }

    /// The ciphertext that the socket has not accepted.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    #[cfg(test)]
    pub(super) fn buffered_capacity(&self) -> usize {
        self.partial.capacity() + self.plaintext.capacity() + self.unsent.capacity()
    }

    /// Keeps ciphertext that the socket has not accepted.
    pub(super) fn keep_unsent(&mut self, encrypted: &[u8]) {
        self.unsent.extend_from_slice(encrypted);
    }

    /// The socket has accepted so many bytes of it.
    pub(super) fn advance(&mut self, sent: usize) {
        self.unsent.advance(sent);
        if self.unsent.is_empty() {
            self.unsent = BytesMut::new();
        }
    }
}

/// Appends a message of the handshake, or an alert.
fn encode(data: &mut EncodeTlsData<'_, ServerConnectionData>, unsent: &mut BytesMut) {
    let start = unsent.len();
    let mut room = MAX_OVERHEAD;
    // The second attempt has as much room as the first has asked for.
    for _ in 0..2 {
        unsent.resize(start + room, 0);
        match data.encode(&mut unsent[start..]) {
            Ok(bytes) => return unsent.truncate(start + bytes),
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => room = required_size,
            Err(EncodeError::AlreadyEncoded) => break,
        }
    }
    unsent.truncate(start);
}

fn of_encrypt(error: EncryptError) -> io::Error {
    io::Error::other(error)
}
