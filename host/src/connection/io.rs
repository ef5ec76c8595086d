//! What of a connection is lent to whatever it does: its socket, its input, its timer.

use std::task::{Context, Poll};

use bytes::BytesMut;

use crate::config::{ErrorDetail, Timeouts};
use crate::net::{PeerState, Stream, Timer};
use crate::worker::Shutdown;

/// What an exchange or a WebSocket uses of its connection.
pub(super) struct ConnectionIo<'c> {
    pub(super) socket: &'c Stream,
    /// Bytes that have come and were not looked at.
    pub(super) input: &'c mut BytesMut,
    pub(super) timer: &'c mut Timer,
    /// Whether the client has sent its last byte.
    pub(super) half_closed: &'c mut bool,
    pub(super) timeouts: &'c Timeouts,
    pub(super) stopping: &'c Shutdown,
    pub(super) error_detail: ErrorDetail,
}

impl ConnectionIo<'_> {
    /// Reads ahead, within a bound, to notice a client that goes while nothing is asked of it. What it has found, if that
    /// is news.
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
