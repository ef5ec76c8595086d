//! The parts of a connection that an exchange or a WebSocket borrows: its socket, its input and its timer.

use std::task::{Context, Poll};

use bytes::BytesMut;

use crate::config::{ErrorDetail, Timeouts};
use crate::net::{PeerState, Stream, Timer};
use crate::worker::Shutdown;

/// The parts of a connection that an exchange or a WebSocket borrows.
pub(super) struct ConnectionIo<'c> {
    pub(super) socket: &'c Stream,
    /// The bytes that have arrived and are not parsed yet.
    pub(super) input: &'c mut BytesMut,
    pub(super) timer: &'c mut Timer,
    /// Whether the client has closed its sending side.
    pub(super) half_closed: &'c mut bool,
    pub(super) timeouts: &'c Timeouts,
    pub(super) stopping: &'c Shutdown,
    pub(super) error_detail: ErrorDetail,
}

impl ConnectionIo<'_> {
    /// Reads ahead, within a bound, to detect a client that disconnects while nothing is read from it. Returns the
    /// client's state if it has changed.
    pub(super) fn watch_peer(&mut self, cx: &mut Context<'_>) -> Option<PeerState> {
        watch_peer(cx, self.socket, self.input, self.half_closed)
    }
}

/// As [`ConnectionIo::watch_peer`].
pub(super) fn watch_peer(
    cx: &mut Context<'_>,
    socket: &Stream,
    input: &mut BytesMut,
    half_closed: &mut bool,
) -> Option<PeerState> {
    if *half_closed {
        return None;
    }
    match socket.poll_ahead(cx, input) {
        Poll::Ready(state) => {
            *half_closed |= state == PeerState::HalfClosed;
            Some(state)
        }
        Poll::Pending => None,
    }
}
